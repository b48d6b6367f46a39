"""What decides the numbers of a log-mel spectrogram: one frozen specification, and named presets of it."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

from audiodiff.bounds import check_bounds
from audiodiff.errors import AudiodiffError

__all__ = [
    "PRESETS",
    "Centring",
    "FilterBank",
    "Log",
    "MelSpec",
    "Padding",
    "describe",
    "from_dict",
    "n_frames",
    "preset",
    "to_dict",
]

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
