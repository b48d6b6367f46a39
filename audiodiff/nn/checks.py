"""Refusals that the latent denoisers have in common."""

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError

__all__ = ["check_condition_sizes", "check_heads", "check_latents", "check_places"]


def check_heads(where: str, width: int, heads: int) -> None:
    """Refuse a width that does not split into heads of even size.

    Raises:
        AudiodiffError: it does not.
    """
    if not 1 <= heads <= 256:
        raise AudiodiffError(f"{where}.heads is {heads}; expected 1 to 256.")
    if width % (2 * heads):
        raise AudiodiffError(
            f"{where}.width is {width} with {heads} heads; the width must be a multiple of {2 * heads} "
            "so that every head has an even size, as rotary positions need."
        )


def check_condition_sizes(where: str, text_width: int, numbers: int, classes: tuple[int, ...]) -> None:
    """Refuse sizes that no condition can have.

    Raises:
        AudiodiffError: one is out of range.
    """
    if not (0 <= text_width <= 65_536 and 0 <= numbers <= 256):
        raise AudiodiffError(
            f"{where}.text_width is {text_width} and numbers {numbers}; expected 0 to 65536 and 0 to 256."
        )
    if len(classes) > 256 or any(not 2 <= size <= 100_000 for size in classes):
        raise AudiodiffError(
            f"{where}.classes is {classes}; every kind needs at least 2 classes, the first of them meaning unknown."
        )


def check_latents(network: str, x: Tensor, channels: int, padding: Tensor | None, circular: bool) -> None:
    """Refuse latents that a network cannot take.

    Raises:
        AudiodiffError: their shape, or that of the padding mask, is another one, or a padded item is to be a circle.
    """
    if x.ndim != 3 or x.shape[1] != channels or x.shape[2] < 1:
        raise AudiodiffError(
            f"The latents have the shape {list(x.shape)}; this {network} takes [batch, {channels}, n_latents]."
        )
    if padding is None:
        return
    if padding.dtype != torch.bool or padding.shape != (x.shape[0], x.shape[2]):
        raise AudiodiffError(
            f"The padding mask is {padding.dtype} {list(padding.shape)}; "
            f"expected torch.bool {[x.shape[0], x.shape[2]]}, True where a latent is real."
        )
    if circular:
        raise AudiodiffError("Padded latents have no end to join to their beginning; batch loops of one length only.")


def check_places(x: Tensor, beats: Tensor | None, known: Tensor | None, chords: Tensor | None = None) -> None:
    """Refuse beats, known latents and chords of another stretch than the latents `x [batch, channels, n_latents]`.

    Raises:
        AudiodiffError: they do not fit.
    """
    if beats is not None and beats.shape != (x.shape[0], x.shape[2]):
        raise AudiodiffError(
            f"The condition has beats {list(beats.shape)} for {x.shape[0]} items of {x.shape[2]} latents; expected "
            f"{[x.shape[0], x.shape[2]]}, or [{x.shape[0]}, 0] for none."
        )
    if known is not None and known.shape != x.shape:
        raise AudiodiffError(
            f"The condition has known latents {list(known.shape)} for latents {list(x.shape)}; expected the same shape "
            "with NaN where they are not known, or no latents at all."
        )
    if chords is not None and (chords.shape[0], chords.shape[-1]) != (x.shape[0], x.shape[2]):
        raise AudiodiffError(
            f"The condition has chords {list(chords.shape)} for {x.shape[0]} items of {x.shape[2]} latents; expected a "
            "chord for each latent, NaN where it is not known, or no latents at all."
        )
