"""Prompts as a latent model takes them, and the denoiser that they guide."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from audiodiff.diffusion.guidance import classifier_free, interval, rescale
from audiodiff.diffusion.held_differences import HeldDifferences
from audiodiff.models.mel_latent import MelLatent, MelLatentConfig
from audiodiff.nn.condition import join_conditions
from audiodiff.runtime.chord_track import features_at
from audiodiff.synthesis.idea import draw_idea
from audiodiff.synthesis.resolved import ResolvedClip, Target
from audiodiff.synthesis.windowed import ConditionedDenoise, PositionConditions
from audiodiff.text.embed import embed_prompt
from audiodiff.text.encoder import TextEncoder
from audiodiff.text.prompt import Prompt

Weighted = Sequence[tuple[float, Any]]
"""Conditions of a network, and the share of each."""


Labels = tuple[Mapping[str, float | None], Mapping[str, str]]
"""What goes with a prompt: numbers and classes, by name."""

NO_LABELS: Labels = ({}, {})


@dataclass(frozen=True)
class PromptConditions:
    """A prompt as the network takes it: weighted conditions, and what of the text was dropped."""

    conditions: tuple[tuple[float, Any], ...]
    notes: tuple[str, ...]


def encode_prompt(
    model: MelLatent,
    encoder: TextEncoder | None,
    prompt: Prompt,
    numbers: Mapping[str, float | None],
    classes: Mapping[str, str],
    idea: int | None = None,
) -> PromptConditions:
    """Turn a prompt, with numbers and classes, into conditions.

    Args:
        model: that takes them.
        encoder: of its text; `None` where there is no text.
        prompt: as read.
        numbers: by name.
        classes: by name.
        idea: seed of an idea that goes with it; `None` for none.

    Raises:
        AudiodiffError: it asks for what the model does not know.
    """
    notes: list[str] = []
    parts: list[tuple[float, Tensor]] = [(1.0, torch.zeros(0, model.config.text_width))]
    if encoder is not None:
        embedded = embed_prompt(prompt, encoder)
        parts = [(part.weight, part.tokens) for part in embedded.parts] or parts
        if embedded.n_dropped:
            lost = " | ".join(embedded.dropped_text)
            notes.append(
                f"the prompt is longer than the {encoder.max_tokens} tokens that the model reads; left out: {lost}"
            )
    clip = None if idea is None else draw_idea(model, parts, numbers, classes, idea)
    conditions = []
    for share, tokens in parts:
        cond = model.condition([tokens], [dict(numbers)], [dict(classes)])
        cond = cond if clip is None else cond._replace(clip=clip)
        conditions.append((share, model.network.project_cond(cond)))
    return PromptConditions(tuple(conditions), tuple(notes))


def labels_of(config: MelLatentConfig, clip: ResolvedClip, target: Target, seconds: float) -> Labels:
    """Return the numbers and classes that go with a target of a clip that is denoised in so many seconds."""
    numbers: dict[str, float | None] = {} if target.tempo is None else {"tempo": target.tempo}
    if any(number.name == "seconds" for number in config.numbers):
        numbers["seconds"] = seconds
    classes = {"key": target.key, "source": clip.source}
    return numbers, {name: value for name, value in classes.items() if value}


def guided_denoise(
    denoiser: Callable[[Tensor, Tensor, Any], Tensor],
    config: MelLatentConfig,
    wanted: Weighted,
    unwanted: Weighted,
    clip: ResolvedClip,
    *,
    batched: bool,
) -> ConditionedDenoise:
    """Return a denoiser that goes towards what is wanted, under the conditions of the positions, away from the rest.

    Args:
        denoiser: of the model.
        config: of the model.
        wanted: conditions to go towards.
        unwanted: conditions to go away from.
        clip: how strongly, and when.
        batched: whether all conditions go through the network at once, for one state; faster, but it rounds otherwise.
    """
    guidance, amount = clip.sampling.guidance, clip.sampling.rescale
    held = HeldDifferences[Tensor](clip.sampling.guidance_hold) if clip.sampling.guidance_hold else None

    def estimates(x: Tensor, t: Tensor, conds: Sequence[Any]) -> Sequence[Tensor]:
        if not batched or len(conds) == 1:
            return [denoiser(x, t, cond) for cond in conds]
        return torch.split(denoiser(x.expand(len(conds), -1, -1), t, join_conditions(conds)), 1)

    def blended(x: Tensor, t: Tensor, cond: Weighted) -> Tensor:
        return _blend(cond, estimates(x, t, [each for _, each in cond]))

    def denoise(x: Tensor, t: Tensor, conditions: PositionConditions) -> Tensor:
        given: dict[str, Tensor] = {}
        if config.beats:
            given["beats"] = conditions.beats.expand(x.shape[0], -1)
        if config.known and conditions.inpaint_condition is not None:
            given["known"] = conditions.inpaint_condition.expand(x.shape[0], -1, -1)
        if config.chords and clip.chords:
            told = features_at(conditions.beats.float().cpu().numpy(), clip.chords)
            given["chords"] = torch.from_numpy(told).to(conditions.beats).expand(x.shape[0], -1, -1)
        targets = tuple((share, cond._replace(**given)) for share, cond in wanted)
        adjust = rescale(amount) if amount and guidance > 1.0 else None

        def pair(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
            found = estimates(x, t, [cond for _, cond in (*targets, *unwanted)])
            return _blend(targets, found[: len(targets)]), _blend(unwanted, found[len(targets) :])

        def pair_or_held(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
            if held is None:
                return pair(x, t)
            return held.estimates(float(t.max()), x, lambda: pair(x, t), lambda: blended(x, t, targets))

        full = classifier_free(blended, targets, unwanted, guidance, adjust=adjust, pair=pair_or_held)
        if clip.guidance_interval is not None:
            plain = classifier_free(blended, targets, unwanted, 1.0)
            full = interval(full, plain, *clip.guidance_interval)
        return full(x, t)

    return denoise


def _blend(cond: Weighted, estimates: Sequence[Tensor]) -> Tensor:
    parts = [share * estimate for (share, _), estimate in zip(cond, estimates, strict=True)]
    return reduce(torch.add, parts)
