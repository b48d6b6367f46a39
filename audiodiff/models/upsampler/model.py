"""The upsampler: a second stage that gives a narrow-band recording the band it lacks.

A cascade as in Imagen (arXiv 2205.11487): diffusion conditioned on the coarse signal, whose condition is noisy in
training by a level that the network is conditioned on, so that sampling can say how far to trust its input. The same
sentence as the other models, `(codec, network, process, parameterization, condition)`:

- The state is the log-magnitude above the input's band, averaged over two dozen bands and standardised. Finer than
  that, a high band is noise to the ear, and a model of every bin spends itself on it.
- The condition is the log-magnitude of every STFT bin below.
- Decoding shapes a sound that has the fine structure already: the rectified input, whose harmonics go on above its band
  and whose hiss is hiss. Last, whatever of the result lies in the input's band gives way to the input itself.
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
from audiodiff.models.upsampler.config import UpsamplerConfig
from audiodiff.nn.wavenet import FrameConditioner, WaveNet
from audiodiff.signal.frames import STFT
from audiodiff.signal.resample import resample
from audiodiff.torch_state import full_precision

__all__ = ["Upsampler", "UpsamplerLoss"]

# A field of noise that no sampler draws: the one on the condition.
_AUGMENTATION_DRAW = -1

# Zero crossings of the resampler's filter on each side, in samples at the lower rate; 64 / 0.9476.
_RESAMPLER_REACH = 68

# Largest log-magnitude that decoding follows: 70 dB above full scale would be a fault, not a sound.
_LOUDEST = 8.0


class UpsamplerLoss(NamedTuple):
    """Loss `[batch]`, its parts averaged over the batch, and the estimate `[batch, bands, n_frames]`."""

    per_item: Tensor
    terms: dict[str, Tensor]
    x0_hat: Tensor


class Upsampler(nn.Module):
    """A diffusion upsampler as its config describes it.

    Waveforms are at `config.level`; the caller brings them there. Besides its weights the model keeps how
    log-magnitudes are distributed, those of the input by bin and those that are made by band.
    """

    low_mean: Tensor
    low_std: Tensor
    high_mean: Tensor
    high_std: Tensor

    def __init__(self, config: UpsamplerConfig) -> None:
        super().__init__()
        self.config = config
        self.process: Process = process_from_dict(config.process)
        self.parameterization: Parameterization = parameterization_from_dict(config.parameterization)
        self.stft = STFT(config.n_fft, config.hop_length, normalized=True)
        self.wavenet = WaveNet(config.wavenet, config.bands, config.bands)
        # One channel more for the level of the noise on the others.
        self.conditioner = FrameConditioner(config.n_kept + 1, config.wavenet.cond_channels, 0.0, 1.0)
        for name, size in (("low", config.n_kept), ("high", config.bands)):
            self.register_buffer(f"{name}_mean", torch.full((size,), -5.0))
            self.register_buffer(f"{name}_std", torch.full((size,), 2.0))
        self.register_buffer("triangles", _triangles(config.bands, config.n_made), persistent=False)
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
        return self.conditioner.context + self.stft.context

    @property
    def decode_context_frames(self) -> int:
        """Frames on each side that `decode` reaches."""
        resampling = -(-2 * _RESAMPLER_REACH * self.config.ratio // self.hop_length)
        return 2 * self.stft.context + resampling + 1

    def base(self, low: Tensor) -> Tensor:
        """Sinc interpolation of the input: `[batch, n]` to `[batch, n * ratio]`."""
        return resample(low, self.config.low_rate, self.config.sample_rate)

    def narrow(self, waveform: Tensor) -> Tensor:
        """What is left of a waveform `[batch, n_samples]` after the low rate, at its own rate and length."""
        low = resample(waveform, self.config.sample_rate, self.config.low_rate)
        return self.base(low)[..., : waveform.shape[-1]]

    def encode(self, waveform: Tensor) -> Tensor:
        """The state of a full-band waveform: `[batch, n_samples]` to `[batch, bands, n_frames]`."""
        return (self._high_logs(waveform) - self.high_mean[:, None]) / self.high_std[:, None]

    def condition(
        self, base: Tensor, augmentation: Tensor, noise: Tensor | None = None
    ) -> tuple[tuple[Tensor, Tensor], ...]:
        """Prepare an interpolated input for any number of denoising steps.

        Args:
            base: `[batch, n_samples]`, at `sample_rate`.
            augmentation: level of the noise on the condition, `[batch]`, in deviations.
            noise: standard normal, `[batch, n_kept, n_frames]`; may be left out where the level is 0.
        """
        features = (self._low_logs(base) - self.low_mean[:, None]) / self.low_std[:, None]
        level = augmentation.to(features)[:, None, None]
        if noise is not None:
            features = (features + level * noise) * torch.rsqrt(1.0 + level.square())
        features = torch.cat([features, level.expand(-1, -1, features.shape[-1])], dim=1)
        return self.wavenet.project_cond(self.conditioner(features))

    def denoiser(self, compute_dtype: torch.dtype | None = None) -> Denoiser:
        """Return the denoiser of states `[batch, bands, n_frames]` under what `condition` made.

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
        """Noise of the state at an absolute place, `[1, bands, n_frames]`, on the CPU."""
        return positional_noise(seed, draw, first_frame, stop_frame, self.config.bands)[None]

    def condition_noise(self, seed: int, first_frame: int, stop_frame: int) -> Tensor:
        """Noise for the condition at an absolute place, `[1, n_kept, n_frames]`, on the CPU."""
        return positional_noise(seed, _AUGMENTATION_DRAW, first_frame, stop_frame, self.config.n_kept)[None]

    @torch.no_grad()
    def decode(self, state: Tensor, base: Tensor) -> Tensor:
        """The full-band waveform of a state.

        Args:
            state: `[batch, bands, n_frames]`.
            base: the interpolated input, `[batch, n_samples]`.

        Returns:
            `[batch, n_samples]`: `base`, and above its band what the state says.
        """
        config, n_samples = self.config, base.shape[-1]
        with full_precision(base):
            logs = state.float() * self.high_std[:, None] + self.high_mean[:, None]
            kept = self.stft.spectrum(base)[:, : config.n_kept]
            # Rectifying a voice continues its harmonics; they are many bands too loud or too soft, but in place.
            rough = base.abs()
            triangles = self.get_buffer("triangles")
            gain = torch.matmul(triangles.T, logs.clamp(max=_LOUDEST) - self._high_logs(rough)).exp()
            made = self.stft.spectrum(rough)[:, config.n_kept :] * torch.complex(gain, torch.zeros_like(gain))
            full = self.stft.waveform(torch.cat([kept, made], dim=1), n_samples)
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
            noise: standard normal, `[batch, bands, n_frames]`.
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
        with torch.no_grad(), full_precision(waveform):
            base = self.narrow(waveform)
            target = self.encode(waveform)
        cond = self.condition(base, augmentation, condition_noise)
        centres = torch.linspace(self.config.kept_hz, self.sample_rate / 2, self.config.bands, device=waveform.device)
        heard = centres[None] <= bandwidth_hz[:, None]
        denoised = denoising_loss(self.denoiser(), target, cond, t, noise, mask=heard[:, :, None])
        with torch.no_grad():
            error = ((denoised.x0_hat - target).abs() * self.high_std[:, None] * heard[:, :, None]).mean()
        terms = {"denoising": denoised.per_item.detach().mean(), "log_magnitude_l1": error}
        return UpsamplerLoss(denoised.per_item, terms, denoised.x0_hat)

    @torch.no_grad()
    def fit_statistics(self, waveform: Tensor) -> None:
        """Set the standardisation of log-magnitudes from full-band examples `[batch, n_samples]`."""
        low, high = self._low_logs(self.narrow(waveform)), self._high_logs(waveform)
        self.low_mean.copy_(low.mean(dim=(0, 2)))
        self.low_std.copy_(low.std(dim=(0, 2)).clamp_min(0.1))
        self.high_mean.copy_(high.mean(dim=(0, 2)))
        self.high_std.copy_(high.std(dim=(0, 2)).clamp_min(0.1))

    def _network(self, x: Tensor, c_noise: Tensor, cond: Any) -> Tensor:
        output: Tensor = self.wavenet(x, c_noise, cond)
        return output.float()

    def _low_logs(self, waveform: Tensor) -> Tensor:
        """Log-magnitudes of the bins that are kept, `[batch, n_kept, n_frames]`."""
        with full_precision(waveform):
            magnitude = self.stft.spectrum(waveform.float())[:, : self.config.n_kept].abs()
            return (magnitude + self.config.floor).log()

    def _high_logs(self, waveform: Tensor) -> Tensor:
        """Log-magnitudes of the bands that are made, `[batch, bands, n_frames]`."""
        with full_precision(waveform):
            power = self.stft.spectrum(waveform.float())[:, self.config.n_kept :].abs().square()
            triangles = self.get_buffer("triangles")
            means = torch.matmul(triangles / triangles.sum(dim=1, keepdim=True), power)
            # Under the root, where its slope would be infinite at silence.
            logs: Tensor = 0.5 * (means + self.config.floor**2).log()
            return logs


def _triangles(bands: int, n_bins: int) -> Tensor:
    """Triangles over neighbouring bands that add up to 1 at every bin: `[bands, n_bins]`."""
    centres = torch.linspace(0.0, n_bins - 1.0, bands)
    distance = (torch.arange(n_bins)[None] - centres[:, None]).abs()
    return (1.0 - distance * (bands - 1) / (n_bins - 1)).clamp_min(0.0)
