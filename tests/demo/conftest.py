import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiodiff.models.checkpoint import save_checkpoint
from audiodiff.signal.resample import resample
from demo.app_state import AppState, Models, load_models, open_state
from demo.limits import Limits
from tests.demo import browsing
from tests.demo.browsing import UPLOAD_MB, Server, Visitor
from tests.models.upsampler import cases as upsampler_cases
from tests.models.voice import cases as voice_cases
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
def upsampler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny upsampler, 8 to 16 kHz."""
    return upsampler_cases.write(tmp_path_factory.mktemp("demo") / "tiny-up", {"steps": 2, "augmentation": 0.1})


@pytest.fixture(scope="session")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny voice of two speakers."""
    folder = tmp_path_factory.mktemp("demo") / "talker"
    save_checkpoint(folder, voice_cases.make(("ann", "bob")), {"vocoder": "speech", "sampling": {"steps": 2}})
    return folder


@pytest.fixture(scope="session")
def models(checkpoint: Path, upsampler: Path, talker: Path) -> Models:
    return load_models(str(checkpoint), str(checkpoint), str(upsampler), [str(talker)], device="cpu")


@pytest.fixture(scope="session")
def limits() -> Limits:
    return Limits(
        upload_mb=1.0, upload_seconds=20.0, prompt_chars=200, seconds=8.0, speech_seconds=20.0, steps=50, jobs=2
    )


@pytest.fixture
def state(models: Models, limits: Limits, tmp_path: Path) -> Iterator[AppState]:
    state = open_state(models, limits, library=tmp_path / "prompts.json", parent=tmp_path)
    yield state
    state.close()


@pytest.fixture(scope="session")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of a gliding tone, as a WAV."""
    time = np.arange(RATE) / RATE
    phase = 2 * np.pi * (150 * time + 40 * np.sin(2 * np.pi * time))
    path = tmp_path_factory.mktemp("voice") / "my voice.wav"
    soundfile.write(path, 0.2 * np.sin(phase) + 0.05 * np.sin(3 * phase), RATE)
    return path


@pytest.fixture(scope="session")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a second of harmonics and hiss at 8 kHz, as a WAV."""
    path = tmp_path_factory.mktemp("call") / "my call.wav"
    soundfile.write(path, resample(upsampler_cases.voice(8_000), 16_000, 8_000)[0].numpy(), 8_000)
    return path


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    with browsing.chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def served(
    checkpoint: Path, upsampler: Path, talker: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A demo with tiny models, which takes next to no time: it is the page that is looked at."""
    folder = tmp_path_factory.mktemp("served")
    music = shutil.copytree(checkpoint, folder / "music")  # the examples are for a model of this name
    models = ("--model", music, "--vocoder", checkpoint, "--upsampler", upsampler, "--voice", talker)
    with browsing.serving(folder, *map(str, models), "--max-upload-mb", str(UPLOAD_MB)) as server:
        yield server


@pytest.fixture
def visitor(chromium: Any, served: Server, tmp_path: Path) -> Iterator[Visitor]:
    """Somebody who opened the page of `served`."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    with browsing.visitor(chromium, served.url, folder) as visitor:
        yield visitor
    served.check()
