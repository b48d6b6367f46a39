"""English text to words with phonemes and places."""

import contextlib
import gc
import time
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiodiff.errors import AudiodiffError
from audiodiff.text.english import phonemes, pronunciations, utterances
from audiodiff.text.utterance import NothingToSayError
from tests.refusals import refused


def said(text: str) -> list[str]:
    return [" ".join(word.phones) for word in phonemes(text).words]


def test_words_phonemes_and_places() -> None:
    utterance = phonemes("Pay $5 now, please!")
    assert [word.text for word in utterance.words] == ["pay", "five", "dollars", "now", "please"]
    places = [utterance.text[word.start : word.end] for word in utterance.words]
    assert places == ["Pay", "$5", "$5", "now", "please"]
    assert [word.boundary for word in utterance.words] == ["<sp>", "<sp>", "<sp>", "<,>", "<!>"]


def test_a_text_without_a_mark_ends_in_a_full_stop() -> None:
    assert phonemes("hello").symbols == ("<start>", "HH", "AH0", "L", "OW1", "<.>", "<end>")


def test_the_article_depends_on_the_next_sound() -> None:
    assert said("the apple the pear the hour")[::2] == ["DH IY0", "DH AH0", "DH IY0"]
    assert said("I see *the* pear, *a* pear")[2:5:2] == ["DH IY1", "EY1"]


def test_homographs_are_read_by_their_sentence() -> None:
    assert said("I like to read books.")[3] == "R IY1 D"
    assert said("Yesterday I read books.")[2] == "R EH1 D"


def test_markup() -> None:
    utterance = phonemes("[pause 1] One [pause 0.5][pause .25] *two* {TH R IY1} /fɔɹ/ [pause]")
    assert utterance.lead == 1.0
    assert [word.pause for word in utterance.words] == [0.75, None, None, 0.5]
    assert [word.emphasis for word in utterance.words] == [False, True, False, False]
    assert [" ".join(word.phones) for word in utterance.words[2:]] == ["TH R IY1", "F AO0 R"]
    assert utterance.words[2].source == "text"
    assert utterance.text[utterance.words[3].start : utterance.words[3].end] == "/fɔɹ/"
    assert sum(seconds or 0 for seconds in utterance.pauses) == 2.25


def test_emphasis_stresses_a_word_without_stress() -> None:
    assert phonemes("*an*").words[0].phones[0][-1] == "1"


def test_own_words_come_first_and_usual_ones_after_homographs() -> None:
    own = {"sql": ("S", "IY1", "K", "W", "AH0", "L")}
    usual = {"to": ("T", "AH0"), "read": ("R", "IY1", "D")}
    words = phonemes("SQL had read to", own_words=own, usual=usual).words
    assert [" ".join(word.phones) for word in words] == ["S IY1 K W AH0 L", "HH AE1 D", "R EH1 D", "T AH0"]
    assert words[0].source == "lexicon"


def test_own_words_with_accents_and_figures() -> None:
    own = {"naïve": ("N", "AY0", "IY1", "V"), "mp3": ("M", "AH0"), "o’neill": ("OW1",)}
    words = phonemes("Naïve MP3, naive O'Neill", own_words=own).words
    assert [word.source for word in words] == ["lexicon"] * 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (" \n\t ", "is empty"),
        ("... !?", "no word"),
        ("😀", "no word"),
        ("a" * 100_000, "100000 characters"),
        ("a " + "b" * 61, "character 3 has 61 letters"),
        ("a\x07b", "character 2 .*U\\+0007"),
        ("a\x00", "U\\+0000"),
        ("x \ufffd", "wrong encoding"),
        ("\ud800", "wrong encoding"),
        ("say {HH AH0 QX}", "'QX' at character 13"),
        ("say {HH AH0", "brace at character 5 is not closed"),
        ("say {HH {AH0}", "brace at character 5 is not closed"),
        ("say HH}", "character 7 closes nothing"),
        ("say {}", "no phoneme"),
        ("say {<sp>}", "unknown phoneme"),
        ("a [pause soon]", "'soon' at character 3"),
        ("a [pause 11]", "'11' at character 3"),
        ("a [pause -1]", "'-1'"),
        ("a [pause 1", "bracket at character 3 is not closed"),
        ("a /qʘə/", "'ʘ' at character 5"),
        ("Дом", "Cyrillic"),
        ("a house дом", "'д' at character 9"),
        ("Ich weiß nicht, was soll es bedeuten, dass ich so traurig bin.", "German"),
        ("Je ne sais pas ce que tu veux dans la maison.", "French"),
        ("El perro no está en la casa, pero el gato sí.", "Spanish"),
    ],
)
def test_what_cannot_be_said_is_refused(text: str, message: str) -> None:
    refused(message, lambda: phonemes(text))


@pytest.mark.parametrize(
    "text", ["She has a certain je ne sais quoi.", "The last die is cast in a man.", "Guten Tag!", "No."]
)
def test_english_with_foreign_words_is_read(text: str) -> None:
    assert phonemes(text).words


def test_utterances_of_a_text() -> None:
    text = "Dr. Smith left at 5 p.m. He was *late*.\n\nA new paragraph... it ends? *** Yes"
    found = list(utterances(text))
    assert [one.text for one in found] == [
        "Dr. Smith left at 5 p.m.",
        "He was *late*.",
        "A new paragraph... it ends?",
        "*** Yes",
    ]
    assert [one.ends_paragraph for one in found] == [False, True, False, True]
    assert all(text[one.offset :].startswith(one.text) for one in found)


def test_a_mistake_in_a_long_text_names_its_sentence() -> None:
    with pytest.raises(AudiodiffError, match="begins at character 12: unknown phoneme 'QQ'"):
        list(utterances("All is well. Say {QQ}."[0:0] + "All is so. Say {QQ}."))


def test_another_language_is_refused_at_once_and_a_foreign_word_later_is_left_out() -> None:
    with pytest.raises(AudiodiffError, match="German"):
        next(utterances("Der Hund ist nicht da. Die Katze ist auch nicht da. Und das Haus ist leer."))
    found = list(utterances("This is an English text. He said привет to her."))
    assert "привет" not in " ".join(word.text for word in found[1].words)
    assert found[1].notes
    english = "This is an English text, and it goes on for a while in this way. "
    found = list(utterances(english + "Привет. Then it ends."))
    assert [one.notes for one in found] == [(), ("left out, since it cannot be read: Привет.",)]
    refused("written in Cyrillic letters", lambda: next(utterances("Hello. Это русский текст. И ещё один.")))


def test_nothing_to_say() -> None:
    with pytest.raises(NothingToSayError):
        list(utterances("*** ... \n\n --- "))


@pytest.mark.slow
def test_a_long_text_takes_constant_memory() -> None:
    def blocks(count: int) -> Iterator[str]:
        for _ in range(count):
            yield "It was a dark night, and the rain fell. Nobody came. " * 20

    sum(1 for _ in utterances(blocks(2)))
    tracemalloc.start()
    assert sum(1 for _ in utterances(blocks(40))) == 1600
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2e6


def test_pronunciations_to_choose_among() -> None:
    assert {" ".join(phones) for phones in pronunciations("read")} == {"R IY1 D", "R EH1 D"}
    assert ("DH", "IY0") in pronunciations("the")
    assert pronunciations("cat", own_words={"cat": ("K",)}) == (("K",),)


MIXTURE = (
    "Dr. St. No. 5 $5 3:30 12/25/2020 1/2 5km 10% Jan. 3 1990s '90s II VIII Henry "
    "www.a.com a@b.com #tag U.S. e.g. Ph.D. MP3 5'10\" 20°C A's the [pause 0.5] *so* {AH0} "
    "/ə/ 1,000 -5 4x4 1-800-555-0199 US$5 00 1e9 9:99 99/99/9999 0th ½ 2½ ² x² 5² m/s "
    "5km² 10:30:15 pm 24/7 0/0 1/0 999999999999999999999999999999999999999 0.0.0.0 ( ) \" ' — "
    "… ~ ^2 é ☃ αβ"
)
POOL = MIXTURE.split()


@given(st.lists(st.sampled_from(POOL), min_size=1, max_size=8), st.sampled_from(["", " ", "-", ", "]))
@settings(max_examples=300, deadline=None)
def test_any_mixture_is_read_or_refused(pieces: list[str], between: str) -> None:
    text = between.join(pieces)
    try:
        utterance = phonemes(text)
    except AudiodiffError:
        return
    assert all(0 <= word.start < word.end <= len(text) for word in utterance.words)
    assert len(utterance.symbols) == len(utterance.pauses) == len(utterance.word_of_symbol)


@pytest.mark.slow
@pytest.mark.parametrize("piece", ["a ", "1", "a.", "$", "1-", "A&", "a@", "*a", "(1.5 ", "http://a/", "'"])
def test_time_grows_with_the_length_and_no_faster(piece: str) -> None:
    def seconds(count: int) -> float:
        best = float("inf")
        for _ in range(2):
            start = time.process_time()
            with contextlib.suppress(AudiodiffError):
                phonemes(piece * count)
            best = min(best, time.process_time() - start)
        return best

    phonemes("warm up")
    gc.collect()
    gc.disable()  # it would look through all that other tests hold
    try:
        short, long = seconds(2_400 // len(piece)), seconds(9_600 // len(piece))
    finally:
        gc.enable()
    assert long < 12 * short + 0.1  # in proportion to the length it would be 4, to its square 16
