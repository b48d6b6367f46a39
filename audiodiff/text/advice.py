"""What a prompt asks for that a model of music cannot do, in sentences. Imports no torch."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from audiodiff.errors import AudiodiffError
from audiodiff.printable import printable
from audiodiff.text.english.lexicon import known
from audiodiff.text.prompt import parse_prompt
from audiodiff.text.vocabulary import STOP_WORDS, TEMPO_WORDS

__all__ = ["SENTENCES", "Advice", "advice"]

SENTENCES = {
    "voices": "This model makes instrumental music only, no vocals or lyrics ({words}).",
    "effects": "This model makes music, no sound effects ({words}).",
    "foreign": "This model reads English; describe the music in English ({words} may not be understood).",
    "unknown": "Not among the words that this model was trained on, so they may do little: {words}.",
}
"""What is wrong -> the sentence, with a place for the words of the prompt."""

_VOICE_WORDS = """
vocal vocals voice voices sing sings singing sung singer singers lyric lyrics rap raps rapper rapping verse spoken
speech talking narrator vocalist
"""
_VOICES = frozenset(_VOICE_WORDS.split())
_EFFECT_WORDS = """
sfx foley footsteps footstep gunshot gunshots explosion explosions siren applause laughter thunder doorbell barking meow
engine laser
"""
_EFFECTS = frozenset(_EFFECT_WORDS.split())
_EFFECT_PHRASE = re.compile(r"\bsound effects?\b")
_FILLERS = frozenset({"bpm", "key", "major", "minor", "sharp", "flat", "time", "something", "scene", "beat"})
"""Words that need not be in a caption to be understood, or that nobody expects to hear."""

_FOREIGN_WORDS = """
klavier gitarre geige schlagzeug flöte trompete orgel musik lied traurig traurige trauriges fröhlich fröhliche
langsam langsames schnell schnelles ruhig ruhige leise laut dur moll und mit für ein eine ohne der die das
guitarra violín batería flauta trompeta música canción triste alegre rápido rápida tranquila tranquilo
mayor menor para una sin el los las
guitare violon batterie flûte musique chanson joyeux joyeuse rapide lente doux douce majeur mineur avec pour
sans les des
chitarra violino batteria canzone veloce allegra maggiore minore per senza
violão violino bateria canção rápido devagar maior com para sem
"""
_FOREIGN = frozenset(_FOREIGN_WORDS.split())
"""Frequent words of German, Spanish, French, Italian and Portuguese; the dictionary of English has many names."""

_DENIED = re.compile(r"\b(?:no|without|not)\s+[\w'’-]+", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_](?:[\w'’-]*\w)?")
_MOST_QUOTED = 5
_MOST_CHARS = 2000


@dataclass(frozen=True)
class Advice:
    """A sentence about some words of a prompt.

    Attributes:
        sentence: one of `SENTENCES`.
        words: quoted.
    """

    sentence: str
    words: str

    def __str__(self) -> str:
        """Return it with its words."""
        return self.sentence.format(words=self.words)


def advice(prompt: str, vocabulary: Mapping[str, Sequence[str]]) -> list[Advice]:
    """Return sentences about what a prompt asks for in vain.

    Args:
        prompt: in the syntax of `audiodiff.text.prompt`; while it is being typed, it may not be well-formed yet.
        vocabulary: kind -> words that the model was trained on, of `audiodiff.text.vocabulary.vocabulary`.

    Returns:
        Sentences on vocals and lyrics, sound effects, other languages than English, and words that occurred in no
        caption. None for a model that does not list its words: nobody knows then what it can do.
    """
    if not vocabulary:
        return []
    text = _DENIED.sub(" ", _plain(prompt[:_MOST_CHARS]))
    trained = _trained(vocabulary)
    words = [word for word in dict.fromkeys(_WORD.findall(text)) if len(word) > 1 and word.lower() not in trained]
    told: list[Advice] = []
    voices = [word for word in words if word.lower() in _VOICES]
    if voices:
        told.append(_about("voices", voices))
    effects = [word for word in words if word.lower() in _EFFECTS]
    phrase = _EFFECT_PHRASE.search(text.lower())
    if effects or phrase:
        asked = effects or [phrase.group() if phrase else ""]
        told.append(_about("effects", asked))
    rest = [word for word in words if word.lower() not in _VOICES | _EFFECTS and not _within_phrase(word, phrase)]
    named = {word for word in rest if word.lower() in _FOREIGN}
    foreign = [word for word in rest if word in named or not known(_ascii_quotes(word.lower()))]
    if named or any(not _is_latin(word) for word in foreign) or len(foreign) > max(1, len(rest) // 2):
        told.append(_about("foreign", foreign))
        rest = [word for word in rest if word not in foreign]
    if rest:
        told.append(_about("unknown", rest))
    return told


def _about(what: str, words: Sequence[str]) -> Advice:
    return Advice(SENTENCES[what], _quoted(words))


def _plain(prompt: str) -> str:
    """Return the words of a prompt without its syntax."""
    try:
        return " | ".join(part.text for part in parse_prompt(prompt).parts)
    except AudiodiffError:
        return prompt


def _trained(vocabulary: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """Return every single word of a vocabulary, and words that mean the same to everybody."""
    phrases = [phrase.lower() for kind in vocabulary.values() for phrase in kind] + list(TEMPO_WORDS)
    words = {word for phrase in phrases for word in _WORD.findall(phrase)}
    parts = {part for word in words for part in (*word.split("-"), word.replace("-", ""))}
    plurals = {f"{word}s" for word in words} | {word.removesuffix("s") for word in words}
    return frozenset(words | parts | plurals | STOP_WORDS | _FILLERS)


def _is_latin(word: str) -> bool:
    return all(unicodedata.name(char, "LATIN").startswith("LATIN") for char in word if char.isalpha())


def _ascii_quotes(word: str) -> str:
    return word.replace("’", "'")


def _within_phrase(word: str, phrase: re.Match[str] | None) -> bool:
    return phrase is not None and word.lower() in phrase.group().split()


def _quoted(words: Sequence[str]) -> str:
    shown = ", ".join(f"“{printable(word)}”" for word in words[:_MOST_QUOTED])
    return shown + (", ..." if len(words) > _MOST_QUOTED else "")
