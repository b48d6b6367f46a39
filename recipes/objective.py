"""What a vocoder is trained for: denoising, or as a baseline the regression or the GAN that the same network makes.

The baselines see noise of the same kind, but only pure noise, at `t_max`: a network that makes its waveform in one
call, and takes noise as Parallel WaveGAN (arXiv 1910.11480) does. What sets the three apart is the loss and the times.
"""

from collections.abc import Collection, Mapping
from typing import Any, Literal, Protocol

from audiodiff.errors import AudiodiffError
from audiodiff.models.vocoder import VocoderConfig

__all__ = ["GAN_WEIGHT", "Objective", "changes_for", "check_objective", "follow_objective"]

Objective = Literal["diffusion", "regression", "gan"]
"""Denoise at any noise level; make the waveform from pure noise by the loss of the estimate; and by a discriminator."""

GAN_WEIGHT = 0.3
"""Of the adversarial loss where none is given: half of that of feature matching, as in HiFi-GAN (arXiv 2010.05646)."""

_FULL_NOISE = "model.loss.full_noise"


class _Adversarial(Protocol):
    @property
    def weight(self) -> float: ...

    @property
    def judged_full_noise(self) -> float: ...


def follow_objective(values: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:
    """Return the settings of a run with those brought up to its objective that are not given.

    Args:
        values: of all settings, as plain values.
        given: dotted keys that are to stay.
    """
    if values["objective"] == "diffusion":
        return dict(values)
    model, adversarial = values["model"], dict(values["adversarial"])
    wanted: dict[str, Any] = {"judged_full_noise": 1.0, "weight": 0.0}
    if values["objective"] == "gan":
        wanted["weight"] = adversarial["weight"] or GAN_WEIGHT
        wanted["judged_items"] = min(adversarial["judged_items"], values["train"]["batch_size"])
    adversarial |= {name: value for name, value in wanted.items() if f"adversarial.{name}" not in given}
    sampling, loss = dict(values["sampling"]), dict(model["loss"])
    if "sampling.steps" not in given:
        sampling["steps"] = 1
    if _FULL_NOISE not in given:
        loss["full_noise"] = 1.0
    return {**values, "adversarial": adversarial, "sampling": sampling, "model": {**model, "loss": loss}}


def changes_for(model: object) -> dict[str, Any]:
    """Return the settings with which a trained model is taken further, where they are not those of its preset."""
    knows_one_step = isinstance(model, VocoderConfig) and model.one_step
    return {"objective": "regression"} if knows_one_step else {}


def check_objective(objective: Objective, model: VocoderConfig, adversarial: _Adversarial, steps: int) -> None:
    """Refuse settings that contradict the objective.

    Args:
        objective: of the run.
        model: what is trained.
        adversarial: the discriminator, if its weight is not 0.
        steps: how many the checkpoint recommends for sampling.

    Raises:
        AudiodiffError: the noise, the discriminator or the steps belong to another objective.
    """
    full = model.loss.full_noise
    if objective == "diffusion":
        if full == 1.0:
            raise AudiodiffError(
                f"{_FULL_NOISE} is 1 with the objective diffusion, which learns from all noise levels; lower it, or "
                "choose the objective regression or gan."
            )
        return
    shares = {_FULL_NOISE: full, "adversarial.judged_full_noise": adversarial.judged_full_noise}
    for key, share in shares.items():
        if share != 1.0:
            raise AudiodiffError(
                f"{key} is {share:g} with the objective {objective}, which learns from pure noise alone; leave it out."
            )
    if steps != 1:
        raise AudiodiffError(
            f"sampling.steps is {steps} with the objective {objective}, which makes its waveform in one step; leave it "
            "out."
        )
    if objective == "gan" and not adversarial.weight:
        raise AudiodiffError("adversarial.weight is 0 with the objective gan; give one above 0, or leave it out.")
    if objective == "regression" and adversarial.weight:
        raise AudiodiffError(
            f"adversarial.weight is {adversarial.weight:g} with the objective regression; with a discriminator the "
            "objective is gan."
        )
