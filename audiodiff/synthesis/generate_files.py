"""Clips from a prompt into files that tell how they were made."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from audiodiff.synthesis.files import check_output
from audiodiff.synthesis.generate import LatentSynthesizer, OnEstimate, OnProgress
from audiodiff.synthesis.machine import this_machine
from audiodiff.synthesis.provenance import Story, StoryAudio, StoryWriter, check_sidecar
from audiodiff.synthesis.settings import GenerateSettings


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
    """

    path: Path
    seconds: float
    sample_rate: int
    seed: int
    clipped: int
    notes: tuple[str, ...]
    elapsed: float
    story: Story | None


def generate_file(
    synthesizer: LatentSynthesizer,
    target: str | Path,
    settings: GenerateSettings,
    *,
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
        provenance: keep in the file what made it (`audiodiff.synthesis.provenance`), for `inspect` and `replay`.
        sidecar: write that as JSON beside the file, too.
        on_progress: called with the work done and the work in all.
        on_estimate: called after every step with the latents that the clip seems to become.

    Raises:
        AudiodiffError: a prompt or setting that cannot be used, or a target that cannot be written; nothing is left.
    """
    target = Path(target)
    check_output(None, target)
    if sidecar:
        check_sidecar(target, provenance=provenance)
    started = time.perf_counter()
    resolved = synthesizer.resolve(settings)
    clip = synthesizer.clip(resolved, on_progress, on_estimate=on_estimate)
    tell = _teller(synthesizer, resolved) if provenance else None
    with StoryWriter(target, clip.sample_rate, tell=tell, sidecar=sidecar) as writer:
        writer.write(clip.waveform.clip(-1.0, 1.0))
    return GenerateReport(
        path=target,
        seconds=len(clip.waveform) / clip.sample_rate,
        sample_rate=clip.sample_rate,
        seed=clip.seed,
        clipped=clip.clipped,
        notes=clip.notes,
        elapsed=time.perf_counter() - started,
        story=writer.story,
    )


def _teller(synthesizer: LatentSynthesizer, settings: GenerateSettings) -> Callable[[StoryAudio], Story]:
    kept = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in settings.to_dict().items()
        if name not in ("prompt", "negative", "seed")
    }
    return partial(_story, synthesizer=synthesizer, settings=settings, kept=kept)


def _story(
    audio: StoryAudio, *, synthesizer: LatentSynthesizer, settings: GenerateSettings, kept: dict[str, object]
) -> Story:
    return Story(
        verb="generate",
        models=synthesizer.identity,
        settings={**kept, "text_encoder": synthesizer.model.config.text_encoder},
        seed=settings.seed,
        audio=audio,
        machine=this_machine(synthesizer.device),
        prompt=settings.prompt,
        negative=settings.negative,
    )


def settings_of(story: Story) -> GenerateSettings:
    """The settings that a story of a generated clip tells of.

    Raises:
        AudiodiffError: a setting is missing, unknown, or out of range.
    """
    from audiodiff.errors import AudiodiffError

    values = {key: value for key, value in story.settings.items() if key != "text_encoder"}
    known = set(GenerateSettings().to_dict())
    odd = sorted(set(values) - known)
    if odd:
        raise AudiodiffError(
            f"the story has the setting {odd[0]}, which this audiodiff does not know; update audiodiff."
        )
    if isinstance(values.get("guidance_interval"), list):
        values["guidance_interval"] = tuple(values["guidance_interval"])
    base = GenerateSettings(prompt=story.prompt, negative=story.negative, seed=story.seed)
    return replace(base, **values)
