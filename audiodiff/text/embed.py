"""From a prompt to what a network attends to: token states with the prompt's weights in them."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.text.encoder import TextEncoder, TextStates
from audiodiff.text.prompt import Prompt, PromptPart

__all__ = ["Embedded", "EmbeddedPart", "embed_prompt"]


class EmbeddedPart(NamedTuple):
    """One prompt of a blend.

    Attributes:
        weight: its share in the blend; the shares sum to 1.
        tokens: float32 `[n_tokens, width]` on the CPU; no rows for the empty prompt, which conditions on nothing.
    """

    weight: float
    tokens: Tensor


@dataclass(frozen=True)
class Embedded:
    """A prompt as token states.

    Attributes:
        parts: the prompts to blend by their weights at every step, at the level of guidance: what a network makes of
            two token lists in one attention is not a mixture of the two.
        n_dropped: tokens cut off because a prompt is too long.
        dropped_text: the ends of the prompts that they came from, for a warning.
    """

    parts: tuple[EmbeddedPart, ...]
    n_dropped: int
    dropped_text: tuple[str, ...]


def embed_prompt(prompt: Prompt, encoder: TextEncoder) -> Embedded:
    """Encode a prompt; parts of weight 0 are left out.

    A token of weight w becomes `base + w * (state - base)`, where `base` is the mean state of the empty text: weight 1
    changes nothing, weight 0 makes the token say what a text without words says, and more than 1 exaggerates.

    Args:
        prompt: from `parse_prompt`.
        encoder: the encoder that the model was trained with.
    """
    heard = [(part, share) for part, share in zip(prompt.parts, prompt.shares, strict=True) if share > 0]
    worded = [part for part, _ in heard if part.text]
    states = iter(encoder.encode([part.text for part in worded]))
    base = encoder.encode([""])[0].tokens.mean(dim=0) if any(part.spans for part in worded) else None
    parts, dropped, n_dropped = [], [], 0
    for part, share in heard:
        if not part.text:
            parts.append(EmbeddedPart(share, torch.zeros(0, encoder.width)))
            continue
        found = next(states)
        parts.append(EmbeddedPart(share, found.tokens if base is None else _weigh(part, found, base)))
        n_dropped += found.n_dropped
        if found.n_dropped:
            dropped.append(found.dropped_text)
    return Embedded(tuple(parts), n_dropped, tuple(dropped))


def _weigh(part: PromptPart, states: TextStates, base: Tensor) -> Tensor:
    if not part.spans:
        return states.tokens
    if len(states.offsets) != len(states.tokens):
        raise AudiodiffError("This text encoder does not say where its tokens stand; write the prompt without weights.")
    weights = torch.tensor([part.weight_at(start, stop) for start, stop in states.offsets])[:, None]
    # Written so that weight 1 gives back the very same bits.
    return states.tokens + (weights - 1.0) * (states.tokens - base)
