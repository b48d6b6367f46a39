import dataclasses
import math

import pytest
import torch
from torch import Tensor

from audiodiff.diffusion.noise import positional_noise
from audiodiff.errors import AudiodiffError
from audiodiff.models.vocoder import Vocoder
from audiodiff.models.vocoder.prior import PriorConfig, check_prior
from tests.models.vocoder.cases import ANCHORED, CONFIGS, SPEC, make
from tests.models.vocoder.test_model import own_mel, speech_like

PRIORS = {
    "none": PriorConfig("shaped"),
    "projected": PriorConfig("shaped", projections=3, momentum=0.99),
    "half": PriorConfig("shaped", projections=1, momentum=0.99, half_projections=2),
    "renewed": PriorConfig("shaped", projections=2, momentum=0.99, renewals=1),
}


def vocoder(prior: PriorConfig) -> Vocoder:
    return make(dataclasses.replace(ANCHORED, prior=prior))


def reference(model: Vocoder, white: Tensor, mel: Tensor) -> Tensor:
    """Shaped noise step by step, `[batch, n_samples]`, in the arithmetic that the model was trained with."""
    cond, prior, n_samples = model.condition(mel), model.config.prior, white.shape[-1]
    assert cond.anchor is not None
    assert cond.envelope is not None
    spectrum = model.stft.spectrum(white) * cond.envelope / math.sqrt(0.375 * SPEC.n_fft)
    previous = None
    for _ in range(prior.projections):
        magnitude = cond.anchor * torch.sgn(spectrum)
        consistent = model.stft.spectrum(model.stft.waveform(magnitude, n_samples))
        spectrum = consistent if previous is None else consistent + prior.momentum * (consistent - previous)
        previous = consistent
    return model.stft.waveform(spectrum if previous is None else cond.anchor * torch.sgn(spectrum), n_samples)


@pytest.mark.parametrize("name", ["none", "projected"])
def test_shaped_noise_is_that_of_the_reference(name: str) -> None:
    model = vocoder(PRIORS[name])
    mel = own_mel(model, speech_like(2, 30))
    white = torch.randn(2, 1, 30 * SPEC.hop_length)
    with torch.no_grad():
        expected = reference(model, white[:, 0], mel)
        actual = model.shape_noise(white, model.condition(mel))[:, 0]
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("name", PRIORS)
def test_the_first_draw_is_shaped_positional_noise(name: str) -> None:
    model = vocoder(PRIORS[name])
    mel = own_mel(model, speech_like(1, 30))
    white = positional_noise(5, 0, 7 * SPEC.hop_length, 37 * SPEC.hop_length)[None]
    expected = model.shape_noise(white, model.condition(mel))
    for cond in (None, model.prepare(mel), model.condition(mel)):
        torch.testing.assert_close(model.noise(mel, 5, 7, cond)(0), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", PRIORS)
def test_draws_differ_and_can_be_had_in_any_order(name: str) -> None:
    model = vocoder(PRIORS[name])
    mel = own_mel(model, speech_like(1, 240))
    noise = model.noise(mel, 5, 0)
    draws = [noise(draw) for draw in range(4)]
    again = model.noise(mel, 5, 0)
    for draw in (3, 0, 2):
        assert torch.equal(again(draw), draws[draw])
    assert (model.noise(mel, 6, 0)(1) - draws[1]).abs().max() > 1e-3
    flat = torch.stack(draws).flatten(1)
    correlation = torch.corrcoef(flat) - torch.eye(4)
    assert correlation.abs().max() < 0.4
    assert correlation.sum().abs() / 12 < 0.15


@pytest.mark.parametrize("name", CONFIGS)
def test_noise_belongs_to_its_place(name: str) -> None:
    """A stretch with the stated context has the noise of the whole signal, draw by draw."""
    priors = PRIORS.values() if name == "anchored" else [CONFIGS[name].prior]
    for prior in priors:
        model = make(dataclasses.replace(CONFIGS[name], prior=prior))
        reach, hop = model.noise_context_frames, SPEC.hop_length
        frames = 2 * reach + 9
        mel = own_mel(model, speech_like(1, frames))[..., :frames]
        whole = model.noise(mel, 3, 0)
        part = model.noise(mel[..., 5:], 3, 5)  # the first `reach` frames of it miss their surroundings
        for draw in (0, 1, 2):
            kept = whole(draw)[..., (5 + reach) * hop :]
            torch.testing.assert_close(part(draw)[..., reach * hop :], kept, rtol=0, atol=1e-5)
        if prior.projections:
            assert (part(1)[..., :hop] - whole(1)[..., 5 * hop : 6 * hop]).abs().max() > 1e-4


def test_renewed_draws_fit_the_mel_as_well_as_new_ones() -> None:
    errors = {}
    for renewals in (0, 2):
        model = vocoder(PriorConfig("shaped", projections=8, momentum=0.99, renewals=renewals))
        mel = own_mel(model, speech_like(1, 60))
        noise = model.noise(mel, 0, 0)
        errors[renewals] = torch.stack([(own_mel(model, noise(draw)[:, 0]) - mel).abs().mean() for draw in (1, 2, 3)])
    assert errors[2].mean() < 1.1 * errors[0].mean()


def test_half_rate_iterations_help_the_lower_half() -> None:
    errors = []
    for half_projections in (0, 8):
        model = vocoder(PriorConfig("shaped", projections=1, momentum=0.99, half_projections=half_projections))
        mel = own_mel(model, speech_like(1, 60))
        noise = model.noise(mel, 0, 0)
        errors.append((own_mel(model, noise(0)[:, 0]) - mel)[:, :50].abs().mean().item())
    assert errors[1] < 0.8 * errors[0]


def test_frames_without_a_half_are_refused() -> None:
    with pytest.raises(AudiodiffError, match="difference 762 a multiple of 4"):
        check_prior(PriorConfig("shaped", 1, half_projections=1), 1024, 262)
