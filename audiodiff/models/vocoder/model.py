"""The vocoder: log-mel in, waveform out, by denoising the waveform itself.

One class, two families by configuration. `Samples` with a plain head and DiffWave's betas is DiffWave (arXiv
2009.09761). A complex STFT with the anchored head runs the same WaveNet once a hop instead of once a sample: the
process stays in the waveform, only the network looks at it through frames.

The anchored head writes its estimate of the spectrum as a magnitude and a phase. The magnitude is the pseudo-inverse
of the mel times a bounded correction, so that what the mel already says need not be learned. The phase starts from
that of the noisy waveform. Before and after the network, spectra pass a few times through the waveform and back
(the projection of Griffin and Lim, 1984), which costs next to nothing and makes phases of neighbouring frames agree.
"""

import copy
import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from audiodiff.diffusion.config import parameterization_from_dict, process_from_dict
from audiodiff.diffusion.denoiser import Denoiser
from audiodiff.diffusion.losses import Metric, MinSNR, denoising_loss, uniform_weight
from audiodiff.diffusion.noise import positional_noise
from audiodiff.diffusion.parameterization import Parameterization
from audiodiff.diffusion.process import Process
from audiodiff.errors import AudiodiffError
from audiodiff.models.vocoder.anchored import AnchoredNetwork, PreparedMel, VocoderCondition, anchored_estimate
from audiodiff.models.vocoder.config import FrontEndConfig, VocoderConfig
from audiodiff.models.vocoder.loss import band_mask, magnitude_distance, spectral_error, time_major
from audiodiff.models.vocoder.prior import PriorConfig, ShapedNoise, late_rows, prior_context, shape_white_noise
from audiodiff.nn.packed import packable
from audiodiff.nn.wavenet import FrameConditioner, MelUpsampler, WaveNet, upsample_factors
from audiodiff.signal import mel
from audiodiff.signal.frames import STFT, Folds, FrontEnd, Samples
from audiodiff.signal.matching import LOOK_AHEAD_FRAMES, LevelMatcher
from audiodiff.signal.projection import Projector
from audiodiff.torch_state import full_precision

__all__ = ["Vocoder", "VocoderCondition", "VocoderLoss", "matcher_of"]


class VocoderLoss(NamedTuple):
    """Loss `[batch]`, its parts averaged over the batch, and the estimate `[batch, 1, n_samples]`."""

    per_item: Tensor
    terms: dict[str, Tensor]
    x0_hat: Tensor


class Vocoder(nn.Module):
    """A diffusion vocoder as its config describes it.

    The state of the process is the waveform, `[batch, 1, n_samples]`, with `n_samples = n_frames * mel.hop_length`;
    `config.delay` samples behind it for some centred mels.
    """

    def __init__(self, config: VocoderConfig) -> None:
        super().__init__()
        self.config = config
        self.mel_spec = config.mel
        self.process: Process = process_from_dict(config.process)
        self.parameterization: Parameterization = parameterization_from_dict(config.parameterization)
        self.front_end: FrontEnd = _front_end(config.front_end)
        self.stft = STFT(config.mel.n_fft, config.mel.hop_length)
        n_bins = config.mel.n_fft // 2 + 1
        anchored = config.head.name == "anchored"
        sizes = (4 * n_bins, 3 * n_bins) if anchored else (self.front_end.channels, self.front_end.channels)
        self.wavenet = WaveNet(config.wavenet, *sizes)
        self.spectrogram_upsampler: MelUpsampler | None = None
        self.conditioner: FrameConditioner | None = None
        if config.front_end.name == "samples":
            self.spectrogram_upsampler = MelUpsampler(upsample_factors(config.mel.hop_length))
        else:
            others = config.head.mel_mean, config.head.mel_std, config.wavenet.left_ahead
            self.conditioner = FrameConditioner(config.mel.n_mels, config.wavenet.cond_channels, *others)
        self.register_buffer("envelope_matrix", _envelope_matrix(config.mel), persistent=False)
        self._packed: dict[torch.dtype, tuple[Any, AnchoredNetwork]] = {}
        # Fails here rather than in the first step if the row is undefined on the process.
        Denoiser(self._network, self.process, self.parameterization)

    def with_prior(self, prior: PriorConfig) -> "Vocoder":
        """Return a model on the same weights that starts from another prior.

        The network knows nothing of how its noise was made, so more Griffin-Lim iterations than in training only bring
        the start closer to the mel.
        """
        return self._with_config(dataclasses.replace(self.config, prior=prior))

    def with_output(self, projections: int, half_projections: int, momentum: float, matching: int = 0) -> "Vocoder":
        """Return a model on the same weights whose estimate passes through other iterations; see `HeadConfig`."""
        given = {"projections": projections, "half_projections": half_projections, "momentum": momentum}
        changes: dict[str, Any] = {f"output_{name}": value for name, value in {**given, "matching": matching}.items()}
        head = dataclasses.replace(self.config.head, **changes)
        return self._with_config(dataclasses.replace(self.config, head=head))

    def _with_config(self, config: VocoderConfig) -> "Vocoder":
        model = copy.copy(self)
        model.config, model._packed = config, {}
        return model

    @property
    def sample_rate(self) -> int:
        """Samples per second of the waveform (Hz)."""
        return self.mel_spec.sample_rate

    @property
    def context_frames(self) -> int:
        """Mel frames on each side that one network call reaches."""
        head = self.config.head
        hops_per_frame = self.config.mel.hop_length // self.front_end.hop_length
        reach = self.config.wavenet.context + 2 * self.front_end.context
        if head.name == "anchored":
            trips = head.input_projections + head.output_half_projections + head.output_projections
            reach += (trips + head.output_matching) * 2 * self.stft.context + head.output_matching * LOOK_AHEAD_FRAMES
        return math.ceil(reach / hops_per_frame) + 1

    @property
    def condition_context_frames(self) -> int:
        """Mel frames on each side that `condition` reaches."""
        return 0 if self.conditioner is None else self.conditioner.context

    @property
    def noise_context_frames(self) -> int:
        """Mel frames on each side that the noise of a place depends on."""
        return prior_context(self.config.prior, self.stft, self.config.noise_delay)

    def denoiser(self, compute_dtype: torch.dtype | None = None) -> Denoiser:
        """Return the denoiser of states `[batch, 1, n_samples]` under a `VocoderCondition`.

        Args:
            compute_dtype: dtype of the WaveNet; spectra are always float32. None follows an enclosing autocast.
        """

        def network(x: Tensor, c_noise: Tensor, cond: Any) -> Tensor:
            if isinstance(cond, PreparedMel):
                return cond.network(x, c_noise, cond)
            if compute_dtype in (None, torch.float32):
                return self._network(x, c_noise, cond)
            with torch.autocast(x.device.type, dtype=compute_dtype):
                return self._network(x, c_noise, cond)

        return Denoiser(network, self.process, self.parameterization)

    def condition(self, log_mel: Tensor) -> VocoderCondition:
        """Prepare a mel for any number of denoising steps.

        Args:
            log_mel: `[batch, n_mels, n_frames]` by `self.mel_spec`.
        """
        needed = self.config.head.name == "anchored" or self.config.prior.name == "shaped"
        anchor, envelope = self.magnitudes(log_mel) if needed else (None, None)
        if self.spectrogram_upsampler is not None:
            return VocoderCondition(self.spectrogram_upsampler(log_mel), anchor, envelope)
        assert self.conditioner is not None
        hops_per_frame = self.config.mel.hop_length // self.front_end.hop_length
        hidden = self.conditioner(log_mel)
        if hops_per_frame > 1:
            hidden = hidden.repeat_interleave(hops_per_frame, dim=-1)
        return VocoderCondition(self.wavenet.project_cond(hidden), anchor, envelope)

    def shape_noise(self, noise: Tensor, cond: VocoderCondition) -> Tensor:
        """Turn white noise into the noise of this model's process.

        Args:
            noise: standard normal, `[batch, 1, n_samples]`.
            cond: of the same items.

        Returns:
            `[batch, 1, n_samples]`; the input itself for a white prior.
        """
        if self.config.prior.name == "white":
            return noise
        assert cond.envelope is not None
        assert cond.anchor is not None
        batch, _, n_samples = noise.shape
        projector = Projector(self.stft, self.stft.n_frames(n_samples), batch, noise.device)
        rows = [late_rows(each.transpose(1, 2), self.config.noise_delay) for each in (cond.anchor, cond.envelope)]
        with full_precision(noise):
            return shape_white_noise(noise[:, 0], self.config.prior, projector, *rows)[1][:, None]

    def prepare(self, log_mel: Tensor, compute_dtype: torch.dtype | None = None) -> PreparedMel | VocoderCondition:
        """As `condition`, for `noise` and `denoise`: in the form that samples fastest.

        Args:
            log_mel: `[batch, n_mels, n_frames]` by `self.mel_spec`.
            compute_dtype: of the network's layers; None for float32.
        """
        # On other devices the layers' own kernels are better.
        packs = self.config.head.name == "anchored" and packable(self.config.wavenet)
        if log_mel.device.type != "cpu" or not packs:
            return self.condition(log_mel)
        with torch.no_grad():
            anchor, envelope = self.magnitudes(log_mel)
        network = self.packed_network(compute_dtype or torch.float32)
        return network.prepare(log_mel, anchor.transpose(1, 2), envelope.transpose(1, 2))

    def noise(
        self, log_mel: Tensor, seed: int, first_frame: int, cond: PreparedMel | VocoderCondition | None = None
    ) -> Callable[[int], Tensor]:
        """Return draws of this model's noise for one item at an absolute place, `[1, 1, n_samples]` each.

        Args:
            log_mel: of the place, `[1, n_mels, n_frames]`.
            seed: of the item.
            first_frame: place of the first frame in the item.
            cond: what `prepare` or `condition` made of the same `log_mel`, if they were called.
        """
        hop, prior, delay = self.mel_spec.hop_length, self.config.prior, self.config.noise_delay
        if prior.name == "white":
            first, last = first_frame * hop, (first_frame + log_mel.shape[-1]) * hop
            return lambda draw: positional_noise(seed, draw, first, last)[None].to(log_mel.device)
        if isinstance(cond, PreparedMel):
            return ShapedNoise(self.stft, prior, cond.anchor, cond.envelope, seed, first_frame, delay)
        with torch.no_grad():
            anchor, envelope = self.magnitudes(log_mel)
        return ShapedNoise(self.stft, prior, anchor.transpose(1, 2), envelope.transpose(1, 2), seed, first_frame, delay)

    def loss(
        self,
        waveform: Tensor,
        bandwidth_hz: Tensor,
        t: Tensor,
        noise: Tensor,
        log_mel: Tensor | None = None,
        wanted: Tensor | None = None,
    ) -> VocoderLoss:
        """Training loss of one batch.

        Args:
            waveform: states to learn, `[batch, n_samples]`, a multiple of the hop.
            bandwidth_hz: `[batch]`; what the recording holds nothing above, the loss does not ask for (Hz).
            t: times of the process, `[batch]`.
            noise: standard normal, `[batch, 1, n_samples]`.
            log_mel: `[batch, n_mels, n_frames]` to learn from in the place of the waveform's own, such as one that went
                through an autoencoder.
            wanted: estimates to learn in the place of the waveform, `[batch, 1, n_samples]`: those of a teacher.

        Raises:
            AudiodiffError: the length is not a multiple of the hop.
        """
        settings, n_samples, hop = self.config.loss, waveform.shape[-1], self.mel_spec.hop_length
        if n_samples % hop:
            raise AudiodiffError(f"Training crops have {n_samples} samples; they must be a multiple of the hop {hop}.")
        with full_precision(waveform), torch.no_grad():
            own_mel = mel.log_mel(waveform, self.config.state_mel)[..., : n_samples // hop]
        cond = self.condition(own_mel if log_mel is None else log_mel)
        with torch.no_grad():
            shaped = self.shape_noise(noise, cond)
        denoised = denoising_loss(
            self.denoiser(),
            waveform[:, None],
            cond,
            t,
            shaped,
            weighting=MinSNR(settings.min_snr) if settings.min_snr else uniform_weight,
            metric=_metric(self, own_mel, bandwidth_hz),
            wanted=wanted,
        )
        per_item = settings.denoising * denoised.per_item
        terms = {"denoising": denoised.per_item.detach().mean()}
        if settings.magnitude:
            with full_precision(waveform):
                target = waveform if wanted is None else wanted[:, 0]
                distance = magnitude_distance(
                    denoised.x0_hat[:, 0], target, bandwidth_hz, self.sample_rate, settings.resolutions
                )
            per_item = per_item + settings.magnitude * distance
            terms["magnitude"] = distance.detach().mean()
        return VocoderLoss(per_item, terms, denoised.x0_hat)

    def _network(self, x: Tensor, c_noise: Tensor, cond: VocoderCondition) -> Tensor:
        n_samples = x.shape[-1]
        if self.config.head.name == "plain":
            frames = self.front_end.analysis(x[:, 0])
            return self.front_end.synthesis(self.wavenet(frames, c_noise, cond.hidden).float(), n_samples)[:, None]
        return anchored_estimate(self.wavenet, self.stft, self.config.head, partial(matcher_of, self), x, c_noise, cond)

    def packed_network(self, dtype: torch.dtype) -> AnchoredNetwork:
        """The packed network, rebuilt when weights have changed since the last time."""
        state = tuple((parameter.data_ptr(), parameter._version) for parameter in self.parameters())
        known = self._packed.get(dtype)
        if known is None or known[0] != state:
            assert self.conditioner is not None
            parts = self.stft, self.wavenet, self.conditioner, self.config.head, matcher_of(self)
            known = self._packed[dtype] = (state, AnchoredNetwork(*parts, dtype))
        return known[1]

    def magnitudes(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """Anchor and envelope (with its floor), `[batch, n_bins, n_frames]`."""
        with full_precision(log_mel):
            envelope = self._envelope(log_mel)
            return _anchor(log_mel, envelope, self.mel_spec), envelope.clamp_min(self.config.head.envelope_floor)

    def _envelope(self, log_mel: Tensor) -> Tensor:
        mel_values = mel.log_mel_to_mel(log_mel, self.mel_spec)
        return time_major(self.get_buffer("envelope_matrix") @ mel_values)


def matcher_of(model: Vocoder) -> LevelMatcher:
    """Return what brings the bands of a vocoder's estimates to the levels of a mel."""
    matrix = model.get_buffer("envelope_matrix")
    bank = mel.filterbank(model.mel_spec).to(matrix)
    return LevelMatcher(bank.T.contiguous(), matrix.T.contiguous(), model.config.head.envelope_floor)


def _metric(model: Vocoder, log_mel: Tensor, bandwidth_hz: Tensor) -> Metric:
    """What the loss of a vocoder makes of the error of its estimates."""
    if model.config.loss.metric != "spectral":
        return {"l1": torch.abs, "l2": torch.square}[model.config.loss.metric]
    with full_precision(log_mel):
        # In units of what is really there: a mel that is wrong about silence would make errors there huge.
        envelope = model._envelope(log_mel).clamp_min(model.config.head.envelope_floor)
    mask = band_mask(bandwidth_hz, model.sample_rate, model.mel_spec.n_fft)
    return partial(spectral_error, model.stft, envelope, mask / mask.mean(dim=1, keepdim=True))


def _anchor(log_mel: Tensor, envelope: Tensor, spec: mel.MelSpec) -> Tensor:
    """The magnitude that a mel says, `[batch, n_bins, n_frames]`, by its pseudo-inverse."""
    anchor = torch.maximum(mel.mel_to_magnitude(log_mel, spec), 0.03 * envelope)
    # Above the last band the mel says nothing: go on at the level of its last band.
    covered = math.floor(spec.f_max * spec.n_fft / spec.sample_rate) - 2
    return time_major(torch.cat([anchor[:, :covered], envelope[:, covered:].clamp_min(1e-5)], dim=1))


def _front_end(config: FrontEndConfig) -> FrontEnd:
    if config.name == "samples":
        return Samples()
    return Folds(config.hop_length) if config.name == "folds" else STFT(config.n_fft, config.hop_length)


def _envelope_matrix(spec: mel.MelSpec) -> Tensor:
    """`[n_bins, n_mels]`: band means placed at the bands' centres and interpolated linearly between them."""
    bank = mel.filterbank(spec).double().numpy()
    total = bank.sum(axis=1)
    used = total > 0
    bins = np.arange(bank.shape[1])
    centres = (bank[used] @ bins) / total[used]
    matrix = np.zeros((bank.shape[1], spec.n_mels))
    for column, unit in zip(np.flatnonzero(used), np.eye(len(centres)), strict=True):
        matrix[:, column] = np.interp(bins, centres, unit) / total[column]
    return torch.from_numpy(matrix).float()
