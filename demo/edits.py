"""What is done with clips that are there, as plain functions like those of `handlers`."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from audiodiff.errors import AudiodiffError
from audiodiff.printable import printable
from audiodiff.signal.audio_io import audio_info
from audiodiff.synthesis.edit_settings import (
    ExtendSettings,
    InpaintSettings,
    InterpolateSettings,
    VarySettings,
    parse_region,
)
from audiodiff.synthesis.provenance import read_provenance
from audiodiff.synthesis.source import Source
from audiodiff.text.prompt import parse_prompt

from . import checks
from .app_state import AppState
from .handlers import ClipJob, ClipRequest, Created, Report, generate, make_all, slug, write
from .jobs import User
from .limits import CARDS

LOOP_SECONDS = 0.5
"""A loop may be that much longer than was asked for, and can be edited all the same."""

STRENGTHS = {"subtle": 0.3, "strong": 0.7}
"""How much is new where one click varies a clip."""

EXTEND_SECONDS = 5.0
"""How much one click makes a clip longer."""


def vary(
    state: AppState,
    report: Report,
    *,
    user: User | str,
    clip: str | Path | None,
    request: ClipRequest,
    strength: float = 0.4,
) -> Created:
    """Make variations of a clip.

    Args:
        state: the demo.
        report: called with what there is to show.
        user: who asks.
        clip: any sound file.
        request: prompt, seed and the rest.
        strength: how much is new, 0 to 1.

    Raises:
        AudiodiffError: an argument is out of range, the clip cannot be used, or the user has too many jobs.
    """
    synthesizer, source = state.models.require_generator(), _clip(state, clip, all_new=True)
    jobs = [
        ClipJob(
            f"{slug(source.stem)}-vary-seed{settings.sampling.seed}",
            partial(write, "vary", synthesizer, [source], VarySettings(settings, strength)),
        )
        for settings in _with_prompt(request, [source]).checked(state.limits, level="none")
    ]
    return make_all(state, report, user, jobs, request.format, sources=[source])


def inpaint(
    state: AppState,
    report: Report,
    *,
    user: User | str,
    clip: str | Path | None,
    region: str,
    request: ClipRequest,
    strength: float = 1.0,
    crossfade: float = 0.05,
) -> Created:
    """Replace parts of a clip; arguments as for `vary`.

    Args:
        state: the demo.
        report: called with what there is to show.
        user: who asks.
        clip: any sound file.
        region: `START:STOP` in seconds; several are parted by spaces or commas.
        request: prompt, seed and the rest.
        strength: how much is new in the regions, 0 to 1.
        crossfade: how long old and new fade into each other, inside the regions (s).

    Raises:
        AudiodiffError: as `vary`.
    """
    synthesizer, source = state.models.require_generator(), _clip(state, clip)
    regions = tuple(parse_region(text) for text in str(region or "").replace(",", " ").split())
    new = sum(stop - start for start, stop in regions) * audio_info(source).channels
    _check_new(state, new)
    jobs = [
        ClipJob(
            f"{slug(source.stem)}-inpaint-seed{settings.sampling.seed}",
            partial(write, "inpaint", synthesizer, [source], InpaintSettings(regions, settings, strength, crossfade)),
        )
        for settings in _with_prompt(request, [source]).checked(state.limits, level="none")
    ]
    return make_all(state, report, user, jobs, request.format, sources=[source])


def extend(
    state: AppState,
    report: Report,
    *,
    user: User | str,
    clip: str | Path | None,
    request: ClipRequest,
    seconds: float | None = None,
    before: bool = False,
    crossfade: float = 0.05,
    trim: float | None = None,
) -> Created:
    """Extend a clip at its end or its beginning.

    Args:
        state: the demo.
        report: called with what there is to show.
        user: who asks.
        clip: any sound file.
        request: prompt, seed and the rest.
        seconds: how much longer it becomes (s); 10 when `None`, or as much as is allowed.
        before: lead into the clip instead of following it.
        crossfade: how long the clip fades into the new sound (s).
        trim: how much of the end is replaced (s); the fade of a clip by audiodiff when `None`, else nothing.

    Raises:
        AudiodiffError: as `vary`.
    """
    synthesizer, source = state.models.require_generator(), _clip(state, clip)
    length = checks.check_seconds(state.limits, seconds)
    _check_new(state, length * audio_info(source).channels)
    cut = Source(source).fade(before=bool(before)) if trim is None else trim
    jobs = [
        ClipJob(
            f"{slug(source.stem)}-extend-seed{settings.sampling.seed}",
            partial(
                write, "extend", synthesizer, [source], ExtendSettings(length, settings, bool(before), crossfade, cut)
            ),
        )
        for settings in _with_prompt(request, [source]).checked(state.limits, level="none")
    ]
    return make_all(state, report, user, jobs, request.format, sources=[source])


def interpolate(
    state: AppState,
    report: Report,
    *,
    user: User | str,
    clips: Sequence[str | Path] | None,
    request: ClipRequest,
    prompts: Sequence[str] | None = None,
    strength: float = 0.5,
    seconds: float | None = None,
) -> Created:
    """Make clips of one seed on the way from one clip to another, from one prompt to another, or both.

    Args:
        state: the demo.
        report: called with what there is to show.
        user: who asks.
        clips: two sound files, or none.
        request: prompt, seed and the rest; its count are the clips, both ends included.
        prompts: two prompts to go between; then there is no other.
        strength: how much of the clips is new, 0 to 1.
        seconds: length without clips (s); as for `extend`.

    Raises:
        AudiodiffError: as `vary`.
    """
    synthesizer, limits = state.models.require_generator(), state.limits
    sources = [_clip(state, clip, all_new=True) for clip in clips or ()]
    between = _two_prompts(state, prompts)
    if len(sources) not in {0, 2} or (not sources and between is None):
        raise AudiodiffError("interpolating goes from one clip to another, or from one prompt to another; give two.")
    if between is not None and (request.prompt or "").strip():
        raise AudiodiffError("there are two prompts to go between and one for all clips; leave the one out.")
    count = checks.whole("count", request.count, 2, CARDS)
    request = replace(request, prompt="") if between is not None else request
    if sources and between is None:
        found = [_with_prompt(request, [source]) for source in sources]
        request = found[0]
        if found[0].prompt != found[1].prompt:
            between = (found[0].prompt or "", found[1].prompt or "")
    length = checks.check_seconds(limits, None if sources else seconds)
    name = "-".join(slug(source.stem)[:20] for source in sources) or "prompts"
    jobs = []
    for index, settings in enumerate(request.checked(limits, level="peak", seconds=length, same_seed=True)):
        edit = InterpolateSettings(index / (count - 1), settings, strength, between)
        jobs.append(ClipJob(f"{name}-{index + 1}", partial(write, "interpolate", synthesizer, sources, edit)))
    return make_all(state, report, user, jobs, request.format, sources=sources)


def interpolate_between(
    state: AppState,
    report: Report,
    *,
    user: User | str,
    clips: tuple[str | Path | None, str | Path | None],
    request: ClipRequest,
    prompt: str | None,
    strength: float,
) -> Created:
    """Call `interpolate` with what stands on the page: two places for clips, and two for prompts.

    Args:
        state: the demo.
        report: called with what there is to show.
        user: who asks.
        clips: two sound files; `None` for a place that is empty.
        request: the first prompt, seed and the rest.
        prompt: to go to; empty for none.
        strength: how much of the clips is new, 0 to 1.

    Raises:
        AudiodiffError: as `interpolate`.
    """
    there = [clip for clip in clips if clip]
    pair = [request.prompt or "", prompt] if prompt and prompt.strip() else None
    return interpolate(
        state,
        report,
        user=user,
        clips=there,
        request=request if pair is None else replace(request, prompt=""),
        prompts=pair,
        strength=strength,
    )


def again(
    state: AppState, report: Report, *, user: User | str, clip: str | Path | None, what: str, seed: int
) -> Created:
    """Make more of a clip with one click: everything else is as its record says, or as the model recommends.

    Args:
        state: the demo.
        report: called with what there is to show.
        user: who asks.
        clip: a sound file.
        what: "subtle" or "strong" for four variations, "extend" for a longer one, "loop" for one without a seam.
        seed: of what is new; a loop keeps the clip's own, so that it stays the same music.

    Raises:
        AudiodiffError: as `vary`; or there is no record to make a loop from.
    """
    if what == "extend":
        length = min(EXTEND_SECONDS, state.limits.seconds)
        return extend(state, report, user=user, clip=clip, request=ClipRequest(prompt=None, seed=seed), seconds=length)
    if what in STRENGTHS:
        request = ClipRequest(prompt=None, count=CARDS, seed=seed)
        return vary(state, report, user=user, clip=clip, request=request, strength=STRENGTHS[what])
    source = _clip(state, clip, all_new=True)
    record = read_provenance(source)
    told = {name: record.settings[name] for name in ClipRequest.__dataclass_fields__ if name in record.settings}
    if record.verb != "generate":  # edits keep the level of their clip, which was set then
        told.pop("level", None)
    request = ClipRequest(**{**told, "prompt": record.prompt, "negative": record.negative, "seed": record.seed})
    length = min(audio_info(source).seconds, state.limits.seconds)
    return generate(state, report, user=user, request=request, seconds=length, loop=True)


def prompts_of(state: AppState, clip: str | Path | None) -> tuple[str, str] | None:
    """Return prompt and negative prompt of a clip that tells them.

    Raises:
        AudiodiffError: the clip cannot be used.
    """
    told = None if clip is None else Source(_clip(state, clip)).prompts
    return None if told is None else (printable(told[0], lines=True), printable(told[1], lines=True))


def _clip(state: AppState, path: str | Path | None, *, all_new: bool = False) -> Path:
    """Return a clip that is short enough to work with; `all_new` if all of it passes through the model."""
    source = checks.check_upload(state.limits, path)
    if all_new:
        _check_new(state, audio_info(source).seconds)
    return source


def _check_new(state: AppState, seconds: float) -> None:
    most = state.limits.seconds
    if seconds > most + LOOP_SECONDS:
        raise AudiodiffError(
            f"{seconds:.1f} s of sound would be new, all channels together; this demo makes up to {most:g} s at a time."
        )


def _with_prompt(request: ClipRequest, sources: Sequence[Path]) -> ClipRequest:
    """Return what was asked for with the prompt that the clip was made from, where none was given."""
    if request.prompt is not None:
        return request
    prompt, negative = Source(sources[0]).prompts or ("", "")
    return replace(request, prompt=prompt, negative=request.negative or negative)


def _two_prompts(state: AppState, prompts: Sequence[str] | None) -> tuple[str, str] | None:
    if not prompts:
        return None
    if not isinstance(prompts, list | tuple) or len(prompts) != 2:
        raise AudiodiffError(f"prompts is {str(prompts)[:60]!r}; expected two texts.")
    first, second = (checks.check_prompt(state.limits, "prompt", text) for text in prompts)
    for text in (first, second):
        parse_prompt(text)
    return first, second
