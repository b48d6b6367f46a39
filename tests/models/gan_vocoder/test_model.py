"""Vocoders of other projects in the form in which vocoders are sampled here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import load_checkpoint, read_config, save_checkpoint
from audiodiff.models.gan_vocoder import GanVocoder, GanVocoderConfig
from audiodiff.nn.hifigan import HifiGanConfig
from audiodiff.nn.vocos import VocosConfig
from audiodiff.signal.mel_spec import MelSpec, preset

MEL = MelSpec(sample_rate=8000, n_fft=32, hop_length=8, win_length=32, n_mels=12, f_max=4000.0)
HIFIGAN = HifiGanConfig(12, 8, (4, 2), (8, 4), "1", (3, 5), ((1, 3), (1, 2)))
CONFIGS = {
    "hifigan": GanVocoderConfig(MEL, hifigan=HIFIGAN),
    "bigvgan": GanVocoderConfig(
        MEL, hifigan=HifiGanConfig(12, 8, (4, 2), (8, 4), "1", (3,), ((1, 3),), activation="snakebeta")
    ),
    "dilated": GanVocoderConfig(MEL, hifigan=HifiGanConfig(12, 8, (8,), (16,), "1", (7,), ((1, 27),))),
    "vocos": GanVocoderConfig(MEL, vocos=VocosConfig(12, 16, 24, 2, 32, 8, "same")),
}


def built(name: str) -> GanVocoder:
    torch.manual_seed(0)
    return GanVocoder(CONFIGS[name]).eval()


@pytest.mark.parametrize("name", CONFIGS)
def test_a_checkpoint_keeps_all_of_it(tmp_path: Path, name: str) -> None:
    model = built(name)
    save_checkpoint(tmp_path, model, {})
    assert read_config(tmp_path)["kind"] == "gan_vocoder"
    again = load_checkpoint(tmp_path, GanVocoder)
    assert again.config == model.config
    mel = torch.randn(1, 12, 9)
    with torch.no_grad():
        assert torch.equal(again(mel), model(mel))


@pytest.mark.parametrize("name", CONFIGS)
def test_a_sample_depends_on_the_stated_context_and_no_more(name: str) -> None:
    model = built(name)
    frames = model.condition_context_frames
    mel = torch.randn(1, 12, 2 * frames + 6, requires_grad=True)
    middle = mel.shape[-1] // 2
    model(mel)[0, 0, middle * 8 : (middle + 1) * 8].abs().sum().backward()
    assert mel.grad is not None
    touched = mel.grad[0].abs().sum(dim=0).nonzero().flatten()
    assert middle - frames <= int(touched.min())
    assert int(touched.max()) <= middle + frames
    # not twice as much as it needs
    assert int(touched.max()) - int(touched.min()) + 1 > frames


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_the_estimate_is_the_waveform_whatever_the_state(dtype: torch.dtype | None) -> None:
    model, mel = built("hifigan"), torch.randn(1, 12, 9)
    cond = model.prepare(mel, dtype)
    assert cond.dtype == torch.float32
    assert cond.shape == (1, 1, 72)
    denoise = model.denoiser(dtype)
    for seed in range(2):
        state = torch.randn(1, 1, 72, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(denoise(state, torch.tensor([1.0]), cond), cond)
    assert not model.noise(mel, 0, 0)(3).any()
    with torch.no_grad():
        torch.testing.assert_close(cond, model(mel), rtol=0, atol=0.0 if dtype is None else 0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "one network"),
        ({"hifigan": HIFIGAN, "vocos": VocosConfig()}, "one network"),
        ({"hifigan": HifiGanConfig()}, "must be the same"),
        ({"vocos": VocosConfig(12, 16, 24, 2, 32, 8, "center")}, "padding"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(AudiodiffError, match=message):
        GanVocoderConfig(MEL, **arguments)  # type: ignore[arg-type]


def test_the_published_configs_fit_their_mels() -> None:
    GanVocoderConfig(preset("hifigan-22k"), hifigan=HifiGanConfig())
    GanVocoderConfig(preset("vocos-24k"), vocos=VocosConfig())
