from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.files import apply
from audiodiff.synthesis.generator import ClipOptions, Generator
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.settings import GenerateSettings, changed, values_of
from audiodiff.synthesis.verbs import VERBS
from audiodiff.synthesis.verbs.extend import ExtendSettings
from audiodiff.synthesis.verbs.inpaint import InpaintSettings
from audiodiff.synthesis.verbs.interpolate import InterpolateSettings
from audiodiff.synthesis.verbs.loop import LoopSettings
from audiodiff.synthesis.verbs.vary import VarySettings
from tests.refusals import refused
from tests.synthesis.latent_models import RATE
from tests.synthesis.recordings import tones

SOUND, OTHER = tones(1.5, RATE), tones(1.5, RATE, 1)


@pytest.fixture(scope="module")
def music(tiny: LatentSynthesizer) -> Generator:
    return Generator(tiny)


OWN = {"prompt", "seconds", "variety", "prior", "idea"}
"""Arguments of `generate`."""


def test_options_are_the_settings() -> None:
    assert {*ClipOptions.__annotations__} - {"on_progress"} == {*values_of(GenerateSettings())} - OWN


@pytest.mark.parametrize("verb", [name for name, verb in VERBS.items() if verb.model == "music"])
def test_methods_do_what_the_verbs_do(music: Generator, verb: str) -> None:
    options = {"steps": 2, "seed": 3, "guidance": 1.0, "level": "none"}
    one, two = (SOUND, RATE), (OTHER, RATE)
    made, sounds, settings = {
        "generate": lambda: (music.generate(seconds=1.0, **options), [], GenerateSettings(seconds=1.0)),
        "vary": lambda: (music.vary(SOUND, strength=0.6, **options), [one], VarySettings(strength=0.6)),
        "inpaint": lambda: (
            music.inpaint(SOUND, [(0.5, 1.0)], crossfade=0.01, **options),
            [one],
            InpaintSettings(((0.5, 1.0),), crossfade=0.01),
        ),
        "extend": lambda: (
            music.extend(SOUND, seconds=0.5, before=True, **options),
            [one],
            ExtendSettings(0.5, before=True),
        ),
        "interpolate": lambda: (
            music.interpolate(SOUND, (OTHER, RATE), position=0.2, **options),
            [one, two],
            InterpolateSettings(0.2),
        ),
        "loop": lambda: (music.loop(SOUND, new=0.3, **options), [one], LoopSettings(new=0.3)),
    }[verb]()
    np.testing.assert_array_equal(made, apply(verb, music.synthesizer, sounds, changed(settings, options)).waveform)


def test_a_recording_is_an_array_an_array_with_its_rate_or_a_file(music: Generator, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "clip.wav", SOUND, RATE, subtype="FLOAT")
    made = [
        music.vary(clip, steps=2) for clip in (SOUND, (SOUND, RATE), tmp_path / "clip.wav", str(tmp_path / "clip.wav"))
    ]
    assert all(np.array_equal(made[0], other) for other in made[1:])
    half = music.vary((SOUND, RATE // 2), steps=2)
    assert len(half) == pytest.approx(2 * len(SOUND), abs=2)


def test_what_cannot_be_is_refused(music: Generator) -> None:
    for make, message in (
        (lambda: music.generate(steps=0), "steps is 0"),
        (lambda: music.generate(stepz=1), "no setting 'stepz'"),
        (lambda: music.inpaint(SOUND, []), "no region"),
        (lambda: music.interpolate(SOUND), "takes 0 or 2 recordings, and 1 was given"),
        (music.interpolate, "nothing to interpolate"),
    ):
        with pytest.raises(AudiodiffError, match=message):
            make()


def test_every_verb_that_makes_clips_is_a_method(music: Generator) -> None:
    for name, verb in VERBS.items():
        assert hasattr(music, name) is not verb.streams
    with pytest.raises(AttributeError, match="has no 'sing'"):
        music.sing()


def test_progress_is_told(music: Generator) -> None:
    seen: list[float] = []
    music.vary(SOUND, steps=2, on_progress=lambda done, total: seen.append(done / total))
    assert seen[-1] == 1.0


@pytest.mark.parametrize("seconds", [0.5, 1.0, 4.0])
def test_a_stream_is_the_clip_in_parts(music: Generator, seconds: float) -> None:
    options = {"steps": 2, "seed": 3, "guidance": 1.0}
    steps = []
    parts = list(music.stream(seconds=seconds, on_progress=lambda *done: steps.append(done), **options))
    whole = music.generate(seconds=seconds, level="none", **options)
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=0, atol=1e-5)
    assert steps == [(1.0, 2.0), (2.0, 2.0)]


def test_what_needs_the_whole_clip_is_not_streamed(music: Generator) -> None:
    refused("cannot be streamed", lambda: list(music.stream(steps=1, loop=True)))
    refused("whole clip", lambda: list(music.stream(steps=1, level="peak")))
    refused("steps", lambda: music.stream(steps=0))
