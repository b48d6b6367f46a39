import numpy as np
import pytest
import torch

from audiodiff.runtime.frames import STFT
from audiodiff.signal import frames
from audiodiff.signal.projection import Projector

SIZES = [(64, 16), (64, 20), (100, 50)]


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(("n_fft", "hop"), SIZES)
@pytest.mark.parametrize("normalized", [False, True])
def test_spectrum_and_waveform_are_those_of_torch(n_fft: int, hop: int, normalized: bool) -> None:
    ours, theirs = STFT(n_fft, hop, normalized=normalized), frames.STFT(n_fft, hop, normalized=normalized)
    samples = noise(9 * hop)
    rows = ours.spectrum(samples)
    expected = theirs.spectrum(torch.from_numpy(samples)[None])
    np.testing.assert_allclose(rows, expected[0].T.numpy(), rtol=0, atol=1e-4)
    rows = rows + 1.0  # no longer the spectrum of a signal
    restored = theirs.waveform(torch.from_numpy(rows.T.copy())[None], len(samples))
    np.testing.assert_allclose(ours.waveform(rows), restored[0].numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("count", [2, 12])
@pytest.mark.parametrize("half", [0, 3])
def test_projections_are_those_of_the_projector(count: int, half: int) -> None:
    ours, theirs = STFT(64, 16), frames.STFT(64, 16)
    rows = (noise(count, 33) + 1j * noise(count, 33)[::-1]).astype(np.complex64)
    magnitude = np.abs(noise(count, 33)) + 0.1
    projector = Projector(theirs, count)
    arguments = torch.from_numpy(rows.copy())[None], torch.from_numpy(magnitude)[None]
    expected = projector.project(*arguments, 4, 0.9, half_iterations=half)
    made = ours.project(rows, magnitude, 4, 0.9, half)
    for one, other in zip(made, expected, strict=True):
        np.testing.assert_allclose(one, other[0].numpy(), rtol=0, atol=1e-4)
