"""The letter-to-sound model: its file, its arithmetic on a toy table, and words that it was never shown."""

import numpy as np
import pytest
import torch

from audiodiff.text.english import letters
from benchmarks.letter_network import LetterNetwork, as_numpy, train_network
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


def test_the_network_says_the_same_in_numpy_as_in_torch() -> None:
    table = letters._shipped()
    torch.manual_seed(1)
    network = LetterNetwork(table.tokens).eval()
    plain = as_numpy({name: value.detach() for name, value in network.named_parameters()})
    word = torch.tensor([[letters.EDGE, *letters.letter_numbers("phoneme"), letters.EDGE]])
    with torch.no_grad():
        expected = (network(word) - network.allowed[word])[0, 1:-1].numpy()
    assert np.allclose(plain.logits("phoneme"), expected, atol=2e-3)  # the torch side subtracts 10,000


@pytest.mark.slow
def test_the_network_is_trained_and_kept_in_the_file(toy: letters.Table) -> None:
    network = train_network(TOY * 60, toy.tokens, epochs=30)
    table = toy._replace(network=network)
    again = letters.read_table(letters.write_table(table))
    assert again.network is not None
    assert np.allclose(again.network.logits("cab"), network.logits("cab"), atol=0.05)
    assert letters.phones_of("cab", again) == ("K", "AE1", "B")
    # One "a" is said in two ways, which only the letters that follow can tell.
    stressed, weak = (toy.tokens.index(("a", (vowel,))) for vowel in ("AE1", "AH0"))
    second, fourth = network.logits("baba")[[1, 3]]
    assert second[stressed] > second[weak]
    assert fourth[stressed] < fourth[weak]


@pytest.mark.slow
def test_words_held_out_of_training() -> None:
    test = [(word, listed) for word, listed in words() if held_out(word)][::8]
    assert len(test) > 400
    with_stress, without = np.mean([right(letters.phones_of(word), listed) for word, listed in test], axis=0)
    assert without > 0.74
    assert with_stress > 0.70
