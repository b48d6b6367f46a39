"""Periodic activations without aliasing; the whole of BigVGAN is compared in tests/models/gan_vocoder."""

import math

import torch

from audiodiff.nn.periodic import AliasFreeSnake, Snake, kaiser_low_pass


def test_snake_is_the_published_formula() -> None:
    x = torch.linspace(-3.0, 3.0, 41)[None, None].expand(1, 2, -1)
    plain = Snake(2, own_beta=False, log_scale=False)
    with torch.no_grad():
        plain.alpha.copy_(torch.tensor([0.5, 2.0]))
    torch.testing.assert_close(plain(x)[0, 1], x[0, 1] + torch.sin(2.0 * x[0, 1]) ** 2 / 2.0)
    both = Snake(2, own_beta=True, log_scale=True)
    assert both.beta is not None
    with torch.no_grad():
        both.alpha.fill_(math.log(3.0))
        both.beta.fill_(math.log(0.5))
    torch.testing.assert_close(both(x)[0, 0], x[0, 0] + torch.sin(3.0 * x[0, 0]) ** 2 / 0.5)


def test_the_low_pass_keeps_what_is_constant_and_halves_the_band() -> None:
    taps = kaiser_low_pass()[0, 0].double()
    assert abs(float(taps.sum()) - 1.0) < 1e-6
    response = torch.fft.rfft(taps, 512).abs()
    assert float(response[: 256 // 4].min()) > 0.9
    assert float(response[256 * 4 // 5 :].max()) < 0.05


def test_harmonics_do_not_fold_back() -> None:
    """The square of a tone at 0.3 of the rate has a harmonic at 0.6, which plain snake folds to 0.4."""
    n = torch.arange(800)
    tone = torch.sin(2.0 * math.pi * 0.3 * n)[None, None]

    def folded(y: torch.Tensor) -> float:
        spectrum = torch.fft.rfft(y[0, 0, 80:720].double()).abs()
        return float(spectrum[round(0.4 * 640)] / spectrum[round(0.3 * 640)])

    plain, clean = Snake(1, own_beta=False, log_scale=False), AliasFreeSnake(1, own_beta=False, log_scale=False)
    with torch.no_grad():
        assert folded(plain(tone)) > 0.1
        assert folded(clean(tone)) < 0.35 * folded(plain(tone))
