import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

gr = pytest.importorskip("gradio", reason="the extra demo")

from demo.app import build_app  # noqa: E402
from demo.app_state import Models, open_state  # noqa: E402
from demo.limits import Limits  # noqa: E402
from demo.said import LANGUAGES, read_table  # noqa: E402
from demo.translations import plain, translate  # noqa: E402

SAID_BY_MODELS = re.compile(r"tiny|talker|^(ann|bob)$|Automatic|Recording, up to|^[AB]: |[A-G][b#]? (major|minor)$")
"""Texts with names and numbers of the models in them, and names that are the same everywhere."""

NAMES = {"", "2:4", "4", "8", "16", "gallery"}


@pytest.fixture(scope="module")
def app(models: Models, limits: Limits, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("page")
    state = open_state(models, limits, library=folder / "prompts.json", parent=folder)
    yield build_app(models, state=state)
    state.close()


def inside(block: Any) -> Iterator[Any]:
    """What a block holds that is seen."""
    for child in getattr(block, "children", ()):
        if child.elem_id != "api":
            yield child
            yield from inside(child)


def said(block: Any) -> Iterator[str]:
    for name in ("label", "info", "placeholder"):
        if isinstance(text := getattr(block, name, None), str) and getattr(block, "show_label", True):
            yield text
    if isinstance(block, gr.Dropdown) and not (block.elem_id or "").startswith("pick-"):
        yield from (name for name, value in block.choices if name != value)
    if isinstance(block, gr.Button | gr.DownloadButton | gr.Markdown) and isinstance(block.value, str):
        yield block.value


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_the_forms_is_translated(app: Any, language: str) -> None:
    table = read_table(language)
    tabs = next(block for block in app.blocks.values() if isinstance(block, gr.Tabs))
    texts = {text for block in inside(tabs) for text in said(block)} - NAMES
    assert {text for text in texts - {*table} if not SAID_BY_MODELS.search(text)} == set()
    assert len(texts & {*table}) > 80


def test_the_tables_have_the_same_texts_and_nothing_is_empty() -> None:
    first, *others = (read_table(language) for language in LANGUAGES)
    for table in (first, *others):
        assert {*table} == {*first}
        assert all(text.strip() for text in table.values())
        assert not any("{" in text or "}" in text or "\\" in text for pair in table.items() for text in pair)


def test_marked_texts_are_found_in_the_tables_of_the_launch(models: Models, limits: Limits, tmp_path: Any) -> None:
    state = open_state(models, limits, library=tmp_path / "p.json", parent=tmp_path)
    app = build_app(models, state=state)
    tables = translate(app).translations_dict
    state.close()
    config = json.dumps(app.get_config_file(), default=lambda marked: marked.to_dict())
    keys = {json.loads(f'"{key}"') for key in re.findall(r'"translation_metadata", "key": "((?:[^"\\]|\\.)*)"', config)}
    assert len(keys) > 80
    for language in ("en", *LANGUAGES):
        assert keys <= {*tables[language]}
    run = next(block for block in app.blocks.values() if block.elem_id == "create")
    assert '"key": "Create"' in run.value
    prompt = next(block for block in app.blocks.values() if block.elem_id == "prompt")
    assert plain(prompt.label) == "Prompt"
