"""What the buttons do, as plain functions: no Gradio here, and nothing that a test could not call.

Every handler that computes takes `report`, which it calls with what there is to show; what that raises stops the work
at the next step. Arguments are called as on the command line.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from audiodiff.metrics.spectral import log_mel_l1
from audiodiff.signal.audio_io import read_audio, write_audio
from audiodiff.signal.resample import resample
from audiodiff.synthesis.files import open_mel, vocode_file
from audiodiff.synthesis.generate import LatentSynthesizer
from audiodiff.synthesis.generate_files import generate_file
from audiodiff.synthesis.settings import MAX_SEED, MIN_SECONDS, GenerateSettings, VocodeSettings

from . import checks
from .jobs import Job, Stopped
from .pictures import PreviewBudget, mel_image, mel_pictures, sound_mel
from .studio import Studio

REPORT_SECONDS = 0.25
"""How often progress is reported."""


@dataclass(frozen=True)
class Made:
    """A clip that was made.

    Attributes:
        path: its file, with the story of how it was made.
        seed: of its noise.
        seconds: its length.
        sample_rate: Hz.
        elapsed: seconds of work.
        notes: sentences about what was not done as asked.
        picture: its log-mel.
    """

    path: Path
    seed: int
    seconds: float
    sample_rate: int
    elapsed: float
    notes: tuple[str, ...]
    picture: Image.Image


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

    text: str
    fraction: float
    index: int = 0
    preview: Image.Image | None = None
    made: Made | None = None


Report = Callable[[Update], None]


@dataclass(frozen=True)
class Created:
    """What a generation came to.

    Attributes:
        clips: those that were finished.
        stopped: whether it was told to stop before the last.
    """

    clips: tuple[Made, ...]
    stopped: bool


@dataclass(frozen=True)
class Vocoded:
    """What a resynthesis came to.

    Attributes:
        original: what went in, as the vocoder was to make it; `None` for a mel.
        path: what came out, with the story of how it was made.
        pictures: log-mels of both, in the same colours.
        figures: name -> number or text; `log_mel_l1` and `real_time_factor` first.
    """

    original: Path | None
    path: Path
    pictures: tuple[Image.Image, Image.Image]
    figures: dict[str, Any]


class Pace:
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

    def say(self, text: str, fraction: float) -> None:
        """Report where the work is, unless that was done just now.

        Raises:
            Stopped: the job was told to stop.
        """
        self._job.check()
        now = self._clock()
        if now - self._said < REPORT_SECONDS:
            return
        self._said = now
        self._report(Update(text + self._left(fraction, now), fraction))

    def _left(self, fraction: float, now: float) -> str:
        worked = self._worked + now - self._began
        if fraction < 0.02 or worked < 1.0:
            return ""
        return f", {_duration(worked * (1.0 - fraction) / fraction)} left"


def generate(
    studio: Studio,
    report: Report,
    *,
    user: str,
    prompt: str = "",
    negative: str = "",
    seconds: float = 10.0,
    count: float = 1,
    seed: float = 0,
    steps: float | None = None,
    guidance: float | None = None,
    rescale: float | None = None,
    tempo: float | None = None,
    source: str | None = "",
    sampler: str | None = None,
    grid: str | None = None,
    vocoder_steps: float | None = None,
    precision: str | None = None,
    level: str = "peak",
    format: str = "flac",
) -> Created:
    """Make clips with the seeds `seed`, `seed + 1`, ...; what is finished when the job is stopped stays.

    Raises:
        AudiodiffError: an argument is out of range, or the user has too many jobs.
    """
    synthesizer = studio.models.require_generator()
    limits = studio.limits
    count = checks.check_count(count)
    ending = checks.check_format(format)
    first = checks.whole("seed", seed, 0, MAX_SEED - count)
    settings = [
        GenerateSettings(
            prompt=checks.check_prompt(limits, "prompt", prompt),
            negative=checks.check_prompt(limits, "negative prompt", negative),
            seconds=checks.number("seconds", seconds, MIN_SECONDS, limits.seconds),
            steps=checks.whole_or_none("steps", steps, 1, limits.steps),
            sampler=sampler or None,
            grid=grid or None,
            guidance=checks.number_or_none("guidance", guidance, 0.0, 100.0),
            rescale=checks.number_or_none("rescale", rescale, 0.0, 1.0),
            seed=first + index,
            tempo=checks.number_or_none("tempo", tempo, 10.0, 400.0),
            source=source or "",
            precision=precision or None,  # type: ignore[arg-type]  # checked by the settings
            level=level,  # type: ignore[arg-type]
            vocoder_steps=checks.whole_or_none("vocoder_steps", vocoder_steps, 1, limits.steps),
        )
        for index in range(count)
    ]
    clips: list[Made] = []
    with studio.jobs.admit(user) as job:
        pace = Pace(job, report)
        for index, wanted in enumerate(settings):
            target = studio.workspace.new_file(f"{slug(wanted.prompt)}-seed{wanted.seed}.{ending}")
            turn = _Turn(synthesizer, wanted, target, pace, report, index, count)
            try:
                made = job.turn(turn.make, lambda ahead: report(Update(waiting(ahead), 0.0)))
            except Stopped:
                return Created(tuple(clips), stopped=True)
            clips.append(made)
            text = f"clip {index + 1} of {count} is ready"
            report(Update(text, (index + 1) / count, index=index, made=made))
    return Created(tuple(clips), stopped=False)


@dataclass(frozen=True)
class _Turn:
    """One clip of a generation."""

    synthesizer: LatentSynthesizer
    settings: GenerateSettings
    target: Path
    pace: Pace
    report: Report
    index: int
    count: int

    def make(self) -> Made:
        """Generate the clip and draw it."""
        self.pace.begin()
        budget = PreviewBudget()
        resolved = self.synthesizer.resolve(self.settings)
        steps = resolved.steps or 1
        done_now = 0.0

        def on_progress(done: float, total: float) -> None:
            nonlocal done_now
            done_now = done / total
            which = f"clip {self.index + 1} of {self.count}: " if self.count > 1 else ""
            doing = f"step {done:.0f} of {steps}" if done <= steps else "from mel to sound"
            self.pace.say(which + doing, (self.index + done_now) / self.count)

        def on_estimate(x0_hat: Tensor) -> None:
            if not budget.allows(done_now):
                return
            with budget.spending():
                picture = mel_image(self._cut(self.synthesizer.mel(x0_hat)))
            fraction = (self.index + done_now) / self.count
            self.report(Update("", fraction, index=self.index, preview=picture))

        told = generate_file(self.synthesizer, self.target, resolved, on_progress=on_progress, on_estimate=on_estimate)
        sound = read_audio(self.target)
        picture = mel_image(sound_mel(sound.waveform, sound.sample_rate, self.synthesizer.model.mel_spec))
        self.pace.end()
        return Made(
            path=self.target,
            seed=told.seed,
            seconds=told.seconds,
            sample_rate=told.sample_rate,
            elapsed=told.elapsed,
            notes=told.notes,
            picture=picture,
        )

    def _cut(self, log_mel: Tensor) -> Tensor:
        """Cut a preview to the length of the clip."""
        spec = self.synthesizer.model.mel_spec
        return log_mel[:, : max(1, round(self.settings.seconds * spec.sample_rate / spec.hop_length))]


def vocode(
    studio: Studio,
    report: Report,
    *,
    user: str,
    input: str | Path | None,
    steps: float | None = None,
    sampler: str | None = None,
    grid: str | None = None,
    seed: float = 0,
    precision: str | None = None,
    keep_level: bool = False,
    format: str = "flac",
) -> Vocoded:
    """Reduce a recording to its log-mel, synthesise it again, and compare the two.

    Args:
        studio: the demo.
        report: called with what there is to show.
        user: who asks.
        input: a sound file, or a log-mel as `.npy`.
        steps: sampling steps; the model's recommendation when `None`, as for the next two.
        sampler: name of the sampler.
        grid: name of the time grid.
        seed: seed of the noise.
        precision: what the network computes in.
        keep_level: do not match the level of the training audio.
        format: of the file to write.

    Raises:
        AudiodiffError: an argument is out of range, the upload cannot be used, or the user has too many jobs.
        Stopped: the job was told to stop.
    """
    synthesizer = studio.models.require_vocoder()
    limits, spec = studio.limits, synthesizer.mel_spec
    source = checks.check_upload(limits, input, mel_seconds_per_frame=spec.hop_length / spec.sample_rate)
    settings = VocodeSettings(
        steps=checks.whole_or_none("steps", steps, 1, limits.steps),
        sampler=sampler or None,
        grid=grid or None,
        seed=checks.whole("seed", seed, 0, MAX_SEED),
        precision=precision or None,  # type: ignore[arg-type]  # checked by the settings
        level="keep" if keep_level else "match",
    )
    ending = checks.check_format(format)
    target = studio.workspace.new_file(f"{slug(source.stem)}-vocoded.{ending}")

    with studio.jobs.admit(user) as job:
        pace = Pace(job, report)

        def work() -> Vocoded:
            pace.begin()

            def on_progress(done: float, total: float) -> None:
                pace.say(f"{done:.1f} of {total:.1f} s of sound", done / total)

            told = vocode_file(synthesizer, source, target, settings=settings, on_progress=on_progress)
            sound = read_audio(target)
            distance, original, reference = None, None, None
            if source.suffix.lower() == ".npy":
                reference = _tensor(open_mel(source)[0])
            else:
                given = read_audio(source)
                wanted = resample(_tensor(given.waveform), given.sample_rate, sound.sample_rate).numpy()
                original = studio.workspace.new_file(f"{slug(source.stem)}-original.flac")
                write_audio(original, wanted, sound.sample_rate)
                reference = sound_mel(wanted, sound.sample_rate, spec)
                if wanted.shape[-1] >= spec.n_fft:
                    pairs = zip(wanted, sound.waveform, strict=True)
                    distance = float(np.mean([log_mel_l1(a, b, sound.sample_rate) for a, b in pairs]))
            result = sound_mel(sound.waveform, sound.sample_rate, spec)
            shared = min(reference.shape[-1], result.shape[-1])
            first, second = mel_pictures([reference[:, :shared], result[:, :shared]])
            pace.end()
            return Vocoded(
                original=original,
                path=target,
                pictures=(first, second),
                figures={
                    "log_mel_l1": None if distance is None else round(distance, 4),
                    "real_time_factor": round(told.real_time_factor, 4),
                    "seconds": round(told.seconds, 3),
                    "sample_rate": told.sample_rate,
                    "channels": told.channels,
                    "steps": told.steps,
                    "sampler": told.sampler,
                    "grid": told.grid,
                    "seed": told.seed,
                    "network_calls": told.network_calls,
                    "silent_channels": told.silent_channels,
                    "clipped": told.clipped,
                },
            )

        return job.turn(work, lambda ahead: report(Update(waiting(ahead), 0.0)))


def slug(text: str) -> str:
    """Return a short name for a file that says what is in it."""
    words = re.sub(r"[^\w]+", "-", text.lower(), flags=re.ASCII).strip("-_")
    return words[:40].rstrip("-_") or "clip"


def waiting(ahead: int) -> str:
    """Return how many turns come first, in words."""
    return f"waiting for {ahead} other{'' if ahead == 1 else 's'}"


def _duration(seconds: float) -> str:
    if seconds < 90.0:
        return f"about {max(1, round(seconds))} s"
    return f"about {round(seconds / 60.0)} min"


def _tensor(array: Any) -> Tensor:
    import torch

    return torch.from_numpy(np.array(array, dtype=np.float32))
