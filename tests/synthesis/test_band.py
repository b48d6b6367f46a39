import math

import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.signal.resample import resample
from audiodiff.synthesis.band import BandMeter, Bands, RmsMeter, input_notes

BANDS = Bands(8_000, 16_000, 3500.0)


def noise(n_samples: int, channels: int = 1) -> torch.Tensor:
    return 0.1 * torch.randn(channels, n_samples, generator=torch.Generator().manual_seed(0))


def test_share_above_a_frequency() -> None:
    meter = BandMeter(16_000, 4_000)
    meter.add(noise(32_000))
    assert meter.above_db == pytest.approx(10 * math.log10(3800 / 8000), abs=0.2)
    narrow = BandMeter(16_000, 4_000)
    narrow.add(resample(noise(16_000), 8_000, 16_000))
    assert narrow.above_db < -80
    short = BandMeter(16_000, 4_000)
    short.add(resample(noise(400), 8_000, 16_000))
    assert short.above_db < -60
    silent = BandMeter(16_000, 4_000)
    silent.add(torch.zeros(1, 100))
    assert silent.above_db == -math.inf


def test_share_does_not_depend_on_the_blocks() -> None:
    sound = noise(5_000, channels=2)
    whole, parts = BandMeter(16_000, 4_000), BandMeter(16_000, 4_000)
    whole.add(sound)
    for block in sound.split(700, dim=-1):
        parts.add(block)
    assert parts.above_db == pytest.approx(whole.above_db, rel=1e-6)


def test_level_by_channel() -> None:
    meter = RmsMeter()
    sound = torch.cat([noise(4_000), 2 * noise(4_000), torch.full((1, 4_000), 5e-5)])
    for block in sound.split(999, dim=-1):
        meter.add(block)
    first, second, silent = meter.gains(0.08)
    assert silent is None
    assert first is not None
    assert second == pytest.approx(first / 2, rel=1e-6)
    assert float((first * sound[0]).square().mean().sqrt()) == pytest.approx(0.08, rel=1e-5)
    assert meter.n_samples == 4_000


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
    with pytest.raises(AudiodiffError, match="has sound above 4000 Hz already"):
        input_notes(16_000, -20.0, BANDS, replace=False)
    with pytest.raises(AudiodiffError, match="nothing above 2500 Hz"):
        input_notes(5_000, -math.inf, BANDS, replace=True)
