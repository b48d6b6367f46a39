"""How many iterations of Griffin-Lim noise and estimates of a vocoder pass through when it is sampled.

Its network was trained with few, since gradients go through them. More of them after each estimate bring its phases
and its magnitudes together, and cost less than another call of the network.
"""

from dataclasses import replace

from audiodiff.models.vocoder import Vocoder
from audiodiff.synthesis.sampling import VocoderModel
from audiodiff.synthesis.settings import check_range, check_whole

ITERATIONS = ("renewals", "output_projections", "output_half_projections", "output_momentum", "output_matching")
"""What checkpoints may recommend and files keep, by the names of the arguments of `with_iterations`."""


def with_iterations(
    stored: VocoderModel,
    *,
    renewals: int | None = None,
    output_projections: int | None = None,
    output_half_projections: int | None = None,
    output_momentum: float | None = None,
    output_matching: int | None = None,
) -> tuple[VocoderModel, VocoderModel]:
    """Return the same model with other iterations; `None`: as its config says.

    Args:
        stored: as its checkpoint says; other models than `Vocoder` stay as they are.
        renewals: of draws of noise after the first (`PriorConfig`).
        output_projections, output_half_projections, output_momentum, output_matching: of the estimates (`HeadConfig`).

    Returns:
        The model for mels that are at hand as a whole, and that for streams. Each iteration looks some frames further
        ahead, so that streams keep those of the config after an estimate.

    Raises:
        AudiodiffError: the model cannot draw that way, or a number is out of range.
    """
    if not isinstance(stored, Vocoder):
        return stored, stored
    check_whole("output_projections", output_projections, low=0)
    check_whole("output_half_projections", output_half_projections, low=0)
    check_whole("output_matching", output_matching, low=0)
    check_range("output_momentum", output_momentum, 0.0, 10.0, "(0 means none)")
    live = stored if renewals is None else stored.with_prior(replace(stored.config.prior, renewals=renewals))
    head = stored.config.head
    projections = head.output_projections if output_projections is None else output_projections
    half = head.output_half_projections if output_half_projections is None else output_half_projections
    momentum = head.output_momentum if output_momentum is None else output_momentum
    matching = head.output_matching if output_matching is None else output_matching
    ours = (head.output_projections, head.output_half_projections, head.output_momentum, head.output_matching)
    if (projections, half, momentum, matching) == ours:
        return live, live
    return live.with_output(projections, half, momentum, matching), live


def iterations_of(model: VocoderModel) -> dict[str, int | float]:
    """What a file keeps of a model, by the names of `ITERATIONS`."""
    if not isinstance(model, Vocoder):
        return {"renewals": 0}
    head = model.config.head
    return {
        "renewals": model.config.prior.renewals,
        "output_projections": head.output_projections,
        "output_half_projections": head.output_half_projections,
        "output_momentum": head.output_momentum,
        "output_matching": head.output_matching,
    }
