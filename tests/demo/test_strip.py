import html as markup
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

gr = pytest.importorskip("gradio", reason="the extra demo")

from audiodiff.errors import AudiodiffError  # noqa: E402
from demo.app_state import AppState  # noqa: E402
from demo.jobs import User  # noqa: E402
from demo.said import ENGLISH  # noqa: E402
from demo.strip import Drawing, Strip  # noqa: E402
from demo.takes import Take, TakeFacts  # noqa: E402

ANN, BOB = User("ann", "ann"), User("bob", "bob")


def take(number: int = 1, *, made_from: tuple[str, ...] = (), verb: str = "generate", **changes: Any) -> Take:
    facts = TakeFacts(
        Path(f"/served/t{number}/clip.flac"), Path(f"/served/t{number}/picture.jpg"), f"hash{number}", made_from, verb
    )
    return Take(f"id{number}", number, replace(facts, seconds=2.0, **changes))


def opened(html: str) -> str:
    """What the large player shows of the takes, as the page puts it in."""
    return "".join(markup.unescape(value) for value in re.findall(r'data-opened="([^"]*)"', html))


def attributes(html: str) -> set[str]:
    """Names of all attributes of HTML as a browser reads it."""
    names: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            names.update(name for name, _ in attrs)

    Reader().feed(html)
    return names


def drawn(*takes: Take, deleted: Take | None = None, link: str = "") -> str:
    return Drawing(ENGLISH).strip(takes, deleted, told=None, link=link, minutes=60.0)


@pytest.fixture
def kept(state: AppState) -> Strip:
    with gr.Blocks():
        return Strip.make(state)


def add(state: AppState, page: str, name: str = "clip.flac") -> Take:
    path = state.workspace.new_file(name)
    path.write_bytes(b"sound")
    return state.takes.add(page, TakeFacts(path, path, sha256=str(path)))


def test_every_button_says_which_take_it_is_for() -> None:
    html = drawn(take(1), take(2))
    buttons = re.findall(r"<(?:button|a) [^>]*>", html.partition("<ul")[2])
    of_players = re.findall(r"<(?:button|a) [^>]*>", opened(html))
    assert (len(buttons), len(of_players)) == (2 * 6, 2 * 2)
    for button in buttons + of_players:
        assert re.search(r'aria-label="[^"]*take [12]"', button), button


def test_what_visitors_write_is_text() -> None:
    html = drawn(take(1, prompt='<img src=x onerror="alert(1)"> ${alert(1)} " onclick="alert(1)'))
    for shown in (html, opened(html)):
        assert "<img src=x" not in shown
        assert not [name for name in attributes(shown) if name.startswith("on")]


def test_a_version_names_the_take_that_it_was_made_from() -> None:
    html = drawn(take(2, made_from=("hash1",), verb="extend"), take(1))
    assert "made longer, from take 1" in html
    assert opened(html).count('aria-label="Versions"') == 1
    assert "from take" not in drawn(take(2, made_from=("hash1",), verb="extend"))


def test_the_tab_edit_is_not_offered_for_speech() -> None:
    assert 'data-do="edit"' in drawn(take(1))
    assert 'data-do="edit"' not in drawn(take(1, verb="speak"))


def test_undo_and_the_choice_of_starred_takes_come_when_there_is_something_for_them() -> None:
    assert 'data-do="undelete"' not in drawn(take(1))
    assert "bring take 2 back" in drawn(take(1), deleted=take(2))
    assert 'data-do="only"' not in drawn(take(1))
    assert 'data-do="only"' in drawn(replace(take(1), starred=True))


def test_the_buttons_do_what_they_say(state: AppState, kept: Strip) -> None:
    first, second = add(state, "ann"), add(state, "ann")
    (html,) = kept._act([], {"what": "star", "take": first.id}, ANN).values()
    assert "Take 1 has a star" in html
    (html,) = kept._act([], {"what": "delete", "take": second.id}, ANN).values()
    assert "Take 2 was deleted" in html
    assert "Play take 2" not in html
    (html,) = kept._act([], {"what": "undelete"}, ANN).values()
    assert "Play take 2" in html
    (html,) = kept._act([], {"what": "zip-starred"}, ANN).values()
    assert "1 take in one ZIP" in html
    assert 'download="takes.zip"' in html
    tabs, clip = object(), object()
    changes = kept._act([tabs, clip], {"what": "edit", "take": first.id}, ANN)
    assert changes[clip] == str(first.facts.path)


@pytest.mark.parametrize(
    "asked", [None, [], "zip", {}, {"what": "star"}, {"what": ["zip"]}, {"what": "edit", "take": 1}]
)
def test_what_no_button_asks_for_is_refused(state: AppState, kept: Strip, asked: Any) -> None:
    add(state, "ann")
    with pytest.raises(AudiodiffError):
        kept._act([], asked, ANN)


def test_takes_of_others_are_out_of_reach(state: AppState, kept: Strip) -> None:
    theirs = add(state, "ann")
    for what in ("star", "delete", "edit"):
        with pytest.raises(AudiodiffError, match="not on the server any more"):
            kept._act([object(), object()], {"what": what, "take": theirs.id}, BOB)
    with pytest.raises(AudiodiffError, match="no takes to download"):
        kept._act([], {"what": "zip"}, BOB)
    assert kept.drawn(BOB) == ""


def test_a_zip_has_its_limit(state: AppState, kept: Strip, monkeypatch: pytest.MonkeyPatch) -> None:
    add(state, "ann")
    monkeypatch.setattr("demo.strip.ZIP_SHARE", 1e-12)
    with pytest.raises(AudiodiffError, match="one ZIP holds up to"):
        kept._act([], {"what": "zip"}, ANN)


def test_a_reload_shows_the_takes_and_tells_of_the_job_that_it_ended(state: AppState, kept: Strip) -> None:
    with gr.Blocks():
        line = gr.HTML()
    token = kept._open([line], "", ANN)[kept.token]
    state.takes.begin("ann", 4)
    add(state, "ann")
    changes = kept._open([line], token, User("reloaded", "ann"))
    assert "Play take 1" in changes[kept.html]
    assert "1 of 4 takes were ready" in changes[line]
    assert line not in kept._open([line], token, User("once more", "ann"))
