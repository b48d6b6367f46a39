"""The page in a browser, with the shipped models, when people do what people do: stop, reload, send rubbish, share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.demo import browsing
from tests.demo.browsing import DESK, MUSIC_RATE, PHONE, Server, Visitor, sound_of, write_tone

browsing.need_browser()

from playwright.sync_api import expect  # noqa: E402

pytestmark = pytest.mark.browser

UPLOAD_MB = 1


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"), "--max-upload-mb", str(UPLOAD_MB))
    server.wait()
    yield server
    server.check()
    server.end()


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder


@pytest.fixture
def visitor(chromium: Any, server: Server, downloads: Path) -> Iterator[Visitor]:
    with browsing.visitor(chromium, server.url, downloads) as visitor:
        yield visitor


def begin_something_long(visitor: Visitor) -> None:
    visitor.settings()
    visitor.set("Steps", 200)
    visitor.create("organ", seconds=30, clips=4, wait=False)
    visitor.expect("create-status", "step ")


def test_stop_stops_and_the_next_clip_is_made(visitor: Visitor) -> None:
    begin_something_long(visitor)
    page = visitor.page
    page.wait_for_function("document.querySelector('.ad-card img')?.naturalWidth > 0")  # a preview while it denoises
    page.click("#stop")
    visitor.expect("create-status", "stopped; 0 of 4 clips finished")
    expect(page.locator(".ad-card:visible")).to_have_count(0)
    visitor.set("Steps", 4)
    visitor.create("organ")
    sound_of(visitor.clip("create"), 1.0, MUSIC_RATE, prompt="organ")


def test_whoever_reloads_the_page_leaves_no_work_behind(visitor: Visitor, server: Server) -> None:
    begin_something_long(visitor)
    visitor.open()
    expect(visitor.page.locator("#create-status")).to_contain_text("Clips appear here")
    visitor.create("organ")  # would wait for minutes behind what was left
    sound_of(visitor.clip("create"), 1.0, MUSIC_RATE, prompt="organ")
    server.check()


@pytest.mark.parametrize(
    ("tab", "field"), [("Edit", "edit-clip"), ("Vocoder", "vocoder-input"), ("Inspect", "inspect-input")]
)
def test_what_is_no_sound_gets_a_sentence(
    visitor: Visitor, server: Server, tmp_path: Path, tab: str, field: str
) -> None:
    rubbish = tmp_path / "shopping list.wav"
    rubbish.write_text("bread, milk, a violin\n" * 50)
    visitor.tab(tab)
    visitor.upload(field, rubbish)
    told = visitor.told()
    assert "shopping list.wav" in told
    assert "/" not in told.replace("and/or", "")  # no folder of the server
    huge = write_tone(tmp_path / "huge.wav", 20.0)
    assert huge.stat().st_size > UPLOAD_MB * 2**20
    visitor.open()
    visitor.tab(tab)
    visitor.upload(field, huge)
    assert "size" in visitor.told().lower()
    server.check()
    visitor.open()
    visitor.create("organ")
    sound_of(visitor.clip("create"), 1.0, MUSIC_RATE)


def test_a_bad_prompt_is_shown_as_text_with_its_caret(visitor: Visitor) -> None:
    page = visitor.page
    visitor.create("(flute <img src=x onerror=document.title='hit'>", wait=False)
    toast = page.get_by_test_id("toast-text")
    expect(toast).to_contain_text("never closed")
    assert toast.locator("img").count() == 0
    assert toast.evaluate("box => getComputedStyle(box).whiteSpace") == "pre-wrap"
    assert "\n    ^" in visitor.told()
    assert page.title() == "audiodiff"


def test_two_at_once_get_what_each_asked_for(chromium: Any, server: Server, downloads: Path) -> None:
    with (
        browsing.visitor(chromium, server.url, downloads) as ann,
        browsing.visitor(chromium, server.url, downloads) as ben,
    ):
        ann.create("solo piano", seconds=1.5, clips=2, wait=False)
        ben.create("drum kit", seconds=1, clips=2, wait=False)
        for visitor, prompt, seconds in ((ann, "solo piano", 1.5), (ben, "drum kit", 1.0)):
            visitor.expect("create-status", "2 clips in")
            for number in (1, 2):
                sound_of(visitor.clip("create", number), seconds, MUSIC_RATE, prompt=prompt)


def fits(visitor: Visitor) -> bool:
    return bool(visitor.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def within(visitor: Visitor, name: str) -> None:
    """Hold that a thumb can reach a button: on the screen once scrolled down to, large enough, uncovered."""
    button = visitor.page.locator(f"#{name}")
    expect(button).to_be_visible(timeout=30_000)
    button.evaluate("button => button.scrollIntoView({ block: 'center' })")
    box, screen = button.bounding_box(), visitor.page.viewport_size
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= screen["width"]
    assert box["height"] >= 24  # WCAG 2.2, 2.5.8
    button.click(trial=True)


def test_a_phone_shows_everything(chromium: Any, server: Server, downloads: Path) -> None:
    context = {"viewport": PHONE, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
    with browsing.visitor(chromium, server.url, downloads, **context) as visitor:
        assert fits(visitor)
        within(visitor, "create")
        within(visitor, "stop")
        visitor.create("harp", clips=2)
        assert fits(visitor)
        for what in ("subtle", "strong", "extend", "loop", "seed", "edit", "download"):
            within(visitor, f"create-{what}-1")
        sound_of(visitor.clip("create"), 1.0, MUSIC_RATE)
        visitor.run("create-subtle-2", "edit-status", "4 clips in")
        assert fits(visitor)
        within(visitor, "vary")
        for tab, button in (("Vocoder", "vocode"), ("Library", "save-prompt"), ("Inspect", "replay")):
            visitor.tab(tab)
            within(visitor, button)
            assert fits(visitor)


def tab_to(visitor: Visitor, name: str) -> None:
    """Press Tab until the focus is inside an element."""
    for _ in range(60):
        if visitor.page.evaluate("name => !!document.activeElement.closest('#' + name)", name):
            return
        visitor.page.keyboard.press("Tab")
    raise AssertionError(f"sixty times Tab do not lead to {name}")


def test_the_keyboard_is_enough(visitor: Visitor) -> None:
    page = visitor.page
    visitor.set("Length (s)", 1)
    visitor.set("Takes", 1)
    visitor.settings()
    page.evaluate("document.activeElement.blur()")
    page.evaluate("window.scrollTo(0, 0)")
    page.locator("h1").first.click()  # the focus begins at the top
    tab_to(visitor, "prompt")
    page.keyboard.type("banjo")
    tab_to(visitor, "create")
    outline = "getComputedStyle(document.activeElement)"
    assert page.evaluate(
        f"{outline}.outlineStyle !== 'none' || {outline}.boxShadow !== 'none'"
    )  # one sees where one is
    page.keyboard.press("Enter")
    visitor.expect("create-status", "1 clip in")
    sound_of(visitor.clip("create"), 1.0, MUSIC_RATE, prompt="banjo")
    tab_to(visitor, "create-subtle-1")
    page.keyboard.press("Enter")
    visitor.expect("edit-status", "4 clips in")


LUMINANCE = """
element => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  let under = element, ground = [0, 0, 0, 0];
  while (under && (ground.length === 4 ? ground[3] : 1) === 0) {
    ground = parse(getComputedStyle(under).backgroundColor); under = under.parentElement;
  }
  return [light(parse(getComputedStyle(element).color)), light(ground)];
}
"""
"""Relative luminance of an element's text and of what is behind it."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_can_both_be_read(chromium: Any, server: Server, downloads: Path, scheme: str) -> None:
    with browsing.visitor(chromium, server.url, downloads, viewport=DESK, color_scheme=scheme) as visitor:
        visitor.create("harp")
        page = visitor.page
        texts = [page.locator("h1").first, page.locator("#create-status span"), page.locator(".ad-card p").first]
        texts += [page.locator("#prompt textarea"), page.locator("#create-edit-1"), page.locator("#create-subtle-1")]
        texts += [page.locator("#create"), page.locator("#stop"), page.get_by_role("tab", name="Create", exact=True)]
        grounds = [text.evaluate(LUMINANCE)[1] for text in texts[:4]]
        assert all((ground > 0.5) is (scheme == "light") for ground in grounds)
        texts.append(page.get_by_text("Genre, instruments, mood, tempo").first)  # a help text
        for text in texts:
            ink, ground = text.evaluate(LUMINANCE)
            assert (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05) >= 4.5  # WCAG 2.2, 1.4.3
