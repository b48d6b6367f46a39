import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.training.devices import Devices, close_devices, open_devices


def test_shards_make_up_the_batch() -> None:
    batch = torch.arange(12).reshape(6, 2)
    shards = [Devices(torch.device("cpu"), rank, 3).shard(batch) for rank in range(3)]
    assert [shard.shape[0] for shard in shards] == [2, 2, 2]
    assert torch.equal(torch.cat(shards).sort(0).values, batch)
    assert torch.equal(Devices(torch.device("cpu")).shard(batch), batch)
    with pytest.raises(AudiodiffError, match="multiple"):
        Devices(torch.device("cpu"), 0, 4).shard(batch)


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
    close_devices()
    assert done == []
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    close_devices()
    assert done == ["barrier", "destroy_process_group"]
