from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from benchmarks import peers


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("HiFi-GAN V1", lambda: peers.HiFiGAN(peers.HIFIGAN_V1)),
        ("HiFi-GAN V3", lambda: peers.HiFiGAN(peers.HIFIGAN_V3)),
        ("Vocos", peers.Vocos),
        ("FastDiff", peers.FastDiff),
    ],
)
def test_networks_have_the_published_size_and_give_a_hop_for_a_frame(name: str, build: Callable[[], nn.Module]) -> None:
    network = build()
    published = peers.PUBLISHED_PARAMETERS[name]
    assert abs(peers.count_parameters(network) / published - 1.0) < 0.01
    mel = torch.randn(2, 100 if name == "Vocos" else 80, 3)
    with torch.no_grad():
        samples = network.sample(mel) if isinstance(network, peers.FastDiff) else network(mel)
    assert samples.shape == (2, 3 * peers.HOP_LENGTH)
    assert samples.isfinite().all()
    assert samples.std() > 0.0


def test_location_variable_convolution_is_the_sum_it_stands_for() -> None:
    batch, width, n_out, n_frames, hop = 2, 3, 4, 5, 6
    x = torch.randn(batch, width, n_frames * hop)
    kernels = torch.randn(batch, n_frames, width * 3, n_out)
    biases = torch.randn(batch, n_frames, 1, n_out)
    found = peers.location_variable_conv(x, kernels, biases)
    for item in range(batch):
        for at in range(n_frames * hop):
            frame = at // hop
            total: Tensor = biases[item, frame, 0]
            for channel in range(width):
                for tap in range(3):
                    if 0 <= at + tap - 1 < n_frames * hop:
                        total = total + x[item, channel, at + tap - 1] * kernels[item, frame, channel * 3 + tap]
            torch.testing.assert_close(found[item, :, at], total)


def test_lmnt_code_has_its_published_size() -> None:
    network = peers.lmnt_diffwave()
    if network is None:
        pytest.skip("diffwave is not installed")
    assert peers.count_parameters(network) == peers.PUBLISHED_PARAMETERS["DiffWave"]
