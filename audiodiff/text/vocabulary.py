"""The words that a model knows: collected from its training captions, kept in its config, shown to those who prompt."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from audiodiff.errors import AudiodiffError

KINDS = ("genres", "instruments", "moods", "tempos", "keys", "words")
"""What a vocabulary is sorted into; `words` are those of the captions that are nothing of the rest."""

TEMPO_WORDS = (
    "very slow", "slow and sparse", "slow", "moderately slow", "moderate tempo", "moderately fast", "moderate",
    "mid-tempo", "medium tempo", "measured", "steady", "lively", "upbeat", "very fast", "fast", "quick", "brisk",
    "rapid", "largo", "lento", "adagio", "andante", "moderato", "allegretto", "allegro", "vivace", "presto", "bpm",
)  # fmt: skip
"""What captions say of tempo, where one holds another the longer first."""

_MOODS = """
aggressive airy angry anxious atmospheric bittersweet bleak bold bouncy breezy bright brooding calm carefree cheerful
chill chilled cold contemplative cosy cozy creepy dancing dark defiant delicate desolate determined dramatic dreamy
driving eerie elegant emotional energetic epic ethereal euphoric exciting fierce frantic free funky gentle gloomy
grand gritty groovy happy haunting heavy heroic hopeful humorous hypnotic intense intimate introspective jaunty jolly
joyful laid-back lazy lonely longing luminous lush lyrical magical majestic mechanical meditative melancholic
melancholy mellow menacing misty moody mournful mysterious mystical noble nostalgic ominous optimistic passionate
pastoral peaceful pensive playful poignant powerful proud quiet quirky raw reflective relaxed relaxing restless
reverent romantic sad scary sentimental serene serious sinister smooth soaring soft solemn somber sombre soothing
sorrowful soulful spacey spacious sparkling spiritual spooky stately stormy strange sultry sunny suspenseful sweet
tender tense thoughtful tired tragic tranquil triumphant uplifting urgent vast vibrant victorious warm weird whimsical
wild wintery wistful
"""
MOOD_WORDS = frozenset(_MOODS.split())
"""Words of captions that count as moods."""

_GRAMMAR = """
a about above across after again against all along also although always among an and another any are around as at back
be because been before behind being below between both but by can could did do does down during each either even ever
every few for from further had has have having he her here him his how i if in instead into is it its itself just like
made make makes many may me might more most much music must my near no nor not now of off on once one only onto or
other our out over own per piece pieces played plays playing rather same she should since so some song sound sounds
soundtrack still style such than that the their them then there these they this those through to together too toward
towards track tune two under until up upon us very via was we were what when where which while who whose why will with
within without would yet you your
"""
STOP_WORDS = frozenset(_GRAMMAR.split())
"""Words of captions that say nothing of the sound."""

_WORD = re.compile(r"[^\W\d_](?:[\w'’-]*\w)?")
_MODES = re.compile(r"\b(?:major|minor) key\b")
_FEWEST = 2
_MOST_WORDS = 300


def vocabulary(metadata: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the words that a model states in its config: kind -> words, the most frequent first.

    Args:
        metadata: `metadata` of the model's `config.json`.

    Returns:
        The kinds of `KINDS` that the model has words of, then others of its own; empty if it states none.

    Raises:
        AudiodiffError: its `vocabulary` is not a table of lists of words.
    """
    stated = metadata.get("vocabulary", {})
    if not isinstance(stated, Mapping):
        raise AudiodiffError(
            '"vocabulary" in the metadata of the model is not a table; expected kind -> list of words.'
        )
    found: dict[str, list[str]] = {}
    for kind in (*KINDS, *(kind for kind in stated if kind not in KINDS)):
        words = stated.get(kind, [])
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise AudiodiffError(f'"{kind}" in the vocabulary of the model is not a list of words.')
        if words:
            found[str(kind)] = list(words)
    return found


def collect_vocabulary(rows: Iterable[Mapping[str, str]]) -> dict[str, list[str]]:
    """Sort the words of training captions into kinds, for the config of the model that is trained on them.

    Args:
        rows: rows of a `metadata.csv`, those of the training split only. Columns that are used if they are there:
            `text` (the caption), `genre`, `instrument` and `mood` (several joined by ";"), and `key`. Moods and tempos
            are also looked for in the captions.

    Returns:
        kind -> words in lower case (keys as they are written), the most frequent first; kinds without words are left
        out. `words` holds what occurs in two captions at least.
    """
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for row in rows:
        genres, instruments, moods = (_entries(row.get(column)) for column in ("genre", "instrument", "mood"))
        counts["genres"].update(genres)
        counts["instruments"].update(instruments)
        caption = _lower(row.get("text"))
        key = (row.get("key") or "").strip()
        if key:
            counts["keys"][key] += 1
        # longest first: "electric piano" must not leave "electric" behind where there is a "piano", too
        for phrase in sorted({*genres, *instruments, key.lower()} - {""}, key=len, reverse=True):
            caption = _without(phrase, caption)
        counts["keys"].update(set(_MODES.findall(caption)))
        caption = _MODES.sub(" ", caption)
        for phrase in TEMPO_WORDS:
            if (shorter := _without(phrase, caption)) != caption:
                counts["tempos"][phrase] += 1
                caption = shorter
        words = set(_WORD.findall(caption))
        counts["moods"].update({*moods, *(words & MOOD_WORDS)})
        counts["words"].update(words - MOOD_WORDS - STOP_WORDS)
    counts["words"] = Counter({word: n for word, n in counts["words"].items() if n >= _FEWEST and len(word) > 1})
    found = {kind: _by_frequency(counter) for kind, counter in counts.items()}
    found["words"] = found["words"][:_MOST_WORDS]
    return {kind: words for kind, words in found.items() if words}


def _entries(cell: str | None) -> list[str]:
    """Return what a cell lists, each once."""
    return list(dict.fromkeys(part for part in (_lower(item) for item in (cell or "").split(";")) if part))


def _by_frequency(counter: Counter[str]) -> list[str]:
    return sorted(counter, key=lambda word: (-counter[word], word))


def _lower(text: str | None) -> str:
    return " ".join((text or "").lower().split())


def _without(phrase: str, text: str) -> str:
    return re.sub(rf"(?<!\w){re.escape(phrase)}(?!\w)", " ", text)
