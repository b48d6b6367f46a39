import subprocess
import sys

import pytest
import torch

from audiodiff.models.checkpoint import load_checkpoint, save_checkpoint
from audiodiff.models.memory import memory_bytes, without_weights
from audiodiff.models.vocoder import Vocoder
from tests.models.upsampler.cases import make as make_upsampler
from tests.models.vocoder.cases import CONFIGS, make
from tests.models.voice.cases import make as make_voice
from tests.synthesis.latent_models import latent_model


def test_a_model_without_weights_has_names_and_shapes_and_none_of_the_memory() -> None:
    for config in CONFIGS.values():
        with without_weights():
            model = Vocoder(config)
        shapes = {name: value.shape for name, value in model.state_dict().items()}
        assert shapes == {name: value.shape for name, value in Vocoder(config).state_dict().items()}
        assert all(parameter.is_meta for parameter in model.parameters() if parameter.ndim > 1)
    assert not torch.empty(1).is_meta


@pytest.mark.slow
def test_nothing_of_the_compiler_is_imported_for_it() -> None:
    code = """
import sys
from torch import nn
from audiodiff.models.memory import without_weights
before = "torch._dynamo" in sys.modules
with without_weights():
    nn.Sequential(nn.Embedding(3, 4), nn.Linear(4, 4), nn.Conv1d(4, 4, 3), nn.LayerNorm(4), nn.MultiheadAttention(4, 2))
    nn.init.trunc_normal_(nn.Embedding(3, 4).weight)
sys.exit("torch._dynamo" in sys.modules and not before)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("kind", ["vocoder", "diffwave", "autoencoder", "mel_latent", "upsampler", "voice"])
def test_every_kind_is_loaded_whole(kind: str, tmp_path) -> None:
    model = {
        "vocoder": lambda: make(CONFIGS["anchored"]),
        "diffwave": lambda: make(CONFIGS["diffwave"]),
        "autoencoder": lambda: latent_model().autoencoder,
        "mel_latent": latent_model,
        "upsampler": make_upsampler,
        "voice": make_voice,
    }[kind]()
    save_checkpoint(tmp_path / "model", model, {})
    loaded = load_checkpoint(tmp_path / "model", type(model))
    for named in ("named_parameters", "named_buffers"):
        mine, theirs = (dict(getattr(each, named)()) for each in (model, loaded))
        assert list(mine) == list(theirs)
        for name, value in mine.items():
            assert torch.equal(value, theirs[name]), name
            assert value.requires_grad == theirs[name].requires_grad
            assert value.dtype == theirs[name].dtype
            assert not value.is_meta
    assert type(loaded) is type(model)


def test_memory_is_told() -> None:
    most = memory_bytes()
    assert most is None or 2**28 < most < 2**50
