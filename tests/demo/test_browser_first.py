"""The first screen in a browser, with a tiny model: examples, words, what is busy, and what is read out."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.demo import browsing
from tests.demo.browsing import PHONE, Server, Visitor

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


@pytest.fixture(scope="module")
def server(checkpoint: Path, talker: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    music = shutil.copytree(checkpoint, folder / "music")  # examples are for a model of this name
    server = Server(folder, "--model", str(music), "--vocoder", str(checkpoint), "--voice", str(talker))
    server.wait()
    yield server
    server.check()
    server.end()


@pytest.fixture
def visitor(chromium: Any, server: Server, tmp_path: Path) -> Iterator[Visitor]:
    with browsing.visitor(chromium, server.url, tmp_path) as visitor:
        yield visitor


def test_an_example_is_heard_and_then_used(visitor: Visitor) -> None:
    page, prompt = visitor.page, visitor.page.locator("#prompt textarea")
    funk = page.locator("#examples button", has_text="Funk")
    funk.click()
    player = page.locator("#example-player")
    expect(player).to_contain_text("slap bass")
    page.wait_for_function("document.querySelector('#example-player audio')?.currentTime > 0")
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
    page.wait_for_function("document.querySelector('#create').getAttribute('aria-busy') === null")
    assert page.evaluate("busy") == ["true", None]
    told = page.evaluate("told")
    assert len(told) == 4, told  # the beginning, each clip, the end
    assert not any("step" in text for text in told)
    page.fill("#prompt textarea", "(jazz")
    page.click("#create")
    assert "never closed" in visitor.told()  # a toast, which is read out as an alert
    page.wait_for_function("document.querySelector('#create').getAttribute('aria-busy') === null")


def test_a_phone_shows_the_result_when_it_is_asked_for(chromium: Any, server: Server, tmp_path: Path) -> None:
    context = {"viewport": {**PHONE, "width": 360}, "has_touch": True, "is_mobile": True}
    with browsing.visitor(chromium, server.url, tmp_path, **context) as visitor:
        page = visitor.page
        visitor.create("jazz", clips=1)
        page.wait_for_function(
            "() => { const { top } = document.querySelector('#create-status').getBoundingClientRect();"
            " return top >= 0 && top < window.innerHeight; }"
        )
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize(
    ("locale", "create", "tagged"), [("de-DE", "Erzeugen", "KI-generiert"), ("es-ES", "Crear", "generado por IA")]
)
def test_the_page_speaks_the_language_of_the_browser(
    chromium: Any, server: Server, tmp_path: Path, locale: str, create: str, tagged: str
) -> None:
    with browsing.visitor(chromium, server.url, tmp_path, locale=locale) as visitor:
        page = visitor.page
        expect(page.locator("#create")).to_have_text(create)
        expect(page.get_by_role("tab", name=create, exact=True)).to_be_visible()
        assert "__i18n__" not in page.locator("body").inner_text()
        expect(page.locator("#about")).to_contain_text(tagged)
        page.get_by_role("tab").nth(2).click()
        expect(page.locator("#speech-text")).to_contain_text("{HH AH0 L OW1}")
