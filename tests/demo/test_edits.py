from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.provenance import read_provenance
from audiodiff.synthesis.watermarking import SETTING
from demo import edits, handlers
from demo.app_state import AppState
from demo.handlers import ClipRequest, Created, Update
from demo.upsampling import upsample
from demo.vocoding import vocode
from tests.synthesis.latent_models import RATE

TEXT = {"prompt": "flute", "steps": 2}


def ignore(update: Update) -> None:
    pass


def edit(name: str, state: AppState, clip: Path | str | None, report: Any = ignore, **given: Any) -> Created:
    request = {key: given.pop(key) for key in ClipRequest.__dataclass_fields__ if key in given}
    own = {"clips": clip} if name == "interpolate" else {"clip": clip}
    return edits.edit(
        state, report, name, user="me", request=ClipRequest(**{"prompt": "", "steps": 2, **request}), **own, **given
    )


def sound(created: Created, index: int = 0) -> np.ndarray:
    return soundfile.read(created.clips[index].path)[0]


def test_variations_have_seeds_of_their_own_and_are_as_loud_as_all_else(state: AppState, voice: Path) -> None:
    made = edit("vary", state, voice, count=2, seed=4, strength=0.5)
    assert [clip.path.name for clip in made.clips] == ["my-voice-vary-seed4.flac", "my-voice-vary-seed5.flac"]
    first, second = sound(made, 0), sound(made, 1)
    assert first.shape == (RATE,)
    assert np.abs(first - second).max() > 1e-3
    record = read_provenance(made.clips[0].path)
    assert (record.verb, record.settings["strength"], record.settings["level"]) == ("vary", 0.5, "streaming")
    assert record.inputs[0].name == "my voice.wav"


def test_a_clip_brings_its_own_prompt_where_none_is_given(state: AppState, voice: Path) -> None:
    clip = (
        handlers.generate(state, ignore, user="me", seconds=1.0, request=ClipRequest("flute", "drums", steps=2))
        .clips[0]
        .path
    )
    for prompt, wanted in ((None, ("flute", "drums")), ("", ("", "")), ("harp", ("harp", ""))):
        record = read_provenance(edit("vary", state, clip, prompt=prompt).clips[0].path)
        assert (record.prompt, record.negative) == wanted
    assert edits.prompts_of(state, clip) == ("flute", "drums")
    assert edits.prompts_of(state, voice) is None
    assert edits.prompts_of(state, None) is None


def test_only_the_regions_change(state: AppState, voice: Path) -> None:
    made = sound(edit("inpaint", state, voice, region="0.2:0.4, 0.7:0.8", strength=1.0))
    before = soundfile.read(voice)[0]
    changed = np.flatnonzero(made != before) / RATE
    assert changed.min() >= 0.2
    assert changed.max() <= 0.8
    assert not ((changed > 0.41) & (changed < 0.69)).any()
    assert changed.size > 0.2 * RATE


def test_a_clip_goes_on_or_is_led_into(state: AppState, voice: Path) -> None:
    before = soundfile.read(voice)[0]
    after = sound(edit("extend", state, voice, seconds=1.5))
    assert after.shape == (round(2.5 * RATE),)
    np.testing.assert_array_equal(after[:RATE], before)
    led = sound(edit("extend", state, voice, seconds=0.5, before=True))
    np.testing.assert_array_equal(led[-RATE:], before)


def test_the_fade_of_a_clip_of_ours_is_replaced_unless_it_is_to_stay(state: AppState) -> None:
    clip = handlers.generate(state, ignore, user="me", seconds=1.0, request=ClipRequest("flute", steps=2)).clips[0].path
    trims = [
        read_provenance(edit("extend", state, clip, seconds=0.5, trim=trim).clips[0].path).settings["trim"]
        for trim in (None, 0.0)
    ]
    assert trims == [0.01, 0.0]


def test_clips_lie_between_two_and_have_one_seed(state: AppState, voice: Path) -> None:
    other = edit("vary", state, voice, strength=1.0).clips[0].path
    made = edit("interpolate", state, [voice, other], count=3, seed=6, strength=0.2)
    assert [clip.seed for clip in made.clips] == [6, 6, 6]
    positions = [read_provenance(clip.path).settings["position"] for clip in made.clips]
    assert positions == [0.0, 0.5, 1.0]


def test_prompts_are_gone_between_without_clips(state: AppState) -> None:
    made = edit("interpolate", state, None, prompts=["flute", "drums"], seconds=1.0, count=2)
    assert [clip.path.name for clip in made.clips] == ["prompts-1.flac", "prompts-2.flac"]
    assert [read_provenance(clip.path).prompt for clip in made.clips] == ["flute", "drums"]


@pytest.mark.parametrize(
    ("prompt", "to", "wanted"), [("flute", "drums", ["flute", "drums"]), ("flute", "", ["flute", "flute"])]
)
def test_the_page_has_two_places_for_clips_and_two_for_prompts(
    state: AppState, voice: Path, prompt: str, to: str, wanted: list[str]
) -> None:
    request = ClipRequest(prompt, count=2, steps=2)
    made = edits.interpolate_between(
        state, ignore, user="me", clips=(voice, voice), request=request, prompt=to, strength=0.5
    )
    assert [read_provenance(clip.path).prompt for clip in made.clips] == wanted


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("vary", {"strength": 1.5}, "strength is 1.5"),
        ("vary", {"prompt": "(flute"}, "never closed"),
        ("vary", {"steps": 51}, "from 1 to 50"),
        ("inpaint", {"region": ""}, "no region is given"),
        ("inpaint", {"region": "a:b"}, "cannot be read"),
        ("inpaint", {"region": "5:6"}, "begins after the end"),
        ("inpaint", {"region": "0:100"}, "100.0 s of sound would be new"),
        ("extend", {"seconds": 9.0}, "from 0.5 to 8"),
        ("extend", {"seconds": 2.0, "trim": 3.0}, "nothing would be kept"),
        ("extend", {"seconds": 2.0, "crossfade": -1.0}, "crossfade is -1.0"),
    ],
)
def test_what_cannot_be_done_gets_a_sentence(
    state: AppState, voice: Path, name: str, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(AudiodiffError, match=message):
        edit(name, state, voice, **given)
    assert list(state.workspace.folder.rglob("*.flac")) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"count": 1}, "from 2 to 4"),
        ({"clips": 1}, "give two"),
        ({"clips": 0}, "give two"),
        ({"prompts": ["a"]}, "expected 2 texts"),
        ({"prompts": "ab"}, "expected 2 texts"),
        ({"prompts": ["a", 3]}, "must be text"),
        ({"prompts": ["a", "(b"]}, "never closed"),
        ({"prompts": ["a", "b"], "prompt": "c"}, "give one of them"),
    ],
)
def test_what_has_no_middle_gets_a_sentence(state: AppState, voice: Path, given: dict[str, Any], message: str) -> None:
    clips = [voice] * given.pop("clips", 2)
    with pytest.raises(AudiodiffError, match=message):
        edit("interpolate", state, clips, **{"count": 2, **given})


def test_what_is_too_long_is_not_worked_through(state: AppState, tmp_path: Path) -> None:
    long = tmp_path / "long.flac"
    soundfile.write(long, np.zeros((10 * 8000, 2)), 8000)
    for name, given in (("vary", {}), ("extend", {"seconds": 5.0}), ("inpaint", {"region": "0:5"})):
        with pytest.raises(AudiodiffError, match="s of sound would be new"):
            edit(name, state, long, **given)
    for name in ("vary", "extend"):
        with pytest.raises(AudiodiffError, match="choose a clip first"):
            edit(name, state, None)


def test_an_edit_stops_at_its_next_step(state: AppState, voice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "REPORT_SECONDS", 0.0)
    said: list[str] = []

    def report(update: Update) -> None:
        said.append(str(update.text))
        if "step 2 " in str(update.text):
            state.jobs.stop("me")

    made = edit("vary", state, voice, report, steps=40, strength=1.0)
    assert made.stopped
    assert len(said) == 2


@pytest.mark.slow
def test_one_click_makes_more_of_a_clip(state: AppState, voice: Path) -> None:
    request = ClipRequest("flute", "drums", seed=6, steps=2, level="loudness")
    clip = handlers.generate(state, ignore, user="me", seconds=1.0, request=request).clips[0].path

    def again(what: str, source: Path = clip) -> list[Any]:
        made = edits.again(state, ignore, user="me", clip=source, what=what, seed=3).clips
        return [read_provenance(one.path) for one in made]

    subtle, strong = again("subtle"), again("strong")
    assert [record.seed for record in subtle] == [3, 4, 5, 6]
    assert {(record.verb, record.prompt, record.negative) for record in subtle + strong} == {("vary", "flute", "drums")}
    assert subtle[0].settings["strength"] < strong[0].settings["strength"]
    (longer,) = again("extend")
    assert (longer.verb, longer.audio.n_samples) == ("extend", 6 * RATE)
    (loop,) = again("loop")
    assert (loop.verb, loop.seed, loop.prompt, loop.negative) == ("loop", 3, "flute", "drums")
    assert loop.audio.n_samples == RATE  # no tempo: all of it
    (foreign,) = again("loop", voice)
    assert (foreign.verb, foreign.inputs[0].name) == ("loop", "my voice.wav")


def test_bars_make_a_loop_within_the_limits(state: AppState) -> None:
    request = ClipRequest("flute, 120 bpm", steps=2)
    made = handlers.generate(state, ignore, user="me", request=request, bars=2).clips[0]
    assert (made.seconds, made.path.name) == (4.0, "flute-120-bpm-loop-seed0.flac")
    assert made.seam is not None
    for words, wrong in (("32.0 s of sound", {"bars": 16}), ("bars is", {"bars": 1.5}), ("bars is", {"bars": -4})):
        with pytest.raises(AudiodiffError, match=words):
            handlers.generate(state, ignore, user="me", request=request, **wrong)
    with pytest.raises(AudiodiffError, match="without a tempo"):
        handlers.generate(state, ignore, user="me", request=ClipRequest("flute"), bars=4)


def test_the_watermark_can_be_left_out_and_one_click_follows_the_clip(state: AppState, voice: Path, call: Path) -> None:
    def marked(path: Path) -> bool:
        return SETTING in read_provenance(path).settings

    clips = {}
    for wanted in (True, False):
        request = ClipRequest("flute", steps=2, watermark=wanted)
        clips[wanted] = handlers.generate(state, ignore, user="me", seconds=4.0, request=request).clips[0].path
        assert marked(clips[wanted]) is wanted
        assert marked(edit("vary", state, voice, watermark=wanted).clips[0].path) is wanted
        assert marked(vocode(state, ignore, user="me", input=voice, watermark=wanted).path) is wanted
        assert marked(upsample(state, ignore, user="me", input=call, watermark=wanted).path) is wanted
    assert not marked(edits.again(state, ignore, user="me", clip=clips[False], what="extend", seed=3).clips[0].path)
    assert marked(edits.again(state, ignore, user="me", clip=voice, what="extend", seed=3).clips[0].path)
