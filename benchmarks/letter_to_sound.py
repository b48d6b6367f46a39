"""Train and measure the letter-to-sound model: `python -m benchmarks.letter_to_sound [--write]`, ten minutes of a core.

Every 32nd word of CMU's dictionary (by a hash of the word) is held out of training for good, so that the shipped table
can be measured at any time. Prints the shares of held-out words said right by the model alone, by the rules of
`audiodiff.text.english.lexicon` alone where one applies, and by rules and model.
"""

import argparse
import collections
import hashlib
import math
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from audiodiff.text.english import letters, lexicon
from audiodiff.text.phones import VOWELS, base
from benchmarks.letter_network import train_network

Phones = tuple[str, ...]
Token = tuple[str, Phones]

TABLE = Path(lexicon.__file__).parents[2] / "assets" / "letter-to-sound.safetensors.xz"
KEPT_ALWAYS = 5
"""N-grams up to this length are kept even if seen once; longer ones must have been seen twice."""

_USUAL = {
    **{
        "a": "AE EY AA AH AO",
        "b": "B",
        "c": "K S CH",
        "d": "D",
        "e": "EH IY AH ER IH",
        "f": "F",
        "g": "G JH",
        "h": "HH",
    },
    **{"i": "IH AY IY AH", "j": "JH", "k": "K", "l": "L", "m": "M", "n": "N NG", "o": "OW AA AO AH UW UH", "p": "P F"},
    **{
        "q": "K",
        "r": "R ER",
        "s": "S Z SH",
        "t": "T TH DH SH CH",
        "u": "AH UW UH ER Y",
        "v": "V",
        "w": "W",
        "x": "K S Z",
    },
    **{"y": "IY Y AY IH", "z": "Z S"},
}
"""Phonemes that a letter often stands for: where the alignment starts from."""


def held_out(word: str) -> bool:
    """Whether a word is kept out of training."""
    return hashlib.sha256(word.encode()).digest()[0] % 32 == 0


def words() -> Iterator[tuple[str, tuple[Phones, ...]]]:
    """Words of two letters or more and their pronunciations, without those that are spelled out."""
    for word in lexicon._dictionary():
        if re.fullmatch("[a-z]{2,}", word) and not lexicon.is_spelled(word):
            yield word, lexicon._listed(word)


def _plain(phones: Phones) -> Phones:
    return tuple(base(phone) for phone in phones)


def _first_cost(letter: str, phones: Phones) -> float:
    usual = _USUAL[letter].split()
    costs = (0.3 if p in usual else 3.0 if (p in VOWELS) == (letter in "aeiouy") else 5.0 for p in phones)
    return sum(costs) + (2.0, 0.0, 2.5, 7.0)[len(phones)]


def align(word: str, phones: Phones, cost: Callable[[str, Phones], float]) -> list[Token]:
    """Cheapest way to deal phonemes out to letters, 0 to 3 each; empty if it is too dear."""
    best: list[dict[int, tuple[float, int]]] = [{0: (0.0, 0)}]
    plain = _plain(phones)
    for letter in word:
        row: dict[int, tuple[float, int]] = {}
        for done, (so_far, _) in best[-1].items():
            for count in range(min(3, len(phones) - done) + 1):
                total = so_far + cost(letter, plain[done : done + count])
                if total < row.get(done + count, (math.inf, 0))[0]:
                    row[done + count] = (total, count)
        best.append(row)
    if best[-1].get(len(phones), (math.inf, 0))[0] > 2.2 * len(word):
        return []
    tokens: list[Token] = []
    end = len(phones)
    for index in range(len(word), 0, -1):
        count = best[index][end][1]
        tokens.append((word[index - 1], phones[end - count : end]))
        end -= count
    return tokens[::-1]


def aligned(pairs: list[tuple[str, Phones]], rounds: int = 4) -> list[list[Token]]:
    """Letters and phonemes of all words, aligned by the pairs that are frequent in the alignments themselves."""
    cost: Callable[[str, Phones], float] = _first_cost
    for _ in range(rounds):
        pairs_seen: collections.Counter[Token] = collections.Counter()
        for word, phones in pairs:
            pairs_seen.update((letter, _plain(part)) for letter, part in align(word, phones, cost))
        letters_seen: collections.Counter[str] = collections.Counter()
        for (letter, _part), count in pairs_seen.items():
            letters_seen[letter] += count
        table = {pair: -math.log(count / letters_seen[pair[0]]) for pair, count in pairs_seen.items()}
        cost = lambda letter, phones, table=table: table.get((letter, phones), 12.0)  # noqa: E731
    found = [align(word, phones, cost) for word, phones in pairs]
    seen = collections.Counter(token for tokens in found for token in tokens)
    return [tokens for tokens in found if tokens and all(seen[token] > 2 for token in tokens)]


Gram = tuple[int, ...]


def _counts(sequences: Iterable[Gram]) -> list[collections.Counter[Gram]]:
    counts = [collections.Counter[Gram]() for _ in range(letters.ORDER + 1)]
    for sequence in sequences:
        for end in range(1, len(sequence)):
            for size in range(1, min(letters.ORDER, end + 1) + 1):
                counts[size][sequence[end + 1 - size : end + 1]] += 1
    return counts


def train(sequences: list[list[Token]]) -> letters.Table:
    """Interpolated modified Kneser-Ney estimates (Chen and Goodman 1999), pruned, with back-offs made to fit."""
    tokens = sorted({token for sequence in sequences for token in sequence})
    number = {token: index for index, token in enumerate(tokens, start=letters.END + 1)}
    assert len(number) + letters.END < 1 << letters.BITS
    raw = _counts((letters.START, *(number[token] for token in sequence), letters.END) for sequence in sequences)
    probability: dict[Gram, float] = {}
    backoff: dict[Gram, float] = {}

    def lower(gram: Gram) -> float:
        weight = 1.0
        while gram not in probability:
            weight *= backoff.get(gram[:-1], 1.0)
            gram = gram[1:]
        return weight * probability[gram]

    for size in range(1, letters.ORDER + 1):
        counts = raw[size]
        if size < letters.ORDER:  # in how many contexts, except at the beginning of a word
            counts = collections.Counter(gram[1:] for gram in raw[size + 1])
            counts.update({gram: count for gram, count in raw[size].items() if gram[0] == letters.START})
        of = collections.Counter(count for count in counts.values() if count < 5)
        y = of[1] / max(1, of[1] + 2 * of[2])
        discount = [min(max(r - (r + 1) * y * of[r + 1] / max(1, of[r]), 0.1), r - 0.1) for r in (1, 2, 3)]
        total: collections.Counter[Gram] = collections.Counter()
        freed: dict[Gram, float] = collections.defaultdict(float)
        for gram, count in counts.items():
            total[gram[:-1]] += count
            freed[gram[:-1]] += discount[min(count, 3) - 1]
        kept: dict[Gram, float] = {}
        for gram, count in counts.items():
            if size <= KEPT_ALWAYS or raw[size][gram] > 1:
                context = gram[:-1]
                below = lower(gram[1:]) if size > 1 else 1 / (len(tokens) + 1)
                kept[gram] = (count - discount[min(count, 3) - 1] + freed[context] * below) / total[context]
        taken: dict[Gram, float] = collections.defaultdict(float)
        taken_below: dict[Gram, float] = collections.defaultdict(float)
        for gram, value in kept.items():
            taken[gram[:-1]] += value
            taken_below[gram[:-1]] += lower(gram[1:]) if size > 1 else 0.0
        probability.update(kept)
        backoff.update({gram: max(1e-6, 1 - taken[gram]) / max(1e-6, 1 - taken_below[gram]) for gram in taken if gram})
    grams = sorted(probability.keys() | backoff.keys(), key=letters.pack)
    codes = letters.encode_costs(np.array([math.log(probability.get(gram, 1.0)) for gram in grams]))
    codes[[gram not in probability for gram in grams]] = letters.MISSING
    backoffs = letters.encode_costs(np.array([math.log(backoff.get(gram, 1.0)) for gram in grams]))
    return letters.Table(np.array([letters.pack(gram) for gram in grams]), codes, backoffs, tuple(tokens))


def right(said: Phones, listed: tuple[Phones, ...]) -> tuple[bool, bool]:
    """Whether a pronunciation is one of the listed, with and without regard to stress."""
    return said in listed, _plain(said) in {_plain(phones) for phones in listed}


def measure(name: str, say: Callable[[str], Phones | None], test: list[tuple[str, tuple[Phones, ...]]]) -> None:
    """Print the shares of words said right among those that `say` answers at all."""
    answers = [(said, listed) for word, listed in test if (said := say(word)) is not None]
    if not answers:
        return
    with_stress, without = np.mean([right(said, listed) for said, listed in answers], axis=0)
    print(
        f"{name:18} {len(answers):5} words: {with_stress:.1%} right, {without:.1%} without regard to stress", flush=True
    )


def main() -> None:
    """Train, measure, and write the table if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name}")
    arguments = parser.parse_args()
    test = [(word, listed) for word, listed in words() if held_out(word)]
    if arguments.write:
        pairs = [(word, phones) for word, listed in words() if not held_out(word) for phones in listed]
        sequences = aligned(pairs)
        table = train(sequences)
        table = table._replace(network=train_network(sequences, table.tokens))
        TABLE.write_bytes(letters.write_table(table))
        print(f"{len(table.keys)} n-grams of {len(table.tokens)} tokens, {TABLE.stat().st_size / 1e6:.2f} MB")
    measure("model", letters.phones_of, test)
    for word, _ in test:
        del lexicon._dictionary()[word]
    lexicon.pronounce.cache_clear()
    for rule in lexicon._RULES:
        measure(rule.__name__, lambda word, rule=rule: next(rule(word), None), test)
        measure(
            "  model there", lambda word, rule=rule: letters.phones_of(word) if next(rule(word), None) else None, test
        )
    measure("rules and model", lambda word: lexicon.pronounce(word).variants[0], test)


if __name__ == "__main__":
    main()
