"""The upsampler: a second stage that gives a narrow-band recording the band it lacks.

A cascade as in Imagen (arXiv 2205.11487): diffusion conditioned on the coarse signal, whose condition is noisy in
training by a level that the network is told, so that at sampling it can be told how far to trust its input. The same
sentence as the other models, `(codec, network, process, parameterization, condition)`:

- The state is the log-magnitude of the STFT bins above the input's band, standardised by bin. High bands are noise to
  the ear: their phases carry little, and a complex state would spend the network on them.
- The condition is the log-magnitude of the bins below.
- Decoding finds phases: those of the rectified input, whose harmonics go on above its band, and a few Griffin-Lim
  projections in which the input's bins keep their values. Last, whatever of the result lies in the input's band gives
  way to the input itself.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from audiodiff.diffusion.config import parameterization_from_dict, process_from_dict
from audiodiff.diffusion.denoiser import Denoiser
from audiodiff.diffusion.losses import denoising_loss
from audiodiff.diffusion.noise import positional_noise
from audiodiff.diffusion.parameterization import Parameterization
from audiodiff.diffusion.process import Process
from audiodiff.errors import AudiodiffError
from audiodiff.models.upsampler_config import (
    PhaseConfig,
    UpsamplerConfig,
    upsampler_config_from_dict,
    upsampler_config_to_dict,
)
from audiodiff.nn.wavenet import FrameConditioner, WaveNet
from audiodiff.signal.frames import STFT
from audiodiff.signal.resample import resample

__all__ = [
    "PhaseConfig",
    "Upsampler",
    "UpsamplerConfig",
    "UpsamplerLoss",
    "upsampler_config_from_dict",
    "upsampler_config_to_dict",
]

# A field of noise that no sampler draws: the one on the condition.
_AUGMENTATION_DRAW = -1

# Zero crossings of the resampler's filter on each side, in samples at the lower rate; 64 / 0.9476.
_RESAMPLER_REACH = 68


class UpsamplerLoss(NamedTuple):
    """Loss `[batch]`, its parts averaged over the batch, and the estimate `[batch, n_missing, n_frames]`."""

    per_item: Tensor
    terms: dict[str, Tensor]
    x0_hat: Tensor


class Upsampler(nn.Module):
    """A diffusion upsampler as its config describes it.

    Waveforms are at `config.level`; the caller brings them there. Besides its weights the model keeps how
    log-magnitudes are distributed by bin (`log_mean`, `log_deviation`).
    """

    log_mean: Tensor
    log_deviation: Tensor

    def __init__(self, config: UpsamplerConfig) -> None:
        super().__init__()
        self.config = config
        self.process: Process = process_from_dict(config.process)
        self.parameterization: Parameterization = parameterization_from_dict(config.parameterization)
        self.stft = STFT(config.n_fft, config.hop_length, normalized=True)
        self.wavenet = WaveNet(config.wavenet, config.n_missing, config.n_missing)
        # One channel more for the level of the noise on the others.
        self.conditioner = FrameConditioner(config.n_kept + 1, config.wavenet.cond_channels, 0.0, 1.0)
        n_bins = config.n_fft // 2 + 1
        self.register_buffer("log_mean", torch.full((n_bins,), -5.0))
        self.register_buffer("log_deviation", torch.full((n_bins,), 2.0))
        # Fails here rather than in the first step if the row is undefined on the process.
        Denoiser(self._network, self.process, self.parameterization)

    @property
    def sample_rate(self) -> int:
        """Rate of what comes out (Hz)."""
        return self.config.sample_rate

    @property
    def hop_length(self) -> int:
        """Samples that come out for each frame of the state."""
        return self.config.hop_length

    @property
    def context_frames(self) -> int:
        """Frames of the state on each side that one network call reaches."""
        return self.config.wavenet.context

    @property
    def condition_context_frames(self) -> int:
        """Frames on each side that `condition` reaches in the waveform."""
        return FrameConditioner.context + self.stft.context

    @property
    def decode_context_frames(self) -> int:
        """Frames on each side that `decode` reaches."""
        reach = (self.config.phase.projections + 1) * 2 * self.stft.context
        return reach + -(-2 * _RESAMPLER_REACH * self.config.ratio // self.hop_length) + 1

    def base(self, low: Tensor) -> Tensor:
        """Sinc interpolation of the input: `[batch, n]` to `[batch, n * ratio]`."""
        return resample(low, self.config.low_rate, self.config.sample_rate)

    def narrow(self, waveform: Tensor) -> Tensor:
        """What is left of a waveform `[batch, n_samples]` after the low rate, at its own rate and length."""
        low = resample(waveform, self.config.sample_rate, self.config.low_rate)
        return self.base(low)[..., : waveform.shape[-1]]

    def encode(self, waveform: Tensor) -> Tensor:
        """The state of a full-band waveform: `[batch, n_samples]` to `[batch, n_missing, n_frames]`."""
        return self._features(waveform)[:, self.config.n_kept :]

    def condition(
        self, base: Tensor, augmentation: Tensor, noise: Tensor | None = None
    ) -> tuple[tuple[Tensor, Tensor], ...]:
        """Prepare an interpolated input for any number of denoising steps.

        Args:
            base: `[batch, n_samples]`, at `sample_rate`.
            augmentation: level of the noise on the condition, `[batch]`, in deviations.
            noise: standard normal, `[batch, n_kept, n_frames]`; may be left out where the level is 0.
        """
        features = self._features(base)[:, : self.config.n_kept]
        level = augmentation.to(features)[:, None, None]
        if noise is not None:
            features = (features + level * noise) * torch.rsqrt(1.0 + level.square())
        features = torch.cat([features, level.expand(-1, -1, features.shape[-1])], dim=1)
        return self.wavenet.project_cond(self.conditioner(features))

    def denoiser(self, compute_dtype: torch.dtype | None = None) -> Denoiser:
        """Return the denoiser of states `[batch, n_missing, n_frames]` under what `condition` made.

        Args:
            compute_dtype: dtype of the WaveNet. None follows an enclosing autocast.
        """

        def network(x: Tensor, c_noise: Tensor, cond: Any) -> Tensor:
            if compute_dtype in (None, torch.float32):
                return self._network(x, c_noise, cond)
            with torch.autocast(x.device.type, dtype=compute_dtype):
                return self._network(x, c_noise, cond)

        return Denoiser(network, self.process, self.parameterization)

    def noise(self, seed: int, draw: int, first_frame: int, stop_frame: int) -> Tensor:
        """Noise of the state at an absolute place, `[1, n_missing, n_frames]`, on the CPU."""
        return positional_noise(seed, draw, first_frame, stop_frame, self.config.n_missing)[None]

    def condition_noise(self, seed: int, first_frame: int, stop_frame: int) -> Tensor:
        """Noise for the condition at an absolute place, `[1, n_kept, n_frames]`, on the CPU."""
        return positional_noise(seed, _AUGMENTATION_DRAW, first_frame, stop_frame, self.config.n_kept)[None]

    @torch.no_grad()
    def decode(self, state: Tensor, base: Tensor) -> Tensor:
        """The full-band waveform of a state.

        Args:
            state: `[batch, n_missing, n_frames]`.
            base: the interpolated input, `[batch, n_samples]`.

        Returns:
            `[batch, n_samples]`: `base`, and above its band what the state says.
        """
        config, n_samples = self.config, base.shape[-1]
        with _full_precision(base):
            bins = slice(config.n_kept, None)
            logs = state.float() * self.log_deviation[bins, None] + self.log_mean[bins, None]
            magnitude = (logs.clamp(max=8.0).exp() - config.floor).clamp_min(0.0)
            kept = self.stft.spectrum(base)[:, : config.n_kept]
            # Rectifying a voice continues its harmonics, with phases that belong together.
            found = self.stft.spectrum(base.abs())[:, bins]
            previous: Tensor | None = None
            for _ in range(config.phase.projections):
                joined = self.stft.waveform(torch.cat([kept, _with_magnitude(found, magnitude)], dim=1), n_samples)
                consistent = self.stft.spectrum(joined)[:, bins]
                found = consistent
                if previous is not None and config.phase.momentum:
                    found = consistent + config.phase.momentum * (consistent - previous)
                previous = consistent
            full = self.stft.waveform(torch.cat([kept, _with_magnitude(found, magnitude)], dim=1), n_samples)
            return base + full - self.narrow(full)

    def loss(
        self,
        waveform: Tensor,
        bandwidth_hz: Tensor,
        t: Tensor,
        noise: Tensor,
        augmentation: Tensor,
        condition_noise: Tensor,
    ) -> UpsamplerLoss:
        """Training loss of one batch.

        Args:
            waveform: full-band, `[batch, n_samples]`, a multiple of the hop.
            bandwidth_hz: `[batch]`; what the recording holds nothing above, the loss does not ask for (Hz).
            t: times of the process, `[batch]`.
            noise: standard normal, `[batch, n_missing, n_frames]`.
            augmentation: level of the noise on the condition, `[batch]`.
            condition_noise: standard normal, `[batch, n_kept, n_frames]`.

        Raises:
            AudiodiffError: the length is not a multiple of the hop.
        """
        if waveform.shape[-1] % self.hop_length:
            raise AudiodiffError(
                f"Training crops have {waveform.shape[-1]} samples; they must be a multiple of the hop "
                f"{self.hop_length}."
            )
        with torch.no_grad(), _full_precision(waveform):
            base = self.narrow(waveform)
            target = self.encode(waveform)
        cond = self.condition(base, augmentation, condition_noise)
        frequency = torch.arange(self.config.n_kept, self.config.n_fft // 2 + 1, device=waveform.device)
        heard = frequency[None] * (self.sample_rate / self.config.n_fft) <= bandwidth_hz[:, None]
        denoised = denoising_loss(self.denoiser(), target, cond, t, noise, mask=heard[:, :, None])
        with torch.no_grad():
            spread = self.log_deviation[self.config.n_kept :, None]
            error = ((denoised.x0_hat - target).abs() * spread * heard[:, :, None]).mean()
        terms = {"denoising": denoised.per_item.detach().mean(), "log_magnitude_l1": error}
        return UpsamplerLoss(denoised.per_item, terms, denoised.x0_hat)

    @torch.no_grad()
    def fit_statistics(self, waveform: Tensor) -> None:
        """Set the standardisation of log-magnitudes from full-band examples `[batch, n_samples]`."""
        low, high = self._logs(self.narrow(waveform)), self._logs(waveform)
        logs = torch.cat([low[:, : self.config.n_kept], high[:, self.config.n_kept :]], dim=1)
        self.log_mean.copy_(logs.mean(dim=(0, 2)))
        self.log_deviation.copy_(logs.std(dim=(0, 2)).clamp_min(0.1))

    def _network(self, x: Tensor, c_noise: Tensor, cond: Any) -> Tensor:
        return self.wavenet(x, c_noise, cond).float()

    def _features(self, waveform: Tensor) -> Tensor:
        """Standardised log-magnitudes `[batch, n_bins, n_frames]`."""
        return (self._logs(waveform) - self.log_mean[:, None]) / self.log_deviation[:, None]

    def _logs(self, waveform: Tensor) -> Tensor:
        with _full_precision(waveform):
            logs: Tensor = (self.stft.spectrum(waveform.float()).abs() + self.config.floor).log()
            return logs


def _with_magnitude(spectrum: Tensor, magnitude: Tensor) -> Tensor:
    """The phases of `spectrum` with another magnitude; 0 stays 0."""
    factor = magnitude / spectrum.abs().clamp_min(1e-12)
    return spectrum * torch.complex(factor, torch.zeros_like(factor))


def _full_precision(like: Tensor) -> torch.autocast:
    """Spectra are not for bfloat16: switch an enclosing autocast off."""
    return torch.autocast(like.device.type, enabled=False)
