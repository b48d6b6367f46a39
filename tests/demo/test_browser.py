"""The page in a browser, with tiny models: every tab's main path, by what a person clicks."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.models.find import ASSETS
from tests.demo import browsing
from tests.demo.browsing import TINY_RATE, WIDE_RATE, Visitor, sound_of, write_tone

browsing.need_browser()

from playwright.sync_api import expect  # noqa: E402

pytestmark = pytest.mark.browser


def test_create_makes_clips_and_one_click_makes_more_of_them(visitor: Visitor) -> None:
    page = visitor.page
    visitor.create("solo flute, gentle", clips=2)
    cards = page.locator(".ad-card:visible")
    expect(cards).to_have_count(2)
    for index in range(2):
        image = cards.nth(index).locator("img").first
        page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=image.element_handle())
        expect(cards.nth(index)).to_contain_text("1.0 s")
    first, record = sound_of(visitor.clip("create", 1), 1.0, TINY_RATE, verb="generate", prompt="solo flute, gentle")
    path = visitor.clip("create", 2)
    second, _ = sound_of(path, 1.0, TINY_RATE, seed=record.seed + 1)
    assert path.name == f"solo-flute-gentle-seed{record.seed + 1}.flac"
    assert np.abs(first - second).max() > 0.01
    expect(cards.nth(1)).to_contain_text(str(record.seed + 1))

    visitor.run("create-subtle-1", "edit-status", "4 clips in")
    expect(page.locator(".ad-card:visible")).to_have_count(4)
    expect(page.locator("#edit-prompt textarea")).to_have_value("solo flute, gentle")
    varied, told = sound_of(visitor.clip("edit", 4), 1.0, TINY_RATE, verb="vary", prompt="solo flute, gentle")
    assert told.settings["strength"] == 0.3
    assert np.mean((varied - first) ** 2) > 0

    visitor.tab("Create")
    visitor.run("create-extend-1", "edit-status", "1 clip in")
    longer, told = sound_of(visitor.clip("edit"), 6.0, TINY_RATE, verb="extend")
    assert np.array_equal(longer[: TINY_RATE // 2], first[: TINY_RATE // 2])

    visitor.tab("Create")
    visitor.run("create-loop-1", "edit-status", "1 clip in")
    expect(page.locator(".ad-card:visible")).to_contain_text("repeat")
    sound = page.locator("#edit-clip-1 audio")
    sound.evaluate("player => player.play()")
    page.wait_for_timeout(2_500)  # the clip lasts a second
    assert not sound.evaluate("player => player.paused")
    sound.evaluate("player => player.pause()")
    looped, _ = sound_of(visitor.clip("edit"), 1.0, TINY_RATE, verb="loop")
    middle = slice(round(0.3 * TINY_RATE), round(0.7 * TINY_RATE))
    assert np.array_equal(looped[middle], first[middle])  # this clip, and no other


def test_an_upload_is_inpainted_where_it_was_asked_for_and_extended(visitor: Visitor, tmp_path: Path) -> None:
    page = visitor.page
    tone = write_tone(tmp_path / "my tone.wav", 2.0, TINY_RATE)
    visitor.tab("Edit")
    visitor.upload("edit-clip", tone)
    visitor.expect("edit-clip", "0:02")
    visitor.set("Takes", 1)
    page.get_by_role("tab", name="Replace a part").click()
    region = page.get_by_label("Region").locator("visible=true")
    region.fill("0.1:0.2 1.5:1.6")  # not where the drag begins, which would move them
    marks = page.locator('#edit-picture [part~="region"]')
    expect(marks).to_have_count(2)
    box = page.locator("#edit-picture .ad-wave")
    box.scroll_into_view_if_needed()
    place = box.bounding_box()
    assert place is not None
    for at, press in ((0.25, page.mouse.down), (0.6, page.mouse.up)):
        page.mouse.move(place["x"] + at * place["width"], place["y"] + 40, steps=5)
        press()
    expect(marks).to_have_count(1)
    start, stop = (float(end) for end in region.input_value().split(":"))
    assert abs(start - 0.5) < 0.05
    assert abs(stop - 1.2) < 0.05
    visitor.run("inpaint", "edit-status", "1 clip in")
    made, _ = sound_of(visitor.clip("edit"), 2.0, TINY_RATE, verb="inpaint", prompt="")
    given = soundfile.read(tone)[0]
    changed = np.flatnonzero(np.abs(made - given) > 1e-4) / TINY_RATE  # written as 16 bits
    assert start <= changed.min() < start + 0.1
    assert stop - 0.1 < changed.max() <= stop

    page.click("#edit-edit-1")  # the result becomes the clip
    page.get_by_role("tab", name="Make longer").click()
    visitor.set("Add (s)", 1)
    visitor.run("extend", "edit-status", "1 clip in")
    expect(page.locator(".ad-card:visible")).to_contain_text("3.0 s")
    sound_of(visitor.clip("edit"), 3.0, TINY_RATE, verb="extend")


def test_a_recording_is_resynthesised(visitor: Visitor, tmp_path: Path) -> None:
    page = visitor.page
    visitor.tab("Vocoder")
    visitor.upload("vocoder-input", write_tone(tmp_path / "voice.wav", 1.0, TINY_RATE))
    visitor.expect("vocoder-input", "0:01")
    visitor.run("vocode", "vocoder-status", "done")
    page.get_by_role("button", name="Figures").locator("visible=true").click()
    visitor.expect("vocoder-figures", "log-mel L1")
    expect(page.locator(".ad-card:visible img")).to_have_count(2)
    made = visitor.download(page.get_by_role("tabpanel").locator("a[download]:visible").last)
    sound_of(made, 1.0, TINY_RATE, verb="vocode")
    page.click("#vocoder-example")
    visitor.expect("vocoder-input", "0:04")


def test_a_narrow_recording_gets_its_band(visitor: Visitor) -> None:
    page = visitor.page
    visitor.tab("Upsample")
    page.click("#upsample-example")
    visitor.expect("upsample-input", "0:04")
    visitor.settings()
    visitor.set("Steps", 4)
    visitor.run("upsample", "upsample-status", "done")
    page.get_by_role("button", name="Figures").locator("visible=true").click()
    visitor.expect("upsample-figures", "3500 to 8000 Hz")
    visitor.expect("upsample-figures", "8000 Hz in, 16000 Hz out")
    pictures = page.locator(".ad-card:visible img")
    expect(pictures).to_have_count(2)
    for index in range(2):
        page.wait_for_function(
            "image => image.complete && image.naturalWidth > 0", arg=pictures.nth(index).element_handle()
        )
    made = visitor.download(page.get_by_role("tabpanel").locator("a[download]:visible").last)
    assert made.name == "example-8k-upsampled.flac"
    seconds = soundfile.info(ASSETS / "example.flac").duration
    samples, record = sound_of(made, seconds, WIDE_RATE, verb="upsample", seed=0)
    assert record.settings["steps"] == 4
    power = np.abs(np.fft.rfft(samples)) ** 2
    bounds = [round(2 * hertz / WIDE_RATE * len(power)) for hertz in (4_200, 7_800)]
    assert 1e-5 < power[slice(*bounds)].sum() / power.sum() < 0.5  # of what was not in the example

    given = visitor.download(page.locator("#upsample-input a[download]").first)
    visitor.tab("Inspect")
    visitor.upload("inspect-input", made)
    visitor.expect("provenance", "upsample")
    visitor.upload("inspect-originals", given)
    visitor.expect("inspect-originals", given.name[:8])
    visitor.run("replay", "inspect-status", "Recreated exactly")


def test_a_prompt_is_saved_found_and_used_again(visitor: Visitor) -> None:
    page = visitor.page
    page.fill("#prompt textarea", "slow harp")
    visitor.set("Length (s)", 7.5)
    visitor.tab("Library")
    page.get_by_label("Name", exact=True).fill("evening")
    page.get_by_label("Tags", exact=True).fill("calm")
    page.click("#save-prompt")
    saved = page.locator("#saved-prompts")
    expect(saved).to_contain_text("evening — slow harp")
    page.get_by_label("Search", exact=True).fill("trumpet")
    expect(saved).not_to_contain_text("evening")
    page.get_by_label("Search", exact=True).fill("harp")
    expect(saved).to_contain_text("evening")
    page.get_by_role("button", name="jazz", exact=True).click()  # a word that the model knows
    visitor.tab("Create")
    expect(page.locator("#prompt textarea")).to_have_value("slow harp, jazz")
    visitor.set("Length (s)", 2)

    visitor.open()  # another day
    visitor.tab("Library")
    saved.locator("label", has_text="evening").click()
    page.click("#load-prompt")
    expect(page.locator("#prompt textarea")).to_have_value("slow harp")
    expect(page.get_by_role("spinbutton", name="number input for Length (s)").locator("visible=true")).to_have_value(
        "7.5"
    )
    visitor.tab("Library")
    saved.locator("label", has_text="evening").click()
    page.click("#remove-prompt")
    expect(saved).not_to_contain_text("evening")


def test_a_record_is_told_and_followed(visitor: Visitor) -> None:
    page = visitor.page
    visitor.create("drum groove, 100 bpm")
    clip = visitor.clip("create")
    given, record = sound_of(clip, 1.0, TINY_RATE)
    visitor.tab("Inspect")
    visitor.upload("inspect-input", clip)
    for told in ("generated by a diffusion model", "drum groove, 100 bpm", str(record.seed), "as they were written"):
        visitor.expect("provenance", told)
    visitor.run("replay", "inspect-status", "Recreated exactly")
    again = visitor.download(page.get_by_role("tabpanel").locator("a[download]:visible").last)
    assert np.array_equal(sound_of(again, 1.0, TINY_RATE)[0], given)
    page.get_by_role("button", name="Use these settings").click()
    visitor.settings()
    expect(page.locator("#prompt textarea")).to_have_value("drum groove, 100 bpm")
    expect(page.get_by_label("Variation number", exact=True).locator("visible=true")).to_have_value(str(record.seed))

    visitor.tab("Inspect")  # a record by somebody else is text and nothing more
    visitor.clear("inspect-input")
    visitor.upload("inspect-input", Path(__file__).with_name("hostile.json"))
    visitor.expect("provenance", "<img src=x>")
    assert page.locator("#record img").count() == 0
