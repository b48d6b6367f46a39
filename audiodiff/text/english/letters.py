"""How a word that no dictionary knows is said: n-grams of letters with their phonemes and a small network, in numpy.

Each letter of a word stands for 0 to 3 phonemes; such a pair is a token, and the most probable sequence of tokens whose
letters spell the word gives its phonemes (Bisani and Ney, "Joint-sequence models for grapheme-to-phoneme conversion",
2008, with one letter a token). The n-grams know what has been said so far, and a convolutional network, whose opinion
of each letter is added, knows the letters that are still to come. `benchmarks/letter_to_sound.py` trains both from
CMU's dictionary.
"""

import functools
import json
import lzma
from importlib import resources
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "BITS",
    "EDGE",
    "END",
    "KERNEL",
    "MISSING",
    "ORDER",
    "START",
    "Network",
    "Table",
    "decode_costs",
    "encode_costs",
    "letter_numbers",
    "pack",
    "phones_of",
    "read_table",
    "write_table",
]

Floats = npt.NDArray[np.float32]

ORDER = 7
"""Longest n-gram; `ORDER` tokens of `BITS` bits make one integer key."""

BITS = 9
START, END = 1, 2
MISSING = 255
"""Code of an n-gram that is only kept as the context of others."""

_STEP = 1 / 16
_OFFSET = 2.0
_BEAM = 16
_SINGLE_STRESS = 5.0
"""Cost of a pronunciation without exactly one primary stress: near to all words have one (nats)."""


_NETWORK_WEIGHT = 0.6
"""How much the network's log-probabilities count beside those of the n-grams."""

KERNEL = 5
EDGE = 1
"""Number of the place before and after a word; letters have 2 to 27, and 0 is nothing."""


class Network(NamedTuple):
    """Residual convolutions over letters: each block adds relu(convolution(normalized)).

    `embedding` `[28, width]`; a row of the next four a block: `kernels` `[n_blocks, KERNEL * width, width]`, `biases`,
    `gains` and `shifts` `[n_blocks, width]`; `output` `[width, n_tokens]` and `output_bias` `[n_tokens]`.
    """

    embedding: Floats
    kernels: Floats
    biases: Floats
    gains: Floats
    shifts: Floats
    output: Floats
    output_bias: Floats

    def logits(self, word: str) -> Floats:
        """Score of each token at each letter `[n_letters, n_tokens]`."""
        hidden = self.embedding[[EDGE, *letter_numbers(word), EDGE]]
        for kernel, bias, gain, shift in zip(self.kernels, self.biases, self.gains, self.shifts, strict=True):
            centred = hidden - hidden.mean(axis=1, keepdims=True)
            normal = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5) * gain + shift
            padded = np.pad(normal, ((KERNEL // 2, KERNEL // 2), (0, 0)))
            neighbours = np.concatenate([padded[tap : tap + len(hidden)] for tap in range(KERNEL)], axis=1)
            hidden = hidden + np.maximum(neighbours @ kernel + bias, 0.0)
        scores: Floats = (hidden @ self.output + self.output_bias)[1:-1]
        return scores


def letter_numbers(word: str) -> list[int]:
    """Numbers of the letters a to z: 2 to 27."""
    return [ord(letter) - ord("a") + 2 for letter in word]


class Table(NamedTuple):
    """The model: sorted keys of n-grams `[n]`, codes of their log-probabilities and of the back-off after them `[n]`.

    `tokens` are the pairs (letter, phonemes) that the numbers from `END` + 1 on stand for.
    """

    keys: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.uint8]
    backoffs: npt.NDArray[np.uint8]
    tokens: tuple[tuple[str, tuple[str, ...]], ...]
    network: Network | None = None


def pack(tokens: tuple[int, ...]) -> int:
    """Key of an n-gram."""
    key = 0
    for token in tokens:
        key = key << BITS | token
    return key


def decode_costs(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Log-probabilities (nats) of their codes."""
    return _OFFSET - codes.astype(np.float32) * np.float32(_STEP)


def encode_costs(values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Codes of log-probabilities (nats), to the nearest sixteenth."""
    return np.clip(np.round((_OFFSET - values) / _STEP), 0, MISSING - 1).astype(np.uint8)


def write_table(table: Table) -> bytes:
    """The table as a compressed safetensors file; keys are stored as differences, which compress better."""
    from safetensors.numpy import save

    arrays = {
        "differences": np.diff(table.keys, prepend=np.int64(0)),
        "probabilities": table.probabilities,
        "backoffs": table.backoffs,
    }
    if table.network:
        arrays |= {
            f"network.{name}": np.ascontiguousarray(values, np.float16)
            for name, values in table.network._asdict().items()
        }
    names = [" ".join([letter, *phones]) for letter, phones in table.tokens]
    return lzma.compress(save(arrays, {"tokens": json.dumps(names)}), preset=9 | lzma.PRESET_EXTREME)


def read_table(packed: bytes) -> Table:
    """The table out of its file."""
    from safetensors.numpy import load

    plain = lzma.decompress(packed)
    arrays = load(plain)
    header = json.loads(plain[8 : 8 + int.from_bytes(plain[:8], "little")])
    names = [name.split() for name in json.loads(header["__metadata__"]["tokens"])]
    tokens = tuple((name[0], tuple(name[1:])) for name in names)
    network = None
    if "network.output" in arrays:
        network = Network(*(arrays[f"network.{name}"].astype(np.float32) for name in Network._fields))
    return Table(np.cumsum(arrays["differences"]), arrays["probabilities"], arrays["backoffs"], tokens, network)


@functools.cache
def _shipped() -> Table:
    return read_table(resources.files("audiodiff").joinpath("assets/letter-to-sound.safetensors.xz").read_bytes())


@functools.lru_cache(maxsize=4)
def _candidates(tokens: tuple[tuple[str, tuple[str, ...]], ...]) -> dict[str, npt.NDArray[np.int64]]:
    """Numbers of the tokens of each letter."""
    by_letter: dict[str, list[int]] = {}
    for number, (letter, _) in enumerate(tokens, start=END + 1):
        by_letter.setdefault(letter, []).append(number)
    return {letter: np.array(numbers) for letter, numbers in by_letter.items()}


def _scores(
    table: Table, history: npt.NDArray[np.int64], length: int, tokens: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Log-probability `[n_histories, n_tokens]` of each token after each history of `length` tokens."""
    shape = (len(history), len(tokens))
    total = np.zeros(shape, np.float32)
    open_ = np.ones(shape, bool)
    for size in range(min(length, ORDER - 1), -1, -1):
        context = history & ((1 << BITS * size) - 1)
        place, found = _find(table, context[:, None] << BITS | tokens[None, :])
        hit = open_ & found & (table.probabilities[place] != MISSING)
        total[hit] += decode_costs(table.probabilities[place[hit]])
        open_ &= ~hit
        if size and open_.any():
            place, found = _find(table, context)
            backoff = np.where(found, decode_costs(table.backoffs[place]), np.float32(0.0))
            total += np.where(open_, backoff[:, None], np.float32(0.0))
    return np.where(open_, total - 14.0, total)


def _find(table: Table, keys: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    place = np.minimum(np.searchsorted(table.keys, keys), len(table.keys) - 1)
    return place, table.keys[place] == keys


def phones_of(word: str, table: Table | None = None) -> tuple[str, ...]:
    """Phonemes of a word by the model.

    Args:
        word: letters a to z.
        table: another model than the shipped one.
    """
    table = table or _shipped()
    candidates = _candidates(table.tokens)
    opinions = table.network.logits(word) if table.network else None
    history = np.array([START], np.int64)
    score = np.zeros(1, np.float32)
    paths: list[tuple[int, ...]] = [()]
    mask = (1 << BITS * (ORDER - 1)) - 1
    for length, letter in enumerate(word, start=1):
        tokens = candidates[letter]
        total = score[:, None] + _scores(table, history, length, tokens)
        if opinions is not None:
            opinion = opinions[length - 1, tokens - END - 1]
            total = total + _NETWORK_WEIGHT * (opinion - np.logaddexp.reduce(opinion))
        best = np.argsort(-total, axis=None, kind="stable")[:_BEAM]
        rows, columns = np.unravel_index(best, total.shape)
        history = (history[rows] << BITS | tokens[columns]) & mask
        score = total[rows, columns]
        paths = [(*paths[row], int(tokens[column])) for row, column in zip(rows, columns, strict=True)]
    score = score + _scores(table, history, len(word) + 1, np.array([END]))[:, 0]
    spoken = [tuple(phone for token in path for phone in table.tokens[token - END - 1][1]) for path in paths]
    stressed = np.array([sum(phone.endswith("1") for phone in phones) == 1 for phones in spoken])
    return spoken[int(np.argmax(np.where(stressed, score, score - _SINGLE_STRESS)))]
