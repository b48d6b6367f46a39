"""The styles: who plays what, in which keys, tempi and moods."""

from audiodiff.composer.styles.bands import BANDS
from audiodiff.composer.styles.base import Style
from audiodiff.composer.styles.classical import CLASSICAL
from audiodiff.composer.styles.electronic import ELECTRONIC
from audiodiff.composer.styles.ensembles import ENSEMBLES
from audiodiff.composer.styles.folk import FOLK
from audiodiff.composer.styles.scenes import SCENES
from audiodiff.composer.styles.solo import SOLO

STYLES: tuple[Style, ...] = SOLO + CLASSICAL + BANDS + ELECTRONIC + FOLK + ENSEMBLES + SCENES
"""All styles; their weights are the numbers of clips in a deck. Their order decides what clip i is."""
