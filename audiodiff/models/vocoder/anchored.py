"""The anchored head of a vocoder: as it is trained, and packed, as it is sampled on processors."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from audiodiff.models.vocoder.config import HeadConfig
from audiodiff.nn.packed import PackedCond, PackedWaveNet
from audiodiff.nn.wavenet import FrameConditioner, WaveNet
from audiodiff.signal.frames import STFT
from audiodiff.signal.matching import LevelMatcher
from audiodiff.signal.projection import Projector, half_rate
from audiodiff.torch_state import full_precision

# Network inputs are spectra in units of the mel envelope; beyond this they carry no more information.
INPUT_LIMIT = 10.0
# The anchored magnitude may leave the mel's by these factors (natural log).
LOG_GAIN_RANGE = (-4.0, 3.0)


class VocoderCondition(NamedTuple):
    """What denoising needs of a mel, computed once per utterance.

    Attributes:
        hidden: the network's condition, ready for all steps.
        anchor: STFT magnitude by pseudo-inverse, `[batch, n_bins, n_frames]`.
        envelope: smooth STFT magnitude with a floor, `[batch, n_bins, n_frames]`.
    """

    hidden: Tensor | tuple[tuple[Tensor, Tensor], ...]
    anchor: Tensor | None
    envelope: Tensor | None


@dataclass
class PreparedMel:
    """What sampling needs of a mel.

    Attributes:
        log_mel: `[batch, n_mels, n_frames]`.
        anchor: magnitude, rows `[batch, n_frames, n_bins]`.
        envelope: smooth magnitude with a floor, of the same shape.
        scale: its inverse, as complex numbers.
        ratio: anchor over envelope.
        network: what is to be called with it.
        terms: the condition of the network's layers, made when the network is first called.
    """

    log_mel: Tensor
    anchor: Tensor
    envelope: Tensor
    scale: Tensor
    ratio: Tensor
    network: "AnchoredNetwork"
    terms: PackedCond | None = None


class AnchoredNetwork:
    """From a noisy waveform to the estimate of the clean one; the function of `Vocoder` with an anchored head.

    Args:
        stft: the mel's own.
        wavenet: as trained; copied.
        conditioner: what turns the mel into the network's condition.
        head: how many projections.
        matcher: for the head's `output_matching`.
        dtype: of the WaveNet; spectra are always float32.
    """

    def __init__(
        self,
        stft: STFT,
        wavenet: WaveNet,
        conditioner: FrameConditioner,
        head: HeadConfig,
        matcher: LevelMatcher,
        dtype: torch.dtype,
    ) -> None:
        self.stft = stft
        self.dtype = dtype
        self._head = head
        self._matcher = matcher
        self._conditioner = conditioner
        self._packed = _packed_by_turns(wavenet, stft, dtype)
        self._for_stream: PackedWaveNet | None = None

    def prepare(self, log_mel: Tensor, anchor: Tensor, envelope: Tensor) -> PreparedMel:
        """Return what a call needs of a mel; the arguments are attributes of `PreparedMel`."""
        scale = envelope.reciprocal().to(torch.complex64)
        return PreparedMel(log_mel, anchor, envelope, scale, anchor / envelope, self)

    def for_stream(self, wavenet: WaveNet) -> PackedWaveNet:
        """Return the same `wavenet` packed for a mel that arrives in parts."""
        if self._for_stream is None:
            self._for_stream = _packed_by_turns(wavenet, self.stft, self.dtype, for_stream=True)
        return self._for_stream

    @torch.no_grad()
    def __call__(self, x: Tensor, c_noise: Tensor, mel: PreparedMel) -> Tensor:
        """Estimate `[batch, 1, n_samples]` from `x` of that shape at noise levels `[batch]`."""
        if mel.terms is None:
            mel.terms = self._packed.project_cond(self._conditioner(mel.log_mel))
        batch, n_frames = mel.anchor.shape[:2]
        projector = Projector(self.stft, n_frames, batch, x.device)
        noisy = projector.spectrum(x[:, 0].float())
        start = noisy
        for _ in range(self._head.input_projections):
            start = projector.spectrum(projector.waveform(projector.with_magnitude(start, mel.anchor)))
        start = projector.with_magnitude(start, mel.ratio)
        noisy.mul_(mel.scale)
        phase = _sides(start)
        width = phase.shape[-1]
        features = network_input(noisy, start, self.dtype)
        del noisy  # what is done with makes room: these are the largest arrays of all
        output = self._packed(features, c_noise, mel.terms)
        del features
        phase += output[..., :width]
        magnitude = output[..., width:].float().clamp_(*LOG_GAIN_RANGE).exp_().mul_(mel.anchor)
        del output
        iterations, half = self._head.output_projections, self._head.output_half_projections
        waveform = projector.project(start, magnitude, iterations, self._head.output_momentum, half_iterations=half)[1]
        del start, phase, magnitude
        for _ in range(self._head.output_matching):
            spectrum = projector.spectrum(waveform)
            waveform = projector.waveform(spectrum.mul_(self._matcher.gain(spectrum, mel.envelope)))
        return waveform[:, None]


def _packed_by_turns(wavenet: WaveNet, stft: STFT, dtype: torch.dtype, *, for_stream: bool = False) -> PackedWaveNet:
    """Pack the network of an anchored head for rows of spectra, in which real and imaginary parts take turns.

    The trained order is real parts, then imaginary parts.
    """
    n_bins = stft.n_fft // 2 + 1
    turns = torch.arange(2 * n_bins, device="cpu").view(2, -1).T.flatten()
    in_order = torch.cat([turns, 2 * n_bins + turns])
    out_order = torch.cat([turns, 2 * n_bins + torch.arange(n_bins, device="cpu")])
    return PackedWaveNet(wavenet, dtype, in_order=in_order, out_order=out_order, for_stream=for_stream)


def network_input(noisy: Tensor, start: Tensor, dtype: torch.dtype) -> Tensor:
    """Two spectra `[..., n_bins]` in units of the envelope as what the network sees, `[..., 4 * n_bins]`."""
    width = 2 * noisy.shape[-1]
    features = torch.empty(*noisy.shape[:-1], 2 * width, dtype=dtype, device=noisy.device)
    features[..., :width] = _sides(noisy)
    features[..., width:] = _sides(start)
    return features.clamp_(-INPUT_LIMIT, INPUT_LIMIT)  # a limit that is the same number in any precision


def _sides(spectrum: Tensor) -> Tensor:
    """Real and imaginary parts in turn, `[..., 2 * n_bins]`, in the same memory."""
    return torch.view_as_real(spectrum).flatten(-2)


def anchored_estimate(
    wavenet: WaveNet,
    stft: STFT,
    head: HeadConfig,
    matcher: Callable[[], LevelMatcher],
    x: Tensor,
    c_noise: Tensor,
    cond: VocoderCondition,
) -> Tensor:
    """Estimate the clean waveform `[batch, 1, n_samples]` from `x` of that shape at noise levels `[batch]`.

    `matcher` makes what the head's `output_matching` needs, which training has no use for.
    """
    n_samples = x.shape[-1]
    assert cond.anchor is not None
    assert cond.envelope is not None
    with full_precision(x):
        noisy = stft.spectrum(x[:, 0].float())
        start = _projected(noisy, cond.anchor, stft, n_samples, head.input_projections, 0.0)
        start = _with_magnitude(start, cond.anchor)
        inverse_scale = 1.0 / cond.envelope
        # Joined along the last axis of time-major views: already channels-last for the network.
        parts = [_scaled(part, inverse_scale).transpose(1, 2) for part in (noisy, start)]
        features = torch.cat([side for part in parts for side in (part.real, part.imag)], dim=2)
        features = features.clamp(-INPUT_LIMIT, INPUT_LIMIT).transpose(1, 2)
    real, imaginary, log_gain = wavenet(features, c_noise, cond.hidden).chunk(3, dim=1)
    with full_precision(x):
        correction = torch.complex(real.float() * cond.envelope, imaginary.float() * cond.envelope)
        magnitude = cond.anchor * torch.exp(log_gain.float().clamp(*LOG_GAIN_RANGE))
        spectrum, momentum = start + correction, head.output_momentum
        if head.output_half_projections:
            half, n_low = half_rate(stft), stft.n_fft // 4 + 1
            low, times = (spectrum[:, :n_low], magnitude[:, :n_low]), head.output_half_projections
            low_spectrum = _projected(*low, half, n_samples // 2, times, momentum)
            spectrum = torch.cat([low_spectrum, spectrum[:, n_low:]], dim=1)
        spectrum = _projected(spectrum, magnitude, stft, n_samples, head.output_projections, momentum)
        waveform = stft.waveform(_with_magnitude(spectrum, magnitude), n_samples)
        match = matcher() if head.output_matching else None
        for _ in range(head.output_matching):
            assert match is not None
            spectrum = stft.spectrum(waveform)
            gain = match.gain(spectrum.transpose(1, 2), cond.envelope.transpose(1, 2)).transpose(1, 2)
            waveform = stft.waveform(_scaled(spectrum, gain), n_samples)
        return waveform[:, None]


def _scaled(spectrum: Tensor, factor: Tensor) -> Tensor:
    """Complex times real. Multiplying two complex tensors is vectorised, complex by real is not: twice as fast."""
    return spectrum * torch.complex(factor, torch.zeros_like(factor))


def _with_magnitude(spectrum: Tensor, magnitude: Tensor) -> Tensor:
    """The phases of `spectrum` with another magnitude; 0 stays 0, with a finite gradient."""
    squares = torch.view_as_real(spectrum).square()
    return _scaled(spectrum, magnitude * torch.rsqrt(squares[..., 0] + squares[..., 1] + 1e-14))


def _projected(
    spectrum: Tensor, magnitude: Tensor, stft: STFT, n_samples: int, iterations: int, momentum: float
) -> Tensor:
    """Fast Griffin-Lim on `[batch, n_bins, n_frames]`, as `Projector` does it, with gradients."""
    previous: Tensor | None = None
    for _ in range(iterations):
        consistent = stft.spectrum(stft.waveform(_with_magnitude(spectrum, magnitude), n_samples))
        spectrum = consistent
        if previous is not None and momentum:
            spectrum = consistent + momentum * (consistent - previous)
        previous = consistent
    return spectrum
