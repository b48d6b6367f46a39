"""`inpaint` and `extend` make both channels of a stereo recording at once, where the model has stereo."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from audiodiff.synthesis.clip import Clip
from audiodiff.synthesis.files import apply, run_file, settings_of
from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.load import load_generator
from audiodiff.synthesis.provenance import read_provenance
from audiodiff.synthesis.replay import replay
from audiodiff.synthesis.source import Source
from audiodiff.synthesis.verbs.extend import ExtendSettings
from audiodiff.synthesis.verbs.inpaint import InpaintSettings
from tests.refusals import refused
from tests.synthesis.latent_models import RATE, write_stereo_model
from tests.synthesis.recordings import quick, tones

EDITS: dict[str, Any] = {
    "inpaint": InpaintSettings(((1.0, 1.5),), quick()),
    "extend": ExtendSettings(0.7, quick()),
    "extend before": ExtendSettings(0.7, quick(), before=True),
}
LENGTH = round(2.5 * RATE)
KEPT = {  # what is kept, in the recording and in the result
    "inpaint": [(slice(0, RATE), slice(0, RATE)), (slice(round(1.5 * RATE), None), slice(round(1.5 * RATE), None))],
    "extend": [(slice(None), slice(0, LENGTH))],
    "extend before": [(slice(None), slice(round(0.7 * RATE), None))],
}
NEW = {
    "inpaint": slice(RATE, round(1.5 * RATE)),
    "extend": slice(LENGTH, None),
    "extend before": slice(0, round(0.7 * RATE)),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stereo_model(tmp_path_factory.mktemp("stereo") / "tiny")


@pytest.fixture(scope="module")
def stereo(model: Path) -> LatentSynthesizer:
    return load_generator(model)


@pytest.fixture(scope="module")
def clip(stereo: LatentSynthesizer) -> Clip:
    return apply("generate", stereo, [], quick(seconds=2.5, level="peak"))


@pytest.fixture
def runs(stereo: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often latents were denoised: one entry a time."""
    counted: list[int] = []
    plain = LatentSynthesizer.sample

    def sample(self: LatentSynthesizer, *given: Any, **named: Any) -> torch.Tensor:
        counted.append(1)
        return plain(self, *given, **named)

    monkeypatch.setattr(LatentSynthesizer, "sample", sample)
    return counted


def edit(name: str, synthesizer: LatentSynthesizer, clip: Clip | np.ndarray, **changes: Any) -> Clip:
    given = (clip.waveform, RATE, clip.latents) if isinstance(clip, Clip) else (clip, RATE)
    return apply(name.split(maxsplit=1)[0], synthesizer, [given], replace(EDITS[name], **changes))


@pytest.mark.parametrize("name", EDITS)
def test_both_channels_are_made_at_once_from_the_latents_of_the_clip(
    stereo: LatentSynthesizer, clip: Clip, runs: list[int], name: str
) -> None:
    made = edit(name, stereo, clip)
    assert len(runs) == 1
    assert clip.latents is not None
    assert made.latents is not None
    assert made.started_from == (clip.latents.sha256,)
    assert made.latents.values.shape[0] == 1
    assert not [note for note in made.notes if "encoded" in note]
    for before, after in KEPT[name]:
        np.testing.assert_array_equal(made.waveform[:, after], clip.waveform[:, before])
    fades = round(0.06 * RATE)
    left, right = made.waveform[:, NEW[name]][:, fades:-fades]
    alike = float(left @ right) / float(np.linalg.norm(left) * np.linalg.norm(right))
    assert abs(alike) < 0.99  # not one sound at two levels
    again = edit("inpaint", stereo, made)  # which starts from the latents of the edit
    assert again.started_from == (made.latents.sha256,)


@pytest.mark.parametrize("name", EDITS)
def test_a_recording_without_latents_gives_its_own_stereo(
    stereo: LatentSynthesizer, name: str, runs: list[int]
) -> None:
    sound = np.stack([tones(2.5, RATE), 0.2 * tones(2.5, RATE, seed=1)])
    made = edit(name, stereo, sound)
    assert len(runs) == 1
    for before, after in KEPT[name]:
        np.testing.assert_array_equal(made.waveform[:, after], sound[:, before])


def test_what_is_made_of_a_recording_leans_where_it_does(stereo: LatentSynthesizer) -> None:
    """With nothing new, the region is the codec's copy of the recording, loud on its loud side."""
    common = tones(2.5, RATE)
    for gains in ((1.0, 0.2), (0.2, 1.0)):
        sound = np.stack([gain * common for gain in gains]) + 0.01 * np.stack(
            [tones(2.5, RATE, seed=s) for s in (1, 2)]
        )
        made = edit("inpaint", stereo, sound, strength=0.0)
        left, right = (float(np.square(side).mean()) for side in made.waveform[:, NEW["inpaint"]])
        assert (left > 2.0 * right) == (gains[0] > gains[1])


@pytest.mark.parametrize("name", EDITS)
def test_equal_and_opposite_channels_go_one_by_one(stereo: LatentSynthesizer, name: str, runs: list[int]) -> None:
    sound = tones(2.5, RATE)
    equal = edit(name, stereo, np.stack([sound, sound]))
    np.testing.assert_array_equal(equal.waveform[0], equal.waveform[1])
    assert len(runs) == 1
    opposite = edit(name, stereo, np.stack([sound, -sound]))
    assert len(runs) == 3
    assert np.isfinite(opposite.waveform).all()
    three = edit(name, stereo, np.stack([sound, -sound, 0.5 * sound]))
    assert len(three.waveform) == 3


@pytest.mark.parametrize("name", ["inpaint", "extend"])
def test_a_file_from_before_is_made_as_it_was(
    model: Path, stereo: LatentSynthesizer, tmp_path: Path, runs: list[int], name: str
) -> None:
    source = tmp_path / "clip.wav"
    run_file("generate", stereo, [], source, quick(seconds=2.5), watermark=False)
    del runs[:]
    files = {joint: tmp_path / f"{joint}.wav" for joint in (True, False)}
    for joint, path in files.items():
        run_file(name, stereo, [Source(source)], path, replace(EDITS[name], joint=joint), watermark=False)
    assert len(runs) == 1 + 2  # one by one it takes a run for each channel
    record = read_provenance(files[False])
    assert settings_of(record).joint is False
    older = replace(record, settings={key: value for key, value in record.settings.items() if key != "joint"})
    assert settings_of(older).joint is False
    for path in files.values():
        assert replay(path, tmp_path / "again.wav", model=model).identical
        (tmp_path / "again.wav").unlink()


def test_from_python_it_is_the_default(model: Path, clip: Clip) -> None:
    made = Generator(load_generator(model)).inpaint((clip.waveform, RATE), regions=[(1.0, 1.5)], steps=2)
    assert np.asarray(made).shape == clip.waveform.shape


@pytest.mark.parametrize("kind", [ExtendSettings, InpaintSettings])
def test_joint_is_a_switch(kind: Any) -> None:
    given = {"regions": ((1.0, 1.5),)} if kind is InpaintSettings else {}
    refused("joint is 2; it must be true or false", lambda: kind(**given, joint=2))
