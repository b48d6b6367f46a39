"""The letter-to-sound model: its file, its arithmetic on a toy table, and words that it was never shown."""

import numpy as np
import pytest

from audiodiff.text.english import letters
from benchmarks.letter_to_sound import held_out, right, train, words

TOY = [
    [("a", ("AE1",)), ("b", ("B",))],
    [("b", ("B",)), ("a", ("AE1",)), ("b", ("B",)), ("a", ("AH0",))],
    [("c", ("K",)), ("a", ("AE1",)), ("b", ("B",))],
]


@pytest.fixture(scope="module")
def toy() -> letters.Table:
    return train(TOY)


def test_probabilities_of_what_follows_sum_to_one(toy: letters.Table) -> None:
    numbers = np.arange(letters.END, letters.END + 1 + len(toy.tokens))
    for history in [(letters.START,), (letters.START, 5), (letters.START, 3, 5)]:
        scores = letters._scores(toy, np.array([letters.pack(history)]), len(history), numbers)
        assert np.exp(scores).sum() == pytest.approx(1.0, abs=0.08)  # codes are sixteenths of a nat


def test_it_says_what_it_was_shown(toy: letters.Table) -> None:
    for tokens in TOY:
        word = "".join(letter for letter, _ in tokens)
        assert letters.phones_of(word, toy) == tuple(phone for _, phones in tokens for phone in phones)


def test_the_file_gives_the_table_back(toy: letters.Table) -> None:
    again = letters.read_table(letters.write_table(toy))
    assert all(np.array_equal(first, second) for first, second in zip(again[:3], toy[:3], strict=True))
    assert again.tokens == toy.tokens


def test_words_held_out_of_training() -> None:
    test = [(word, listed) for word, listed in words() if held_out(word)][::8]
    assert len(test) > 400
    with_stress, without = np.mean([right(letters.phones_of(word), listed) for word, listed in test], axis=0)
    assert without > 0.70
    assert with_stress > 0.63
