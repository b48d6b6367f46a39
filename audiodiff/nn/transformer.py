"""The diffusion transformer over latents (DiT, arXiv 2212.09748), one token a latent.

Noise level and global condition modulate every block (adaLN-zero). By default one shared network computes the
modulation and each block adds a learned table of its own, which saves a third of the parameters (adaLN-single of
PixArt-alpha, arXiv 2310.00426, section 2.3). Text comes in by cross-attention.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiodiff.bounds import check_bounds
from audiodiff.errors import AudiodiffError
from audiodiff.nn.attention import (
    CrossAttention,
    FeedForward,
    KeysValues,
    Rotary,
    SelfAttention,
    layer_norm,
    linear,
    rotary_tables,
    zero_linear,
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

__all__ = ["DiT", "DiTConfig"]


@dataclass(frozen=True)
class DiTConfig:
    """Shape of a `DiT`.

    Attributes:
        channels: latent channels, in and out.
        width: of the tokens.
        depth: blocks.
        heads: attention heads; `width / heads` must be even.
        text_width: of the text encoder's states; 0 for a network without text.
        numbers: how many numbers condition it (`Condition.numbers`).
        classes: number of classes of each kind, 0 = unknown counted (`Condition.classes`).
        beats: whether it is conditioned on beats (`Condition.beats`).
        known: whether it is conditioned on a part of the latents (`Condition.known`).
        chords: whether it is conditioned on chords (`Condition.chords`).
        expansion: parameters of the feed-forward layers, as the hidden width of plain ones over `width`.
        feedforward: "swiglu" or "gelu".
        modulation: "shared" (one network and a table a block) or "block" (one linear layer a block).
        conv_kernel: odd kernel of a depthwise convolution before self-attention; 0 for none.
        rotary_base: longest wavelength of the rotary positions / 2 pi, about, in latents.
        rotary_scale: positions are multiplied by it.
        low_rank: layers with weights of low rank.
        clip_width: of the embedding of the clip that conditions it (`Condition.clip`); 0 for none.
    """

    channels: int = 32
    width: int = 256
    depth: int = 10
    heads: int = 4
    text_width: int = 384
    numbers: int = 2
    classes: tuple[int, ...] = ()
    beats: bool = False
    known: bool = False
    chords: bool = False
    expansion: float = 4.0
    feedforward: str = "swiglu"
    modulation: str = "shared"
    conv_kernel: int = 0
    rotary_base: float = 10000.0
    rotary_scale: float = 1.0
    low_rank: LowRankConfig = field(default=LowRankConfig(), metadata={"omit_default": True})
    clip_width: int = field(default=0, metadata={"omit_default": True})

    def __post_init__(self) -> None:
        """Refuse shapes that cannot be built.

        Raises:
            AudiodiffError: a field is out of range.
        """
        check_bounds(
            self,
            "dit",
            channels=(1, 4096),
            width=(1, 8192),
            depth=(1, 256),
            expansion=(1e-3, 64.0),
            conv_kernel=(0, 255),
            rotary_base=(1.001, 1e9),
            rotary_scale=(1e-6, 1e6),
            clip_width=(0, 8192),
        )
        check_heads("dit", self.width, self.heads)
        check_condition_sizes("dit", self.text_width, self.numbers, self.classes)
        if self.feedforward not in ("swiglu", "gelu"):
            raise AudiodiffError(f'dit.feedforward is "{self.feedforward}"; known: swiglu, gelu.')
        if self.modulation not in ("shared", "block"):
            raise AudiodiffError(f'dit.modulation is "{self.modulation}"; known: shared, block.')
        if self.conv_kernel and self.conv_kernel % 2 == 0:
            raise AudiodiffError(f"dit.conv_kernel is {self.conv_kernel}; it must be odd to keep the length, or 0.")


class _Block(nn.Module):
    shard_methods = ("forward", "modulate", "project_text")

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        width = config.width
        # What the six vectors of a modulation are, in this order: shift, scale and gate of self-attention, then of the
        # feed-forward layers. All start at 0, gates too: every block starts as the identity.
        if config.modulation == "shared":
            self.modulation_table = nn.Parameter(torch.zeros(6, width))
        else:
            self.modulation = zero_linear(width, 6 * width)
        self.conv = TimeConv(width, width, config.conv_kernel, groups=width, zero=True) if config.conv_kernel else None
        self.attention = SelfAttention(width, config.heads)
        if config.text_width:
            self.cross_norm = nn.Parameter(torch.ones(width))
            self.cross_attention = CrossAttention(width, config.heads, width)
        self.feedforward = FeedForward(width, config.expansion, config.feedforward)

    def modulate(self, features: Tensor, shared: Tensor | None) -> tuple[Tensor, ...]:
        """The six vectors, `[batch, 1, width]` each, from `features [batch, width]`."""
        own = self.modulation(features).unflatten(1, (6, -1)) if shared is None else self.modulation_table
        vectors: Tensor = own if shared is None else shared + own
        return vectors.unsqueeze(2).unbind(1)

    def project_text(self, tokens: Tensor) -> KeysValues:
        """What cross-attention needs of the text's states, `[batch, n_tokens, width]`."""
        return self.cross_attention.project(tokens)

    def forward(
        self,
        x: Tensor,
        modulation: tuple[Tensor, ...],
        rotary: Rotary,
        real: Tensor | None,
        text: KeysValues | None,
        text_mask: Tensor | None,
        circular: bool,
    ) -> Tensor:
        """Map `[batch, n, width]` to the same shape; `real [batch, n]` is False on padding."""
        shift, scale, gate, late_shift, late_scale, late_gate = modulation
        hidden = torch.addcmul(shift, layer_norm(x), 1.0 + scale)
        if self.conv is not None:
            hidden = hidden + self.conv(hidden, real, circular)
        x = torch.addcmul(x, gate, self.attention(hidden, rotary, real))
        if text is not None:
            x = x + self.cross_attention(layer_norm(x) * self.cross_norm, text, text_mask)
        hidden = torch.addcmul(late_shift, layer_norm(x), 1.0 + late_scale)
        return torch.addcmul(x, late_gate, self.feedforward(hidden))


class DiT(nn.Module):
    """Noise-conditional transformer over latents of any length; starts as the zero function.

    Args:
        config: its shape.
    """

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.input_projection = linear(config.channels, width)
        self.noise_embedding = FourierEmbedding(64, width, 0.5, 60.0)
        self.condition_embedding = ConditionEmbedding(
            width, config.text_width, config.numbers, config.classes, config.clip_width
        )
        self.beat_embedding = BeatEmbedding(width) if config.beats else None
        self.known_embedding = KnownEmbedding(config.channels, width) if config.known else None
        self.chord_embedding = KnownEmbedding(CHORD_FEATURES, width) if config.chords else None
        self.modulation_hidden = linear(width, width)
        if config.modulation == "shared":
            self.modulation = zero_linear(width, 6 * width)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.depth))
        self.final_modulation = zero_linear(width, 2 * width)
        self.output_projection = zero_linear(width, config.channels)
        factorise(self, config.low_rank)

    def project_cond(self, cond: Condition) -> ProjectedCondition:
        """Everything that the blocks need of the condition, computed once for all denoising steps."""
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
            circular: the end joins the beginning (convolutions only: positions stay on a line).

        Returns:
            `[batch, channels, n_latents]`, 0 on padding.
        """
        check_latents("DiT", x, self.config.channels, padding, circular)
        projected = cond if isinstance(cond, ProjectedCondition) else self._project(cond, x.shape[0])
        check_places(x, projected.beats, projected.known, projected.chords)
        with full_precision(x):
            # A noise level in bfloat16 is no longer the same noise level, and these vectors cost nothing.
            noise = self.noise_embedding(c_noise.to(self._parameter.dtype))
            features = F.silu(self.modulation_hidden(noise + projected.vector))
            shared = None
            if self.config.modulation == "shared":
                shared = self.modulation(features).unflatten(1, (6, -1))
            modulations = [block.modulate(features, shared) for block in self._blocks()]
            shift, scale = self.final_modulation(features).unflatten(1, (2, -1)).unsqueeze(2).unbind(1)
        positions = torch.arange(x.shape[2], device=x.device) * self.config.rotary_scale
        rotary = rotary_tables(positions, self.config.width // self.config.heads, self.config.rotary_base)
        # The sum over the blocks stays in the precision of the weights, whatever autocast makes of the branches.
        hidden = self.input_projection(x.transpose(1, 2)).to(shift.dtype)
        if self.beat_embedding is not None and projected.beats is not None:
            hidden = hidden + self.beat_embedding(projected.beats.to(shift.dtype))
        if self.known_embedding is not None and projected.known is not None:
            hidden = hidden + self.known_embedding(projected.known.to(shift.dtype))
        if self.chord_embedding is not None and projected.chords is not None:
            hidden = hidden + self.chord_embedding(projected.chords.to(shift.dtype))
        for i, block in enumerate(self._blocks()):
            text = projected.text[i] if projected.text else None
            hidden = block(hidden, modulations[i], rotary, padding, text, projected.mask, circular)
        hidden = torch.addcmul(shift, layer_norm(hidden), 1.0 + scale)
        out: Tensor = self.output_projection(hidden).transpose(1, 2)
        return out if padding is None else out * padding[:, None]

    def _project(self, cond: Condition | None, batch: int) -> ProjectedCondition:
        with full_precision(self._parameter):
            embedded = self.condition_embedding(cond, batch)
        places = told_places(cond)
        if embedded.tokens is None:
            return ProjectedCondition(embedded.vector, (), None, *places)
        text = tuple(block.project_text(embedded.tokens) for block in self._blocks())
        return ProjectedCondition(embedded.vector, text, embedded.mask, *places)

    @property
    def _parameter(self) -> Tensor:
        """Tells in what precision and where the vectors are."""
        return self.condition_embedding.unknown_numbers

    def _blocks(self) -> list[_Block]:
        return [block for block in self.blocks if isinstance(block, _Block)]
