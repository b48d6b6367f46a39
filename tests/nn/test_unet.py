from dataclasses import replace

import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.nn.unet import UNetConfig
from tests.nn.latent_networks import UNET, noisy, randomised
from tests.refusals import refused


def test_coarse_positions_are_real_where_anything_below_them_is() -> None:
    finest = torch.tensor([[True] * 5 + [False] * 3])
    masks = [mask.tolist() for mask in randomised(UNET)._masks(finest) if mask is not None]
    assert masks == [finest.tolist(), [[True, True, True, False]], [[True, True]]]


def test_detail_goes_round_the_coarse_levels() -> None:
    net = randomised(UNET)
    for parameter in net.grow.parameters():
        torch.nn.init.zeros_(parameter)
    x, c_noise = noisy(8)
    assert not torch.allclose(net(x, c_noise), net(x.flip(2), c_noise), atol=1e-3)


def test_a_turned_circle_gives_a_turned_circle() -> None:
    net = randomised(replace(UNET, levels=(1, 2), blocks=2, kernel_size=5, text_width=0))
    # Without attention, which stays on a line, all that is left is convolutions.
    for name, parameter in net.named_parameters():
        if ".attention.output" in name:
            torch.nn.init.zeros_(parameter)
    x, c_noise = noisy(8)
    out = net(x, c_noise, circular=True)
    turned = net(x.roll(4, dims=2), c_noise, circular=True)
    torch.testing.assert_close(turned, out.roll(4, dims=2), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(net(x, c_noise)[:, :, 0], out[:, :, 0], atol=1e-3)


def test_a_circle_that_cannot_be_halved_is_refused() -> None:
    x, c_noise = noisy(7)
    refused(r"circle of 7 latents.*multiple of 4, such as 8", lambda: randomised(UNET)(x, c_noise, circular=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 30, "heads": 4}, "width is 60 with 4 heads; the width must be a multiple of 8"),
        ({"heads": 0}, "heads is 0"),
        ({"blocks": 0}, "blocks is 0"),
        ({"levels": ()}, r"levels has 0 entries"),
        ({"levels": (1, 0)}, r"levels is 0"),
        ({"attention_levels": 4}, "between 1 and 3"),
        ({"attention_levels": 0}, "attention_levels is 0"),
        ({"kernel_size": 2}, "kernel_size is 2; it must be odd"),
        ({"numbers": -1}, "numbers -1"),
        ({"classes": (0,)}, "at least 2 classes"),
        ({"rotary_base": 0.5}, r"rotary_base is 0\.5"),
    ],
)
def test_impossible_shapes_are_refused_with_their_numbers(change: dict[str, object], message: str) -> None:
    with pytest.raises(AudiodiffError, match=message):
        UNetConfig(**change)  # type: ignore[arg-type]
