import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from demo.limits import Limits
from demo.studio import Models, Studio, load_models, open_studio
from tests.synthesis.latent_models import RATE, write_latent_model

WORDS = {"genres": ["jazz", "ambient"], "instruments": ["piano"]}


@pytest.fixture(scope="package", autouse=True)
def event_loops() -> Iterator[None]:
    """Close the event loops that Gradio makes for its locks and forgets; Python would warn of them in a later test."""
    made: list[asyncio.AbstractEventLoop] = []
    make = asyncio.new_event_loop

    def make_and_note() -> asyncio.AbstractEventLoop:
        made.append(make())
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "new_event_loop", make_and_note)
        yield
    for loop in made:
        if not loop.is_running():
            loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny latent model with its vocoder."""
    folder = write_latent_model(tmp_path_factory.mktemp("demo") / "tiny")
    config = json.loads((folder / "config.json").read_text())
    config["metadata"]["vocabulary"] = WORDS
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="session")
def models(checkpoint: Path) -> Models:
    return load_models(str(checkpoint), str(checkpoint), device="cpu")


@pytest.fixture(scope="session")
def limits() -> Limits:
    return Limits(upload_mb=1.0, upload_seconds=20.0, prompt_chars=200, seconds=8.0, steps=50, jobs=2)


@pytest.fixture
def studio(models: Models, limits: Limits, tmp_path: Path) -> Iterator[Studio]:
    studio = open_studio(models, limits, library=tmp_path / "prompts.json", parent=tmp_path)
    yield studio
    studio.close()


@pytest.fixture(scope="session")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of a gliding tone, as a WAV."""
    time = np.arange(RATE) / RATE
    phase = 2 * np.pi * (150 * time + 40 * np.sin(2 * np.pi * time))
    path = tmp_path_factory.mktemp("voice") / "my voice.wav"
    soundfile.write(path, 0.2 * np.sin(phase) + 0.05 * np.sin(3 * phase), RATE)
    return path
