from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from audiodiff.signal.mel import PRESETS, log_mel
from audiodiff.synthesis import streams
from audiodiff.synthesis.streams import FrameReader, mel_blocks, windows


def noise(channels: int, n_samples: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal((channels, n_samples)).astype(np.float32)) * 0.1


def pieces(signal: Tensor, size: int) -> Iterator[Tensor]:
    yield from signal.split(size, dim=-1)


@pytest.mark.parametrize("name", ["hifigan-22k", "vocos-24k", "diffwave-lmnt", "audioldm-16k"])
@pytest.mark.parametrize("size", [1000, 30000])
@pytest.mark.parametrize("n_samples", [256 * 200, 60000, 50001])
def test_streamed_mel_is_that_of_the_whole(name: str, size: int, n_samples: int, monkeypatch) -> None:
    monkeypatch.setattr(streams, "MEL_BLOCK_FRAMES", 37)
    spec = PRESETS[name]
    signal = noise(2, n_samples)
    joined = torch.cat(list(mel_blocks(pieces(signal, size), spec)), dim=-1)
    n_frames = -(-n_samples // spec.hop_length)
    padded = torch.nn.functional.pad(signal, (0, n_frames * spec.hop_length - n_samples))
    torch.testing.assert_close(joined, log_mel(padded, spec)[..., :n_frames], atol=1e-4, rtol=0)


@pytest.mark.parametrize("n_samples", [1, 2, 255, 256, 257, 1023, 1025])
def test_the_shortest_recordings_have_their_frames(n_samples: int) -> None:
    spec = PRESETS["hifigan-22k"]
    joined = torch.cat(list(mel_blocks([noise(1, n_samples)], spec)), dim=-1)
    assert joined.shape == (1, 80, -(-n_samples // 256))
    assert bool(torch.isfinite(joined).all())


def test_frame_reader_gives_overlapping_ranges() -> None:
    frames = torch.arange(1000.0).reshape(1, 1, 1000)
    reader = FrameReader(frames.split(33, dim=-1))
    for start, stop in [(0, 10), (0, 50), (40, 200), (40, 200), (150, 151), (400, 900), (900, 1000)]:
        torch.testing.assert_close(reader(start, stop), frames[..., start:stop])


def test_frame_reader_drops_what_is_behind() -> None:
    reader = FrameReader(torch.zeros(1, 1, 10000).split(100, dim=-1))
    for start in range(0, 9000, 100):
        reader(start, start + 200)
        assert reader._held is not None
        assert reader._held.shape[-1] <= 400


@pytest.mark.parametrize(("n_frames", "core", "context"), [(1, 10, 3), (100, 10, 3), (101, 10, 0), (7, 3, 100)])
def test_windows_tile_the_frames(n_frames: int, core: int, context: int) -> None:
    cut = list(windows(n_frames, core, context))
    assert [frame for w in cut for frame in range(w.core_start, w.core_stop)] == list(range(n_frames))
    for window in cut:
        assert window.start == max(0, window.core_start - context)
        assert window.stop == min(n_frames, window.core_stop + context)
