import ast
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

gr = pytest.importorskip("gradio", reason="the extra demo")

from gradio.context import LocalContext  # noqa: E402

import demo  # noqa: E402
from audiodiff import signal, synthesis  # noqa: E402
from audiodiff import text as texts  # noqa: E402
from audiodiff.errors import AudiodiffError  # noqa: E402
from audiodiff.signal.audio_io import read_audio  # noqa: E402
from audiodiff.synthesis.latent import EMPTY_PROMPT  # noqa: E402
from audiodiff.synthesis.settings import GenerateSettings  # noqa: E402
from audiodiff.synthesis.verbs.inpaint import parse_region  # noqa: E402
from audiodiff.text.chords import parse_chords  # noqa: E402
from audiodiff.text.english.foreign import check_language  # noqa: E402
from audiodiff.text.markup import read_markup  # noqa: E402
from audiodiff.text.prompt import parse_prompt  # noqa: E402
from demo import checks  # noqa: E402
from demo.app import build_app  # noqa: E402
from demo.app_state import Models, open_state  # noqa: E402
from demo.jobs import Stopped  # noqa: E402
from demo.limits import Limits  # noqa: E402
from demo.said import LANGUAGES, read_table  # noqa: E402
from demo.sentences import Template, split, translated  # noqa: E402
from demo.translations import plain  # noqa: E402
from demo.widgets import as_error, guarded  # noqa: E402

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
    pieces = [max(split(english)[0], key=len)[:10] for english in TABLES["de"]]
    for folder in SOURCES:
        for path in folder.rglob("*.py"):
            code = path.read_text("utf-8")
            if any(piece in code for piece in pieces):  # it takes long to parse them all
                yield from filter(None, map(literals, ast.walk(ast.parse(code))))


def test_every_sentence_of_the_tables_is_one_of_the_code() -> None:
    known = {*written()}
    gone = [english for english in TABLES["de"] if split(english)[0] not in known]
    assert gone == []
    assert len(TABLES["de"]) > 150


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
            assert max(map(len, split(english)[0])) >= 6, english


def test_values_are_kept_in_whatever_order_a_language_has_them() -> None:
    told = "a loop is a whole number of bars: 4 at 110 bpm, 8.727 s instead of 8 s"
    assert translated(told, "de") == "eine Schleife hat ganze Takte: 4 bei 110 bpm, 8.727 s statt 8 s"
    assert translated(told, "es") == "un bucle tiene compases enteros: 4 a 110 bpm, 8.727 s en vez de 8 s"
    assert translated(told, "en") == translated(told, "fr") == told
    assert translated("what nobody says of {prompt}", "de") == "what nobody says of {prompt}"
    assert translated("left out, since it cannot be read: {0}\n%s", "de").endswith("zu lesen: {0}\n%s")
    swapped = Template(*split("from {a} to {b}."), "bis {b}, von {a}")
    assert swapped.text.format(**(swapped.values("from to to x to y.") or {})) == "bis x to y, von to"


@pytest.mark.parametrize(
    ("work", "german"),
    [
        (lambda: parse_chords("Am Xy"), "'Xy' ist kein bekannter Akkord"),
        (lambda: parse_chords("Am C,Xy"), "'Xy' im Takt 'C,Xy' ist kein bekannter Akkord"),
        (lambda: parse_region("2"), "Die Stelle '2' ist nicht zu lesen; BEGINN:ENDE in Sekunden"),
        (lambda: parse_region("3:2"), "Die Stelle 3:2 ist leer; ihr Ende muss mindestens 0.02 s nach"),
        (lambda: GenerateSettings(seconds=0.0), "„Sekunden“ ist 0.0; es muss eine Zahl von 0.5 bis 600 s sein."),
        (lambda: GenerateSettings(tempo=1.0), "„Tempo“ ist 1.0; es muss eine Zahl von 10 bis 400 Schläge pro Minute"),
        (lambda: checks.check_prompt(Limits(), "prompt", "x" * 9999), "„Prompt“ hat 9999 Zeichen; diese Demo nimmt"),
        (lambda: checks.check_prompt(Limits(), "negative prompt", "x" * 9999), "„Weglassen“ hat 9999 Zeichen"),
        (lambda: checks.whole("seed", 1.5, 0, 9), "„Seed“ ist 1.5; erwartet wird eine ganze Zahl von 0 bis 9."),
        (lambda: read_audio(__file__), "test_sentences.py lässt sich nicht als Klang lesen ("),
        (lambda: check_language("Das ist nicht das, was wir mit dem Text und den Wörtern wollen."), "(German)"),
        (lambda: read_markup("an {HH AH0"), "Die geschweifte Klammer an Stelle 4 ist nicht geschlossen; Phoneme"),
    ],
)
def test_errors_are_told_in_german(work: Callable[[], object], german: str) -> None:
    with pytest.raises(AudiodiffError) as raised:
        work()
    told = checks.public_message(raised.value, "de")
    assert german in told
    assert checks.public_message(raised.value) != told
    assert checks.public_message(raised.value, "es") not in {told, checks.public_message(raised.value)}


def test_the_sentence_that_says_most_counts() -> None:
    told = "bars is 9; it must be a whole number from 1 to 5, such as 4 or 8."
    assert translated(told, "de").endswith(" bis 5 sein, z. B. 4 oder 8.")
    assert translated("steps is 9; expected a whole number from 1 to 5.", "de").endswith("eine ganze Zahl von 1 bis 5.")


def test_folders_and_options_stay_out_of_errors_in_every_language() -> None:
    error = AudiodiffError("/srv/x/a b.wav is empty (0 bytes); expected a sound file.")
    assert checks.public_message(error, "es") == "a b.wav está vacío (0 bytes); se espera un archivo de sonido."
    for english in TABLES["de"]:
        assert " --" not in checks.public_message(AudiodiffError(english), "de")


def test_the_place_of_a_mistake_in_a_prompt_stays_under_it() -> None:
    with pytest.raises(AudiodiffError) as raised:
        parse_prompt("a (b | c)")
    sentence, *shown = checks.public_message(raised.value, "de").split("\n")
    assert sentence == "Innerhalb von Klammern lassen sich Prompts nicht mischen; erst schließen, oder \\| schreiben."
    assert shown == str(raised.value).split("\n")[1:]


def test_a_sentence_is_matched_whole() -> None:
    template = Template(*split("the {what} has {count} characters, {count2}."), "")
    assert template.values("the prompt has 3 characters, 4.") == {"what": "prompt", "count": "3", "count2": "4"}
    for other in ("the prompt has 3 characters, 4", "and the prompt has 3 characters, 4.", "the prompt has 3.", "the"):
        assert template.values(other) is None
    assert Template(*split("{a} is {b} is."), "").values("x is.") is None
    assert Template(*split("no {a} no"), "").values("no no") is None  # the pieces would overlap
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


def test_a_german_page_shows_errors_in_german(create: Callable[..., str]) -> None:
    with pytest.raises(gr.Error) as raised:
        create("(<b>flute")
    assert raised.value.message.startswith("Diese Klammer wird nie geschlossen; schließen, oder \\( für")
    assert "(&lt;b&gt;flute" in raised.value.message
    asked, page = LocalContext.request.set(Request()), raised.value  # type: ignore[arg-type]
    try:
        with pytest.raises(gr.Error, match=r"^'Zuerst einen Clip wählen: eine Datei ablegen") as raised:
            guarded(checks.check_size)(Limits(), None)
    finally:
        LocalContext.request.reset(asked)
    with pytest.raises(gr.Error, match=r"^'Choose a clip first"):
        guarded(checks.check_size)(Limits(), None)
    assert as_error(Stopped(), "es").message == "Detenido."
    assert as_error(page, "es") is page


def test_a_german_page_shows_notes_in_german(create: Callable[..., str]) -> None:
    assert "Der Prompt ist leer, es kann also alles Mögliche herauskommen.</p>" in create("")
