"""Other words in a recording whose words are known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiodiff.data.phone_model import PhoneModel
from audiodiff.errors import AudiodiffError
from audiodiff.synthesis import respeech
from audiodiff.synthesis import voice as voice_module
from audiodiff.synthesis.files import run_file
from audiodiff.synthesis.provenance import read_provenance
from audiodiff.synthesis.replay import ReplayContext, replay
from audiodiff.synthesis.settings import changed
from audiodiff.synthesis.source import Source
from audiodiff.synthesis.verbs import vary
from audiodiff.synthesis.voice_settings import RespeakSettings
from tests.data.synthetic_speech import HOP, RATE, SPEC, phone_model, recording
from tests.synthesis.voice_fakes import FakeVoice

WORDS = [("S", "EH1", "L"), ("M", "IY1"), ("F", "AA1", "SH"), ("L", "UW1", "S")]
TEXT = "Sell me, {F AA1 SH} loose."
KEPT = round(0.075 * RATE)
"""Samples beside new words that are made anew with them, at most."""


@pytest.fixture(scope="module")
def model() -> PhoneModel:
    return phone_model()


@pytest.fixture
def voice(model: PhoneModel, monkeypatch: pytest.MonkeyPatch) -> FakeVoice:
    monkeypatch.setattr(respeech, "load_voice_phones", lambda name: model)
    return FakeVoice(SPEC)


@pytest.fixture
def clip(tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """A recording, its samples, and the sample at which each symbol ends."""
    samples, durations = recording(WORDS, [0, 14, 0, 20])
    path = tmp_path / "in.wav"
    soundfile.write(path, samples, RATE, subtype="PCM_16")
    return path, soundfile.read(path)[0], np.cumsum(durations) * HOP


@pytest.mark.parametrize(
    ("old", "new", "before", "after"),
    [
        ("me", "{AA1 L IY1}", 3, 6),  # symbols of the recording before and behind the new words
        ("loose", "{M UW1}", 11, 14),
        ("Sell", "{M UW1}", 0, 3),
        ("me, {F AA1 SH}", "", 3, 10),
        ("Sell", "", 0, 3),
        ("loose", "", 10, 15),
        ("me", "me {M UW1 L}", 7, 7),
        ("loose", "loose {M UW1 L}", 14, 14),
        ("Sell", "{M UW1 L} sell", 0, 0),
    ],
)
def test_all_but_the_new_words_is_kept(
    voice: FakeVoice,
    clip: tuple[Path, np.ndarray, np.ndarray],
    tmp_path: Path,
    old: str,
    new: str,
    before: int,
    after: int,
) -> None:
    path, samples, ends = clip
    report = run_file("respeak", voice, [path], tmp_path / "out.wav", RespeakSettings(TEXT, ((old, new),)))
    made = soundfile.read(tmp_path / "out.wav")[0]
    first, last = max(0, int(ends[before]) - KEPT), min(len(samples), int(ends[after]) + KEPT)
    np.testing.assert_array_equal(made[:first], samples[:first])
    np.testing.assert_array_equal(made[len(made) - (len(samples) - last) :], samples[last:])
    grown = len(made) - len(samples)
    assert (grown > 0) == (len(new) > len(old)) or abs(grown) < RATE // 4
    assert report.record is not None
    assert report.record.prompt == RespeakSettings(TEXT, ((old, new),)).new_text
    assert "partly a synthetic voice" in report.record.made_by


def test_channels_and_rate_are_those_of_the_recording(
    voice: FakeVoice, clip: tuple[Path, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    doubled = np.repeat(clip[1], 2)
    soundfile.write(tmp_path / "stereo.flac", np.stack([doubled, 0.5 * doubled], axis=1), 2 * RATE, subtype="PCM_24")
    settings = RespeakSettings(TEXT, (("me", "{AA1 L IY1}"),))
    run_file("respeak", voice, [tmp_path / "stereo.flac"], tmp_path / "out.flac", settings)
    made, rate = soundfile.read(tmp_path / "out.flac")
    assert (rate, made.shape[1], soundfile.info(tmp_path / "out.flac").subtype) == (2 * RATE, 2, "PCM_24")
    np.testing.assert_allclose(made[:, 1], 0.5 * made[:, 0], atol=1e-4)


def test_the_voice_hears_the_recording_at_its_own_level(
    voice: FakeVoice, clip: tuple[Path, np.ndarray, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = []
    complete = voice.complete

    def listening(utterance: Any, durations: Any, f0: Any, log_mel: Any, keep: Any, *rest: Any, **given: Any) -> Any:
        heard.append(float(log_mel[:, keep].max()))
        return complete(utterance, durations, f0, log_mel, keep, *rest, **given)

    monkeypatch.setattr(voice, "complete", listening)
    for level in (0.08, 0.04):
        voice.level = level
        run_file("respeak", voice, [clip[0]], tmp_path / f"{level}.wav", RespeakSettings(TEXT, (("me", "{L UW1}"),)))
    assert heard[0] - heard[1] == pytest.approx(np.log(2), abs=1e-3)


def test_it_is_made_again(
    voice: FakeVoice, clip: tuple[Path, np.ndarray, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = changed(RespeakSettings(TEXT, (("me", "{AA1 L IY1}"), ("loose", "{M UW1}"))), {"seed": 3})
    run_file("respeak", voice, [clip[0]], tmp_path / "out.flac", settings)
    monkeypatch.setattr(voice_module, "load_voice", lambda *_, **__: voice)
    monkeypatch.setattr(ReplayContext, "find_model", lambda *_: "fake")
    again = replay(tmp_path / "out.flac", tmp_path / "again.flac")
    assert again.identical
    assert again.again.settings == read_provenance(tmp_path / "out.flac").settings
    with pytest.raises(AudiodiffError, match=r"respeak`; for other takes .* another --seed"):
        vary.instead({}, [Source(tmp_path / "out.flac")], "", print)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"replace": (("Tuesday", "Thursday"),)}, '"Tuesday" is not in the text'),
        ({"replace": (("ell", "all"),)}, '"ell" is not in the text'),
        ({"replace": (("", "all"),)}, "is not in the text"),
        ({"replace": (("me", "me"),)}, "nothing would change"),
        ({"replace": (("me", "Привет"),)}, "Cyrillic"),
        ({"replace": (("me", "{XX}"),)}, "'XX'"),
        ({"replace": ((TEXT, "..."),)}, "no word to say"),
        ({"text": "All of us see Sally fell.", "replace": (("us", "me"),)}, "not what is said"),
        ({"variation": 9.0}, "variation is 9"),
    ],
)
def test_bad_input_leaves_nothing(
    voice: FakeVoice, clip: tuple[Path, np.ndarray, np.ndarray], tmp_path: Path, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(AudiodiffError, match=said):
        run_file("respeak", voice, [clip[0]], tmp_path / "out.wav", RespeakSettings(**{"text": TEXT, **values}))
    assert [path.name for path in tmp_path.iterdir()] == ["in.wav"]
