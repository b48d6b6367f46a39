from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

gr = pytest.importorskip("gradio", reason="the extra demo")

from demo import tab_examples  # noqa: E402
from demo.app_state import AppState  # noqa: E402
from demo.examples import EXAMPLES  # noqa: E402

HEARD = [example for example in EXAMPLES if example.sounds]


@pytest.fixture
def page(state: AppState) -> Any:
    with gr.Blocks() as page:
        tab_examples.build(state, gr.Textbox())
    return page


def event(app: Any, name: str) -> Any:
    return next(fn.fn for fn in app.fns.values() if fn.fn is not None and fn.fn.__name__ == name)


def test_a_click_plays_and_a_second_click_fills_the_form(page: Any, state: AppState) -> None:
    choose, take = event(page, "choose"), event(page, "take")
    row, player, prompt = choose(1, None)
    path = Path(player["value"])
    assert row["visible"]
    assert player["label"] == HEARD[1].prompt
    assert path.read_bytes() == HEARD[1].path.read_bytes()
    assert path.is_relative_to(state.workspace.folder)
    assert "value" not in prompt  # nothing is written over what was typed
    assert choose(1, str(path))[2] == HEARD[1].prompt
    assert choose(0, str(path))[1]["label"] == HEARD[0].prompt  # another one plays first
    assert take(str(path)) == HEARD[1].prompt
    assert take(None) != HEARD[1].prompt


def test_titles_are_in_the_language_of_the_page(page: Any) -> None:
    name = event(page, "name")

    def titles(accepted: str) -> list[str]:
        asked = SimpleNamespace(client=None, headers={"accept-language": accepted})
        changed: list[str] = name(SimpleNamespace(request=asked, session_hash="me")).get("sample_labels", [])
        return changed

    assert titles("de-AT")[:3] == ["Klavierballade", "Funk", "Flöte solo"]
    assert titles("es")[0] == "Balada al piano"
    assert len(titles("es")) == len(HEARD)
    assert titles("en") == []
    chips = next(block for block in page.blocks.values() if isinstance(block, gr.Dataset))
    assert [
        [function.fn.__name__, *function.outputs] for function in page.fns.values() if function.targets[0][1] == "load"
    ] == [["name", chips]]


def test_examples_are_those_of_the_shipped_model(state: AppState) -> None:
    assert not tab_examples.serves_examples(state)
    assert not tab_examples.serves_examples(replace(state, models=replace(state.models, generator=None)))
    assert state.models.generator is not None
    identity = state.models.generator.identity
    state.models.generator.identity = (replace(identity[0], name="music"), *identity[1:])
    try:
        assert tab_examples.serves_examples(state)
    finally:
        state.models.generator.identity = identity
