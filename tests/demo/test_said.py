import ast
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

gr = pytest.importorskip("gradio", reason="the extra demo")

from audiodiff.synthesis.verb import seam_in_words  # noqa: E402
from audiodiff.text.advice import SENTENCES  # noqa: E402
from demo import player, said, strip  # noqa: E402
from demo.cards import Cards  # noqa: E402
from demo.examples import EXAMPLES  # noqa: E402
from demo.said import LANGUAGES, counted, language_of, said_in  # noqa: E402

DEMO = Path(said.__file__).parent
BUTTONS = ("Play", "Star", "Compare", "Edit", "Delete")


def fields(text: str) -> set[str]:
    """The values that a text wants."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def written() -> Iterator[str]:
    """What the code of the demo says: every text that a call gives to `said`, `counted` and their shorter names."""
    for path in DEMO.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
            if name in {"said", "counted", "_words", "words", "labelled", "_button"}:
                for argument in node.args[1 if name == "_button" else 0 :]:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        yield argument.value


def wanted() -> set[str]:
    texts = {*written(), *strip.MADE.values(), *strip.SCRIPT_WORDS, *player.SCRIPT_WORDS}
    texts |= {f"{text} take {{number}}" for text in BUTTONS} | {seam_in_words(0.0), seam_in_words(99.0)}
    texts |= {*SENTENCES.values(), *(example.title for example in EXAMPLES)}
    return texts | {"step {done} of {total}", "part {done} of {total}"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_table_has_what_is_said_and_nothing_else(language: str) -> None:
    table = said_in(language)
    texts = wanted()
    assert len(texts) > 60
    assert {*table} == texts
    for text, translated in table.items():
        assert translated.strip()
        assert fields(translated) == fields(text), text


def test_a_text_is_put_into_a_language_with_the_texts_in_it() -> None:
    ahead = counted("waiting for {count} other", "waiting for {count} others", 2)
    told = said.said("clip {index} of {count}: {doing}", index=1, count=4, doing=ahead)
    assert str(told) == told.shown("en") == told.shown("fr") == "clip 1 of 4: waiting for 2 others"
    assert told.shown("de") == "Clip 1 von 4: wartet auf 2 andere Aufträge"
    assert str(counted("waiting for {count} other", "waiting for {count} others", 1)) == "waiting for 1 other"


def test_what_visitors_wrote_is_no_format() -> None:
    drawn = strip.Drawing("de")._words("Take {number}: {prompt}", number=1, prompt="{0} {number!r} %s")
    assert drawn == "Version 1: {0} {number!r} %s"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("de-DE,de;q=0.9,en;q=0.8", "de"),
        ("es", "es"),
        ("ES-mx", "es"),
        ("en-GB,de;q=0.9", "en"),
        ("fr-FR,de;q=0.9", "en"),
        ("", "en"),
        ("*;q=0.1", "en"),
        ("../de", "en"),
    ],
)
def test_the_first_language_of_the_browser_counts(accepted: str, language: str) -> None:
    assert language_of(accepted) == language


def test_the_end_of_a_job_is_told_in_the_language_of_the_page() -> None:
    from demo.handlers import Created

    line = object()
    ended = Cards(line, (), None)._finish(Created((), stopped=True), 4, "es")  # type: ignore[arg-type]
    assert "detenido; 0 de 4 clips terminados" in ended[line]
