"""Conditions of a latent denoiser: text, numbers, classes, beats, chords, known latents, an embedding of the clip; each
may be unknown.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiodiff.errors import AudiodiffError
from audiodiff.nn.attention import KeysValues
from audiodiff.nn.embeddings import FourierEmbedding

__all__ = [
    "CHORD_FEATURES",
    "BeatEmbedding",
    "Condition",
    "ConditionEmbedding",
    "EmbeddedCondition",
    "KnownEmbedding",
    "ProjectedCondition",
    "drop_conditions",
    "drop_parts",
    "join_conditions",
    "repeat_condition",
    "told_places",
]

# Numbers between about 0.1 and 1000 are told apart (seconds, beats per minute): half a turn of the slowest feature
# takes 1000 units, half a turn of the fastest one unit.
_MIN_FREQUENCY, _MAX_FREQUENCY = math.pi / 1000.0, math.pi
_NUMBER_FEATURES = 32
_BEAT_FEATURES = 5

CHORD_FEATURES = 24
"""Numbers that describe a chord: which of the 12 pitch classes is its root, and which are its notes."""


class Condition(NamedTuple):
    """Conditions of a batch.

    Attributes:
        tokens: states of a frozen text encoder, `[batch, n_tokens, text_width]`.
        mask: True where a token is real, `[batch, n_tokens]`; a row without any True is the null text.
        numbers: such as seconds and tempo (beats per minute), `[batch, n_numbers]`; NaN where unknown.
        classes: int64, `[batch, n_class_kinds]`; 0 where unknown.
        beats: how many beats have passed at each latent, `[batch, n_latents]`, NaN where unknown; `[batch, 0]` if
            nothing is known of any item.
        known: clean latents that the others must fit, `[batch, channels, n_latents]`, NaN at the places that are not
            known, in all channels; `[batch, channels, 0]` if nothing is known of any item.
        chords: the chord at each latent, `[batch, CHORD_FEATURES, n_latents]`: which pitch class is its root (12), and
            which are its notes (12), from C upwards; NaN where unknown; `[batch, CHORD_FEATURES, 0]` if nothing is
            known of any item.
        clip: embedding of the whole clip, `[batch, clip_width]`, NaN where unknown; `[batch, 0]` if nothing is known of
            any item.
    """

    tokens: Tensor
    mask: Tensor
    numbers: Tensor
    classes: Tensor
    beats: Tensor
    known: Tensor
    chords: Tensor
    clip: Tensor


class EmbeddedCondition(NamedTuple):
    """What a network needs of a condition.

    Attributes:
        vector: everything in one vector an item, `[batch, width]`.
        tokens: `[batch, n_tokens + 1, width]`, the learned null token last; None in a network without text.
        mask: True where a token may be looked at, `[batch, n_tokens + 1]`, never all False; None without text.
    """

    vector: Tensor
    tokens: Tensor | None
    mask: Tensor | None


class ProjectedCondition(NamedTuple):
    """What a network's `project_cond` made of a condition, for use at every denoising step.

    Attributes:
        vector: `[batch, width]`.
        text: keys and values of each cross-attention; empty in a network without text.
        mask: True where a token may be looked at, `[batch, n_tokens + 1]`; None without text.
        beats, known, chords: as in `Condition`; None for nothing known.
    """

    vector: Tensor
    text: tuple[KeysValues, ...]
    mask: Tensor | None
    beats: Tensor | None = None
    known: Tensor | None = None
    chords: Tensor | None = None


def told_places(cond: Condition | None) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Beats, known latents and chords as `ProjectedCondition` holds them."""
    if cond is None:
        return None, None, None
    beats, known, chords = (part if part.shape[-1] else None for part in (cond.beats, cond.known, cond.chords))
    return beats, known, chords


def join_conditions(conds: Sequence[ProjectedCondition]) -> ProjectedCondition:
    """Several conditions of one network as one batch, one after the other.

    Shorter texts are filled up with tokens that may not be looked at; what is told to some alone is unknown to the
    others.
    """

    def places(told: list[Tensor | None]) -> Tensor | None:
        like = next((each for each in told if each is not None), None)
        if like is None:
            return None
        rows = [(cond.vector.shape[0], *like.shape[1:]) for cond in conds]
        filled = [like.new_full(row, torch.nan) if each is None else each for row, each in zip(rows, told, strict=True)]
        return torch.cat(filled)

    masks = [cond.mask for cond in conds if cond.mask is not None]
    n_tokens = max((mask.shape[1] for mask in masks), default=0)
    text = tuple(
        KeysValues(
            *(
                torch.cat([F.pad(x, (0, 0, n_tokens - x.shape[2], 0)) for x in part])
                for part in zip(*layer, strict=True)
            )
        )
        for layer in zip(*(cond.text for cond in conds), strict=True)
    )
    return ProjectedCondition(
        torch.cat([cond.vector for cond in conds]),
        text,
        torch.cat([F.pad(mask, (n_tokens - mask.shape[1], 0)) for mask in masks]) if masks else None,
        places([cond.beats for cond in conds]),
        places([cond.known for cond in conds]),
        places([cond.chords for cond in conds]),
    )


def drop_conditions(cond: Condition, drop: Tensor) -> Condition:
    """Forget everything about the items where `drop`, bool `[batch]`, is True."""
    rows = drop[:, None]
    return drop_parts(
        cond, drop, rows.expand(cond.numbers.shape), rows.expand(cond.classes.shape), drop, drop, drop, drop
    )


def drop_parts(
    cond: Condition,
    text: Tensor,
    numbers: Tensor,
    classes: Tensor,
    beats: Tensor,
    known: Tensor,
    chords: Tensor,
    clip: Tensor,
) -> Condition:
    """Forget the parts that are True.

    Args:
        cond: what is known.
        text: bool, `[batch]`.
        numbers: bool, `[batch, n_numbers]`.
        classes: bool, `[batch, n_class_kinds]`.
        beats: bool, `[batch]`.
        known: bool, `[batch]`.
        chords: bool, `[batch]`.
        clip: bool, `[batch]`.
    """
    return Condition(
        cond.tokens,
        cond.mask & ~text[:, None],
        cond.numbers.masked_fill(numbers, torch.nan),
        cond.classes.masked_fill(classes, 0),
        cond.beats.masked_fill(beats[:, None], torch.nan),
        cond.known.masked_fill(known[:, None, None], torch.nan),
        cond.chords.masked_fill(chords[:, None, None], torch.nan),
        cond.clip.masked_fill(clip[:, None], torch.nan),
    )


def repeat_condition(cond: Condition, times: int) -> Condition:
    """The whole batch `times` over: items 0, 1, 2, 0, 1, 2 for three items twice."""
    return Condition(*(part.repeat(times, *([1] * (part.ndim - 1))) for part in cond))


class ConditionEmbedding(nn.Module):
    """Turns a `Condition` into vectors; what is unknown gets learned ones.

    Text goes two ways: its tokens for cross-attention, and their mean into the global vector. Token states are not
    normalised, because the prompt syntax weights words by scaling them. One learned null token can always be looked
    at, so a text without any token is a row like the others. The embedding of the clip starts without any effect.

    Args:
        width: of the network.
        text_width: of the token states; 0 for a network without text.
        numbers: how many numbers.
        classes: number of classes of each kind, 0 = unknown counted.
        clip_width: of the embedding of the clip; 0 for a network without.
    """

    def __init__(
        self, width: int, text_width: int, numbers: int, classes: tuple[int, ...], clip_width: int = 0
    ) -> None:
        super().__init__()
        self.width = width
        self.text_width = text_width
        if text_width:
            self.null_token = nn.Parameter(torch.randn(text_width) / math.sqrt(text_width))
            self.token_projection = nn.Linear(text_width, width, bias=False)
            self.pooled_projection = nn.Linear(text_width, width, bias=False)
        self.number_embeddings = nn.ModuleList(
            FourierEmbedding(_NUMBER_FEATURES, width, _MIN_FREQUENCY, _MAX_FREQUENCY) for _ in range(numbers)
        )
        self.unknown_numbers = nn.Parameter(0.02 * torch.randn(numbers, width))
        self.class_embeddings = nn.ModuleList(nn.Embedding(size, width) for size in classes)
        for embedding in self.class_embeddings:
            assert isinstance(embedding, nn.Embedding)
            nn.init.normal_(embedding.weight, std=0.02)
        self.clip_width = clip_width
        if clip_width:
            self.clip_projection = nn.Linear(clip_width + 1, width, bias=False)
            nn.init.zeros_(self.clip_projection.weight)

    def forward(self, cond: Condition | None, batch: int) -> EmbeddedCondition:
        """Embed `cond`, or the null condition where it is None, of a batch of this size.

        Raises:
            AudiodiffError: the condition has other sizes than the network was built for.
        """
        if cond is None:
            cond = self._null(batch)
        self._check(cond, batch)
        vector = self.unknown_numbers.new_zeros(batch, self.width)
        tokens: Tensor | None = None
        mask: Tensor | None = None
        if self.text_width:
            real = cond.mask[:, :, None]
            # where and not times: whatever stands in a masked place, NaN included, must not reach the arithmetic.
            states = torch.where(real, cond.tokens.to(self.null_token.dtype), 0.0)
            has_text = cond.mask.any(dim=1, keepdim=True)
            mean = states.sum(dim=1) / real.sum(dim=1).clamp(min=1)
            vector = vector + self.pooled_projection(torch.where(has_text, mean, self.null_token))
            null = self.null_token.expand(batch, 1, -1)
            tokens = self.token_projection(torch.cat([states, null], dim=1))
            mask = F.pad(cond.mask, (0, 1), value=True)
        for i, embedding in enumerate(self.number_embeddings):
            number = cond.numbers[:, i].to(vector.dtype)
            known = number.isfinite()
            embedded = embedding(torch.where(known, number, 0.0))
            vector = vector + torch.where(known[:, None], embedded, self.unknown_numbers[i])
        for i, embedding in enumerate(self.class_embeddings):
            vector = vector + embedding(cond.classes[:, i])
        if cond.clip.shape[1]:
            clip = cond.clip.to(vector.dtype)
            told = clip.isfinite().all(dim=1, keepdim=True)
            features = torch.cat([torch.where(told, clip, 0.0), told.to(clip.dtype)], dim=1)
            vector = vector + self.clip_projection(features)
        return EmbeddedCondition(vector, tokens, mask)

    def _null(self, batch: int) -> Condition:
        like = self.unknown_numbers
        return Condition(
            like.new_zeros(batch, 0, self.text_width),
            torch.zeros(batch, 0, dtype=torch.bool, device=like.device),
            like.new_full((batch, len(self.number_embeddings)), torch.nan),
            torch.zeros(batch, len(self.class_embeddings), dtype=torch.int64, device=like.device),
            like.new_zeros(batch, 0),
            like.new_zeros(batch, 0, 0),
            like.new_zeros(batch, CHORD_FEATURES, 0),
            like.new_zeros(batch, 0),
        )

    def _check(self, cond: Condition, batch: int) -> None:
        n_numbers, n_kinds = len(self.number_embeddings), len(self.class_embeddings)
        if cond.tokens.ndim != 3 or cond.mask.shape != cond.tokens.shape[:2]:
            raise AudiodiffError(
                f"The text condition has tokens {list(cond.tokens.shape)} and a mask {list(cond.mask.shape)}; "
                "expected [batch, n_tokens, text_width] and [batch, n_tokens]."
            )
        if self.text_width and cond.tokens.shape[2] != self.text_width:
            raise AudiodiffError(
                f"The text states are {cond.tokens.shape[2]} wide and this network reads {self.text_width}; "
                "encode the text with the encoder that the model was trained with."
            )
        if cond.numbers.shape[1:] != (n_numbers,) or cond.classes.shape[1:] != (n_kinds,):
            raise AudiodiffError(
                f"The condition holds {list(cond.numbers.shape)[1:]} numbers and {list(cond.classes.shape)[1:]} "
                f"classes an item; this network takes [{n_numbers}] and [{n_kinds}]."
            )
        if cond.clip.ndim != 2 or cond.clip.shape[1] not in (0, self.clip_width):
            raise AudiodiffError(
                f"The condition has clip embeddings {list(cond.clip.shape)}; this network takes "
                f"{f'[batch, {self.clip_width}]' if self.clip_width else 'none'}."
            )
        if any(part.shape[0] != batch for part in cond):
            raise AudiodiffError(
                f"The condition is for a batch of {', '.join(str(part.shape[0]) for part in cond)} "
                f"(tokens, mask, numbers, classes) and the latents for one of {batch}; "
                "repeat it with repeat_condition."
            )


class BeatEmbedding(nn.Module):
    """Turns the position of latents within a beat into vectors, unknown positions into zeros; starts as zero.

    Sine and cosine of one and two turns a beat: with them a network can be on the beat, and between two, without
    having to count the latents from one to the next.

    Args:
        width: of the network.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(_BEAT_FEATURES, width, bias=False)
        nn.init.zeros_(self.projection.weight)

    def forward(self, beats: Tensor) -> Tensor:
        """Map `[batch, n_latents]` beats to `[batch, n_latents, width]`."""
        known = beats.isfinite()
        # The whole beats go first: of a large number float32 would keep too little of the turn.
        turn = 2.0 * math.pi * torch.where(known, beats - beats.floor(), 0.0)
        features = torch.stack([torch.ones_like(turn), turn.sin(), turn.cos(), (2 * turn).sin(), (2 * turn).cos()], 2)
        vectors: Tensor = self.projection(features * known[:, :, None])
        return vectors


class KnownEmbedding(nn.Module):
    """Turns what is known of each latent into vectors, places of which nothing is into zeros; starts as zero.

    Known latents: the state holds them too, but buried in as much noise as the rest: with this a network sees at every
    noise level what the rest has to fit (as the concatenated condition of Palette, arXiv 2111.05826, section 3). Chords
    come in the same way.

    Args:
        channels: of the latents, or numbers of a chord.
        width: of the network.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(channels + 1, width, bias=False)
        nn.init.zeros_(self.projection.weight)

    def forward(self, known: Tensor) -> Tensor:
        """Map `[batch, channels, n_latents]`, NaN where unknown, to `[batch, n_latents, width]`."""
        given = known.isfinite().all(dim=1, keepdim=True)
        features = torch.cat([torch.where(given, known, 0.0), given.to(known.dtype)], dim=1)
        vectors: Tensor = self.projection(features.transpose(1, 2))
        return vectors
