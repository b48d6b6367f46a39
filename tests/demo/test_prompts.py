import json
from dataclasses import replace
from typing import Any

import pytest

from audiodiff.errors import AudiodiffError
from demo import prompts
from demo.app_state import AppState
from demo.limits import Limits
from tests.refusals import refused

SETTINGS = {"seconds": 5.0, "steps": 12, "guidance": 2.5, "sampler": "", "tempo": None, "count": 4, "format": "flac"}


def save(state: AppState, name: str = "evening", **changes: Any) -> None:
    given: dict[str, Any] = {"prompt": "slow piano", "seed": 3.0, "settings": SETTINGS, "tags": "calm, piano ,"}
    prompts.save(state, name=name, **{**given, **changes})


def test_a_prompt_comes_back_with_its_settings_and_nothing_else(state: AppState) -> None:
    save(state, negative="drums")
    values = prompts.load(state, "evening")
    assert values == {
        "prompt": "slow piano", "negative": "drums", "seed": 3, "seconds": 5.0, "steps": 12, "guidance": 2.5
    }  # fmt: skip
    assert prompts.fields(Limits(), values) == values


def test_a_tempo_is_saved_as_a_number(state: AppState) -> None:
    save(state, settings={"tempo": "96.5"})
    assert prompts.load(state, "evening")["tempo"] == 96.5
    refused("tempo is 'fast'", lambda: save(state, "other", settings={"tempo": "fast"}))


def test_search_looks_for_words_and_tags(state: AppState) -> None:
    save(state)
    save(state, "morning", prompt="birds", tags="calm")
    assert [saved.name for saved in prompts.search(state)] == ["evening", "morning"]
    assert [saved.name for saved in prompts.search(state, "slow")] == ["evening"]
    assert [saved.name for saved in prompts.search(state, "", "calm,piano")] == ["evening"]
    assert prompts.search(state, "", "loud") == []
    prompts.remove(state, "evening")
    assert [saved.name for saved in prompts.search(state)] == ["morning"]


def test_names_are_taken_once_unless_replaced(state: AppState) -> None:
    save(state)
    refused("there is a prompt 'evening' already", lambda: save(state, prompt="other"))
    save(state, prompt="other", replace=True)
    assert prompts.load(state, "evening")["prompt"] == "other"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "give the prompt a name"),
        ({"prompt": ""}, "is empty"),
        ({"prompt": "(open"}, "never closed"),
        ({"negative": "(open"}, "never closed"),
        ({"prompt": "x" * 201}, "this demo takes 200"),
        ({"seed": -1}, "seed is"),
    ],
)
def test_what_cannot_be_saved_gets_a_sentence(state: AppState, change: dict[str, Any], message: str) -> None:
    refused(message, lambda: save(state, **change))
    assert prompts.search(state) == []


def test_nothing_chosen_gets_a_sentence(state: AppState) -> None:
    for act in (prompts.load, prompts.remove):
        with pytest.raises(AudiodiffError, match="no prompt is chosen"):
            act(state, None)


def test_a_demo_without_library_keeps_nothing(state: AppState) -> None:
    bare = replace(state, library=None)
    assert prompts.search(bare, "piano") == []
    refused("keeps no prompts", lambda: save(bare))
    refused("keeps no prompts", lambda: prompts.load(bare, "evening"))


def test_values_that_do_not_fit_the_page_are_left_out() -> None:
    limits = Limits(seconds=10.0, steps=50, prompt_chars=10)
    odd = {
        "prompt": "x" * 11, "negative": 3, "seconds": 600.0, "steps": 2.5, "guidance": float("nan"), "tempo": "fast",
        "seed": -1, "sampler": "magic", "grid": "magic", "level": "loud", "source": "vinyl", "rescale": True,
        "vocoder_steps": None, "mel": {}, "path": "/etc/passwd",
    }  # fmt: skip
    assert prompts.fields(limits, odd, ("recorded",)) == {}
    fine = {"steps": 5.0, "source": "recorded", "level": "none", "grid": "karras", "sampler": "adams_pc", "seed": 2**53}
    assert prompts.fields(limits, fine, ("recorded",)) == fine
    assert type(prompts.fields(limits, fine)["steps"]) is int


def test_a_library_made_by_hand_cannot_break_the_page(state: AppState) -> None:
    assert state.library is not None
    state.library.write_text(json.dumps({"audiodiff_prompts": 1, "prompts": [{"name": "a"}]}))
    refused("is damaged", lambda: prompts.search(state))


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [("", "jazz"), (None, "jazz"), ("piano", "piano, jazz"), ("piano, ", "piano, jazz"), ("a |", "a | jazz")],
)
def test_words_are_added_after_a_comma(prompt: str | None, wanted: str) -> None:
    assert prompts.add_word(prompt, "jazz") == wanted


def test_a_saved_prompt_is_told_in_a_line(state: AppState) -> None:
    save(state, prompt="piano " * 20)
    line = prompts.describe(prompts.search(state)[0])
    assert line.startswith("evening — piano piano")
    assert line.endswith("…  [calm, piano]")
    assert len(line) < 110


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": "x" * 201}, "201 characters; this demo takes 200"),
        ({"negative": "x" * 201}, "201 characters; this demo takes 200"),
        ({"settings": {"steps": 1e9}}, "steps is"),
        ({"settings": {"vocoder_steps": [1] * 1000}}, "vocoder_steps is"),
        ({"settings": {"seconds": 1e6}}, "seconds is"),
        ({"settings": {"guidance": float("inf")}}, "guidance is"),
        ({"settings": {"rescale": "x" * 100_000}}, "rescale is"),
        ({"settings": {"sampler": "x" * 100_000}}, "sampler"),
        ({"settings": {"key": "x" * 100_000}}, "key"),
        ({"settings": {"source": "x" * 100_000}}, "source"),
        ({"settings": {"level": "x" * 100_000}}, "level"),
        ({"tags": ",".join(str(number) for number in range(21))}, "21 tags; expected at most 20"),
    ],
)
def test_nothing_is_saved_that_nobody_may_ask_for(state: AppState, change: dict[str, Any], message: str) -> None:
    with pytest.raises(AudiodiffError, match=message) as raised:
        save(state, **change)
    assert len(str(raised.value)) < 400
    assert prompts.search(state) == []


def test_the_library_has_an_end(state: AppState) -> None:
    small = replace(state, limits=replace(state.limits, saved_prompts=2))
    save(small)
    save(small, "morning")
    for over in (False, True):
        with pytest.raises(AudiodiffError, match="2 prompts already; remove one first"):
            save(small, "night", replace=over)
    save(small, "morning", prompt="birds", replace=True)
    prompts.remove(small, "evening")
    save(small, "night")
    assert [saved.name for saved in prompts.search(small)] == ["morning", "night"]


def test_what_others_saved_is_shown_without_marks_of_theirs(state: AppState) -> None:
    save(state, prompt="slow\u202e\x1b[31m piano\nsad")
    (saved,) = prompts.search(state)
    assert prompts.describe(saved) == "evening — slow\\u202e\\x1b[31m piano\\x0asad  [calm, piano]"
    assert prompts.fields(state.limits, prompts.load(state, "evening"))["prompt"] == "slow\\u202e\\x1b[31m piano\nsad"


@pytest.mark.parametrize(
    ("text", "word", "left"),
    [
        ("jazz", "jazz", ""),
        ("jazz, flute", "jazz", "flute"),
        ("flute, Jazz, slow", "jazz", "flute, slow"),
        ("flute, jazz", "jazz", "flute"),
        ("jazz | flute:0.5", "jazz", "flute:0.5"),
        ("jazz ballad, flute", "jazz", "jazz ballad, flute"),
        ("", "jazz", ""),
        (None, "jazz", ""),
    ],
)
def test_a_word_leaves_the_prompt_with_its_comma(text: str | None, word: str, left: str) -> None:
    assert prompts.remove_word(text, word) == left


def test_the_parts_of_a_prompt() -> None:
    assert prompts.parts("jazz , solo piano|slow,,") == ["jazz", "solo piano", "slow"]
    assert prompts.parts("") == []
