import inspect
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audiodiff.models.kinds import KINDS, imported
from audiodiff.synthesis.files import run_file
from audiodiff.synthesis.load import load, load_generator, load_latent
from audiodiff.synthesis.provenance import AdapterRecord, ProvenanceRecord, read_provenance
from audiodiff.synthesis.replay import replay
from audiodiff.synthesis.settings import GenerateSettings
from tests.models.adapters import write_adapter
from tests.refusals import refused


@pytest.fixture(scope="module")
def adapters(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One of the latent model, one of its vocoder."""
    place = tmp_path_factory.mktemp("adapters")
    return write_adapter(place / "mine", tiny_folder), write_adapter(place / "voc", tiny_folder / "vocoder", 1)


def generated(folder: Path, *adapters: str | Path) -> np.ndarray:
    model = load_latent(folder, device="cpu", adapters=adapters)
    return model.generate("piano", seconds=0.5, steps=1)


def test_every_part_takes_its_own_adapters(tiny_folder: Path, adapters: tuple[Path, Path]) -> None:
    first, second = adapters
    model = load(tiny_folder, device="cpu", adapters=[f"{second}:0.25", first])
    latent, vocoder = model.synthesizer.identity  # type: ignore[union-attr]
    assert [(each.name, each.strength) for each in latent.adapters] == [("mine", 1.0)]
    assert [(each.name, each.strength) for each in vocoder.adapters] == [("voc", 0.25)]
    plain = generated(tiny_folder)
    assert np.array_equal(plain, generated(tiny_folder, f"{first}:0", f"{second}:0"))
    sounds = [plain, *(generated(tiny_folder, each) for each in (first, second, f"{first}:0.5"))]
    for index, sound in enumerate(sounds):
        assert all(np.abs(sound - other).max() > 1e-4 for other in sounds[:index])


def test_an_adapter_of_another_model_is_refused(tiny_folder: Path, adapters: tuple[Path, Path]) -> None:
    refused(
        "is for the model tiny .*and vocoder has others", lambda: load(tiny_folder / "vocoder", adapters=[adapters[0]])
    )


def test_files_name_adapters_and_replay_needs_them(
    tiny_folder: Path, adapters: tuple[Path, Path], tmp_path: Path
) -> None:
    first, second = adapters
    made, again = tmp_path / "made.wav", tmp_path / "again.wav"
    model = load_generator(tiny_folder, device="cpu", adapters=[f"{first}:0.8", f"{second}:0.4"])
    settings = GenerateSettings("piano", seconds=0.5)
    run_file("generate", model, [], made, settings)
    record = read_provenance(made)
    assert record.format == 3
    assert record.models[0].adapters == model.identity[0].adapters
    assert record.models[1].adapters[0].strength == 0.4
    assert "with adapter mine (0.8)" in record.sentence()
    # the strengths given to replay do not matter: the record has them
    report = replay(made, again, model=tiny_folder, adapters=[second, f"{first}:0.1"], device="cpu")
    assert report.identical
    assert report.again.models == record.models
    assert replace(report.again, audio=record.audio) == record
    out = tmp_path / "no.wav"
    refused("made with the adapter mine .*0.8.*--adapter", lambda: replay(made, out, model=tiny_folder))
    refused("made with the adapter voc", lambda: replay(made, out, model=tiny_folder, adapters=[first]))
    run_file("generate", load_generator(tiny_folder, device="cpu"), [], again, settings)
    plain = read_provenance(again)
    assert plain.format == 2
    assert "adapters" not in str(plain.to_dict())
    refused("without the adapter .*mine", lambda: replay(again, out, model=tiny_folder, adapters=[first]))
    assert not out.exists()


def test_records_with_adapters_are_read_back_and_damaged_ones_refused(tiny_folder: Path, tmp_path: Path) -> None:
    run_file(
        "generate", load_generator(tiny_folder, device="cpu"), [], tmp_path / "a.wav", GenerateSettings(seconds=0.5)
    )
    record = read_provenance(tmp_path / "a.wav")
    adapted = replace(record.models[0], adapters=(AdapterRecord("mine", "ab" * 32, 0.5),))
    values = replace(record, models=(adapted, record.models[1])).to_dict()
    assert ProvenanceRecord.from_dict(values).models[0] == adapted
    for wrong in (3, [3], [{"name": "mine"}], [{"name": "mine", "weights_sha256": "x", "strength": "1"}]):
        values["models"][0]["adapters"] = wrong
        refused("lacks|adapters|no table|strength", lambda: ProvenanceRecord.from_dict(values))


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS.values() if kind.synthesizer])
def test_every_kind_that_makes_sound_takes_adapters(kind: str) -> None:
    assert "adapters" in inspect.signature(imported(KINDS[kind].synthesizer)).parameters
