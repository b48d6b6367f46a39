import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from demo import player
from demo.takes import TakeFacts

FACTS = TakeFacts(
    Path("/served/a b/clip.flac"), Path("/served/a b/picture.jpg"), "hash", seconds=2.5, peaks=b"\x00\xff"
)


class Tags(HTMLParser):
    """Collects what is in a piece of HTML, and that every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_player_can_be_used_where_no_script_runs() -> None:
    found = Tags(player.player("take 3", FACTS)).found
    (audio,) = (attributes for tag, attributes in found if tag == "audio")
    assert "controls" in audio
    assert "loop" not in audio
    assert audio["src"] == "gradio_api/file=/served/a%20b/clip.flac"
    names = [attributes["aria-label"] for tag, attributes in found if tag == "button"]
    assert names == ["Play take 3", "Repeat take 3"]
    (picture,) = (attributes for tag, attributes in found if tag == "img")
    assert picture["alt"] == "spectrogram of take 3"


def test_a_loop_is_repeated_from_the_start() -> None:
    found = Tags(player.player("take 3", replace(FACTS, loop=True))).found
    assert any(tag == "audio" and "loop" in attributes for tag, attributes in found)
    assert any(attributes.get("aria-pressed") == "true" for tag, attributes in found)


def test_the_loudness_of_silence_is_left_out() -> None:
    assert 'data-loudness=""' in player.player("take 3", FACTS)
    assert 'data-loudness="-16.00"' in player.player("take 3", replace(FACTS, loudness=-16.0))


def test_names_of_files_and_takes_stay_inside_their_attributes() -> None:
    nasty = Path('/served/"><script>alert(1)</script>.flac')
    html = player.player('"><b>', replace(FACTS, path=nasty))
    assert {tag for tag, _ in Tags(html).found} == {"div", "img", "button", "span", "audio"}


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0:00.0"), (9.96, "0:09.9"), (65.3, "1:05.3"), (600.0, "10:00.0"), (-1.0, "0:00.0")]
)
def test_times_are_shown_as_players_do(seconds: float, text: str) -> None:
    assert player.clock(seconds) == text


def test_the_scripts_come_with_the_page_and_with_their_licence() -> None:
    head = player.head()
    assert "BSD 3-Clause License" in head
    assert head.count("<script>") == head.count("</script>") == 1 + len(player.SCRIPTS)
    assert not re.search(r"<(script|link)[^>]*(src|href)=", head)  # nothing is fetched from anywhere
    assert ".ad-player" in player.css()


def test_a_clip_that_is_being_made_shows_what_it_seems_to_become() -> None:
    found = Tags(player.preview(b"jpeg", "clip 2 so far")).found
    assert ("img", {"src": "data:image/jpeg;base64,anBlZw==", "alt": "clip 2 so far", "draggable": "false"}) in found
    assert "waiting" in player.empty("waiting")
