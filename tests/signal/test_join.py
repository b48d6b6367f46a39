import math

import pytest
import torch

from audiodiff.signal.join import continuation, crossfade, matching_gain
from tests.refusals import refused


def tone(frequency: float, n_samples: int, phase: float = 0.0, rate: int = 22050) -> torch.Tensor:
    return torch.sin(2 * math.pi * frequency * torch.arange(n_samples) / rate + phase)


def noise(n_samples: int, seed: int) -> torch.Tensor:
    return torch.randn(n_samples, generator=torch.Generator().manual_seed(seed))


def test_a_sound_fades_into_itself_unchanged() -> None:
    sound = tone(440.0, 1000)
    torch.testing.assert_close(crossfade(sound, sound), sound, atol=1e-6, rtol=0)


def test_unrelated_sounds_keep_their_power() -> None:
    n_samples = 1 << 16
    power = crossfade(noise(n_samples, 0), noise(n_samples, 1)).square()
    for part in power.chunk(8):
        assert float(part.mean()) == pytest.approx(1.0, abs=0.05)


def test_a_fade_begins_with_the_old_and_ends_with_the_new() -> None:
    old, new = noise(2000, 0), noise(2000, 1)
    faded = crossfade(old, new)
    assert float((faded[:10] - old[:10]).abs().max()) < 0.02
    assert float((faded[-10:] - new[-10:]).abs().max()) < 0.02
    assert torch.isfinite(crossfade(torch.zeros(5), torch.zeros(5))).all()
    assert crossfade(old[:0], new[:0]).shape == (0,)
    refused("cannot fade", lambda: crossfade(old, new[1:]))


def test_the_gain_is_the_ratio_of_levels_within_bounds() -> None:
    sound = tone(440.0, 4000)
    assert matching_gain(0.8 * sound, sound) == pytest.approx(0.8)
    assert matching_gain(sound, 0.001 * sound) == 1.0  # one of them is silent
    assert matching_gain(sound, 0.01 * sound) == pytest.approx(10 ** (12 / 20))
    assert matching_gain(0.01 * sound, sound) == pytest.approx(10 ** (-12 / 20))
    assert matching_gain(sound[:0], sound) == 1.0


def test_tones_go_on_in_phase() -> None:
    whole = tone(220.0, 6000) + 0.5 * tone(331.0, 6000, 1.0) + 0.01 * noise(6000, 0)
    found = continuation(whole[:5000], 500)
    clean = (tone(220.0, 6000) + 0.5 * tone(331.0, 6000, 1.0))[5000:5500]
    assert float((found - clean)[:100].abs().max()) < 0.1
    assert float((found * clean).sum() / (found.norm() * clean.norm())) > 0.97


def test_a_continuation_never_grows_and_takes_anything() -> None:
    assert float(continuation(noise(3000, 0), 20000)[-1000:].abs().max()) < 1.0
    assert not continuation(torch.zeros(500), 50).any()
    assert not continuation(torch.zeros(0), 50).any()
    assert torch.isfinite(continuation(torch.ones(4), 50)).all()
    assert torch.isfinite(continuation(tone(1000.0, 8000), 5000)).all()  # a pure tone has no error left to predict
