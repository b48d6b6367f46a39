"""The saved prompts, as plain functions like those of `handlers`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from audiodiff.diffusion.names import GRID_NAMES, SAMPLER_NAMES, sampler_name
from audiodiff.errors import AudiodiffError
from audiodiff.printable import printable
from audiodiff.synthesis.settings import MAX_SEED, MIN_SECONDS, AudioLevel, GenerateSettings, built
from audiodiff.text.keys import KEYS
from audiodiff.text.library import SavedPrompt, get_prompt, remove_prompt, save_prompt, search_prompts

from . import checks
from .app_state import AppState
from .handlers import ClipRequest
from .limits import Limits

KEPT = (
    "seconds",
    "steps",
    "guidance",
    "rescale",
    "sampler",
    "grid",
    "tempo",
    "key",
    "chords",
    "source",
    "level",
    "vocoder_steps",
    "loop",
    "variety",
)
"""Settings that are saved with a prompt."""

MOST_GUIDANCE = 15.0
"""Where the page's slider of the guidance ends."""

_PIECES = re.compile(r"([,|])")

MOST_TAGS = 20
"""Tags of a saved prompt."""

MOST_SHOWN = 200
"""Saved prompts that the page lists at a time."""


def require_library(state: AppState) -> Path:
    """Return the file of the saved prompts.

    Raises:
        AudiodiffError: this demo keeps none.
    """
    if state.library is None:
        raise AudiodiffError("this demo keeps no prompts; start it with --prompts FILE.")
    return state.library


def search(state: AppState, words: str = "", tags: str = "") -> list[SavedPrompt]:
    """Return the saved prompts in which all words occur and that have all tags, which commas part."""
    if state.library is None:
        return []
    checks.check_prompt(state.limits, "search", words)
    return search_prompts(words or "", tags=split_tags(tags), path=state.library)[:MOST_SHOWN]


def save(
    state: AppState,
    *,
    name: str,
    tags: str = "",
    replace: bool = False,
    prompt: str,
    negative: str = "",
    seed: float | None = None,
    settings: Mapping[str, Any],
) -> SavedPrompt:
    """Save a prompt with the settings that were made.

    Raises:
        AudiodiffError: the name is taken, something is malformed, or the library cannot be written.
    """
    library, limits = require_library(state), state.limits
    if not (name or "").strip():
        raise AudiodiffError("give the prompt a name.")
    kept = {key: settings[key] for key in KEPT if settings.get(key) not in (None, "")}
    if "tempo" in kept:  # a field for text
        kept["tempo"] = checks.number_or_none("tempo", kept["tempo"], 10.0, 400.0)
    # what nobody may ask for is not kept either
    fields = {key: value for key, value in kept.items() if key in ClipRequest.__dataclass_fields__}
    length = checks.check_seconds(limits, kept.get("seconds"))
    values = ClipRequest(prompt, negative, **fields).values(limits)
    own = {"seconds": length, "loop": bool(kept.get("loop")), "variety": kept.get("variety")}
    built(GenerateSettings, {**values, **own})
    others = [known for known in search_prompts(path=library) if known.name != name]
    if len(others) >= limits.saved_prompts:
        raise AudiodiffError(f"the library has {limits.saved_prompts} prompts already; remove one first.")
    saved = SavedPrompt(
        name=name or "",
        prompt=prompt,
        negative=negative or "",
        settings=kept,
        seed=checks.whole_or_none("seed", seed, 0, MAX_SEED),
        tags=split_tags(tags),
    )
    return save_prompt(saved, replace=bool(replace), path=library)


def load(state: AppState, name: str | None) -> Mapping[str, Any]:
    """Return prompt, negative, seed and settings of a saved prompt.

    Raises:
        AudiodiffError: there is none of that name.
    """
    library = require_library(state)
    if not name:
        raise AudiodiffError("no prompt is chosen; choose one from the list.")
    saved = get_prompt(name, path=library)
    values = {**saved.settings, "prompt": saved.prompt, "negative": saved.negative}
    return values if saved.seed is None else {**values, "seed": saved.seed}


def remove(state: AppState, name: str | None) -> None:
    """Take a saved prompt out.

    Raises:
        AudiodiffError: there is none of that name.
    """
    library = require_library(state)
    if not name:
        raise AudiodiffError("no prompt is chosen; choose one from the list.")
    remove_prompt(name, path=library)


def split_tags(text: str | None) -> tuple[str, ...]:
    """Read tags that commas part.

    Raises:
        AudiodiffError: there are too many.
    """
    tags = tuple(tag.strip() for tag in (text or "").split(",") if tag.strip())
    if len(tags) > MOST_TAGS:
        raise AudiodiffError(f"there are {len(tags)} tags; expected at most {MOST_TAGS}.")
    return tags


def fields(limits: Limits, values: Mapping[str, Any], sources: Sequence[str] = ()) -> dict[str, Any]:
    """Return of saved values those that fit the fields of the page; others were written by hand, or elsewhere.

    Args:
        limits: what the fields allow.
        values: prompt, negative, seed and settings by name.
        sources: kinds of sound that the model knows.
    """
    fitting: dict[str, Any] = {}
    for key in ("prompt", "negative"):
        if isinstance(values.get(key), str) and len(values[key]) <= limits.prompt_chars:
            fitting[key] = printable(values[key], lines=True)
    ranges: dict[str, tuple[float, float, bool]] = {
        "seconds": (MIN_SECONDS, limits.seconds, False),
        "steps": (1, limits.steps, True),
        "guidance": (1.0, MOST_GUIDANCE, False),
        "rescale": (0.0, 1.0, False),
        "vocoder_steps": (1, limits.steps, True),
        "tempo": (10.0, 400.0, False),
        "fade_out": (0.0, 10.0, False),
        "variety": (0.0, 1.0, False),
        "seed": (0, MAX_SEED, True),
    }
    for key, (low, high, is_whole) in ranges.items():
        value = values.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            continue
        if not is_whole:
            fitting[key] = value
        elif value == int(value):
            fitting[key] = int(value)
    if values.get("bars") in (4, 8, 16):
        fitting["bars"] = str(values["bars"])
    if isinstance(values.get("loop"), bool):
        fitting["loop"] = values["loop"]
    if isinstance(values.get("chords"), str) and len(values["chords"]) <= checks.MOST_CHORDS:
        fitting["chords"] = printable(values["chords"])
    if values.get("key") in KEYS:
        fitting["key"] = values["key"]
    named = {"sampler": SAMPLER_NAMES, "grid": GRID_NAMES, "level": get_args(AudioLevel), "source": ("", *sources)}
    if isinstance(values.get("sampler"), str):
        values = {**values, "sampler": sampler_name(values["sampler"])}
    fitting |= {key: values[key] for key, known in named.items() if values.get(key) in known}
    return fitting


def describe(saved: SavedPrompt) -> str:
    """Return a saved prompt in a line."""
    text = saved.prompt if len(saved.prompt) <= 70 else saved.prompt[:69] + "…"
    return printable(f"{saved.name} — {text}" + (f"  [{', '.join(saved.tags)}]" if saved.tags else ""))


def add_word(prompt: str | None, word: str) -> str:
    """Append a word to a prompt, after a comma."""
    text = (prompt or "").rstrip()
    if not text:
        return word
    return f"{text}{'' if text.endswith((',', '|')) else ','} {word}"


def remove_word(prompt: str | None, word: str) -> str:
    """Take a word out of a prompt where it stands between commas; what else there is stays as it was written."""
    pieces = _PIECES.split(prompt or "")
    kept: list[str] = []
    for piece in pieces:
        if piece.strip().casefold() != word.casefold():
            kept.append(piece)
        elif kept:
            kept.pop()  # the comma before it
    text = "".join(kept).strip()
    return text[1:].lstrip() if text.startswith((",", "|")) else text


def parts(prompt: str) -> list[str]:
    """Return what commas and bars part."""
    return [piece.strip() for piece in _PIECES.split(prompt)[::2] if piece.strip()]
