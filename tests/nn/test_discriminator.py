import math

import pytest
import torch

from audiodiff.nn.discriminator import (
    Discriminator,
    DiscriminatorConfig,
    Judgement,
    MelDiscriminator,
    discriminator_loss,
    generator_loss,
)
from tests.refusals import refused

RATE = 22050
FULL_BAND = torch.full((2,), RATE / 2)


def judge(channels: int = 4) -> Discriminator:
    torch.manual_seed(0)
    return Discriminator(DiscriminatorConfig(((512, 128), (256, 64)), channels=channels, layers=2), RATE)


def constant(value: float) -> list[Judgement]:
    return [Judgement(torch.full((2, 3), value), (torch.full((2, 1, 2, 2), value),))]


def test_the_losses_have_their_textbook_values() -> None:
    assert discriminator_loss(constant(1.0), constant(0.0)).item() == 0.0
    assert discriminator_loss(constant(0.0), constant(1.0)).item() == pytest.approx(2.0)
    adversarial, matching = generator_loss(constant(2.0), constant(1.0))
    assert adversarial.item() == 0.0
    assert matching.item() == pytest.approx(0.5)
    assert generator_loss(constant(1.0), constant(0.0))[0].item() == pytest.approx(1.0)


@pytest.mark.slow
def test_it_learns_to_tell_two_sounds_apart() -> None:
    model = judge()
    seconds = torch.arange(4096) / RATE
    tone = 0.1 * torch.sin(2 * math.pi * 440.0 * seconds).expand(2, -1)
    noise = 0.1 * torch.randn(2, 4096, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    first = None
    for _ in range(40):
        loss = discriminator_loss(model(tone, FULL_BAND), model(noise, FULL_BAND))
        first = loss.item() if first is None else first
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert first is not None
    assert loss.item() < 0.3 * first


def test_what_lies_above_the_bandwidth_is_not_seen() -> None:
    model = judge()
    seconds = torch.arange(4096) / RATE
    low = 0.1 * torch.sin(2 * math.pi * 500.0 * seconds).expand(2, -1)
    both = low + 0.05 * torch.sin(2 * math.pi * 10_000.0 * seconds)
    limit = torch.full((2,), 7000.0)
    hidden = (model(low, limit)[0].scores - model(both, limit)[0].scores).abs().max()
    seen = (model(low, FULL_BAND)[0].scores - model(both, FULL_BAND)[0].scores).abs().max()
    assert hidden < 0.1 * seen


def test_the_generator_gets_a_finite_gradient_even_from_silence() -> None:
    model = judge()
    for waveform in (torch.zeros(2, 4096), 0.1 * torch.randn(2, 4096, generator=torch.Generator().manual_seed(1))):
        fake = waveform.clone().requires_grad_()
        adversarial, matching = generator_loss(model(torch.randn(2, 4096), FULL_BAND), model(fake, FULL_BAND))
        (adversarial + matching).backward()
        assert fake.grad is not None
        assert torch.isfinite(fake.grad).all()


def test_matching_does_not_move_the_real_side() -> None:
    model = judge()
    real = torch.randn(2, 4096).requires_grad_()
    generator_loss(model(real, FULL_BAND), model(torch.randn(2, 4096), FULL_BAND))[1].backward()
    assert real.grad is None or not real.grad.any()


def test_impossible_shapes_are_refused() -> None:
    refused("n_fft >= 64", lambda: DiscriminatorConfig(((32, 8),)))
    refused("channels 0", lambda: DiscriminatorConfig(channels=0))


def test_mels_are_told_apart_but_for_bands_that_are_not_heard() -> None:
    torch.manual_seed(0)
    model = MelDiscriminator(8, layers=2)
    generator = torch.Generator().manual_seed(0)
    sharp = torch.randn(2, 32, 16, generator=generator)
    smooth = torch.nn.functional.avg_pool1d(sharp, 5, stride=1, padding=2)
    everything = torch.ones(2, 32, 1)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    losses = []
    for _ in range(40):
        loss = discriminator_loss(model(sharp, everything), model(smooth, everything))
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert losses[-1] < 0.3 * losses[0]
    fine, coarse = model(sharp, everything)
    assert fine.scores.shape[1] > coarse.scores.shape[1]

    lower = everything.clone()
    lower[:, 16:] = 0.0
    changed = sharp.clone()
    changed[:, 16:] += 3.0
    for one, other in zip(model(sharp, lower), model(changed, lower), strict=True):
        assert torch.equal(one.scores, other.scores)
    assert not torch.equal(model(sharp, everything)[0].scores, model(changed, everything)[0].scores)
