"""A loop made out of a clip: cut to bars, and led from its end into its beginning."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.edit_settings import TAKES, as_it_comes, check_no_loop, check_number
from audiodiff.synthesis.plain_numbers import make_plain
from audiodiff.synthesis.settings import (
    MAX_SECONDS,
    MIN_SECONDS,
    GenerateSettings,
    bar_seconds,
    check_bars,
)
from audiodiff.synthesis.verb import Say, Values, Verb, summary_of_clip, with_prompts
from audiodiff.synthesis.verbs import inpaint

if TYPE_CHECKING:
    from audiodiff.signal.audio_io import AudioInfo
    from audiodiff.synthesis.clip import Clip, OnEstimate, OnProgress, Sound
    from audiodiff.synthesis.latent import LatentSynthesizer
    from audiodiff.synthesis.resolved import ResolvedClip
    from audiodiff.synthesis.source import Source

MOST_ADDED = 0.15
"""Bars are filled up with new sound if no more than this share of the clip is missing."""

MIN_NEW, MAX_NEW = 0.1, 4.0


@dataclass(frozen=True)
class LoopSettings:
    """Settings of a loop made out of a clip.

    Attributes:
        bars: bars of four beats, at exactly the tempo; 1, 2, 4, 8, ..., as the clip has, where a little may be missing,
            when `None`. A clip without a tempo, or shorter than a bar, is looped as long as it is.
        clip: prompt, seed, sampler and the rest; its `tempo` is that of the clip, its `level` as of `ExtendSettings`.
        start: where in the clip the loop begins (s).
        new: how much is new where the end leads into the beginning (s); all else is kept sample for sample.
    """

    bars: int | None = None
    clip: GenerateSettings = field(default_factory=as_it_comes)
    start: float = 0.0
    new: float = 0.4

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            AudiodiffError: a field is out of range.
        """
        make_plain(self)
        check_no_loop(self.clip)
        check_bars(self.bars, 1)
        check_number("start", self.start, 0.0, MAX_SECONDS, "s")
        check_number("new", self.new, MIN_NEW, MAX_NEW, "s")


def make(
    synthesizer: "LatentSynthesizer",
    sounds: Sequence["Sound"],
    settings: LoopSettings,
    clip: "ResolvedClip",
    on_progress: "OnProgress | None" = None,
    on_estimate: "OnEstimate | None" = None,
) -> "Clip":
    """Loop a clip: it is turned by half, so that its end comes before its beginning, and inpainted between them.

    Args:
        synthesizer: the model.
        sounds: the clip.
        settings: bars, start, and how much is new.
        clip: prompt, seed and the rest, resolved.
        on_progress: called with the steps done and the steps in all.
        on_estimate: not called.

    Returns:
        As many channels as the clip, at its rate, the exact length of the bars.

    Raises:
        AudiodiffError: the clip is too short for what is asked for, or cannot be used.
    """
    import torch

    from audiodiff.signal.resample import resample
    from audiodiff.synthesis.arrays import check_rate, waveform_tensor
    from audiodiff.synthesis.loop import seam_score

    waveform, rate = waveform_tensor(sounds[0][0]), check_rate(sounds[0][1])
    part = waveform[:, round(settings.start * rate) :]
    bars = _bars(settings.bars, clip.beat, part.shape[-1] / rate)
    n_samples = part.shape[-1] if bars is None or clip.beat is None else round(bars * bar_seconds(clip.beat) * rate)
    missing, half, side = max(0, n_samples - part.shape[-1]), n_samples // 2, round(settings.new / 2.0 * rate)
    if n_samples < MIN_SECONDS * rate or part.shape[-1] - (n_samples - half) < side or half < side:
        raise AudiodiffError(
            f"the clip has {part.shape[-1] / rate:.2f} s from {settings.start:g} s on, too few for a loop of "
            f"{n_samples / rate:.2f} s with {settings.new:g} s of it new; choose fewer bars, or an earlier start."
        )
    part = torch.nn.functional.pad(part[:, :n_samples], (0, missing))
    turned = part.roll(half, dims=-1)
    region = ((half - missing - side) / rate, (half + side) / rate)
    fill = inpaint.InpaintSettings((region,), settings.clip, crossfade=min(0.05, settings.new / 4.0))
    made = inpaint.make(synthesizer, [(turned, rate)], fill, clip, on_progress, on_estimate)
    loop = torch.as_tensor(made.waveform).roll(-half, dims=-1)
    seam = seam_score(resample(loop.mean(dim=0), rate, synthesizer.sample_rate), synthesizer.model.mel_spec)
    notes = list(made.notes)
    if bars is None:
        why = "the tempo of the clip is not known" if clip.beat is None else f"a bar at {clip.beat:g} bpm is longer"
        notes.append(f"{why}, so all of the clip is looped, whatever its beat; --tempo says how fast it is")
    shown = loop if sounds[0][0].ndim == 2 else loop[0]
    told = (*notes, *seam.notes)
    new = ((0, side), (n_samples - missing - side, n_samples))
    # without latents, which begin elsewhere
    return replace(made, waveform=shown.numpy(), notes=told, seam=seam.ratio, latents=None, new=new)


def _bars(wanted: int | None, tempo: float | None, seconds: float) -> int | None:
    """The bars of a loop of a clip of so many seconds; `None` if they have no length, or the clip has less than one.

    Raises:
        AudiodiffError: some are wanted, but there is no tempo.
    """
    if tempo is None and wanted is not None:
        raise AudiodiffError("bars cannot be made without a tempo; give that of the clip with --tempo.")
    if tempo is None or wanted is not None:
        return wanted
    if bar_seconds(tempo) > (1.0 + MOST_ADDED) * seconds:
        return None
    bars = 1
    while 2 * bars * bar_seconds(tempo) <= (1.0 + MOST_ADDED) * seconds:
        bars *= 2
    return bars


def complete(values: Values, sources: Sequence["Source"], say: Say) -> Values:
    """Take the prompt and the tempo that a clip was made with."""
    values = with_prompts(values, sources, say)
    record = sources[0].record
    tempo = None if record is None else record.settings.get("tempo")
    if "tempo" in values or not isinstance(tempo, int | float) or isinstance(tempo, bool):
        return values
    say(f"the tempo of {sources[0].path.name} is {tempo:g} bpm, as it tells")
    return {**values, "tempo": tempo}


def new_seconds(settings: LoopSettings, info: "AudioInfo") -> float:
    """Return how much sound is made at most, all channels together (s)."""
    return (settings.new + MOST_ADDED * info.seconds) * info.channels


def summary(report: Any) -> str:
    """Say what is new."""
    return summary_of_clip(report, f"{report.settings.new:g} s new where its end leads into its beginning")


VERB = Verb(
    "loop",
    LoopSettings,
    make,
    help="make a loop out of a clip",
    description=(
        "Make a loop out of a clip: whole bars at exactly its tempo, with new sound where the end leads into the "
        "beginning. Rate, channels and all other samples are kept."
    ),
    doing="looping",
    hidden=("level", "fade_out", *TAKES),
    from_input=("loop", "seconds", "mono"),
    output="CLIP-loop.wav, here",
    keeps_samples=True,
    complete=complete,
    new_seconds=new_seconds,
    summary=summary,
)
