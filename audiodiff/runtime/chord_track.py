"""Chord tracks without torch: the chord at each moment, and usual progressions."""

from random import Random

import numpy as np
from numpy.typing import NDArray

from audiodiff.composer.theory import LOOPS, Key, diatonic
from audiodiff.text.chords import BEATS_PER_BAR, CHORD_FEATURES, Chord, chord_features, parse_chords
from audiodiff.text.keys import pitch_class

__all__ = ["features_at", "usual_chords"]


def features_at(beats: NDArray[np.floating], bars: tuple[tuple[Chord, ...], ...]) -> NDArray[np.float32]:
    """What a network is told of the chords, float32 `[CHORD_FEATURES, n]` (`audiodiff.text.chords.chord_features`).

    A track follows the beats, four to a bar, and begins again when it ends.

    Args:
        beats: that have passed since the first bar began, `[n]`; NaN where unknown, as the chords are there.
        bars: the chords of each bar, which they divide evenly; () for no chords.
    """
    unknown = np.full((CHORD_FEATURES, len(beats)), np.nan, np.float32)
    if not bars:
        return unknown
    known = np.isfinite(beats)
    place = np.where(known, beats, 0.0).astype(np.float64) / BEATS_PER_BAR
    bar = np.floor(place)
    lengths = np.array([len(chords) for chords in bars])
    which = bar.astype(np.int64) % len(bars)
    row = (np.cumsum(lengths) - lengths)[which] + ((place - bar) * lengths[which]).astype(np.int64)
    table = np.array([chord_features(chord) for chords in bars for chord in chords], np.float32)
    return np.where(known, table[row].T, unknown)


def usual_chords(key: str, seed: int) -> tuple[tuple[Chord, ...], ...]:
    """Draw four bars of a usual progression that begins on the tonic.

    Args:
        key: one of `audiodiff.text.keys.KEYS`.
        seed: of the clip.
    """
    tonic, mode = key.split()
    loops = [loop for loop in LOOPS["pop"][mode == "minor"] if loop[0] == 1]
    drawn = Random(seed).choice(loops)
    names = (diatonic(Key(pitch_class(tonic), mode), degree - 1).name for degree in drawn)
    return parse_chords(" ".join(names))
