"""The first screen in a browser, with a tiny model: examples, words, what is busy, and what is read out."""

from pathlib import Path
from typing import Any

import pytest

from tests.demo import browsing
from tests.demo.browsing import Server, Visitor

browsing.need_browser()

from playwright.sync_api import expect  # noqa: E402

pytestmark = pytest.mark.browser

RECORD = """
() => {
  window.busy = []; window.told = [];
  const button = document.querySelector('#create'), region = document.querySelector('#ad-read-out');
  new MutationObserver(() => busy.push(button.getAttribute('aria-busy'))).observe(button, { attributes: true });
  new MutationObserver(() => told.push(region.textContent)).observe(region, { childList: true });
}
"""
"""Notes when the button is busy, and what screen readers get to read."""


def test_an_example_is_heard_and_then_used(visitor: Visitor) -> None:
    page, prompt = visitor.page, visitor.page.locator("#prompt textarea")
    funk = page.locator("#examples button", has_text="Funk")
    page.evaluate(HEARD)
    funk.click()
    player = page.locator("#example-player")
    expect(player).to_contain_text("slap bass")
    page.wait_for_function("window.heard?.currentTime > 0")
    expect(prompt).to_have_value("")
    funk.click()
    expect(prompt).to_have_value("funk, slap bass, clavinet, brass section and drums, groovy, 110 bpm")
    page.locator("#examples button", has_text="Solo flute").click()
    expect(player).to_contain_text("solo flute")
    page.click("#example-use")
    expect(prompt).to_have_value("solo flute, unaccompanied melody, gentle")


def test_words_are_picked_and_what_cannot_be_done_is_said(visitor: Visitor) -> None:
    page, prompt = visitor.page, visitor.page.locator("#prompt textarea")
    field = page.locator("#pick-genres input")
    field.click()
    field.fill("amb")
    page.get_by_role("option", name="ambient").click()
    expect(prompt).to_have_value("ambient")
    field.press("Escape")
    prompt.fill("ambient, jazz, singing")
    chosen = page.locator("#pick-genres .token")
    expect(chosen).to_have_count(2)
    expect(page.locator("#prompt-hint")).to_contain_text("no vocals")
    chosen.filter(has_text="ambient").locator(".token-remove").click()
    expect(prompt).to_have_value("jazz, singing")
    page.click("#surprise")
    expect(prompt).not_to_have_value("jazz, singing")
    expect(page.locator("#prompt-hint")).not_to_contain_text("no vocals")


def test_the_button_is_busy_and_only_what_matters_is_read_out(visitor: Visitor) -> None:
    page = visitor.page
    page.evaluate(RECORD)
    visitor.create("jazz", clips=2)
    page.wait_for_function("busy.length > 1")
    assert page.evaluate("busy") == ["true", None]
    told = page.evaluate("told")
    assert told[0] == "starting"  # then each clip, unless the next thing is to be told at once
    assert told[-1].startswith("2 clips in")
    assert len(told) <= 4, told
    assert not any("step" in text for text in told)
    page.fill("#prompt textarea", "(jazz")
    page.click("#create")
    assert "never closed" in visitor.told()  # a toast, which is read out as an alert
    page.wait_for_function("document.querySelector('#create').getAttribute('aria-busy') === null")


HEARD = """
() => {
  const play = HTMLMediaElement.prototype.play;
  HTMLMediaElement.prototype.play = function () { window.heard = this; return play.call(this); };
}
"""
"""Notes what plays; Gradio keeps the element of its player outside of the page."""


@pytest.mark.parametrize(
    ("locale", "create", "tagged", "made", "take", "vary", "vain"),
    [
        (
            "de-DE",
            "Erzeugen",
            "KI-generiert",
            "4 Clips in",
            "Version 1: ambient",
            "Leicht variieren, Version 1",
            "weder Gesang",
        ),
        ("es-ES", "Crear", "generado por IA", "4 clips en", "Toma 1: ambient", "Variar un poco, toma 1", "sin voces"),
    ],
)
def test_the_page_speaks_the_language_of_the_browser(
    chromium: Any,
    served: Server,
    tmp_path: Path,
    locale: str,
    create: str,
    tagged: str,
    made: str,
    take: str,
    vary: str,
    vain: str,
) -> None:
    with browsing.visitor(chromium, served.url, tmp_path, locale=locale) as visitor:
        page = visitor.page
        expect(page.locator("#create")).to_have_text(create)
        expect(page.get_by_role("tab", name=create, exact=True)).to_be_visible()
        assert "__i18n__" not in page.locator("body").inner_text()
        expect(page.locator("#about")).to_contain_text(tagged)
        page.fill("#prompt textarea", "ambient, singing")
        expect(page.locator("#prompt-hint")).to_contain_text(vain)
        visitor.run("create", "create-status", made)
        expect(page.locator("#create-subtle-1")).to_have_text(vary.partition(",")[0])
        expect(page.locator("#create-subtle-1")).to_have_attribute("aria-label", vary)
        expect(page.locator("#takes")).to_contain_text(take)
        page.get_by_role("tab").nth(2).click()
        expect(page.locator("#speech-text")).to_contain_text("[pause 0.5]")
