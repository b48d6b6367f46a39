import json
from dataclasses import replace
from typing import Any

import pytest

from audiodiff.errors import AudiodiffError
from demo import prompts
from demo.limits import Limits
from demo.studio import Studio

SETTINGS = {"seconds": 5.0, "steps": 12, "guidance": 2.5, "sampler": "", "tempo": None, "count": 4, "format": "flac"}


def save(studio: Studio, name: str = "evening", **changes: Any) -> None:
    given: dict[str, Any] = {"prompt": "slow piano", "seed": 3.0, "settings": SETTINGS, "tags": "calm, piano ,"}
    prompts.save(studio, name=name, **{**given, **changes})


def test_a_prompt_comes_back_with_its_settings_and_nothing_else(studio: Studio) -> None:
    save(studio, negative="drums")
    values = prompts.load(studio, "evening")
    assert values == {
        "prompt": "slow piano", "negative": "drums", "seed": 3, "seconds": 5.0, "steps": 12, "guidance": 2.5
    }  # fmt: skip
    assert prompts.fields(Limits(), values) == values


def test_a_tempo_is_saved_as_a_number(studio: Studio) -> None:
    save(studio, settings={"tempo": "96.5"})
    assert prompts.load(studio, "evening")["tempo"] == 96.5
    with pytest.raises(AudiodiffError, match="tempo is 'fast'"):
        save(studio, "other", settings={"tempo": "fast"})


def test_search_looks_for_words_and_tags(studio: Studio) -> None:
    save(studio)
    save(studio, "morning", prompt="birds", tags="calm")
    assert [saved.name for saved in prompts.search(studio)] == ["evening", "morning"]
    assert [saved.name for saved in prompts.search(studio, "slow")] == ["evening"]
    assert [saved.name for saved in prompts.search(studio, "", "calm,piano")] == ["evening"]
    assert prompts.search(studio, "", "loud") == []
    prompts.remove(studio, "evening")
    assert [saved.name for saved in prompts.search(studio)] == ["morning"]


def test_names_are_taken_once_unless_replaced(studio: Studio) -> None:
    save(studio)
    with pytest.raises(AudiodiffError, match="there is a prompt 'evening' already"):
        save(studio, prompt="other")
    save(studio, prompt="other", replace=True)
    assert prompts.load(studio, "evening")["prompt"] == "other"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "cannot be called"),
        ({"prompt": ""}, "is empty"),
        ({"prompt": "(open"}, "never closed"),
        ({"negative": "(open"}, "never closed"),
        ({"prompt": "x" * 201}, "this demo takes 200"),
        ({"seed": -1}, "seed is"),
    ],
)
def test_what_cannot_be_saved_gets_a_sentence(studio: Studio, change: dict[str, Any], message: str) -> None:
    with pytest.raises(AudiodiffError, match=message):
        save(studio, **change)
    assert prompts.search(studio) == []


def test_nothing_chosen_gets_a_sentence(studio: Studio) -> None:
    for act in (prompts.load, prompts.remove):
        with pytest.raises(AudiodiffError, match="no prompt is chosen"):
            act(studio, None)


def test_a_demo_without_library_keeps_nothing(studio: Studio) -> None:
    bare = replace(studio, library=None)
    assert prompts.search(bare, "piano") == []
    with pytest.raises(AudiodiffError, match="keeps no prompts"):
        save(bare)
    with pytest.raises(AudiodiffError, match="keeps no prompts"):
        prompts.load(bare, "evening")


def test_values_that_do_not_fit_the_page_are_left_out() -> None:
    limits = Limits(seconds=10.0, steps=50, prompt_chars=10)
    odd = {
        "prompt": "x" * 11, "negative": 3, "seconds": 600.0, "steps": 2.5, "guidance": float("nan"), "tempo": "fast",
        "seed": -1, "sampler": "magic", "grid": "magic", "level": "loud", "source": "vinyl", "rescale": True,
        "vocoder_steps": None, "mel": {}, "path": "/etc/passwd",
    }  # fmt: skip
    assert prompts.fields(limits, odd, ("recorded",)) == {}
    fine = {"steps": 5.0, "source": "recorded", "level": "none", "grid": "karras", "sampler": "heun", "seed": 2**53}
    assert prompts.fields(limits, fine, ("recorded",)) == fine
    assert type(prompts.fields(limits, fine)["steps"]) is int


def test_a_library_made_by_hand_cannot_break_the_page(studio: Studio) -> None:
    assert studio.library is not None
    studio.library.write_text(json.dumps({"audiodiff_prompts": 1, "prompts": [{"name": "a"}]}))
    with pytest.raises(AudiodiffError, match="is damaged"):
        prompts.search(studio)


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [("", "jazz"), (None, "jazz"), ("piano", "piano, jazz"), ("piano, ", "piano, jazz"), ("a |", "a | jazz")],
)
def test_words_are_added_after_a_comma(prompt: str | None, wanted: str) -> None:
    assert prompts.add_word(prompt, "jazz") == wanted


def test_a_saved_prompt_is_told_in_a_line(studio: Studio) -> None:
    save(studio, prompt="piano " * 20)
    line = prompts.describe(prompts.search(studio)[0])
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
def test_nothing_is_saved_that_nobody_may_ask_for(studio: Studio, change: dict[str, Any], message: str) -> None:
    with pytest.raises(AudiodiffError, match=message) as raised:
        save(studio, **change)
    assert len(str(raised.value)) < 400
    assert prompts.search(studio) == []


def test_the_library_has_an_end(studio: Studio) -> None:
    small = replace(studio, limits=replace(studio.limits, saved_prompts=2))
    save(small)
    save(small, "morning")
    for over in (False, True):
        with pytest.raises(AudiodiffError, match="2 prompts already; remove one first"):
            save(small, "night", replace=over)
    save(small, "morning", prompt="birds", replace=True)
    prompts.remove(small, "evening")
    save(small, "night")
    assert [saved.name for saved in prompts.search(small)] == ["morning", "night"]


def test_what_others_saved_is_shown_without_marks_of_theirs(studio: Studio) -> None:
    save(studio, prompt="slow\u202e\x1b[31m piano\nsad")
    (saved,) = prompts.search(studio)
    assert prompts.describe(saved) == "evening — slow\\u202e\\x1b[31m piano\\x0asad  [calm, piano]"
    assert prompts.fields(studio.limits, prompts.load(studio, "evening"))["prompt"] == "slow\\u202e\\x1b[31m piano\nsad"
