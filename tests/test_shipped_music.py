"""The music model in the package loads, fits, follows a prompt, and makes the same clip twice."""

from pathlib import Path

import numpy as np
import pytest
import torch

import audiodiff
from audiodiff.metrics.music import treble
from audiodiff.models.checkpoint import read_config, weights_hash
from audiodiff.models.find import PRETRAINED
from audiodiff.signal.mel import log_mel
from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.load import load_generator

FOLDER = PRETRAINED / "music"


@pytest.fixture(scope="module")
def model() -> LatentSynthesizer:
    return load_generator("music")


def test_it_is_small_and_says_where_it_comes_from() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 40 * 2**20
    for folder, command in ((FOLDER, "audiodiff train music "), (FOLDER / "vocoder", "audiodiff train music-vocoder ")):
        config = read_config(folder)
        assert config["weights_sha256"] == weights_hash(folder / "model.safetensors")
        assert config["metadata"]["command"].startswith(command)
        assert {"CC0-1.0", "Public-Domain"} <= set(config["metadata"]["corpus"]["licences"])
        assert not [source for source in config["metadata"]["corpus"]["sources"] if Path(source).is_absolute()]
    assert "instruments" in read_config(FOLDER)["metadata"]["vocabulary"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_clip_of_exactly_that_length(model: LatentSynthesizer) -> None:
    one, other = (Generator(model).generate("solo acoustic piano", seconds=1.5, seed=3, steps=4) for _ in range(2))
    assert one.shape == (2, round(1.5 * 44100))
    np.testing.assert_array_equal(one, other)
    assert audiodiff.load("music").sample_rate == 44100


def flux(model: LatentSynthesizer, clip: np.ndarray) -> float:
    """How much louder bands become from frame to frame."""
    rises = log_mel(torch.from_numpy(clip).mean(dim=0)[None], model.model.mel_spec).diff(dim=-1).clamp_min(0.0)
    return float(rises.mean())


@pytest.mark.slow
def test_drums_do_not_whistle(model: LatentSynthesizer) -> None:
    kits = ("drum groove", "solo drum kit", "jazz trio with drums", "metal, heavy drums", "funk band", "techno beat")
    lines = []
    for seed, kit in enumerate(kits):
        for bpm in (90, 110, 130, 150):
            clip = Generator(model).generate(f"{kit}, {bpm} bpm", seconds=3, seed=seed, steps=6)
            found = treble(clip.mean(axis=0), model.sample_rate)
            assert found is not None
            lines.append(found.line_db)
    assert len(lines) == 24
    assert max(lines) < 10.0, lines


DRUMS, ORGAN = "solo drum kit, rock drum groove, fast", "solo church organ, hymn, slow"


@pytest.mark.slow
def test_drums_strike_and_organs_hold(model: LatentSynthesizer) -> None:
    def mean(prompt: str) -> float:
        clips = [Generator(model).generate(prompt, seconds=4, seed=seed, steps=12) for seed in range(3)]
        return float(np.mean([flux(model, clip) for clip in clips]))

    assert mean(DRUMS) > 1.5 * mean(ORGAN)


@pytest.mark.slow
def test_a_clip_beside_drums_strikes_and_one_beside_an_organ_holds(model: LatentSynthesizer) -> None:
    def beside(prompt: str) -> float:
        clips = []
        for seed in range(3):
            heard = Generator(model).generate(prompt, seconds=4, seed=seed, steps=12), model.sample_rate
            clips.append(Generator(model).generate("", seconds=4, seed=10 + seed, steps=12, reference=heard))
        return float(np.mean([flux(model, clip) for clip in clips]))

    assert beside(DRUMS) > 1.5 * beside(ORGAN)
