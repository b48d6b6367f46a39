"""The page held against axe-core, the usual checker of WCAG: every tab, light and dark, with takes made."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.demo import browsing
from tests.demo.browsing import DESK, Server, Visitor

browsing.need_browser()

from axe_playwright_python.sync_playwright import Axe  # noqa: E402

pytestmark = pytest.mark.browser

EVERY_RULE = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
SIZES = {"target-size": {"enabled": True}}  # which axe leaves out unless it is asked for
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
"""All that can differ between light and dark."""

SERIOUS = ("serious", "critical")
SCHEMES = ("light", "dark")
TABS = ("Create", "Edit", "Speech", "Library", "Inspect", "Vocoder", "Upsample")

FOCUS = """
() => {
  const element = document.activeElement, style = getComputedStyle(element);
  const seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  return [element === document.body, seen, element.outerHTML.slice(0, 160)];
}
"""


def serious(page: Any, rules: dict[str, Any]) -> list[str]:
    """What axe finds on the page as it is, a line for each place."""
    options = {"runOnly": rules, "rules": SIZES, "resultTypes": ["violations"]}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for rule in found
        if rule["impact"] in SERIOUS
        for node in rule["nodes"]
    ]


@pytest.fixture(scope="module")
def seen(chromium: Any, served: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """One page for all of these tests, which takes longer to load than to look at."""
    folder = tmp_path_factory.mktemp("seen")
    with browsing.visitor(chromium, served.url, folder, viewport=DESK, color_scheme="light") as visitor:
        yield visitor


def paint(page: Any, scheme: str) -> None:
    """Let the page follow the system to its light or dark colours."""
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function(
        "dark => document.body.classList.contains('dark') === dark", arg=scheme == "dark", timeout=10_000
    )
    page.evaluate("Promise.all(document.getAnimations().map(animation => animation.finished.catch(() => null)))")


def test_axe_finds_nothing_serious_on_any_tab_light_or_dark(seen: Visitor, tmp_path: Path) -> None:
    tone = browsing.write_tone(tmp_path / "tone.wav", 1.0, browsing.TINY_RATE)
    page, found = seen.page, {}
    page.locator("#examples button").first.click()
    seen.create("jazz, singing", clips=2)
    for tab in TABS:
        seen.tab(tab)
        fill(seen, tab, tone)
        for fold in page.get_by_role("button", name="Expert settings").locator("visible=true").all():
            fold.click()
        for scheme in SCHEMES:
            paint(page, scheme)
            if problems := serious(page, EVERY_RULE if scheme == SCHEMES[0] else COLOURS):
                found[tab, scheme] = problems
    assert found == {}


def test_sliders_are_hit_where_they_are_meant(seen: Visitor) -> None:
    seen.tab("Create")
    folded = seen.page.get_by_role("button", name="Expert settings").locator("visible=true").first
    if not seen.page.locator("input[type=range]").locator("visible=true").count():
        folded.click()
    sliders = seen.page.locator("input[type=range]").locator("visible=true").all()
    assert sliders
    assert [slider.bounding_box()["height"] for slider in sliders] == [24.0] * len(sliders)


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


def test_axe_is_heard_when_something_is_wrong(seen: Visitor) -> None:
    """Pale text is found in one of the two schemes each: the page did change its colours."""
    seen.tab("Create")
    for scheme, colour in zip(SCHEMES, ("#bbb", "#444"), strict=True):
        paint(seen.page, scheme)
        seen.page.evaluate(f"document.querySelector('#about p').innerHTML = '<b style=\"color: {colour}\">pale</b>'")
        problems = serious(seen.page, COLOURS)
        assert any("color-contrast" in problem and "pale" in problem for problem in problems), scheme


def test_one_sees_where_the_focus_is(chromium: Any, served: Server, tmp_path: Path) -> None:
    with browsing.visitor(chromium, served.url, tmp_path) as visitor:
        page = visitor.page
        page.get_by_role("button", name="Expert settings").locator("visible=true").first.click()
        page.get_by_label("Variation number").wait_for()
        for scheme in SCHEMES:
            paint(page, scheme)
            page.locator("h1").first.click()
            unseen: list[str] = []
            last = ""
            for _ in range(120):
                page.keyboard.press("Tab")
                at_end, has_outline, markup = page.evaluate(FOCUS)
                if at_end:
                    break
                last = markup
                if not has_outline:
                    unseen.append(markup)
            assert 'class="settings' in last  # Gradio's button at the bottom: the focus was never lost on the way
            assert unseen == [], scheme
        page.add_style_tag(content="#create#create:focus-visible { outline: none !important; }")
        page.locator("#create").focus()  # and the check can fail
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUS)[:2] == [False, False]
