import dataclasses
import math

import pytest
import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.models.config import dataclass_from_dict, model_config_to_dict
from audiodiff.models.upsampler import (
    UpsamplerConfig,
)
from audiodiff.signal.resample import resample
from tests.models.upsampler.cases import SMALL, make, voice
from tests.refusals import refused


def below(waveform: Tensor, hz: float, rate: int = 16_000) -> Tensor:
    """What a waveform `[1, n]` has below a frequency, by the spectrum of the whole."""
    spectrum = torch.fft.rfft(waveform.double())
    frequency = torch.arange(spectrum.shape[-1]) * rate / waveform.shape[-1]
    return torch.fft.irfft(spectrum * (frequency < hz), n=waveform.shape[-1])


def test_config_survives_json_and_says_what_does_not_fit() -> None:
    assert dataclass_from_dict(UpsamplerConfig, model_config_to_dict(SMALL)) == SMALL
    assert (SMALL.n_kept, SMALL.n_made, SMALL.kept_hz) == (28, 37, 3500.0)
    for changes, said in (
        ({"low_rate": 6000}, "no whole multiple of low_rate"),
        ({"low_rate": 16_000}, "no whole multiple"),
        ({"kept": 0.95}, "kept is 0.95"),
        ({"floor": 0.0}, "floor is 0.0"),
        ({"t_min": 1.0}, "t_min is 1.0"),
        ({"hop_length": 30, "low_rate": 4000}, "begin between samples"),
        ({"bands": 38}, "bands is 38; expected 2 to 37"),
        ({"bands": 1}, "bands is 1"),
    ):
        with pytest.raises(AudiodiffError, match=said):
            dataclasses.replace(SMALL, **changes)
    refused('unknown key "rate"', lambda: dataclass_from_dict(UpsamplerConfig, {"rate": 1}))


def test_the_low_band_of_what_comes_out_is_the_input() -> None:
    model, low = make(), resample(voice(8_000), 16_000, 8_000)
    base = model.base(low)
    model.fit_statistics(voice(8_000))
    state = torch.randn(1, SMALL.bands, 250, generator=torch.Generator().manual_seed(1))
    output = model.decode(state, base)
    assert output.shape == base.shape == (1, 2 * low.shape[-1])
    new = output - base
    assert new.square().mean() > 1e-3 * base.square().mean()
    # 80 dB below the input up to where the new band begins, but for 17 ms at both ends, which the filters cut short.
    inner = slice(272, -272)
    window = torch.hann_window(8_000 - 544)
    kept = [below(sound[..., inner] * window, 3450.0).square().mean() for sound in (new, base)]
    assert kept[0] < 1e-8 * kept[1]
    # In the resampler's transition band the two overlap; the input's own samples come back but for that.
    back = resample(output, 16_000, 8_000)
    assert (back - low)[..., 136:-136].square().mean() < 1e-2 * low.square().mean()


def test_decoding_the_true_state_brings_every_band_to_its_level() -> None:
    config = dataclasses.replace(SMALL, n_fft=512, hop_length=128, bands=24)
    model, waveform = make(config), voice(16_000)
    base = model.narrow(waveform)
    state = model.encode(waveform)
    errors = [(model.encode(x) - state)[:, 4:, 8:-8].abs().mean() for x in (model.decode(state, base), base)]
    # In deviations of 2, so 17 dB: overlapping bands and frames blur a little, and the input has nothing there.
    assert errors[0] < 0.1
    assert errors[1] > 1.0


def test_a_band_asked_for_louder_becomes_louder() -> None:
    model, waveform = make(), voice(8_000)
    base, state = model.narrow(waveform), model.encode(waveform)
    louder = state.clone()
    louder[:, 4] += 0.5 * math.log(4.0)  # of a deviation of 2: four times the magnitude
    change = (model.encode(model.decode(louder, base)) - model.encode(model.decode(state, base)))[..., 8:-8]
    change = change.mean(dim=(0, 2)) * 2.0
    assert change[4] == pytest.approx(math.log(4.0), abs=0.4)
    assert change[:2].abs().max() < 0.1


def test_silence_stays_silence() -> None:
    model = make()
    output = model.decode(torch.zeros(1, SMALL.bands, 50), torch.zeros(1, 1_600))
    assert not output.any()


@torch.no_grad()
def test_statistics_standardise_what_they_were_taken_from() -> None:
    model, waveform = make(), torch.cat([voice(16_000, seed=seed) for seed in range(3)])
    model.fit_statistics(waveform)
    state = model.encode(waveform)
    torch.testing.assert_close(state.mean(dim=(0, 2)), torch.zeros(SMALL.bands), atol=1e-4, rtol=0)
    torch.testing.assert_close(state.std(dim=(0, 2)), torch.ones(SMALL.bands), atol=1e-3, rtol=0)


@torch.no_grad()
def test_the_condition_hears_nothing_of_the_missing_band() -> None:
    model, waveform = make(), voice(8_192)
    hiss = 0.1 * torch.randn(1, 8_192, generator=torch.Generator().manual_seed(2))
    other = waveform + (hiss - below(hiss, 4300.0).float())
    level = torch.zeros(1)
    for ours, theirs in zip(
        model.condition(model.narrow(waveform), level), model.condition(model.narrow(other), level), strict=True
    ):
        for ours_part, theirs_part in zip(ours, theirs, strict=True):
            # The hiss ends abruptly at both ends, and so has a little of everything there.
            torch.testing.assert_close(ours_part[..., 20:-20], theirs_part[..., 20:-20], atol=1e-3, rtol=1e-3)


@torch.no_grad()
def test_augmentation_is_noise_on_the_condition_and_told_to_the_network() -> None:
    model, base = make(), voice(3_200)
    noise = model.condition_noise(0, 0, 100)
    plain, unused = (model.condition(base, torch.zeros(1), given)[0][0] for given in (None, noise))
    torch.testing.assert_close(plain, unused)
    told = model.condition(base, torch.full((1,), 0.5), torch.zeros_like(noise))[0][0]
    noisy = model.condition(base, torch.full((1,), 0.5), noise)[0][0]
    assert not torch.allclose(told, plain, atol=1e-3)
    assert not torch.allclose(noisy, told, atol=1e-3)


@torch.no_grad()
def test_context_is_what_a_call_reaches() -> None:
    model, n_frames, at = make(), 60, 30
    cond = model.condition(voice(n_frames * 32), torch.zeros(1))
    x = torch.randn(1, SMALL.bands, n_frames)
    changed = x.clone()
    changed[..., at] += 1.0
    denoiser, t = model.denoiser(), torch.tensor([0.5])
    moved = (denoiser(x, t, cond) != denoiser(changed, t, cond)).any(dim=1)[0].nonzero().flatten()
    assert moved.min() >= at - model.context_frames
    assert moved.max() <= at + model.context_frames
    assert len(moved) > 1


@torch.no_grad()
def test_decoding_reaches_no_further_than_it_says() -> None:
    model, n_frames, at = make(), 120, 60
    base, state = voice(n_frames * 32), torch.randn(1, SMALL.bands, n_frames)
    changed = state.clone()
    changed[..., at] += 1.0
    moved = ((model.decode(state, base) - model.decode(changed, base)).abs() > 1e-6)[0].nonzero().flatten() // 32
    assert moved.min() >= at - model.decode_context_frames
    assert moved.max() <= at + model.decode_context_frames


def test_noise_belongs_to_its_place() -> None:
    model = make()
    torch.testing.assert_close(model.noise(3, 1, 10, 20), model.noise(3, 1, 0, 40)[..., 10:20], rtol=0, atol=0)
    torch.testing.assert_close(
        model.condition_noise(3, 10, 20), model.condition_noise(3, 0, 40)[..., 10:20], rtol=0, atol=0
    )
    n = SMALL.bands
    assert not torch.equal(model.noise(3, 0, 0, 40)[:, :n], model.condition_noise(3, 0, 40)[:, :n])


def draws(batch: int, n_frames: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(5)
    return {
        "t": torch.linspace(0.1, 1.0, batch),
        "noise": torch.randn(batch, SMALL.bands, n_frames, generator=generator),
        "augmentation": torch.linspace(0.0, 0.5, batch),
        "condition_noise": torch.randn(batch, SMALL.n_kept, n_frames, generator=generator),
    }


def test_the_loss_is_learnable_and_looks_away_above_the_bandwidth() -> None:
    model, waveform = make(), torch.cat([voice(3_200, seed=seed) for seed in range(4)])
    model.fit_statistics(waveform)
    full, half = torch.full((4,), 8000.0), torch.full((4,), 5000.0)
    loss = model.loss(waveform, full, **draws(4, 100))
    assert loss.per_item.shape == (4,)
    loss.per_item.mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    # Hiss at the top changes the loss, unless the recording is said to hold nothing there.
    hiss = torch.randn(4, 3_200, generator=torch.Generator().manual_seed(1))
    other = waveform + hiss - below(hiss, 6500.0).float()
    for bandwidth, same in ((full, False), (half, True)):
        losses = [model.loss(sound, bandwidth, **draws(4, 100)).per_item for sound in (waveform, other)]
        # The state below 5 kHz feels a little of it through the window.
        assert torch.allclose(losses[0], losses[1], rtol=0.05) is same
    refused("multiple of the hop 32", lambda: model.loss(waveform[:, :-1], full, **draws(4, 100)))


def test_default_config_keeps_seven_eighths() -> None:
    config = UpsamplerConfig()
    assert (config.n_kept, config.n_made, config.ratio) == (112, 145, 2)
