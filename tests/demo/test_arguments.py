import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

gr = pytest.importorskip("gradio", reason="the extra demo")

from audiodiff.errors import AudiodiffError  # noqa: E402
from demo.app import build_app  # noqa: E402
from demo.app_state import Models, open_state  # noqa: E402
from demo.arguments import check  # noqa: E402
from demo.limits import Limits  # noqa: E402


@pytest.fixture(scope="module")
def app(models: Models, limits: Limits, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("page")
    state = open_state(models, limits, library=folder / "prompts.json", parent=folder)
    app = build_app(models, state=state)
    app.has_launched, app.blocked_paths, app.allowed_paths = True, [], []  # else Gradio takes any file
    yield app
    state.close()


def call(app: Any, name: str, change: dict[str, Any], n_left_out: int = 0) -> str:
    """Call a function as Gradio's server does, and return what it says is wrong."""
    function = next(fn for fn in app.fns.values() if fn.api_name == name)
    values = {component.label.partition(",")[0]: component.value for component in function.inputs}
    given = list({**values, **change}.values())
    with pytest.raises(gr.Error) as raised:
        asyncio.run(app.process_api(function, given[: len(given) - n_left_out], in_event_listener=True))
    assert not raised.value.print_exception
    return str(raised.value.message)


FOREIGN = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("generate", {"steps": "many"}, "steps is 'many'; expected a number"),
        ("generate", {"steps": [1]}, "expected a number"),
        ("generate", {"steps": True}, "expected a number"),
        ("generate", {"steps": 10**400}, "expected a number"),
        ("generate", {"steps": float("nan")}, "expected a number"),
        ("generate", {"seed": 1.5}, "seed is 1.5; expected a whole number"),
        ("generate", {"seconds": {"a": 1}}, "expected a number"),
        ("generate", {"prompt": ["flute"]}, "it must be text"),
        ("generate", {"prompt": "x" * 201}, "has 201 characters; this demo takes 200"),
        ("generate", {"key": "x" * 201}, "has 201 characters; this demo takes 200"),
        ("inpaint", {"region": "0:1 " * 100}, "has 400 characters; this demo takes 200"),
        ("generate", {"loop": "yes"}, "expected true or false"),
        ("generate", {"reference": "/etc/passwd"}, "expected a file that was uploaded"),
        ("generate", {"reference": FOREIGN}, "files that were uploaded"),
        (
            "generate",
            {"reference": {**FOREIGN, "path": "http://10.0.0.1/huge.wav"}},
            "expected a file that was uploaded",
        ),
        ("interpolate", {"prompts": [{**FOREIGN, "path": "http://10.0.0.1/huge.wav"}, "y"]}, "names a file"),
        ("generate", {"reference": {**FOREIGN, "path": 7}}, "expected a file that was uploaded"),
        ("replay", {"input": FOREIGN, "recording": [FOREIGN] * 9}, "9 files; this demo takes 8 at a time"),
        ("interpolate", {"prompts": 5}, "prompts is '5'; expected 2 texts"),
        ("interpolate", {"prompts": {"a": 1, "b": 2}}, "expected 2 texts"),
        ("interpolate", {"prompts": [["x"], "y"]}, "it must be text"),
    ],
)
def test_arguments_that_do_not_fit_get_a_sentence_and_leave_the_log_alone(
    app: Any, capsys: pytest.CaptureFixture[str], name: str, change: dict[str, Any], told: str
) -> None:
    message = call(app, name, change)
    assert told in message
    assert len(message) < 300
    assert "passwd" not in message or message.startswith("reference is 'passwd'")
    assert capsys.readouterr().err == ""


def test_arguments_that_are_missing_get_a_sentence(app: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert "/vary got 4 arguments; expected 23" in call(app, "vary", {}, n_left_out=19)
    assert capsys.readouterr().err == ""


def test_the_fields_of_the_page_have_their_ends(app: Any) -> None:
    function = next(fn for fn in app.fns.values() if fn.fn is not None and fn.fn.__name__ == "create")
    for label, value, told in (
        ("Length (s)", 9.0, "8 or less"),
        ("Variation number", -4, "0 or more"),
        ("Guidance", 0.5, "1 or more"),
    ):
        values = [component.value for component in function.inputs]
        values[[component.label for component in function.inputs].index(label)] = value
        with pytest.raises(gr.Error, match=re.escape(f"{label.lower()} must be {told}, and is {value:g}")):
            asyncio.run(app.process_api(function, values, in_event_listener=True))


def test_what_a_card_offers_may_be_worked_on_and_nothing_else(app: Any, tmp_path: Path) -> None:
    """The buttons of a card send its file back, as the download button holds it."""
    functions = [fn for fn in app.fns.values() if any(isinstance(each, gr.DownloadButton) for each in fn.inputs)]
    assert functions
    for function in functions:
        given = [
            {**FOREIGN, "path": str(tmp_path / "clip.flac")} if isinstance(each, gr.DownloadButton) else each.value
            for each in function.inputs
        ]
        check(Limits(), function, given)  # whether it is one of its own is for Gradio to say
        foreign = [{**FOREIGN, "path": "http://10.0.0.1/x"} if isinstance(value, dict) else value for value in given]
        with pytest.raises(AudiodiffError, match="expected a file that was uploaded"):
            check(Limits(), function, foreign)
