"""Log-mel spectrograms: one frozen specification, named presets, and what can be done between two of them.

A mel made with one recipe and read with another sounds like noise, so a model keeps its `MelSpec` beside its
weights and `check_mel` and `convert_log_mel` refuse what does not fit.

Only torch and numpy are used: the filter banks are computed here, so that no library's change of defaults can
move them.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args, get_type_hints

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from audiodiff.bounds import check_bounds
from audiodiff.errors import AudiodiffError

FilterBank = Literal["slaney", "htk"]
Log = Literal["ln", "log10", "db-lmnt", "db-top80", "root4"]
Centring = Literal["center", "same"]
Padding = Literal["reflect", "constant"]


@dataclass(frozen=True)
class MelSpec:
    """Everything that decides the numbers of a log-mel spectrogram `[..., n_mels, n_frames]`.

    Attributes:
        sample_rate: samples per second (Hz).
        n_fft: FFT size in samples.
        hop_length: samples between frames.
        win_length: length of the periodic Hann window in samples, centred in the FFT.
        n_mels: number of bands.
        f_min: lower edge of the first band (Hz).
        f_max: upper edge of the last band (Hz).
        filterbank: mel scale, "slaney" (linear below 1 kHz) or "htk" (2595 log10(1 + f/700)).
        norm: "slaney" gives every triangle unit area per Hz; None gives unit peaks.
        power: exponent of the magnitude before the filter bank (1 magnitude, 2 power).
        magnitude_epsilon: added under the root, sqrt(re^2 + im^2 + epsilon).
        log: compression of the mel magnitude m:
            "ln" ln(max(m, floor)); "log10" log10(max(m, floor));
            "db-lmnt" clip((20 log10(max(m, floor)) - 20 + 100) / 100, 0, 1);
            "db-top80" 10 log10(max(m, floor)) relative to the loudest value of the clip, not below -80;
            "root4" m ** 0.25.
        floor: smallest mel magnitude kept by the log.
        centring: "same": frame i is centred on sample (i + 0.5) * hop_length, n_samples // hop_length frames;
            "center": frame i is centred on sample i * hop_length, n_samples // hop_length + 1 frames.
        padding: how the waveform goes on beyond its ends.
        normalized: divide the STFT by the root of the window's energy.
        offset: subtracted from the log-mel.
        scale: the log-mel minus offset is divided by it.
    """

    sample_rate: int = 22050
    n_fft: int = 1024
    hop_length: int = 256
    win_length: int = 1024
    n_mels: int = 80
    f_min: float = 0.0
    f_max: float = 8000.0
    filterbank: FilterBank = "slaney"
    norm: Literal["slaney"] | None = "slaney"
    power: float = 1.0
    magnitude_epsilon: float = 0.0
    log: Log = "ln"
    floor: float = 1e-5
    centring: Centring = "same"
    padding: Padding = "reflect"
    normalized: bool = False
    offset: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a specification that cannot be computed, with the arithmetic."""
        check_bounds(
            self,
            "mel",
            sample_rate=(1, 768_000),
            n_fft=(1, 65_536),
            hop_length=(1, 65_536),
            win_length=(1, 65_536),
            n_mels=(1, 2_048),
            f_min=(0.0, 384e3),
            f_max=(0.0, 384e3),
            power=(1e-3, 10.0),
            magnitude_epsilon=(0.0, 1.0),
            floor=(1e-30, 1.0),
            offset=(-1e6, 1e6),
            scale=(1e-6, 1e6),
        )
        for name, choices in (
            ("filterbank", get_args(FilterBank)),
            ("norm", ("slaney", None)),
            ("log", get_args(Log)),
            ("centring", get_args(Centring)),
            ("padding", get_args(Padding)),
        ):
            if getattr(self, name) not in choices:
                raise AudiodiffError(
                    f"MelSpec {name} is {getattr(self, name)!r}; expected one of "
                    f"{', '.join(repr(choice) for choice in choices)}."
                )
        if self.win_length > self.n_fft:
            raise AudiodiffError(
                f"MelSpec win_length {self.win_length} is longer than n_fft {self.n_fft}; the window must fit."
            )
        if not 0 <= self.f_min < self.f_max:
            raise AudiodiffError(
                f"MelSpec f_min {self.f_min:g} Hz and f_max {self.f_max:g} Hz: need 0 <= f_min < f_max."
            )
        if self.f_max > self.sample_rate / 2:
            raise AudiodiffError(
                f"MelSpec f_max {self.f_max:g} Hz is above half the sample rate "
                f"({self.sample_rate} / 2 = {self.sample_rate / 2:g} Hz)."
            )
        if self.centring == "same" and (self.n_fft < self.hop_length or (self.n_fft - self.hop_length) % 2):
            raise AudiodiffError(
                f"MelSpec with centring 'same' pads (n_fft - hop_length) / 2 = "
                f"({self.n_fft} - {self.hop_length}) / 2 samples; that must be a whole number, 0 or more."
            )


_HIFIGAN = MelSpec(magnitude_epsilon=1e-9)
_LMNT = MelSpec(
    f_min=20.0,
    f_max=11025.0,
    filterbank="htk",
    norm=None,
    log="db-lmnt",
    centring="center",
    normalized=True,
)
_WAVEGRAD = dataclasses.replace(_LMNT, n_fft=2048, hop_length=300, win_length=1200, n_mels=128)
_VOCOS = MelSpec(
    sample_rate=24000,
    n_mels=100,
    f_max=12000.0,
    filterbank="htk",
    norm=None,
    floor=1e-7,
    centring="center",
)

PRESETS: dict[str, MelSpec] = {
    "hifigan-22k": _HIFIGAN,
    "matcha-22k": dataclasses.replace(_HIFIGAN, offset=-5.536622, scale=2.116101),
    "tacotron2-22k": MelSpec(centring="center"),
    "diffwave-lmnt": _LMNT,
    "wavegrad-lmnt": _WAVEGRAD,
    "wavegrad-lmnt-24k": dataclasses.replace(_WAVEGRAD, sample_rate=24000, f_max=12000.0),
    "fastdiff-22k": MelSpec(f_min=80.0, f_max=7600.0, log="log10", floor=1e-6, centring="center", padding="constant"),
    "vocos-24k": _VOCOS,
    "vocos-24k-same": dataclasses.replace(_VOCOS, centring="same"),
    "rfwave-24k": dataclasses.replace(_VOCOS, log="log10"),
    "bigvgan-22k": dataclasses.replace(_HIFIGAN, f_max=11025.0),
    "bigvgan-24k": dataclasses.replace(_HIFIGAN, sample_rate=24000, n_mels=100, f_max=12000.0),
    "bigvgan-44k": dataclasses.replace(
        _HIFIGAN, sample_rate=44100, n_fft=2048, hop_length=512, win_length=2048, n_mels=128, f_max=22050.0
    ),
    "bigvgan-44k-256x": dataclasses.replace(_HIFIGAN, sample_rate=44100, n_mels=128, f_max=22050.0),
    "audioldm-16k": MelSpec(sample_rate=16000, hop_length=160, n_mels=64, centring="center"),
    "audioldm-48k": MelSpec(
        sample_rate=48000,
        n_fft=2048,
        hop_length=480,
        win_length=2048,
        n_mels=256,
        f_min=20.0,
        f_max=24000.0,
        centring="center",
    ),
    "riffusion-44k": MelSpec(
        sample_rate=44100,
        n_fft=17640,
        hop_length=441,
        win_length=4410,
        n_mels=512,
        f_max=10000.0,
        filterbank="htk",
        norm=None,
        log="root4",
        centring="center",
    ),
    "teticio-22k": MelSpec(
        n_fft=2048,
        hop_length=512,
        win_length=2048,
        n_mels=256,
        f_max=11025.0,
        power=2.0,
        log="db-top80",
        floor=1e-10,
        centring="center",
        padding="constant",
    ),
}


def preset(name: str) -> MelSpec:
    """Return the preset of that name.

    Raises:
        AudiodiffError: unknown name; the message lists the known ones.
    """
    if name not in PRESETS:
        raise AudiodiffError(f"Unknown mel preset {name!r}; known presets: {', '.join(PRESETS)}.")
    return PRESETS[name]


def to_dict(spec: MelSpec) -> dict[str, Any]:
    """Return the specification as plain JSON values."""
    return dataclasses.asdict(spec)


def from_dict(values: Mapping[str, Any] | str) -> MelSpec:
    """Rebuild a specification from `to_dict`'s output, or from the name of a preset.

    Raises:
        AudiodiffError: an unknown or missing key or preset, a value of the wrong type or out of range.
    """
    if isinstance(values, str):
        return preset(values)
    if not isinstance(values, Mapping):
        raise AudiodiffError(
            f"mel is {str(values)[:60]!r}; expected a table of keys and values, or the name of a preset."
        )
    names = [field.name for field in dataclasses.fields(MelSpec)]
    unknown = sorted(set(values) - set(names))
    missing = [name for name in names if name not in values]
    if unknown:
        raise AudiodiffError(f"Unknown MelSpec keys {', '.join(unknown)}; expected {', '.join(names)}.")
    if missing:
        raise AudiodiffError(f"A MelSpec needs every key, so that nothing is assumed; missing: {', '.join(missing)}.")
    hints = get_type_hints(MelSpec)
    checked: dict[str, Any] = {}
    for name in names:
        value, hint = values[name], hints[name]
        if hint is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if hint in (int, float, bool) and type(value) is not hint:
            raise AudiodiffError(f"MelSpec {name} is {value!r}; expected a value of type {hint.__name__}.")
        checked[name] = value
    return MelSpec(**checked)


def n_frames(n_samples: int, spec: MelSpec) -> int:
    """Return the number of frames that `log_mel` makes of `n_samples` samples."""
    return n_samples // spec.hop_length + (1 if spec.centring == "center" else 0)


def _hz_to_mel(hz: npt.NDArray[np.float64], scale: FilterBank) -> npt.NDArray[np.float64]:
    if scale == "htk":
        return 2595.0 * np.log10(1.0 + hz / 700.0)
    # Slaney's Auditory Toolbox: 200/3 Hz per mel up to 1 kHz, then 27 mels per factor 6.4.
    return np.where(hz < 1000.0, hz * 3.0 / 200.0, 15.0 + 27.0 * np.log(np.maximum(hz, 1.0) / 1000.0) / math.log(6.4))


def _mel_to_hz(mel: npt.NDArray[np.float64], scale: FilterBank) -> npt.NDArray[np.float64]:
    if scale == "htk":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * np.exp((mel - 15.0) * math.log(6.4) / 27.0))


@lru_cache(maxsize=32)
def _band_edges(spec: MelSpec) -> npt.NDArray[np.float64]:
    low, high = _hz_to_mel(np.array([spec.f_min, spec.f_max]), spec.filterbank)
    return _mel_to_hz(np.linspace(low, high, spec.n_mels + 2), spec.filterbank)


def _band_norm(spec: MelSpec) -> npt.NDArray[np.float64]:
    edges = _band_edges(spec)
    return 2.0 / (edges[2:] - edges[:-2]) if spec.norm == "slaney" else np.ones(spec.n_mels)


@lru_cache(maxsize=32)
def _filters(spec: MelSpec) -> npt.NDArray[np.float64]:
    edges = _band_edges(spec)
    bins = np.arange(spec.n_fft // 2 + 1) * (spec.sample_rate / spec.n_fft)
    rising = (bins[None, :] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins[None, :]) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0.0, np.minimum(rising, falling)) * _band_norm(spec)[:, None]


@lru_cache(maxsize=32)
def _filter_tensor(spec: MelSpec, device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.tensor(_filters(spec), device=device, dtype=dtype)


@lru_cache(maxsize=32)
def _inverse_tensor(spec: MelSpec, device: torch.device, dtype: torch.dtype) -> Tensor:
    # Bands narrower than a bin are linearly dependent: without a cut their pseudo-inverse explodes. On filters of
    # unit peak the cut touches no other preset (their smallest singular value is 8 % of the largest or more).
    norm = _band_norm(spec)
    inverse = np.linalg.pinv(_filters(spec) / norm[:, None], rcond=0.02) / norm[None, :]
    return torch.tensor(inverse, device=device, dtype=dtype)


@lru_cache(maxsize=32)
def _window(spec: MelSpec, device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.hann_window(spec.win_length, periodic=True, dtype=torch.float64).to(device=device, dtype=dtype)


def filterbank(spec: MelSpec) -> Tensor:
    """Return the triangular mel filters as float32 `[n_mels, n_fft // 2 + 1]`."""
    return _filter_tensor(spec, torch.device("cpu"), torch.float32).clone()


def _pad_ends(waveform: Tensor, amount: int, padding: Padding) -> Tensor:
    """Extend both ends of `[rows, n_samples]` by `amount` samples; however short the clip."""
    n_samples = waveform.shape[-1]
    if padding == "constant":
        return torch.nn.functional.pad(waveform, (amount, amount))
    if n_samples > amount:
        return torch.nn.functional.pad(waveform[:, None], (amount, amount), mode="reflect")[:, 0]
    # A short clip is mirrored again and again: the index runs up and down a period of 2 (n_samples - 1).
    period = max(2 * (n_samples - 1), 1)
    index = torch.arange(-amount, n_samples + amount, device=waveform.device).remainder(period)
    return waveform[:, torch.where(index < n_samples, index, period - index)]


def magnitude(waveform: Tensor, spec: MelSpec) -> Tensor:
    """Return the STFT magnitude on the specification's frames, before `power` and `normalized`.

    Args:
        waveform: `[..., n_samples]`, full scale 1.
        spec: the specification.

    Returns:
        `[..., n_fft // 2 + 1, n_frames]`, sqrt(re^2 + im^2 + magnitude_epsilon).

    Raises:
        AudiodiffError: the waveform is too short for one frame.
    """
    n_samples = waveform.shape[-1]
    if n_samples == 0 or n_frames(n_samples, spec) == 0:
        raise AudiodiffError(
            f"The waveform has {n_samples} samples, less than one hop of {spec.hop_length}; pad it to at least that."
        )
    # Half precision has neither the range nor an FFT for this.
    waveform = waveform if waveform.dtype == torch.float64 else waveform.float()
    amount = spec.n_fft // 2 if spec.centring == "center" else (spec.n_fft - spec.hop_length) // 2
    padded = _pad_ends(waveform.reshape(-1, n_samples), amount, spec.padding)
    spectrum = torch.stft(
        padded,
        spec.n_fft,
        spec.hop_length,
        spec.win_length,
        _window(spec, waveform.device, waveform.dtype),
        center=False,
        return_complex=True,
    )
    if spec.magnitude_epsilon > 0:
        result = (spectrum.real.square() + spectrum.imag.square() + spec.magnitude_epsilon).sqrt()
    else:
        result = spectrum.abs()
    return result.reshape(*waveform.shape[:-1], *result.shape[-2:])


def _window_gain(spec: MelSpec) -> float:
    """Factor from the plain magnitude to the one that enters the filter bank (before `power`)."""
    # The periodic Hann window's squares sum to exactly 3/8 of its length (3 samples and more).
    window = np.sin(np.pi * np.arange(spec.win_length) / spec.win_length) ** 2
    return float(1.0 / np.sqrt(np.square(window).sum())) if spec.normalized else 1.0


def magnitude_to_log_mel(magnitude: Tensor, spec: MelSpec) -> Tensor:
    """Return the log-mel `[..., n_mels, n_frames]` of an STFT magnitude `[..., n_fft // 2 + 1, n_frames]`."""
    magnitude = magnitude * _window_gain(spec) if spec.normalized else magnitude
    magnitude = magnitude if spec.power == 1.0 else magnitude**spec.power
    mel = torch.matmul(_filter_tensor(spec, magnitude.device, magnitude.dtype), magnitude)
    return _compress(mel, spec)


def log_mel(waveform: Tensor, spec: MelSpec) -> Tensor:
    """Return the log-mel spectrogram of a waveform; differentiable, float32 (float64 stays float64).

    Args:
        waveform: `[..., n_samples]` at `spec.sample_rate`, full scale 1.
        spec: the specification.

    Returns:
        `[..., n_mels, n_frames]` with `n_frames(n_samples, spec)` frames.

    Raises:
        AudiodiffError: the waveform is too short for one frame.
    """
    return magnitude_to_log_mel(magnitude(waveform, spec), spec)


def _compress(mel: Tensor, spec: MelSpec) -> Tensor:
    if spec.log == "ln":
        value = mel.clamp_min(spec.floor).log()
    elif spec.log == "log10":
        value = mel.clamp_min(spec.floor).log10()
    elif spec.log == "db-lmnt":
        value = ((20.0 * mel.clamp_min(spec.floor).log10() - 20.0 + 100.0) / 100.0).clamp(0.0, 1.0)
    elif spec.log == "db-top80":
        level = 10.0 * mel.clamp_min(spec.floor).log10()
        value = (level - level.amax(dim=(-2, -1), keepdim=True)).clamp_min(-80.0)
    else:
        value = mel.clamp_min(0.0) ** 0.25
    return value if spec.offset == 0.0 and spec.scale == 1.0 else (value - spec.offset) / spec.scale


def _expand(log_mel: Tensor, spec: MelSpec) -> Tensor:
    value = log_mel if spec.offset == 0.0 and spec.scale == 1.0 else log_mel * spec.scale + spec.offset
    if spec.log == "ln":
        return value.exp()
    if spec.log == "log10":
        return torch.pow(10.0, value)
    if spec.log == "db-lmnt":
        return torch.pow(10.0, (value * 100.0 - 80.0) / 20.0)
    if spec.log == "db-top80":
        return torch.pow(10.0, value / 10.0)
    return value.clamp_min(0.0) ** 4


def log_mel_to_mel(log_mel: Tensor, spec: MelSpec) -> Tensor:
    """Undo the log, offset and scale: mel magnitudes `[..., n_mels, n_frames]`, at the floor where it cut.

    "db-top80" has lost its level; the loudest value becomes 1.
    """
    return _expand(log_mel if log_mel.dtype == torch.float64 else log_mel.float(), spec)


def mel_to_magnitude(log_mel: Tensor, spec: MelSpec, minimum: float = 1e-5) -> Tensor:
    """Invert the filter bank by its pseudo-inverse.

    Args:
        log_mel: `[..., n_mels, n_frames]`.
        spec: the specification it was made with.
        minimum: smallest magnitude returned (the pseudo-inverse has negative ripples).

    Returns:
        Linear STFT magnitude `[..., n_fft // 2 + 1, n_frames]`, in the units of `magnitude`.
    """
    mel = log_mel_to_mel(log_mel, spec)
    linear = torch.matmul(_inverse_tensor(spec, mel.device, mel.dtype), mel)
    if spec.power != 1.0:
        linear = linear.clamp_min(0.0) ** (1.0 / spec.power)
    if spec.normalized:
        linear = linear / _window_gain(spec)
    return linear.clamp_min(minimum)


def describe(spec: MelSpec) -> str:
    """Return a one-line description, led by the name of the preset if it is one."""
    name = next((name for name, known in PRESETS.items() if known == spec), "custom")
    bands = f"{spec.n_mels} {spec.filterbank} bands {spec.f_min:g}-{spec.f_max:g} Hz, norm {spec.norm}"
    frames = f"{spec.n_fft}/{spec.hop_length}/{spec.win_length} {spec.centring} {spec.padding}"
    log = f"{spec.log} floor {spec.floor:g}, power {spec.power:g}, epsilon {spec.magnitude_epsilon:g}"
    extra = ", normalized" if spec.normalized else ""
    if spec.offset != 0.0 or spec.scale != 1.0:
        extra += f", (x - {spec.offset:g}) / {spec.scale:g}"
    return f"{name} ({spec.sample_rate} Hz, {frames}, {bands}, {log}{extra})"


@lru_cache(maxsize=64)
def _mel_bound(spec: MelSpec) -> float:
    """A mel magnitude that no waveform within full scale exceeds.

    Parseval bounds the energy of a frame's spectrum (half of it in the bins kept), Cauchy-Schwarz a band of it.
    """
    window = np.sin(np.pi * np.arange(spec.win_length) / spec.win_length) ** 2
    energy = spec.n_fft * np.square(window).sum() / 2.0 * _window_gain(spec) ** 2
    filters = _filters(spec)
    if spec.power == 2.0:
        return float(energy * filters.max())
    return float((np.sqrt(energy) * np.sqrt(np.square(filters).sum(axis=1)).max()) ** spec.power)


def _value_of(mel: float, spec: MelSpec) -> float:
    if spec.log == "db-top80":
        return 0.0
    return float(_compress(torch.tensor([[mel]], dtype=torch.float64, device="cpu"), spec))


def value_range(spec: MelSpec) -> tuple[float, float]:
    """Return the lowest and highest value that audio within full scale can give."""
    if spec.log == "db-top80":
        return (-80.0 - spec.offset) / spec.scale, -spec.offset / spec.scale
    return _value_of(0.0, spec), _value_of(_mel_bound(spec), spec)


def _clamped_at(log_mel: Tensor) -> float | None:
    """The lowest value, if it stands in the clip so often that a floor must have made it."""
    lowest = log_mel.min()
    return float(lowest) if int((log_mel == lowest).sum()) >= 4 else None


def guess_preset(log_mel: Tensor) -> tuple[str, ...]:
    """Name the presets that a log-mel of normal speech or music may have been made with, the likeliest first.

    Args:
        log_mel: `[..., n_mels, n_frames]`.

    Returns:
        Names of `PRESETS` with that many bands whose values can be such; presets with equal values (the same
        recipe on other frames) follow one another. Empty if none fits.
    """
    if log_mel.ndim < 2 or log_mel.numel() == 0 or not bool(torch.isfinite(log_mel).all()):
        return ()
    values = log_mel.double()
    lowest, highest, clamp = float(values.min()), float(values.max()), _clamped_at(values)
    scores: dict[str, float] = {}
    for name, spec in PRESETS.items():
        low, high = value_range(spec)
        tolerance = 1e-4 * max(1.0, abs(low))
        if spec.n_mels != log_mel.shape[-2] or lowest < low - tolerance or highest > high + tolerance:
            continue
        at_floor = clamp is not None and abs(clamp - low) <= tolerance
        if clamp is not None and not at_floor and spec.log != "root4":
            # Repeated lowest values that are not this recipe's floor were made by another.
            continue
        if spec.log == "db-top80":
            scores[name] = 10.0 * abs(highest - high)
            continue
        # Loud speech reaches about a sixth of the bound; a clip spans some 11 nepers from peak to pause.
        peak = math.log(max(float(_expand(values.max(), spec)), 1e-30))
        pause = math.log(max(float(_expand(values.min(), spec)), 1e-30))
        scores[name] = abs(peak - math.log(_mel_bound(spec)) + 1.8) + abs(peak - pause - 11.0) / 3.0
        scores[name] -= 10.0 if at_floor else 0.0
    return tuple(sorted(scores, key=lambda name: scores[name]))


def check_mel(log_mel: Tensor, spec: MelSpec) -> None:
    """Refuse a log-mel that cannot have been made with `spec`.

    Args:
        log_mel: `[..., n_mels, n_frames]`.
        spec: what a model expects.

    Raises:
        AudiodiffError: wrong number of bands, no frames, values that are not finite, out of range, or clearly of
            another scale; the message names the specification and the likely preset.
    """
    shape = list(log_mel.shape)
    if log_mel.ndim < 2 or shape[-2] != spec.n_mels:
        hint = ""
        if log_mel.ndim >= 2 and shape[-1] == spec.n_mels:
            hint = "; it looks transposed, swap its last two axes"
        raise AudiodiffError(
            f"The mel has shape {shape}; expected [..., {spec.n_mels}, n_frames] for {describe(spec)}{hint}."
        )
    if log_mel.numel() == 0:
        raise AudiodiffError(f"The mel has shape {shape}: no frames; expected at least one.")
    if not bool(torch.isfinite(log_mel).all()):
        raise AudiodiffError("The mel has values that are not numbers or infinite; compute it again.")
    low, high = value_range(spec)
    lowest, highest = float(log_mel.min()), float(log_mel.max())
    # Predicted mels overshoot a little, those of another recipe a lot.
    slack = 0.15 * (high - low)
    quietest = _value_of(_mel_bound(spec) / 50.0, spec)
    loudest = _value_of(_mel_bound(spec) / math.e, spec)
    neper = _value_of(_mel_bound(spec) / math.e, spec) - _value_of(_mel_bound(spec) / math.e**2, spec)
    clamp = _clamped_at(log_mel)
    guesses = guess_preset(log_mel)
    problem = ""
    if lowest < low - slack or highest > high + slack:
        problem = f"values from {lowest:.3g} to {highest:.3g} where {low:.3g} to {high:.3g} is possible"
    elif spec.log != "db-top80" and lowest > quietest:
        problem = f"no value below {lowest:.3g}, so that every band of every frame would be loud"
    elif spec.log not in ("db-top80", "root4") and highest > loudest and lowest > loudest - 6.0 * neper:
        problem = f"all values from {lowest:.3g} to {highest:.3g}, as loud as can be and almost without pauses"
    elif clamp is not None and clamp > low + 0.01 * (high - low) and guesses:
        floor = value_range(PRESETS[guesses[0]])[0]
        if abs(clamp - floor) <= 1e-4 * max(1.0, abs(floor)) and PRESETS[guesses[0]].log != "root4":
            problem = f"a floor at {clamp:.4g} where this recipe's is {low:.4g}"
    if problem:
        likely = [name for name in guesses if PRESETS[name] != spec]
        hint = f"it looks like {' or '.join(likely[:2])}" if likely else "no known preset has such values"
        raise AudiodiffError(
            f"The mel does not fit {describe(spec)}: {problem}; {hint}. Compute it with the expected recipe."
        )


# What may differ between two specifications for an exact conversion.
_CONVERTIBLE = ("log", "floor", "offset", "scale", "norm", "normalized")


def convert_log_mel(
    log_mel: Tensor, source: MelSpec, target: MelSpec, *, at_floor: Literal["refuse", "keep"] = "refuse"
) -> Tensor:
    """Turn a log-mel of one specification into that of another where this is exact.

    Exact are: another log (ln, log10, dB, root), an affine map, a lower or higher floor, the other band
    normalisation and the window's normalisation, all on the same frames, bands and magnitudes.

    Args:
        log_mel: `[..., n_mels, n_frames]` made with `source`.
        source: its specification.
        target: the wanted specification.
        at_floor: values that `source` has cut off (at its floor, or at the ends of "db-lmnt") and `target` would
            show are unknown: "refuse" them, or "keep" them at the value of the cut.

    Returns:
        `[..., n_mels, n_frames]`.

    Raises:
        AudiodiffError: not exact; the message says which fields differ and names both specifications.
    """
    both = f"from {describe(source)} to {describe(target)}"
    fixed = [field.name for field in dataclasses.fields(MelSpec) if field.name not in _CONVERTIBLE]
    differing = [name for name in fixed if getattr(source, name) != getattr(target, name)]
    if differing:
        shown = ", ".join(f"{name} {getattr(source, name)} -> {getattr(target, name)}" for name in differing)
        raise AudiodiffError(
            f"A mel cannot be converted {both}: {shown} cannot be changed afterwards; compute it with the target."
        )
    if log_mel.ndim < 2 or log_mel.shape[-2] != source.n_mels:
        raise AudiodiffError(
            f"The mel has shape {list(log_mel.shape)}; expected [..., {source.n_mels}, n_frames] for {both}."
        )
    if source == target:
        return log_mel
    if source.log == "db-top80":
        raise AudiodiffError(f"A mel cannot be converted {both}: its level is relative to its own maximum.")
    wide = log_mel.double()
    gain = (_window_gain(target) / _window_gain(source)) ** source.power
    bands = torch.tensor(_band_norm(target) / _band_norm(source) * gain, device=wide.device)[:, None]
    mel = _expand(wide, source) * bands
    if at_floor == "refuse" and target.log != "db-top80":
        lost = _cut_off(wide, source, lowest=True) & (mel > _lowest_mel(target) * (1.0 + 1e-6))
        lost |= _cut_off(wide, source, lowest=False) & (mel < _highest_mel(target) * (1.0 - 1e-6))
        if bool(lost.any()):
            raise AudiodiffError(
                f"A mel cannot be converted exactly {both}: {int(lost.sum())} values lie where the source was cut "
                "off and the target is not; compute it with the target."
            )
    return _compress(mel, target).to(log_mel.dtype)


def _lowest_mel(spec: MelSpec) -> float:
    """Mel magnitudes up to this one give the same, lowest value."""
    if spec.log == "root4":
        return 0.0
    return max(spec.floor, 1e-4) if spec.log == "db-lmnt" else spec.floor


def _highest_mel(spec: MelSpec) -> float:
    return 10.0 if spec.log == "db-lmnt" else math.inf


def _cut_off(log_mel: Tensor, spec: MelSpec, *, lowest: bool) -> Tensor:
    mel = _lowest_mel(spec) if lowest else _highest_mel(spec)
    if mel in (0.0, math.inf):
        return torch.zeros_like(log_mel, dtype=torch.bool)
    value = _value_of(mel, spec)
    tolerance = 1e-6 * max(1.0, abs(value))
    return log_mel <= value + tolerance if lowest else log_mel >= value - tolerance
