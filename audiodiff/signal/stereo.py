"""Parametric stereo: what a mono fold-down and a few numbers a frame keep of two channels.

As in HE-AAC v2 (ISO/IEC 14496-3, 8.6.4; Breebaart et al. 2005, "Parametric coding of stereo audio"): the level
difference and the coherence of the channels in bands as wide as some two of the ear's. Here the fold-down stays as it
is: with the mid signal M = (L + R) / 2 at hand, the side signal S = (L - R) / 2 is made of it, S = g M + h D, where D
is M decorrelated, and L = M + S, R = M - S. So the mono fold-down of what comes out is what went in.

Everything is computed on a fixed grid of windows, whatever the blocks that the sound comes in.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from audiodiff.bounds import check_bounds
from audiodiff.errors import AudiodiffError
from audiodiff.signal.frames import STFT

__all__ = [
    "StereoSpec",
    "analyse",
    "analyse_stream",
    "cancels_in_mono",
    "mono_parameters",
    "side_gains",
    "synthesise",
    "synthesise_stream",
]

# Level of what counts as common to both channels wherever they are softer: above the noise of 16 bits, which is
# independent in them and would make silence wide.
_FLOOR = 1e-9
# Most energy of the side for that of the mid. Channels of opposite phase leave no mid to make a side of.
_MOST_SIDE = 10.0
# A decorrelated sound may need this much gain (in energy) to have that of the mid; more is needed where there is none.
_MOST_GAIN = 10.0
_DECORRELATOR_SECONDS, _DECAY_SECONDS = 0.0232, 0.006
_CORE_FRAMES = 32
_MARGIN = 8  # STFT frames: twice the transform's reach, the smoothing of the decorrelated sound, and its filter
_SMOOTHING = 2
_CANCELLED = 1e-3


@dataclass(frozen=True)
class StereoSpec:
    """Bands and frames of stereo parameters `[2, n_bands, n_frames]`: level difference (dB) and coherence (-1 to 1).

    Attributes:
        sample_rate: Hz.
        hop_length: samples per frame; frame i is centred on sample (i + 0.5) * hop_length.
        n_bands: bands, equally wide on the ERB-rate scale of Glasberg and Moore (1990) up to half the sample rate.
    """

    sample_rate: int
    hop_length: int
    n_bands: int = 20

    def __post_init__(self) -> None:
        """Refuse what no transform of 46 ms resolves."""
        check_bounds(self, "stereo", sample_rate=(4_000, 768_000), hop_length=(2, 65_536), n_bands=(1, 64))
        if _stft(self).hop_length * 16 < _stft(self).n_fft:
            raise AudiodiffError(
                f"stereo parameters need a hop length with a divisor of 3 to 12 ms; {self.hop_length} samples at "
                f"{self.sample_rate} Hz have none."
            )

    def n_frames(self, n_samples: int) -> int:
        """Frames that stand for `n_samples` samples."""
        return -(-n_samples // self.hop_length)


def mono_parameters(spec: StereoSpec, n_frames: int) -> Tensor:
    """Parameters `[2, n_bands, n_frames]` of two channels that are the same."""
    return torch.stack([torch.zeros(spec.n_bands, n_frames), torch.ones(spec.n_bands, n_frames)])


def cancels_in_mono(waveform: Tensor) -> bool:
    """Whether channels `[channels, n_samples]` are of opposite phase: their mean is silence, and they are not."""
    channels = float(waveform.double().square().mean().sqrt())
    return float(waveform.double().mean(dim=0).square().mean().sqrt()) < _CANCELLED * channels


def analyse(waveform: Tensor, spec: StereoSpec) -> Tensor:
    """Return the stereo parameters `[2, n_bands, n_frames]` of `waveform [2, n_samples]`, full scale 1.

    Raises:
        AudiodiffError: it has not two channels.
    """
    return analyse_stream([waveform], spec)


def analyse_stream(blocks: Iterable[Tensor], spec: StereoSpec) -> Tensor:
    """As `analyse`, of blocks `[2, n]` one after another, in bounded memory."""
    hop, stft = spec.hop_length, _stft(spec)
    ratio = hop // stft.hop_length
    margin = hop + -(-stft.n_fft // stft.hop_length) * stft.hop_length
    centres = (torch.arange(_CORE_FRAMES) + 0.5) * hop + margin
    times = (torch.arange((_CORE_FRAMES * hop + 2 * margin) // stft.hop_length) + 0.5) * stft.hop_length
    # The hat by which `synthesise` interpolates between frames.
    weights = (1.0 - (times[:, None] - centres).abs() / hop).clamp_min(0.0) / ratio
    nothing = torch.zeros(2, margin)
    parts: list[Tensor] = []
    counter = _Counter(blocks)
    for window in _windows(counter, _CORE_FRAMES * hop, nothing, nothing):
        spectrum = stft.spectrum(window)
        left, right, common = (
            _by_band(each, spec) @ weights.to(window) + _FLOOR
            for each in (*spectrum.abs().square(), (spectrum[0] * spectrum[1].conj()).real)
        )
        coherence = (common / (left * right).sqrt()).clamp(-1.0, 1.0)
        parts.append(torch.stack([10.0 * torch.log10(left / right), coherence]))
    return torch.cat(parts, dim=-1)[..., : spec.n_frames(counter.n_samples)]


def side_gains(parameters: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the side has of the mid and of the decorrelated mid: `[..., n_bands, n_frames]` each.

    Args:
        parameters: `[..., 2, n_bands, n_frames]`.
    """
    difference, coherence = parameters.unbind(dim=-3)
    # With L / R = e^x: <S, M> / <M, M> = sinh x / (cosh x + c), and what is left of S is not in M.
    x = difference.clamp(-60.0, 60.0) * (math.log(10.0) / 20.0)
    c = coherence.clamp(-1.0, 1.0)
    mid = (x.cosh() + c).clamp_min(1e-6)
    g, h = x.sinh() / mid, (1.0 - c.square()).sqrt() / mid
    limit = (_MOST_SIDE / (g.square() + h.square()).clamp_min(1e-12)).sqrt().clamp_max(1.0)
    return g * limit, h * limit


def synthesise(mono: Tensor, parameters: Tensor, spec: StereoSpec, *, circular: bool = False) -> Tensor:
    """Return two channels `[2, n_samples]` whose mean is `mono [n_samples]`.

    Args:
        mono: the fold-down, at the rate of `spec`.
        parameters: `[2, n_bands, n_frames]`; the last frame goes on where they end before the sound.
        spec: their bands and frames.
        circular: the sound is a loop of whole frames: its end leads into its beginning.

    Raises:
        AudiodiffError: the parameters are of another shape.
    """
    before = after = None
    if circular:
        margin = _MARGIN * _stft(spec).hop_length
        places = torch.arange(margin, device=mono.device)
        before, after = mono[(places - margin) % mono.shape[-1]], mono[places % mono.shape[-1]]
    return torch.cat(list(_synthesised([mono], parameters, spec, before, after)), dim=-1)


def synthesise_stream(blocks: Iterable[Tensor], parameters: Tensor, spec: StereoSpec) -> Iterator[Tensor]:
    """As `synthesise`, of blocks `[n]` one after another, in bounded memory: the same samples."""
    return _synthesised(blocks, parameters, spec, None, None)


def _synthesised(
    blocks: Iterable[Tensor], parameters: Tensor, spec: StereoSpec, before: Tensor | None, after: Tensor | None
) -> Iterator[Tensor]:
    if parameters.ndim != 3 or parameters.shape[:2] != (2, spec.n_bands) or not parameters.shape[2]:
        raise AudiodiffError(
            f"stereo parameters have shape {list(parameters.shape)}; expected [2, {spec.n_bands}, 1 or more]."
        )
    stft, gains = _stft(spec), torch.stack(side_gains(parameters.float()))
    margin, core = _MARGIN * stft.hop_length, _CORE_FRAMES * spec.hop_length
    silence = torch.zeros(margin)
    ends = silence if before is None else before, silence if after is None else after
    counter, done = _Counter(blocks), 0
    for window in _windows(counter, core, *ends):
        first = done // stft.hop_length - _MARGIN
        count = window.shape[-1] // stft.hop_length
        places = (torch.arange(first, first + count, dtype=torch.float64) + 0.5) * stft.hop_length / spec.hop_length
        g, h = _interpolated(gains, places - 0.5, circular=before is not None).to(window.device)
        side = _side(window, g, h, spec)[margin : margin + core]
        mid = window[margin : margin + core]
        kept = min(core, counter.n_samples - done)
        yield torch.stack([mid + side, mid - side])[:, :kept]
        done += core


def _side(mid: Tensor, g: Tensor, h: Tensor, spec: StereoSpec) -> Tensor:
    """The side `[n]` of a window `mid [n]`, of gains `[n_bands, n_frames]` for it and for its decorrelated copy."""
    stft, filtering = _stft(spec), _decorrelator(spec.sample_rate).to(mid)
    # Around the window's end, where the margin is.
    other = torch.fft.irfft(torch.fft.rfft(mid) * torch.fft.rfft(filtering, n=len(mid)), n=len(mid))
    m, d = stft.spectrum(torch.stack([mid, other]))
    energy, decorrelated, common = (
        _smoothed(_by_band(each, spec)) for each in (m.abs().square(), d.abs().square(), (m * d.conj()).real)
    )
    # What the copy has of the mid is taken out of it, and the rest brought to the mid's energy, as it was on average.
    share = common / energy.clamp_min(1e-20)
    left = decorrelated - common * share
    scale = (energy / left.clamp_min(1e-20)).clamp_max(_MOST_GAIN).sqrt() * h
    of_mid, of_other = (_to_bins(each, spec) for each in (g - scale * share, scale))
    return stft.waveform((of_mid * m + of_other * d)[None], len(mid))[0]


def _interpolated(values: Tensor, places: Tensor, *, circular: bool) -> Tensor:
    """`values [..., n_frames]` at `places [n]` between frames, straight lines between these."""
    last, low = values.shape[-1] - 1, places.floor()
    indices = torch.stack([low, low + 1]).long()
    indices = indices % (last + 1) if circular else indices.clamp(0, last)
    return torch.lerp(values[..., indices[0]], values[..., indices[1]], (places - low).to(values))


def _smoothed(values: Tensor) -> Tensor:
    """`[n_bands, n_frames]`, each frame the mean of its surroundings."""
    wide = torch.nn.functional.pad(values[None], (_SMOOTHING, _SMOOTHING), mode="replicate")
    return torch.nn.functional.avg_pool1d(wide, 2 * _SMOOTHING + 1, 1)[0]


@lru_cache(maxsize=8)
def _stft(spec: StereoSpec) -> STFT:
    """A transform of about 46 ms, whose hops add up to the frames of the parameters."""
    n_fft = 2 ** round(math.log2(0.0464 * spec.sample_rate))
    divisors = (hop for hop in range(n_fft // 4, 0, -1) if spec.hop_length % hop == 0 and hop % 2 == 0)
    return STFT(n_fft, next(divisors, 2), normalized=True)


@lru_cache(maxsize=8)
def _bands(spec: StereoSpec) -> Tensor:
    """Band of each bin of the STFT, `[n_bins]`."""
    top = spec.sample_rate / 2
    scale = torch.log1p(0.00437 * torch.linspace(0.0, top, _stft(spec).n_fft // 2 + 1, dtype=torch.float64))
    return (scale / scale[-1] * spec.n_bands).long().clamp_max(spec.n_bands - 1)


def _by_band(values: Tensor, spec: StereoSpec) -> Tensor:
    """Mean of `[n_bins, n_frames]` over the bins of each band, `[n_bands, n_frames]`."""
    bands = _bands(spec).to(values.device)
    sums = values.new_zeros(spec.n_bands, values.shape[-1]).index_add_(0, bands, values)
    return sums / torch.bincount(bands, minlength=spec.n_bands).clamp_min(1)[:, None]


def _to_bins(values: Tensor, spec: StereoSpec) -> Tensor:
    """`[n_bands, n_frames]` as `[n_bins, n_frames]`."""
    return values[_bands(spec).to(values.device)]


@lru_cache(maxsize=8)
def _decorrelator(sample_rate: int) -> Tensor:
    """An all-pass filter of 23 ms, `[n]`: noise that dies away, its spectrum made flat; always the same."""
    n = round(_DECORRELATOR_SECONDS * sample_rate)
    decay = torch.exp(-torch.arange(n, dtype=torch.float64) / (_DECAY_SECONDS * sample_rate))
    taps = torch.randn(n, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * decay
    for _ in range(32):
        spectrum = torch.fft.rfft(taps, n=2 * n)
        taps = torch.fft.irfft(spectrum / spectrum.abs().clamp_min(1e-9), n=2 * n)[:n]
    return taps


class _Counter:
    """Blocks that pass through, and how many samples they had."""

    def __init__(self, blocks: Iterable[Tensor]) -> None:
        self._blocks = blocks
        self.n_samples = 0

    def __iter__(self) -> Iterator[Tensor]:
        for block in self._blocks:
            self.n_samples += block.shape[-1]
            yield block


def _windows(blocks: Iterable[Tensor], core: int, before: Tensor, after: Tensor) -> Iterator[Tensor]:
    """Cut a stream into windows of `core` samples and their surroundings, all of one length.

    Args:
        blocks: `[..., n]` each, one after another.
        core: new samples of a window.
        before, after: what surrounds the sound, `[..., margin]`; zeros follow.
    """
    margin, held = before.shape[-1], before
    total = 0
    for block in blocks:
        if block.shape[:-1] != before.shape[:-1]:
            raise AudiodiffError(
                f"a sound of shape {list(block.shape)} has no parametric stereo: expected "
                f"{'2 channels [2, n_samples]' if before.ndim == 2 else 'one channel [n_samples]'}; mix it down first."
            )
        total += block.shape[-1]
        held = torch.cat([held.to(block), block], dim=-1)
        while held.shape[-1] >= core + 2 * margin:
            yield held[..., : core + 2 * margin]
            held = held[..., core:]
            total -= core
    held = torch.cat([held, after.to(held)], dim=-1)
    while total > 0:
        yield torch.nn.functional.pad(held, (0, max(core + 2 * margin - held.shape[-1], 0)))[..., : core + 2 * margin]
        held = held[..., core:]
        total -= core
