"""The chord at each latent of a clip: a chord track follows its beats, four to a bar, and begins again when it ends."""

from random import Random

import torch
from torch import Tensor

from audiodiff.composer.theory import LOOPS, Key, diatonic
from audiodiff.synthesis.settings import BEATS_PER_BAR
from audiodiff.text.chords import CHORD_FEATURES, Chord, chord_features, parse_chords
from audiodiff.text.keys import pitch_class

__all__ = ["chords_at", "usual_chords"]


def chords_at(beats: Tensor, bars: tuple[tuple[Chord, ...], ...]) -> Tensor:
    """What a network is told of the chords, `[CHORD_FEATURES, n]` (`audiodiff.text.chords.chord_features`).

    Args:
        beats: that have passed since the first bar began, `[n]`; NaN where unknown, as the chords are there.
        bars: the chords of each bar, which they divide evenly; () for no chords.
    """
    unknown = beats.new_full((CHORD_FEATURES, beats.shape[0]), torch.nan)
    if not bars:
        return unknown
    known = beats.isfinite()
    place = torch.where(known, beats, 0.0).double() / BEATS_PER_BAR
    bar = place.floor()
    lengths = torch.tensor([len(chords) for chords in bars], device=beats.device)
    firsts = lengths.cumsum(0) - lengths
    which = bar.long() % len(bars)
    row = firsts[which] + ((place - bar) * lengths[which]).long()
    table = beats.new_tensor([chord_features(chord) for chords in bars for chord in chords])
    return torch.where(known, table[row].T, unknown)


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
