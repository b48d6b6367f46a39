"""What a corpus's metadata say of a clip, as shards hold it: captions, numbers, classes, beats, chords."""

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from audiodiff.data.corpora import AudioItem
from audiodiff.data.dataset import AudioDataset
from audiodiff.data.shards import TimedChord
from audiodiff.errors import AudiodiffError
from audiodiff.models.mel_latent import CLASSES, NUMBERS, ClassConfig, NumberConfig
from audiodiff.signal.beats import steady_beats, track_beats
from audiodiff.text.chords import chord_name, parse_chords
from audiodiff.text.keys import key_name


class Segment(NamedTuple):
    """Samples `start` to `stop` of a recording."""

    start: int
    stop: int


def captions(item: AudioItem) -> tuple[str, ...]:
    """The captions of a clip: `text`, and `text1`, `text2`, ... of the metadata; none if it has none."""
    found = [item.text, *(item.extra[f"text{i}"] for i in range(1, 100) if item.extra.get(f"text{i}"))]
    return tuple(text for text in found if text.strip())


def numbers_of(
    item: AudioItem, numbers: Sequence[NumberConfig] = NUMBERS, seconds: float | None = None
) -> dict[str, float]:
    """Numbers of a clip, as far as its metadata say them in columns of these names.

    Args:
        item: the clip.
        numbers: what is asked for; "seconds" is the clip's length.
        seconds: of the part that is meant, if it is not the whole clip.

    Raises:
        AudiodiffError: something that is not a number.
    """
    known: dict[str, float] = {}
    for name in (number.name for number in numbers):
        value = stated_number(item, name)
        if name == "seconds":
            value = item.seconds if seconds is None else seconds
        if math.isfinite(value) and value > 0:
            known[name] = value
    return known


def stated_number(item: AudioItem, name: str) -> float:
    """A number of the metadata, NaN if there is none.

    Raises:
        AudiodiffError: something that is not a number.
    """
    stated = item.extra.get(name, "").strip()
    try:
        return float(stated or "nan")
    except ValueError as error:
        raise AudiodiffError(f"{item.path} has {name} {stated!r} in its metadata; expected a number.") from error


def beats_of(item: AudioItem, clips: AudioDataset, number: int, part: Segment) -> tuple[float, ...]:
    """Times of the beats (s) in a part of a clip whose tempo is known; none where they cannot be told.

    The column "first_beat" of the metadata gives the time of the first of evenly spaced ones, for clips whose score is
    known; without it they are looked for in the sound.

    Args:
        item: what is known of the clip.
        clips: where its sound is.
        number: of the clip there.
        part: of it.

    Raises:
        AudiodiffError: something that is not a number.
    """
    tempo = stated_number(item, "tempo")
    if not tempo > 0:
        return ()
    first, start, rate = stated_number(item, "first_beat"), part.start / clips.sample_rate, clips.sample_rate
    if math.isnan(first):
        return track_beats(clips.waveform(number, *part).numpy(), rate, tempo)
    seconds = (part.stop - part.start) / rate
    return steady_beats((first - start) % (60.0 / tempo), tempo, seconds)


def chords_of(item: AudioItem, part: Segment, sample_rate: int) -> tuple[TimedChord, ...]:
    """The chords in a part of a clip and when they begin (s), as its metadata tell them; none if they do not.

    The column "chords" names those of the bars from "first_bar" (s) on, whose length follows from "tempo" (quarter
    notes a minute) and "time_signature".

    Raises:
        AudiodiffError: a chord that is not known, or a number or metre that is none.
    """
    try:
        bars = parse_chords(item.extra.get("chords", ""))
    except AudiodiffError as error:
        raise AudiodiffError(f"{item.path}: {error}") from error
    tempo, first = stated_number(item, "tempo"), stated_number(item, "first_bar")
    metre = re.fullmatch(r"([1-9]\d?)/([1-9]\d?)", item.extra.get("time_signature", "4/4").strip() or "4/4")
    if metre is None:
        raise AudiodiffError(f"{item.path} has an unknown time_signature in its metadata; expected one such as 3/4.")
    if not bars or not tempo > 0 or not math.isfinite(first):
        return ()
    seconds = 60.0 / tempo * 4.0 * int(metre[1]) / int(metre[2])
    starts = [
        (first + (place + division / len(bar)) * seconds, chord_name(chord))
        for place, bar in enumerate(bars)
        for division, chord in enumerate(bar)
    ]
    starts.append((first + len(bars) * seconds, ""))
    low, high = part.start / sample_rate, part.stop / sample_rate
    found = [
        TimedChord(round(max(start - low, 0.0), 4), name)
        for (start, name), (stop, _) in pairwise([*starts, (math.inf, "")])
        if start < high and stop > low
    ]
    return tuple(found) if any(chord.name for chord in found) else ()


def classes_of(item: AudioItem, classes: Sequence[ClassConfig] = CLASSES) -> dict[str, str]:
    """Classes of a clip, as far as its metadata say them in columns of these names.

    The kind "source" is whether a clip was rendered from a score or recorded, which `label_source` tells. Keys that are
    neither major nor minor are left out, and those of clips that change theirs, which the column "modulation" tells.

    Raises:
        AudiodiffError: a value that the kind does not have.
    """
    known: dict[str, str] = {}
    for kind in classes:
        stated = item.extra.get(kind.name, "").strip()
        if kind.name == "source":
            label_source = item.extra.get("label_source", "")
            stated = "" if not label_source else "rendered" if label_source == "exact" else "recorded"
        if kind.name == "key":
            stated = "" if item.extra.get("modulation", "").strip() else key_name(stated)
        if stated and stated not in kind.values:
            raise AudiodiffError(
                f"{item.path} has {kind.name} {stated!r} in its metadata; expected {', '.join(kind.values)}, or "
                "nothing."
            )
        if stated:
            known[kind.name] = stated
    return known
