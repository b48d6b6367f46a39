"""The page in a browser, when people do what people do: send rubbish, share, use a phone or the keyboard alone."""

from pathlib import Path
from typing import Any

import pytest

from tests.demo import browsing
from tests.demo.browsing import PHONE, TINY_RATE, UPLOAD_MB, Server, Visitor, sound_of, write_tone

browsing.need_browser()

from playwright.sync_api import expect  # noqa: E402

pytestmark = pytest.mark.browser


def test_what_is_no_sound_gets_a_sentence(visitor: Visitor, served: Server, tmp_path: Path) -> None:
    rubbish = tmp_path / "shopping list.wav"
    rubbish.write_text("bread, milk, a violin\n" * 50)
    for tab, field in (("Edit", "edit-clip"), ("Vocoder", "vocoder-input"), ("Inspect", "inspect-input")):
        visitor.tab(tab)
        visitor.upload(field, rubbish)
        told = visitor.told()
        assert "shopping list.wav" in told
        assert "/" not in told.replace("and/or", "")  # no folder of the server
    huge = write_tone(tmp_path / "huge.wav", 30.0, TINY_RATE)
    assert huge.stat().st_size > UPLOAD_MB * 2**20
    visitor.open()
    visitor.tab("Vocoder")
    visitor.upload("vocoder-input", huge)
    assert "size" in visitor.told().lower()
    visitor.tab("Create")
    visitor.create("organ")
    sound_of(visitor.clip("create"), 1.0, TINY_RATE)


def test_a_bad_prompt_is_shown_as_text_with_its_caret(visitor: Visitor) -> None:
    page = visitor.page
    visitor.create("(flute <img src=x onerror=document.title='hit'>", wait=False)
    toast = page.get_by_test_id("toast-text")
    expect(toast).to_contain_text("never closed")
    assert toast.locator("img").count() == 0
    assert toast.evaluate("box => getComputedStyle(box).whiteSpace") == "pre-wrap"
    assert "\n    ^" in visitor.told()
    assert page.title() == "audiodiff"


IN_SIGHT = """
name => {
  const { top } = document.querySelector('#' + name).getBoundingClientRect();
  return top >= 0 && top < window.innerHeight;
}
"""

SMALL = """
[...document.querySelectorAll('#takes button, #takes a, .ad-main button')].filter(button => button.checkVisibility())
  .map(button => button.getBoundingClientRect()).filter(box => box.width < 24 || box.height < 24).length
"""
"""How many buttons of takes are smaller than WCAG 2.2, 2.5.8 asks for."""


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


def test_a_phone_shows_everything(chromium: Any, served: Server, tmp_path: Path) -> None:
    context = {"viewport": PHONE, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
    with browsing.visitor(chromium, served.url, tmp_path, **context) as visitor:
        page = visitor.page
        assert fits(visitor)
        within(visitor, "create")
        within(visitor, "stop")
        visitor.create("harp", clips=2)
        page.wait_for_function(IN_SIGHT, arg="create-status")  # the result is shown to whoever asked for it
        assert fits(visitor)
        for what in ("subtle", "strong", "extend", "loop", "seed", "edit", "download"):
            within(visitor, f"create-{what}-1")
        sound_of(visitor.clip("create"), 1.0, TINY_RATE)
        takes = page.locator("#takes")
        for name in ("Play take 1", "Compare take 1", "Compare take 2"):
            takes.get_by_role("button", name=name, exact=True).click()
        assert fits(visitor)
        assert page.evaluate(SMALL) == 0
        for tab, button in (("Edit", "vary"), ("Vocoder", "vocode"), ("Library", "save-prompt"), ("Inspect", "replay")):
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
    page.evaluate("document.activeElement.blur()")
    page.evaluate("window.scrollTo(0, 0)")
    page.locator("h1").first.click()  # the focus begins at the top
    tab_to(visitor, "prompt")
    page.keyboard.type("banjo")
    tab_to(visitor, "create")
    page.keyboard.press("Enter")
    visitor.expect("create-status", "1 clip in")
    sound_of(visitor.clip("create"), 1.0, TINY_RATE, prompt="banjo")
    tab_to(visitor, "create-subtle-1")
    page.keyboard.press("Enter")
    visitor.expect("edit-status", "4 clips in")
