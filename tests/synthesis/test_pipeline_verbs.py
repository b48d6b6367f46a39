"""Recordings edited by pipelines of diffusers."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from audiodiff.cli.main import main
from audiodiff.synthesis.pipeline_generator import PipelineGenerator, load_pipeline
from tests.models.pipelines import tiny
from tests.refusals import refused
from tests.synthesis.pipelines import recording

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # they run whole networks of two libraries

OURS = 22050


@pytest.fixture(scope="module")
def stable(tmp_path_factory: pytest.TempPathFactory) -> PipelineGenerator:
    pytest.importorskip("diffusers")
    pytest.importorskip("transformers")
    folder = tiny.write_pipeline(tmp_path_factory.mktemp("pipelines") / "stable", tiny.stable_audio)
    return load_pipeline(f"diffusers:{folder}", device="cpu")


@pytest.fixture(scope="module")
def ace(tmp_path_factory: pytest.TempPathFactory) -> PipelineGenerator:
    diffusers = pytest.importorskip("diffusers")
    pytest.importorskip("transformers")
    if not hasattr(diffusers, "AceStepPipeline"):
        pytest.skip("this diffusers has no AceStepPipeline")
    folder = tiny.write_pipeline(tmp_path_factory.mktemp("pipelines") / "ace", tiny.ace_step)
    return load_pipeline(f"diffusers:{folder}", device="cpu")


def test_a_variation_has_the_noise_of_its_strength(stable: PipelineGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state that denoising starts from is latents + sigma * noise, sigma = strength / (1 - strength)."""
    stable.generate("solo", seconds=0.5, steps=1)
    pipeline = stable.synthesizer._pipeline("fp32")
    found: dict[float, torch.Tensor] = {}
    for strength in (0.5, 0.8):
        levels: list[torch.Tensor] = []
        prepare = type(pipeline).prepare_latents

        def spy(
            *args: object, prepare: object = prepare, levels: list[torch.Tensor] = levels, **kwargs: object
        ) -> object:
            levels.append(prepare(pipeline, *args, **kwargs))  # type: ignore[operator]
            return levels[-1]

        monkeypatch.setattr(pipeline, "prepare_latents", spy, raising=False)
        stable.vary((recording(), OURS), strength=strength, steps=2, seed=5)
        found[strength] = levels[0]
    generator = torch.Generator().manual_seed(5)
    noise = torch.randn(found[0.5].shape, generator=generator)
    difference = found[0.8] - found[0.5]  # the same recording and the same noise
    torch.testing.assert_close(difference, (4.0 - 1.0) * noise, rtol=1e-3, atol=1e-3)


def test_less_strength_stays_nearer_to_the_recording(ace: PipelineGenerator, stable: PipelineGenerator) -> None:
    for model in (stable, ace):
        made = [model.vary((recording(), OURS), prompt="drums", strength=s, steps=2, seed=1) for s in (0.4, 0.9)]
        assert made[0].shape == (2, round(0.6 * tiny.RATE))
        assert not np.array_equal(*made)
    refused("strength is 0, so nothing would be varied", lambda: stable.vary(recording(), strength=0.0))
    refused("the noise of this pipeline begins at 0.23", lambda: stable.vary(recording(), strength=0.1, steps=1))
    refused("longer than", lambda: stable.vary((recording(2.0), OURS), strength=0.5, steps=1))


def test_a_variation_is_about_as_loud_as_its_recording(ace: PipelineGenerator) -> None:
    """ACE-Step brings all that it makes to one peak."""
    loud = ace.vary((recording(), OURS), strength=0.5, steps=2, level="none")
    soft = ace.vary((recording() * 0.25, OURS), strength=0.5, steps=2, level="none")
    assert np.sqrt(np.mean(loud**2)) / np.sqrt(np.mean(recording() ** 2)) == pytest.approx(1.0, abs=0.1)
    assert np.sqrt(np.mean(loud**2)) / np.sqrt(np.mean(soft**2)) == pytest.approx(4.0, abs=0.4)


def test_every_sample_outside_of_the_regions_is_kept(ace: PipelineGenerator) -> None:
    given = np.stack([recording(), 0.5 * recording()])
    regions = ((0.1, 0.2), (0.35, 0.5))
    made = ace.inpaint((given, OURS), regions, prompt="drums", steps=2, crossfade=0.01)
    assert made.shape == given.shape
    new = np.zeros(given.shape[1], bool)
    for start, stop in regions:
        new[round(start * OURS) : round(stop * OURS)] = True
    np.testing.assert_array_equal(made[:, ~new], given[:, ~new])
    for start, stop in regions:
        inside = slice(round((start + 0.02) * OURS), round((stop - 0.02) * OURS))
        assert np.abs(made[:, inside] - given[:, inside]).max() > 1e-3
    refused("makes a region all new", lambda: ace.apply("inpaint", given[0], regions=regions, strength=0.5))


@pytest.mark.parametrize("verb", ["vary", "inpaint"])
def test_an_edit_is_made_again(
    ace: PipelineGenerator, verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, first, again = tmp_path / "clip.wav", tmp_path / "a.wav", tmp_path / "b.wav"
    soundfile.write(clip, recording(), OURS)
    options = ["--region", "0.2:0.4"] if verb == "inpaint" else ["--strength", "0.6"]
    options += ["--steps", "2", "--tempo", "90", "--seed", "4", "--model", ace.name, "--device", "cpu"]
    assert main([verb, str(clip), "-o", str(first), *options]) == 0
    assert main(["replay", str(first), "-o", str(again), "--model", ace.name]) == 0, capsys.readouterr().err
    assert again.read_bytes() == first.read_bytes()


def test_a_pipeline_without_tokens_makes_no_covers(ace: PipelineGenerator, tmp_path: Path) -> None:
    folder = tiny.write_pipeline(tmp_path / "ace", lambda: tiny.ace_step(tokens=False))
    model = load_pipeline(f"diffusers:{folder}", device="cpu")
    refused("was saved without its audio_tokenizer", lambda: model.vary(recording(), steps=1))
    assert model.generate("solo", seconds=0.5, steps=1).shape == (2, 8000)
