from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import soundfile

from audiodiff.synthesis.provenance import read_provenance
from demo import handlers, provenance
from demo.app import build_app
from demo.app_state import load_models, open_state
from demo.handlers import ClipRequest, Update
from demo.limits import Limits
from demo.speaking import speak
from tests.models.adapters import write_adapter
from tests.refusals import refused


@pytest.fixture(scope="module")
def adapters(checkpoint: Path, talker: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """One of the generator, one of the vocoder in it, one of the voice."""
    place = tmp_path_factory.mktemp("adapters")
    bases = {"mine": checkpoint, "voc": checkpoint / "vocoder", "ann": talker}
    first, second, third = (
        write_adapter(place / name, base, index) for index, (name, base) in enumerate(bases.items())
    )
    return first, second, third


def ignore(update: Update) -> None:
    pass


def test_adapters_are_in_the_sounds_of_the_page_and_in_its_replays(
    checkpoint: Path, talker: Path, adapters: tuple[Path, Path, Path], limits: Limits, tmp_path: Path
) -> None:
    mine, voc, ann = adapters
    given = [f"{mine}:0.8", f"{voc}:0.5", ann]
    models = load_models(str(checkpoint), str(checkpoint), None, [str(talker)], adapters=given, device="cpu")
    bare = load_models(str(checkpoint), str(checkpoint), None, [str(talker)], device="cpu")
    state, plain = open_state(models, limits, parent=tmp_path), open_state(bare, limits, parent=tmp_path)
    try:
        request = ClipRequest("flute", seed=5)
        made, other = (
            handlers.generate(each, ignore, user="me", seconds=1.0, request=request).clips[0].path
            for each in (state, plain)
        )
        record = read_provenance(made)
        told = [[(each.name, each.strength) for each in model.adapters] for model in record.models]
        assert told == [[("mine", 0.8)], [("voc", 0.5)]]
        assert np.abs(soundfile.read(made)[0] - soundfile.read(other)[0]).max() > 1e-4
        # what was made with them, and what was made without
        assert provenance.replay(state, ignore, user="me", input=made).identical
        assert provenance.replay(state, ignore, user="me", input=other).identical
        refused("made with the adapter mine", lambda: provenance.replay(plain, ignore, user="me", input=made))

        spoken = speak(state, ignore, user="me", text="Hello.", request=ClipRequest("", seed=5)).clips[0].path
        assert [each.name for each in read_provenance(spoken).models[0].adapters] == ["ann"]
        assert models.vocoder is not None
        assert [each.name for each in models.vocoder.identity.adapters] == ["voc"]

        blocks = build_app(models, state=state).blocks.values()
        (page,) = (str(block.value) for block in blocks if isinstance(block, gr.Markdown) and block.elem_id == "models")
        page = page.replace("\\", "")  # Markdown's marks are shown as such
        assert "**tiny with adapter mine (0.8) with adapter voc (0.5)**" in page
        assert "**talker with adapter ann (1)**" in page
    finally:
        state.close()
        plain.close()


def test_an_adapter_that_nothing_here_is_for_is_refused(
    checkpoint: Path, talker: Path, adapters: tuple[Path, Path, Path]
) -> None:
    words = "is for the model talker .*which this demo does not serve; name it with --model"
    refused(words, lambda: load_models(str(checkpoint), str(checkpoint), adapters=[adapters[2]], device="cpu"))
