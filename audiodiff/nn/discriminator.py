"""Small discriminators for adversarial fine-tuning: of waveforms by their spectrograms, and of mels.

Convolutions over (time, frequency) share their weights across pitch, so a few thousand parameters per resolution learn
from minutes of audio what a real spectrogram looks like (as in UnivNet, arXiv 2106.07889, and EnCodec, arXiv
2210.13438; here a tenth of their width, which a CPU can train).
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiodiff.errors import AudiodiffError

__all__ = [
    "Discriminator",
    "DiscriminatorConfig",
    "Judgement",
    "MelDiscriminator",
    "discriminator_loss",
    "generator_loss",
]

_SLOPE = 0.1


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Shape of a `Discriminator`.

    Attributes:
        resolutions: (n_fft, hop_length) of each spectrogram.
        channels: width of the convolutions.
        layers: convolutions between the first and the last.
    """

    resolutions: tuple[tuple[int, int], ...] = ((1024, 256), (512, 128), (256, 64))
    channels: int = 16
    layers: int = 3

    def __post_init__(self) -> None:
        """Refuse shapes that cannot be built.

        Raises:
            AudiodiffError: a field is out of range.
        """
        if not self.resolutions or any(n_fft < 64 or hop < 1 for n_fft, hop in self.resolutions):
            raise AudiodiffError(
                f"discriminator.resolutions is {self.resolutions}; need (n_fft >= 64, hop >= 1) pairs."
            )
        if self.channels < 1 or self.layers < 1:
            raise AudiodiffError(
                f"discriminator.channels {self.channels} and layers {self.layers} must be at least 1 each."
            )


class Judgement(NamedTuple):
    """One resolution's opinion: `scores [batch, n]` and the feature maps it rests on."""

    scores: Tensor
    features: tuple[Tensor, ...]


def _convolutions(inputs: int, channels: int, layers: int, first_stride: int) -> nn.ModuleList:
    """Convolutions over (time, frequency) that keep the rate of time and see ever wider bands."""
    first = nn.Conv2d(inputs, channels, (3, 9), stride=(1, first_stride), padding=(1, 4))
    middle = [nn.Conv2d(channels, channels, (3, 9), stride=(1, 2), padding=(1, 4)) for _ in range(layers - 1)]
    last = nn.Conv2d(channels, channels, (3, 3), padding=(1, 1))
    return nn.ModuleList([first, *middle, last])


def _judged(image: Tensor, convs: nn.ModuleList, score: nn.Module) -> Judgement:
    """Judge images `[batch, channels, time, frequency]`."""
    x = image.contiguous(memory_format=torch.channels_last)
    features = []
    for conv in convs:
        x = F.leaky_relu(conv(x), _SLOPE)
        features.append(x)
    return Judgement(score(x).flatten(1), tuple(features))


class _MelJudge(nn.Module):
    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.convs = _convolutions(1, channels, layers, first_stride=2)
        self.score = nn.Conv2d(channels, 1, (3, 3), padding=(1, 1))

    def forward(self, image: Tensor) -> Judgement:
        return _judged(image, self.convs, self.score)


class _SpectrogramJudge(nn.Module):
    def __init__(self, n_fft: int, hop_length: int, channels: int, layers: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        # Real and imaginary parts and the compressed magnitude: phase matters as much as level.
        self.convs = _convolutions(3, channels, layers, first_stride=4)
        self.score = nn.Conv2d(channels, 1, (3, 3), padding=(1, 1))

    def forward(self, waveform: Tensor, bandwidth_hz: Tensor, sample_rate: int) -> Judgement:
        with torch.autocast(waveform.device.type, enabled=False):
            window = self.get_buffer("window")
            spectrum = torch.fft.rfft(waveform.float().unfold(-1, self.n_fft, self.hop_length) * window)
            power = spectrum.real.square() + spectrum.imag.square() + 1e-5
            # Power-law compression to the exponent 0.3 with the phases kept (arXiv 1811.12307, section 3).
            factor = power**-0.35
            image = torch.stack([spectrum.real * factor, spectrum.imag * factor, power**0.15], dim=1)
            frequency = torch.arange(image.shape[-1], device=image.device) * (sample_rate / self.n_fft)
            # What a recording cannot hold is hidden on both sides, or it would give the fake away.
            image = image * (frequency[None] < bandwidth_hz[:, None])[:, None, None]
        return _judged(image, self.convs, self.score)


class Discriminator(nn.Module):
    """Judges waveforms at several resolutions.

    Args:
        config: its shape.
        sample_rate: of the waveforms (Hz).
    """

    def __init__(self, config: DiscriminatorConfig, sample_rate: int) -> None:
        super().__init__()
        self.config = config
        self.sample_rate = sample_rate
        self.judges = nn.ModuleList(
            _SpectrogramJudge(n_fft, hop, config.channels, config.layers) for n_fft, hop in config.resolutions
        )

    def forward(self, waveform: Tensor, bandwidth_hz: Tensor) -> list[Judgement]:
        """Judge `[batch, n_samples]`, ignoring what lies above `bandwidth_hz [batch]`."""
        return [judge(waveform, bandwidth_hz, self.sample_rate) for judge in self.judges]


class MelDiscriminator(nn.Module):
    """Judges mels as they are and at half their resolution.

    Args:
        channels: width of the convolutions.
        layers: convolutions between the first and the last.
    """

    def __init__(self, channels: int, layers: int = 3) -> None:
        super().__init__()
        self.judges = nn.ModuleList(_MelJudge(channels, layers) for _ in range(2))

    def forward(self, log_mel: Tensor, heard: Tensor) -> list[Judgement]:
        """Judge standardised log-mels `[batch, n_mels, n_frames]`.

        Bands whose weight `heard` `[batch, n_mels, 1]` is 0 are ignored.
        """
        image = (log_mel.float() * (heard > 0.0))[:, None].transpose(2, 3)
        fine, coarse = self.judges
        return [fine(image), coarse(F.avg_pool2d(image, 2))]


def discriminator_loss(real: list[Judgement], fake: list[Judgement]) -> Tensor:
    """Least squares: real towards 1, fake towards 0 (arXiv 1611.04076), averaged over resolutions; a scalar."""
    losses = [
        (r.scores.float() - 1.0).square().mean() + f.scores.float().square().mean()
        for r, f in zip(real, fake, strict=True)
    ]
    return torch.stack(losses).mean()


def generator_loss(real: list[Judgement], fake: list[Judgement]) -> tuple[Tensor, Tensor]:
    """What the generator pays: `(adversarial, feature matching)`, scalars averaged over resolutions.

    Features are matched relative to the mean size of the real ones, so that the weight means the same throughout
    training.
    """
    adversarial = torch.stack([(f.scores.float() - 1.0).square().mean() for f in fake]).mean()
    distances = [
        (a.float() - b.detach().float()).abs().mean() / (b.detach().float().abs().mean() + 1e-6)
        for r, f in zip(real, fake, strict=True)
        for b, a in zip(r.features, f.features, strict=True)
    ]
    return adversarial, torch.stack(distances).mean()
