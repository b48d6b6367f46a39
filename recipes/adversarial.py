"""A discriminator that is trained in turn with a generator, for the recipes of vocoders and autoencoders."""

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from audiodiff.bounds import check_bounds
from audiodiff.errors import AudiodiffError
from audiodiff.nn.discriminator import Discriminator, MelDiscriminator, discriminator_loss, generator_loss
from audiodiff.training.loop import LossOutput, ModelAndLoss, TrainConfig

__all__ = ["AdversarialSettings", "Adversary", "check_adversarial"]


class AdversarialSettings(Protocol):
    """What the settings of adversarial training have in every recipe."""

    @property
    def weight(self) -> float:
        """Of the adversarial loss; 0 trains without a discriminator."""

    @property
    def feature_weight(self) -> float:
        """Of the feature matching loss."""

    @property
    def discriminator_rate(self) -> float:
        """Learning rate of the discriminator."""

    @property
    def judged_items(self) -> int:
        """How many items of a batch are judged."""

    @property
    def fade_in_steps(self) -> int:
        """Steps over which both weights grow from 0."""


def check_adversarial(settings: AdversarialSettings, train: TrainConfig) -> None:
    """Refuse settings that cannot work.

    Raises:
        AudiodiffError: one is out of range, or does not go with the batch.
    """
    check_bounds(
        settings,
        "adversarial",
        weight=(0.0, 1e6),
        feature_weight=(0.0, 1e6),
        discriminator_rate=(0.0, 1e3),
        discriminator_channels=(1, 1_024),
        fade_in_steps=(0, 10**9),
    )
    if settings.weight and not 1 <= settings.judged_items <= train.batch_size:
        raise AudiodiffError(
            f"adversarial.judged_items is {settings.judged_items}; expected 1 to train.batch_size = {train.batch_size}."
        )
    if settings.weight and train.accumulate > 1:
        raise AudiodiffError(
            f"train.accumulate is {train.accumulate}, but a discriminator compares the items of a batch with each "
            "other; it must be 1 where adversarial.weight is not 0."
        )


@dataclass
class Adversary:
    """A discriminator, and what it was shown in this step.

    Attributes:
        discriminator: judges `(sound or mel, bands that count)`.
        settings: weights and rate.
        n_judged: items of this process's part of the batch that are judged.
    """

    discriminator: Discriminator | MelDiscriminator
    settings: AdversarialSettings
    n_judged: int
    _shown: tuple[Tensor, Tensor, Tensor] | None = field(default=None, init=False)

    def loss(self, step: int, real: Tensor, fake: Tensor, heard: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return what the generator pays, a scalar, and its parts.

        Args:
            step: of the run, from 0.
            real: what was to be made, `[batch, ...]`.
            fake: what the generator made of it.
            heard: which bands count, `[batch, ...]`, as the discriminator takes them.
        """
        real, fake, heard = (part[: self.n_judged] for part in (real, fake, heard))
        self._shown = real, fake.detach(), heard
        adversarial, features = generator_loss(self.discriminator(real, heard), self.discriminator(fake, heard))
        fade = min(step / max(self.settings.fade_in_steps, 1), 1.0)
        total = fade * (self.settings.weight * adversarial + self.settings.feature_weight * features)
        return total, {"adversarial": adversarial, "features": features}

    def trained(self) -> ModelAndLoss:
        """Return the discriminator with its loss, which takes its turn after the generator's."""

        def loss(step: int, generator: torch.Generator) -> LossOutput:
            assert self._shown is not None
            real, fake, heard = self._shown
            judge = self.discriminator
            return LossOutput(discriminator_loss(judge(real, heard), judge(fake, heard)), {})

        return ModelAndLoss("discriminator", self.discriminator, loss, self.settings.discriminator_rate)
