"""How to upsample: the one settings class that the command line and Python share. Imports no torch."""

from dataclasses import dataclass, field

from audiodiff.synthesis.plain_numbers import make_plain
from audiodiff.synthesis.settings import Sampling, check_range, check_switch, check_unguided


@dataclass(frozen=True)
class UpsampleSettings:
    """Settings of one upsampling run.

    Attributes:
        sampling: how to sample; channel k of a recording has a seed of its own, made from that.
        augmentation: noise on the condition: 0 trusts the input fully, more follows it loosely, as for an input that is
            noisy or coded. In deviations of a log-magnitude; what the model recommends when `None`.
        replace: replace the upper band even where the input has one.
        rate: rate of the output (Hz); the model's, which is the only one that it makes, when `None`.
    """

    sampling: Sampling = field(default_factory=Sampling)
    augmentation: float | None = None
    replace: bool = False
    rate: int | None = None

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            AudiodiffError: a field is out of range or names something unknown.
        """
        make_plain(self)
        check_unguided(self.sampling)
        check_range("augmentation", self.augmentation, 0.0, 10.0, "(0 means none)")
        check_switch("replace", self.replace)
