import pytest
import torch
from torch import Tensor

from audiodiff.signal.levels import shift_log_mel
from audiodiff.signal.mel import PRESETS, log_mel
from audiodiff.signal.meters import LevelMeter
from audiodiff.synthesis.gain import LEVEL_SECONDS, StreamGain, gain_db

SPEC = PRESETS["hifigan-22k"]
SILENCE = torch.full((80, 40), -11.5)


def noise(level: float, n_frames: int = 40) -> Tensor:
    return log_mel(level * torch.randn(n_frames * 256, generator=torch.Generator().manual_seed(0)), SPEC)


def level_db(mel: Tensor) -> float:
    meter = LevelMeter(SPEC)
    meter.add(mel)
    return meter.level_db


def gains_of(gain: StreamGain, *mels: Tensor) -> Tensor:
    """The gain in every sample (dB), of frames that go in and come out again."""
    for mel in mels:
        gain.shift(mel)
    found = [gain.restore(torch.ones(mel.shape[-1] * 256 - index % 2)) for index, mel in enumerate(mels)]
    return -20.0 * torch.cat(found).log10()


@pytest.mark.parametrize(
    ("reference", "level", "expected"), [(-25.0, -40.0, 15.0), (None, -40.0, 0.0), (-25.0, -90.0, 40.0)]
)
def test_a_level_that_is_known_decides(reference: float | None, level: float, expected: float) -> None:
    assert gain_db(level, reference) == expected
    gain, mel = StreamGain(SPEC, reference, level), noise(0.01)
    assert torch.equal(gain.shift(mel), shift_log_mel(mel, SPEC, expected))
    torch.testing.assert_close(gains_of(gain, SILENCE, noise(0.5)), torch.full((80 * 256 - 1,), expected))


def test_an_unknown_level_is_followed_without_a_step() -> None:
    quiet, loud = noise(0.003), noise(0.1)
    gains = gains_of(StreamGain(SPEC, -25.0), quiet, loud, loud, loud)
    first, last = -25.0 - level_db(quiet), -25.0 - level_db(torch.cat([quiet, loud, loud, loud], dim=-1))
    assert gains[0] == pytest.approx(first, abs=0.01)
    assert gains[-1] == pytest.approx(last, abs=0.01)
    assert last < first - 10.0
    assert (gains.diff().abs() * 256 * 40).max() < 1.5 * (first - last)


def test_the_mel_and_the_samples_get_the_same() -> None:
    gain, quiet, loud = StreamGain(SPEC, -25.0), noise(0.003), noise(0.1)
    gain.shift(quiet)
    shifted = gain.shift(loud) - loud
    gains = -20.0 * gain.restore(torch.ones(80 * 256)).log10()
    of_frames = shifted.mean(dim=0) * 20.0 / 2.302585
    torch.testing.assert_close(gains.view(-1, 256)[40:, 0], of_frames, rtol=0, atol=0.05)


def test_silence_says_nothing() -> None:
    gains = gains_of(StreamGain(SPEC, -25.0), SILENCE, SILENCE, noise(0.003))
    assert gains[-1] == pytest.approx(-25.0 - level_db(noise(0.003)), abs=0.01)
    assert gains[0] == 0.0


def test_it_stays_as_it_was_in_the_beginning() -> None:
    gain, many = StreamGain(SPEC, -25.0), round(LEVEL_SECONDS * SPEC.sample_rate / 256)
    before = gains_of(gain, noise(0.01, many // 2), noise(0.01, many // 2 + 2))[-1]
    assert gains_of(gain, noise(0.5, 500))[-1] == before
