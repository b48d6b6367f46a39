"""The network of an anchored vocoder as it is sampled on processors: packed weights, spectra as rows, no gradients."""

from dataclasses import dataclass

import torch
from torch import Tensor

from audiodiff.nn.packed import PackedCond, PackedWaveNet
from audiodiff.nn.wavenet import FrameConditioner, WaveNet
from audiodiff.signal.frames import STFT
from audiodiff.signal.projection import Projector

__all__ = ["INPUT_LIMIT", "LOG_GAIN_RANGE", "AnchoredNetwork", "PreparedMel"]

# Network inputs are spectra in units of the mel envelope; beyond this they carry no more information.
INPUT_LIMIT = 10.0
# The anchored magnitude may leave the mel's by these factors (natural log).
LOG_GAIN_RANGE = (-4.0, 3.0)


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
        input_projections: see `HeadConfig`, as for the next.
        output_projections: of the estimate.
        output_half_projections: of the lower half of its spectrum, before those.
        output_momentum: of both.
        dtype: of the WaveNet; spectra are always float32.
    """

    def __init__(
        self,
        stft: STFT,
        wavenet: WaveNet,
        conditioner: FrameConditioner,
        *,
        input_projections: int,
        output_projections: int,
        output_half_projections: int,
        output_momentum: float,
        dtype: torch.dtype,
    ) -> None:
        self.stft = stft
        self.dtype = dtype
        self.input_projections = input_projections
        self.output_projections = output_projections
        self.output_half_projections = output_half_projections
        self.output_momentum = output_momentum
        self._conditioner = conditioner
        self._n_bins = stft.n_fft // 2 + 1
        # The trained order is real parts, then imaginary parts; here they take turns, as in the memory of a spectrum.
        turns = torch.arange(2 * self._n_bins).view(2, -1).T.flatten()
        self._packed = PackedWaveNet(
            wavenet,
            dtype,
            in_order=torch.cat([turns, 2 * self._n_bins + turns]),
            out_order=torch.cat([turns, 2 * self._n_bins + torch.arange(self._n_bins)]),
        )

    def prepare(self, log_mel: Tensor, anchor: Tensor, envelope: Tensor) -> PreparedMel:
        """Return what a call needs of a mel; the arguments are attributes of `PreparedMel`."""
        scale = envelope.reciprocal().to(torch.complex64)
        return PreparedMel(log_mel, anchor, envelope, scale, anchor / envelope, self)

    @torch.no_grad()
    def __call__(self, x: Tensor, c_noise: Tensor, mel: PreparedMel) -> Tensor:
        """Estimate `[batch, 1, n_samples]` from `x` of that shape at noise levels `[batch]`."""
        if mel.terms is None:
            mel.terms = self._packed.project_cond(self._conditioner(mel.log_mel))
        batch, n_frames = mel.anchor.shape[:2]
        projector = Projector(self.stft, n_frames, batch, x.device)
        noisy = projector.spectrum(x[:, 0].float())
        start = noisy
        for _ in range(self.input_projections):
            start = projector.spectrum(projector.waveform(projector.with_magnitude(start, mel.anchor)))
        start = projector.with_magnitude(start, mel.ratio)
        noisy.mul_(mel.scale)
        phase = _sides(start)
        width = phase.shape[-1]
        features = torch.empty(batch, n_frames, 2 * width, dtype=self.dtype, device=x.device)
        features[..., :width] = _sides(noisy)
        features[..., width:] = phase
        features.clamp_(-INPUT_LIMIT, INPUT_LIMIT)  # a limit that is the same number in any precision
        output = self._packed(features, c_noise, mel.terms)
        phase += output[..., :width]
        magnitude = output[..., width:].float().clamp_(*LOG_GAIN_RANGE).exp_().mul_(mel.anchor)
        waveform = projector.project(
            start,
            magnitude,
            self.output_projections,
            self.output_momentum,
            half_iterations=self.output_half_projections,
        )[1]
        return waveform[:, None]


def _sides(spectrum: Tensor) -> Tensor:
    """Real and imaginary parts in turn, `[batch, n_frames, 2 * n_bins]`, in the same memory."""
    return torch.view_as_real(spectrum).flatten(2)
