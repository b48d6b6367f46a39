"""A rendered clip mixed like a record: equaliser, room and compressor, drawn at random for every clip."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from audiodiff.composer.moods import MOODS
from audiodiff.composer.piece import Piece

Stereo = npt.NDArray[np.float32]

_LOWEST_REVERB = 180.0
"""The room hears nothing below (Hz), or the bass would drown in it."""

_BANDS = ((0.0, 500.0, 1.0), (500.0, 2000.0, 1.0), (2000.0, 6000.0, 0.7), (6000.0, 24_000.0, 0.4))
"""Lower and upper edge (Hz) of a band of the room, and how long it rings, as a share of the room's decay time."""

_LEAST_OVER_SIDE = 6.0
"""Level (dB) of the channels' mean over half their difference."""

_HOP_SECONDS = 0.005

_BLOCK = 1 << 20
_EARLY = 4096
"""What the equaliser, whose phase is zero, sounds before a click (samples)."""

_FFT_STEP = 1 << 17
"""Sizes of transforms are multiples of this, which are fast and waste less than the next power of two."""


@dataclass(frozen=True)
class Mix:
    """Settings of a mix.

    Attributes:
        seed: of the room.
        decay_seconds: time in which the room decays by 60 dB.
        pre_delay: before the room answers (s).
        wet_db: level of the room below the direct sound.
        low_db: gain below 150 Hz.
        mid_db: gain about `mid_hz`.
        mid_hz: centre of an octave.
        high_db: gain above 6 kHz.
        threshold_db: level of the stereo sum, from its average, at which the compressor begins.
        ratio: of the compressor.
        attack: its time constant for rising levels (s).
        release: its time constant for falling levels (s).
    """

    seed: int
    decay_seconds: float
    pre_delay: float
    wet_db: float
    low_db: float
    mid_db: float
    mid_hz: float
    high_db: float
    threshold_db: float
    ratio: float
    attack: float
    release: float


def draw_mix(piece: Piece) -> Mix:
    """Draw the settings for a clip; calm and slow music gets the larger rooms."""
    rng = np.random.default_rng([piece.seed % 2**32, piece.index])
    calm = 0.5 - 0.5 * MOODS[piece.mood]
    beats = rng.uniform(0.6, 1.6 + 2.4 * calm)
    return Mix(
        seed=int(rng.integers(2**32)),
        decay_seconds=float(np.clip(beats * 60.0 / piece.score.bpm, 0.3, 3.5)),
        pre_delay=float(rng.uniform(0.004, 0.03)),
        wet_db=float(rng.uniform(-24.0, -15.0) + 6.0 * calm),
        low_db=float(rng.uniform(-3.0, 2.0)),
        mid_db=float(rng.uniform(-3.0, 2.0)),
        mid_hz=float(np.exp(rng.uniform(np.log(250.0), np.log(3500.0)))),
        high_db=float(rng.uniform(-2.0, 4.0)),
        threshold_db=float(rng.uniform(-4.0, 4.0)),
        ratio=float(rng.uniform(1.3, 3.0)),
        attack=float(rng.uniform(0.008, 0.04)),
        release=float(rng.uniform(0.08, 0.3)),
    )


def mix(dry: Stereo, sample_rate: int, settings: Mix) -> Stereo:
    """Equalise a waveform `[2, n_samples]`, add its room and compress it; as long as it was."""
    n_samples = dry.shape[1]
    room = _impulse(sample_rate, settings)
    size = -(-(min(n_samples, _BLOCK) + room.shape[1] + _EARLY) // _FFT_STEP) * _FFT_STEP
    frequency = np.fft.rfftfreq(size, 1.0 / sample_rate)
    send = 10.0 ** (settings.wet_db / 20.0) / (1.0 + (_LOWEST_REVERB / np.maximum(frequency, 1e-3)) ** 4)
    response = _equaliser(frequency, settings) * (1.0 + send * np.fft.rfft(room, size))
    # Long music is convolved block by block, the overlaps added, so that memory stays small.
    wet = np.zeros((2, _EARLY + n_samples + size), np.float32)
    for start in range(0, n_samples, _BLOCK):
        block = np.fft.irfft(np.fft.rfft(dry[:, start : start + _BLOCK], size) * response, size)
        wet[:, start : start + size] += np.roll(block, _EARLY, axis=1)
    return _compressed(_narrowed(wet[:, _EARLY : _EARLY + n_samples]), sample_rate, settings)


def _narrowed(wide: Stereo) -> Stereo:
    """Keep the difference of the channels well under their sum, so that the music survives in mono."""
    middle, side = (wide[0] + wide[1]) / 2, (wide[0] - wide[1]) / 2
    most = float(np.sqrt(np.square(middle).mean())) * 10.0 ** (-_LEAST_OVER_SIDE / 20.0)
    side *= np.float32(min(1.0, most / max(float(np.sqrt(np.square(side).mean())), 1e-9)))
    return np.stack((middle + side, middle - side))


def _equaliser(frequency: npt.NDArray[Any], settings: Mix) -> npt.NDArray[Any]:
    """Return the gain at each frequency (Hz): two shelves and a bell, without a change of phase."""
    octaves = np.log2(np.maximum(frequency, 1.0))
    low = 1.0 / (1.0 + 2.0 ** (2.0 * (octaves - np.log2(150.0))))
    high = 1.0 / (1.0 + 2.0 ** (-2.0 * (octaves - np.log2(6000.0))))
    bell = np.exp(-0.5 * ((octaves - np.log2(settings.mid_hz)) / 0.6) ** 2)
    decibel = settings.low_db * low + settings.mid_db * bell + settings.high_db * high
    return np.asarray(10.0 ** (decibel / 20.0))


def _impulse(sample_rate: int, settings: Mix) -> npt.NDArray[np.float64]:
    """Return what a room makes of one click, `[2, n_samples]` of energy 1 a side: noise that decays, treble first."""
    length = round((settings.pre_delay + settings.decay_seconds) * sample_rate)
    start = round(settings.pre_delay * sample_rate)
    noise = np.random.default_rng(settings.seed).standard_normal((2, length - start))
    spectrum = np.fft.rfft(noise)
    frequency = np.fft.rfftfreq(length - start, 1.0 / sample_rate)
    seconds = np.arange(length - start) / sample_rate
    tail = np.zeros_like(noise)
    for low, high, share in _BANDS:
        band = np.fft.irfft(np.where((frequency >= low) & (frequency < high), spectrum, 0.0), length - start)
        tail += band * 10.0 ** (-3.0 * seconds / (settings.decay_seconds * share))
    tail /= np.sqrt(np.square(tail).sum(axis=1, keepdims=True))
    return np.pad(tail, ((0, 0), (start, 0)))


def _compressed(waveform: Stereo, sample_rate: int, settings: Mix) -> Stereo:
    """Turn loud moments down, both channels alike."""
    hop = round(_HOP_SECONDS * sample_rate)
    count = -(-waveform.shape[1] // hop)
    power = np.pad(np.square(waveform).mean(axis=0), (0, count * hop - waveform.shape[1]))
    average = 10.0 * np.log10(max(float(power.mean()), 1e-12))
    level = 10.0 * np.log10(np.maximum(power.reshape(count, hop).mean(axis=1), 1e-12))
    over = np.maximum(level - average - settings.threshold_db, 0.0) * (1.0 - 1.0 / settings.ratio)
    rise, fall = (np.exp(-_HOP_SECONDS / seconds) for seconds in (settings.attack, settings.release))
    reduction, now = np.empty(count), 0.0
    for index, wanted in enumerate(over):
        keep = rise if wanted > now else fall
        reduction[index] = now = keep * now + (1.0 - keep) * wanted
    places = (np.arange(count) + 0.5) * hop
    gain = np.interp(np.arange(waveform.shape[1]), places, 10.0 ** (-reduction / 20.0)).astype(np.float32)
    return waveform * gain
