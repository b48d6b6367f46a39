import math

import pytest
import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.models.voice import Draws, VoiceConfig
from audiodiff.models.voice.frames import frames_of, harmonic_table, pitch_features
from audiodiff.signal.mel_spec import preset
from audiodiff.text.phones import SYMBOL_ID
from tests.models.voice.cases import make

IDS = torch.tensor([[SYMBOL_ID[symbol] for symbol in ("<start>", "HH", "AY1", "<.>", "<end>")], [1, 20, 30, 8, 0]])
DURATIONS = torch.tensor([[3, 5, 8, 0, 4], [2, 6, 7, 1, 0]])


def batch(seed: int = 0) -> tuple[tuple[Tensor, ...], Draws]:
    """Two utterances of 20 and 16 frames, and the draws of a step."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*sizes: int) -> Tensor:
        return torch.randn(*sizes, generator=generator)

    frames = (IDS, DURATIONS, 7.5 + 0.1 * normal(2, 20), (normal(2, 20) > 0).float(), normal(2, 20, 80) - 5.0)
    within = torch.rand(2, 5, generator=generator) - 0.5
    draws = Draws(torch.tensor([[0.3] * 3, [0.8] * 3]), within, normal(2, 5, 1), normal(2, 20, 2), normal(2, 20, 80))
    return (*frames, torch.tensor([0, 0])), draws


def test_frames_know_their_symbol_and_their_place_in_it() -> None:
    frames = frames_of(DURATIONS)
    assert frames.symbol[0].tolist() == [0] * 3 + [1] * 5 + [2] * 8 + [4] * 4
    assert frames.symbol[1, :16].tolist() == [0] * 2 + [1] * 6 + [2] * 7 + [3]
    assert frames.mask[..., 0].sum(dim=1).tolist() == [20, 16]
    share = frames.place[0, :, 0] + 0.5
    assert share[3:8].tolist() == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])
    assert torch.isfinite(frames.place).all()


def test_the_pattern_of_harmonics_is_that_of_a_pulse_train() -> None:
    spec = preset("hifigan-22k")
    table = harmonic_table(spec, 65.0, 500.0)
    assert table.shape == (256, 80)
    assert torch.isfinite(table).all()
    hertz = 300.0
    features = pitch_features(
        torch.full((1, 2), math.log2(hertz)), torch.tensor([[1.0, 0.0]]), table, spec.f_min + 65.0, 500.0
    )
    assert features[0, 1].abs().max() == 0  # unvoiced
    # bands of 37 Hz: those at multiples of 300 Hz stand out above those between
    peaks = [features[0, 0, round(n * hertz / 37.3) - 1].item() for n in (1, 2, 3)]
    valleys = [features[0, 0, round((n + 0.5) * hertz / 37.3) - 1].item() for n in (1, 2, 3)]
    assert min(peaks) > max(valleys) + 1.0


def test_the_loss_teaches_every_weight_and_padding_has_no_part_in_it() -> None:
    model, (parts, draws) = make().train(), batch()
    result = model.loss(*parts, draws)
    result.per_item.mean().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    assert set(result.terms) == {"mean", "durations", "f0", "residual", "mean_l1"}
    model.eval()
    before = model.loss(*parts, draws).per_item
    for part in (*parts[2:5], draws.mel):
        part[1, 16:] = 7.0
    draws.durations[1, 4], draws.within[1, 4] = 7.0, 0.4
    assert torch.allclose(model.loss(*parts, draws).per_item, before, atol=1e-5)


def test_the_flow_of_the_residual_learns_in_its_deviations_and_teaches_the_mean_nothing() -> None:
    model, (parts, draws) = make().train(), batch()
    before = model.residual_variance.clone()
    model.loss(*parts, draws)
    assert not torch.equal(model.residual_variance, before)
    states, mask = model.encode(parts[0], parts[5])
    frames = frames_of(parts[1])
    mean, condition = model.decode(model.expand(states, frames), frames, parts[2], parts[3])
    assert mean.requires_grad
    assert not condition.requires_grad
    assert mask.sum() == 9


def test_states_of_durations_pitch_and_mel_turn_back() -> None:
    model, (parts, _) = make(), batch()
    ids, durations, log_hertz, voiced, log_mel, speaker = parts
    state = model.durations_to_state(durations, ids, torch.zeros(2, 5))
    assert torch.allclose(model.durations_of_state(state, ids), durations.float(), atol=1e-4)
    found, spoken = model.f0_of_state(model.f0_to_state(log_hertz, voiced, speaker), speaker)
    assert torch.allclose(found, log_hertz, atol=1e-5)
    assert torch.equal(spoken, voiced)
    mean = torch.randn(2, 20, 80)
    residual = model.residual_of_mel(log_mel.transpose(1, 2), mean)
    assert torch.allclose(model.mel_of_states(mean, residual), log_mel.transpose(1, 2), atol=1e-4)


def test_noise_of_pitch_is_slow_and_of_unit_power() -> None:
    white = torch.randn(64, 200, 2, generator=torch.Generator().manual_seed(0))
    noise = make().f0_noise(white)
    assert torch.equal(noise[..., 1], white[..., 1])
    height = noise[..., 0]
    assert height[:, [0, 100, 199]].std(dim=0).tolist() == pytest.approx([1.0] * 3, abs=0.25)
    assert (height[:, 10:] * height[:, :-10]).mean().item() > 0.4


def test_statistics_come_from_the_corpus() -> None:
    model = make(("ann", "bob"))
    log_mel = torch.randn(400, 80) * 2.0 - 4.0
    ids, durations = IDS.flatten()[:5].repeat(50), DURATIONS.flatten()[:5].repeat(50)
    model.fit_statistics(log_mel, ids, durations)
    model.fit_pitch(torch.tensor([7.0, 8.0, 9.0]), 1)
    assert torch.allclose(model.mel_mean, log_mel.mean(dim=0))
    assert model.duration_mean[SYMBOL_ID["AY1"]].item() == pytest.approx(math.log(9), abs=0.1)
    assert model.duration_mean[SYMBOL_ID["<.>"]].item() < 0.3
    assert model.f0_mean.tolist() == [7.5, 8.0]


def test_speakers_differ() -> None:
    model = make(("ann", "bob"))
    states = [model.encode(IDS[:1], torch.tensor([number]))[0] for number in (0, 1)]
    assert not torch.allclose(*states)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"f0_min": 600.0}, "f0_min < f0_max"),
        ({"width": 20, "heads": 4}, "multiple of twice"),
        ({"speakers": ("ann", "ann")}, "twice"),
        ({"dropout": 1.0}, r"model\.dropout is 1\.0"),
        ({"process": {"name": "magic"}}, "magic"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(AudiodiffError, match=message):
        VoiceConfig(**changes)  # type: ignore[arg-type]
