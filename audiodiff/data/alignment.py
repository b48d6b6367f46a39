"""Where each phoneme of a recording lies: hidden Markov models trained from nothing but recordings and their texts.

Three states a phoneme (the middle one may be skipped, so that two frames are enough), silence between words where
there is any, and the pronunciation of each word chosen among those that the dictionary gives. Training starts with the
phonemes dealt out evenly over the speech of each clip ("flat start"), and aligns and estimates by turns.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audiodiff.data.phone_model import SILENCE, STATE_INDEX, Floats, PhoneModel, estimate, features, states_of
from audiodiff.errors import AudiodiffError
from audiodiff.text.utterance import Utterance

__all__ = [
    "ADAPTATIONS",
    "LEAST_FIT",
    "USUAL_FIT",
    "Alignment",
    "Round",
    "Transcript",
    "align",
    "check_length",
    "fit_threshold",
    "misfits",
    "train_aligner",
    "transcript",
    "usual_pronunciations",
]

Ints = npt.NDArray[np.int64]
Phones = tuple[str, ...]

_SILENCE_COST = 6.0
"""Cost of a silence after a word without punctuation (nats): closures of plosives are quiet, too."""

_BEAM = 1000.0
"""Paths that are less likely than the best by more (nats) are given up."""

_SHORT_GAP = 12
"""Quiet stretches of fewer frames inside of speech are closures, no pauses, when training starts."""

_FIRST_ROUNDS = 3
"""Rounds in which every word is said in its usual way, before the models can tell pronunciations apart."""

_LAST_ROUNDS = 4
"""Rounds without the slopes of the cepstrum: these help to find a phoneme, but reach over its borders and blur them."""


ADAPTATIONS = 2
"""How often a clip is aligned again that the phoneme model was not trained on."""

LEAST_FIT, USUAL_FIT = -4.0, -2.2
"""`Alignment.fit` (nats a frame) of such a clip below which a text is not what is said, and above which all is as it
should be.

Of 40 unseen sentences of the speaker of `kathleen` the worst has -1.5, and the best of 120 wrong texts -4.0; of 40
telephone prompts by another speaker 85 % are above the first value, and 99 % of wrong texts below it.
"""


@dataclass(frozen=True)
class Transcript:
    """What is said in a clip.

    Attributes:
        choices: for each word the pronunciations to choose among, the usual one first.
        boundaries: symbol of the boundary after each word.
    """

    choices: tuple[tuple[Phones, ...], ...]
    boundaries: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse words that cannot be said, which would leave holes in the alignment."""
        if not self.choices or len(self.choices) != len(self.boundaries):
            raise AudiodiffError("a transcript has one word or more, each with a boundary after it.")
        if not all(choice and all(choice) for choice in self.choices):
            raise AudiodiffError("every word of a transcript has one pronunciation or more, none of them empty.")


def transcript(utterance: Utterance, pronunciations: Callable[[str], Sequence[Phones]]) -> Transcript:
    """Transcript of an utterance; words that were written as phonemes keep them.

    Args:
        utterance: what is said.
        pronunciations: every way to say a word (`audiodiff.text.english.pronunciations`).
    """
    choices = tuple(
        (word.phones,)
        if word.source in ("text", "lexicon", "espeak")
        else tuple(dict.fromkeys((word.phones, *pronunciations(word.text))))
        for word in utterance.words
    )
    return Transcript(choices, tuple(word.boundary for word in utterance.words))


@dataclass(frozen=True)
class Alignment:
    """A clip and its text, brought together.

    Attributes:
        symbols: `<start>`, phonemes as pronounced and boundaries, `<end>`, as in `Utterance.symbols`.
        durations: frames of each symbol `[n_symbols]`, 0 for a boundary without silence; together those of the clip.
        chosen: for each word which of its pronunciations was said.
        log_likelihood: mean over the frames (nats); depends on the recording as much as on the text.
        fit: mean over the frames of how much less likely the text is than the best phoneme at each frame (nats, 0 or
            less): low where the text is not what was said.
    """

    symbols: tuple[str, ...]
    durations: Ints
    chosen: tuple[int, ...]
    log_likelihood: float
    fit: float


class Round(NamedTuple):
    """A round of training: mean log-likelihood of a frame, and the share of frames that changed their state."""

    number: int
    log_likelihood: float
    changed: float


class _Graph(NamedTuple):
    """States that a clip may go through, in an order in which predecessors come first.

    `states` `[n]` are numbers in `STATES`, `owner` `[n]` the position: word * 2 + 1 for phonemes, word * 2 + 2 for the
    silence after it, 0 for the silence at the beginning; `phone` `[n]` the phoneme's number in its pronunciation,
    `variant` `[n]` which pronunciation. `before` `[n, k]` are the predecessors, padded with n; `cost` `[n]` is charged
    on entering; `starts` and `ends` mark where paths may begin and end.
    """

    states: Ints
    owner: Ints
    phone: Ints
    variant: Ints
    before: Ints
    cost: Floats
    starts: npt.NDArray[np.bool_]
    ends: npt.NDArray[np.bool_]


def _graph(text: Transcript, usual_only: bool) -> _Graph:
    nodes: list[tuple[int, int, int, int]] = [(0, 0, 0, 0)]
    before: list[list[int]] = [[0]]
    cost = [0.0]
    starts = {0}
    exits = [0]
    for word, choices in enumerate(text.choices):
        after: list[int] = []
        for variant, phones in enumerate(choices[:1] if usual_only else choices):
            last = exits
            for number, phone in enumerate(phones):
                here = len(nodes)
                nodes += [(state, 2 * word + 1, number, variant) for state in states_of(phone)]
                before += [[here, *last], [here + 1, here], [here + 2, here + 1, here]]
                cost += [0.0, 0.0, 0.0]
                if word == 0 and number == 0:
                    starts.add(here)
                last = [here + 2]
            after += last
        silence = len(nodes)
        nodes.append((0, 2 * word + 2, 0, 0))
        before.append([silence, *after])
        cost.append(_SILENCE_COST if text.boundaries[word] == "<sp>" else 0.0)
        exits = [*after, silence]
    width = max(map(len, before))
    table = np.array([row + [len(nodes)] * (width - len(row)) for row in before])
    states, owner, phone, variant = np.array(nodes).T
    marks = np.zeros((2, len(nodes)), bool)
    marks[0, list(starts)] = True
    marks[1, exits] = True
    return _Graph(states, owner, phone, variant, table, np.array(cost), marks[0], marks[1])


def _viterbi(scores: Floats, graph: _Graph, beam: float = _BEAM) -> tuple[Ints, float]:
    """Best path through the graph, a node for each frame, and its log-likelihood.

    Only nodes between those within the beam are looked at, so that time and memory grow with the length of a clip, not
    with its square.
    """
    count, n_nodes = len(scores), len(graph.states)
    nodes = np.arange(n_nodes)[:, None]
    reach = int((nodes - np.where(graph.before < n_nodes, graph.before, nodes)).max())
    best = np.full(n_nodes + 1, -np.inf)
    best[:n_nodes][graph.starts] = scores[0, graph.states[graph.starts]]
    back: list[tuple[int, npt.NDArray[np.int16]]] = []
    stay = np.zeros(graph.before.shape)
    stay[:, 1:] -= graph.cost[:, None]
    for frame in range(1, count):
        alive = np.flatnonzero(best > max(best.max() - beam, -np.finfo(np.float64).max))
        low, high = int(alive[0]), min(n_nodes, int(alive[-1]) + reach + 1)
        candidates = best[graph.before[low:high]] + stay[low:high]
        choice = candidates.argmax(axis=1)
        back.append((low, choice.astype(np.int16)))
        best[:low] = best[high:] = -np.inf
        best[low:high] = candidates[np.arange(high - low), choice] + scores[frame, graph.states[low:high]]
    at_end = np.where(graph.ends, best[:n_nodes], -np.inf)
    last = int(np.argmax(at_end))
    total = float(at_end[last])
    if not np.isfinite(total):  # no path that was kept reaches the end, as with a text that hardly fits in
        return _viterbi(scores, graph, np.inf)
    path = np.empty(count, np.int64)
    for frame in range(count - 1, -1, -1):
        path[frame] = last
        if frame:
            low, choice = back[frame - 1]
            last = int(graph.before[last, choice[last - low]])
    return path, total


def _aligned(text: Transcript, graph: _Graph, path: Ints, total: float, ceiling: float) -> Alignment:
    owner, phone, variant = graph.owner[path], graph.phone[path], graph.variant[path]
    symbols, durations, chosen = ["<start>"], [int((owner == 0).sum())], []
    for word, choices in enumerate(text.choices):
        inside = owner == 2 * word + 1
        said = int(variant[inside][0])
        chosen.append(said)
        symbols += [*choices[said], text.boundaries[word]]
        durations += np.bincount(phone[inside], minlength=len(choices[said])).tolist()
        durations.append(int((owner == 2 * word + 2).sum()))
    symbols.append("<end>")
    durations.append(durations[-1])
    durations[-2] = 0  # the silence at the end is that of <end>, the last mark only tells how the sentence ends
    count = len(path)
    return Alignment(tuple(symbols), np.array(durations), tuple(chosen), total / count, (total - ceiling) / count)


def check_length(name: str, log_mel: npt.NDArray[np.float32], text: Transcript) -> None:
    """Refuse a clip that has not two frames for each phoneme.

    Raises:
        AudiodiffError: so; `name` is what the message calls it.
    """
    least = 2 * sum(min(map(len, choices)) for choices in text.choices)
    if log_mel.shape[1] < least:
        raise AudiodiffError(
            f"{name} has {log_mel.shape[1]} frames, and its text needs at least {least}; the text is not what is said "
            "in it, or the recording is cut off."
        )


def align(model: PhoneModel, log_mel: npt.NDArray[np.float32], text: Transcript, *, adaptations: int = 0) -> Alignment:
    """Align a clip to its text.

    Args:
        model: of this speaker, or of one that sounds alike.
        log_mel: `[n_mels, n_frames]`, natural logarithm.
        text: what is said.
        adaptations: how often to align again with the mean of the speech moved to that of the model, for clips of other
            speakers and microphones.

    Raises:
        AudiodiffError: the clip is too short for the text.
    """
    check_length("the recording", log_mel, text)
    clip = features(log_mel)
    found, states = _align(model.scores(clip), text, usual_only=False)
    for _ in range(adaptations):
        speech = states != STATE_INDEX[SILENCE]
        clip = clip - (clip - model.means[states])[speech].mean(axis=0)
        found, states = _align(model.scores(clip), text, usual_only=False)
    return found


def _align(scores: Floats, text: Transcript, usual_only: bool) -> tuple[Alignment, Ints]:
    graph = _graph(text, usual_only)
    path, total = _viterbi(scores, graph)
    return _aligned(text, graph, path, total, float(scores.max(axis=1).sum())), graph.states[path]


def _flat(clip: Floats, log_mel: npt.NDArray[np.float32], text: Transcript) -> Ints:
    """States dealt out evenly over the frames that are not quiet; long quiet stretches are silence."""
    energy = log_mel.mean(axis=0)
    low, high = np.percentile(energy, [3, 95])
    loud = energy > low + 0.25 * (high - low)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ~loud, [False]]).astype(np.int8)))
    speech = loud.copy()
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if start > 0 and end < len(loud) and end - start < _SHORT_GAP:
            speech[start:end] = True
    labels = np.zeros(len(clip), np.int64)
    frames = np.flatnonzero(speech)
    states = [state for choices in text.choices for phone in choices[0] for state in states_of(phone)]
    labels[frames] = np.array(states)[np.arange(len(frames)) * len(states) // max(1, len(frames))]
    return labels


def train_aligner(
    log_mels: Sequence[npt.NDArray[np.float32]], texts: Sequence[Transcript], rounds: int = 12
) -> Iterator[tuple[Round, PhoneModel, list[Alignment]]]:
    """Train on recordings and their texts; yields after every round, the last one is the best.

    Args:
        log_mels: clips `[n_mels, n_frames]`, natural logarithm, of one speaker.
        texts: what is said in each.
        rounds: how often to align and estimate; likelihoods of the last four do not compare with those before, which
            count the slopes of the cepstrum as well.

    Raises:
        AudiodiffError: no clips, not one text a clip, or a clip too short for its text (named by its number).
    """
    if not log_mels or len(log_mels) != len(texts):
        raise AudiodiffError(f"{len(log_mels)} clips and {len(texts)} texts were given; expected one text a clip.")
    for number, (log_mel, text) in enumerate(zip(log_mels, texts, strict=True)):
        check_length(f"clip {number}", log_mel, text)
    clips = [features(log_mel, slopes=True) for log_mel in log_mels]
    labels = [_flat(clip, log_mel, text) for clip, log_mel, text in zip(clips, log_mels, texts, strict=True)]
    for number in range(rounds):
        if number == max(_FIRST_ROUNDS, rounds - _LAST_ROUNDS):
            clips = [features(log_mel) for log_mel in log_mels]
        model = estimate(clips, labels)
        found = [
            _align(model.scores(clip), text, number < _FIRST_ROUNDS) for clip, text in zip(clips, texts, strict=True)
        ]
        changed = np.mean(np.concatenate([new != old for (_, new), old in zip(found, labels, strict=True)]))
        labels = [new for _, new in found]
        alignments = [alignment for alignment, _ in found]
        lengths = [len(clip) for clip in clips]
        likelihood = float(np.average([one.log_likelihood for one in alignments], weights=lengths))
        yield Round(number + 1, likelihood, float(changed)), model, alignments


def usual_pronunciations(words: Iterable[Sequence[str]], found: Iterable[Alignment]) -> dict[str, Phones]:
    """How a speaker says words most often, for `usual` of `audiodiff.text.english.phonemes`.

    Args:
        words: the spoken words of each clip (`Word.text`).
        found: its alignment.
    """
    counts: dict[str, Counter[Phones]] = {}
    for spoken, alignment in zip(words, found, strict=True):
        said = [phones for phones in _by_word(alignment.symbols) if phones]
        for word, phones in zip(spoken, said, strict=True):
            counts.setdefault(word, Counter())[phones] += 1
    return {word: pronunciations.most_common(1)[0][0] for word, pronunciations in counts.items()}


def _by_word(symbols: Sequence[str]) -> Iterator[Phones]:
    """The phonemes between boundaries."""
    phones: list[str] = []
    for symbol in symbols:
        if symbol.startswith("<"):
            yield tuple(phones)
            phones = []
        else:
            phones.append(symbol)


def fit_threshold(fits: Sequence[float]) -> float:
    """Value of `Alignment.fit` below which a clip of a corpus is suspect: far outside of what the others have.

    Median minus eight times the median deviation.
    """
    middle = float(np.median(fits))
    return middle - 8.0 * float(np.median(np.abs(np.asarray(fits) - middle)))


def misfits(found: Sequence[Alignment], least: float | None = None) -> dict[int, str]:
    """Which clips of a corpus have a text that is not what is said in them, by number, with the reason.

    Args:
        found: alignments of the corpus.
        least: `Alignment.fit` below which a clip is suspect; None for `fit_threshold`.
    """
    least = fit_threshold([one.fit for one in found]) if least is None else least
    return {
        number: f"its text does not fit its sound (fit {one.fit:.1f}, expected {least:.1f} or more)"
        for number, one in enumerate(found)
        if one.fit < least
    }
