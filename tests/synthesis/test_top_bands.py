import math

import pytest
import torch

from audiodiff.synthesis.top_bands import NEIGHBOURS, band_limits, checked_limits, limit_top_bands
from tests.refusals import refused


def test_limits_are_the_usual_steps_of_recordings() -> None:
    torch.manual_seed(0)
    recordings = torch.randn(20, 1, generator=torch.Generator().manual_seed(0)) * 0.1 + torch.randn(1, 500)
    recordings[-1] = recordings[-1 - NEIGHBOURS : -1].mean(dim=0) - 2.0
    recordings[:, :100] = -11.5  # silence says nothing
    assert band_limits(recordings, 2)[-1] == pytest.approx(-2.0, abs=0.01)


def test_a_loud_band_is_lowered_and_the_bands_above_follow_it() -> None:
    log_mel = torch.full((20, 3), -5.0)
    log_mel[17] = -1.0
    limited = limit_top_bands(log_mel, (0.0, -0.5, 0.0), -11.5)
    assert torch.equal(limited[:17], log_mel[:17])
    torch.testing.assert_close(limited[17], torch.full((3,), -5.0))
    torch.testing.assert_close(limited[18], torch.full((3,), -5.5))
    assert torch.equal(log_mel[17], torch.full((3,), -1.0))  # what was given is left alone


def test_soft_bands_silence_and_no_limits_change_nothing() -> None:
    log_mel = torch.full((20, 3), -11.5)
    log_mel[:, 0] = -torch.arange(20.0) / 2
    assert torch.equal(limit_top_bands(log_mel, (0.0, 0.0), -11.5), log_mel)
    assert limit_top_bands(log_mel, (), -11.5) is log_mel


@pytest.mark.parametrize("values", [None, "x", [math.nan], [True], [0.0] * 17, {"a": 1}, [[1.0]]])
def test_other_limits_are_refused(values: object) -> None:
    refused("band_limits", lambda: checked_limits(values, 20))
    assert checked_limits([0, -1.5], 20) == (0.0, -1.5)
