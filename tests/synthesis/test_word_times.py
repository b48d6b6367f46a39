import json
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from audiodiff.data.phone_model import PhoneModel
from audiodiff.models.find import PHONE_MODEL_FILE
from audiodiff.synthesis.word_times import (
    WordTimes,
    load_voice_phones,
    to_json,
    to_textgrid,
    word_times,
)
from tests.data.synthetic_speech import HOP, RATE, phone_model, recording
from tests.refusals import refused

WORDS = [("S", "EH1", "L"), ("M", "IY1"), ("F", "AA1", "SH")]
TEXT = "Sell me, {F AA1 SH}!"


@pytest.fixture(scope="module")
def model() -> PhoneModel:
    return phone_model()


@pytest.fixture(scope="module")
def spoken() -> tuple[np.ndarray, list[int]]:
    samples, durations = recording(WORDS, [0, 14, 10])
    return samples.astype(np.float32), durations


@pytest.fixture(scope="module")
def times(model: PhoneModel, spoken: tuple[np.ndarray, list[int]]) -> WordTimes:
    return word_times(model, spoken[0], RATE, TEXT)


def test_words_are_where_they_are_said(times: WordTimes, spoken: tuple[np.ndarray, list[int]]) -> None:
    ends = np.cumsum(spoken[1]) * HOP / RATE
    assert [word.word.text for word in times.words] == ["sell", "me", "{F AA1 SH}"]
    assert [one.phone for word in times.words for one in word.phones] == [phone for word in WORDS for phone in word]
    np.testing.assert_allclose([word.start for word in times.words], ends[[0, 4, 7]], atol=0.03)
    np.testing.assert_allclose([word.end for word in times.words], ends[[3, 6, 10]], atol=0.03)
    assert times.notes == ()


def test_stereo_at_another_rate(model: PhoneModel, spoken: tuple[np.ndarray, list[int]], times: WordTimes) -> None:
    doubled = np.repeat(spoken[0], 2)
    found = word_times(model, np.stack([doubled, doubled]), 2 * RATE, TEXT)
    np.testing.assert_allclose([word.start for word in found.words], [word.start for word in times.words], atol=0.02)


def test_json_and_textgrid(times: WordTimes) -> None:
    document = json.loads(to_json(times))
    assert [word["word"] for word in document["words"]] == ["sell", "me", "{F AA1 SH}"]
    assert document["words"][0]["phones"][0][0] == "S"
    grid = to_textgrid(times)
    assert grid.startswith('File type = "ooTextFile"\nObject class = "TextGrid"\n')
    for tier in grid.split("item [")[2:]:
        edges = [float(value) for value in re.findall(r"xm(?:in|ax) = ([\d.]+)", tier)][2:]
        assert edges[0] == 0.0
        assert edges[-1] == pytest.approx(times.seconds, abs=1e-6)
        assert edges[1:-1:2] == edges[2::2]
        assert int(re.search(r"size = (\d+)", tier)[1]) == len(edges) // 2  # type: ignore[index]


@pytest.mark.parametrize(
    ("seconds", "text", "said"),
    [
        (None, "All of us see Sally fell.", "not what is said"),
        (None, "Sally sells me more shells. " * 9, "needs at least"),
        (None, "", "the text is empty"),
        (None, "?!", "no word to say"),
        (None, "Не знаю", "Cyrillic"),
        (121.0, "Sell me", "at most 120 s"),
        (1.0, "Sell me", "silence"),
        (0.0, "Sell me", "silence"),
    ],
)
def test_what_does_not_fit_is_refused(
    model: PhoneModel, spoken: tuple[np.ndarray, list[int]], seconds: float | None, text: str, said: str
) -> None:
    samples = spoken[0] if seconds is None else np.zeros(round(seconds * RATE), np.float32)
    refused(said, lambda: word_times(model, samples, RATE, text))


def test_voices_without_phonemes_are_refused(tmp_path: Path, model: PhoneModel) -> None:
    refused(f"has no {PHONE_MODEL_FILE}", lambda: load_voice_phones(tmp_path))
    model.save(tmp_path / PHONE_MODEL_FILE)
    np.testing.assert_allclose(load_voice_phones(tmp_path).means, model.means, rtol=1e-5)
    save_file({"a": np.zeros(3)}, tmp_path / PHONE_MODEL_FILE)
    refused("no phoneme model", lambda: load_voice_phones(tmp_path))
