"""Tensors that files have under former names."""

import pytest
import torch

from audiodiff.models.autoencoder import MelAutoencoder
from audiodiff.models.checkpoint import WEIGHTS_FILE, autoencoder_hash, load_checkpoint, weights_hash
from audiodiff.models.find import PRETRAINED
from audiodiff.models.upsampler import Upsampler
from audiodiff.nn.names import former_name, with_current_names
from audiodiff.training.ema import copy_tensors

EXPECTED = {"a.mel_std", "a.mel_mean", "old_deviation"}


@pytest.mark.parametrize(
    ("found", "current"),
    [
        ({"a.mel_deviation": 1, "a.mel_mean": 2}, {"a.mel_std": 1, "a.mel_mean": 2}),
        ({"a.mel_std": 1}, {"a.mel_std": 1}),
        ({"old_deviation": 1, "other_deviation": 2}, {"old_deviation": 1, "other_deviation": 2}),
    ],
)
def test_former_names_stand_for_those_that_are_expected(found: dict[str, int], current: dict[str, int]) -> None:
    assert with_current_names(found, EXPECTED) == current


def test_former_names() -> None:
    assert [former_name(name) for name in ("x.mel_std", "x.mel_mean")] == ["x.mel_deviation", "x.mel_mean"]


def test_checkpoints_and_training_states_of_the_first_version_load() -> None:
    """The models of the package were saved with former names, and data sets know their autoencoder by those."""
    upsampler = load_checkpoint(PRETRAINED / "upsample-speech", Upsampler)
    assert float(upsampler.low_std.mean()) != 2.0  # what it is built with
    autoencoder = load_checkpoint(PRETRAINED / "music", MelAutoencoder)
    assert autoencoder_hash(autoencoder) == "e2b0afe9cc8c6423f0a926be59f9087efd4d041394ac758ea8ca920675ccb448"
    assert weights_hash(PRETRAINED / "music" / WEIGHTS_FILE).startswith("35cd3e86b02a")
    target = {"low_std": torch.zeros(2)}
    copy_tensors({"low_deviation": torch.ones(2)}, target, "weights")
    assert target["low_std"].tolist() == [1.0, 1.0]
