import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.nn.autoencoder import AutoencoderConfig, MelDecoder, MelEncoder

SMALL = AutoencoderConfig(width=16, latent_channels=4, strides=(2, 3), blocks=(1, 1, 1))


def networks(config: AutoencoderConfig = SMALL) -> tuple[MelEncoder, MelDecoder]:
    torch.manual_seed(0)
    return MelEncoder(20, config), MelDecoder(20, config)


@pytest.mark.parametrize("n_latents", [1, 2, 11])
@pytest.mark.parametrize("circular", [False, True])
def test_shapes_follow_the_strides(n_latents: int, circular: bool) -> None:
    encoder, decoder = networks()
    mean, log_variance = encoder(torch.randn(2, 20, 6 * n_latents), circular=circular)
    assert mean.shape == log_variance.shape == (2, 4, n_latents)
    assert decoder(mean, circular=circular).shape == (2, 20, 6 * n_latents)


def test_every_parameter_is_used() -> None:
    encoder, decoder = networks()
    mean, log_variance = encoder(torch.randn(2, 20, 24))
    (decoder(mean) + log_variance.mean()).square().mean().backward()
    for module in (encoder, decoder):
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, name
            assert float(parameter.grad.abs().max()) > 0, name


def test_nothing_beyond_the_stated_context_matters() -> None:
    encoder, decoder = networks()
    x = torch.randn(1, 20, 60 * SMALL.frames_per_latent)
    changed = x.clone()
    changed[..., -1] += 10.0
    last = x.shape[-1] - 1
    for values, others, rate in (
        (encoder(x)[0], encoder(changed)[0], SMALL.frames_per_latent),
        (decoder(encoder(x)[0]), decoder(encoder(changed)[0]), 1),
    ):
        moved = (values - others).abs().amax(dim=(0, 1)) > 1e-6
        first = int(moved.nonzero()[0]) * rate
        reach = SMALL.context if rate > 1 else 2 * SMALL.context
        assert last - first <= reach + SMALL.frames_per_latent
    assert bool(moved.any())


def test_a_loop_may_begin_anywhere() -> None:
    encoder, decoder = networks()
    x = torch.randn(1, 20, 24)
    rolled = x.roll(12, dims=-1)
    mean, _ = encoder(x, circular=True)
    mean_rolled, _ = encoder(rolled, circular=True)
    torch.testing.assert_close(mean_rolled, mean.roll(2, dims=-1), rtol=0, atol=1e-5)
    torch.testing.assert_close(
        decoder(mean_rolled, circular=True), decoder(mean, circular=True).roll(12, dims=-1), rtol=0, atol=1e-5
    )
    straight, _ = encoder(rolled)
    assert float((straight - mean_rolled).detach().abs().max()) > 1e-3  # without it, the ends are ends


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "width is 0"),
        ({"strides": (2,)}, "1 \\+ 1 = 2"),
        ({"strides": (0, 2)}, "strides is 0; expected 1 to 64"),
    ],
)
def test_impossible_shapes_are_refused(change: dict[str, object], message: str) -> None:
    values = {"width": 16, "strides": (2, 2), "blocks": (1, 1, 1), **change}
    with pytest.raises(AudiodiffError, match=message):
        AutoencoderConfig(**values)  # type: ignore[arg-type]
