"""The page held against axe-core, the usual checker of WCAG: every tab, light and dark, with takes made."""

from pathlib import Path
from typing import Any

import pytest

from tests.demo import browsing
from tests.demo.browsing import DESK, Server

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
    with browsing.visitor(chromium, served.url, tmp_path, viewport=DESK, color_scheme=scheme) as visitor:
        page, found = visitor.page, {}
        page.locator("#examples button").first.click()
        visitor.create("jazz, singing", clips=2)
        for tab in TABS:
            visitor.tab(tab)
            for fold in page.get_by_role("button", name="Expert settings").locator("visible=true").all():
                fold.click()
            page.wait_for_timeout(1000)  # what fades in has its colours
            if problems := serious(page):
                found[tab] = problems
        assert found == {}


def test_axe_is_heard_when_something_is_wrong(chromium: Any, served: Server, tmp_path: Path) -> None:
    with browsing.visitor(chromium, served.url, tmp_path) as visitor:
        visitor.page.evaluate(
            "document.querySelector('#about').innerHTML += '<p style=\"color: #bbb; background: #fff\">pale</p>'"
        )
        assert any("color-contrast" in problem and "pale" in problem for problem in serious(visitor.page))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_one_sees_where_the_focus_is(chromium: Any, served: Server, tmp_path: Path, scheme: str) -> None:
    with browsing.visitor(chromium, served.url, tmp_path, color_scheme=scheme) as visitor:
        page = visitor.page
        page.get_by_role("button", name="Expert settings").locator("visible=true").first.click()
        page.locator("h1").first.click()
        unseen, steps = [], 0
        for _ in range(120):
            page.keyboard.press("Tab")
            at_end, seen, markup = page.evaluate(FOCUS)
            if at_end:
                break
            steps += 1
            if not seen:
                unseen.append(markup)
        assert steps > 30
        assert unseen == []


def test_the_check_of_the_focus_can_fail(chromium: Any, served: Server, tmp_path: Path) -> None:
    with browsing.visitor(chromium, served.url, tmp_path) as visitor:
        visitor.page.add_style_tag(content="#create:focus-visible { outline: none !important; }")
        visitor.page.locator("#create").focus()
        visitor.page.keyboard.press("Shift+Tab")
        visitor.page.keyboard.press("Tab")
        assert visitor.page.evaluate(FOCUS)[:2] == [False, False]
