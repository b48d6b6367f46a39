import math

import torch

from audiodiff.synthesis.band import Bands, input_notes
from tests.refusals import refused

BANDS = Bands(8_000, 16_000, 3500.0)


def noise(n_samples: int, channels: int = 1) -> torch.Tensor:
    return 0.1 * torch.randn(channels, n_samples, generator=torch.Generator().manual_seed(0))


def test_what_is_said_of_an_input() -> None:
    assert input_notes(8_000, -math.inf, BANDS, replace=False) == ()
    (note,) = input_notes(7_200, -math.inf, BANDS, replace=False)
    assert "nothing above 3600 Hz" in note
    assert "gap" not in note
    (note,) = input_notes(6_400, -math.inf, BANDS, replace=False)
    assert "between there and 3500 Hz" in note
    (note,) = input_notes(44_100, -70.0, BANDS, replace=False)
    assert "-70 dB of its energy above 4000 Hz" in note
    assert "nothing was lost" in note
    (note,) = input_notes(48_000, -math.inf, BANDS, replace=False)
    assert "nothing at all above 4000 Hz" in note
    (note,) = input_notes(11_025, -20.0, BANDS, replace=False)
    assert "left out" in note
    (note,) = input_notes(16_000, -20.0, BANDS, replace=True)
    assert "left out" in note


def test_what_cannot_be_done_is_refused() -> None:
    refused("has sound above 4000 Hz already", lambda: input_notes(16_000, -20.0, BANDS, replace=False))
    refused("nothing above 2500 Hz", lambda: input_notes(5_000, -math.inf, BANDS, replace=True))
