"""Everything that makes a vocoder but its weights, and how it is written down."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from audiodiff.bounds import check_bounds
from audiodiff.diffusion.config import process_from_dict
from audiodiff.errors import AudiodiffError
from audiodiff.models.vocoder.prior import PriorConfig, check_prior, noise_delay
from audiodiff.nn.wavenet import WaveNetConfig, upsample_factors
from audiodiff.signal import mel
from audiodiff.signal.frames import STFT
from audiodiff.signal.mel import MelSpec
from audiodiff.signal.projection import half_rate, reach_of

__all__ = [
    "FrontEndConfig",
    "HeadConfig",
    "LossConfig",
    "VocoderConfig",
]


@dataclass(frozen=True)
class FrontEndConfig:
    """How the network sees the waveform.

    Attributes:
        name: "samples", "folds" of `hop_length` samples, or an "stft".
        n_fft: FFT size of the STFT in samples.
        hop_length: samples per frame.
    """

    name: Literal["samples", "folds", "stft"] = "stft"
    n_fft: int = 1024
    hop_length: int = 256

    def __post_init__(self) -> None:
        """Refuse sizes that no front end has."""
        check_bounds(self, "front_end", n_fft=(1, 65_536), hop_length=(1, 65_536))


@dataclass(frozen=True)
class HeadConfig:
    """What the network's output means.

    Attributes:
        name: "plain" frames of the front end, or "anchored" magnitude and phase (stft only).
        input_projections: Griffin-Lim projections of the noisy waveform before the network.
        output_projections: Griffin-Lim projections of the estimate after the network.
        output_half_projections: projections of the lower half of its spectrum alone, before those, at half their cost.
        output_momentum: how far beyond each projection the next one starts, as in fast Griffin-Lim.
        output_matching: how often, after those, the bands of the estimate are brought to the levels of the mel
            (`audiodiff.signal.matching`).
        envelope_floor: smallest scale of network inputs, in STFT magnitude (full scale is about `n_fft / 4`).
        mel_mean, mel_std: standardisation of the log-mel.
    """

    name: Literal["plain", "anchored"] = "anchored"
    input_projections: int = 0
    output_projections: int = 1
    output_half_projections: int = 0
    output_momentum: float = 0.0
    output_matching: int = 0
    envelope_floor: float = 3e-3
    mel_mean: float = -4.0
    mel_std: float = 3.0

    def __post_init__(self) -> None:
        """Refuse numbers that make no estimate."""
        check_bounds(
            self,
            "head",
            input_projections=(0, 1_000),
            output_projections=(0, 1_000),
            output_half_projections=(0, 1_000),
            output_momentum=(0.0, 10.0),
            output_matching=(0, 1_000),
            envelope_floor=(1e-12, 1e6),
            mel_mean=(-1e6, 1e6),
            mel_std=(1e-6, 1e6),
        )


@dataclass(frozen=True)
class LossConfig:
    """Training loss: the core's denoising loss plus a phase-blind one.

    Attributes:
        metric: "l1" or "l2" on samples, or "spectral": squared complex STFT error in units of the mel envelope.
        min_snr: gamma of the min-SNR weighting; 0 for none.
        denoising: weight of the denoising loss.
        magnitude: weight of the multi-resolution STFT magnitude distance of `x0_hat`.
        resolutions: its (n_fft, hop_length) pairs.
        t_min: smallest training time.
        full_noise: share of training items at t_max, where sampling starts; a model that knows nothing else (1) is
            sampled in one step.
    """

    metric: Literal["l1", "l2", "spectral"] = "spectral"
    min_snr: float = 20.0
    denoising: float = 1.0
    magnitude: float = 3.0
    resolutions: tuple[tuple[int, int], ...] = ((256, 64), (512, 128), (1024, 256))
    t_min: float = 0.02
    full_noise: float = 0.0

    def __post_init__(self) -> None:
        """Refuse weights and sizes that make no loss."""
        check_bounds(
            self,
            "loss",
            min_snr=(0.0, 1e12),
            denoising=(0.0, 1e6),
            magnitude=(0.0, 1e6),
            t_min=(0.0, 1e6),
            full_noise=(0.0, 1.0),
        )
        if len(self.resolutions) > 16 or not all(1 <= hop <= n_fft <= 65_536 for n_fft, hop in self.resolutions):
            raise AudiodiffError(
                "loss.resolutions must be up to 16 pairs of n_fft and hop_length, 1 <= hop_length <= n_fft <= 65536."
            )


def _rectified_flow() -> dict[str, Any]:
    return {"name": "rectified_flow"}


def _x0() -> dict[str, Any]:
    return {"name": "x0"}


@dataclass(frozen=True)
class VocoderConfig:
    """Everything that makes a `Vocoder`; stored in its checkpoint.

    Attributes:
        mel: the log-mel that is made into sound.
        front_end: how the network sees the waveform.
        wavenet: the network.
        head: what its output means.
        prior: the noise of the process.
        loss: what is minimised.
        process: how data become noise, by name and settings (`audiodiff.diffusion.config`).
        parameterization: what the network estimates, in the same form.

    Raises:
        AudiodiffError: the parts do not fit each other; the arithmetic is in the message.
    """

    mel: mel.MelSpec
    front_end: FrontEndConfig = field(default_factory=FrontEndConfig)
    wavenet: WaveNetConfig = field(default_factory=WaveNetConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    prior: PriorConfig = field(default_factory=PriorConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    process: dict[str, Any] = field(default_factory=_rectified_flow)
    parameterization: dict[str, Any] = field(default_factory=_x0)

    def __post_init__(self) -> None:
        """Check what only the combination can tell."""
        hop, spec = self.front_end.hop_length, self.mel
        if self.front_end.name == "samples":
            if self.wavenet.cond_channels != spec.n_mels:
                raise AudiodiffError(
                    f"wavenet.cond_channels is {self.wavenet.cond_channels}; on samples the mel is the condition, so "
                    f"it must be mel.n_mels = {spec.n_mels}."
                )
            upsample_factors(spec.hop_length)
        elif spec.hop_length % hop:
            raise AudiodiffError(
                f"front_end.hop_length {hop} does not divide mel.hop_length {spec.hop_length} "
                f"({spec.hop_length} / {hop} = {spec.hop_length / hop:g}); frames and mel would drift apart."
            )
        if self.front_end.name != "samples" and self.wavenet.cond_channels == 0:
            raise AudiodiffError(
                "wavenet.cond_channels is 0; a framed vocoder needs a condition of at least 1 channel."
            )
        anchored = self.head.name == "anchored"
        if self._needs_stft:
            STFT(spec.n_fft, spec.hop_length)
        if anchored and self.front_end != FrontEndConfig("stft", spec.n_fft, spec.hop_length):
            raise AudiodiffError(
                f"The anchored head needs the mel's own STFT (n_fft {spec.n_fft}, hop_length {spec.hop_length}) as "
                f"front end; got {self.front_end.name} with n_fft {self.front_end.n_fft}, hop_length {hop}."
            )
        if self.wavenet.look_ahead is not None and not anchored:
            raise AudiodiffError(
                f'wavenet.look_ahead is {self.wavenet.look_ahead}, which needs head.name "anchored"; leave it out.'
            )
        if self.head.output_matching and (spec.win_length != spec.n_fft or spec.power != 1.0 or spec.normalized):
            raise AudiodiffError(
                f"head.output_matching is {self.head.output_matching}, which needs a mel of magnitudes (power 1, not "
                "normalized) whose windows are as long as n_fft; give 0."
            )
        check_prior(self.prior, spec.n_fft, spec.hop_length)
        if anchored and self.head.output_half_projections:
            half_rate(STFT(spec.n_fft, spec.hop_length))
        if not 0 < self.loss.t_min < process_from_dict(self.process).t_max:
            raise AudiodiffError(f"loss.t_min is {self.loss.t_min}; it must lie inside the process's time range.")

    @property
    def _needs_stft(self) -> bool:
        """Whether frames of the mel must be those of the state's STFT."""
        return self.head.name == "anchored" or self.prior.name == "shaped" or self.loss.metric == "spectral"

    @property
    def one_step(self) -> bool:
        """Whether training is on pure noise alone, so that only the first step of a sampler means anything to it."""
        return self.loss.full_noise == 1.0

    @property
    def noise_delay(self) -> int:
        """Frames by which the mel that shapes the noise is late: see `prior.noise_delay`."""
        if self.wavenet.look_ahead is None:
            return 0
        return noise_delay(self.prior, STFT(self.mel.n_fft, self.mel.hop_length))

    @property
    def padding_frames(self) -> int:
        """Frames like its last by which a mel is continued, so that states reach as far as its waveform.

        A limited look-ahead has white noise drawn before the mel that it belongs to: as many frames as that lies beyond
        the mel so far, for where it ends is not known then.
        """
        if self.wavenet.look_ahead is None:
            return 1 if self.delay else 0
        stft = STFT(self.mel.n_fft, self.mel.hop_length)
        return reach_of(stft) + self.noise_delay - (stft.n_fft - stft.hop_length) // 2 // stft.hop_length

    @property
    def delay(self) -> int:
        """Samples by which the state of the process is behind the waveform of its mel.

        Frame i of an STFT of the state is centred on sample (i + 0.5) * hop_length, that of a mel with centring
        "center" on sample i * hop_length of the waveform: half a hop more silence at the start makes them the same.
        """
        return self.mel.hop_length // 2 if self._needs_stft and self.mel.centring == "center" else 0

    @property
    def state_mel(self) -> MelSpec:
        """The recipe that gives a state's mel: `mel`, on the frames of the state."""
        return dataclasses.replace(self.mel, centring="same") if self.delay else self.mel
