"""A vocoder whose samples are known: a linear denoiser with a reach that is exactly what it says."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audiodiff.diffusion.noise import positional_noise
from audiodiff.diffusion.process import Process, RectifiedFlow
from audiodiff.signal.mel import MelSpec, mel_to_magnitude
from audiodiff.synthesis.vocode import DEFAULTS, VocoderSynthesizer

SPEC = MelSpec(sample_rate=8000, n_fft=256, hop_length=64, win_length=256, n_mels=20, f_max=4000.0)


class FakeDenoiser:
    """Filters the state with a fixed filter of `reach` samples each side and pulls it to the condition's envelope."""

    def __init__(self, reach: int, compute_dtype: torch.dtype | None) -> None:
        generator = torch.Generator().manual_seed(1)
        self.taps = torch.randn(1, 1, 2 * reach + 1, generator=generator) * 0.5 / (2 * reach + 1) ** 0.5
        self.reach = reach
        self.compute_dtype = compute_dtype

    def __call__(self, x: Tensor, t: Tensor, cond: Any) -> Tensor:
        filtered = torch.nn.functional.conv1d(x, self.taps, padding=self.reach)
        return 0.7 * filtered + 0.3 * cond * torch.sign(filtered) + 0.05 * cond


class FakeVocoder:
    """Has the interface of `audiodiff.models.vocoder.Vocoder`."""

    def __init__(
        self, *, context_frames: int = 2, true_context_frames: int | None = None, process: Process | None = None
    ) -> None:
        self.mel_spec = SPEC
        self.process: Process = process or RectifiedFlow()
        self.context_frames = context_frames
        self.condition_context_frames = 1
        self.noise_context_frames = 1
        self.reach = (context_frames if true_context_frames is None else true_context_frames) * SPEC.hop_length
        self.piece_lengths: list[int] = []

    def denoiser(self, compute_dtype: torch.dtype | None = None) -> FakeDenoiser:
        return FakeDenoiser(self.reach, compute_dtype)

    def prepare(self, log_mel: Tensor, compute_dtype: torch.dtype | None = None) -> Tensor:
        """Envelope of the samples, smoothed over three frames: `[batch, 1, n_samples]`."""
        self.piece_lengths.append(log_mel.shape[-1])
        return self.envelope(log_mel)

    def envelope(self, log_mel: Tensor) -> Tensor:
        energy = mel_to_magnitude(log_mel, self.mel_spec).square().mean(dim=-2, keepdim=True)
        smooth = torch.nn.functional.avg_pool1d(energy.sqrt() / 8.0, 3, stride=1, padding=1)
        return smooth.repeat_interleave(self.mel_spec.hop_length, dim=-1)

    def noise(self, log_mel: Tensor, seed: int, first_frame: int, cond: Any = None) -> Callable[[int], Tensor]:
        first, last = (frame * SPEC.hop_length for frame in (first_frame, first_frame + log_mel.shape[-1]))
        envelope = self.envelope(log_mel) + 1e-4
        return lambda draw: positional_noise(seed, draw, first, last)[None] * envelope


def synthesizer(
    model: FakeVocoder | None = None,
    *,
    reference_level_db: float | None = -20.0,
    steps: int = 3,
    call_seconds: float = 10.0,
) -> VocoderSynthesizer:
    """A synthesizer around the fake."""
    return VocoderSynthesizer(
        model or FakeVocoder(),
        name="fake",
        defaults=replace(DEFAULTS, steps=steps),
        reference_level_db=reference_level_db,
        call_seconds=call_seconds,
    )


def recording(seconds: float, sample_rate: int = 8000, *, level: float = 0.1, seed: int = 0) -> NDArray[np.float32]:
    """Noise with a syllable-like envelope, `[n_samples]`."""
    n_samples = round(seconds * sample_rate)
    time = np.arange(n_samples) / sample_rate
    noise = np.random.default_rng(seed).standard_normal(n_samples)
    envelope = 0.55 + 0.45 * np.sin(2 * np.pi * 3.0 * time)
    return (level * envelope * noise).astype(np.float32)
