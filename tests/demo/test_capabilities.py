"""What the page shows for a model, and pipelines of diffusers behind its buttons."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from audiodiff.synthesis.provenance import read_provenance
from audiodiff.synthesis.settings import GenerateSettings, values_of
from audiodiff.synthesis.verbs import VERBS
from demo import edits, handlers, prompts, provenance
from demo.app_state import AppState, Models, load_models, open_state
from demo.capabilities import LatentMel, capabilities_of
from demo.checks import public_message
from demo.handlers import ClipRequest, Created, Update
from demo.limits import Limits
from tests.models.adapters import write_adapter
from tests.models.pipelines import tiny
from tests.refusals import refused
from tests.synthesis.latent_models import RATE
from tests.synthesis.pipelines import BUILDERS, recording

TAKEN_BY_ALL = {"prompt", "seconds", "steps", "guidance", "seed", "precision", "level", "fade_out", "mono"}
SLOW = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
"""Whole networks of two libraries are imported and run."""

TABS = {
    "StableAudioPipeline": ["Variations", "Stretch"],
    "AudioLDM2Pipeline": ["Stretch"],
    "AceStepPipeline": ["Variations", "Replace a part", "Stretch"],
}
OWN = {
    "StableAudioPipeline": {"Leave out"},
    "AudioLDM2Pipeline": {"Leave out"},
    "AceStepPipeline": {"Tempo (bpm)", "Key"},
}
"""Labels of the fields that not every pipeline has."""

FIELDS = {"Prompt", "Length (s)", "Takes", "Loudness", "File format", "Variation number", "Different every time"}
FIELDS |= {"Fade-out", "Steps", "Guidance", "Inaudible watermark"}


def ignore(update: Update) -> None:
    pass


@pytest.fixture(scope="module")
def pipelines(checkpoint: Path, upsampler: Path, talker: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The models of a demo that serves a tiny pipeline of a class, loaded once."""
    diffusers = pytest.importorskip("diffusers")
    pytest.importorskip("transformers")
    loaded: dict[str, Models] = {}

    def models(name: str) -> Models:
        if not hasattr(diffusers, name):
            pytest.skip(f"this diffusers has no {name}")
        if name not in loaded:
            folder = tiny.write_pipeline(tmp_path_factory.mktemp("pipelines") / name, BUILDERS[name])
            loaded[name] = load_models(
                f"diffusers:{folder}", str(checkpoint), str(upsampler), [str(talker)], device="cpu"
            )
        return loaded[name]

    return models


@pytest.fixture
def serving(pipelines: Any, limits: Limits, tmp_path: Path) -> Iterator[Any]:
    """A demo that serves a tiny pipeline of a class."""
    opened: list[AppState] = []

    def state(name: str) -> AppState:
        opened.append(open_state(pipelines(name), limits, library=tmp_path / "prompts.json", parent=tmp_path))
        return opened[-1]

    yield state
    for each in opened:
        each.close()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "my clip.wav"
    soundfile.write(path, recording(), RATE)
    return path


def generate(state: AppState, report: Any = ignore, seconds: float | None = 0.5, **request: Any) -> Created:
    wanted = ClipRequest(**{"prompt": "solo piano", "seed": 5, "steps": 2, **request})
    return handlers.generate(state, report, user="me", request=wanted, seconds=seconds)


def edit(state: AppState, name: str, clip: Path, *, steps: int = 2, **given: Any) -> Created:
    request = ClipRequest("drums", seed=3, steps=steps)
    return edits.edit(state, ignore, name, user="me", request=request, clip=clip, **given)


def test_a_model_of_ours_takes_all_that_it_was_trained_for(models: Models) -> None:
    """The tiny model knows tempos, keys and kinds of sound, but no chords."""
    can = models.capabilities
    assert can.settings == {*values_of(GenerateSettings())} - {"chords"}
    assert can.verbs == {*VERBS}
    assert can.keys[0] == "C major"
    assert can.sources == ("rendered", "recorded")
    assert can.longest == float("inf")
    assert (can.reference, can.beats, can.prompt_weights, can.inpaint_strength) == (True, True, True, True)
    assert models.generator is not None
    config = models.generator.model.config
    models.generator.model.config = replace(config, numbers=(), classes=(), known=False, chords=True)
    try:
        can = capabilities_of(models.generator)
    finally:
        models.generator.model.config = config
    assert can.settings == {*values_of(GenerateSettings())} - {"tempo", "key", "source"}
    assert (can.keys, can.sources, can.reference) == ((), (), False)


def test_a_preview_is_as_long_as_its_clip(models: Models) -> None:
    mel = models.capabilities.mel
    assert mel is not None
    whole = LatentMel(mel.spec, lambda latents: latents)
    assert whole.preview(torch.zeros(80, 400), 1.0).shape == (80, round(RATE / 256))
    assert whole.preview(torch.zeros(80, 400), None).shape == (80, 400)


class TestPipelines:
    """Pipelines of diffusers with random weights."""

    pytestmark = SLOW

    @pytest.mark.parametrize("name", BUILDERS)
    def test_the_page_shows_what_the_pipeline_takes_and_creates_with_its_defaults(
        self, serving: Any, name: str
    ) -> None:
        gr = pytest.importorskip("gradio", reason="the extra demo")
        from demo.app import build_app
        from demo.cards import AGAIN

        class Request:
            username = None
            session_hash = "me"

        state = serving(name)
        app = build_app(state.models, state=state)
        public = [fn.api_name for fn in app.fns.values() if fn.api_visibility == "public"]
        assert public == [*VERBS, "inspect", "replay", "stop"]  # which say in a sentence what is not possible
        tabs = [block.label for block in app.blocks.values() if isinstance(block, gr.Tab)]
        assert tabs[: tabs.index("Speech")] == ["Create", "Edit", *TABS[name]]
        create = next(fn for fn in app.fns.values() if fn.fn is not None and fn.fn.__name__ == "create")
        fields = {component.label: component for component in create.inputs if component.elem_id != "create-reference"}
        assert {*fields} == FIELDS | OWN[name]
        hidden = {"Surprise me"} | {
            text for what, text in AGAIN.items() if "Variations" not in tabs or what in ("extend", "loop")
        }
        buttons = {block.value for block in app.blocks.values() if isinstance(block, gr.Button) and block.visible}
        assert not hidden & buttons
        assert state.models.generator is not None
        assert fields["Steps"].value == min(state.models.generator.defaults.steps, state.limits.steps)
        assert fields["Length (s)"].maximum == (1.02 if name == "StableAudioPipeline" else state.limits.seconds)
        given = {"Prompt": "solo", "Steps": 2, "Takes": 1, "Length (s)": 0.5, "Different every time": False}
        values = [given.get(component.label, component.value) for component in create.inputs]
        updates: list[dict[Any, Any]] = list(create.fn(Request(), *values))
        (path,) = {
            change["value"]
            for update in updates
            for component, change in update.items()
            if isinstance(component, gr.DownloadButton) and change.get("value")
        }
        record = read_provenance(path)
        assert (record.models[0].role, record.settings["level"]) == (name, "streaming")
        assert record.audio.n_samples == tiny.RATE // 2

    @pytest.mark.parametrize("name", BUILDERS)
    def test_a_clip_is_made_again(self, serving: Any, name: str) -> None:
        state = serving(name)
        made = generate(state, count=2).clips
        assert [one.seed for one in made] == [5, 6]
        assert made[0].picture.size == made[1].picture.size
        again = provenance.replay(state, ignore, user="me", input=made[1].path)
        assert again.identical
        np.testing.assert_array_equal(soundfile.read(again.path)[0], soundfile.read(made[1].path)[0])

    def test_what_belongs_to_no_field_of_the_page_is_left_out(self, serving: Any) -> None:
        pytest.importorskip("gradio", reason="the extra demo")
        from demo.app import build_app

        state = serving("AceStepPipeline")
        app = build_app(state.models, state=state)
        put = next(fn for fn in app.fns.values() if fn.fn is not None and fn.fn.__name__ == "put")
        values = [component.value for component in put.inputs]
        values[0], values[5] = "mine", "solo"
        put.fn(*values)
        assert prompts.load(state, "mine")["prompt"] == "solo"
        bring = next(fn for fn in app.fns.values() if fn.fn is not None and fn.fn.__name__ == "bring")
        assert bring.fn(str(generate(state).clips[0].path)) == "solo piano"

    @pytest.mark.parametrize("name", ["StableAudioPipeline", "AceStepPipeline"])
    def test_a_recording_is_varied_and_that_is_made_again(self, serving: Any, clip: Path, name: str) -> None:
        state = serving(name)
        made = edit(state, "vary", clip, strength=0.6).clips[0]
        assert (made.path.name, made.sample_rate) == ("my-clip-vary-seed3.flac", tiny.RATE)
        assert made.seconds == pytest.approx(0.6)
        assert provenance.replay(state, ignore, user="me", input=made.path, recording=clip).identical
        clicked = edits.again(state, ignore, user="me", clip=generate(state).clips[0].path, what="strong", seed=1)
        assert {read_provenance(one.path).prompt for one in clicked.clips} == {"solo piano"}

    def test_a_part_of_a_recording_is_replaced(self, serving: Any, clip: Path) -> None:
        state = serving("AceStepPipeline")
        made = edit(state, "inpaint", clip, region="0.2:0.4").clips[0].path
        changed = np.flatnonzero(soundfile.read(made)[0] != soundfile.read(clip)[0]) / RATE
        assert changed.size > 0.1 * RATE
        assert 0.2 <= changed.min() <= changed.max() <= 0.4
        assert provenance.replay(state, ignore, user="me", input=made, recording=clip).identical

    def test_what_a_pipeline_cannot_do_gets_a_sentence_without_folders(self, serving: Any, clip: Path) -> None:
        state = serving("StableAudioPipeline")
        for name, given in (("inpaint", {"region": "0.1:0.2"}), ("extend", {"seconds": 1.0}), ("loop", {})):
            with pytest.raises(Exception, match="can only generate and vary") as raised:
                edit(state, name, clip, **given)
            assert public_message(raised.value).startswith(f"diffusers:StableAudioPipeline cannot {name}")
        refused("has no setting sampler", lambda: generate(state, sampler="ddim"))
        refused(
            "has no setting loop", lambda: handlers.generate(state, ignore, user="me", request=ClipRequest("a"), bars=4)
        )
        refused("weighs or blends words", lambda: generate(state, prompt="(warm:1.3) piano"))
        assert not list(state.workspace.folder.rglob("*.flac"))

    def test_clips_are_no_longer_than_the_pipeline_makes_them(self, serving: Any, tmp_path: Path) -> None:
        state = serving("StableAudioPipeline")
        refused("expected a number from 0.5 to 1.02", lambda: generate(state, seconds=1.03))
        assert generate(state, seconds=None).clips[0].seconds == 1.02
        soundfile.write(tmp_path / "long.wav", recording(2.0), RATE)
        refused(r"2 s are longer than the 1.02 s", lambda: edit(state, "vary", tmp_path / "long.wav", strength=0.5))

    @pytest.mark.parametrize("name", BUILDERS)
    def test_stop_ends_a_clip_at_its_next_step(self, serving: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(handlers, "REPORT_SECONDS", 0.0)
        state, told = serving(name), []

        def report(update: Update) -> None:
            told.append(str(update.text))
            if str(update.text).startswith("step 2 of 9"):
                state.jobs.stop("me")

        assert generate(state, report, steps=9) == Created((), stopped=True)
        assert told[-1].startswith("step 2 of 9")
        assert len(generate(state).clips) == 1

    def test_an_adapter_of_none_of_the_models_is_refused(
        self, pipelines: Any, checkpoint: Path, upsampler: Path, talker: Path, tmp_path: Path
    ) -> None:
        adapter = str(write_adapter(tmp_path / "mine", checkpoint, 0))
        others = (str(checkpoint), str(upsampler), [str(talker)])
        name = pipelines("StableAudioPipeline").generator.name
        refused("which this demo does not serve", lambda: load_models(name, *others, adapters=[adapter], device="cpu"))
