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

from audiodiff.errors import AudiodiffError

FilterBank = Literal["slaney", "htk"]
Log = Literal["ln", "log10", "db-lmnt", "db-top80", "root4"]
Centring = Literal["center", "same"]
Padding = Literal["reflect", "constant"]

# Log-mel values of 16-bit audio stay below this mel magnitude (a full-scale square wave through any preset).
_LARGEST_MEL = 1e3


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
        for name in ("sample_rate", "n_fft", "hop_length", "win_length", "n_mels"):
            if getattr(self, name) < 1:
                raise AudiodiffError(f"MelSpec {name} is {getattr(self, name)}; expected 1 or more.")
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
        if self.floor <= 0 or self.scale <= 0 or self.power <= 0 or self.magnitude_epsilon < 0:
            raise AudiodiffError(
                "MelSpec floor, scale and power must be above 0 and magnitude_epsilon 0 or more; got "
                f"{self.floor}, {self.scale}, {self.power} and {self.magnitude_epsilon}."
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
    return torch.tensor(np.linalg.pinv(_filters(spec)), device=device, dtype=dtype)


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
