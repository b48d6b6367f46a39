"""Takes that differ: looser guidance, and a key for each where the prompt leaves it open.

Guidance leads every take of a prompt to what is most typical of it (Ho and Salimans, 2022, "Classifier-Free Diffusion
Guidance": fidelity against variety), so the takes of some prompts are near twins. `benchmarks.variety` measures what is
won, and whether the instruments that were asked for are still heard. Drawn moods and tempos were tried, too: moods
changed next to nothing, and tempos cost instruments.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from audiodiff.synthesis.settings import GenerateSettings
from audiodiff.text.chords import AUTO_CHORDS
from audiodiff.text.keys import KEYS, find_key

if TYPE_CHECKING:
    from audiodiff.models.mel_latent import MelLatentConfig

__all__ = ["drawn"]

LOOSER = 0.8
"""Part of the guidance above 1 that is taken away at variety 1."""

_STEP = 13503953896175478587
"""Step from seed to seed as a part of 2^64: the fraction of the square root of 3 (Richtmyer, 1951).

The numbers of seeds that follow each other are far apart, so that takes that are made together draw other keys.
"""


def drawn(settings: GenerateSettings, *, guidance: float, config: "MelLatentConfig") -> GenerateSettings:
    """Return settings of a clip as its variety has them; at variety 0 as they are.

    The key belongs to the seed alone, whatever the other takes are, and is of the mode that the prompt names. Where the
    prompt or the settings name a key or chords, none is drawn.

    Args:
        settings: what was asked for.
        guidance: what the model recommends.
        config: whether the model takes a key.
    """
    if not settings.variety:
        return settings
    asked = guidance if settings.sampling.guidance is None else settings.sampling.guidance
    looser = 1.0 + (asked - 1.0) * (1.0 - LOOSER * settings.variety) if asked > 1.0 else asked
    loosened = replace(settings, sampling=replace(settings.sampling, guidance=looser))
    takes_key = any(each.name == "key" for each in config.classes)
    if not takes_key or settings.key or settings.chords not in ("", AUTO_CHORDS) or find_key(settings.prompt):
        return loosened
    keys = _in_mode(settings.prompt)
    return replace(loosened, key=keys[int(place(settings.sampling.seed) * len(keys))])


def place(seed: int) -> float:
    """The number of a seed, from 0 up to 1."""
    return ((seed + 1) * _STEP % 2**64) / 2**64


def _in_mode(prompt: str) -> Sequence[str]:
    """The keys of the mode that a prompt names, such as "slow, minor key"; all where it names none or both."""
    words = re.findall(r"\w+", prompt.lower())
    modes = [mode for mode in ("major", "minor") if mode in words]
    return [key for key in KEYS if len(modes) != 1 or key.endswith(modes[0])]
