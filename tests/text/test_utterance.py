"""Symbols, places and times of an utterance."""

import pytest

from audiodiff.errors import AudiodiffError
from audiodiff.text.phones import SYMBOLS
from audiodiff.text.utterance import Utterance, Word, emphasized, stronger
from tests.refusals import refused

UTTERANCE = Utterance(
    "Hi you",
    (Word("hi", ("HH", "AY1"), 0, 2, "dictionary", pause=0.5), Word("you", ("Y", "UW1"), 3, 6, "dictionary", "<?>")),
)


def test_symbols_words_and_pauses_go_together() -> None:
    assert UTTERANCE.symbols == ("<start>", "HH", "AY1", "<sp>", "Y", "UW1", "<?>", "<end>")
    assert [SYMBOLS[number] for number in UTTERANCE.ids] == list(UTTERANCE.symbols)
    assert UTTERANCE.word_of_symbol == (-1, 0, 0, -1, 1, 1, -1, -1)
    assert UTTERANCE.pauses == (None, None, None, 0.5, None, None, None, None)


def test_word_times() -> None:
    assert UTTERANCE.word_times([5, 2, 3, 4, 1, 6, 0, 9]) == ((5, 10), (14, 21))
    refused("8 symbols", lambda: UTTERANCE.word_times([1, 2]))


def test_the_stronger_mark_counts() -> None:
    assert stronger("?", "!") == "?"
    assert stronger("", ",") == ","
    assert stronger(".", ",") == "."


def test_emphasis() -> None:
    assert emphasized(("DH", "AH0", "T")) == ("DH", "AH1", "T")
    assert emphasized(("HH", "AH0", "L", "OW1")) == ("HH", "AH0", "L", "OW1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phones": ("QQ",)}, "QQ"),
        ({"phones": ()}, "no"),
        ({"phones": ("<sp>",)}, "<sp>"),
        ({"boundary": "x"}, "boundary"),
        ({"pause": -1.0}, "pause"),
        ({"pause": float("nan")}, "pause"),
    ],
)
def test_words_that_no_model_could_read_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(AudiodiffError, match=message):
        Word(**{"text": "a", "phones": ("AH0",), "start": 0, "end": 1, "source": "text", **change})  # type: ignore[arg-type]
