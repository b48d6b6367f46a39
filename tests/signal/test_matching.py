"""Gains that bring the bands of a waveform to the levels of a mel."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from audiodiff.models.vocoder.model import matcher_of
from audiodiff.signal.matching import LOG_GAIN_LIMIT, LevelMatcher, MatchStream
from audiodiff.signal.projection import Projector, reach_of
from audiodiff.signal.tracks import Track
from tests.models.vocoder.cases import MATCHED, make

MODEL = make(MATCHED)
MATCHER, FRAMES = matcher_of(MODEL), MODEL.stft
HOP = FRAMES.hop_length


def noise(n_frames: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(1, n_frames * HOP, generator=torch.Generator().manual_seed(seed))


def matched(waveform: Tensor, envelope: Tensor) -> Tensor:
    projector = Projector(FRAMES, waveform.shape[-1] // HOP)
    spectrum = projector.spectrum(waveform)
    return projector.waveform(spectrum * MATCHER.gain(spectrum, envelope))


def envelope_of(waveform: Tensor) -> Tensor:
    return MATCHER.envelope(Projector(FRAMES, waveform.shape[-1] // HOP).spectrum(waveform).abs())


def test_a_waveform_with_the_right_levels_stays_what_it_is() -> None:
    waveform = noise(40)
    torch.testing.assert_close(matched(waveform, envelope_of(waveform)), waveform, rtol=0, atol=1e-5)


def test_levels_are_put_right_in_every_band_and_at_every_time() -> None:
    waveform = noise(60)
    wanted = envelope_of(waveform)
    # A slope of 12 dB over the bands and a step in time.
    slope = torch.linspace(0.5, 2.0, wanted.shape[-1]) * torch.where(torch.arange(60) < 30, 1.0, 2.0)[None, :, None]
    found = envelope_of(matched(waveform, wanted * slope))
    ratio = (found / (wanted * slope)).log()[:, :, 2:]
    assert float(ratio[:, 5:25].abs().mean()) < 0.05
    assert float(ratio[:, 36:-5].abs().mean()) < 0.05
    assert float(ratio[:, 28:33].abs().max()) > 0.1  # gains follow a step over some frames


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_no_band_changes_by_more_than_the_limit(factor: float) -> None:
    waveform = noise(20)
    change = matched(waveform, envelope_of(waveform) * factor).std() / waveform.std()
    assert abs(float(change.log())) == pytest.approx(LOG_GAIN_LIMIT, abs=1e-3)


def test_silence_stays_silent_and_what_is_below_the_floor_is_let_alone() -> None:
    silent = torch.zeros(1, 10 * HOP)
    floor = torch.full((1, 10, FRAMES.n_fft // 2 + 1), MATCHER.floor)
    assert not matched(silent, floor * 100).any()
    soft = 1e-7 * noise(10)
    torch.testing.assert_close(matched(soft, floor), soft, rtol=0, atol=1e-12)


def test_a_gain_is_a_mean_over_three_frames() -> None:
    matcher = LevelMatcher(torch.eye(3), torch.eye(3), 1e-3)
    levels = torch.tensor([1.0, 2.0, 4.0, 1.0]).view(1, 4, 1).expand(1, 4, 3)
    spectrum = torch.ones(1, 4, 3, dtype=torch.complex64)
    assert float(matcher.gain(spectrum, levels)[0, 1, 0]) == pytest.approx(2.0, rel=1e-5)  # of 1, 2 and 4
    assert float(matcher.gain(spectrum, levels)[0, 0, 0]) == pytest.approx(2.0 ** (1 / 3), rel=1e-5)  # of 1, 1 and 2


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=8), st.integers(reach_of(FRAMES), 40))
def test_a_stream_makes_the_same_for_any_cut(sizes: list[int], n_frames: int) -> None:
    waveform = noise(n_frames, seed=n_frames)
    envelope = envelope_of(waveform) * torch.linspace(0.3, 3.0, n_frames)[None, :, None]
    whole = matched(waveform, envelope)
    reach, pad = reach_of(FRAMES), (FRAMES.n_fft - HOP) // 2
    padded = torch.zeros((n_frames + reach) * HOP)
    padded[pad : pad + n_frames * HOP] = waveform[0]
    hops = padded.view(-1, HOP)
    track = Track()
    track.append(envelope[0])
    stream, made, least = MatchStream(MATCHER, FRAMES, torch.device("cpu")), [], 0
    cuts = [0, *(min(cut, len(hops) - 1) for cut in itertools.accumulate(sizes)), len(hops)]
    for start, stop in itertools.pairwise(cuts):
        made.append(stream.push(hops[start:stop], track, stop == len(hops)))
        least = max(0, stop - reach - 1)
        assert sum(map(len, made)) >= least
    found = torch.cat(made).flatten()[pad : pad + n_frames * HOP]
    assert sum(map(len, made)) == len(hops)
    torch.testing.assert_close(found, whole[0], rtol=0, atol=1e-5)
