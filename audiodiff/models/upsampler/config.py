"""Everything that makes an upsampler but its weights, and how it is written down."""

from dataclasses import dataclass, field
from typing import Any

from audiodiff.bounds import check_bounds
from audiodiff.diffusion.config import process_from_dict
from audiodiff.errors import AudiodiffError
from audiodiff.nn.wavenet import WaveNetConfig
from audiodiff.signal.frames import STFT

__all__ = ["UpsamplerConfig"]


def _quarter_circle() -> dict[str, Any]:
    return {"name": "cosine_vp"}


def _v() -> dict[str, Any]:
    return {"name": "v"}


@dataclass(frozen=True)
class UpsamplerConfig:
    """Everything that makes an `Upsampler`; stored in its checkpoint.

    Attributes:
        sample_rate: rate of what comes out (Hz), a whole multiple of `low_rate`.
        low_rate: rate of what goes in (Hz).
        n_fft, hop_length: the STFT at `sample_rate`.
        kept: share of the input's band, from 0 Hz, whose bins are the input's own; those above are made. Less than the
            0.9 up to which resampling leaves everything as it is.
        bands: how many bands what is made is described in, evenly spaced.
        level: root mean square that clips are brought to, full scale 1.
        floor: added to magnitudes before their logarithm; white noise of variance 1 has magnitudes about 1.
        augmentation_max: strongest noise on the condition in training, in deviations of a log-magnitude.
        t_min: smallest training time.
        wavenet: shape of the network.
        process, parameterization: as `audiodiff.diffusion.config` writes them.

    Raises:
        AudiodiffError: the parts do not fit each other; the arithmetic is in the message.
    """

    sample_rate: int = 16_000
    low_rate: int = 8_000
    n_fft: int = 512
    hop_length: int = 128
    kept: float = 0.875
    bands: int = 24
    level: float = 0.08
    floor: float = 1e-5
    augmentation_max: float = 0.5
    t_min: float = 0.01
    wavenet: WaveNetConfig = field(default_factory=WaveNetConfig)
    process: dict[str, Any] = field(default_factory=_quarter_circle)
    parameterization: dict[str, Any] = field(default_factory=_v)

    def __post_init__(self) -> None:
        """Check what only the combination can tell."""
        check_bounds(
            self,
            "",
            sample_rate=(1, 768_000),
            low_rate=(1, 768_000),
            n_fft=(1, 65_536),
            hop_length=(1, 65_536),
            kept=(0.0, 1.0),
            bands=(1, 4_096),
            level=(1e-9, 1e3),
            floor=(1e-30, 1e3),
            augmentation_max=(1e-9, 1e3),
            t_min=(0.0, 1e6),
        )
        if self.sample_rate <= self.low_rate or self.sample_rate % self.low_rate:
            raise AudiodiffError(
                f"sample_rate {self.sample_rate} Hz is no whole multiple of low_rate {self.low_rate} Hz, 2 or more."
            )
        STFT(self.n_fft, self.hop_length, normalized=True)
        if self.hop_length % self.ratio:
            raise AudiodiffError(
                f"hop_length {self.hop_length} is no multiple of sample_rate / low_rate = {self.ratio}; frames would "
                "begin between samples of the input."
            )
        if not 0.0 < self.kept <= 0.9 or self.n_kept < 1:
            raise AudiodiffError(f"kept is {self.kept}; expected a share above 0 and up to 0.9 that holds a bin.")
        if self.wavenet.cond_channels < 1:
            raise AudiodiffError("wavenet.cond_channels is 0; an upsampler needs a condition of at least 1 channel.")
        if self.wavenet.look_ahead is not None:
            raise AudiodiffError(
                f"wavenet.look_ahead is {self.wavenet.look_ahead}; an upsampler looks as far ahead as back: leave it."
            )
        if not 2 <= self.bands <= self.n_made:
            raise AudiodiffError(f"bands is {self.bands}; expected 2 to {self.n_made}, the bins that are made.")
        if not 0.0 < self.t_min < process_from_dict(self.process).t_max:
            raise AudiodiffError(f"t_min is {self.t_min}; it must lie inside the process's time range.")

    @property
    def ratio(self) -> int:
        """Samples that come out for each that goes in."""
        return self.sample_rate // self.low_rate

    @property
    def n_kept(self) -> int:
        """Bins of the input that are kept."""
        return int(self.kept * self.low_rate / 2 * self.n_fft / self.sample_rate)

    @property
    def n_made(self) -> int:
        """Bins that are made."""
        return self.n_fft // 2 + 1 - self.n_kept

    @property
    def kept_hz(self) -> float:
        """Where the bins that are made begin (Hz)."""
        return self.n_kept * self.sample_rate / self.n_fft
