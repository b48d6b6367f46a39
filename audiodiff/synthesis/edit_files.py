"""Edits from file to file: what comes out tells what was done to what."""

import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import audio_info
from audiodiff.signal.truncation import truncation_notes
from audiodiff.synthesis.edit import resolve_edit, run_interpolate, run_vary
from audiodiff.synthesis.edit_settings import (
    EditSettings,
    ExtendSettings,
    InpaintSettings,
    InterpolateSettings,
    VarySettings,
)
from audiodiff.synthesis.files import check_output
from audiodiff.synthesis.fill import run_extend, run_inpaint
from audiodiff.synthesis.generate import FADE_SECONDS, Clip, LatentSynthesizer, OnProgress
from audiodiff.synthesis.generate_files import GenerateReport, settings_of, story_of, write_clip
from audiodiff.synthesis.provenance import Story, check_sidecar, find_story, story_input
from audiodiff.synthesis.recording import read_clip, samples_per_latent

Kind = TypeVar("Kind", VarySettings, InpaintSettings, ExtendSettings, InterpolateSettings)

_WITHIN_16_BITS = frozenset({"PCM_16", "PCM_U8", "PCM_S8", "ULAW", "ALAW"})
_FADED_BY = frozenset({"generate", "vary", "interpolate"})
_LOOPS = frozenset({"generate", "vary"})


def vary_file(
    synthesizer: LatentSynthesizer,
    source: str | Path,
    target: str | Path,
    settings: VarySettings,
    *,
    provenance: bool = True,
    sidecar: bool = False,
    on_progress: OnProgress | None = None,
) -> GenerateReport:
    """Vary a sound file into another (`audiodiff.synthesis.edit.vary`); a loop that was made by audiodiff stays one.

    Args:
        synthesizer: the loaded model.
        source: anything soundfile reads.
        target: `.wav`, `.flac` or `.ogg`; appears only when complete.
        settings: strength, prompt, seed and the rest.
        provenance: keep in the file what made it (`audiodiff.synthesis.provenance`), for `inspect` and `replay`.
        sidecar: write that as JSON beside the file, too.
        on_progress: called with the steps done and the steps in all.

    Raises:
        AudiodiffError: a file or a setting that cannot be used; nothing is left behind then.
    """

    if _loops(synthesizer, Path(source)):
        settings = replace(settings, clip=replace(settings.clip, loop=True))

    files = _Files((Path(source),), Path(target), provenance, sidecar)
    return _edit_files(synthesizer, "vary", files, settings, run_vary, on_progress, keeps=False)


def inpaint_file(
    synthesizer: LatentSynthesizer,
    source: str | Path,
    target: str | Path,
    settings: InpaintSettings,
    *,
    provenance: bool = True,
    sidecar: bool = False,
    on_progress: OnProgress | None = None,
) -> GenerateReport:
    """Make regions of a sound file anew (`audiodiff.synthesis.fill.inpaint`); arguments as for `vary_file`.

    The encoding is one that holds every kept sample as it was, where the format of `target` has one.
    """
    files = _Files((Path(source),), Path(target), provenance, sidecar)
    return _edit_files(synthesizer, "inpaint", files, settings, run_inpaint, on_progress, keeps=True)


def extend_file(
    synthesizer: LatentSynthesizer,
    source: str | Path,
    target: str | Path,
    settings: ExtendSettings,
    *,
    provenance: bool = True,
    sidecar: bool = False,
    on_progress: OnProgress | None = None,
) -> GenerateReport:
    """Let a sound file go on (`audiodiff.synthesis.fill.extend`); arguments as for `vary_file`.

    The encoding is one that holds every kept sample as it was, where the format of `target` has one.
    """
    files = _Files((Path(source),), Path(target), provenance, sidecar)
    return _edit_files(synthesizer, "extend", files, settings, run_extend, on_progress, keeps=True)


def interpolate_file(
    synthesizer: LatentSynthesizer,
    sources: tuple[str | Path, str | Path] | None,
    target: str | Path,
    settings: InterpolateSettings,
    *,
    provenance: bool = True,
    sidecar: bool = False,
    on_progress: OnProgress | None = None,
) -> GenerateReport:
    """Make a sound file between two (`audiodiff.synthesis.edit.interpolate`), or between prompts.

    `sources` are two sound files, or `None` for prompts alone; other arguments as for `vary_file`.
    """
    files = _Files(tuple(Path(source) for source in sources or ()), Path(target), provenance, sidecar)
    return _edit_files(synthesizer, "interpolate", files, settings, run_interpolate, on_progress, keeps=False)


def told_prompts(path: str | Path) -> tuple[str, str] | None:
    """The prompt and the negative prompt that a sound file was made from; `None` if it does not tell.

    Raises:
        AudiodiffError: it is no sound file.
    """
    story = _told_story(path)
    return (story.prompt, story.negative) if story is not None and story.prompt.strip() else None


def told_fade(path: str | Path, *, before: bool) -> float:
    """Length of the fade (s) that audiodiff gave the end of a sound file, or its beginning; 0 if it has none.

    Raises:
        AudiodiffError: it is no sound file.
    """
    story = _told_story(path)
    if story is None:
        return 0.0
    extended = story.verb == "extend" and story.settings.get("before") is before
    faded = story.verb in _FADED_BY and not story.settings.get("loop", False)
    return FADE_SECONDS if extended or faded else 0.0


def edit_settings_of(story: Story, kind: type[Kind]) -> Kind:
    """The settings that the story of an edit tells of.

    Raises:
        AudiodiffError: a setting is missing, unknown, or out of range.
    """
    own = [item.name for item in fields(kind) if item.name != "clip"]
    missing = [name for name in own if name not in story.settings]
    if missing:
        raise AudiodiffError(f"the story lacks the setting {missing[0]}, without which nothing can be made again.")
    values: dict[str, Any] = {name: _tuples(story.settings[name]) for name in own}
    # Two prompts are told in the settings; what stands as the prompt then is their mixture, in words.
    return kind(clip=settings_of(story, others=tuple(own)), **values)


def _told_story(path: str | Path) -> Story | None:
    """The story of a sound file; a damaged one says nothing, and does not keep the sound from being edited."""
    audio_info(path)
    try:
        return find_story(path)
    except AudiodiffError:
        return None


def _loops(synthesizer: LatentSynthesizer, source: Path) -> bool:
    """Whether a sound file tells that its end leads into its beginning, and nobody has cut it since."""
    info, story = audio_info(source), _told_story(source)
    if story is None or story.verb not in _LOOPS or story.settings.get("loop") is not True:
        return False
    return info.sample_rate == synthesizer.sample_rate and info.n_samples % samples_per_latent(synthesizer) == 0


@dataclass(frozen=True)
class _Files:
    """What an edit reads and writes."""

    sources: tuple[Path, ...]
    target: Path
    provenance: bool
    sidecar: bool


def _edit_files(
    synthesizer: LatentSynthesizer,
    verb: str,
    files: _Files,
    settings: EditSettings,
    run: Callable[..., Clip],
    on_progress: OnProgress | None,
    *,
    keeps: bool,
) -> GenerateReport:
    """Read the sources, make a clip of them, and write it; `keeps` says that it has samples of theirs."""
    for source in files.sources or (None,):
        check_output(source, files.target)
    if files.sidecar:
        check_sidecar(files.target, provenance=files.provenance)
    clips = [read_clip(source) for source in files.sources]
    encoding, notes = _exact_encoding(files.sources[0], files.target) if keeps else (None, ())
    # Looked at now: they may change meanwhile.
    inputs = tuple(story_input(source) for source in files.sources)
    started = time.perf_counter()
    resolved = resolve_edit(synthesizer, settings)
    unused: tuple[str, ...] = () if isinstance(settings, VarySettings) else ("loop",)
    unused = unused if isinstance(settings, InterpolateSettings) else (*unused, "seconds")
    unused = (*unused, "level") if keeps else unused
    kept = {name: value for name, value in resolved.values().items() if name not in unused} | _own_values(settings)
    clip = run(synthesizer, [(clip.waveform, clip.sample_rate) for clip in clips], settings, resolved, on_progress)
    tell = story_of(synthesizer, verb, resolved, kept, inputs=inputs, prompt=_told_prompt(settings))
    report = write_clip(
        clip,
        files.target,
        tell if files.provenance else None,
        sidecar=files.sidecar,
        started=started,
        encoding=encoding,
    )
    return _with_notes(report, (*notes, *truncation_notes(*files.sources)))


def _exact_encoding(source: Path, target: Path) -> tuple[str | None, tuple[str, ...]]:
    """The encoding of `target` that holds the samples of `source` as they are, and a note where there is none."""
    found = audio_info(source).encoding.split()[-1]
    suffix = target.suffix.lower()
    if suffix == ".ogg":
        return None, ("Ogg Vorbis keeps no sample as it was; write .wav or .flac to keep those outside what is new",)
    if found in _WITHIN_16_BITS:
        return "PCM_16", ()
    if suffix == ".flac":
        rounded = f"FLAC holds 24 bits and {source.name} has samples between them ({found}), which were rounded"
        return "PCM_24", () if found == "PCM_24" else (rounded,)
    return ("PCM_24" if found == "PCM_24" else "FLOAT"), ()


def _own_values(settings: EditSettings) -> dict[str, object]:
    return {item.name: _lists(getattr(settings, item.name)) for item in fields(settings) if item.name != "clip"}


def _told_prompt(settings: EditSettings) -> str:
    """What a story tells as the prompt: of two, the mixture in the syntax of `audiodiff.text.prompt`."""
    prompts = settings.prompts if isinstance(settings, InterpolateSettings) else None
    if prompts is None:
        return settings.clip.prompt
    assert isinstance(settings, InterpolateSettings)
    shares = (1.0 - settings.position, settings.position)
    parts = [f"{prompt}:{share:.3g}" for prompt, share in zip(prompts, shares, strict=True) if share > 0.0]
    if len(parts) == 1 or prompts[0] == prompts[1]:
        return prompts[round(settings.position)]
    if any(not prompt.strip() or "|" in prompt for prompt in prompts):
        return " | ".join(prompt for prompt in prompts if prompt.strip())
    return " | ".join(parts)


def _with_notes(report: GenerateReport, notes: tuple[str, ...]) -> GenerateReport:
    return replace(report, notes=(*report.notes, *notes))


def _lists(value: object) -> object:
    return [_lists(item) for item in value] if isinstance(value, tuple | list) else value


def _tuples(value: object) -> object:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
