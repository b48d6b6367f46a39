"""What is done with clips that are there, as plain functions like those of `handlers`."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from audiodiff.errors import AudiodiffError
from audiodiff.printable import printable
from audiodiff.signal.audio_io import audio_info
from audiodiff.synthesis.described import described, without_none
from audiodiff.synthesis.settings import built
from audiodiff.synthesis.source import Source
from audiodiff.synthesis.verb import Verb
from audiodiff.synthesis.watermarking import SETTING
from audiodiff.text.prompt import parse_prompt

from . import checks
from .app_state import AppState
from .handlers import ClipJob, ClipRequest, Created, Report, make_all, slug, write
from .jobs import User
from .limits import CARDS

STRENGTHS = {"subtle": 0.3, "strong": 0.7}
"""How much is new where one click varies a clip."""

EXTEND_SECONDS = 5.0
"""How much one click makes a clip longer."""


def edit(
    state: AppState, report: Report, name: str, *, user: User | str, request: ClipRequest, **given: Any
) -> Created:
    """Do what a verb does with clips.

    Args:
        state: the demo.
        report: called with what there is to show.
        name: of the verb.
        user: who asks.
        request: prompt, seed and the rest.
        given: the verb's other arguments, called as on the command line.

    Raises:
        AudiodiffError: an argument is out of range, a clip cannot be used, or the user has too many jobs.
    """
    limits, mel = state.limits, state.models.capabilities.mel
    verb, synthesizer = state.models.clip_verb(name)
    settings = request.values(limits)
    if "prompt" in verb.values & settings.keys() and not (given.get("prompts") and not settings["prompt"].strip()):
        given["prompt"] = settings["prompt"]
    files, own = verb.read(_checked(state, verb, given))
    sources = [Source(file) for file in files]
    settings = {name: value for name, value in settings.items() if name in described(verb.settings)}
    values = verb.complete({**settings, **own}, sources, lambda said: None)
    if "seconds" in verb.values:
        values["seconds"] = checks.check_seconds(state.clip_limits, values.get("seconds"))
    count = checks.whole("count", request.count, verb.least_count, CARDS)
    base = "-".join(slug(file.stem)[:20] for file in files) or "prompts"
    base = f"{slug(files[0].stem)}-{name}" if len(files) == 1 else base
    jobs = []
    for title, variant in verb.variants(values, count):
        edit_settings: Any = built(verb.settings, variant)
        for file in files:
            checks.check_new(limits, verb.new_seconds(edit_settings, audio_info(file)))
        make = partial(write, name, synthesizer, files, edit_settings, watermark=bool(request.watermark))
        jobs.append(ClipJob(f"{base}-{title}".rstrip("-"), make, mel))
    return make_all(state, report, user, jobs, request.format, sources=files)


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
    return edit(
        state,
        report,
        "interpolate",
        user=user,
        clips=there,
        request=request if pair is None else replace(request, prompt=""),
        prompts=pair,
        strength=strength,
    )


def verb_again(what: str) -> str:
    """Return the verb that one click does, by what `again` calls it."""
    return "vary" if what in STRENGTHS else what


def again(
    state: AppState, report: Report, *, user: User | str, clip: str | Path | None, what: str, seed: int
) -> Created:
    """Make more of a clip with one click: everything else is as its record says, or as the model recommends.

    What is made of a clip without a watermark that audiodiff wrote gets none either.

    Args:
        state: the demo.
        report: called with what there is to show.
        user: who asks.
        clip: a sound file.
        what: "subtle" or "strong" for four variations, "extend" for a longer one, "loop" for the clip as a loop.
        seed: of what is new.

    Raises:
        AudiodiffError: as `edit`.
    """
    request = ClipRequest(prompt=None, seed=seed, watermark=clip is None or _wants_watermark(state, clip))
    if what == "extend":
        length = min(EXTEND_SECONDS, state.limits.seconds)
        return edit(state, report, "extend", user=user, clip=clip, request=request, seconds=length)
    if what in STRENGTHS:
        four = replace(request, count=CARDS)
        return edit(state, report, "vary", user=user, clip=clip, request=four, strength=STRENGTHS[what])
    return edit(state, report, what, user=user, clip=clip, request=request)


def _wants_watermark(state: AppState, clip: str | Path) -> bool:
    record = Source(checks.check_upload(state.limits, clip)).record
    return record is None or SETTING in record.settings


def prompts_of(state: AppState, clip: str | Path | None) -> tuple[str, str] | None:
    """Return prompt and negative prompt of a clip that tells them.

    Raises:
        AudiodiffError: the clip cannot be used.
    """
    told = None if clip is None else Source(checks.check_upload(state.limits, clip)).prompts
    return None if told is None else (printable(told[0], lines=True), printable(told[1], lines=True))


def _checked(state: AppState, verb: Verb, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with their files looked at, and their texts, if there are several in one, read.

    Raises:
        AudiodiffError: one cannot be used.
    """
    checked = dict(given)
    for argument in verb.arguments:
        value = given.get(argument.name)
        if argument.type is Path and (value or argument.needed):
            paths = value if argument.nargs == "*" else [value]
            checked[argument.name] = [checks.check_upload(state.limits, path) for path in paths or ()]
        elif isinstance(argument.nargs, int) and value:
            if not isinstance(value, list | tuple) or len(value) != argument.nargs:
                raise AudiodiffError(f"{argument.name} is {str(value)[:60]!r}; expected {argument.nargs} texts.")
            checked[argument.name] = [checks.check_prompt(state.limits, "prompt", text) for text in value]
            for text in checked[argument.name]:
                parse_prompt(text)
        elif not value and argument.type is not bool and not isinstance(value, str | int | float):
            checked.pop(argument.name, None)
    for name, (annotation, _, _) in verb.options().items():
        if isinstance(given.get(name), str) and without_none(annotation) in (int, float):
            checked[name] = checks.number_or_none(name, given[name], -math.inf, math.inf)
    return checked
