import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from audiodiff.diffusion.names import SAMPLER_NAMES
from audiodiff.synthesis.sampling import ENDLESS, ChunkLayout
from audiodiff.synthesis.settings import Sampling, VocodeSettings
from audiodiff.synthesis.streams import Window
from audiodiff.synthesis.vocode import load
from audiodiff.torch_state import bfloat16_is_fast
from tests.synthesis.vocoder_fakes import FakeVocoder, recording, synthesizer

WHOLE = VocodeSettings(window_seconds=math.inf)


@given(n_frames=st.integers(1, 500), piece_frames=st.integers(1, 60))
def test_pieces_cover_the_signal_and_are_of_a_size(n_frames: int, piece_frames: int) -> None:
    layout = ChunkLayout(n_frames, piece_frames)
    bounds = [layout.bound(piece) for piece in range(layout.n_pieces + 1)]
    lengths = np.diff(bounds)
    assert (bounds[0], bounds[-1]) == (0, n_frames)
    assert (lengths[:-1] == piece_frames).all()
    assert lengths[-1] < 1.5 * piece_frames + 1
    assert layout.n_pieces == 1 or lengths[-1] >= piece_frames / 2
    for piece in range(layout.n_pieces):
        assert layout.pieces(bounds[piece], bounds[piece + 1]) == range(piece, piece + 1)
    assert layout.pieces(-5, n_frames + 5) == range(layout.n_pieces)


def test_a_window_has_whole_pieces_around_it() -> None:
    layout = ChunkLayout(100, 10)
    assert [layout.window(first, 4, 0, 3) for first in (0, 4, 8)] == [
        Window(0, 43, 0, 40),
        Window(37, 83, 40, 80),
        Window(77, 100, 80, 100),
    ]
    assert [layout.window(first, 4, 1, 3) for first in (0, 4, 8)] == [
        Window(0, 53, 0, 40),
        Window(27, 93, 40, 80),
        Window(67, 100, 80, 100),
    ]
    assert ChunkLayout(100, ENDLESS).window(0, 1, 7, 3) == Window(0, 100, 0, 100)


@pytest.mark.parametrize("sampler", SAMPLER_NAMES)
@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("call_seconds", [0.37, 0.05])
def test_windows_equal_one_shot_bit_for_bit(sampler: str, steps: int, call_seconds: float) -> None:
    waveform = recording(4.0)
    model = FakeVocoder()
    synth = synthesizer(model, call_seconds=call_seconds)
    whole = synth.vocode(waveform, 8000, sampler=sampler, steps=steps, settings=WHOLE)
    in_one_go = len(model.piece_lengths)
    assert in_one_go > 10
    for window_seconds in (0.37, 1.2):
        settings = VocodeSettings(window_seconds=window_seconds)
        parts = synth.vocode(waveform, 8000, sampler=sampler, steps=steps, settings=settings)
        np.testing.assert_array_equal(parts, whole)
    assert steps == 1 or len(model.piece_lengths) > 3 * in_one_go  # some pieces belong to several windows
    assert np.abs(whole).max() > 0.01


@pytest.mark.parametrize("sampler", SAMPLER_NAMES)
@pytest.mark.parametrize("steps", [1, 4])
def test_pieces_equal_a_single_call(sampler: str, steps: int) -> None:
    waveform = recording(4.0)
    model = FakeVocoder()
    single = synthesizer(model).vocode(waveform, 8000, sampler=sampler, steps=steps)
    assert len(model.piece_lengths) == 1
    pieces = synthesizer(model, call_seconds=0.37).vocode(waveform, 8000, sampler=sampler, steps=steps)
    assert len(model.piece_lengths) > 10
    assert np.abs(pieces - single).max() < 1e-5 * np.abs(single).max() + 1e-7


@pytest.mark.parametrize("window_seconds", [0.37, math.inf])
def test_too_little_context_would_be_seen(window_seconds: float) -> None:
    model = FakeVocoder(context_frames=0, true_context_frames=2)
    waveform = recording(4.0)
    single = synthesizer(model).vocode(waveform, 8000)
    settings = VocodeSettings(window_seconds=window_seconds)
    parts = synthesizer(model, call_seconds=0.37).vocode(waveform, 8000, settings=settings)
    assert np.abs(parts - single).max() > 1e-3 * np.abs(single).max()


def test_calls_that_reach_nothing_are_left_out() -> None:
    calls: list[int] = []

    class Counting(FakeVocoder):
        def denoiser(self, compute_dtype: torch.dtype | None = None):  # type: ignore[no-untyped-def]
            inner = super().denoiser(compute_dtype)

            def denoise(x: torch.Tensor, t: torch.Tensor, cond: torch.Tensor) -> torch.Tensor:
                calls.append(x.shape[-1])
                return inner(x, t, cond)

            return denoise

    synth = synthesizer(Counting(context_frames=10), call_seconds=0.16)  # 20 frames a piece
    waveform = recording(1.6)
    synth.vocode(waveform, 8000, steps=4, settings=WHOLE)
    assert len(calls) == 4 * 10
    calls.clear()
    synth.vocode(waveform, 8000, steps=4, settings=VocodeSettings(window_seconds=0.8))
    # Two windows of five pieces; estimates are needed 30, 20, 10 and 0 frames into the other: 2, 1, 1 and 0 pieces.
    assert len(calls) == 2 * (7 + 6 + 6 + 5)
    # A piece and 11 frames around it, one side only at the ends.
    assert set(calls) == {64 * (20 + 11), 64 * (20 + 22)}


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_windows_of_the_shipped_model_equal_one_shot(precision: str) -> None:
    if precision == "bf16" and not bfloat16_is_fast("cpu"):
        pytest.skip("this processor emulates bfloat16, in fifty times the time")
    synth = load("speech", device="cpu")
    level = synth.reference_level_db
    synth = type(synth)(synth.model, defaults=synth.defaults, reference_level_db=level, call_seconds=2.0)
    waveform = recording(9.7, 22050)
    settings = VocodeSettings(Sampling(steps=2, precision=precision), window_seconds=math.inf)  # type: ignore[arg-type]
    whole = synth.vocode(waveform, 22050, settings=settings)
    for window_seconds in (2.0, 3.3, 5.0):
        settings = VocodeSettings(Sampling(steps=2, precision=precision), window_seconds=window_seconds)  # type: ignore[arg-type]
        np.testing.assert_array_equal(synth.vocode(waveform, 22050, settings=settings), whole)
    if precision == "fp32":
        single = load("speech", device="cpu").vocode(waveform, 22050, settings=settings)
        # Pieces of another length round otherwise, which iterations of Griffin-Lim magnify in single places.
        difference = np.abs(whole - single)
        assert np.percentile(difference, 90) < 1e-4
        assert np.percentile(difference, 98) < 1e-3
