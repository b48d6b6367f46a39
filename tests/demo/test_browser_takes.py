"""The takes of a visit in a browser: nothing is lost, and one player plays them."""

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.demo import browsing
from tests.demo.browsing import TINY_RATE, Server, Visitor, sound_of

browsing.need_browser()

from playwright.sync_api import expect  # noqa: E402

pytestmark = pytest.mark.browser


def button(visitor: Visitor, name: str) -> Any:
    return visitor.page.locator("#takes").get_by_role("button", name=name, exact=True)


def listed(visitor: Visitor, *numbers: int) -> None:
    """Wait until these takes are listed, in this order."""
    titles = [f"Take {number}:" for number in numbers]
    expect(visitor.page.locator("#takes .ad-take .ad-title")).to_contain_text(titles)
    expect(visitor.page.locator("#takes .ad-take")).to_have_count(len(numbers))


def playing(visitor: Visitor) -> int:
    return int(visitor.page.evaluate("[...document.querySelectorAll('audio')].filter(audio => !audio.paused).length"))


def test_takes_stay_through_other_jobs_errors_and_reloads(visitor: Visitor) -> None:
    page = visitor.page
    visitor.create("solo flute", clips=2)
    listed(visitor, 2, 1)
    visitor.run("create-extend-1", "edit-status", "1 clip in")
    listed(visitor, 3, 2, 1)
    visitor.tab("Create")
    visitor.create("(broken", wait=False)
    assert "broken" in visitor.told()
    listed(visitor, 3, 2, 1)
    expect(page.locator("#takes .ad-take").first).to_contain_text("made longer, from take 1")
    visitor.open()
    listed(visitor, 3, 2, 1)
    heard = visitor.download(page.locator("#takes").get_by_role("link", name="Download take 3"))
    assert soundfile.info(heard).duration == pytest.approx(6.0, abs=0.02)


def test_two_at_once_get_what_each_asked_for_and_do_not_see_each_other(
    chromium: Any, served: Server, visitor: Visitor, tmp_path: Path
) -> None:
    with browsing.visitor(chromium, served.url, tmp_path) as other:
        asked = ((visitor, "solo flute", 1.5), (other, "drums ${6 * 7} {{value}}", 1.0))
        for one, prompt, seconds in asked:
            one.create(prompt, seconds=seconds, clips=2, wait=False)
        for one, prompt, seconds in asked:
            one.expect("create-status", "2 clips in")
            listed(one, 2, 1)
            expect(one.page.locator("#takes")).to_contain_text(prompt)
            for number in (1, 2):
                sound_of(one.clip("create", number), seconds, TINY_RATE, prompt=prompt)
        expect(other.page.locator("#takes")).not_to_contain_text("flute")


def test_takes_are_starred_deleted_brought_back_and_downloaded_together(visitor: Visitor) -> None:
    page = visitor.page
    visitor.create("solo flute", clips=3)
    listed(visitor, 3, 2, 1)
    button(visitor, "Star take 2").press("Enter")
    expect(button(visitor, "Star take 2")).to_have_attribute("aria-pressed", "true")
    expect(button(visitor, "Star take 2")).to_be_focused()
    button(visitor, "Starred only").click()
    expect(page.locator("#takes .ad-take:visible")).to_have_count(1)
    button(visitor, "Starred only").click()
    button(visitor, "Delete take 3").press("Enter")
    listed(visitor, 2, 1)
    undo = button(visitor, "Undo: bring take 3 back")
    expect(undo).to_be_focused()
    undo.press("Enter")
    listed(visitor, 3, 2, 1)
    for name, numbers in (("Download all (ZIP)", "123"), ("Download starred (ZIP)", "2")):
        with zipfile.ZipFile(visitor.download(button(visitor, name))) as archive:
            assert [entry[:3] for entry in archive.namelist()] == [f"0{number}-" for number in numbers]
            assert archive.testzip() is None
    visitor.open()
    expect(button(visitor, "Star take 2")).to_have_attribute("aria-pressed", "true")


def test_one_player_plays_seeks_and_repeats_by_mouse_and_keyboard(visitor: Visitor) -> None:
    page = visitor.page
    visitor.create("solo flute", clips=2, seconds=8)
    visitor.complete(2)
    button(visitor, "Play take 1").click()
    main = page.locator(".ad-main")
    sound = main.locator("audio")
    page.wait_for_function("audio => audio.currentTime > 0.1", arg=sound.element_handle())
    page.locator("#create-clip-2").get_by_role("button", name="Play take 2").click()
    page.wait_for_function("audio => audio.paused", arg=sound.element_handle())
    assert playing(visitor) == 1
    page.locator("h1").click()
    page.keyboard.press("Space")  # the player that was used last
    page.wait_for_function("![...document.querySelectorAll('audio')].some(audio => !audio.paused)")

    wave = main.get_by_role("slider")
    place = wave.bounding_box()
    assert place is not None
    wave.click(position={"x": 0.5 * place["width"], "y": 20})
    page.wait_for_function("audio => Math.abs(audio.currentTime - 4) < 0.2", arg=sound.element_handle())
    wave.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("audio => Math.abs(audio.currentTime - 5) < 0.2", arg=sound.element_handle())
    expect(wave).to_have_attribute("aria-valuetext", re.compile(r"(4\.9|5\.[01]) of 8\.0 seconds"))
    page.keyboard.press("Space")
    page.wait_for_function("audio => !audio.paused", arg=sound.element_handle())
    page.keyboard.press("Space")
    page.wait_for_function("audio => audio.paused", arg=sound.element_handle())
    repeat = main.get_by_role("button", name="Repeat take 1")
    repeat.click()
    expect(repeat).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Tab")
    wave.focus()
    page.keyboard.press("End")
    page.keyboard.press("Space")
    page.wait_for_function("audio => !audio.paused && audio.currentTime < 4", arg=sound.element_handle())


def test_two_takes_are_compared_at_the_same_place_and_equally_loud(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_label("Loudness").locator("visible=true").click()
    page.get_by_role("option", name="Peak -1 dB").click()
    visitor.create("solo flute", clips=2, seconds=8)
    listed(visitor, 2, 1)
    button(visitor, "Compare take 1").click()
    button(visitor, "Compare take 2").click()
    main = page.locator(".ad-main")
    sounds = [main.locator(f"[data-deck={deck}] audio") for deck in "ab"]
    volumes = [sound.evaluate("audio => audio.volume") for sound in sounds]
    loudness = [float(main.locator(f"[data-deck={d}] .ad-player").get_attribute("data-loudness") or 0) for d in "ab"]
    assert max(volumes) == 1.0
    heard = [level + 20 * np.log10(volume) for level, volume in zip(loudness, volumes, strict=True)]
    assert heard[0] == pytest.approx(heard[1], abs=0.01)
    main.get_by_role("button", name="Play take 1").click()
    page.wait_for_function("audio => audio.currentTime > 0.5", arg=sounds[0].element_handle())
    main.get_by_role("button", name="Switch to B").click()
    page.wait_for_function("audio => !audio.paused && audio.currentTime > 0.5", arg=sounds[1].element_handle())
    assert playing(visitor) == 1
    expect(main.get_by_role("status")).to_contain_text("You hear B, take 2")
    main.get_by_role("button", name="End comparing").click()
    expect(button(visitor, "Compare take 1")).to_have_attribute("aria-pressed", "false")


def test_versions_lead_back_and_undo_goes_to_the_one_before(visitor: Visitor) -> None:
    page = visitor.page
    visitor.create("solo flute")
    visitor.run("create-extend-1", "edit-status", "1 clip in")
    listed(visitor, 2, 1)
    button(visitor, "Play take 2").click()
    versions = page.get_by_role("navigation", name="Versions")
    expect(versions.get_by_role("button")).to_have_text(["1 new", "2 made longer"])
    versions.get_by_role("button", name="1 new").click()
    expect(page.locator(".ad-main h3")).to_contain_text("Take 1:")
    button(visitor, "Edit take 2").click()
    visitor.expect("edit-clip", "0:06")
    page.click("#edit-undo")
    visitor.expect("edit-clip", "0:01")
    page.click("#edit-undo")
    assert "no version before it" in visitor.told()


def test_a_region_is_heard_and_snaps_to_beats(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_label("Tempo (bpm)").locator("visible=true").fill("120")
    visitor.create("solo flute", seconds=4)
    button(visitor, "Edit take 1").click()
    page.get_by_role("tab", name="Replace a part").click()
    box = page.locator("#edit-picture .ad-region[data-ready]")
    box.scroll_into_view_if_needed()
    place = box.locator(".ad-wave").bounding_box()
    assert place is not None
    for at, act in ((0.24, page.mouse.down), (0.51, page.mouse.up)):
        page.mouse.move(place["x"] + at * place["width"], place["y"] + 40, steps=5)
        act()
    field = page.get_by_label("Region").locator("visible=true")
    beats = [round(float(beat), 3) for beat in str(box.get_attribute("data-beats")).split()]
    start, stop = (float(end) for end in field.input_value().split(":"))
    assert {start, stop} <= {*beats, 0.0, 4.0}
    assert abs(start - 0.96) < 0.3
    assert abs(stop - 2.04) < 0.3
    page.get_by_role("button", name="Hear the region").click()
    sound = box.locator("audio")
    page.wait_for_function(f"audio => audio.currentTime > {start}", arg=sound.element_handle())
    page.wait_for_function("audio => audio.paused", arg=sound.element_handle())
    assert stop - 0.1 < sound.evaluate("audio => audio.currentTime") < stop + 0.3


def test_takes_play_again_after_a_while_without_a_network(visitor: Visitor) -> None:
    page = visitor.page
    visitor.create("solo flute", seconds=2)
    listed(visitor, 1)
    page.context.set_offline(True)
    button(visitor, "Play take 1").click()
    expect(page.locator(".ad-main .ad-at")).to_have_text("cannot be fetched; try again")
    page.context.set_offline(False)
    page.locator(".ad-main").get_by_role("button", name="Play take 1").click()
    page.wait_for_function("document.querySelector('.ad-main audio').currentTime > 0.1")
