"""The page held against axe-core, the usual checker of WCAG: every tab, light and dark, with takes made."""

from pathlib import Path
from typing import Any

import pytest

from tests.demo import browsing
from tests.demo.browsing import DESK, Server, Visitor

browsing.need_browser()

from axe_playwright_python.sync_playwright import Axe  # noqa: E402

pytestmark = pytest.mark.browser

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
SERIOUS = ("serious", "critical")
TABS = ("Create", "Edit", "Speech", "Library", "Inspect", "Vocoder", "Upsample")

FOCUS = """
() => {
  const element = document.activeElement, style = getComputedStyle(element);
  const seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  return [element === document.body, seen, element.outerHTML.slice(0, 160)];
}
"""


def serious(page: Any) -> list[str]:
    """What axe finds on the page as it is, a line for each place."""
    found = Axe().run(page, options=RULES).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for rule in found
        if rule["impact"] in SERIOUS
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_tab(chromium: Any, served: Server, tmp_path: Path, scheme: str) -> None:
    tone = browsing.write_tone(tmp_path / "tone.wav", 1.0, browsing.TINY_RATE)
    with browsing.visitor(chromium, served.url, tmp_path, viewport=DESK, color_scheme=scheme) as visitor:
        page, found = visitor.page, {}
        page.locator("#examples button").first.click()
        visitor.create("jazz, singing", clips=2)
        for tab in TABS:
            visitor.tab(tab)
            fill(visitor, tab, tone)
            for fold in page.get_by_role("button", name="Expert settings").locator("visible=true").all():
                fold.click()
            page.wait_for_timeout(1000)  # what fades in has its colours
            if problems := serious(page):
                found[tab] = problems
        assert found == {}


def fill(visitor: Visitor, tab: str, tone: Path) -> None:
    """Put something on a tab that is empty at first; Library and Upsample stay so."""
    if tab == "Edit":
        visitor.upload("edit-clip", tone)
        visitor.expect("edit-clip", "0:01")
        visitor.page.get_by_role("tab", name="Replace a part").click()
        visitor.page.wait_for_selector("#edit-picture .ad-region[data-ready]")
    elif tab == "Speech":
        visitor.page.fill("#speech-text textarea", "Hello, big world.")
        visitor.set("Takes", 1)
        visitor.run("speak", "speech-status", "1 clip in")
    elif tab == "Inspect":
        visitor.upload("inspect-input", tone)
        visitor.expect("provenance", "No settings found")
    elif tab == "Vocoder":
        visitor.upload("vocoder-input", tone)
        visitor.expect("vocoder-input", "0:01")
        visitor.run("vocode", "vocoder-status", "done")
        visitor.page.get_by_role("button", name="Figures").locator("visible=true").click()


def test_axe_is_heard_when_something_is_wrong(chromium: Any, served: Server, tmp_path: Path) -> None:
    with browsing.visitor(chromium, served.url, tmp_path) as visitor:
        visitor.page.evaluate(
            "document.querySelector('#about p').innerHTML = '<span style=\"color: #bbb; background: #fff\">pale</span>'"
        )
        assert any("color-contrast" in problem and "pale" in problem for problem in serious(visitor.page))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_one_sees_where_the_focus_is(chromium: Any, served: Server, tmp_path: Path, scheme: str) -> None:
    with browsing.visitor(chromium, served.url, tmp_path, color_scheme=scheme) as visitor:
        page = visitor.page
        page.get_by_role("button", name="Expert settings").locator("visible=true").first.click()
        page.get_by_label("Variation number").wait_for()
        page.locator("h1").first.click()
        unseen: list[str] = []
        last = ""
        for _ in range(120):
            page.keyboard.press("Tab")
            at_end, seen, markup = page.evaluate(FOCUS)
            if at_end:
                break
            last = markup
            if not seen:
                unseen.append(markup)
        assert 'class="settings' in last  # Gradio's button at the bottom: the focus was never lost on the way
        assert unseen == []


def test_the_check_of_the_focus_can_fail(chromium: Any, served: Server, tmp_path: Path) -> None:
    with browsing.visitor(chromium, served.url, tmp_path) as visitor:
        visitor.page.add_style_tag(content="#create#create:focus-visible { outline: none !important; }")
        visitor.page.locator("#create").focus()
        visitor.page.keyboard.press("Shift+Tab")
        visitor.page.keyboard.press("Tab")
        assert visitor.page.evaluate(FOCUS)[:2] == [False, False]
