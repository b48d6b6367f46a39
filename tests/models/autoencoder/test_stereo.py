import torch
from torch import Tensor

from audiodiff.models.autoencoder import StereoConfig
from audiodiff.models.autoencoder.stereo import StereoCoder


def examples(n: int = 200) -> list[Tensor]:
    """Parameters that move along three lines, never centred."""
    generator = torch.Generator().manual_seed(0)
    shape = torch.linspace(0.2, 1.0, 20)[:, None]
    moves = torch.randn(3, n, generator=generator)
    difference = 6.0 * shape * moves[0] + 2.0 * shape.flip(0) * moves[1] + 3.0
    return list(torch.stack([difference, torch.cos(0.8 * shape * (1.5 + 0.5 * moves[2]))]).split(50, dim=-1))


def test_all_numbers_are_exact_and_a_few_hold_what_moves_together() -> None:
    together = torch.cat(examples(), dim=-1)[None]
    for numbers, kept, error in ((40, 1.0 - 1e-6, 1e-3), (4, 0.995, 1.0)):
        coder = StereoCoder(StereoConfig(numbers=numbers))
        assert coder.fit(examples()) >= kept
        back = coder.decode(coder.encode(together))
        assert float((back[:, 0] - together[:, 0]).abs().mean()) < error
        assert float((back[:, 1] - together[:, 1]).abs().mean()) < 0.05 * error + 1e-4


def test_numbers_are_standardised_over_the_examples_and_their_mirror_images() -> None:
    coder = StereoCoder(StereoConfig(numbers=4))
    coder.fit(examples())
    mirror = torch.tensor([-1.0, 1.0])[:, None, None]
    numbers = coder.encode(torch.stack([torch.cat([x, x * mirror], dim=-1) for x in examples()]))
    torch.testing.assert_close(numbers.mean(dim=(0, 2)), torch.zeros(4), rtol=0, atol=0.02)
    torch.testing.assert_close(numbers.std(dim=(0, 2)), torch.ones(4), rtol=0, atol=0.02)


def test_neither_side_is_preferred_and_mono_stays_mono() -> None:
    coder = StereoCoder(StereoConfig(numbers=4))
    coder.fit(examples())
    example = examples()[0][None]
    mirrored = example * torch.tensor([-1.0, 1.0])[:, None, None]
    expected = coder.decode(coder.encode(example)) * torch.tensor([-1.0, 1.0])[:, None, None]
    torch.testing.assert_close(coder.decode(coder.encode(mirrored)), expected, rtol=0, atol=1e-3)
    mono = torch.stack([torch.zeros(20, 1), torch.ones(20, 1)])[None]
    torch.testing.assert_close(coder.decode(coder.encode(mono)), mono, rtol=0, atol=1e-3)


def test_any_numbers_are_some_stereo() -> None:
    coder = StereoCoder(StereoConfig(numbers=12))
    coder.fit(examples())
    wild = coder.decode(50.0 * torch.randn(2, 12, 30, generator=torch.Generator().manual_seed(0)))
    assert wild.isfinite().all()
    assert float(wild[:, 1].abs().max()) <= 1.0
