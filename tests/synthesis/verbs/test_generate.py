from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.files import run_file, settings_of
from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.replay import replay
from audiodiff.synthesis.settings import GenerateSettings, Sampling
from audiodiff.synthesis.verbs.generate import resolve, resolve_loosened

FAST = Sampling(steps=2, seed=5)


def test_takes_with_variety_are_recorded_and_replayed(
    tiny: LatentSynthesizer, tiny_folder: Path, tmp_path: Path
) -> None:
    settings = GenerateSettings("jazz", seconds=0.5, sampling=FAST, variety=0.5)
    made = run_file("generate", tiny, [], tmp_path / "take.flac", settings)
    record = made.record
    assert record is not None
    assert (record.settings["variety"], record.settings["guidance"]) == (0.5, pytest.approx(1.6))
    kept = settings_of(record)
    assert resolve_loosened(tiny, kept).values() == made.resolved.values()
    assert resolve(tiny, kept).values() != made.resolved.values()  # which guides less and less
    again = replay(tmp_path / "take.flac", tmp_path / "again.flac", model=tiny_folder)
    assert again.identical
    assert again.again.settings == record.settings


def test_no_variety_leaves_no_trace(tiny: LatentSynthesizer, tmp_path: Path) -> None:
    made = run_file("generate", tiny, [], tmp_path / "take.flac", GenerateSettings("jazz", seconds=0.5, sampling=FAST))
    assert made.record is not None
    assert "variety" not in made.record.settings


def test_a_clip_from_before_differences_were_held_is_guided_at_every_step(
    tiny: LatentSynthesizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = GenerateSettings("jazz", seconds=0.5, sampling=FAST)
    made = run_file("generate", tiny, [], tmp_path / "take.flac", settings)
    assert made.record is not None
    older = {name: value for name, value in made.record.settings.items() if name != "guidance_hold"}
    # A model of today that recommends to hold them is given a record of before.
    monkeypatch.setattr(tiny, "defaults", replace(tiny.defaults, guidance_hold=0.9))
    assert resolve(tiny, settings).sampling.guidance_hold == 0.9
    assert resolve(tiny, settings_of(replace(made.record, settings=older))).sampling.guidance_hold == 0.0


def test_streams_are_guided_alike(tiny: LatentSynthesizer) -> None:
    music = Generator(tiny)
    options = {"seconds": 0.5, "seed": 5, "steps": 2, "variety": 1.0, "key": "A minor"}
    whole = music.generate("jazz", level="none", **options)
    parts = np.concatenate(list(music.stream("jazz", **options)))
    np.testing.assert_allclose(parts, whole, atol=1e-7)
    assert not np.allclose(music.generate("jazz", level="none", **(options | {"variety": 0.0})), whole, atol=1e-6)


def test_edits_take_no_variety(tiny: LatentSynthesizer) -> None:
    sound = np.zeros(22050, np.float32)
    with pytest.raises(AudiodiffError, match="variety is for new clips"):
        Generator(tiny).apply("vary", sound, variety=0.5)
    with pytest.raises(AudiodiffError, match="variety is for new clips"):
        Generator(tiny).apply("interpolate", prompts=("jazz", "rock"), variety=0.5)
    with pytest.raises(AudiodiffError, match="from 0 to 1"):
        Generator(tiny).generate("jazz", variety=1.5)
