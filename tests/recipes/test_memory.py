from pathlib import Path

import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.models.vocoder import Vocoder
from audiodiff.training.devices import Devices
from audiodiff.training.loop import TrainConfig
from audiodiff.training.processes import Sharding
from audiodiff_recipes import memory, vocoder
from audiodiff_recipes.memory import expect_memory, training_memory
from tests.refusals import refused

CPU = Devices(torch.device("cpu"))


def test_weights_and_optimizer_are_counted_exactly_and_a_batch_from_below() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(10, 20), torch.nn.Linear(20, 5))
    found = training_memory(module, items=3, positions=7, half=False)
    numbers = 10 * 20 + 20 + 20 * 5 + 5
    assert (found.parameters, found.state_bytes, found.batch_bytes) == (numbers, 20 * numbers, 4 * 3 * 7 * 25)
    assert training_memory(module, items=3, positions=7, half=True).batch_bytes == 2 * 3 * 7 * 25


def test_divided_weights_take_less_of_each_process() -> None:
    shape = vocoder.RECIPE.preset("speech").model
    cpus = [Devices(torch.device("cpu"), n_processes=4, sharding=sharding) for sharding in (None, Sharding())]
    whole, part = (expect_memory(lambda: Vocoder(shape), TrainConfig(1, 12), 88, each) for each in cpus)
    outside = sum(p.numel() for name, p in Vocoder(shape).named_parameters() if ".residual_layers." not in name)
    numbers = whole.parameters
    assert 0 < outside < 0.2 * numbers
    assert part.state_bytes == 20 * outside + 5 * (numbers - outside) + 4 * numbers
    assert (part.batch_bytes, whole.state_bytes) == (whole.batch_bytes, 20 * numbers)


def test_what_cannot_fit_is_refused_with_the_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "memory_bytes", lambda device: 16 * 2**30)
    shape = vocoder.RECIPE.preset("speech").model
    found = expect_memory(lambda: Vocoder(shape), TrainConfig(steps=1, batch_size=12), 88, CPU)
    assert "8,913,219 parameters" in str(found)
    with pytest.raises(AudiodiffError, match=r"at least [0-9]+\.[0-9]+ GiB .* this machine has 16\.0; take a smaller"):
        expect_memory(lambda: Vocoder(shape), TrainConfig(steps=1, batch_size=60_000), 88, CPU)
    share = Devices(torch.device("cpu"), rank=1, n_processes=30_000)
    expect_memory(lambda: Vocoder(shape), TrainConfig(steps=1, batch_size=60_000), 88, share)


def test_a_model_of_terabytes_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    changes = {
        "wavenet.channels": 4096,
        "wavenet.layers": 256,
        "data.folder": "absent",
        "output": str(tmp_path / "run"),
    }
    refused("this run needs at least 6", lambda: vocoder.train(vocoder.configure("tiny", changes), resume=False))
    assert not (tmp_path / "run").exists()
