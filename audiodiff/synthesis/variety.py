"""Takes that differ: looser guidance.

Guidance leads every take of a prompt to what is most typical of it (Ho and Salimans, 2022, "Classifier-Free Diffusion
Guidance": fidelity against variety), so the takes of some prompts are near twins. `benchmarks.variety` measures what is
won, and whether the instruments that were asked for are still heard. A mood that is drawn for each take
was tried, too, and changed next to nothing; a drawn key, or key and tempo, left fewer instruments to be heard.
"""

from dataclasses import replace

from audiodiff.synthesis.settings import GenerateSettings

__all__ = ["loosened"]

LOOSER = 0.8
"""Part of the guidance above 1 that is taken away at variety 1."""


def loosened(settings: GenerateSettings, guidance: float) -> GenerateSettings:
    """Return settings with the guidance that their variety leaves; at variety 0 as they are.

    Args:
        settings: what was asked for.
        guidance: what the model recommends.
    """
    asked = guidance if settings.sampling.guidance is None else settings.sampling.guidance
    if not settings.variety or asked <= 1.0:
        return settings
    left = 1.0 + (asked - 1.0) * (1.0 - LOOSER * settings.variety)
    return replace(settings, sampling=replace(settings.sampling, guidance=left))
