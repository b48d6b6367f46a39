import numpy as np
import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.runtime.resample import resample
from audiodiff.signal.resample import resample as reference


@pytest.mark.parametrize("rates", [(8000, 22050), (48000, 22050), (44100, 22050), (22050, 22050), (16000, 24000)])
def test_resampling_is_that_of_torch(rates: tuple[int, int]) -> None:
    samples = np.random.default_rng(0).standard_normal(5001).astype(np.float32)
    expected = reference(torch.from_numpy(samples), *rates).numpy()
    np.testing.assert_allclose(resample(samples, *rates), expected, rtol=0, atol=1e-5)


def test_rates_that_cannot_be_used_are_refused() -> None:
    samples = np.zeros(100, np.float32)
    with pytest.raises(AudiodiffError, match="whole number of Hz"):
        resample(samples, 0, 22050)
    with pytest.raises(AudiodiffError, match="no large common divisor"):
        resample(samples, 44101, 22050)
