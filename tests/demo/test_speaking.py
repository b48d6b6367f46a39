import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

gr = pytest.importorskip("gradio", reason="the extra demo")

from audiodiff.errors import AudiodiffError  # noqa: E402
from audiodiff.synthesis import respeech  # noqa: E402
from audiodiff.synthesis.provenance import read_provenance  # noqa: E402
from demo import provenance, speaking, tab_speech  # noqa: E402
from demo.app import build_app  # noqa: E402
from demo.app_state import AppState, load_models  # noqa: E402
from demo.handlers import ClipRequest, Created, Update  # noqa: E402
from demo.widgets import ignore  # noqa: E402
from tests.data.synthetic_speech import RATE, phone_model, recording  # noqa: E402
from tests.synthesis.verbs.test_respeak import WORDS  # noqa: E402


def speak(state: AppState, text: str, report: Any = ignore, **given: Any) -> Created:
    request = ClipRequest.taken(given)
    return speaking.speak(
        state, report, user="me", text=text, request=replace(request, steps=1, vocoder_steps=1), **given
    )


def test_takes_have_seeds_of_their_own_and_tell_when_each_word_is_said(state: AppState) -> None:
    told: list[Update] = []
    made = speak(state, "Hello *big* world. It is 42.", told.append, count=2, seed=4, srt=True, speaker="bob", pitch=2)
    assert [clip.path.name for clip in made.clips] == [f"hello-big-world-it-is-42-seed{seed}.flac" for seed in (4, 5)]
    first, second = (soundfile.read(clip.path)[0] for clip in made.clips)
    assert len(first) != len(second) or np.abs(first - second).max() > 0.01
    clip = made.clips[0]
    words = [word for caption in clip.captions for word in caption.words]
    assert [word.text for word in words] == ["Hello", "big", "world.", "It", "is", "42."]
    assert all(before.end <= after.start for before, after in itertools.pairwise(words))
    assert 0 < words[0].start < words[-1].end <= clip.seconds
    assert clip.phonemes.startswith("{HH AH0 L OW1} *{B IH1 G}* {W ER1 L D}.\n")
    assert clip.subtitles is not None
    assert "Hello big world." in clip.subtitles.read_text()
    record = read_provenance(clip.path)
    assert (record.verb, record.prompt, record.seed) == ("speak", "Hello *big* world. It is 42.", 4)
    assert (record.settings["speaker"], record.settings["pitch"], record.models[0].name) == ("bob", 2.0, "talker")
    assert any("clip 1 of 2: part 1 of 2" in str(update.text) for update in told)
    assert provenance.replay(state, ignore, user="me", input=clip.path).identical


def test_own_pronunciations_count(state: AppState, tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("hello,Y AA1\n")
    made = speak(state, "Hello.", lexicon=tmp_path / "my.csv")
    assert made.clips[0].phonemes == "{Y AA1}."
    assert made.clips[0].subtitles is None


@pytest.mark.parametrize(
    ("text", "given", "message"),
    [
        ("", {}, "no word to say"),
        ("-", {}, "no word to say"),  # is not standard input here
        ("a" * 201, {}, "201 characters"),
        ("Hi. [pause 10] Hi. [pause 10] Hi.", {}, "takes about 2. s to say; this demo speaks up to 15 s"),
        ("Hello.", {"speed": 0}, "speed is 0"),
        ("Hello.", {"variation": "much"}, "variation is 'much'"),
        ("Hello.", {"speaker": "cat"}, "no speaker 'cat'"),
        ("Hello.", {"voice": "cat"}, "no voice 'cat'.* talker"),
        ("Hello.", {"count": 5}, "count is 5"),
        ("{HH QQ}", {}, "QQ"),
    ],
)
def test_what_cannot_be_said_gets_a_sentence(state: AppState, text: str, given: dict[str, Any], message: str) -> None:
    tight = replace(state, limits=replace(state.limits, speech_seconds=15.0))
    with pytest.raises(AudiodiffError, match=message):
        speak(tight, text, **given)
    assert list(state.workspace.folder.rglob("*.flac")) == []


def test_a_record_that_takes_too_long_is_not_replayed(state: AppState) -> None:
    path = speak(state, "Hello. [pause 2] Hello.").clips[0].path
    tight = replace(state, limits=replace(state.limits, speech_seconds=1.0))
    with pytest.raises(AudiodiffError, match="to say; this demo"):
        provenance.replay(tight, ignore, user="me", input=path)


def test_other_words_in_a_recording_need_pairs(state: AppState, voice: Path) -> None:
    for wrong in (None, "a", [["a"]], [["a", 1]], [["a", "b"]] * 21):
        with pytest.raises(AudiodiffError, match=r"replace|text"):
            speaking.respeak(state, ignore, user="me", clip=voice, request=ClipRequest(), replace=wrong, text="a")
    with pytest.raises(AudiodiffError, match='"b" is not in the text'):
        speaking.respeak(state, ignore, user="me", clip=voice, request=ClipRequest(), replace=["b", "c"], text="a")


@pytest.mark.parametrize(
    ("text", "number", "new", "pair"),
    [
        ("The big dog.", 1, "small", ["big", "small"]),
        ("The *big* dog.", 1, "", ["big", ""]),
        ("It is 42 now.", 2, "{F AO1 R}", ["42", "{F AO1 R}"]),  # two words, written as one
        ("To be or not to be.", 5, "see", ["to be", "to see"]),
        ("no no no no", 2, "yes", ["no no no no", "no no yes no"]),
    ],
)
def test_one_word_is_replaced_wherever_else_it_occurs(text: str, number: int, new: str, pair: list[str]) -> None:
    assert speaking.replacement(text, number, new) == pair


@pytest.mark.parametrize(("text", "number"), [("The big dog.", None), ("The big dog.", 3), (None, 0), ("?!", 0)])
def test_a_word_must_be_chosen(text: str | None, number: int | None) -> None:
    with pytest.raises(AudiodiffError, match="no word is chosen"):
        speaking.replacement(text, number, "small")


@pytest.fixture
def app(state: AppState) -> Any:
    return build_app(state.models, state=state)


class Request:
    username = None
    session_hash = "me"


def test_the_tab_speaks_and_shows_words_and_phonemes(app: Any) -> None:
    fn = next(fn for fn in app.fns.values() if fn.fn is not None and fn.fn.__name__ == "speak")
    given = {
        "Text": "<b> one.",
        "Takes": 2,
        "Variation number": 3,
        "Different every time": False,
        "Steps": 1,
        "Vocoder steps": 1,
    }
    values = [given.get(component.label, component.value) for component in fn.inputs]
    shown: dict[Any, Any] = {}
    for update in fn.fn(Request(), *values):
        shown |= update
    words = [value for piece, value in shown.items() if isinstance(piece, gr.HTML) and "data-start" in str(value)]
    assert len(words) == 2
    assert "one.</span>" in words[0]
    assert "<b>" not in words[0]
    files = [str(change.get("value")) for piece, change in shown.items() if isinstance(piece, gr.DownloadButton)]
    assert [Path(file).suffix for file in files if file != "None"] == [".srt", ".flac"] * 2
    (phonemes,) = (value for piece, value in shown.items() if isinstance(piece, gr.Textbox))
    assert "{W AH1 N}." in phonemes


def test_a_word_of_a_take_is_replaced(
    app: Any, state: AppState, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clip = speak(state, "Sell me, {F AA1 SH} loose.").clips[0].path
    assert speaking.said_in(state, clip) == "Sell me, {F AA1 SH} loose."
    soundfile.write(tmp_path / "in.wav", recording(WORDS, [0, 14, 0, 20])[0], RATE)
    assert speaking.said_in(state, tmp_path / "in.wav") == ""
    monkeypatch.setattr(respeech, "load_voice_phones", lambda name: phone_model())
    fn = next(fn for fn in app.fns.values() if fn.fn is not None and fn.fn.__name__ == "replace_word")
    given = {
        "Recording of the voice": str(tmp_path / "in.wav"),
        "What is said in it": "Sell me, {F AA1 SH} loose.",
        "Word to replace": "1",
        "Say instead": "{L UW1}",
        "Takes": 1,
        "Steps": 1,
        "Vocoder steps": 1,
    }
    shown: dict[Any, Any] = {}
    for update in fn.fn(Request(), *(given.get(component.label, component.value) for component in fn.inputs)):
        shown |= update
    (file,) = (
        change["value"]
        for piece, change in shown.items()
        if isinstance(piece, gr.DownloadButton) and "value" in change and str(change["value"]).endswith(".flac")
    )
    record = read_provenance(Path(file))
    assert (record.verb, record.prompt) == ("respeak", "Sell {L UW1}, {F AA1 SH} loose.")
    before, after = soundfile.read(tmp_path / "in.wav")[0], soundfile.read(file)[0]
    assert np.array_equal(before[-RATE // 2 :], after[-RATE // 2 :])


def test_the_api_returns_subtitles_and_the_times_of_words(app: Any) -> None:
    fn = next(fn for fn in app.fns.values() if fn.api_name == "speak")
    given = {"text": "Hello.", "srt": True, "steps": 1, "vocoder_steps": 1}
    files, report = fn.fn(Request(), *(given.get(component.label, component.value) for component in fn.inputs))
    assert [Path(file).suffix for file in files] == [".flac", ".srt"]
    ((text_of,),) = ([clip["words"][0][2]] for clip in json.loads(report)["clips"])
    assert text_of == "Hello."


def test_without_a_voice_the_tab_says_so(state: AppState) -> None:
    bare = replace(state, models=replace(state.models, voices={}))
    app = build_app(bare.models, state=bare)
    assert any(getattr(block, "value", "") == tab_speech.NO_VOICE for block in app.blocks.values())
    assert "speak" not in [fn.api_name for fn in app.fns.values()]
    with pytest.raises(AudiodiffError, match="--voice"):
        speak(bare, "Hello.")


def test_voices_have_names_of_their_own(talker: Path) -> None:
    with pytest.raises(AudiodiffError, match="the same name"):
        load_models(voices=[str(talker), str(talker)])
