"""Our models in the shape of a pipeline of diffusers."""

from pathlib import Path

import numpy as np
import pytest
import torch

from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.load import load
from audiodiff.synthesis.music_pipeline import MusicPipeline
from tests.refusals import refused
from tests.synthesis.latent_models import RATE, write_stereo_model

SHORT = {"audio_length_in_s": 0.5, "num_inference_steps": 2}


@pytest.fixture(scope="module")
def pipe(tiny_folder: Path) -> MusicPipeline:
    made = MusicPipeline.from_pretrained(tiny_folder)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture(scope="module")
def ours(tiny_folder: Path) -> Generator:
    model = load(tiny_folder, device="cpu")
    assert isinstance(model, Generator)
    return model


def test_clips_are_those_of_generate_bit_for_bit(pipe: MusicPipeline, ours: Generator) -> None:
    made = pipe(
        ["", "(a:1.2)"],
        **SHORT,
        guidance_scale=1.5,
        negative_prompt=["b", ""],
        num_waveforms_per_prompt=2,
        seed=7,
    ).audios
    asked = [("", "b"), ("", "b"), ("(a:1.2)", ""), ("(a:1.2)", "")]
    expected = [
        ours.generate(prompt, negative=negative, seconds=0.5, steps=2, guidance=1.5, seed=7 + index)
        for index, (prompt, negative) in enumerate(asked)
    ]
    assert isinstance(made, np.ndarray)
    assert made.shape == (4, 1, round(0.5 * RATE))
    np.testing.assert_array_equal(made[:, 0], np.stack(expected))


def test_what_is_not_given_is_what_the_model_recommends(pipe: MusicPipeline, ours: Generator) -> None:
    made = pipe("", audio_end_in_s=0.5, seed=3)
    np.testing.assert_array_equal(made.audios[0, 0], ours.generate("", seconds=0.5, seed=3))
    assert made["audios"] is made[0] is made.audios


def test_a_fresh_generator_stands_for_its_seed_and_goes_on(pipe: MusicPipeline) -> None:
    generator = torch.Generator().manual_seed(7)
    first = pipe("", **SHORT, num_waveforms_per_prompt=2, generator=generator).audios
    np.testing.assert_array_equal(first, pipe("", **SHORT, num_waveforms_per_prompt=2, seed=7).audios)
    second = pipe("", **SHORT, generator=generator).audios
    assert not np.array_equal(first[:1], second)
    each = [torch.Generator().manual_seed(seed) for seed in (8, 7)]
    np.testing.assert_array_equal(pipe(["", ""], **SHORT, generator=each).audios, first[::-1])


def test_without_a_seed_torchs_own_decides(pipe: MusicPipeline) -> None:
    torch.manual_seed(1)
    first, second = pipe("", **SHORT).audios, pipe("", **SHORT).audios
    assert not np.array_equal(first, second)
    torch.manual_seed(1)
    np.testing.assert_array_equal(pipe("", **SHORT).audios, first)


def test_tensors_tuples_and_the_rate_are_where_such_code_looks(pipe: MusicPipeline) -> None:
    (made,) = pipe("", **SHORT, seed=1, output_type="pt", return_dict=False)
    assert isinstance(made, torch.Tensor)
    assert made.dtype == torch.float32
    np.testing.assert_array_equal(made.numpy(), pipe("", **SHORT, seed=1).audios)
    assert pipe.vae.sampling_rate == pipe.vae.config.sampling_rate == pipe.vocoder.config.sampling_rate == RATE
    assert pipe.sample_rate == RATE
    assert pipe.to("cpu") is pipe


def test_a_stereo_model_gives_both_channels(tmp_path: Path) -> None:
    pipe = MusicPipeline.from_pretrained(write_stereo_model(tmp_path / "stereo"), torch_dtype=torch.float32)
    assert pipe.precision == "fp32"
    made = pipe("", **SHORT, seed=1).audios
    assert made.shape == (1, 2, round(0.5 * RATE))


def test_the_bar_is_shown_until_it_is_disabled(
    tiny_folder: Path, pipe: MusicPipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe("", **SHORT, seed=1)
    assert capsys.readouterr().err == ""
    MusicPipeline(pipe.model)("", **SHORT, seed=1)
    assert "%|" in capsys.readouterr().err


def test_what_cannot_be_used_is_one_sentence(pipe: MusicPipeline, tiny_folder: Path) -> None:
    generator = torch.Generator()
    refused("two names of one length", lambda: pipe("", audio_length_in_s=1.0, audio_end_in_s=1.0))
    refused("give one of them", lambda: pipe("", **SHORT, seed=1, generator=generator))
    refused("2 clips and 1 generators", lambda: pipe(["", ""], **SHORT, generator=[generator]))
    refused("2 prompts and 1 negative", lambda: pipe(["", ""], **SHORT, negative_prompt=["a"]))
    refused("num_waveforms_per_prompt is 0", lambda: pipe("", **SHORT, num_waveforms_per_prompt=0))
    refused("output_type is 'latent'", lambda: pipe("", **SHORT, output_type="latent"))  # type: ignore[arg-type]
    refused("it must be a text", lambda: pipe([], **SHORT))
    refused("seconds is -1", lambda: pipe("", audio_length_in_s=-1.0))
    refused(
        "torch_dtype is torch.float16", lambda: MusicPipeline.from_pretrained(tiny_folder, torch_dtype=torch.float16)
    )
    refused("does not generate from prompts", lambda: MusicPipeline.from_pretrained(tiny_folder / "vocoder"))
