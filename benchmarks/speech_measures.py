"""What the benchmark of speech counts: words and phonemes heard wrong, spread of pitch and durations, takes, faults."""

import re
from collections.abc import Callable, Hashable, Sequence
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.metrics.inputs import FloatArray, resampled
from audiodiff.metrics.stats import Interval
from audiodiff.signal.f0 import track_f0
from audiodiff.signal.mel import PRESETS
from audiodiff.text.english.normalize import normalize

MEL = PRESETS["hifigan-22k"]
"""The frames that pitch and durations are measured on."""

RESAMPLES = 10_000
POINTS = 4
"""Values of a pitch contour for each symbol, so that takes of different tempo compare."""

PHONE_SECONDS = (0.03, 0.30)
"""Bounds of the mean length of a phoneme, pauses included: fast and slow readers lie well inside."""

LONGEST_PHONE, LONGEST_PAUSE = 0.8, 1.5
"""Bounds of a single phoneme and of a pause that was not asked for (s)."""

RUN = 3
"""Words in a row that must be missed, or heard beyond the text, before a sentence is suspected."""

PHONE_COUNT = (0.6, 1.5)
"""Bounds of phonemes heard to phonemes asked; outside of them a suspicion of the word recogniser is confirmed."""

_DOTTED_TIME = re.compile(
    r"\b(\d{1,2})\.([0-5]\d)(?=\s*(?:[ap]\.?m\b|in the (?:morning|afternoon|evening)|at night))", re.I
)
"""A time of day as the recogniser sometimes writes it."""

Step = tuple[Literal["same", "other", "missed", "added"], int, int]


class Count(NamedTuple):
    """`errors` among `of` words or phonemes."""

    errors: int
    of: int


class Moments(NamedTuple):
    """Number, sum and sum of squares of some values: enough for the spread of several clips together."""

    n: int
    total: float
    squares: float

    @classmethod
    def of(cls, values: npt.ArrayLike) -> "Moments":
        """Moments of an array."""
        array = np.asarray(values, np.float64)
        return cls(array.size, float(array.sum()), float(np.square(array).sum()))


def spoken_words(text: str) -> tuple[str, ...]:
    """The words of a text or of a transcript as they are said, in lower case without apostrophes.

    Numbers and abbreviations are written out, so that "5" and "five" are one word; names of letters are single
    letters. What the reading of text refuses (a recogniser may write anything) keeps its letters and figures.
    """
    text = _DOTTED_TIME.sub(r"\1:\2", text)
    try:
        words = [word for token in normalize(text, skip_unreadable=True).tokens for word in token.words]
    except AudiodiffError:
        words = re.findall(r"[^\W_]+(?:'[^\W_]+)*", text)
    # "Do n't" and hyphens are a matter of spelling.
    plain = (re.sub(r"['’]", "", part) for word in words for part in word.lower().split("-"))
    return tuple(word for word in plain if word)


def compare(wanted: Sequence[Hashable], heard: Sequence[Hashable]) -> list[Step]:
    """The fewest substitutions, deletions and insertions that turn `wanted` into `heard`, as steps (what, i, j)."""
    rows, columns = len(wanted), len(heard)
    cost = [list(range(columns + 1))]
    for i, word in enumerate(wanted):
        above, row = cost[-1], [i + 1]
        for j, other in enumerate(heard):
            row.append(min(above[j] + (word != other), row[-1] + 1, above[j + 1] + 1))
        cost.append(row)
    steps: list[Step] = []
    i, j = rows, columns
    while i or j:
        if i and j and cost[i][j] == cost[i - 1][j - 1] + (wanted[i - 1] != heard[j - 1]):
            i, j = i - 1, j - 1
            steps.append(("same" if wanted[i] == heard[j] else "other", i, j))
        elif i and cost[i][j] == cost[i - 1][j] + 1:
            i -= 1
            steps.append(("missed", i, j))
        else:
            j -= 1
            steps.append(("added", i, j))
    return steps[::-1]


def count_errors(wanted: Sequence[Hashable], heard: Sequence[Hashable]) -> Count:
    """Substitutions, deletions and insertions, and the length of `wanted`."""
    return Count(sum(step[0] != "same" for step in compare(wanted, heard)), len(wanted))


def longest_run(steps: Sequence[Step], kind: str) -> int:
    """Most steps of one kind in a row."""
    longest = run = 0
    for step in steps:
        run = run + 1 if step[0] == kind else 0
        longest = max(longest, run)
    return longest


def bootstrap(statistic: Callable[[npt.NDArray[np.intp]], FloatArray], n: int, seed: int = 0) -> Interval:
    """A statistic of `n` sentences with its 95 % interval over draws of as many sentences with replacement.

    Args:
        statistic: takes rows of indices `[n_draws, n]` and returns `[n_draws]`.
        n: number of sentences; of a single one there is no interval.
        seed: of the draws; the same for two statistics makes them paired.
    """
    if n == 0:
        raise AudiodiffError("there is no sentence to measure.")
    mean = float(statistic(np.arange(n)[None])[0])
    if n == 1:
        return Interval(mean, -np.inf, np.inf, 1)
    values = statistic(np.random.default_rng(seed).integers(0, n, (RESAMPLES, n)))
    low, high = np.nanquantile(values, [0.025, 0.975])
    return Interval(mean, float(low), float(high), n)


def rate(counts: Sequence[Count]) -> Interval:
    """All errors by all words, in per cent: the error rate of a set of sentences."""
    table = np.asarray(counts, np.float64).reshape(-1, 2)
    return bootstrap(lambda rows: 100 * table[rows, 0].sum(1) / table[rows, 1].sum(1), len(table))


def _spread(table: FloatArray, rows: npt.NDArray[np.intp]) -> FloatArray:
    n, total, squares = np.moveaxis(table[rows].sum(axis=1), -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(np.maximum(squares / n - np.square(total / n), 0.0))


def spread(moments: Sequence[Moments]) -> Interval:
    """Standard deviation of all values of several sentences."""
    table = np.asarray(moments, np.float64).reshape(-1, 3)
    return bootstrap(lambda rows: _spread(table, rows), len(table))


def spread_ratio(moments: Sequence[Moments], reference: Sequence[Moments]) -> Interval:
    """Standard deviation in per cent of that of the same sentences in `reference`."""
    ours, theirs = (np.asarray(part, np.float64).reshape(-1, 3) for part in (moments, reference))
    with np.errstate(invalid="ignore", divide="ignore"):
        return bootstrap(lambda rows: 100 * _spread(ours, rows) / _spread(theirs, rows), len(ours))


def pitch(waveform: FloatArray, sample_rate: int) -> Moments:
    """Pitch of the voiced frames of a waveform `[n_samples]`, in semitones above 100 Hz."""
    samples = torch.from_numpy(resampled(np.asarray(waveform, np.float32), sample_rate, MEL.sample_rate).copy())
    track = track_f0(samples, MEL)
    return Moments.of(12 * np.log2(track.hertz[track.voiced] / 100))


def contour(f0: FloatArray, durations: Sequence[int]) -> FloatArray:
    """Pitch of one take at `POINTS` places in every symbol, in octaves; NaN where unvoiced or the symbol is empty.

    Args:
        f0: `[n_frames]` in Hz, 0 where unvoiced.
        durations: frames of each symbol.
    """
    values = np.full((len(durations), POINTS), np.nan)
    start = 0
    for number, duration in enumerate(durations):
        if duration:
            places = start + (np.arange(POINTS) + 0.5) * duration / POINTS
            found = np.asarray(f0, np.float64)[np.minimum(places.astype(int), len(f0) - 1)]
            values[number, found > 0] = np.log2(found[found > 0])
        start += duration
    return values.ravel()


def contour_correlation(contours: Sequence[FloatArray]) -> float:
    """Mean correlation of every two takes of a sentence, over the places that are voiced in both."""
    found = []
    for first, second in combinations(contours, 2):
        both = np.isfinite(first) & np.isfinite(second)
        if both.sum() > 2 and first[both].std() > 0 and second[both].std() > 0:
            found.append(float(np.corrcoef(first[both], second[both])[0, 1]))
    return float(np.mean(found)) if found else float("nan")


def length_faults(
    seconds: float, symbols: Sequence[str] = (), durations: Sequence[float] = (), n_phones: int = 0
) -> list[str]:
    """What is wrong with the lengths in a sentence: "runs away" or "rushed", with the figure.

    Args:
        seconds: length of the waveform.
        symbols: symbols of the utterance, if known; those in `<>` are boundaries.
        durations: of the symbols (s).
        n_phones: phonemes of the text.
    """
    faults = []
    low, high = PHONE_SECONDS
    # Half a second of silence belongs to a sentence of any length.
    if seconds > high * n_phones + 0.5:
        faults.append(f"runs away: {seconds:.1f} s for {n_phones} phonemes")
    elif seconds < low * n_phones:
        faults.append(f"rushed: {seconds:.1f} s for {n_phones} phonemes")
    for symbol, duration in zip(symbols, durations, strict=True):
        if duration > (LONGEST_PAUSE if symbol.startswith("<") else LONGEST_PHONE):
            faults.append(f"runs away: {symbol} lasts {duration:.1f} s")
    return faults


def heard_faults(wanted: Sequence[str], heard: Sequence[str], phones_heard: float) -> list[str]:
    """Words that were skipped or said again, if both recognisers say so.

    Recognisers of words leave out or invent words themselves where language is odd, so that a run of words counts
    only if the number of phonemes heard fits it.

    Args:
        wanted: words of the text.
        heard: words that the recogniser wrote.
        phones_heard: phonemes heard by the phoneme recogniser, by phonemes of the text.
    """
    steps = compare(wanted, heard)
    missed, added = longest_run(steps, "missed"), longest_run(steps, "added")
    faults = []
    if missed >= min(RUN, len(wanted)) and phones_heard < PHONE_COUNT[0]:
        faults.append(f"skips: {missed} words missed, {phones_heard:.0%} of the phonemes heard")
    if added >= RUN and phones_heard > PHONE_COUNT[1]:
        faults.append(f"repeats: {added} words too many, {phones_heard:.0%} of the phonemes heard")
    return faults
