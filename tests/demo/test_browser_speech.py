"""The tab Speech in a browser: a sentence is spoken by a tiny voice, and its files are downloaded."""

import pytest
import soundfile

from tests.demo import browsing
from tests.demo.browsing import TINY_RATE, Visitor, sound_of

browsing.need_browser()

from playwright.sync_api import expect  # noqa: E402

pytestmark = pytest.mark.browser


def test_a_sentence_is_spoken_and_its_words_light_up(visitor: Visitor) -> None:
    page = visitor.page
    visitor.tab("Speech")
    visitor.run("speak", "speech-status", "")
    assert "no word to say" in visitor.told()
    page.fill("#speech-text textarea", "Hello, *big* world.")
    visitor.set("Takes", 2)
    visitor.set("Speed", 0.25)  # time to see the words
    visitor.run("speak", "speech-status", "2 clips in")
    words = page.locator(".ad-words:visible")
    expect(words).to_have_count(2)
    assert words.nth(0).locator("span").all_text_contents() == ["Hello,", "big", "world."]
    path = visitor.clip("speech", 2)
    seconds = soundfile.info(path).duration
    assert 0.5 < float(words.nth(1).locator("span").last.get_attribute("data-end") or 0) <= seconds
    _, record = sound_of(path, seconds, TINY_RATE, verb="speak", prompt="Hello, *big* world.")
    assert path.name == f"hello-big-world-seed{record.seed}.flac"
    srt = visitor.download(page.locator("#speech-subtitles-2"))
    assert "Hello, big world." in srt.read_text()
    page.evaluate("document.querySelector('#speech-clip-1 audio').play()")
    expect(words.nth(0).locator(".ad-now")).to_have_count(1)
    page.get_by_role("button", name="Phonemes").click()
    page.click("#speech-use")
    expect(page.locator("#speech-text textarea")).to_have_value("{HH AH0 L OW1}, *{B IH1 G}* {W ER1 L D}.")
    page.click("#speech-edit-1")
    expect(page.locator("#speech-said textarea")).to_have_value("Hello, *big* world.")
    page.locator("#speech-word label", has_text="big").click()
    page.fill("#speech-new textarea", "small")
    visitor.run("respeak", "speech-status", "")
    assert "phone_model.safetensors" in visitor.told()  # which a voice that was never trained lacks
