"""The prior of a latent model: it draws the embedding of a clip, given what the clip is asked to be.

A model that is conditioned on an embedding has to get one from somewhere when there is no clip yet. As in DALL-E 2
(arXiv 2204.06125, section 2.2) that is a diffusion model of its own over embeddings; here it is of the same process and
parameterization as the latents, and its network is their transformer with two tokens: the means of the channels, and
their spreads.
"""

from torch import Tensor

from audiodiff.diffusion.denoiser import Denoiser
from audiodiff.diffusion.losses import denoising_loss
from audiodiff.models.mel_latent.config import MelLatentConfig
from audiodiff.nn.condition import Condition
from audiodiff.nn.transformer import DiT, DiTConfig

__all__ = ["EMBEDDING_TOKENS", "embedding_of", "prior_condition", "prior_loss", "prior_network", "state_of"]

EMBEDDING_TOKENS = 2
"""Tokens of an embedding: the means of the channels, and their spreads."""


def prior_network(config: MelLatentConfig, channels: int) -> DiT:
    """Return the network of states `[batch, channels, EMBEDDING_TOKENS]`, with random weights."""
    return DiT(
        DiTConfig(
            channels=channels,
            width=config.prior.width,
            depth=config.prior.depth,
            heads=config.prior.heads,
            text_width=config.text_width,
            numbers=len(config.numbers),
            classes=tuple(len(kind.values) + 1 for kind in config.classes),
            expansion=config.prior.expansion,
        )
    )


def prior_condition(cond: Condition) -> Condition:
    """What a prior is told: text, numbers and classes, and nothing of single latents."""
    return cond._replace(
        beats=cond.beats[:, :0], known=cond.known[..., :0], chords=cond.chords[..., :0], clip=cond.clip[:, :0]
    )


def prior_loss(denoiser: Denoiser, embedding: Tensor, cond: Condition, t: Tensor, noise: Tensor) -> Tensor:
    """Training loss of a batch, `[batch]`.

    Args:
        denoiser: of the prior (`MelLatent.prior_denoiser`).
        embedding: of clips, `[batch, 2 * channels]`, standardised (`MelLatent.embedding`).
        cond: of the same clips.
        t: times of the process, `[batch]`.
        noise: standard normal, `[batch, channels, EMBEDDING_TOKENS]`.
    """
    return denoising_loss(denoiser, state_of(embedding), prior_condition(cond), t, noise).per_item


def state_of(embedding: Tensor) -> Tensor:
    """An embedding `[batch, 2 * channels]` as a state of the process, `[batch, channels, EMBEDDING_TOKENS]`."""
    return embedding.reshape(len(embedding), EMBEDDING_TOKENS, -1).transpose(1, 2)


def embedding_of(state: Tensor) -> Tensor:
    """The embedding that a state is."""
    return state.transpose(1, 2).flatten(1)
