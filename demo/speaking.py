"""What a voice does with a text or with what was said, as plain functions like those of `handlers`."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from audiodiff.errors import AudiodiffError
from audiodiff.printable import printable
from audiodiff.synthesis.settings import built
from audiodiff.synthesis.source import Source
from audiodiff.synthesis.speech import plan
from audiodiff.synthesis.verbs import VERBS
from audiodiff.synthesis.voice_settings import SpeakSettings, words_pattern
from audiodiff.text.english import phonemes
from audiodiff.text.lexicon_file import read_lexicon

from . import checks
from .app_state import AppState
from .handlers import ClipJob, ClipRequest, Created, Report, make_all, slug, write
from .jobs import User

MOST_REPLACED = 20
"""Words of a recording that are replaced at a time."""


def speak(
    state: AppState,
    report: Report,
    *,
    user: User | str,
    text: str,
    request: ClipRequest,
    voice: str = "",
    lexicon: str | Path | None = None,
    **given: Any,
) -> Created:
    """Speak a text, in as many takes as are asked for.

    Args:
        state: the demo.
        report: called with what there is to show.
        user: who asks.
        text: what to say.
        request: seed, count and how to sample.
        voice: name of the voice; empty for the usual one.
        lexicon: a CSV file with own pronunciations.
        given: other settings of `SpeakSettings`; an empty one is the voice's own.

    Raises:
        AudiodiffError: the text or a setting cannot be used, or the user has too many jobs.
    """
    synthesizer = state.models.require_voice(voice)
    values = {**_values(state, request, given), "text": checks.check_prompt(state.limits, "text", text)}
    if lexicon:
        values["lexicon"] = read_lexicon(checks.check_size(state.limits, lexicon))
    settings = built(SpeakSettings, values)

    def check_length() -> None:
        checks.check_speech(state.limits, plan(synthesizer, settings).utterances(synthesizer), settings.speed)

    state.jobs.off_queue(check_length)
    return _make_all(state, report, user, "speak", voice, [], values, request)


def respeak(
    state: AppState,
    report: Report,
    *,
    user: User | str,
    clip: str | Path | None,
    request: ClipRequest,
    replace: object = None,
    text: str | None = None,
    voice: str = "",
    **given: Any,
) -> Created:
    """Replace words of a recording by others.

    Args:
        state: the demo.
        report: called with what there is to show.
        user: who asks.
        clip: a sound file in which English is spoken.
        request: seed, count and how to sample.
        replace: pairs of words and what is said in their place.
        text: what is said in the clip; what it tells of itself when empty.
        voice: name of the voice; empty for the usual one.
        given: other settings of `RespeakSettings`; an empty one is the voice's own.

    Raises:
        AudiodiffError: the recording, its text or a setting cannot be used, or the user has too many jobs.
    """
    verb, source = VERBS["respeak"], checks.check_upload(state.limits, clip)
    pairs = [replace] if isinstance(replace, list) and all(isinstance(word, str) for word in replace) else replace
    if pairs and not (
        isinstance(pairs, list)
        and len(pairs) <= MOST_REPLACED
        and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs)
    ):
        raise AudiodiffError(
            f"replace is {str(replace)[:60]!r}; expected up to {MOST_REPLACED} pairs of texts, old and new."
        )
    texts = {"text": text or None, "replace": pairs}
    for said in (text, *(word for pair in pairs or () for word in pair)):  # type: ignore[attr-defined]
        checks.check_prompt(state.limits, "text", said)
    files, own = verb.read({"clip": source, **texts, **_values(state, request, given)})
    values = verb.complete(own, [Source(file) for file in files], lambda said: None)
    return _make_all(state, report, user, "respeak", voice, files, values, request)


def said_in(state: AppState, clip: str | Path | None) -> str:
    """Return what a clip tells that is said in it; "" if there is none, or it does not tell.

    Raises:
        AudiodiffError: the clip cannot be used.
    """
    source = None if clip is None else Source(checks.check_upload(state.limits, clip))
    return "" if source is None or not source.tells_words else printable(source.said, lines=True)


def words_of(text: str | None) -> list[tuple[int, int]]:
    """Return where each word of a text begins and ends; nothing of a text that cannot be read."""
    try:
        return list(dict.fromkeys((word.start, word.end) for word in phonemes(text or "").words))
    except AudiodiffError:
        return []


def replacement(text: str | None, number: int | None, new: str | None) -> list[str]:
    """Return the words to replace, and what is said in their place, for one word of a text alone.

    Args:
        text: what is said.
        number: of the word in `words_of`. If it occurs more than once, its neighbours go with it.
        new: what is said in its place.

    Raises:
        AudiodiffError: there is no such word.
    """
    text, words = text or "", words_of(text)
    if number is None or not 0 <= number < len(words):
        raise AudiodiffError("no word is chosen; write what is said in the clip, and click the word to replace.")
    first = last = number
    old = text[slice(*words[number])]
    while [found.start() for found in words_pattern(old).finditer(text)] != [words[first][0]]:
        if (first, last) == (0, len(words) - 1):
            break
        first, last = max(0, first - 1), min(len(words) - 1, last + 1)
        old = text[words[first][0] : words[last][1]]
    start, end = words[number]
    return [old, text[words[first][0] : start] + (new or "").strip() + text[end : words[last][1]]]


def _values(state: AppState, request: ClipRequest, given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that are not left to the voice."""
    values = {**given, **request.values(state.limits)}
    return {name: value for name, value in values.items() if value is not None and value != ""}


def _make_all(
    state: AppState,
    report: Report,
    user: User | str,
    name: str,
    voice: str,
    files: Sequence[Path],
    values: dict[str, Any],
    request: ClipRequest,
) -> Created:
    verb, synthesizer, jobs = VERBS[name], state.models.require_voice(voice), []
    base = f"{slug(files[0].stem)}-{name}" if files else slug(values["text"])
    for title, variant in verb.variants(values, int(request.count)):
        settings: Any = built(verb.settings, variant)
        make = partial(write, name, synthesizer, files, settings, watermark=bool(request.watermark))
        jobs.append(ClipJob(f"{base}-{title}", make, counted="part {done} of {total}"))
    return make_all(state, report, user, jobs, request.format, sources=files)
