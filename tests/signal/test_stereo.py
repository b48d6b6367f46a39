import math

import pytest
import torch
from torch import Tensor

from audiodiff.signal.stereo import (
    StereoSpec,
    analyse,
    analyse_stream,
    cancels_in_mono,
    mono_parameters,
    side_gains,
    synthesise,
    synthesise_stream,
)
from tests.refusals import refused
from tests.signal.signals import noise

RATE = 22050
SPEC = StereoSpec(RATE, 1024)


def pair(left: float, right: float, coherence: float, n_samples: int = 3 * RATE) -> Tensor:
    """Noise in two channels of given amplitudes and coherence."""
    common, other = noise(n_samples, 0), noise(n_samples, 1)
    return torch.stack([left * common, right * (coherence * common + math.sqrt(1.0 - coherence**2) * other)])


def blocks(waveform: Tensor) -> list[Tensor]:
    return list(waveform.split([1, 700, 30_000, waveform.shape[-1] - 30_701], dim=-1))


def balance(waveform: Tensor) -> tuple[float, float]:
    """Level difference (dB) and coherence of two channels as wholes."""
    left, right = waveform.double()
    energies = float(left @ left), float(right @ right)
    return 10.0 * math.log10(energies[0] / energies[1]), float(left @ right) / math.sqrt(energies[0] * energies[1])


@pytest.mark.parametrize(
    ("left", "right", "coherence"), [(1.0, 1.0, 0.0), (1.0, 0.3, 0.8), (0.2, 1.0, 0.5), (1.0, 0.7, -0.4)]
)
def test_level_difference_coherence_and_energy_come_back(left: float, right: float, coherence: float) -> None:
    sound = pair(left, right, coherence)
    parameters = analyse(sound, SPEC)
    assert parameters.shape == (2, 20, SPEC.n_frames(sound.shape[-1]))
    inner = parameters[..., 3:-3].mean(dim=(1, 2))
    assert float(inner[0]) == pytest.approx(20.0 * math.log10(left / right), abs=0.3)
    assert float(inner[1]) == pytest.approx(coherence, abs=0.05)
    made = synthesise(sound.mean(dim=0), parameters, SPEC)
    torch.testing.assert_close(made.mean(dim=0), sound.mean(dim=0), rtol=0, atol=1e-6)
    assert balance(made) == pytest.approx(balance(sound), abs=0.08 if left == right else 0.3)
    assert float(made.square().sum() / sound.square().sum()) == pytest.approx(1.0, abs=0.06)


def test_what_two_channels_share_stays_in_the_middle_and_one_channel_at_its_side() -> None:
    sound = noise(2 * RATE)
    assert torch.allclose(analyse(torch.stack([sound, sound]), SPEC), mono_parameters(SPEC, SPEC.n_frames(2 * RATE)))
    made = synthesise(sound, mono_parameters(SPEC, 1), SPEC)
    assert (made[0] - made[1]).abs().max() < 1e-6
    left = torch.stack([sound, torch.zeros_like(sound)])
    made = synthesise(left.mean(dim=0), analyse(left, SPEC), SPEC)
    assert float(made[1].square().sum() / made[0].square().sum()) < 1e-3


def test_any_blocks_give_the_same_samples() -> None:
    sound = pair(1.0, 0.5, 0.3)
    parameters = analyse(sound, SPEC)
    assert torch.equal(analyse_stream(blocks(sound), SPEC), parameters)
    made = torch.cat(list(synthesise_stream(blocks(sound.mean(dim=0)), parameters, SPEC)), dim=-1)
    assert torch.equal(made, synthesise(sound.mean(dim=0), parameters, SPEC))


@pytest.mark.parametrize("n_samples", [1, 1023, 1024, 40_000])
def test_any_length_is_kept(n_samples: int) -> None:
    sound = pair(1.0, 0.5, 0.3, n_samples)
    parameters = analyse(sound, SPEC)
    assert parameters.shape[-1] == -(-n_samples // 1024)
    assert parameters.isfinite().all()
    assert synthesise(sound.mean(dim=0), parameters, SPEC).shape == sound.shape


def test_an_onset_is_not_smeared() -> None:
    sound = torch.zeros(2, RATE)
    onset, decay = RATE // 2, torch.exp(-torch.arange(1000) / 150.0)
    sound[:, onset : onset + 1000] = pair(1.0, 1.0, 0.0, 1000) * decay
    made = synthesise(sound.mean(dim=0), analyse(sound, SPEC), SPEC)
    side = (made[0] - made[1]).square()
    early, late = side[: onset - RATE // 200].sum(), side[onset + RATE // 20 :].sum()
    assert float(early / side.sum()) < 10.0**-2.3
    assert float(late / side.sum()) < 10.0**-2.3


def test_the_end_of_a_loop_leads_into_its_beginning() -> None:
    sound = pair(1.0, 0.5, 0.3, 48 * 1024)
    twice = analyse(sound.repeat(1, 3), SPEC)[..., 48:96]
    made = synthesise(sound.mean(dim=0), twice, SPEC, circular=True)
    longer = synthesise(sound.mean(dim=0).repeat(3), twice.repeat(1, 1, 3), SPEC)
    torch.testing.assert_close(made, longer[:, 48 * 1024 : 96 * 1024], rtol=0, atol=1e-5)


def test_opposite_phase_is_told_and_stays_finite() -> None:
    sound = noise(RATE)
    opposite = torch.stack([sound, -sound])
    assert cancels_in_mono(opposite)
    assert not cancels_in_mono(pair(1.0, 1.0, 0.0))
    assert not cancels_in_mono(torch.zeros(2, 100))
    g, h = side_gains(analyse(opposite, SPEC))
    assert float((g.square() + h.square()).max()) < 10.1


def test_what_has_no_stereo_is_refused() -> None:
    refused(r"\[1, 22050\].*expected 2 channels", lambda: analyse(noise(RATE)[None], SPEC))
    refused(r"\[6, 1000\]", lambda: analyse(noise(6 * 1000).reshape(6, 1000), SPEC))
    refused("stereo parameters have shape", lambda: synthesise(noise(1000), torch.zeros(2, 19, 4), SPEC))
    refused("sample_rate", lambda: StereoSpec(100, 1024))
    refused("divisor", lambda: StereoSpec(44100, 1021))
    assert StereoSpec(96_000, 4096).n_frames(4097) == 2
