"""A one-dimensional U-Net over latents: convolutions on every level, attention on the coarse ones.

Residual blocks as in ADM (arXiv 2105.05233, section 3) with noise level and global condition as scale and shift (FiLM,
arXiv 1709.07871). Normalisation is over the channels of each position and not over time, so neither padding nor the
length of a clip changes what a position is.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiodiff.bounds import check_bounds
from audiodiff.errors import AudiodiffError
from audiodiff.nn.attention import (
    CrossAttention,
    KeysValues,
    SelfAttention,
    layer_norm,
    linear,
    rotary_tables,
)
from audiodiff.nn.checks import check_condition_sizes, check_heads, check_latents, check_places
from audiodiff.nn.condition import (
    CHORD_FEATURES,
    BeatEmbedding,
    Condition,
    ConditionEmbedding,
    KnownEmbedding,
    ProjectedCondition,
    told_places,
)
from audiodiff.nn.convolution import TimeConv
from audiodiff.nn.embeddings import FourierEmbedding
from audiodiff.nn.low_rank import LowRankConfig, factorise
from audiodiff.torch_state import full_precision

__all__ = ["UNet", "UNetConfig"]


@dataclass(frozen=True)
class UNetConfig:
    """Shape of a `UNet`.

    Attributes:
        channels: latent channels, in and out.
        width: of the finest level.
        levels: width of each level over `width`, finest first; each level has half the positions of the one before.
        blocks: residual blocks a level on the way down, and again on the way up.
        attention_levels: how many levels have attention, the coarsest first.
        heads: attention heads; on those levels the width over `heads` must be even.
        kernel_size: odd kernel of the convolutions.
        text_width: of the text encoder's states; 0 for a network without text.
        numbers: how many numbers condition it (`Condition.numbers`).
        classes: number of classes of each kind, 0 = unknown counted (`Condition.classes`).
        beats: whether it is conditioned on beats (`Condition.beats`).
        known: whether it is conditioned on a part of the latents (`Condition.known`).
        chords: whether it is conditioned on chords (`Condition.chords`).
        rotary_base: longest wavelength of the rotary positions / 2 pi, about, in positions of each level.
        low_rank: layers with weights of low rank.
        clip_width: of the embedding of the clip that conditions it (`Condition.clip`); 0 for none.
    """

    channels: int = 32
    width: int = 128
    levels: tuple[int, ...] = (1, 2, 2)
    blocks: int = 2
    attention_levels: int = 2
    heads: int = 4
    kernel_size: int = 3
    text_width: int = 384
    numbers: int = 2
    classes: tuple[int, ...] = ()
    beats: bool = False
    known: bool = False
    chords: bool = False
    rotary_base: float = 10000.0
    low_rank: LowRankConfig = field(default=LowRankConfig(), metadata={"omit_default": True})
    clip_width: int = field(default=0, metadata={"omit_default": True})

    def __post_init__(self) -> None:
        """Refuse shapes that cannot be built.

        Raises:
            AudiodiffError: a field is out of range.
        """
        check_bounds(
            self,
            "unet",
            channels=(1, 4096),
            width=(1, 4096),
            levels=(1, 64),
            blocks=(1, 64),
            kernel_size=(1, 255),
            rotary_base=(1.001, 1e9),
            clip_width=(0, 8192),
        )
        if not 1 <= len(self.levels) <= 16:
            raise AudiodiffError(f"unet.levels has {len(self.levels)} entries; expected 1 to 16.")
        if not 1 <= self.attention_levels <= len(self.levels):
            raise AudiodiffError(
                f"unet.attention_levels is {self.attention_levels}; with {len(self.levels)} levels it must be "
                f"between 1 and {len(self.levels)}."
            )
        for factor in self.levels[-self.attention_levels :]:
            check_heads("unet", self.width * factor, self.heads)
        if self.kernel_size % 2 == 0:
            raise AudiodiffError(f"unet.kernel_size is {self.kernel_size}; it must be odd to keep the length.")
        check_condition_sizes("unet", self.text_width, self.numbers, self.classes)

    @property
    def embedding_width(self) -> int:
        """Size of the vector that noise level and condition become."""
        return self.width * max(self.levels)

    @property
    def multiple(self) -> int:
        """Lengths are filled up to a multiple of this."""
        return 1 << (len(self.levels) - 1)


class _Norm(nn.Module):
    """Layer normalisation with learned scale and shift, in float32 at least."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))
        self.shift = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.shift, layer_norm(x), self.scale)


class _Residual(nn.Module):
    """Two convolutions; noise level and condition come in between, as scale and shift. Starts as its shortcut."""

    shard_methods = ("forward",)

    def __init__(self, config: UNetConfig, in_width: int, width: int) -> None:
        super().__init__()
        self.norm = _Norm(in_width)
        self.conv1 = TimeConv(in_width, width, config.kernel_size)
        self.film = linear(config.embedding_width, 2 * width)
        self.conv2 = TimeConv(width, width, config.kernel_size, zero=True)
        self.shortcut = linear(in_width, width) if in_width != width else nn.Identity()

    def forward(self, x: Tensor, features: Tensor, real: Tensor | None, circular: bool) -> Tensor:
        with full_precision(features):
            scale, shift = self.film(features)[:, None].chunk(2, dim=-1)
        hidden = self.conv1(F.silu(self.norm(x)), real, circular)
        hidden = torch.addcmul(shift, layer_norm(hidden), 1.0 + scale)
        # The sum over the blocks stays in the precision of the weights, whatever autocast makes of the branches.
        out: Tensor = self.shortcut(x).to(features.dtype) + self.conv2(F.silu(hidden), real, circular)
        return out


class _Attention(nn.Module):
    """Self-attention, then cross-attention to the text; starts as the identity."""

    def __init__(self, config: UNetConfig, width: int) -> None:
        super().__init__()
        self.config = config
        self.norm = _Norm(width)
        self.attention = SelfAttention(width, config.heads, zero=True)
        text = config.text_width > 0
        self.cross_norm = _Norm(width) if text else None
        self.cross_attention = CrossAttention(width, config.heads, config.embedding_width) if text else None

    def forward(self, x: Tensor, real: Tensor | None, text: KeysValues | None, text_mask: Tensor | None) -> Tensor:
        _, n, width = x.shape
        positions = torch.arange(n, device=x.device, dtype=torch.float32)
        rotary = rotary_tables(positions, width // self.config.heads, self.config.rotary_base)
        x = x + self.attention(self.norm(x), rotary, real)
        if text is not None and self.cross_norm is not None and self.cross_attention is not None:
            x = x + self.cross_attention(self.cross_norm(x), text, text_mask)
        return x


class _Level(nn.Module):
    """Residual blocks, then attention where the level has it."""

    def __init__(self, config: UNetConfig, in_width: int, width: int, blocks: int, attention: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Residual(config, in_width if i == 0 else width, width) for i in range(blocks))
        self.attention = _Attention(config, width) if attention else None

    def forward(
        self,
        x: Tensor,
        features: Tensor,
        real: Tensor | None,
        text: KeysValues | None,
        text_mask: Tensor | None,
        circular: bool,
    ) -> Tensor:
        """Map `[batch, n, in_width]` to `[batch, n, width]`; `real [batch, n]` is False on padding."""
        for block in self.blocks:
            x = block(x, features, real, circular)
        return x if self.attention is None else self.attention(x, real, text, text_mask)


class UNet(nn.Module):
    """Noise-conditional U-Net over latents of any length; starts as the zero function.

    Args:
        config: its shape.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        kernel, embedding = config.kernel_size, config.embedding_width
        widths = [config.width * factor for factor in config.levels]
        last = len(widths) - 1
        attention = [last - i < config.attention_levels for i in range(len(widths))]
        self.noise_embedding = FourierEmbedding(64, embedding, 0.5, 60.0)
        self.condition_embedding = ConditionEmbedding(
            embedding, config.text_width, config.numbers, config.classes, config.clip_width
        )
        self.beat_embedding = BeatEmbedding(widths[0]) if config.beats else None
        self.known_embedding = KnownEmbedding(config.channels, widths[0]) if config.known else None
        self.chord_embedding = KnownEmbedding(CHORD_FEATURES, widths[0]) if config.chords else None
        self.features = linear(embedding, embedding)
        self.input_projection = TimeConv(config.channels, widths[0], kernel)
        self.down = nn.ModuleList(_Level(config, w, w, config.blocks, attention[i]) for i, w in enumerate(widths))
        self.shrink = nn.ModuleList(TimeConv(widths[i], widths[i + 1], max(3, kernel), stride=2) for i in range(last))
        self.middle = _Level(config, widths[last], widths[last], 1, attention=False)
        self.up = nn.ModuleList(_Level(config, 2 * w, w, config.blocks, attention[i]) for i, w in enumerate(widths))
        self.grow = nn.ModuleList(TimeConv(widths[i + 1], widths[i], max(3, kernel)) for i in range(last))
        self.output_norm = _Norm(widths[0])
        self.output_projection = TimeConv(widths[0], config.channels, kernel, zero=True)
        factorise(self, config.low_rank)

    def project_cond(self, cond: Condition) -> ProjectedCondition:
        """Everything that the levels need of the condition, computed once for all denoising steps."""
        return self._project(cond, cond.tokens.shape[0])

    def forward(
        self,
        x: Tensor,
        c_noise: Tensor,
        cond: Condition | ProjectedCondition | None = None,
        padding: Tensor | None = None,
        circular: bool = False,
    ) -> Tensor:
        """Denoise.

        Args:
            x: `[batch, channels, n_latents]`.
            c_noise: noise level, `[batch]`.
            cond: what is wanted, or what `project_cond` made of it; None for nothing in particular.
            padding: bool, `[batch, n_latents]`, True where a latent is real and False where it only fills the batch up.
            circular: the end joins the beginning (convolutions only: positions stay on a line); needs a multiple of
                `config.multiple` latents.

        Returns:
            `[batch, channels, n_latents]`, 0 on padding.
        """
        check_latents("UNet", x, self.config.channels, padding, circular)
        n_latents = x.shape[2]
        missing = -n_latents % self.config.multiple
        if missing and circular:
            raise AudiodiffError(
                f"A circle of {n_latents} latents cannot be halved {len(self.config.levels) - 1} times; "
                f"choose a multiple of {self.config.multiple}, such as {n_latents + missing}."
            )
        projected = cond if isinstance(cond, ProjectedCondition) else self._project(cond, x.shape[0])
        check_places(x, projected.beats, projected.known, projected.chords)
        with full_precision(x):
            noise = self.noise_embedding(c_noise.to(self._parameter.dtype))
            features = F.silu(self.features(noise + projected.vector))
        real = padding
        if missing:
            everything = torch.ones(x.shape[0], n_latents, dtype=torch.bool, device=x.device)
            real = F.pad(everything if real is None else real, (0, missing), value=False)
        hidden = F.pad(x, (0, missing)).transpose(1, 2)
        out = self._evaluate(hidden, features, self._masks(real), projected, circular)
        out = out.transpose(1, 2)[:, :, :n_latents]
        return out if padding is None else out * padding[:, None]

    def _evaluate(
        self,
        x: Tensor,
        features: Tensor,
        masks: list[Tensor | None],
        projected: ProjectedCondition,
        circular: bool,
    ) -> Tensor:
        texts = dict(zip(self._attentive(), projected.text, strict=False))
        skips = []
        n_latents = x.shape[1]
        x = self.input_projection(x, masks[0], circular).to(features.dtype)
        if self.beat_embedding is not None and projected.beats is not None:
            missing = n_latents - projected.beats.shape[1]
            beats = F.pad(projected.beats, (0, missing), value=torch.nan)
            x = x + self.beat_embedding(beats.to(features.dtype))
        if self.known_embedding is not None and projected.known is not None:
            missing = n_latents - projected.known.shape[2]
            known = F.pad(projected.known, (0, missing), value=torch.nan)
            x = x + self.known_embedding(known.to(features.dtype))
        if self.chord_embedding is not None and projected.chords is not None:
            chords = F.pad(projected.chords, (0, n_latents - projected.chords.shape[2]), value=torch.nan)
            x = x + self.chord_embedding(chords.to(features.dtype))
        for i, level in enumerate(_levels(self.down)):
            if i > 0:
                x = self.shrink[i - 1](x, masks[i - 1], circular).to(features.dtype)
            x = level(x, features, masks[i], texts.get(level), projected.mask, circular)
            skips.append(x)
        x = self.middle(x, features, masks[-1], None, None, circular)
        for i, level in reversed(list(enumerate(_levels(self.up)))):
            if i < len(self.grow):
                doubled = x.repeat_interleave(2, dim=1)
                x = self.grow[i](doubled, masks[i], circular).to(features.dtype)
            x = torch.cat([x, skips[i]], dim=2)
            x = level(x, features, masks[i], texts.get(level), projected.mask, circular)
        out: Tensor = self.output_projection(F.silu(self.output_norm(x)), masks[0], circular)
        return out

    def _masks(self, real: Tensor | None) -> list[Tensor | None]:
        """Which positions are real on each level: those that cover a real position of the finest one."""
        masks = [real]
        for _ in self.shrink:
            finer = masks[-1]
            masks.append(None if finer is None else finer.view(finer.shape[0], -1, 2).any(dim=2))
        return masks

    def _project(self, cond: Condition | None, batch: int) -> ProjectedCondition:
        with full_precision(self._parameter):
            embedded = self.condition_embedding(cond, batch)
        places = told_places(cond)
        if embedded.tokens is None:
            return ProjectedCondition(embedded.vector, (), None, *places)
        text = tuple(attention.project(embedded.tokens) for attention in self._attentive().values())
        return ProjectedCondition(embedded.vector, text, embedded.mask, *places)

    @property
    def _parameter(self) -> Tensor:
        """Tells in what precision and where the vectors are."""
        return self.condition_embedding.unknown_numbers

    def _attentive(self) -> dict[_Level, CrossAttention]:
        """Levels that read text, in the order of `ProjectedCondition.text`: down, then those of the way up."""
        found = {}
        for level in (*_levels(self.down), *_levels(self.up)):
            if level.attention is not None and level.attention.cross_attention is not None:
                found[level] = level.attention.cross_attention
        return found


def _levels(modules: nn.ModuleList) -> list[_Level]:
    return [module for module in modules if isinstance(module, _Level)]
