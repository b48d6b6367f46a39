import dataclasses
import math

import pytest
import torch
from torch import Tensor

from audiodiff.diffusion.samplers import sample
from audiodiff.diffusion.times import uniform_grid
from audiodiff.errors import AudiodiffError
from audiodiff.models.config import dataclass_from_dict, model_config_to_dict
from audiodiff.models.vocoder import (
    FrontEndConfig,
    PriorConfig,
    Vocoder,
    VocoderConfig,
)
from audiodiff.nn.wavenet import WaveNetConfig
from audiodiff.signal.mel import log_mel, preset
from tests.models.vocoder.cases import ANCHORED, CONFIGS, SPEC, make
from tests.refusals import refused

FRAMES = 12


def speech_like(batch: int = 2, frames: int = FRAMES) -> Tensor:
    """Harmonics of a gliding pitch with a little noise, `[batch, n_samples]`."""
    generator = torch.Generator().manual_seed(1)
    n_samples = frames * SPEC.hop_length
    seconds = torch.arange(n_samples) / SPEC.sample_rate
    pitch = 120.0 + 30.0 * torch.arange(batch)[:, None] + 20.0 * torch.sin(2 * math.pi * 3.0 * seconds)
    phase = 2 * math.pi * torch.cumsum(pitch / SPEC.sample_rate, dim=-1)
    tone = sum(torch.sin(k * phase) / k for k in range(1, 12))
    return 0.05 * tone + 0.002 * torch.randn(batch, n_samples, generator=generator)


def own_mel(model: Vocoder, waveform: Tensor) -> Tensor:
    return log_mel(waveform, model.mel_spec)[..., : waveform.shape[-1] // model.mel_spec.hop_length]


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("steps", [1, 3])
def test_every_family_samples_with_any_step_count(name: str, steps: int) -> None:
    from audiodiff.diffusion.samplers import SAMPLERS

    model = make(CONFIGS[name])
    waveform = speech_like()
    cond = model.condition(own_mel(model, waveform))
    noise = model.shape_noise(torch.randn(2, 1, waveform.shape[-1]), cond)
    denoiser = model.denoiser()
    for sampler in ("ddim", "heun", "dpmpp_2m", "ddpm"):
        with torch.no_grad():
            out = sample(
                SAMPLERS[sampler](),
                lambda x, t: denoiser(x, t, cond),
                model.process,
                model.process.prior(noise),
                uniform_grid(model.process, steps),
                noise=lambda draw: torch.randn(2, 1, waveform.shape[-1]),
            )
        assert out.shape == (2, 1, waveform.shape[-1])
        assert torch.isfinite(out).all()


@pytest.mark.parametrize("name", CONFIGS)
def test_gradients_reach_every_parameter(name: str) -> None:
    model = make(CONFIGS[name]).train()
    waveform = speech_like()
    t = torch.tensor([0.3, 1.0]) if model.process.t_max == 1 else torch.tensor([3.0, 20.5])
    loss = model.loss(waveform, torch.full((2,), 11025.0), t, torch.randn(2, 1, waveform.shape[-1]))
    assert loss.per_item.shape == (2,)
    loss.per_item.mean().backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


@pytest.mark.parametrize("name", CONFIGS)
def test_an_item_is_the_same_alone_and_in_a_batch(name: str) -> None:
    model = make(CONFIGS[name])
    waveform = speech_like(3)
    noise = torch.randn(3, 1, waveform.shape[-1])
    t = torch.tensor([0.7])
    with torch.no_grad():
        cond = model.condition(own_mel(model, waveform))
        together = model.denoiser()(model.shape_noise(noise, cond), t.expand(3), cond)
        cond = model.condition(own_mel(model, waveform[1:2]))
        alone = model.denoiser()(model.shape_noise(noise[1:2], cond), t, cond)
    torch.testing.assert_close(alone[0], together[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_stated_context_is_enough(name: str) -> None:
    """A change outside the context of a call does not reach the middle; one just beside it does."""
    model = make(CONFIGS[name])
    reach = model.context_frames
    frames, hop = 2 * reach + 3, SPEC.hop_length
    waveform = speech_like(1, frames)
    cond = model.condition(own_mel(model, waveform))
    x = torch.randn(1, 1, frames * hop)
    t = torch.tensor([0.6 if model.process.t_max == 1 else 20.0])
    middle = slice((reach + 1) * hop, (reach + 2) * hop)
    with torch.no_grad():
        before = model.denoiser()(x, t, cond)[..., middle]
        far = x.clone()
        far[..., : hop // 2] += 1.0
        near = x.clone()
        near[..., (reach + 1) * hop - 5] += 1.0
        torch.testing.assert_close(model.denoiser()(far, t, cond)[..., middle], before, rtol=0, atol=1e-6)
        assert (model.denoiser()(near, t, cond)[..., middle] - before).abs().max() > 1e-6


@pytest.mark.parametrize("name", CONFIGS)
def test_the_stated_context_of_the_condition_is_enough(name: str) -> None:
    model = make(CONFIGS[name])
    call, reach = model.context_frames, model.condition_context_frames
    frames, hop = 2 * (call + reach) + 3, SPEC.hop_length
    mel = own_mel(model, speech_like(1, frames))[..., :frames]
    changed = mel.clone()
    changed[..., 0] += 1.0
    x = torch.randn(1, 1, frames * hop)
    t = torch.tensor([0.6 if model.process.t_max == 1 else 20.0])
    middle = slice((call + reach + 1) * hop, (call + reach + 2) * hop)
    with torch.no_grad():
        before, after = (model.denoiser()(x, t, model.prepare(log_mel)) for log_mel in (mel, changed))
    torch.testing.assert_close(after[..., middle], before[..., middle], rtol=0, atol=1e-6)
    assert (after - before)[..., : 2 * hop].abs().max() > 1e-5


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_what_is_prepared_samples_as_what_is_trained(name: str, precision: torch.dtype) -> None:
    model = make(CONFIGS[name], std=0.1)
    waveform = speech_like(2, 40)
    mel = own_mel(model, waveform)
    t = torch.tensor([0.4, 0.9]) if model.process.t_max == 1 else torch.tensor([3.0, 20.5])
    x = waveform[:, None] + 0.02 * torch.randn(2, 1, waveform.shape[-1])
    with torch.no_grad():
        expected = model.denoiser(precision)(x, t, model.condition(mel))
        actual = model.denoiser(precision)(x, t, model.prepare(mel, precision))
    error = (actual - expected).square().mean().sqrt() / expected.square().mean().sqrt()
    assert error < (1e-5 if precision == torch.float32 else 2e-2)


@pytest.mark.parametrize("half_projections", [0, 3])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_what_is_prepared_has_the_projections_of_what_is_trained(half_projections: int, momentum: float) -> None:
    waveform = speech_like(1, 20)
    x, t = waveform[:, None], torch.tensor([0.4])
    plain = make(ANCHORED)
    model = plain.with_output(2, half_projections, momentum)
    mel = own_mel(model, waveform)
    with torch.no_grad():
        expected = model.denoiser()(x, t, model.condition(mel))
        actual = model.denoiser()(x, t, model.prepare(mel))
        other = plain.denoiser()(x, t, model.condition(mel))
    assert (actual - expected).abs().max() < 1e-5 * expected.abs().max()
    assert (other - expected).abs().max() > 1e-3
    assert model.context_frames == plain.context_frames + 4 * (1 + half_projections)


def test_matching_reaches_a_window_each_way_and_a_frame() -> None:
    plain = make(ANCHORED)
    assert plain.with_output(1, 0, 0.0, matching=2).context_frames == plain.context_frames + 2 * (4 + 1)


def test_what_is_prepared_follows_the_weights() -> None:
    model = make(ANCHORED)
    waveform = speech_like(1, 20)
    mel, x, t = own_mel(model, waveform), waveform[:, None], torch.tensor([0.4])
    with torch.no_grad():
        first = model.denoiser()(x, t, model.prepare(mel))
        assert torch.equal(model.denoiser()(x, t, model.prepare(mel)), first)
        for parameter in model.parameters():
            parameter.mul_(1.5)
        expected = model.denoiser()(x, t, model.condition(mel))
        torch.testing.assert_close(model.denoiser()(x, t, model.prepare(mel)), expected, rtol=1e-4, atol=1e-5)
        assert (expected - first).abs().max() > 1e-3


def test_the_prior_has_the_spectrum_of_the_mel() -> None:
    model = make(dataclasses.replace(ANCHORED, prior=PriorConfig("shaped")))
    generator = torch.Generator().manual_seed(0)
    waveform = speech_like(1, 80)
    mel = own_mel(model, waveform)
    cond = model.condition(mel)
    noise = torch.randn(16, 1, waveform.shape[-1], generator=generator)
    shaped = torch.cat([model.shape_noise(noise[i : i + 1], cond) for i in range(16)])
    assert cond.envelope is not None
    power = model.stft.spectrum(shaped[:, 0]).abs().square().mean(dim=(0, 2))
    expected = cond.envelope.square().mean(dim=(0, 2))
    # Inside the speech band the average over 1,280 frames lies within 3 dB of the envelope that shaped it.
    ratio_db = 10 * torch.log10(power / expected)[4:350]
    assert ratio_db.abs().max() < 3.0
    # White noise would be 20 dB off somewhere.
    white = model.stft.spectrum(noise[:, 0]).abs().square().mean(dim=(0, 2))
    assert (10 * torch.log10(white / expected)[4:350]).abs().max() > 20.0


def test_projections_pull_the_prior_towards_the_mel() -> None:
    waveform = speech_like(1, 40)
    noise = torch.randn(1, 1, waveform.shape[-1], generator=torch.Generator().manual_seed(0))
    distance = []
    for projections in (0, 2, 8):
        model = make(dataclasses.replace(ANCHORED, prior=PriorConfig("shaped", projections)))
        mel = own_mel(model, waveform)
        prior = model.shape_noise(noise, model.condition(mel))
        distance.append((own_mel(model, prior[:, 0]) - mel).abs().mean().item())
    assert distance[0] > 1.5 * distance[1] > 1.5 * distance[2] * 0.9


def test_another_prior_changes_the_start_and_not_the_weights() -> None:
    model = make(ANCHORED)
    other = model.with_prior(PriorConfig("shaped", projections=5, momentum=0.99))
    assert other.config == dataclasses.replace(ANCHORED, prior=PriorConfig("shaped", 5, 0.99))
    assert not other.training
    for key, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[key], value)
    waveform = speech_like(1)
    cond = model.condition(own_mel(model, waveform))
    noise = torch.randn(1, 1, waveform.shape[-1])
    assert not torch.allclose(model.shape_noise(noise, cond), other.shape_noise(noise, cond), atol=1e-3)
    x, t = torch.randn(1, 1, waveform.shape[-1]), torch.tensor([0.5])
    with torch.no_grad():
        assert torch.equal(model.denoiser()(x, t, cond), other.denoiser()(x, t, cond))


def test_the_anchored_head_keeps_to_the_mel_from_the_start() -> None:
    model = Vocoder(ANCHORED).eval()
    waveform = speech_like(1, 40)
    mel = own_mel(model, waveform)
    cond = model.condition(mel)
    x = model.shape_noise(torch.randn(1, 1, waveform.shape[-1]), cond)
    with torch.no_grad():
        out = model.denoiser()(x, torch.tensor([1.0]), cond)
    assert (own_mel(model, out[:, 0]) - mel).abs().mean() < 0.5


def test_what_lies_above_the_bandwidth_costs_nothing() -> None:
    model = make(ANCHORED)
    waveform = speech_like(1, 40)
    t, noise = torch.tensor([0.4]), torch.randn(1, 1, waveform.shape[-1])
    seconds = torch.arange(waveform.shape[-1]) / SPEC.sample_rate
    whistle = waveform + 0.01 * torch.sin(2 * math.pi * 10_000.0 * seconds)
    with torch.no_grad():

        def losses(bandwidth: float) -> tuple[float, float]:
            limit = torch.tensor([bandwidth])
            return tuple(model.loss(x, limit, t, noise).per_item.item() for x in (waveform, whistle))  # type: ignore[return-value]

        narrow, narrow_whistle = losses(8000.0)
        wide, wide_whistle = losses(11025.0)
    # A whistle at 10 kHz is outside the mel: only a loss that listens there can tell.
    assert abs(wide_whistle - wide) > 20 * abs(narrow_whistle - narrow)


def test_bf16_changes_the_network_but_not_the_spectra() -> None:
    model = make(ANCHORED)
    waveform = speech_like(1, 40)
    cond = model.condition(own_mel(model, waveform))
    x = model.shape_noise(torch.randn(1, 1, waveform.shape[-1]), cond)
    with torch.no_grad():
        full = model.denoiser()(x, torch.tensor([0.5]), cond)
        half = model.denoiser(torch.bfloat16)(x, torch.tensor([0.5]), cond)
    assert half.dtype == torch.float32
    error = (half - full).square().mean().sqrt() / full.square().mean().sqrt()
    assert 0 < error < 0.05


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_survives_json(name: str) -> None:
    import json

    plain = json.loads(json.dumps(model_config_to_dict(CONFIGS[name])))
    assert dataclass_from_dict(VocoderConfig, plain) == dataclass_from_dict(
        VocoderConfig, model_config_to_dict(CONFIGS[name])
    )
    assert model_config_to_dict(dataclass_from_dict(VocoderConfig, plain)) == plain


def test_the_mel_of_a_config_may_be_named() -> None:
    assert dataclass_from_dict(VocoderConfig, {"mel": "hifigan-22k"}).mel == preset("hifigan-22k")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"front_end": FrontEndConfig("folds", hop_length=48)}, "48 does not divide mel.hop_length 256"),
        ({"front_end": FrontEndConfig("stft", 512, 256)}, "needs the mel's own STFT"),
        ({"wavenet": WaveNetConfig(cond_channels=0)}, "cond_channels is 0"),
        (
            {
                "mel": dataclasses.replace(preset("vocos-24k"), hop_length=257),
                "front_end": FrontEndConfig("stft", 1024, 257),
            },
            "STFT frames centred",
        ),
        ({"prior": PriorConfig("white", projections=2)}, "prior.projections"),
        ({"prior": PriorConfig("shaped", renewals=2)}, "prior.renewals needs prior.projections"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(AudiodiffError, match=message):
        dataclasses.replace(ANCHORED, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", ["head", "prior", "metric", "none"])
def test_a_centred_mel_is_half_a_hop_before_the_state(change: str) -> None:
    """Frame i of the mel is centred on sample i * hop: that is frame i of the STFT of a state half a hop later."""
    config = CONFIGS["diffwave"]
    assert config.mel.centring == "center"
    if change == "head":
        config = dataclasses.replace(ANCHORED, mel=preset("tacotron2-22k"))
    if change == "prior":
        config = dataclasses.replace(config, prior=PriorConfig("shaped"))
    if change == "metric":
        config = dataclasses.replace(config, loss=dataclasses.replace(config.loss, metric="spectral"))
    assert config.delay == (0 if change == "none" else 128)
    waveform = speech_like(1, 30)
    state = torch.nn.functional.pad(waveform, (config.delay, 0))
    of_state, of_waveform = log_mel(state, config.state_mel), log_mel(waveform, config.mel)
    inside = slice(4, 26)  # the ends are mirrored elsewhere
    torch.testing.assert_close(of_state[..., inside], of_waveform[..., inside])
    assert ANCHORED.delay == 0
    assert ANCHORED.state_mel == ANCHORED.mel


def test_diffwave_needs_its_mel_as_condition() -> None:
    with pytest.raises(AudiodiffError, match="cond_channels is 0; on samples"):
        dataclasses.replace(CONFIGS["diffwave"], wavenet=WaveNetConfig(cond_channels=0))


def test_diffwave_needs_a_hop_that_its_upsampler_can_make() -> None:
    spec = dataclasses.replace(SPEC, n_fft=1025, hop_length=255, win_length=1024)
    refused("hop of 255", lambda: VocoderConfig(spec, FrontEndConfig("samples"), WaveNetConfig(cond_channels=80)))


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("wavenet.layers", 10**9),
        ("wavenet.channels", 20_000),
        ("wavenet.dilation_cycle", 64),
        ("wavenet.embedding_steps", 10**9),
        ("mel.sample_rate", 10**12),
        ("mel.n_fft", 2**40),
        ("mel.n_mels", 10**6),
        ("mel.f_max", float("inf")),
        ("mel.scale", float("nan")),
        ("front_end.hop_length", 0),
        ("head.input_projections", 10**9),
        ("head.mel_std", float("inf")),
        ("prior.projections", -1),
        ("prior.momentum", float("nan")),
        ("prior.half_projections", 10**18),
        ("loss.magnitude", float("inf")),
    ],
)
def test_numbers_that_nobody_can_mean_are_refused_before_anything_is_built(path: str, number: float) -> None:
    values = model_config_to_dict(ANCHORED)
    section, key = path.split(".")
    values[section][key] = number
    refused(rf"{key} is ", lambda: dataclass_from_dict(VocoderConfig, values))
