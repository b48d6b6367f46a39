"""A composed clip in words: the main caption, four others, and the columns of the metadata table."""

import re
from random import Random

from audiodiff.composer.piece import Piece
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
_PLAIN = (
    "something {mood} with {short}",
    "{mood} music",
    "{mood} music, {tempo}",
    "some {mood} {genre}",
)
_FOR_A_SCENE = (
    "music for {scene}",
    "something {mood} for {scene}",
    "{bare_scene}",
    "{mood} {bare_scene} music",
    "{genre} for {scene}, {short}",
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


def captions(piece: Piece) -> tuple[str, str, str, str, str]:
    """Return five captions: a full one, a list of tags, a sentence, a short one, and one in plain people's words."""
    rng = Random(f"audiodiff rendered {piece.seed} words {piece.index}")
    style = piece.style
    key = "" if style.keyless else ", then ".join(key.name for key in piece.keys)
    mode = "" if style.keyless else piece.key.third
    scene = rng.choice(style.scenes) if style.scenes else ""

    def fill(template: str) -> str:
        text = template.format(
            mood=piece.mood,
            # "dark ambient" is not called dark a second time
            genre=style.genre.removeprefix(f"{piece.mood} ") if "{mood}" in template else style.genre,
            scene=scene,
            bare_scene=re.sub(r"^(a|an|the) ", "", scene),
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

    kinds = (_FULL, _TAGS, _SENTENCES, _SHORT, _FOR_A_SCENE if scene else _PLAIN)
    full, tags, sentence, short, plain = (fill(rng.choice(kind)) for kind in kinds)
    return full, tags, sentence, short, plain


COLUMNS = (
    "file_name",
    "text",
    "text1",
    "text2",
    "text3",
    "text4",
    "genre",
    "instrument",
    "mood",
    "tempo",
    "first_beat",
    "time_signature",
    "first_bar",
    "key",
    "modulation",
    "chords",
    "intensity",
    "license",
    "source",
    "split",
    "tempo_source",
    "label_source",
)
"""Columns of `metadata.csv`.

`first_beat` and `first_bar` are times (s) of the first beat and bar line. `key` is that in which the clip begins,
`modulation` the one that it changes to and when (s), such as "D major at 9.600"; percussion has neither. `chords` names
those of the bars from `first_bar` on, one word a bar ("Am F,G C"): a comma divides a bar evenly. It is empty where
nobody plays chords. `intensity` (0 to 1) says how hard and how busily the clip is played.
"""


def metadata_row(piece: Piece, file_name: str, soundfont: str) -> dict[str, str]:
    """Return the clip's row of `metadata.csv`.

    Args:
        piece: the clip.
        file_name: of the clip, relative to the table.
        soundfont: name of the soundfont that played it.
    """
    text, text1, text2, text3, text4 = captions(piece)
    change = piece.change_seconds
    return {
        "file_name": file_name,
        "text": text,
        "text1": text1,
        "text2": text2,
        "text3": text3,
        "text4": text4,
        "genre": piece.style.genre,
        "instrument": "; ".join(players(piece)),
        "mood": piece.mood,
        "tempo": f"{piece.score.bpm:.1f}",
        "first_beat": f"{piece.first_beat:.3f}",
        "time_signature": piece.style.time_signature,
        "first_bar": f"{piece.first_bar:.3f}",
        "key": "" if piece.style.keyless else piece.key.name,
        "modulation": "" if change is None else f"{piece.keys[-1].name} at {change:.3f}",
        "chords": " ".join(",".join(bar) for bar in piece.chords),
        "intensity": f"{piece.intensity:.2f}",
        "license": "CC0-1.0",
        "source": f"procedurally composed; rendered with {soundfont}",
        "split": piece.split,
        "tempo_source": "exact",
        "label_source": "exact",
    }
