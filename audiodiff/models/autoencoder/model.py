"""The mel autoencoder: log-mel to latents of unit deviation, and back (KL-regularised, Kingma & Welling 2014)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from audiodiff.errors import AudiodiffError
from audiodiff.models.autoencoder.config import MelAutoencoderConfig
from audiodiff.models.autoencoder.stereo import StereoCoder
from audiodiff.nn.autoencoder import MelDecoder, MelEncoder
from audiodiff.signal import mel
from audiodiff.signal.spectral import mel_band_mask
from audiodiff.signal.stereo import StereoSpec, mono_parameters

__all__ = ["AutoencoderLoss", "MelAutoencoder"]


class AutoencoderLoss(NamedTuple):
    """Loss of one batch.

    Attributes:
        per_item: `[batch]`.
        terms: its parts, averaged over the batch.
        log_mel: the reconstruction, `[batch, n_mels, n_frames]`.
        target: what was to be reconstructed, standardised by band, `[batch, n_mels, n_frames]`.
        output: the reconstruction, standardised.
        heard: weights of the bands, `[batch, n_mels, 1]` (`MelAutoencoder.heard`).
    """

    per_item: Tensor
    terms: dict[str, Tensor]
    log_mel: Tensor
    target: Tensor
    output: Tensor
    heard: Tensor


class MelAutoencoder(nn.Module):
    """A mel autoencoder as its config describes it.

    Besides its weights it keeps how log-mels and latents are distributed (`mel_mean`, `mel_std` by band,
    `latent_mean`, `latent_std` by channel), so that its latents have mean 0 and deviation 1. With `config.stereo` the
    last channels of its latents tell two channels of sound apart; the others are those of their mean.
    """

    mel_mean: Tensor
    mel_std: Tensor
    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: MelAutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.mel_spec = config.mel
        self.encoder = MelEncoder(config.mel.n_mels, config.network)
        self.decoder = MelDecoder(config.mel.n_mels, config.network)
        self.register_buffer("mel_mean", torch.full((config.mel.n_mels,), -5.0))
        self.register_buffer("mel_std", torch.full((config.mel.n_mels,), 2.0))
        self.register_buffer("latent_mean", torch.zeros(config.network.latent_channels))
        self.register_buffer("latent_std", torch.ones(config.network.latent_channels))
        self.stereo = None if config.stereo is None else StereoCoder(config.stereo)
        self.stereo_spec: StereoSpec | None = None
        if config.stereo is not None:
            hop = config.mel.hop_length * self.frames_per_latent
            self.stereo_spec = StereoSpec(config.mel.sample_rate, hop, config.stereo.bands)

    @property
    def latent_channels(self) -> int:
        """Channels of the latents."""
        return self.config.network.latent_channels + (self.config.stereo.numbers if self.config.stereo else 0)

    @property
    def frames_per_latent(self) -> int:
        """Mel frames for each latent."""
        return self.config.network.frames_per_latent

    @property
    def context_frames(self) -> int:
        """Mel frames on each side that `encode` and `decode` may look at."""
        return self.config.network.context

    def encode(self, log_mel: Tensor, stereo: Tensor | None = None, *, circular: bool = False) -> Tensor:
        """Return the latents (the mean of their distribution), standardised.

        Args:
            log_mel: `[batch, n_mels, n_frames]` by `self.mel_spec`; continued with its last frame to a whole number
                of latents.
            stereo: parameters by `self.stereo_spec`, `[batch, 2, n_bands, n]`, continued with the last of them to all
                latents; those of mono if there are none. A model without stereo leaves them out.
            circular: treat the clip as a loop.

        Returns:
            `[batch, latent_channels, ceil(n_frames / frames_per_latent)]`.
        """
        missing = -log_mel.shape[-1] % self.frames_per_latent
        if missing:
            log_mel = torch.cat([log_mel, log_mel[..., -1:].expand(-1, -1, missing)], dim=-1)
        mean, _ = self.encoder(self._standardised(log_mel), circular=circular)
        latents: Tensor = (mean.float() - self.latent_mean[:, None]) / self.latent_std[:, None]
        return self.with_stereo(latents, stereo)

    def with_stereo(self, latents: Tensor, stereo: Tensor | None = None) -> Tensor:
        """Return latents that tell of other two channels: of parameters as `encode` takes them, or of mono."""
        if self.stereo is None or self.stereo_spec is None:
            return latents
        of_mel = latents[:, : self.config.network.latent_channels]
        if stereo is None:
            stereo = mono_parameters(self.stereo_spec, 1).expand(len(latents), -1, -1, -1)
        places = torch.arange(latents.shape[-1]).clamp_max(stereo.shape[-1] - 1)
        return torch.cat([of_mel, self.stereo.encode(stereo[..., places].to(latents))], dim=1)

    def decode(self, latents: Tensor, *, circular: bool = False) -> Tensor:
        """Return log-mels `[batch, n_mels, n_latents * frames_per_latent]` of standardised latents."""
        of_mel = latents[:, : self.config.network.latent_channels]
        z = of_mel * self.latent_std[:, None] + self.latent_mean[:, None]
        values = self.decoder(z, circular=circular).float() * self.mel_std[:, None] + self.mel_mean[:, None]
        low, high = mel.value_range(self.mel_spec)
        clamped: Tensor = values.clamp(low, high)
        return clamped

    def stereo_parameters(self, latents: Tensor) -> Tensor | None:
        """Return what latents say of two channels, `[batch, 2, n_bands, n_latents]`; None of a model without stereo."""
        return None if self.stereo is None else self.stereo.decode(latents[:, self.config.network.latent_channels :])

    def loss(self, log_mel: Tensor, noise: Tensor, bandwidth_hz: Tensor | None = None) -> AutoencoderLoss:
        """Training loss of one batch.

        Args:
            log_mel: `[batch, n_mels, n_frames]`, `n_frames` a multiple of `frames_per_latent`.
            noise: standard normal, `[batch, network.latent_channels, n_latents]`.
            bandwidth_hz: `[batch]`; what the recording holds nothing above, the loss does not ask for (Hz). None for
                recordings that hold everything.

        Raises:
            AudiodiffError: the number of frames does not fit.
        """
        if log_mel.shape[-1] % self.frames_per_latent:
            raise AudiodiffError(
                f"training crops have {log_mel.shape[-1]} frames; they must be a multiple of the "
                f"{self.frames_per_latent} frames per latent."
            )
        target = self._standardised(log_mel)
        mean, log_variance = self.encoder(target)
        mean, log_variance = mean.float(), log_variance.float()
        output = self.decoder(mean + noise * torch.exp(0.5 * log_variance)).float()
        heard = self.heard(log_mel, bandwidth_hz)
        level = ((output - target).abs() * heard).mean(dim=(1, 2))
        change = ((output.diff(dim=-1) - target.diff(dim=-1)).abs() * heard).mean(dim=(1, 2))
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).mean(dim=(1, 2))
        settings = self.config.loss
        per_item = level + settings.change * change + settings.kl * divergence
        reconstruction = output * self.mel_std[:, None] + self.mel_mean[:, None]
        terms = {
            "level": level.detach().mean(),
            "change": change.detach().mean(),
            "kl": divergence.detach().mean(),
            "log_mel_l1": ((reconstruction - log_mel).abs() * heard).detach().mean(),
        }
        return AutoencoderLoss(per_item, terms, reconstruction, target, output, heard)

    def heard(self, log_mel: Tensor, bandwidth_hz: Tensor | None) -> Tensor:
        """Weights `[batch, n_mels, 1]` of an error: 0 for bands that the recordings cannot hold, mean 1 over bands."""
        if bandwidth_hz is None:
            return log_mel.new_ones(len(log_mel), log_mel.shape[1], 1)
        mask = mel_band_mask(bandwidth_hz.to(log_mel.device), self.mel_spec)
        return mask / mask.mean(dim=1, keepdim=True).clamp_min(1e-6)

    @torch.no_grad()
    def fit_mel_statistics(self, log_mel: Tensor, bandwidth_hz: Tensor | None = None) -> None:
        """Set the standardisation of log-mels from examples `[batch, n_mels, n_frames]`.

        Args:
            log_mel: the examples.
            bandwidth_hz: `[batch]`; a band counts only those that can hold it (Hz), or all if none can.
        """
        counted = (self.heard(log_mel, bandwidth_hz) > 0.0).to(log_mel.dtype)
        counted = torch.where(counted.sum(dim=0, keepdim=True) > 0.0, counted, torch.ones_like(counted))
        count = counted.sum(dim=(0, 2)) * log_mel.shape[-1]
        mean = (log_mel * counted).sum(dim=(0, 2)) / count
        variance = ((log_mel - mean[:, None]).square() * counted).sum(dim=(0, 2)) / (count - 1.0).clamp_min(1.0)
        self.mel_mean.copy_(mean)
        self.mel_std.copy_(variance.sqrt().clamp_min(0.1))

    @torch.no_grad()
    def fit_latent_statistics(self, log_mel: Tensor) -> None:
        """Set the standardisation of latents from examples `[batch, n_mels, n_frames]`."""
        mean, _ = self.encoder(self._standardised(log_mel))
        self.latent_mean.copy_(mean.float().mean(dim=(0, 2)))
        # A channel that the divergence has switched off stays near 0 instead of being blown up to noise.
        self.latent_std.copy_(mean.float().std(dim=(0, 2)).clamp_min(0.02))

    def _standardised(self, log_mel: Tensor) -> Tensor:
        return (log_mel - self.mel_mean[:, None]) / self.mel_std[:, None]
