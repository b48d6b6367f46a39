"""What the buttons do, as plain functions: no Gradio here, and nothing that a test could not call.

Every handler that computes takes `report`, which it calls with what there is to show; what that raises stops the work
at the next step. Arguments are called as on the command line.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import read_audio
from audiodiff.synthesis.clip import OnEstimate, OnProgress
from audiodiff.synthesis.files import FileReport, run_file
from audiodiff.synthesis.settings import MAX_BARS, MAX_SEED, MAX_TIME, GenerateSettings, built
from audiodiff.synthesis.subtitles import Caption
from audiodiff.synthesis.verbs import VERBS
from audiodiff.text.prompt import parse_prompt

from . import checks
from .app_state import AppState
from .capabilities import LatentMel
from .jobs import Job, Stopped, User
from .limits import Limits
from .pictures import PreviewBudget, mel_image, sound_mel
from .said import Said, counted, said

Result = TypeVar("Result")

REPORT_SECONDS = 0.5
"""How often progress is reported (s): the browser works through the whole page with every message."""


@dataclass(frozen=True)
class ClipResult:
    """A clip that was made.

    Attributes:
        path: its file, with the record of how it was made.
        seed: of its noise.
        seconds: its length.
        sample_rate: Hz.
        elapsed: seconds of work.
        notes: sentences about what was not done as asked.
        picture: its log-mel.
        seam: of a loop, how abrupt its seam is; up to about 1 nobody hears it.
        captions: of speech, what is said when.
        phonemes: of speech, what is said.
    """

    path: Path
    seed: int
    seconds: float
    sample_rate: int
    elapsed: float
    notes: tuple[str, ...]
    picture: Image.Image
    seam: float | None = None
    captions: Sequence[Caption] = ()
    phonemes: str = ""

    @property
    def subtitles(self) -> Path | None:
        """The subtitles beside the file; `None` if there are none."""
        path = self.path.with_suffix(".srt")
        return path if self.captions and path.is_file() else None


@dataclass(frozen=True)
class Update:
    """What there is to show while a job runs.

    Attributes:
        text: how far it is.
        fraction: the same as a number from 0 to 1.
        index: clip that `preview` and `made` are of, counted from 0.
        preview: what the clip seems to become.
        made: the finished clip.
    """

    text: str | Said
    fraction: float
    index: int = 0
    preview: Image.Image | None = None
    made: ClipResult | None = None


Report = Callable[[Update], None]


@dataclass(frozen=True)
class Created:
    """What a generation came to.

    Attributes:
        clips: those that were finished.
        stopped: whether it was stopped before the last.
    """

    clips: tuple[ClipResult, ...]
    stopped: bool


@dataclass(frozen=True)
class Compared:
    """A recording and what became of it.

    Attributes:
        original: what went in, at the rate of what came out; `None` if there is no sound of it.
        path: what came out, with the record of how it was made.
        pictures: of both, in the same colours.
        figures: name -> number or text.
    """

    original: Path | None
    path: Path
    pictures: tuple[Image.Image, Image.Image]
    figures: dict[str, Any]


class ProgressReporter:
    """Tells how far a job is and how long it will take, a few times a second."""

    def __init__(self, job: Job, report: Report, clock: Callable[[], float] = time.perf_counter) -> None:
        """Watch a job.

        Args:
            job: asked at every step whether to stop.
            report: called with what there is to say.
            clock: tells the seconds.
        """
        self._job = job
        self._report = report
        self._clock = clock
        self._worked = 0.0
        self._began = clock()
        self._said = float("-inf")

    def begin(self) -> None:
        """Start the clock of a turn: time in the queue tells nothing of the speed."""
        self._job.check()
        self._began = self._clock()

    def end(self) -> None:
        """Stop the clock of a turn."""
        self._worked += self._clock() - self._began

    def say(self, text: str | Said, fraction: float) -> None:
        """Report where the work is, unless that was done just now.

        Raises:
            Stopped: the job was stopped.
        """
        self._job.check()
        now = self._clock()
        if now - self._said < REPORT_SECONDS:
            return
        self._said = now
        worked = self._worked + now - self._began
        if fraction >= 0.02 and worked >= 1.0:
            text = said("{doing}, {left} left", doing=text, left=_duration(worked * (1.0 - fraction) / fraction))
        self._report(Update(text, fraction))


@dataclass(frozen=True)
class ClipRequest:
    """What every command that makes clips takes, called as on the command line, and not checked yet.

    Attributes:
        prompt: what to hear; `None` is what the clip to edit was made from, if it tells.
        negative: what to avoid.
        count: clips, with the seeds `seed`, `seed + 1`, ...
        seed: of the first clip.
        steps, guidance, rescale, tempo, key, chords, source, sampler, grid, vocoder_steps, precision, guidance_hold: as
            in `GenerateSettings`; an empty field is the model's own.
        level, fade_out: as in `GenerateSettings`; an empty field is what is usual for the command.
        mono: whether the clip of a stereo model is mixed to one channel.
        format: of the files to write, one of `FORMATS`.
        watermark: whether the samples get the inaudible mark.
    """

    prompt: str | None = ""
    negative: str | None = ""
    count: float = 1
    seed: float | None = 0
    steps: float | None = None
    guidance: float | None = None
    rescale: float | None = None
    tempo: float | str | None = None
    key: str | None = ""
    chords: str | None = ""
    source: str | None = ""
    sampler: str | None = None
    grid: str | None = None
    vocoder_steps: float | None = None
    precision: str | None = None
    level: str | None = None
    fade_out: float | None = None
    mono: bool = False
    format: str = "flac"
    watermark: bool = True
    guidance_hold: float | None = None

    @classmethod
    def taken(cls, given: dict[str, Any]) -> "ClipRequest":
        """Take what is asked for out of arguments by name."""
        return cls(**{name: given.pop(name) for name in cls.__dataclass_fields__ if name in given})

    def values(self, limits: Limits) -> dict[str, Any]:
        """Return the settings of the first clip by name, without those that are left to the verb or the model.

        Args:
            limits: what may be asked for.

        Raises:
            AudiodiffError: a field is out of range.
        """
        count = checks.check_count(self.count)
        prompt = None if self.prompt is None else checks.check_prompt(limits, "prompt", self.prompt)
        negative = checks.check_prompt(limits, "negative prompt", self.negative)
        for text in (prompt or "", negative):
            parse_prompt(text)
        if self.seed is None:
            raise AudiodiffError('enter a variation number (a whole number), or tick "Different every time".')
        words = ("key", "source", "sampler", "grid", "precision", "level")
        for name in words:
            checks.check_word(name, getattr(self, name))
        found = {
            "prompt": prompt,
            "negative": negative,
            "seed": checks.whole("seed", self.seed, 0, MAX_SEED - count),
            "steps": checks.whole_or_none("steps", self.steps, 1, limits.steps),
            "vocoder_steps": checks.whole_or_none("vocoder_steps", self.vocoder_steps, 1, limits.steps),
            "guidance": checks.number_or_none("guidance", self.guidance, 0.0, 100.0),
            "rescale": checks.number_or_none("rescale", self.rescale, 0.0, 1.0),
            "guidance_hold": checks.number_or_none("guidance_hold", self.guidance_hold, 0.0, MAX_TIME),
            "tempo": checks.number_or_none("tempo", self.tempo, 10.0, 400.0),
            "chords": checks.check_chords(self.chords),
            "fade_out": checks.number_or_none("fade_out", self.fade_out, 0.0, limits.seconds),
            **{name: getattr(self, name) or None for name in (*words, "mono")},
        }
        return {name: value for name, value in found.items() if value is not None}


def generate(
    state: AppState,
    report: Report,
    *,
    user: User | str,
    request: ClipRequest,
    seconds: float | None = None,
    loop: bool = False,
    bars: float | str | None = None,
    variety: float | None = 0.0,
    prior: bool = False,
    idea: float | str | None = None,
    reference: str | Path | None = None,
) -> Created:
    """Make clips from a prompt; what is finished when the job is stopped stays.

    Args:
        state: the demo.
        report: called with what there is to show.
        user: who asks.
        request: prompt, seed and the rest.
        seconds: length of each clip (s); 10 when `None`, or as much as is allowed.
        loop: whether the end of each leads into its beginning.
        bars: length of loops in bars of four beats, instead of seconds.
        variety: how far the clips differ, 0 to 1.
        prior: whether the clips are variations of one idea, for a model that has a prior.
        idea: seed of that idea; the seed of the first clip when `None`.
        reference: a sound file to sound like, for a model that was trained for it.

    Raises:
        AudiodiffError: an argument is out of range, the reference cannot be used, or the user has too many jobs.
    """
    synthesizer, (verb, _) = state.models.require_generator(), state.models.clip_verb("generate")
    source = checks.check_upload(state.limits, reference) if reference else None
    length = checks.check_seconds(state.clip_limits, seconds)
    jobs, mel = [], state.models.capabilities.mel
    n_bars = checks.whole_or_none("bars", bars, 1, MAX_BARS)
    differ = checks.number_or_none("variety", variety, 0.0, 1.0) or 0.0
    own = {"seconds": length, "loop": bool(loop or n_bars), "bars": n_bars, "variety": differ}
    own |= {"prior": bool(prior), "idea": checks.whole_or_none("idea", idea, 0, MAX_SEED)}
    values = {**request.values(state.limits), **own}
    for index in range(int(request.count)):
        settings = built(GenerateSettings, verb.variant(values, index, int(request.count))[1])
        if n_bars:
            length = verb.resolve(synthesizer, settings).seconds
            checks.check_new(state.limits, length)
        name = f"{slug(settings.prompt)}{'-loop' if settings.loop else ''}-seed{settings.sampling.seed}"
        given = [] if source is None else [source]
        make = partial(write, "generate", synthesizer, given, settings, watermark=bool(request.watermark))
        steps = settings.sampling.steps or synthesizer.defaults.steps
        jobs.append(ClipJob(name, make, mel, steps=steps, seconds=length))
    return make_all(state, report, user, jobs, request.format, sources=[] if source is None else [source])


def write(
    verb: str,
    synthesizer: Any,
    sources: Sequence[Path],
    settings: Any,
    target: Path,
    on_progress: OnProgress,
    on_estimate: OnEstimate,
    bits: int | None,
    *,
    watermark: bool,
) -> FileReport:
    """Do what a verb does, into a file; what belongs beside it is written, too."""
    told = run_file(
        verb,
        synthesizer,
        sources,
        target,
        settings,
        bits=bits,
        on_progress=on_progress,
        on_estimate=on_estimate,
        watermark=watermark,
    )
    VERBS[verb].finish(told)
    return told


@dataclass(frozen=True)
class ClipJob:
    """A clip to make.

    Attributes:
        name: of its file, without the ending.
        make: `make(target, on_progress, on_estimate, bits)` writes it.
        mel: how estimates and the clip are shown; `None` where there are no estimates.
        counted: how progress is told, with `done` and `total`.
        steps: of the model alone, where that is known before.
        seconds: its length (s), where that is known before; a preview may show more.
    """

    name: str
    make: Callable[[Path, OnProgress, OnEstimate, int | None], FileReport]
    mel: LatentMel | None = None
    counted: str = "step {done} of {total}"
    steps: int | None = None
    seconds: float | None = None


def one_turn(
    state: AppState,
    report: Report,
    user: User | str,
    work: Callable[[ProgressReporter], Result],
    *,
    held: Sequence[Path] = (),
) -> Result:
    """Do something in a turn of its own.

    Args:
        state: the demo.
        report: called with what there is to show.
        user: who asks.
        work: called when it is its turn.
        held: files that it needs and folders that it writes into; they stay until it is done.

    Raises:
        AudiodiffError: it cannot be done, or the user has too many jobs.
        Stopped: the job was stopped.
    """
    with state.jobs.admit(user) as job, state.workspace.hold(*held):
        progress = ProgressReporter(job, report)

        def begin() -> Result:
            progress.begin()
            return work(progress)

        return job.turn(begin, lambda ahead: report(Update(waiting(ahead), 0.0)))


def make_all(
    state: AppState,
    report: Report,
    user: User | str,
    jobs: Sequence[ClipJob],
    format: str,
    *,
    sources: Sequence[Path] = (),
) -> Created:
    """Make clips one after the other, each in a turn of its own; those that are finished when stopped stay.

    Args:
        state: the demo.
        report: called with what there is to show.
        user: who asks.
        jobs: the clips.
        format: of their files, one of `FORMATS`.
        sources: files that they are made from; they stay until all are made.

    Raises:
        AudiodiffError: one cannot be made, or the user has too many jobs.
    """
    ending, bits = checks.check_format(format)
    clips: list[ClipResult] = []
    targets = [state.workspace.new_file(f"{clip.name}.{ending}") for clip in jobs]
    with state.jobs.admit(user) as job, state.workspace.hold(*sources, *(target.parent for target in targets)):
        progress = ProgressReporter(job, report)
        for index, (clip, target) in enumerate(zip(jobs, targets, strict=True)):
            turn = _Turn(clip, target, progress, report, index, len(jobs), bits)
            try:
                made = job.turn(turn.make, lambda ahead: report(Update(waiting(ahead), 0.0)))
            except Stopped:
                return Created(tuple(clips), stopped=True)
            clips.append(made)
            text = said("clip {index} of {count} is ready", index=index + 1, count=len(jobs))
            report(Update(text, (index + 1) / len(jobs), index=index, made=made))
    return Created(tuple(clips), stopped=False)


@dataclass(frozen=True)
class _Turn:
    """One clip of several."""

    clip: ClipJob
    target: Path
    progress: ProgressReporter
    report: Report
    index: int
    count: int
    bits: int | None

    def make(self) -> ClipResult:
        """Make the clip and draw it."""
        self.progress.begin()
        mel, budget = self.clip.mel, PreviewBudget()
        done_now = 0.0

        def on_progress(done: float, total: float) -> None:
            nonlocal done_now
            done_now = done / total
            steps = total if self.clip.steps is None else self.clip.steps
            doing = said(self.clip.counted, done=round(done), total=round(steps))
            if done > steps:
                doing = said("from mel to sound")
            if self.count > 1:
                doing = said("clip {index} of {count}: {doing}", index=self.index + 1, count=self.count, doing=doing)
            self.progress.say(doing, (self.index + done_now) / self.count)

        def on_estimate(x0_hat: Tensor) -> None:
            if mel is None or not budget.allows(done_now):
                return
            with budget.spending():
                picture = mel_image(mel.preview(x0_hat, self.clip.seconds))
            fraction = (self.index + done_now) / self.count
            self.report(Update("", fraction, index=self.index, preview=picture))

        told = self.clip.make(self.target, on_progress, on_estimate, self.bits)
        sound = read_audio(self.target)
        picture = mel_image(sound_mel(sound.waveform, sound.sample_rate, None if mel is None else mel.spec))
        self.progress.end()
        return ClipResult(
            path=self.target,
            seed=told.seed,
            seconds=told.seconds,
            sample_rate=told.sample_rate,
            elapsed=told.elapsed,
            notes=told.notes,
            picture=picture,
            seam=told.seam,
            captions=told.captions,
            phonemes=getattr(told.resolved, "phonemes", ""),
        )


def slug(text: str) -> str:
    """Return a short name for a file that says what is in it."""
    words = re.sub(r"[^\w]+", "-", text.lower(), flags=re.ASCII).strip("-_")
    return words[:40].rstrip("-_") or "clip"


def waiting(ahead: int) -> Said:
    """Return how many turns come first, in words."""
    return counted("waiting for {count} other", "waiting for {count} others", ahead)


def _duration(seconds: float) -> Said:
    if seconds < 90.0:
        return said("about {count} s", count=max(1, round(seconds)))
    return said("about {count} min", count=round(seconds / 60.0))
