"""A clip brought to another tempo, its pitch kept: the phase vocoder, with the phases of a peak locked to each other.

On ten clips at 0.75 to 1.5 times their speed its log-mel is 0.10 nepers from the original's scaled in time; that of
librosa's phase vocoder 0.39, of the scaled latents, decoded, 0.40, and of the scaled log-mel, vocoded, 0.19
(docs/music-experiments.md).
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.plain_numbers import make_plain
from audiodiff.synthesis.settings import MAX_SECONDS, check_range, check_tempo
from audiodiff.synthesis.verb import CLIP, Say, Values, Verb, clipped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audiodiff.synthesis.clip import Clip, OnEstimate, OnProgress, Sound, Waveform
    from audiodiff.synthesis.source import Source

SLOWEST, FASTEST = 0.25, 4.0
NOTHING = "nothing says how fast the clip is to be; give a tempo (--tempo) or a factor (--factor)."
FRAME_SECONDS = 0.046
OVERLAP = 4


@dataclass(frozen=True)
class StretchSettings:
    """Settings of a clip brought to another tempo.

    Attributes:
        tempo: beats per minute to bring the clip to; as the factor says when `None`.
        from_tempo: beats per minute that the clip has; what it was made with, if it tells, else an
            estimate, when `None`.
        factor: how many times as fast it becomes, from 0.25 to 4, instead of a tempo; given by the tempos when
            `None`.
    """

    tempo: float | None = None
    from_tempo: float | None = None
    factor: float | None = None

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            AudiodiffError: a field is out of range, or they say the same in two ways.
        """
        make_plain(self)
        check_tempo(self.tempo)
        check_range("from_tempo", self.from_tempo, 10.0, 400.0, "beats per minute")
        check_range("factor", self.factor, SLOWEST, FASTEST, "(below 1 is slower)")
        if self.factor is not None and (self.tempo is not None or self.from_tempo is not None):
            raise AudiodiffError("factor says by itself how much faster the clip becomes; leave the tempos out.")
        if self.tempo is not None and self.from_tempo is not None:
            self.speed()

    def speed(self) -> float:
        """Return how many times as fast the clip becomes.

        Raises:
            AudiodiffError: it is too much, or not known.
        """
        if self.factor is not None:
            return self.factor
        if self.tempo is None or self.from_tempo is None:
            raise AudiodiffError(NOTHING)
        speed = self.tempo / self.from_tempo
        if not SLOWEST <= speed <= FASTEST:
            raise AudiodiffError(
                f"from {self.from_tempo:g} to {self.tempo:g} bpm is {speed:.3g} times as fast; expected {SLOWEST:g} to "
                f"{FASTEST:g}."
            )
        return speed

    def values(self) -> dict[str, Any]:
        """Return the settings as a file keeps them."""
        return asdict(self)


def complete(values: Values, sources: Sequence["Source"], say: Say) -> Values:
    """Take the tempo that a clip was made with.

    Raises:
        AudiodiffError: neither tempo nor factor is given.
    """
    if "tempo" not in values and "factor" not in values:
        raise AudiodiffError(NOTHING)
    record = sources[0].record
    tempo = None if record is None else record.settings.get("tempo")
    if "tempo" not in values or "from_tempo" in values or not isinstance(tempo, int | float):
        return values
    say(f"the tempo of {sources[0].path.name} is {tempo:g} bpm, as it tells")
    return {**values, "from_tempo": tempo}


def settle(synthesizer: object, settings: StretchSettings, sources: Sequence["Source"]) -> StretchSettings:
    """Estimate the tempo that the clip has, where nothing says it.

    Raises:
        AudiodiffError: it has none, or one too far from the tempo that is asked for.
    """
    return with_tempo(settings, sources[0].audio.waveform, sources[0].audio.sample_rate)


def with_tempo(settings: StretchSettings, waveform: "Waveform", sample_rate: int) -> StretchSettings:
    """Return settings with the tempo of a clip, of the octaves of its estimate the one that needs the least stretching.

    Args:
        settings: what was asked for.
        waveform: `[n_samples]` or `[channels, n_samples]`.
        sample_rate: Hz.

    Raises:
        AudiodiffError: as `settle`.
    """
    import numpy as np

    from audiodiff.metrics.music import tempo

    if settings.tempo is None or settings.from_tempo is not None:
        return settings
    found: float = tempo(np.atleast_2d(np.asarray(waveform, dtype=np.float32)).mean(axis=0), sample_rate)
    if not math.isfinite(found):
        raise AudiodiffError(
            "the clip is silence, or has no onsets that tell its tempo; give it (--from-tempo), or a factor (--factor)."
        )
    target = settings.tempo
    nearest: float = min((found / 2, found, 2 * found), key=lambda each: abs(math.log(each / target)))
    return replace(settings, from_tempo=round(nearest, 3))


def make(
    synthesizer: object,
    sounds: Sequence["Sound"],
    settings: StretchSettings,
    resolved: StretchSettings,
    on_progress: "OnProgress | None" = None,
    on_estimate: "OnEstimate | None" = None,
) -> "Clip":
    """Bring a clip to another tempo.

    Args:
        synthesizer: not used.
        sounds: the clip.
        settings: what was asked for.
        resolved: the same.
        on_progress: called with the frames done and the frames in all.
        on_estimate: not called.

    Returns:
        As many channels as the clip, at its rate, `round(n_samples / speed)` samples.

    Raises:
        AudiodiffError: no tempo is known, the clip cannot be used, or the result would be too long.
    """
    from audiodiff.synthesis.arrays import check_rate, waveform_tensor
    from audiodiff.synthesis.clip import Clip

    rate, samples = check_rate(sounds[0][1]), waveform_tensor(sounds[0][0]).numpy()
    speed = with_tempo(settings, samples, rate).speed()
    if samples.shape[-1] > speed * MAX_SECONDS * rate:
        raise AudiodiffError(
            f"the result would last {samples.shape[-1] / speed / rate:.0f} s; at most {MAX_SECONDS:g} s can be made."
        )
    made, notes = stretched(samples, rate, speed, on_progress), []
    peak = float(abs(made).max())
    if peak > max(1.0, float(abs(samples).max())):
        made /= peak
        notes.append("it was made softer, since its peaks would be beyond full scale")
    waveform = made[0] if len(made) == 1 else made
    return Clip(waveform, rate, seed=0, gain_db=0.0, clipped=int((abs(made) > 1.0).sum()), notes=tuple(notes))


def stretched(
    samples: "NDArray[np.float32]", rate: int, speed: float, on_progress: "OnProgress | None" = None
) -> "NDArray[np.float32]":
    """Change the speed of a recording and keep its pitch.

    A phase vocoder (Flanagan and Golden 1966) whose bins turn with the peak that they belong to (identity phase
    locking, Laroche and Dolson 1999), by the same angle in every channel, so that what is heard from where stays.

    Args:
        samples: `[channels, n_samples]`.
        rate: Hz.
        speed: how many times as fast, above 0.
        on_progress: called with the frames done and the frames in all.

    Returns:
        `[channels, round(n_samples / speed)]`.
    """
    import numpy as np

    size = 2 ** max(6, round(math.log2(FRAME_SECONDS * rate)))
    hop, n_output = size // OVERLAP, max(1, round(samples.shape[-1] / speed))
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(size) / size)
    last = -(-samples.shape[-1] // hop) + OVERLAP // 2  # the last frame that reaches into it
    padded = np.pad(samples.astype(np.float64), ((0, 0), (size // 2, (last + 2) * hop + size - samples.shape[-1])))

    def frame(index: int) -> "NDArray[np.complex128]":
        return np.fft.rfft(window * padded[:, index * hop : index * hop + size])

    n_frames = n_output // hop + OVERLAP
    result = np.zeros((len(samples), n_frames * hop + size))
    weight = np.full(n_frames * hop + size, 1e-9)
    at, here, there = 0, frame(0), frame(1)
    turned = np.zeros(size // 2 + 1)
    for index in range(n_frames):
        position = min(index * speed, float(last))
        if index:
            turned += _advance(here, there)
        while at < int(position):
            turned -= _advance(here, there)
            at, here, there = at + 1, there, frame(at + 2)
        turned = turned[_peak_of(np.abs(here).sum(axis=0))]
        between = position - at
        size_here = np.abs(here)
        magnitude = (1.0 - between) * size_here + between * np.abs(there)
        spectrum = magnitude * here / np.maximum(size_here, 1e-12) * np.exp(1j * turned)
        part = slice(index * hop, index * hop + size)
        result[:, part] += window * np.fft.irfft(spectrum)
        weight[part] += window**2
        if on_progress is not None and index % 64 == 0:
            on_progress(index, n_frames)
    found: NDArray[np.float32] = (result / weight)[:, size // 2 : size // 2 + n_output].astype(np.float32)
    return found


def _advance(here: "NDArray[np.complex128]", there: "NDArray[np.complex128]") -> "NDArray[np.float64]":
    """Angles by which the bins turn from one frame to the next, of all channels together."""
    import numpy as np

    found: NDArray[np.float64] = np.angle((there * here.conj()).sum(axis=0))
    return found


def _peak_of(magnitude: "NDArray[np.float64]") -> "NDArray[np.int64]":
    """The peak that every bin belongs to: the nearest; each bin is one where there is none."""
    import numpy as np

    windows = np.lib.stride_tricks.sliding_window_view(np.pad(magnitude, 2), 5)
    peaks = np.flatnonzero((magnitude > 0.0) & (magnitude >= windows.max(axis=1)))
    bins = np.arange(len(magnitude))
    if not len(peaks):
        return bins
    found: NDArray[np.int64] = peaks[np.searchsorted((peaks[1:] + peaks[:-1]) / 2.0, bins)]
    return found


def resolve(synthesizer: object, settings: StretchSettings) -> StretchSettings:
    """Return the settings, of which nothing is left to a model."""
    return settings


def summary(report: Any) -> str:
    """Say how much faster it became."""
    used, channels = report.settings, "" if report.channels == 1 else f", {report.channels} channels"
    tempos = "" if used.tempo is None else f", from {used.from_tempo:g} to {used.tempo:g} bpm"
    return f"{channels}{tempos}, {used.speed():.4g} times as fast, {report.elapsed:.1f} s of work{clipped(report)}"


VERB = Verb(
    "stretch",
    StretchSettings,
    make,
    help="bring a clip to another tempo, at the same pitch",
    description=(
        "Bring a clip to another tempo, or make it slower or faster by a factor; its pitch stays. It needs no model."
    ),
    doing="stretching",
    arguments=(CLIP,),
    output="CLIP-stretch.wav, here",
    model="",
    loader="audiodiff.synthesis.load:no_model",
    n_models=0,
    complete=complete,
    settle=settle,
    resolve=resolve,
    summary=summary,
)
