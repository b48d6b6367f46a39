import math
from dataclasses import replace

import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.nn.transformer import DiT, DiTConfig
from tests.nn.latent_networks import DIT, condition, noisy, randomised


def test_the_order_of_tokens_is_the_text_encoders_business() -> None:
    net, cond = randomised(DIT), condition()
    x, c_noise = noisy(7)
    turned = cond._replace(tokens=cond.tokens.flip(1), mask=cond.mask.flip(1))
    torch.testing.assert_close(net(x, c_noise, turned), net(x, c_noise, cond))


def test_a_circle_reaches_from_the_end_to_the_beginning() -> None:
    net = randomised(DIT)
    x, c_noise = noisy(8)
    line, circle = net(x, c_noise), net(x, c_noise, circular=True)
    assert not torch.allclose(line[:, :, 0], circle[:, :, 0], atol=1e-3)


def test_double_precision_stays_double() -> None:
    net, cond = randomised(DIT).double(), condition()
    x, c_noise = noisy(7)
    out = net(x.double(), c_noise.double(), cond)
    assert out.dtype == torch.float64
    torch.testing.assert_close(out.float(), randomised(DIT)(x, c_noise, cond), rtol=1e-4, atol=1e-4)


def test_scaled_positions_are_other_positions() -> None:
    x, c_noise = noisy(7)
    stretched = replace(DIT, rotary_scale=0.5)
    assert not torch.allclose(randomised(DIT)(x, c_noise), randomised(stretched)(x, c_noise), atol=1e-3)


def test_the_shipped_shape_has_about_eleven_million_parameters() -> None:
    with torch.device("meta"):
        net = DiT(DiTConfig())
    assert 10e6 < sum(p.numel() for p in net.parameters()) < 12e6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 30, "heads": 4}, "width is 30 with 4 heads; the width must be a multiple of 8"),
        ({"width": 20, "heads": 4}, "even size"),
        ({"heads": 0}, "heads is 0"),
        ({"depth": 0}, "depth is 0"),
        ({"channels": 0}, "channels is 0"),
        ({"text_width": -1}, "text_width is -1"),
        ({"classes": (3, 1)}, "at least 2 classes"),
        ({"expansion": 0.0}, "expansion is 0.0"),
        ({"feedforward": "relu"}, "known: swiglu, gelu"),
        ({"modulation": "none"}, "known: shared, block"),
        ({"conv_kernel": 4}, "conv_kernel is 4; it must be odd"),
        ({"conv_kernel": -1}, "conv_kernel is -1"),
        ({"rotary_base": 1.0}, "rotary_base is 1.0"),
        ({"rotary_scale": math.inf}, "rotary_scale is inf"),
    ],
)
def test_impossible_shapes_are_refused_with_their_numbers(change: dict[str, object], message: str) -> None:
    with pytest.raises(AudiodiffError, match=message):
        DiTConfig(**change)  # type: ignore[arg-type]


def test_a_circle_takes_no_padding() -> None:
    x, c_noise = noisy(8)
    with pytest.raises(AudiodiffError, match="batch loops of one length"):
        randomised(DIT)(x, c_noise, None, torch.ones(2, 8, dtype=torch.bool), circular=True)
