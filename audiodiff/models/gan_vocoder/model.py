"""A vocoder without diffusion, in the form in which vocoders are sampled here."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from audiodiff.diffusion.process import RectifiedFlow
from audiodiff.models.gan_vocoder.config import GanVocoderConfig
from audiodiff.nn.hifigan import HifiGan
from audiodiff.nn.vocos import Vocos
from audiodiff.signal.mel_spec import MelSpec

__all__ = ["GanVocoder"]


class GanVocoder(nn.Module):
    """A network that makes the waveform of a log-mel in one call.

    To synthesis it is a denoiser whose estimate depends on nothing but the condition: any sampler with any number of
    steps ends in it, and one step is enough. There is no noise.
    """

    def __init__(self, config: GanVocoderConfig) -> None:
        super().__init__()
        self.config = config
        self.process = RectifiedFlow()
        self.network: nn.Module
        if config.hifigan is not None:
            self.network = HifiGan(config.hifigan)
        else:
            assert config.vocos is not None
            self.network = Vocos(config.vocos)

    @property
    def mel_spec(self) -> MelSpec:
        """The log-mel that it takes."""
        return self.config.mel

    @property
    def sample_rate(self) -> int:
        """Samples per second of the waveform (Hz)."""
        return self.config.mel.sample_rate

    @property
    def context_frames(self) -> int:
        """0: an estimate depends on no state."""
        return 0

    @property
    def condition_context_frames(self) -> int:
        """Mel frames on each side that a sample depends on."""
        return self.config.network.context

    @property
    def noise_context_frames(self) -> int:
        """0: there is no noise."""
        return 0

    def forward(self, log_mel: Tensor) -> Tensor:
        """Make the waveform `[batch, 1, n_frames * hop_length]` of a log-mel `[batch, n_mels, n_frames]`."""
        waveform: Tensor = self.network(log_mel)
        return waveform

    def prepare(self, log_mel: Tensor, compute_dtype: torch.dtype | None = None) -> Tensor:
        """Make the waveform, which is all that the steps need.

        Args:
            log_mel: `[batch, n_mels, n_frames]` by `self.mel_spec`.
            compute_dtype: of the network's layers; None for float32.
        """
        with torch.no_grad():
            if compute_dtype in (None, torch.float32):
                return self.forward(log_mel).float()
            with torch.autocast(log_mel.device.type, dtype=compute_dtype):
                return self.forward(log_mel).float()

    def denoiser(self, compute_dtype: torch.dtype | None = None) -> Callable[[Tensor, Tensor, Any], Tensor]:
        """Return the denoiser of states `[batch, 1, n_samples]` under what `prepare` returns."""

        def denoise(x: Tensor, t: Tensor, cond: Any) -> Tensor:
            estimate: Tensor = cond
            return estimate

        return denoise

    def noise(self, log_mel: Tensor, seed: int, first_frame: int, cond: Any = None) -> Callable[[int], Tensor]:
        """Return draws of silence, `[1, 1, n_samples]`: there is no noise."""
        silence = log_mel.new_zeros(1, 1, log_mel.shape[-1] * self.mel_spec.hop_length)
        return lambda draw: silence
