import numpy as np
import pytest

from audiodiff.diffusion.noise import positional_noise as reference
from audiodiff.runtime.noise import positional_noise


@pytest.mark.parametrize(("seed", "draw", "start", "stop"), [(0, 0, 0, 10000), (2**62 - 5, 7, -5000, 3), (3, -1, 9, 9)])
def test_the_noise_is_that_of_torch(seed: int, draw: int, start: int, stop: int) -> None:
    ours = positional_noise(seed, draw, start, stop, channels=2)
    np.testing.assert_allclose(ours, reference(seed, draw, start, stop, channels=2).numpy(), rtol=0, atol=2e-6)
