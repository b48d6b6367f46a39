import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.training.devices import Devices, close_devices, end_process, open_devices, wanted_sharding
from audiodiff.training.processes import Sharding
from tests.refusals import refused


def test_shards_make_up_the_batch() -> None:
    batch = torch.arange(12).reshape(6, 2)
    shards = [Devices(torch.device("cpu"), rank, 3).shard(batch) for rank in range(3)]
    assert [shard.shape[0] for shard in shards] == [2, 2, 2]
    assert torch.equal(torch.cat(shards).sort(0).values, batch)
    assert torch.equal(Devices(torch.device("cpu")).shard(batch), batch)
    refused("multiple", lambda: Devices(torch.device("cpu"), 0, 4).shard(batch))


def test_parts_and_processes_share_a_batch() -> None:
    batch = torch.arange(12)
    shares = [Devices(torch.device("cpu"), rank, 2).shard(batch) for rank in range(2)]
    for rank, share in enumerate(shares):
        parts = [part.shard(batch) for part in Devices(torch.device("cpu"), rank, 2).parts(3)]
        assert [len(part) for part in parts] == [2, 2, 2]
        assert torch.equal(torch.cat(parts).sort().values, share)
    with pytest.raises(AudiodiffError, match=r"in 3 parts each.*multiple of 6"):
        Devices(torch.device("cpu"), 0, 2).parts(3)[0].shard(torch.arange(8))


@pytest.mark.parametrize("variable", ["WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"])
@pytest.mark.parametrize("device", ["auto", "cuda", "mps"])
def test_started_together_but_not_joined_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, device: str
) -> None:
    """Each would train alone, all into the same folder."""
    accelerate = pytest.importorskip("accelerate")

    class Alone:
        def __init__(self, cpu: bool = False) -> None:
            self.device, self.process_index, self.num_processes = torch.device("cpu"), 0, 1

    monkeypatch.setattr(accelerate, "PartialState", Alone)
    monkeypatch.setenv(variable, "2")
    refused("2 processes were started", lambda: open_devices(device))


@pytest.mark.slow
def test_torchrun_makes_one_run_of_its_processes(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from audiodiff.training.devices import close_devices, end_process, open_devices\n"
        "devices = open_devices()\n"
        # In one write: of an unbuffered print another process may write between a line and its end.
        "sys.stdout.write(f'rank {devices.rank} of {devices.n_processes} on {devices.device.type}\\n')\n"
        "close_devices()\n"
        "end_process()\n"
        "raise AssertionError('a process of several goes on')\n"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ACCELERATE")}
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(script)],
        env={**environment, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        cwd=Path(__file__).parents[2],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == ["rank 0 of 2 on cpu", "rank 1 of 2 on cpu"]


def test_open_devices() -> None:
    assert open_devices("cpu") == Devices(torch.device("cpu"))
    assert open_devices("auto").n_processes == 1
    for name in ("gpu!", "cuda:99"):
        with pytest.raises(AudiodiffError, match="choose auto"):
            open_devices(name)


def test_processes_leave_together_and_one_alone_just_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    for name in ("barrier", "destroy_process_group"):
        monkeypatch.setattr(torch.distributed, name, lambda name=name: done.append(name))
    end_process()  # goes on
    assert close_devices()
    assert done == []
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    assert not close_devices()
    assert done == ["barrier", "destroy_process_group"]


def test_sharding_is_what_the_configuration_of_accelerate_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCELERATE_USE_FSDP", "FSDP_RESHARD_AFTER_FORWARD", "FSDP_OFFLOAD_PARAMS"):
        monkeypatch.delenv(name, raising=False)
    assert wanted_sharding() is None
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "false")
    assert wanted_sharding() is None
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert wanted_sharding() == Sharding()
    for word, again in (("FULL_SHARD", True), ("true", True), ("false", False), ("SHARD_GRAD_OP", False)):
        monkeypatch.setenv("FSDP_RESHARD_AFTER_FORWARD", word)
        assert wanted_sharding() == Sharding(again)
    monkeypatch.setenv("FSDP_OFFLOAD_PARAMS", "true")
    refused("FSDP_OFFLOAD_PARAMS", wanted_sharding)
