import argparse
import re
from collections.abc import Iterator
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

gr = pytest.importorskip("gradio", reason="the extra demo")

from audiodiff.cli.verb_command import VerbCommand  # noqa: E402
from audiodiff.errors import AudiodiffError  # noqa: E402
from audiodiff.synthesis.provenance import read_provenance  # noqa: E402
from audiodiff.synthesis.verbs import VERBS  # noqa: E402
from demo import handlers, widgets  # noqa: E402
from demo.app import build_app  # noqa: E402
from demo.app_state import AppState, Models, open_state  # noqa: E402
from demo.handlers import ClipRequest  # noqa: E402
from demo.jobs import Stopped  # noqa: E402
from demo.limits import Limits  # noqa: E402
from demo.tab_edit import plain_verbs  # noqa: E402


@pytest.fixture(scope="module")
def app(models: Models, limits: Limits, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("page")
    state = open_state(models, limits, library=folder / "prompts.json", parent=folder)
    yield build_app(models, state=state)
    state.close()


WAYS = ["Variations", "Replace a part", "Make longer", "Morph", *(verb.name.capitalize() for verb in plain_verbs())]


def tabs(app: Any) -> list[str]:
    return [block.label for block in app.blocks.values() if isinstance(block, gr.Tab)]


def public(app: Any) -> list[str]:
    return [fn.api_name for fn in app.fns.values() if fn.api_visibility == "public"]


def test_the_page_has_its_tabs_and_its_api(app: Any) -> None:
    assert tabs(app) == ["Create", "Edit", *WAYS, "Speech", "Library", "Tools", "Inspect", "Vocoder", "Upsample"]
    assert public(app) == [*VERBS, "inspect", "replay", "stop"]
    assert not app.analytics_enabled


def test_a_button_is_busy_before_its_work_begins_and_after_it_no_more(app: Any) -> None:
    """Gradio does what a click starts in turn, and after an error what listens to failures alone."""
    fns = list(app.fns.values())
    for name in ("create", "vary", "vocode", "speak"):
        begin, *ends = [fn for fn in fns if fn.js and f"querySelector('#{name}')" in fn.js]
        work = {fn.trigger_after for fn in ends}
        assert len(work) == 1
        assert begin._id < work.pop()
        assert {fn.trigger_only_on_failure for fn in ends} == {True, False}


def test_progress_that_nobody_sees_is_told_to_one_place(app: Any) -> None:
    """The browser looks for each place in the whole page, with every message of an event."""
    assert sum(len(fn.outputs) > 9 for fn in app.fns.values()) > 9
    for fn in app.fns.values():
        if len(fn.outputs) > 9 or fn.show_progress == "hidden":
            assert len(fn.show_progress_on) == 1, (fn.api_name, fn.name, len(fn.outputs))


def test_words_can_be_picked_although_no_event_takes_the_fields(app: Any) -> None:
    fields = [block for block in app.blocks.values() if (block.elem_id or "").startswith("pick-")]
    assert fields
    assert all(field.interactive for field in fields)


REQUIRED = {"generate": ["prompt"], "inpaint": ["clip", "region"], "interpolate": [], "vocode": ["input"]}
LOCAL = {"example", "file", "guidance_interval", "look_ahead", "rate", "mel"}


@pytest.mark.parametrize("name", VERBS)
def test_the_arguments_of_the_api_are_those_of_the_command_line(app: Any, name: str) -> None:
    subparsers = argparse.ArgumentParser().add_subparsers()
    VerbCommand(VERBS[name]).add_parser(subparsers)
    known = {action.dest: action for action in subparsers.choices[name]._actions}
    parameters = {
        each["parameter_name"]: each for each in app.get_api_info()["named_endpoints"][f"/{name}"]["parameters"]
    }
    beside = {"format", "watermark"} | ({"voice"} if VERBS[name].model_option == "--voice" else set())
    # The format is in the name of the file of -o, and the watermark is left out by --no-watermark.
    assert {*parameters} == VERBS[name].values - LOCAL | beside
    required = [called for called, each in parameters.items() if not each["parameter_has_default"]]
    assert required == REQUIRED.get(name, [VERBS[name].arguments[0].name])
    if name == "generate":
        assert {*parameters} <= {*ClipRequest.__dataclass_fields__, *signature(handlers.generate).parameters}
    for called in {*parameters} - {*required, *beside, "count"}:
        default = parameters[called]["parameter_default"]
        assert default in (None, "", known[called].default, 8.0), called


@pytest.mark.parametrize(
    ("missing", "wanted"),
    [
        ("generator", ["Speech", "Tools", "Inspect", "Vocoder", "Upsample"]),
        ("vocoder", ["Create", "Edit", *WAYS, "Speech", "Library", "Tools", "Inspect", "Upsample"]),
        ("upsampler", ["Create", "Edit", *WAYS, "Speech", "Library", "Tools", "Inspect", "Vocoder"]),
    ],
)
def test_tabs_without_a_model_are_left_out(state: AppState, missing: str, wanted: list[str]) -> None:
    bare = replace(state, models=replace(state.models, **{missing: None}))
    assert tabs(build_app(bare.models, state=bare)) == wanted


def test_a_page_is_built_from_models_and_limits_alone(
    models: Models, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    app = build_app(models, Limits(steps=2, seconds=0.6))  # fewer than the model recommends
    assert "Create" in tabs(app)


def test_a_demo_that_keeps_no_prompts_says_so(state: AppState) -> None:
    bare = replace(state, library=None)
    texts = [
        block.value for block in build_app(bare.models, state=bare).blocks.values() if isinstance(block, gr.Markdown)
    ]
    assert any("keeps no prompts" in str(text) for text in texts)


def event(app: Any, name: str) -> Any:
    private = [fn for fn in app.fns.values() if fn.fn is not None and fn.api_visibility == "private"]
    return next(fn for fn in private if fn.fn.__name__ == name)


class Request:
    username = None
    session_hash = "me"


def test_the_button_creates_cards_one_after_the_other(app: Any) -> None:
    fn = event(app, "create")
    values = [component.value for component in fn.inputs]
    names = [component.label for component in fn.inputs]
    for label, value in (
        ("Different every time", False),
        ("Prompt", "flute"),
        ("Length (s)", 0.5),
        ("Takes", 2),
        ("Variation number", 4),
    ):
        values[names.index(label)] = value
    updates: list[dict[Any, Any]] = list(fn.fn(Request(), *values))
    players = [
        (component.elem_id, re.findall(r'src="[^"]*/([^"/]+)">', change))
        for update in updates
        for component, change in update.items()
        if isinstance(component, gr.HTML) and "<audio" in change and component.elem_id != "takes"
    ]
    assert players == [("create-clip-1", ["flute-seed4.flac"]), ("create-clip-2", ["flute-seed5.flac"])]
    listed = [change for update in updates for part, change in update.items() if part.elem_id == "takes"]
    assert [len(re.findall(r'<li class="ad-take"', html)) for html in listed] == [1, 2]
    shown = [component for component in updates[0] if isinstance(component, gr.Column)]
    assert [updates[0][column]["visible"] for column in shown] == [True, True, False, False]
    assert "2 clips in" in next(iter(updates[-1].values()))


def test_everything_is_sent_once_more_when_the_clips_are_there(app: Any) -> None:
    fn = event(app, "create")
    settle, after_an_error = (
        other.fn
        for other in app.fns.values()
        if other.fn is not None and other.fn.__name__ == "settle" and other.trigger_after == fn._id
    )
    assert settle is after_an_error
    values = [component.value for component in fn.inputs]
    names = [component.label for component in fn.inputs]
    for label, value in (("Different every time", False), ("Prompt", "flute"), ("Length (s)", 0.5), ("Takes", 2)):
        values[names.index(label)] = value
    list(fn.fn(Request(), *values))
    whole = settle(Request())
    by_kind = {
        kind: [whole[piece] for piece in fn.outputs if type(piece) is kind and piece in whole]
        for kind in (gr.Column, gr.HTML, gr.Markdown, gr.Button, gr.DownloadButton)
    }
    assert [box["visible"] for box in by_kind[gr.Column]] == [True, True, False, False]
    line, takes, *players = by_kind[gr.HTML]
    assert "2 clips in" in line
    assert takes.count("flute-seed0.flac") == 3  # its player, its download and the name of that
    assert ["flute-seed0.flac" in players[0], "flute-seed1.flac" in players[1]] == [True, True]
    files = [Path(button["value"]).name for button in by_kind[gr.DownloadButton]]
    assert files == ["flute-seed0.flac", "flute-seed1.flac"]
    assert ["seed **0**" in caption for caption in by_kind[gr.Markdown]] == [True, False]
    assert all(button["interactive"] for button in by_kind[gr.Button] + by_kind[gr.DownloadButton])
    assert len(by_kind[gr.DownloadButton]) == 2
    assert [whole[piece]["value"] for piece in whole if getattr(piece, "label", None) == "Variation number"] == [0]
    assert len(settle(Request())) == 1  # nothing twice
    values[names.index("Prompt")] = "(flute"
    with pytest.raises(gr.Error):
        list(fn.fn(Request(), *values))
    assert [box["visible"] for piece, box in settle(Request()).items() if isinstance(piece, gr.Column)] == [False] * 4


def test_a_clip_is_made_like_a_recording_where_the_model_takes_one(app: Any, models: Models, voice: Path) -> None:
    fn = event(app, "create")
    values = [component.value for component in fn.inputs]
    names = [component.label for component in fn.inputs]
    (place,) = (index for index, component in enumerate(fn.inputs) if component.elem_id == "create-reference")
    values[place] = str(voice)
    for label, value in (("Different every time", False), ("Prompt", ""), ("Length (s)", 0.5), ("Takes", 1)):
        values[names.index(label)] = value
    updates: list[dict[Any, Any]] = list(fn.fn(Request(), *values))
    paths = {
        change["value"]
        for update in updates
        for component, change in update.items()
        if isinstance(component, gr.DownloadButton) and change.get("value")
    }
    assert [read_provenance(path).inputs[0].name for path in paths] == [voice.name]
    assert "Use a reference recording" in visible_accordions(app)
    assert models.generator is not None
    config = models.generator.model.config
    models.generator.model.config = replace(config, known=False)
    try:
        assert "Use a reference recording" not in visible_accordions(build_app(models))
    finally:
        models.generator.model.config = config


def visible_accordions(app: Any) -> list[str]:
    return [block.label for block in app.blocks.values() if isinstance(block, gr.Accordion) and block.visible]


def test_the_buttons_of_a_card_make_more_of_its_clip(app: Any, state: AppState) -> None:
    clip = (
        handlers.generate(state, widgets.ignore, user="x", seconds=0.5, request=ClipRequest("flute", steps=2))
        .clips[0]
        .path
    )
    makers = [fn for fn in app.fns.values() if fn.fn is not None and fn.fn.__name__ == "make_again"]
    assert len(makers) == 2 * 4 * 4  # two tabs of four cards with four buttons
    written = []
    turns = [fn for fn in app.fns.values() if fn.fn is not None and fn.fn.__name__ == "turn_to"]
    assert len(turns) == len(makers) + 2 * 4  # and a button that only brings the clip
    assert turns[0].fn("x.flac")[0].selected == "edit"
    for fn in makers[:4]:
        updates = list(fn.fn(Request(), str(clip)))
        written.append(
            [
                change["value"].rpartition("/")[2].rpartition("-seed")[0]
                for update in updates
                for component, change in update.items()
                if isinstance(component, gr.DownloadButton) and change.get("value")
            ]
        )
    assert [len(names) for names in written] == [4, 4, 1, 1]
    assert [names[0] for names in written[2:]] == ["flute-seed0-extend", "flute-seed0-loop"]
    assert {name for names in written[:2] for name in names} == {"flute-seed0-vary"}


def test_a_clip_is_edited_by_the_button_of_its_way(app: Any, voice: Path) -> None:
    runs = [fn for fn in app.fns.values() if fn.fn is not None and fn.fn.__name__ == "run_edit"]
    assert len(runs) == len(WAYS)
    runs = runs[:4]
    given = {
        "Different every time": False,
        "Clip": str(voice),
        "Takes": 1,
        "Variation number": 3,
        "Steps": 2,
        "Region": "0.2:0.6",
    }
    written = []
    for fn in runs:
        values = [given.get(component.label, component.value) for component in fn.inputs]
        if any(component.label == "Second clip" for component in fn.inputs):
            values = [
                2 if c.label == "Takes" else str(voice) if c.label == "Second clip" else value
                for c, value in zip(fn.inputs, values, strict=True)
            ]
        for update in fn.fn(Request(), *values):
            written += [
                change["value"].rpartition("/")[2]
                for component, change in update.items()
                if isinstance(component, gr.DownloadButton) and change.get("value")
            ]
    assert written == [
        "my-voice-vary-seed3.flac",
        "my-voice-inpaint-seed3.flac",
        "my-voice-extend-seed3.flac",
        "my-voice-my-voice-1.flac",
        "my-voice-my-voice-2.flac",
    ]


@pytest.mark.parametrize(
    ("name", "result", "told"),
    [
        ("vocoder", "my-call-vocoded.flac", ["log-mel L1", "1 step(s) of ddim", "seed 3"]),
        ("upsample", "my-call-upsampled.flac", ["3500 to 8000 Hz", "8000 Hz in, 16000 Hz out", "seed 3"]),
    ],
)
def test_a_recording_and_what_became_of_it_stand_side_by_side(
    app: Any, call: Path, name: str, result: str, told: list[str]
) -> None:
    runs = {fn.inputs[0].elem_id: fn for fn in app.fns.values() if fn.fn is not None and fn.fn.__name__ == "compare"}
    assert len(runs) == 2
    fn = runs[f"{name}-input"]
    given = {"Seed": 3, "Steps": 1}
    values = [str(call), *(given.get(component.label, component.value) for component in fn.inputs[1:])]
    first, *_, last = fn.fn(Request(), *values)
    line, figures, *sides = fn.outputs
    assert all(first[piece]["value"] is None for piece in sides)
    assert "done" in last[line]
    assert all(words in last[figures] for words in told)
    assert [piece.label[0] for piece in sides] == ["A", "A", "B", "B"]
    assert Path(last[sides[3]]["value"]).name == result
    assert all(last[piece]["value"] is not None for piece in sides)

    def fail() -> None:
        list(fn.fn(Request(), None, *values[1:]))

    with pytest.raises(gr.Error, match="Choose a clip first"):
        fail()


def test_the_tabs_of_recordings_have_an_example(app: Any) -> None:
    takers = [fn for fn in app.fns.values() if fn.fn is not None and fn.fn.__name__ == "take" and not fn.inputs]
    assert [fn.outputs[0].elem_id for fn in takers] == ["vocoder-input", "upsample-input"]
    assert [Path(fn.fn()).name for fn in takers] == ["example.flac", "example-8k.flac"]


def test_a_clip_brings_its_prompt(app: Any, state: AppState, voice: Path) -> None:
    fn = event(app, "bring").fn
    made = handlers.generate(
        state, widgets.ignore, user="me", seconds=0.5, request=ClipRequest("flute", "drums")
    ).clips[0]
    assert fn(str(made.path)) == ("flute", "drums")
    assert "flute" not in str(fn(str(voice)))
    with pytest.raises(gr.Error, match="not on the server"):
        fn("gone.wav")


def test_a_bad_prompt_clears_the_page_and_shows_a_sentence(app: Any) -> None:
    fn = event(app, "create")
    values = [component.value for component in fn.inputs]
    values[[component.label for component in fn.inputs].index("Prompt")] = "(<b>flute"

    def run() -> Iterator[Any]:
        yield from fn.fn(Request(), *values)

    with pytest.raises(gr.Error, match="never closed") as raised:
        list(run())
    assert "(&lt;b&gt;flute" in raised.value.message


def test_errors_are_shown_without_html_paths_or_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    shown = widgets.as_error(AudiodiffError("/tmp/x/<b>.wav is 'not' audio"))
    assert shown.message == "&lt;b&gt;.wav is 'not' audio"
    assert not shown.print_exception
    hidden = widgets.as_error(RuntimeError("secret /home/me"))
    assert "secret" not in hidden.message
    assert "secret /home/me" in capsys.readouterr().err
    assert widgets.as_error(Stopped()).message == "Stopped."
    assert widgets.as_error(shown) is shown


def test_what_others_wrote_is_escaped() -> None:
    assert "<script>" not in widgets.table([("<script>", "<script>")])
    assert "<script>" not in widgets.headline("<script>")
    assert "<script>" not in widgets.status("<script>", 0.5, ["<script>"])
    assert widgets.status("half", 0.5).count("<progress") == 1
    assert "<progress" not in widgets.status("done")


def test_screen_readers_are_told_the_beginning_and_the_end_and_what_is_said_aloud() -> None:
    loud = [
        widgets.status("a", 0.0),
        widgets.status("b", 0.5, aloud=True),
        widgets.status("c", 1.0),
        widgets.status("d"),
    ]
    quiet = [widgets.status("a", 0.5), widgets.status("b", aloud=False), widgets.status()]
    assert all("data-aloud" in line for line in loud)
    assert not any("data-aloud" in line or "role=" in line for line in quiet)


def test_what_others_wrote_cannot_hide_or_turn_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "a\u202eb\x1b[31m\u2066"
    for text in (
        widgets.table([(hostile, hostile)]),
        widgets.headline(hostile),
        widgets.status(hostile, 0.5, [hostile]),
        widgets.as_error(AudiodiffError(hostile)).message,
    ):
        assert not {"\u202e", "\x1b", "\u2066"} & set(text)
    assert widgets.as_error(AudiodiffError("here:\n   ^")).message == "here:\n   ^"
    widgets.as_error(RuntimeError(hostile))
    assert "\x1b" not in capsys.readouterr().err


def test_the_card_of_a_model_is_text(state: AppState) -> None:
    about = "<img src=x> ![x](http://a.example/x.png) \u202e **music**"
    bare = replace(state, models=replace(state.models, about=about))
    blocks = build_app(bare.models, state=bare).blocks.values()
    (heading,) = (str(block.value) for block in blocks if isinstance(block, gr.Markdown) and block.elem_id == "models")
    assert "music" in heading
    assert "<img" not in heading
    assert "](" not in heading
    assert "\u202e" not in heading


def test_records_of_others_are_shown_as_text(app: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(Path(__file__).with_name("hostile.json").read_bytes())
    shown = event(app, "inspect").fn(str(path))
    assert "&lt;img src=x&gt;" in shown[1]
    assert "<img" not in shown[1]
    assert isinstance(shown[2], str)  # not a dictionary in which Gradio would look for files
