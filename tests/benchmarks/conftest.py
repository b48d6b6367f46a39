from pathlib import Path

import pytest
import torch

from audiodiff.models.checkpoint import save_checkpoint
from audiodiff.models.vocoder import Vocoder, VocoderConfig
from audiodiff.nn.wavenet import WaveNetConfig
from audiodiff.signal.mel import preset


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny vocoder with random weights."""
    torch.manual_seed(0)
    shape = WaveNetConfig(channels=8, layers=2, dilation_cycle=2, cond_channels=8, embedding_width=8)
    folder = tmp_path_factory.mktemp("model") / "tiny"
    save_checkpoint(folder, Vocoder(VocoderConfig(mel=preset("hifigan-22k"), wavenet=shape)), {})
    return folder
