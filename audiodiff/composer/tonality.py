"""How clearly notes speak of a key."""

import math
import statistics
from collections.abc import Iterable, Iterator

from audiodiff.composer.score import Note
from audiodiff.composer.theory import KEY_PROFILES, Key

WINDOW_SECONDS = 10.0
"""In every stretch of this length the key should be heard."""


def windows(start: float, stop: float, length: float) -> Iterator[tuple[float, float]]:
    """Cover a stretch with windows that overlap by half or a little more; a shorter stretch is one window."""
    length = min(length, stop - start)
    count = math.ceil(2 * (stop - start) / length - 1)
    for number in range(count):
        first = start + (stop - start - length) * number / max(1, count - 1)
        yield first, first + length


def pitch_class_shares(notes: Iterable[Note], start: float, stop: float) -> list[float]:
    """Return how long each pitch class sounds between two beats, loud notes counting more: `[12]`."""
    shares = [0.0] * 12
    for note in notes:
        length = min(note.start + note.length, stop) - max(note.start, start)
        if length > 0:
            shares[note.pitch % 12] += length * note.velocity
    return shares


def key_margin(shares: list[float], key: Key) -> float:
    """Return by how much the key fits better than any other does (correlation with its profile); -1 without notes."""
    if max(shares) == min(shares):
        return -1.0
    fits = {
        (tonic, third): statistics.correlation(shares, profile[-tonic:] + profile[:-tonic])
        for third, profile in KEY_PROFILES.items()
        for tonic in range(12)
    }
    own = fits.pop((key.tonic, key.third))
    return own - max(fits.values())
