"""Pictures of log-mels and of spectra, and when there is time to draw one."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from audiodiff.signal.mel import MelSpec, preset
from audiodiff.signal.resample import resample
from audiodiff.synthesis.streams import mel_blocks
from audiodiff.training.logging import mel_picture

WIDTH, HEIGHT = 860, 192
"""Size of every picture in pixels, whatever the length of the sound."""

SPECTRUM_SECONDS = 0.032
"""Length of the windows of a spectrum."""

SPECTRUM_FLOOR = 1e-4
"""Smallest magnitude of a spectrum that a picture tells from silence."""

PREVIEW_SHARE = 0.04
"""Part of the working time that previews may take."""


def mel_pictures(log_mels: Sequence[Tensor]) -> list[Image.Image]:
    """Draw log-mels `[n_mels, n_frames]` of one shape in the colours of the first, so that they can be compared."""
    drawn = mel_picture(torch.stack([_narrowed(log_mel) for log_mel in log_mels]))
    pixels: NDArray[np.uint8] = (drawn * 255.0).round().to(torch.uint8).permute(1, 2, 0).numpy()
    n_mels = log_mels[0].shape[-2]
    tops = range(0, pixels.shape[0], n_mels + 2)  # a rule of two pixels lies between them
    return [
        Image.fromarray(np.ascontiguousarray(pixels[top : top + n_mels])).resize(
            (WIDTH, HEIGHT), Image.Resampling.BILINEAR
        )
        for top in tops
    ]


def mel_image(log_mel: Tensor) -> Image.Image:
    """Draw one log-mel `[n_mels, n_frames]`."""
    return mel_pictures([log_mel])[0]


def sound_mel(waveform: NDArray[np.float32], sample_rate: int, spec: MelSpec | None = None) -> Tensor:
    """Return the log-mel `[n_mels, n_frames]` of `[channels, n_samples]`, averaged to one channel.

    Args:
        waveform: the sound.
        sample_rate: its rate in Hz.
        spec: which mel; one that shows what the rate can hold when `None`.
    """
    spec = spec or preset("bigvgan-44k" if sample_rate > 30_000 else "hifigan-22k")
    mono = torch.from_numpy(waveform.mean(axis=0, keepdims=True, dtype=np.float32))
    blocks = list(mel_blocks([resample(mono, sample_rate, spec.sample_rate)], spec))
    return torch.cat(blocks, dim=-1)[0]


def sound_spectrum(waveform: NDArray[np.float32], sample_rate: int) -> Tensor:
    """Return log-magnitudes `[n_bins, n_frames]` of `[channels, n_samples]`, averaged to one channel.

    The bins are even steps from 0 Hz to half the rate, so that the uppermost octave fills half of the picture; in a mel
    it is a narrow strip.

    Args:
        waveform: the sound.
        sample_rate: its rate in Hz.
    """
    hop = max(1, round(sample_rate * SPECTRUM_SECONDS / 4))
    mono = torch.from_numpy(waveform.mean(axis=0, keepdims=True, dtype=np.float32))
    size, window = 4 * hop, torch.hann_window(4 * hop)
    spectrum = torch.stft(mono, size, hop, window=window, pad_mode="constant", return_complex=True)[0]
    # White noise of variance 1 has a spectrum of variance 1.
    magnitude: Tensor = spectrum.abs() / window.norm()
    return magnitude.clamp_min(SPECTRUM_FLOOR).log()


def _narrowed(log_mel: Tensor) -> Tensor:
    """Average frames where there are more than the picture has columns."""
    values = log_mel.detach().float().cpu()
    if values.shape[-1] <= WIDTH:
        return values
    return torch.nn.functional.adaptive_avg_pool1d(values[None], WIDTH)[0]


class PreviewBudget:
    """Keeps previews to a small part of the working time, whatever a preview costs here."""

    def __init__(self, share: float = PREVIEW_SHARE, clock: Callable[[], float] = time.perf_counter) -> None:
        """Start the clock.

        Args:
            share: part of the time since now that previews may take.
            clock: tells the seconds.
        """
        self._share = share
        self._clock = clock
        self._started = clock()
        self._spent = 0.0
        self._dearest = 0.0

    def allows(self, done: float) -> bool:
        """Tell whether there is time for a preview.

        Args:
            done: part of the work that is done; before a fifth of it there is nothing to see.
        """
        elapsed = self._clock() - self._started
        return done >= 0.2 and self._spent + self._dearest <= self._share * elapsed

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Count the time of the block as one preview."""
        began = self._clock()
        yield
        seconds = self._clock() - began
        self._spent += seconds
        self._dearest = max(self._dearest, seconds)
