"""The styles: who plays what, in which keys, tempi and moods."""

from audiodiff.data.rendered.styles.bands import BANDS
from audiodiff.data.rendered.styles.base import Style
from audiodiff.data.rendered.styles.classical import CLASSICAL
from audiodiff.data.rendered.styles.electronic import ELECTRONIC
from audiodiff.data.rendered.styles.folk import FOLK
from audiodiff.data.rendered.styles.solo import SOLO

STYLES: tuple[Style, ...] = SOLO + CLASSICAL + BANDS + ELECTRONIC + FOLK
"""All styles; their weights are the numbers of clips in a deck. Their order decides what clip i is."""
