"""The idea of a clip: an embedding that a model's prior draws from a prompt. Takes of one idea are its variations."""

from collections.abc import Mapping, Sequence
from functools import reduce

import torch
from torch import Tensor

from audiodiff.diffusion.noise import positional_noise
from audiodiff.diffusion.samplers import SAMPLERS, sample
from audiodiff.diffusion.times import times_of
from audiodiff.models.mel_latent import MelLatent
from audiodiff.models.mel_latent.prior import EMBEDDING_TOKENS, embedding_of
from audiodiff.torch_state import standard_state

__all__ = ["draw_idea"]

_SAMPLER, _GRID, _STEPS = "dpmpp_2m", "uniform", 25
"""How ideas are sampled; files name their seed alone, so this stays as it is."""

_DRAW = -1
"""The field of noise of an idea: those of clips count from 0."""


@standard_state()
@torch.no_grad()
def draw_idea(
    model: MelLatent,
    parts: Sequence[tuple[float, Tensor]],
    numbers: Mapping[str, float | None],
    classes: Mapping[str, str],
    seed: int,
) -> Tensor:
    """Draw an embedding, `[1, 2 * channels]` on the model's device (`Condition.clip`).

    Args:
        model: that has a prior.
        parts: of the prompt, which sum to 1: share, and states of the text encoder `[n_tokens, text_width]`.
        numbers: by name.
        classes: by name.
        seed: of the idea.

    Raises:
        AudiodiffError: the model has no prior, or does not know what is asked for.
    """
    denoiser, prior = model.prior_denoiser(), model.prior
    assert prior is not None
    wanted = [
        (share, prior.project_cond(model.condition([tokens], [dict(numbers)], [dict(classes)])))
        for share, tokens in parts
    ]

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        return reduce(torch.add, [share * denoiser(x, t, cond) for share, cond in wanted])

    noise = positional_noise(seed, _DRAW, 0, EMBEDDING_TOKENS, channels=model.channels)[None]
    x = model.process.prior(noise.to(next(model.parameters()).device))
    times = times_of(_GRID, model.process, _STEPS)
    return embedding_of(sample(SAMPLERS[_SAMPLER](), denoise, model.process, x, times))
