import ast
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

gr = pytest.importorskip("gradio", reason="the extra demo")

import demo  # noqa: E402
from audiodiff import signal, synthesis  # noqa: E402
from audiodiff import text as texts  # noqa: E402
from audiodiff.synthesis.latent import EMPTY_PROMPT  # noqa: E402
from demo.app import build_app  # noqa: E402
from demo.app_state import Models, open_state  # noqa: E402
from demo.limits import Limits  # noqa: E402
from demo.said import LANGUAGES, read_table  # noqa: E402
from demo.sentences import Template, split, translated  # noqa: E402
from demo.translations import plain  # noqa: E402

SOURCES = tuple(Path(str(package.__file__)).parent for package in (signal, synthesis, texts, demo))
TABLES = {language: read_table(f"sentences-{language}") for language in LANGUAGES}
PLURAL = {"plural"}
"""A place for the end of an English plural, which other languages have elsewhere."""


def literals(node: ast.AST) -> tuple[str, ...] | None:
    """What stands around the values of a string in the code; `None` if it is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return (node.value,)
    if not isinstance(node, ast.JoinedStr):
        return None
    found = [""]
    for part in node.values:
        if isinstance(part, ast.Constant):
            found[-1] += str(part.value)
        else:
            found.append("")
    return tuple(found)


def written() -> Iterator[tuple[str, ...]]:
    for folder in SOURCES:
        for path in folder.rglob("*.py"):
            code = path.read_text("utf-8")
            if "Error(" in code or "note" in code or "said" in code:
                yield from filter(None, map(literals, ast.walk(ast.parse(code))))


def test_every_sentence_of_the_tables_is_one_of_the_code() -> None:
    known = {*written()}
    gone = [english for english in TABLES["de"] if split(english)[0] not in known]
    assert gone == []
    assert len(TABLES["de"]) > 30


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_table_has_all_sentences_with_their_values(language: str) -> None:
    table = TABLES[language]
    assert [*table] == [*TABLES["de"]]
    for english, text in table.items():
        places = split(english)[1]
        assert len({*places}) == len(places), english
        assert {*split(text)[1]} == {*places} - PLURAL, english
        assert text.strip()
        assert text.endswith(".") == english.endswith("."), english
        if places:  # else it would fit what is no sentence of the library
            assert max(map(len, split(english)[0])) >= 7, english


def test_values_are_kept_in_whatever_order_a_language_has_them() -> None:
    told = "a loop is a whole number of bars: 4 at 110 bpm, 8.727 s instead of 8 s"
    assert translated(told, "de") == "eine Schleife hat ganze Takte: 4 bei 110 bpm, 8.727 s statt 8 s"
    assert translated(told, "es") == "un bucle tiene compases enteros: 4 a 110 bpm, 8.727 s en vez de 8 s"
    assert translated(told, "en") == translated(told, "fr") == told
    assert translated("what nobody says of {prompt}", "de") == "what nobody says of {prompt}"
    assert translated("left out, since it cannot be read: {0}\n%s", "de").endswith("zu lesen: {0}\n%s")
    swapped = Template(*split("from {a} to {b}."), "bis {b}, von {a}")
    assert swapped.text.format(**(swapped.values("from to to x to y.") or {})) == "bis x to y, von to"


def test_a_sentence_is_matched_whole() -> None:
    template = Template(*split("the {what} has {count} characters, {count2}."), "")
    assert template.values("the prompt has 3 characters, 4.") == {"what": "prompt", "count": "3", "count2": "4"}
    for other in ("the prompt has 3 characters, 4", "and the prompt has 3 characters, 4.", "the prompt has 3.", "the"):
        assert template.values(other) is None
    assert Template(*split("{a} is {b} is."), "").values("x is.") is None  # the pieces would overlap
    assert Template(*split("such as {{HH AH0}}."), "").values("such as {HH AH0}.") == {}


def test_sentences_within_sentences_are_translated_too() -> None:
    told = "a bar at 30 bpm is longer, so all of the clip is looped, whatever its beat; --tempo says how fast it is"
    assert translated(told, "de").startswith("ein Takt bei 30 bpm ist länger, daher wird der ganze Clip")


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_prompt_makes_a_sentence_slow(language: str) -> None:
    begun = time.perf_counter()
    for piece in ("(", " is ", ", ", "; ", " s", "it must be a number from ", ".\n    ", EMPTY_PROMPT):
        hostile = (piece * 2000)[:2000]
        for sentence in (hostile, f"{hostile} is {hostile}; expected {hostile}.", f"the {hostile}."):
            translated(sentence, language)
    assert time.perf_counter() - begun < 1.0


class Request:
    """A request of a browser that prefers German."""

    username = None
    session_hash = "me"
    request = SimpleNamespace(client=None, headers={"accept-language": "de-DE,de;q=0.9,en;q=0.8"})


@pytest.fixture(scope="module")
def create(models: Models, limits: Limits, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Presses the button Create on a German page, and returns the line above the cards at the end."""
    state = open_state(models, limits, parent=tmp_path_factory.mktemp("page"))
    app = build_app(models, state=state)
    fn = next(fn for fn in app.fns.values() if fn.fn is not None and fn.fn.__name__ == "create")

    def press(prompt: str) -> str:
        wanted = {"Prompt": prompt, "Length (s)": 0.5, "Takes": 1}
        values = [wanted.get(plain(getattr(part, "label", "")), part.value) for part in fn.inputs]
        with state.listeners.connected("me"):
            *_, end = fn.fn(Request(), *values)
        return str(next(iter(end.values())))

    yield press
    state.close()


def test_a_german_page_shows_notes_in_german(create: Callable[..., str]) -> None:
    assert "Der Prompt ist leer, es kann also alles Mögliche herauskommen.</p>" in create("")
