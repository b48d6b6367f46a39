"""Clips from a prompt into files that tell how they were made."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from audiodiff.errors import AudiodiffError
from audiodiff.signal.truncation import truncation_notes
from audiodiff.synthesis.files import check_output
from audiodiff.synthesis.generate import Clip, LatentSynthesizer, OnEstimate, OnProgress
from audiodiff.synthesis.machine import this_machine
from audiodiff.synthesis.provenance import Story, StoryAudio, StoryInput, StoryWriter, check_sidecar, story_input
from audiodiff.synthesis.recording import read_clip
from audiodiff.synthesis.resolved import ResolvedClip
from audiodiff.synthesis.settings import GenerateSettings, changed, values_of

FLOAT_ENCODINGS = ("FLOAT", "DOUBLE")
"""Encodings that hold samples beyond full scale."""


@dataclass(frozen=True)
class GenerateReport:
    """What a generation did.

    Attributes:
        path: the file written.
        seconds: its length.
        sample_rate: Hz.
        seed: of the noise.
        clipped: samples beyond full scale, which were cut to it.
        notes: sentences about what was not done as asked.
        elapsed: seconds that it took, loading of the model not counted.
        story: what the file tells about itself; `None` without provenance.
        channels: of the file.
        seam: of a loop, how abrupt its seam is (`audiodiff.synthesis.loop.SeamScore.ratio`).
    """

    path: Path
    seconds: float
    sample_rate: int
    seed: int
    clipped: int
    notes: tuple[str, ...]
    elapsed: float
    story: Story | None
    channels: int = 1
    seam: float | None = None


def generate_file(
    synthesizer: LatentSynthesizer,
    target: str | Path,
    settings: GenerateSettings,
    *,
    reference: str | Path | None = None,
    provenance: bool = True,
    sidecar: bool = False,
    on_progress: OnProgress | None = None,
    on_estimate: OnEstimate | None = None,
) -> GenerateReport:
    """Generate one clip into a sound file.

    Args:
        synthesizer: the loaded model.
        target: `.wav`, `.flac` or `.ogg`; appears only when complete.
        settings: the clip.
        reference: a sound file to sound like, for a model that was trained for it (`audiodiff.synthesis.reference`).
        provenance: keep in the file what made it (`audiodiff.synthesis.provenance`), for `inspect` and `replay`.
        sidecar: write that as JSON beside the file, too.
        on_progress: called with the work done and the work in all.
        on_estimate: called after every step with the latents that the clip seems to become.

    Raises:
        AudiodiffError: a prompt or setting that cannot be used, or a target that cannot be written; nothing is left.
    """
    target = Path(target)
    source = None if reference is None else Path(reference)
    check_output(source, target)
    if sidecar:
        check_sidecar(target, provenance=provenance)
    sound, inputs = (None, ()) if source is None else (read_clip(source), (story_input(source),))
    started = time.perf_counter()
    resolved = synthesizer.resolve(settings)
    heard = None if sound is None else (sound.waveform, sound.sample_rate)
    clip = synthesizer.make(resolved, on_progress, reference=heard, on_estimate=on_estimate)
    story = story_of(synthesizer, "generate", resolved, resolved.values(), inputs=inputs)
    if source is not None:
        clip = replace(clip, notes=(*clip.notes, *truncation_notes(source)))
    return write_clip(clip, target, story if provenance else None, sidecar=sidecar, started=started)


def write_clip(
    clip: Clip,
    target: Path,
    tell: Callable[[StoryAudio], Story] | None,
    *,
    sidecar: bool,
    started: float,
    encoding: str | None = None,
) -> GenerateReport:
    """Write a clip and its story.

    Args:
        clip: what to write.
        target: `.wav`, `.flac` or `.ogg`; appears only when complete.
        tell: makes the story of its samples; `None` for none.
        sidecar: write that as JSON beside the file, too.
        started: when the work began, by `time.perf_counter`.
        encoding: libsndfile's name; `None` for the usual one.
    """
    waveform = clip.waveform if clip.waveform.ndim == 2 else clip.waveform[None]
    if encoding not in FLOAT_ENCODINGS:
        waveform = waveform.clip(-1.0, 1.0)
    channels, n_samples = waveform.shape
    with StoryWriter(target, clip.sample_rate, channels, tell=tell, sidecar=sidecar, encoding=encoding) as writer:
        writer.write(waveform)
    return GenerateReport(
        path=target,
        seconds=n_samples / clip.sample_rate,
        sample_rate=clip.sample_rate,
        seed=clip.seed,
        clipped=clip.clipped,
        notes=clip.notes,
        elapsed=time.perf_counter() - started,
        story=writer.story,
        channels=channels,
        seam=clip.seam,
    )


def story_of(
    synthesizer: LatentSynthesizer,
    verb: str,
    clip: ResolvedClip,
    kept: Mapping[str, object],
    *,
    inputs: tuple[StoryInput, ...] = (),
    prompt: str | None = None,
) -> Callable[[StoryAudio], Story]:
    """Return what makes the story of a run of `verb` from its samples.

    Args:
        synthesizer: who made them.
        verb: the command.
        clip: prompts and seed.
        kept: all other settings.
        inputs: what went in.
        prompt: what to tell as the prompt instead of that of `clip`.
    """
    return partial(
        Story,
        verb,
        synthesizer.identity,
        {
            **kept,
            "text_encoder": synthesizer.model.config.text_encoder,
            "tolerance_seconds": synthesizer.tolerance_seconds,
            "band_limits": list(synthesizer.band_limits),
        },
        clip.sampling.seed,
        machine=this_machine(synthesizer.device),
        inputs=inputs,
        prompt=clip.targets[0].text if prompt is None else prompt,
        negative=clip.negative,
    )


def settings_of(story: Story, *, others: tuple[str, ...] = ()) -> GenerateSettings:
    """The settings that a story of a generated clip tells of.

    Args:
        story: the story.
        others: settings in it that are somebody else's.

    Raises:
        AudiodiffError: a setting is missing, unknown, or out of range.
    """
    of_model = ("text_encoder", "tolerance_seconds", "band_limits")
    values = {key: value for key, value in story.settings.items() if key not in (*of_model, *others)}
    odd = sorted(set(values) - set(values_of(GenerateSettings())))
    if odd:
        raise AudiodiffError(
            f"the story has the setting {odd[0]}, which this audiodiff does not know; update audiodiff."
        )
    told = {"prompt": story.prompt, "negative": story.negative, "seed": story.seed}
    return changed(GenerateSettings(), {**told, **values})
