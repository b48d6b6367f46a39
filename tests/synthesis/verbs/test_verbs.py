"""What holds for every verb of the table."""

from pathlib import Path

import pytest
import soundfile

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis import verbs
from audiodiff.synthesis.files import run_file, settings_of
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.replay import replay
from audiodiff.synthesis.settings import changed, values_of
from audiodiff.synthesis.verbs import VERBS
from audiodiff.synthesis.verbs.inpaint import InpaintSettings
from tests.synthesis.latent_models import RATE
from tests.synthesis.recordings import tones

CLIPS = sorted(name for name, verb in VERBS.items() if verb.model == "music")
"""Verbs of the latent model."""

BASES = {"inpaint": InpaintSettings(((0.2, 0.6),))}


def test_the_table_and_the_folder_agree() -> None:
    folder = Path(verbs.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == {*VERBS}
    for name, verb in VERBS.items():
        assert verb.name == name
        assert (verb.remake is not None) == verb.streams
        assert {*verb.from_input} <= {*values_of(BASES.get(name) or verb.settings())}


@pytest.mark.parametrize("name", CLIPS)
def test_a_file_tells_its_settings_and_is_made_again(
    tiny: LatentSynthesizer, tiny_folder: Path, tmp_path: Path, name: str
) -> None:
    verb = VERBS[name]
    sources = [tmp_path / f"{index}.wav" for index in range(verb.inputs[-1] if name != "generate" else 0)]
    for index, source in enumerate(sources):
        soundfile.write(source, tones(1.0, RATE, index), RATE, subtype="FLOAT")
    asked = {
        "seed": 3,
        "steps": 2,
        "guidance": 1.0,
        "negative": "drums",
        "key": "A minor",
        "guidance_interval": (0.1, 1.0),
    }
    asked |= {"seconds": 0.5} if name in {"generate", "extend"} else {}
    settings = changed(BASES.get(name) or verb.settings(), asked)
    report = run_file(name, tiny, sources, tmp_path / "out.flac", settings)
    assert report.record is not None
    told = settings_of(report.record)
    assert type(told) is verb.settings
    own = {*vars(settings)} if name != "generate" else set()
    used = {key: value for key, value in verb.resolve(tiny, settings).values().items() if key not in own}
    wanted = {**values_of(settings), **used, "guidance_interval": (0.1, 1.0)}
    kept = {*wanted} - ({*verb.from_input} - own)
    assert {key: values_of(told)[key] for key in kept} == {key: wanted[key] for key in kept}
    again = replay(tmp_path / "out.flac", tmp_path / "again.flac", model=tiny_folder)
    assert again.identical
    assert settings_of(again.again) == told


@pytest.mark.parametrize("name", sorted(VERBS))
def test_another_number_of_inputs_is_refused(tiny: LatentSynthesizer, tmp_path: Path, name: str) -> None:
    settings = BASES.get(name) or VERBS[name].settings()
    with pytest.raises(AudiodiffError, match=rf"{name} takes .* and 3 were given"):
        run_file(name, tiny, [tmp_path / "a.wav"] * 3, tmp_path / "out.wav", settings)
    assert not list(tmp_path.iterdir())
