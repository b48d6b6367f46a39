"""How to upsample: the one settings class that the command line and Python share. Imports no torch."""

from dataclasses import dataclass, fields

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.settings import Precision, VocodeSettings, check_range, make_plain


@dataclass(frozen=True)
class UpsampleSettings:
    """Settings of one upsampling run; `None` means what the model recommends.

    Attributes:
        steps: sampling steps, 1 or more.
        sampler: one of `SAMPLER_NAMES`.
        grid: one of `GRID_NAMES`.
        seed: seed of the noise, 0 or more; channel k of a recording has its own seed made from this one.
        precision: what the network computes in; the sampler always keeps float32.
        augmentation: noise on the condition, in deviations of a log-magnitude: 0 trusts the input to the last detail,
            more lets the model follow it loosely, as for an input that is noisy or coded.
        replace: make the upper band anew even where the input has one.
    """

    steps: int | None = None
    sampler: str | None = None
    grid: str | None = None
    seed: int = 0
    precision: Precision | None = None
    augmentation: float | None = None
    replace: bool = False

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            AudiodiffError: a field is out of range or names something unknown.
        """
        make_plain(self)
        # The same fields with the same limits.
        VocodeSettings(self.steps, self.sampler, self.grid, self.seed, self.precision)
        check_range("augmentation", self.augmentation, 0.0, 10.0, "(0 means none)")
        if not isinstance(self.replace, bool):
            raise AudiodiffError(f"replace is {self.replace!r}; it must be true or false.")

    def to_dict(self) -> dict[str, object]:
        """Return the settings as plain JSON values."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
