from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from audiodiff.cli.main import main
from audiodiff.models.checkpoint import save_checkpoint
from audiodiff.models.vocoder import Vocoder, VocoderConfig
from audiodiff.nn.wavenet import WaveNetConfig
from audiodiff.signal.mel import preset

RATE = 22050


@dataclass(frozen=True)
class Outcome:
    """What a command line did."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny vocoder with random weights."""
    torch.manual_seed(0)
    config = VocoderConfig(
        mel=preset("hifigan-22k"),
        wavenet=WaveNetConfig(channels=8, layers=2, dilation_cycle=2, cond_channels=8, embedding_width=8),
    )
    model = Vocoder(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.1)
    folder = tmp_path_factory.mktemp("model") / "tiny"
    save_checkpoint(folder, model, {"sampling": {"steps": 2, "sampler": "heun"}, "reference_level_db": -20.0})
    return folder


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command line in this process."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return Outcome(status, told.out, told.err)

    return run


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Half a second of something like a voice, as a mono WAV."""
    path = tmp_path / "in.wav"
    soundfile.write(path, voice(0.5), RATE)
    return path


def voice(seconds: float, rate: int = RATE) -> np.ndarray:
    """Harmonics of a gliding tone with breath, `[n_samples]`."""
    time = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * (120 * time + 20 * np.sin(2 * np.pi * 0.7 * time))
    tone = sum(np.sin(k * phase) / k for k in range(1, 20))
    breath = np.random.default_rng(0).standard_normal(time.size) * 0.02
    return (0.05 * tone + breath).astype(np.float32)
