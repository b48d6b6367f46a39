import random
from typing import Any

import pytest

gr = pytest.importorskip("gradio", reason="the extra demo")

from demo import words  # noqa: E402
from demo.app_state import AppState  # noqa: E402
from demo.words import advised, surprise, words_of  # noqa: E402
from tests.demo.conftest import WORDS  # noqa: E402


def test_the_words_of_a_prompt_are_picked() -> None:
    known = {"genres": ["jazz", "ambient"], "instruments": ["piano", "solo piano"]}
    assert words_of("Jazz, solo piano | fast", known) == [["jazz"], ["solo piano"]]
    assert words_of("", known) == [[], []]
    assert words_of("jazzy piano", known) == [[], []]


def test_a_surprise_is_made_of_words_that_the_model_knows() -> None:
    known = {**WORDS, "moods": ["calm", "wild"]}
    drawn = {surprise(known, random.Random(seed)) for seed in range(40)}
    assert len(drawn) > 20
    for prompt in drawn:
        genre, instrument, mood, tempo = prompt.split(", ")
        assert genre in WORDS["genres"]
        assert instrument in WORDS["instruments"]
        assert mood in known["moods"]
        assert 60 <= int(tempo.removesuffix(" bpm")) <= 168


class Picked:
    """What Gradio tells of a click in a list."""

    def __init__(self, value: Any, selected: bool) -> None:
        self.value, self.selected = value, selected


@pytest.fixture
def page(state: AppState) -> Any:
    with gr.Blocks() as page:
        words.build(state, gr.Textbox())
    return page


def event(app: Any, name: str) -> Any:
    return next(fn.fn for fn in app.fns.values() if fn.fn is not None and fn.fn.__name__ == name)


def test_what_is_picked_goes_into_the_prompt_and_what_is_taken_off_leaves_it(page: Any) -> None:
    pick = event(page, "pick")
    assert pick("", Picked("jazz", True)) == "jazz"
    assert pick("flute, 90 bpm", Picked("jazz", True)) == "flute, 90 bpm, jazz"
    assert pick("flute, Jazz, 90 bpm", Picked("jazz", False)) == "flute, 90 bpm"
    for value in ("no such word", 7, ["jazz"]):
        with pytest.raises(gr.Error, match="no word of this model"):
            pick("", Picked(value, True))


@pytest.mark.parametrize(
    ("language", "told"), [("en", "instrumental music only"), ("de", "weder Gesang noch Text"), ("es", "sin voces")]
)
def test_what_cannot_be_done_is_said_in_the_language_of_the_page(language: str, told: str) -> None:
    (sentence,) = advised("jazz, {words} singing", {"genres": ["jazz"], "words": ["words"]}, language)
    assert told in sentence
    assert "“singing”" in sentence


def test_the_page_follows_what_is_typed(page: Any) -> None:
    told, genres, instruments = event(page, "follow")(None, "jazz, piano, singing").values()
    assert "no vocals" in told
    assert (genres["value"], instruments["value"]) == (["jazz"], ["piano"])
    assert next(iter(event(page, "follow")(None, "<b>qwerz</b> zxcvb").values())).count("<b>") == 0
