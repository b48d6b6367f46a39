import copy
from dataclasses import replace

import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.nn.packed import PackedWaveNet, WaveNetStream
from audiodiff.nn.wavenet import WaveNet, WaveNetConfig
from tests.refusals import refused

CONFIG = WaveNetConfig(channels=12, layers=5, dilation_cycle=3, cond_channels=7, embedding_width=10)


def network(config: WaveNetConfig = CONFIG) -> WaveNet:
    """A network with random weights everywhere (a fresh one is the zero function)."""
    generator = torch.Generator().manual_seed(0)
    wavenet = WaveNet(config, 6, 5)
    with torch.no_grad():
        for parameter in wavenet.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return wavenet.eval()


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 9, 40])
@pytest.mark.parametrize("batch", [1, 3])
def test_the_packed_network_is_the_network(length: int, batch: int) -> None:
    wavenet = network()
    x, cond, level = torch.randn(batch, 6, length), torch.randn(batch, 7, length), torch.rand(batch)
    packed = PackedWaveNet(wavenet)
    with torch.no_grad():
        expected = wavenet(x, level, wavenet.project_cond(cond))
    assert expected.abs().mean() > 0.1
    terms = packed.project_cond(cond)
    for _ in range(2):  # a call leaves nothing behind
        torch.testing.assert_close(packed(x.transpose(1, 2), level, terms).transpose(1, 2), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("look_ahead", [0, 1, 2, 5, 20])
@pytest.mark.parametrize("length", [1, 5, 40])
def test_a_limited_look_ahead_is_packed_too(look_ahead: int, length: int) -> None:
    config = replace(CONFIG, look_ahead=look_ahead)
    wavenet = network(config)
    x, cond, level = torch.randn(2, 6, length), torch.randn(2, 7, length), torch.rand(2)
    packed = PackedWaveNet(wavenet)
    with torch.no_grad():
        expected = wavenet(x, level, cond)
    found = packed(x.transpose(1, 2), level, packed.project_cond(cond)).transpose(1, 2)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    stream = WaveNetStream(PackedWaveNet(wavenet, for_stream=True))
    parts, fed, done = [], 0, 0
    for size in (3, 0, 1, 9, 100):
        rows = x[0].T[fed : fed + size]
        fed += len(rows)
        part = stream.push(rows, level[:1], lambda start, stop: cond[0].T[start:stop], last=size == 100)
        parts.append(part)
        done += len(part)
        assert done == (length if size == 100 else max(0, fed - config.future))
    torch.testing.assert_close(torch.cat(parts).T, expected[0], rtol=0, atol=1e-5)


def test_channels_may_come_in_another_order() -> None:
    wavenet = network()
    x, cond, level = torch.randn(1, 6, 9), torch.randn(1, 7, 9), torch.rand(1)
    in_order, out_order = torch.tensor([3, 0, 4, 1, 5, 2]), torch.tensor([4, 2, 0, 1, 3])
    packed = PackedWaveNet(wavenet, in_order=in_order, out_order=out_order)
    with torch.no_grad():
        expected = wavenet(x, level, cond)[:, out_order]
    rows = packed(x[:, in_order].transpose(1, 2), level, packed.project_cond(cond))
    torch.testing.assert_close(rows.transpose(1, 2), expected, rtol=0, atol=1e-5)


def test_bfloat16_stays_close() -> None:
    wavenet = network()
    x, cond, level = torch.randn(1, 6, 200), torch.randn(1, 7, 200), torch.rand(1)
    packed = PackedWaveNet(wavenet, torch.bfloat16)
    with torch.no_grad():
        expected = wavenet(x, level, cond)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            plain = wavenet(x, level, cond).float()
    rows = packed(x.transpose(1, 2).bfloat16(), level, packed.project_cond(cond))
    assert rows.dtype == torch.bfloat16
    error = (rows.float().transpose(1, 2) - expected).square().mean().sqrt()
    # The pairwise outputs round a little more often than plain convolutions.
    assert 0 < error < 2.5 * (plain - expected).square().mean().sqrt()
    assert error < 0.03 * expected.square().mean().sqrt()


def test_later_changes_do_not_count() -> None:
    wavenet = network()
    before = copy.deepcopy(wavenet)
    packed = PackedWaveNet(wavenet)
    with torch.no_grad():
        for parameter in wavenet.parameters():
            parameter.add_(1.0)
        x, cond, level = torch.randn(1, 6, 9), torch.randn(1, 7, 9), torch.rand(1)
        expected = before(x, level, cond)
    rows = packed(x.transpose(1, 2), level, packed.project_cond(cond))
    assert not torch.allclose(wavenet(x, level, cond), expected, atol=1e-2)
    torch.testing.assert_close(rows.transpose(1, 2), expected, rtol=0, atol=1e-5)


def test_a_condition_of_another_length_is_refused() -> None:
    packed = PackedWaveNet(network())
    with pytest.raises(AudiodiffError, match="9 time steps and the condition 8"):
        packed(torch.randn(1, 9, 6), torch.rand(1), packed.project_cond(torch.randn(1, 7, 8)))


@pytest.mark.parametrize("change", [{"kernel_size": 5}, {"cond_channels": 0}])
def test_other_networks_are_refused(change: dict[str, int]) -> None:
    config = WaveNetConfig(**{"channels": 4, "layers": 1, "cond_channels": 7, **change})  # type: ignore[arg-type]
    refused("can be packed", lambda: PackedWaveNet(WaveNet(config, 2, 2)))
