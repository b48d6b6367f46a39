import itertools

import pytest
import torch
from torch import Tensor

from audiodiff.signal.frames import STFT
from audiodiff.signal.projection import ProjectionStream, Projector, half_rate
from tests.refusals import refused
from tests.signal.signals import noise, tone

TRANSFORMS = [STFT(1024, 256), STFT(2048, 512), STFT(64, 32), STFT(96, 32), STFT(400, 150)]


def reference(stft: STFT, spectrum: Tensor, magnitude: Tensor, iterations: int, momentum: float) -> Tensor:
    """Fast Griffin-Lim step by step on `[batch, n_bins, n_frames]`, by the general transform in float64."""
    n_samples = spectrum.shape[-1] * stft.hop_length
    previous = None
    for _ in range(iterations):
        projected = stft.spectrum(stft.waveform(magnitude * torch.sgn(spectrum), n_samples))
        spectrum = projected if previous is None else projected + momentum * (projected - previous)
        previous = projected
    return stft.waveform(magnitude * torch.sgn(spectrum), n_samples)


@pytest.mark.parametrize("stft", TRANSFORMS)
@pytest.mark.parametrize("n_frames", [1, 2, 3, 5, 6, 7, 23])
def test_the_transforms_are_those_of_the_stft(stft: STFT, n_frames: int) -> None:
    waveform = noise(2 * n_frames * stft.hop_length).reshape(2, -1)
    projector = Projector(stft, n_frames, 2)
    spectrum = projector.spectrum(waveform)
    torch.testing.assert_close(spectrum, stft.spectrum(waveform).transpose(1, 2), rtol=1e-5, atol=1e-5)
    other = torch.complex(noise(spectrum.numel(), 1), noise(spectrum.numel(), 2)).reshape(spectrum.shape)
    expected = stft.waveform(other.transpose(1, 2), waveform.shape[-1])
    for _ in range(2):  # nothing of the first call is left in the buffers
        torch.testing.assert_close(projector.waveform(other), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("stft", TRANSFORMS)
@pytest.mark.parametrize(("iterations", "momentum"), [(0, 0.99), (1, 0.99), (2, 0.0), (6, 0.99)])
@pytest.mark.parametrize("n_frames", [2, 30])
def test_projections_are_those_of_the_reference(stft: STFT, iterations: int, momentum: float, n_frames: int) -> None:
    n_bins = stft.n_fft // 2 + 1
    spectrum = torch.complex(noise(2 * n_frames * n_bins, 1), noise(2 * n_frames * n_bins, 2))
    spectrum = spectrum.reshape(2, n_frames, n_bins)
    magnitude = noise(2 * n_frames * n_bins, 3).abs().reshape(2, n_frames, n_bins)
    expected = reference(
        stft, spectrum.transpose(1, 2).cdouble(), magnitude.transpose(1, 2).double(), iterations, momentum
    )
    projector = Projector(stft, n_frames, 2)
    for _ in range(2):
        rows, waveform = projector.project(spectrum.clone(), magnitude, iterations, momentum)
        torch.testing.assert_close(waveform, expected.float(), rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
        torch.testing.assert_close(rows.abs(), magnitude, rtol=1e-5, atol=1e-6)


def test_half_rate_iterations_are_those_of_the_halved_frames() -> None:
    stft, n_frames = STFT(64, 16), 20
    spectrum = torch.complex(noise(n_frames * 33, 1), noise(n_frames * 33, 2)).view(1, n_frames, 33)
    magnitude = noise(n_frames * 33, 3).abs().view(1, n_frames, 33)
    half = Projector(STFT(32, 8), n_frames)
    low, _ = half.project(spectrum[..., :17].clone(), magnitude[..., :17].clone(), 3, 0.9)
    expected = torch.cat([low, spectrum[..., 17:]], dim=-1)
    projector = Projector(stft, n_frames)
    rows, _ = projector.project(spectrum.clone(), magnitude, 0, 0.9, half_iterations=3)
    torch.testing.assert_close(torch.sgn(rows), torch.sgn(expected), rtol=0, atol=1e-5)
    rows, _ = projector.project(spectrum.clone(), magnitude, 2, 0.9, half_iterations=3)
    torch.testing.assert_close(rows, projector.project(expected, magnitude, 2, 0.9)[0], rtol=0, atol=1e-5)


def test_the_lower_half_of_a_spectrum_is_that_at_half_the_rate() -> None:
    stft = STFT(1024, 256)
    waveform = tone(500.0, 22050, 30 * 256 / 22050)[None]
    whole = Projector(stft, 30).spectrum(waveform)
    half = Projector(half_rate(stft), 30).spectrum(waveform[:, ::2])
    torch.testing.assert_close(2.0 * half, whole[..., :257], rtol=0, atol=1e-2 * float(whole.abs().max()))


@pytest.mark.parametrize("stft", [STFT(1026, 256), STFT(1024, 262), STFT(102, 34)])
def test_frames_without_a_half_are_refused(stft: STFT) -> None:
    refused("cannot be halved", lambda: half_rate(stft))


def test_silence_stays_silent() -> None:
    projector = Projector(STFT(64, 16), 5)
    zeros = torch.zeros(1, 5, 33, dtype=torch.complex64)
    _, waveform = projector.project(zeros.clone(), torch.ones(1, 5, 33), 3, 0.99)
    assert torch.equal(waveform, torch.zeros(1, 80))


def test_normalized_transforms_are_refused() -> None:
    refused("not normalized", lambda: Projector(STFT(64, 16, normalized=True), 4))


@pytest.mark.parametrize("stft", TRANSFORMS)
@pytest.mark.parametrize(("iterations", "momentum", "half"), [(0, 0.0, 0), (2, 0.9, 0), (1, 0.99, 2)])
def test_frames_that_arrive_in_parts_are_projected_the_same(
    stft: STFT, iterations: int, momentum: float, half: int
) -> None:
    if half and (stft.n_fft - stft.hop_length) % 4:
        pytest.skip("has no half rate")
    n_frames, n_bins = 23, stft.n_fft // 2 + 1
    rows = torch.complex(noise(n_frames * n_bins, 1), noise(n_frames * n_bins, 2)).view(n_frames, n_bins)
    magnitude = noise(n_frames * n_bins, 3).abs().view(n_frames, n_bins) + 0.1
    stream = ProjectionStream(stft, iterations, momentum, half, torch.device("cpu"))
    cuts = [0, 1, 2, 2, 3, 9, n_frames]
    parts = [
        stream.push(rows[start:stop], magnitude[start:stop], last=stop == n_frames)
        for start, stop in itertools.pairwise(cuts)
    ]
    projector = Projector(stft, n_frames)
    whole = projector.project(rows[None].clone(), magnitude[None], iterations, momentum, half_iterations=half)
    torch.testing.assert_close(torch.cat([part[0] for part in parts]), whole[0][0], rtol=1e-4, atol=1e-4)
    pad = (stft.n_fft - stft.hop_length) // 2
    samples = torch.cat([part[1] for part in parts]).flatten()[pad:][: n_frames * stft.hop_length]
    torch.testing.assert_close(samples, whole[1][0], rtol=0, atol=1e-5)
