"""Captions for a folder of music that has none: what each clip sounds like, written to `metadata.csv`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from audiodiff.data.corpora import folder_items
from audiodiff.data.game_music.cut import find_pulse
from audiodiff.data.tables import read_rows, write_table
from audiodiff.errors import AudiodiffError
from audiodiff.metrics.embeddings import MusicnnVGG, open_embedding
from audiodiff.metrics.inputs import MissingPackageError
from audiodiff.metrics.music import key_estimate
from audiodiff.signal.audio_io import audio_info, read_blocks
from audiodiff.signal.meters import loudness

from .caption_words import TAG_MEANINGS, ClipTraits, captions, moods

TABLE_NAME = "metadata.csv"
COLUMNS = (
    "file_name",
    "text",
    *(f"text{number}" for number in range(1, 6)),
    "genre",
    "instrument",
    "mood",
    "tempo",
    "key",
    "split",
    "tempo_source",
    "label_source",
    "loudness",
    "density",
)
"""Columns of a new table; further columns of one that exists are kept."""

LONGEST = 60.0
"""Of a longer recording (s) the middle is listened to."""

_SURE_KEY = 0.08
"""Least margin of a key (`key_estimate`): of 27 clips whose key is known 14 reach it, and all of these are right."""

_SAVE_EVERY = 25


@dataclass(frozen=True)
class Captioned:
    """What `caption_folder` has done.

    Attributes:
        table: the metadata table.
        clips: its rows.
        made: rows that were filled in now.
        exact: rows whose labels are exact and were left alone.
        skipped: what could not be read, and why.
        note: what was missing, "" if nothing.
    """

    table: Path
    clips: int
    made: int
    exact: int
    skipped: tuple[str, ...]
    note: str

    def text(self) -> str:
        """Render for a terminal."""
        lines = [f"skipped: {reason}" for reason in self.skipped]
        if self.note:
            lines.append(self.note)
        kept = f", {self.exact} with exact labels left as they are" if self.exact else ""
        lines.append(f"{self.made} of {self.clips} clips captioned{kept}: {self.table}; edit it as you like")
        return "\n".join(lines)


def caption_folder(folder: str | Path, *, on_clip: Callable[[int, int], None] | None = None) -> Captioned:
    """Fill in what a folder's `metadata.csv` does not say: captions, genre, instruments, mood, tempo and key.

    Values that are there stay, and rows with `label_source` "exact" are not touched. Clips that have been listened to
    (`density` is filled in) are not analysed again, so that a run that was stopped goes on, and edits stay.

    Args:
        folder: sound files, with or without a `metadata.csv`.
        on_clip: called with the progress: clips done, clips in all.

    Raises:
        AudiodiffError: no such folder, nothing in it, a table that cannot be read or written, or librosa is missing.
    """
    folder = Path(folder)
    items = folder_items(folder)
    table = folder / TABLE_NAME
    if table.is_file():
        rows = [row.cells for row in read_rows(table, ("file_name",))]
    else:
        rows = [
            {"file_name": item.path.relative_to(folder).as_posix(), "text": item.text, "split": item.split}
            for item in items
        ]
    columns = tuple(dict.fromkeys((*(rows[0] if rows else ()), *COLUMNS)))
    exact = sum(row.get("label_source") == "exact" for row in rows)
    todo = [row for row in rows if row.get("label_source") != "exact" and not row.get("density")]
    taggers, note = _taggers()
    skipped = []
    for number, row in enumerate(todo):
        try:
            traits = listen(folder / row["file_name"], taggers)
        except AudiodiffError as error:
            skipped.append(str(error))
            continue
        _fill(row, traits)
        if (number + 1) % _SAVE_EVERY == 0:
            write_table(table, columns, rows)
        if on_clip is not None:
            on_clip(number + 1, len(todo))
    if todo and len(skipped) == len(todo):
        raise AudiodiffError(f"None of the {len(todo)} clips without captions can be read; the first: {skipped[0]}")
    write_table(table, columns, rows)
    return Captioned(table, len(rows), len(todo) - len(skipped), exact, tuple(skipped), note)


def _taggers() -> tuple[tuple[MusicnnVGG, ...], str]:
    """Return the networks that tag music, and what to say if they are not installed."""
    try:
        found = tuple(open_embedding(name) for name in TAG_MEANINGS)
    except MissingPackageError:
        return (), (
            "instruments, genre and mood were left out, since the tagger is not installed; "
            "pip install --no-deps musicnn, empty the column density and run it again."
        )
    return tuple(one for one in found if isinstance(one, MusicnnVGG)), ""


def listen(path: Path, taggers: tuple[MusicnnVGG, ...]) -> ClipTraits:
    """Analyse what is sure about a recording, by its middle if it is long.

    Raises:
        AudiodiffError: it cannot be read, or librosa is missing.
    """
    rate = audio_info(path).sample_rate
    mono = _middle(path, rate)
    pulse = find_pulse(mono, rate)
    key = key_estimate(mono, rate)
    level = loudness(torch.from_numpy(mono.copy()), rate)
    traits = ClipTraits(
        tempo=pulse.tempo if pulse.is_sure else None,
        key=key.name if key.margin >= _SURE_KEY else "",
        loudness=level if np.isfinite(level) else -70.0,
        density=len(pulse.onsets) * rate / len(mono),
    )
    found: dict[str, dict[str, float]] = {"instrument": {}, "genre": {}, "mood": {}}
    for tagger in taggers:
        for tag, share in zip(tagger.tags, tagger.tag(tagger.embed(mono, rate)).mean(axis=0), strict=True):
            about, word, least = TAG_MEANINGS[tagger.name].get(tag, ("", "", 1.0))
            if about and share >= least:
                # By how far a tag is above what it needs, since some are given much more freely than others.
                found[about][word] = max(found[about].get(word, 0.0), float(share) / least)
    best = {about: tuple(sorted(words, key=lambda word: -words[word])) for about, words in found.items()}
    traits = replace(traits, instruments=best["instrument"][:4], genre=next(iter(best["genre"]), ""))
    return replace(traits, moods=moods(best["mood"], traits))


def _middle(path: Path, rate: int) -> npt.NDArray[np.float32]:
    """Decode at most `LONGEST` seconds from the middle: mono `[n_samples]`."""
    total = audio_info(path).n_samples
    start = max(0, (total - round(LONGEST * rate)) // 2)
    stop, position, parts = start + round(LONGEST * rate), 0, []
    for block in read_blocks(path):
        parts.append(block.mean(axis=0, dtype=np.float32)[max(0, start - position) : max(0, stop - position)])
        position += block.shape[1]
        if position >= stop:
            break
    return np.concatenate(parts)


def _fill(row: dict[str, str], traits: ClipTraits) -> None:
    """Write the traits into the empty columns of a row."""
    texts = iter(text for text in captions(traits, row["file_name"]) if text != row.get("text"))
    values = {
        **{name: next(texts, "") for name in COLUMNS if name.startswith("text") and not row.get(name)},
        "genre": traits.genre,
        "instrument": "; ".join(traits.instruments),
        "mood": ", ".join(traits.moods),
        "tempo": f"{traits.tempo:.1f}" if traits.tempo else "",
        "key": traits.key,
        "tempo_source": "estimated" if traits.tempo and not row.get("tempo") else "",
        "label_source": "tagger",
        "loudness": f"{traits.loudness:.1f}",
        "density": f"{traits.density:.2f}",
    }
    row.update({name: value for name, value in values.items() if not row.get(name)})
