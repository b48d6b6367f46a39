"""A composed clip in words: the main caption, three others, and the columns of the metadata table."""

import re
from random import Random

from audiodiff.composer.compose import Piece
from audiodiff.composer.score import Instrument

TEMPO_WORDS = ((60, "very slow"), (80, "slow"), (108, "moderate tempo"), (150, "fast"))
"""Upper bounds (beats per minute) of tempo words; beyond the last it is "very fast"."""

_FULL = (
    "{mood} {genre} with {players}, {tempo}{comma_key}",
    "{genre}, {mood}, {players}{key_tag}, {bpm} bpm",
    "a {tempo} {mood} {genre} piece{in_key} played by {players}",
    "{players}, {genre}, {tempo}{key_tag}, {mood}",
)
_TAGS = (
    "{short}, {tempo}, {mood}",
    "{short}, {tempo}{mode_tag}",
    "{short}, {mood}, {genre}",
    "{genre}, {mood}, {tempo}",
    "{mood}, {tempo}{mode_tag}, {short}",
    "{short}, {bpm} bpm{mode_tag}",
    "{genre}, {players}",
)
_SENTENCES = (
    "{short} playing a {mood} {genre} piece",
    "a {mood} {tempo} piece for {short}",
    "{mood} music with {short}{in_mode}",
    "{genre} at {bpm} beats per minute with {short}",
    "a {genre} piece{in_key}, {mood} and {tempo}, with {players}",
    "{tempo} {genre}{in_mode}, {mood} mood, {short}",
)
_SHORT = (
    "{short}",
    "{short}, {tempo}",
    "{tempo} {genre}",
    "{mood} {short}",
    "{genre}",
    "{short}{in_mode}",
    "{genre}, {bpm} bpm",
    "{mood} {genre}",
)


def tempo_word(bpm: float) -> str:
    """Return the word for a tempo in beats per minute."""
    return next((word for bound, word in TEMPO_WORDS if bpm < bound), "very fast")


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _called(instruments: tuple[Instrument, ...], names: list[str]) -> list[str]:
    """Say "solo" before a single player whose name is not a plural."""
    if len(instruments) == 1 and not instruments[0].plural:
        return [f"solo {names[0]}"]
    return names


def players(piece: Piece) -> list[str]:
    """Return the names of the players, "solo ..." for one alone."""
    return _called(piece.instruments, [instrument.name for instrument in piece.instruments])


def _short(rng: Random, piece: Piece) -> str:
    """Name the players loosely: aliases, at most the first three, "solo" sometimes left out."""
    chosen = piece.instruments[:3]
    names = list(dict.fromkeys(rng.choice((i.name, *i.aliases, *i.aliases)) for i in chosen))
    if len(piece.instruments) == 1 and rng.random() < 0.7:
        names = _called(chosen, names)
    return _listed(names)


def captions(piece: Piece, seed: int) -> tuple[str, str, str, str]:
    """Return four captions: a full one, a list of tags, a sentence and a short one.

    Args:
        piece: the clip.
        seed: of the collection; with the clip's index it chooses the wordings.
    """
    rng = Random(f"audiodiff rendered {seed} words {piece.index}")
    style = piece.style
    key = "" if style.keyless else piece.key.name
    mode = "" if style.keyless or piece.key.mode not in ("major", "minor") else piece.key.mode

    def fill(template: str) -> str:
        text = template.format(
            mood=piece.mood,
            # "dark ambient" is not called dark a second time
            genre=style.genre.removeprefix(f"{piece.mood} ") if "{mood}" in template else style.genre,
            players=_listed(players(piece)),
            short=_short(rng, piece),
            tempo=tempo_word(piece.score.bpm),
            bpm=round(piece.score.bpm),
            in_key=f" in {key}" if key else "",
            comma_key=f", in {key}" if key else "",
            key_tag=f", {key}" if key else "",
            in_mode=f" in a {mode} key" if mode else "",
            mode_tag=f", {mode} key" if mode else "",
        )
        return re.sub(r"\ba (?=8|[aeiou](?!u))", "an ", text)

    kinds = (_FULL, _TAGS, _SENTENCES, _SHORT)
    full, tags, sentence, short = (fill(rng.choice(kind)) for kind in kinds)
    return full, tags, sentence, short


COLUMNS = (
    "file_name",
    "text",
    "text1",
    "text2",
    "text3",
    "genre",
    "instrument",
    "mood",
    "tempo",
    "first_beat",
    "key",
    "license",
    "source",
    "split",
    "tempo_source",
    "label_source",
)
"""Columns of `metadata.csv`."""


def metadata_row(piece: Piece, seed: int, file_name: str, soundfont: str) -> dict[str, str]:
    """Return the clip's row of `metadata.csv`.

    Args:
        piece: the clip.
        seed: of the collection.
        file_name: of the clip, relative to the table.
        soundfont: name of the soundfont that played it.
    """
    text, text1, text2, text3 = captions(piece, seed)
    return {
        "file_name": file_name,
        "text": text,
        "text1": text1,
        "text2": text2,
        "text3": text3,
        "genre": piece.style.genre,
        "instrument": "; ".join(players(piece)),
        "mood": piece.mood,
        "tempo": f"{piece.score.bpm:.1f}",
        "first_beat": f"{piece.first_beat:.3f}",
        "key": "" if piece.style.keyless else piece.key.name,
        "license": "CC0-1.0",
        "source": f"procedurally composed; rendered with {soundfont}",
        "split": piece.split,
        "tempo_source": "exact",
        "label_source": "exact",
    }
