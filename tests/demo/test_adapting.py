from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.synthesis.load import load_generator
from audiodiff.synthesis.provenance import read_provenance
from demo import handlers, provenance
from demo.app import models_shown
from demo.app_state import AppState, Models, load_models, open_state
from demo.handlers import ClipRequest, Update
from demo.limits import Limits
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


@pytest.fixture(scope="module")
def adapted(checkpoint: Path, talker: Path, adapters: tuple[Path, Path, Path]) -> Models:
    mine, voc, ann = adapters
    given = [f"{mine}:0.8", f"{voc}:0.5", ann]
    return load_models(str(checkpoint), str(checkpoint), None, [str(talker)], adapters=given, device="cpu")


@pytest.fixture
def state(adapted: Models, limits: Limits, tmp_path: Path) -> Iterator[AppState]:
    state = open_state(adapted, limits, parent=tmp_path)
    yield state
    state.close()


def test_adapters_are_in_the_sounds_of_the_page_and_in_its_replays(
    state: AppState, checkpoint: Path, limits: Limits, tmp_path: Path
) -> None:
    plain = open_state(Models(generator=load_generator(checkpoint, device="cpu")), limits, parent=tmp_path)
    request = ClipRequest("flute", seed=5, steps=2)
    made, other = (
        handlers.generate(each, ignore, user="me", seconds=0.5, request=request).clips[0].path
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
    plain.close()


def test_voices_and_vocoders_have_theirs_and_the_page_names_all(state: AppState, adapted: Models) -> None:
    (spoken,) = adapted.voices.values()
    assert [each.name for each in spoken.identity[0].adapters] == ["ann"]
    assert adapted.vocoder is not None
    assert [each.name for each in adapted.vocoder.identity.adapters] == ["voc"]
    page = models_shown(state).replace("\\", "")  # which keep Markdown's marks from being read as such
    assert "**tiny with adapter mine (0.8) with adapter voc (0.5)**" in page
    assert "**talker with adapter ann (1)**" in page


def test_an_adapter_that_nothing_here_is_for_is_refused(
    checkpoint: Path, talker: Path, adapters: tuple[Path, Path, Path]
) -> None:
    words = "is for the model talker .*which this demo does not serve; name it with --model"
    refused(words, lambda: load_models(str(checkpoint), str(checkpoint), adapters=[adapters[2]], device="cpu"))
