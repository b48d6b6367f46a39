"""A text that is spoken, into a file and out of it again."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiodiff.synthesis import speech
from audiodiff.synthesis import voice as voice_module
from audiodiff.synthesis.files import run_file
from audiodiff.synthesis.provenance import read_provenance
from audiodiff.synthesis.replay import ReplayContext, replay
from audiodiff.synthesis.settings import changed
from audiodiff.synthesis.speaker import Speaker
from audiodiff.synthesis.verbs.speak import VERB
from audiodiff.synthesis.voice_settings import Manner, SpeakSettings
from tests.refusals import refused
from tests.synthesis.vocoder_fakes import SPEC
from tests.synthesis.voice_fakes import FakeVoice

TEXT = "Hello, *big* world. [pause 1] It is 23!\n\nThe end."


@pytest.fixture
def voice() -> FakeVoice:
    return FakeVoice()


def test_a_file_tells_what_was_said_and_is_made_again(
    voice: FakeVoice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = changed(SpeakSettings(TEXT), {"seed": 7, "speed": 0.5, "steps": 3})
    report = run_file("speak", voice, [], tmp_path / "out.flac", settings)
    record = read_provenance(tmp_path / "out.flac")
    assert (record.prompt, record.seed, record.settings["speed"], record.settings["steps"]) == (TEXT, 7, 0.5, 3)
    assert record.settings["phonemes"].startswith("{HH AH0 L OW1}, *{B IH1 G}* {W ER1 L D}.\n[pause 1] {IH1 T}")
    assert "synthetic voice" in record.made_by
    assert record.sentence().startswith("Synthetic voice")
    assert report.seconds == soundfile.info(tmp_path / "out.flac").duration
    assert len(set(voice.seeds)) == 3

    monkeypatch.setattr(voice_module, "load_voice", lambda *_, **__: voice)
    monkeypatch.setattr(ReplayContext, "find_model", lambda *_: "fake")
    monkeypatch.setattr(voice, "utterances", None)  # the dictionary is not asked again
    again = replay(tmp_path / "out.flac", tmp_path / "again.flac")
    assert again.identical
    assert again.again.settings == record.settings


def test_silence_between_sentences_is_as_long_as_is_right(voice: FakeVoice) -> None:
    found = list(Speaker(voice).stream(TEXT))
    second = SPEC.sample_rate / SPEC.hop_length
    gaps = [after.times[0][0] - before.times[-1][1] for before, after in itertools.pairwise(found)]
    assert gaps[0] == pytest.approx(1.0 + 4 / second, abs=1 / second)  # the pause asked for, and the end
    assert gaps[1] == pytest.approx(speech.PARAGRAPH_PAUSE, abs=1 / second)
    whole = Speaker(voice).speak(TEXT)
    start = 0
    for reading in found:
        np.testing.assert_array_equal(whole[start : start + len(reading.waveform)], reading.waveform)
        start += len(reading.waveform)
    assert start == len(whole)


def test_pauses_sound_of_the_room(voice: FakeVoice) -> None:
    plain, room = (list(Speaker(voice).stream("One. Two.", ending=ending)) for ending in (0.0, 0.05))
    frame = SPEC.hop_length / SPEC.sample_rate
    gaps = [after.times[0][0] - before.times[-1][1] for before, after in (plain, room)]
    assert gaps == pytest.approx([speech.SENTENCE_PAUSE] * 2, abs=frame)
    silent = [int((reading[1].waveform == 0).sum()) * frame / SPEC.hop_length for reading in (plain, room)]
    assert silent[0] > 0.2
    assert silent[1] == 0


def test_files_from_before_keep_their_intonation_and_endings(voice: FakeVoice, tmp_path: Path) -> None:
    run_file("speak", voice, [], tmp_path / "out.flac", SpeakSettings("Hello."))
    record = read_provenance(tmp_path / "out.flac")
    old = {name: value for name, value in record.settings.items() if name not in {"intonation", "ending"}}
    voice.manner = Manner(intonation=1.4, ending=0.1)
    assert len(record.settings) == len(old) + 2
    settings, _ = VERB.remake(dataclasses.replace(record, settings=old))
    planned = speech.plan(voice, settings)
    assert (planned.manner.intonation, planned.manner.ending) == (1.0, 0.0)
    planned = speech.plan(voice, SpeakSettings("Hello."))
    assert (planned.manner.intonation, planned.manner.ending) == (1.4, 0.1)


def test_a_long_text_is_made_a_sentence_at_a_time(voice: FakeVoice) -> None:
    stream = Speaker(voice).stream("One sentence more. " * 5000)
    next(stream)
    assert len(voice.seeds) == 1


def test_what_people_build_on(voice: FakeVoice) -> None:
    speaker = Speaker(voice)
    phonemes = speaker.phonemes("Hello, world. Yes!")
    assert phonemes == "{HH AH0 L OW1}, {W ER1 L D}.\n{Y EH1 S}!"
    np.testing.assert_array_equal(speaker.speak(phonemes, seed=3), speaker.speak("Hello, world. Yes!", seed=3))
    durations = speaker.durations("Hello, world. Yes!")
    assert [symbol for symbol, _ in durations][:6] == ["<start>", "HH", "AH0", "L", "OW1", "<,>"]
    mel = speaker.log_mel("Hello, world. Yes!")
    assert mel.shape == (SPEC.n_mels, round(sum(length for _, length in durations) * 8000 / SPEC.hop_length))
    assert speaker.speak("Hello.", lexicon={"hello": ("Y",)}).size < speaker.speak("Hello.").size


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"text": ""}, "the text is empty|no word to say"),
        ({"text": " ... !? -- "}, "no word to say"),
        ({"text": "a\x00b"}, "character 2 .* control character"),
        ({"text": "Fine. Then {HH QQ} no."}, "'QQ' at character"),
        ({"text": "Fine. Then /həɮo/ no."}, "unknown IPA letter 'ɮ'"),
        ({"text": "Fine. [pause long] no."}, "pause"),
        ({"text": "Привет, как дела?"}, "Cyrillic"),
        ({"text": "Wir haben heute nicht viel Zeit und das ist auch gut so."}, "German"),
        ({"text": "a" * 100_000}, "letters; expected at most"),
        ({"text": "Hi. " * 250_001}, "chapter by chapter"),
        ({"speed": 0}, "speed is 0"),
        ({"speed": float("nan")}, "speed is nan"),
        ({"pitch": 13}, "pitch is 13"),
        ({"variation": -1}, "variation is -1"),
        ({"intonation": 3}, "intonation is 3"),
        ({"ending": -1}, "ending is -1"),
        ({"vocoder_steps": 0}, "vocoder_steps is 0"),
        ({"guidance": 2.0}, "guidance"),
        ({"language": "xx"}, "xx"),
        ({"phonemes": "HH AH0"}, "line 1"),
    ],
)
def test_bad_input_leaves_nothing(voice: FakeVoice, tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    refused(said, lambda: run_file("speak", voice, [], tmp_path / "out.wav", changed(SpeakSettings("Hello."), changes)))
    assert not list(tmp_path.iterdir())
    assert not voice.seeds


def test_notes_are_said_once(voice: FakeVoice) -> None:
    many = "".join(f"Number {index} is {chr(0x1F600 + index)}. " for index in range(20)) + "Again 😀."
    notes = speech.read_through(voice, SpeakSettings(many)).notes
    assert len(notes) == speech.MOST_NOTES + 1
    assert notes[-1] == "12 more notes of this kind"
