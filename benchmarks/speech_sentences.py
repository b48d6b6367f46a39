"""What the benchmark of speech has read aloud: test sentences of a corpus, other text, and odd sentences."""

import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from audiodiff.data.items import AudioItem
from audiodiff.data.manifest import load_items
from audiodiff.errors import AudiodiffError
from audiodiff.evaluation.evaluate import EvaluationClip
from audiodiff.signal.audio_io import read_mono

TEXTS = Path(__file__).with_name("speech_sentences.tsv")
T = TypeVar("T")
EACH = 60
"""Odd sentences of each of the five kinds."""

PEAK = 0.95

TWISTERS = """\
Six slick sailors sold seven sacks of salted sausages.
Fresh fish shops fry fifty fresh flat fish for Friday.
Three free thieves threw three thick thorny thistles.
Brave brown bears bring big black berries by boat.
She sees six shiny ships sail slowly south.
Which wealthy witch will wish for Richard's watch?
Clean cream crumbs cling to Claire's clean cups.
Truly rural roads rarely reach the rolling river.
Big blue beetles brag that black bugs bite.
Greedy geese graze on green grass in great groups.
The sixth sheik's sister has sixty sick sheep.
Pretty Patty packed a plain purple paper package.
Lazy lions lick long yellow lollies.
Toy trucks try to tow two tall trailers.
Swift swans swam past swaying swings.
Chester cheered as cheap cheese chunks changed shape.
Vivid violets vary, while wild weeds wither.
Thirty thousand thoughtful thrushes thought of the south.
Laura really rolled her yellow railroad lorry.
Kind King Karl keeps kicking cold crooked cans.
Eunice used unusual new units in New Utrecht.
Proper copper kettles cook proper copper coffee.
Strange strong strings stretch straight through the street.
Betty's better biscuits beat Bob's bitter bagels.
Freddy's friends fried fresh frosted fruit flakes.
Selfish sharks sell shoddy shellfish.
Nine nimble noblemen never knew a noisy newt.
Ten tiny tin toys tinkled on the tin tray.
Fuzzy Wendy was washing Willy's woolly vest.
Rolling rings ring round the wrong red rope."""

WORDS = """\
yes no hello stop water mother seven orange through strength rhythm queue squirrel thoughts eye owe a I oh
banana elephant refrigerator extraordinary university Wednesday February colonel psychology church judge vision
garage measure rough cough bough sixths twelfths sixth texts asks splash scrimmage anemone statistics particularly
congratulations why hour fire oil world girl pure beautiful island knight thumb honest wrestle sword"""

CLAUSES = """\
the baker opened his small shop; the children walked to school along the river; a cold wind blew from the hills;
nobody noticed the old man at the window; the horses waited under the trees; we carried the boxes up the stairs;
a boat with a red sail left the harbor; the music from the hall could be heard outside; my sister wrote a long letter;
the lamps were lit one after another; two strangers asked for the way to the station; the farmer counted his sheep;
the clock in the tower struck nine; rain began to fall on the roofs; a dog barked behind the fence;
the teacher closed the book; smoke rose from the chimney of the mill; the last guests put on their coats;
the train crossed the long bridge"""

REPEATED = """\
very no ha go the really never bang hello yes please two stop wait come tick left far more blue"""


@dataclass(frozen=True)
class Sentence:
    """What is read; `recording` is there for sentences of the corpus."""

    name: str
    kind: str
    text: str
    recording: EvaluationClip | None = None


def corpus_sentences(
    folder: Path, speaker: str | None, split: str = "test", limit: int | None = None
) -> list[Sentence]:
    """Recordings of a split with text, scaled to peak 0.95, evenly spread over the names if there are more.

    Args:
        folder: a corpus with splits.
        speaker: whose recordings; None for all.
        split: which.
        limit: at most so many.

    Raises:
        AudiodiffError: there are none.
    """
    found = [
        item
        for item in sorted(load_items(folder, split), key=lambda item: item.path)
        if item.text and item.n_samples and speaker in (None, item.speaker)
    ]
    if not found:
        raise AudiodiffError(
            f"the split {split!r} of {folder} has no recording with text"
            + (f" of speaker {speaker!r}" if speaker else "")
            + "; name another with --split or --speaker."
        )
    return [Sentence(item.path.stem, split, item.text, _clip(item)) for item in spread_out(found, limit)]


def _clip(item: AudioItem) -> EvaluationClip:
    audio = read_mono(item.path)
    waveform = audio.waveform[0]
    scale = PEAK / max(float(np.abs(waveform).max(initial=0.0)), 1e-6)
    return EvaluationClip(
        item.path.stem, (waveform * np.float32(scale)).astype(np.float32), audio.sample_rate, item.speaker
    )


def spread_out(items: Sequence[T], limit: int | None) -> list[T]:
    """At most `limit` of the items, evenly spread."""
    count = min(limit or len(items), len(items))
    return [items[index * len(items) // count] for index in range(count)]


def other_sentences() -> list[Sentence]:
    """Two hundred sentences as of the news, with names and with numbers, of no corpus."""
    with TEXTS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [Sentence(f"{row['kind']}-{number}", row["kind"], row["text"]) for number, row in enumerate(rows)]


def odd_sentences(seed: int = 0) -> list[Sentence]:
    """Three hundred sentences that are hard to read without a slip: five kinds, sixty of each."""
    random_ = random.Random(seed)
    clauses = [" ".join(clause.split()) for clause in CLAUSES.split(";")]
    twisters = TWISTERS.splitlines()
    texts = {
        "tongue twisters": [*twisters, *(_mixed(twisters, random_) for _ in range(EACH - len(twisters)))],
        "one word": [f"{word.capitalize()}{random_.choice('.!?')}" for word in WORDS.split()],
        "sixty words": [_long(clauses, random_) for _ in range(EACH)],
        "capitals": [one.text.upper() for one in spread_out(other_sentences(), EACH)],
        "repeated words": [_repeated(number, word, random_) for number, word in enumerate(REPEATED.split() * 3)],
    }
    return [
        Sentence(f"{kind}-{number}", kind, text)
        for kind, members in texts.items()
        for number, text in enumerate(members[:EACH])
    ]


def _mixed(twisters: list[str], random_: random.Random) -> str:
    """Words of two tongue twisters in turn: harder to say, and no sense to lean on."""
    first, second = ([word.strip(".,?").lower() for word in text.split()] for text in random_.sample(twisters, 2))
    words = [word for pair in zip(first, second, strict=False) for word in pair]
    return " ".join(words).capitalize() + "."


def _long(clauses: list[str], random_: random.Random) -> str:
    words: list[str] = []
    for clause in random_.sample(clauses, len(clauses)):
        words += ([random_.choice(("and", "while", "but", "because"))] if words else []) + clause.split()
        words[-1] += ","
    text = " ".join(words[:60]).rstrip(",")
    return text[0].upper() + text[1:] + "."


def _repeated(number: int, word: str, random_: random.Random) -> str:
    times = random_.randint(2, 8)
    shapes = (
        " ".join([word] * times) + ".",
        ", ".join([word] * times) + "!",
        f"I heard {' '.join([word] * times)} and then {', '.join([word] * 3)} again.",
    )
    text = shapes[number % len(shapes)]
    return text[0].upper() + text[1:]
