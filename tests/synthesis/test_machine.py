import pytest
import soundfile
import torch

import audiodiff
from audiodiff.synthesis.machine import check_model, this_machine, threads
from audiodiff.synthesis.settings import Sampling
from tests.refusals import refused


def test_this_machine_is_described() -> None:
    machine = this_machine(torch.device("cpu"))
    assert (machine.device, machine.torch) == ("cpu", torch.__version__)
    assert machine.threads == torch.get_num_threads()
    assert machine.libsndfile == soundfile.__libsndfile_version__
    assert len(machine.processor.split()) == 2


def test_threads_are_set_and_put_back() -> None:
    before = torch.get_num_threads()
    for number, expected in ((before + 1, before + 1), (before, before), (0, before), (10**9, before)):
        with threads(number):
            assert torch.get_num_threads() == expected
        assert torch.get_num_threads() == before
    try:
        with threads(before + 2):
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert torch.get_num_threads() == before


@pytest.mark.parametrize("lower", [torch.nn.Module.half, torch.nn.Module.double, torch.nn.Module.bfloat16])
def test_a_model_of_another_precision_is_one_sentence(lower) -> None:
    network = lower(torch.nn.Linear(2, 2))
    refused("call float", lambda: check_model(network, "speech", torch.device("cpu")))
    check_model(torch.nn.Linear(2, 2), "speech", torch.device("cpu"))
    refused("on meta", lambda: check_model(torch.nn.Linear(2, 2, device="meta"), "speech", torch.device("cpu")))


@pytest.mark.parametrize("name", ["music", "speech", "kathleen"])
def test_models_recommend_what_the_machine_computes_fast(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for fast, precision in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr("audiodiff.synthesis.machine.bfloat16_is_fast", lambda device, fast=fast: fast)
        model = audiodiff.load(name, device="cpu")
        assert model.defaults.precision == precision
        resolved = Sampling(precision="bf16").resolve(model.defaults)
        assert resolved.precision == "bf16"  # whoever asks for it gets it
