import pytest

from audiodiff.text.vocabulary import KINDS, collect_vocabulary, vocabulary
from tests.refusals import refused

ROWS = [
    {
        "text": "nostalgic waltz with electric piano and Piano, very slow, in Eb minor",
        "genre": "waltz",
        "instrument": "electric piano; piano",
        "key": "Eb minor",
    },
    {"text": "a fast playful Waltz piece, minor key, 120 bpm, by Chopin", "genre": "Waltz", "instrument": "piano"},
    {"text": "playful, slow and sparse, dark ambient by Chopin", "genre": "dark ambient", "instrument": "", "key": ""},
    {"text": "slowly rising", "mood": "Uneasy; hopeful"},
]


def test_captions_are_sorted_into_kinds() -> None:
    assert collect_vocabulary(ROWS) == {
        "genres": ["waltz", "dark ambient"],
        "instruments": ["piano", "electric piano"],
        "moods": ["playful", "hopeful", "nostalgic", "uneasy"],
        "tempos": ["bpm", "fast", "slow and sparse", "very slow"],
        "keys": ["Eb minor", "minor key"],
        "words": ["chopin"],
    }


def test_a_short_name_does_not_break_a_long_one() -> None:
    rows = [{"text": "electric piano and piano", "instrument": "piano; electric piano"}] * 2
    assert collect_vocabulary(rows) == {"instruments": ["electric piano", "piano"]}


def test_rows_without_columns_give_nothing() -> None:
    assert collect_vocabulary([]) == {}
    assert collect_vocabulary([{"file_name": "a.wav"}, {"text": "", "genre": " ; "}]) == {}


def test_letters_of_all_languages() -> None:
    rows = [{"text": "Гусли und Klänge", "instrument": "гусли"}, {"text": "klänge"}]
    assert collect_vocabulary(rows) == {"instruments": ["гусли"], "words": ["klänge"]}


def test_a_model_states_its_vocabulary() -> None:
    stated = collect_vocabulary(ROWS)
    assert vocabulary({"vocabulary": stated}) == stated
    assert list(vocabulary({"vocabulary": {"rooms": ["hall"], **dict(reversed(stated.items()))}})) == [*KINDS, "rooms"]
    assert vocabulary({}) == {}
    assert vocabulary({"vocabulary": {"genres": []}}) == {}


@pytest.mark.parametrize("stated", [["waltz"], "waltz", {"genres": "waltz"}, {"genres": [1]}])
def test_what_is_no_vocabulary(stated) -> None:
    refused("vocabulary", lambda: vocabulary({"vocabulary": stated}))
