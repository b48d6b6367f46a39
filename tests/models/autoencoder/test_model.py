import json
from dataclasses import replace

import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.models.autoencoder import (
    MelAutoencoder,
    MelAutoencoderConfig,
    StereoConfig,
)
from audiodiff.models.config import dataclass_from_dict, model_config_to_dict
from audiodiff.nn.autoencoder import AutoencoderConfig
from audiodiff.signal import mel
from tests.refusals import refused

CONFIG = MelAutoencoderConfig(
    mel=mel.preset("hifigan-22k"), network=AutoencoderConfig(width=32, latent_channels=6, blocks=(1, 0, 1))
)


def model() -> MelAutoencoder:
    torch.manual_seed(0)
    return MelAutoencoder(CONFIG)


def mels(batch: int = 4, n_frames: int = 32, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    slope = torch.linspace(0.0, -6.0, 80)[:, None]
    return slope + torch.randn(batch, 80, n_frames, generator=generator)


def test_the_config_survives_json() -> None:
    assert dataclass_from_dict(MelAutoencoderConfig, json.loads(json.dumps(model_config_to_dict(CONFIG)))) == CONFIG
    with pytest.raises(AudiodiffError, match="unknown key"):
        dataclass_from_dict(MelAutoencoderConfig, {**model_config_to_dict(CONFIG), "depth": 3})


@pytest.mark.parametrize("n_frames", [1, 5, 32])
def test_any_number_of_frames_is_encoded(n_frames: int) -> None:
    latents = model().encode(mels(2, n_frames))
    assert latents.shape == (2, 6, -(-n_frames // 4))
    assert model().decode(latents).shape == (2, 80, 4 * latents.shape[-1])


def test_statistics_standardise_mels_and_latents() -> None:
    autoencoder = model()
    examples = mels(16, 64)
    autoencoder.fit_mel_statistics(examples)
    torch.testing.assert_close(autoencoder.mel_mean, torch.linspace(0.0, -6.0, 80), rtol=0, atol=0.2)
    autoencoder.fit_latent_statistics(examples)
    latents = autoencoder.encode(examples)
    torch.testing.assert_close(latents.mean(dim=(0, 2)), torch.zeros(6), rtol=0, atol=1e-4)
    torch.testing.assert_close(latents.std(dim=(0, 2)), torch.ones(6), rtol=0, atol=1e-3)


def test_standardised_latents_decode_to_what_the_decoder_makes_of_raw_ones() -> None:
    autoencoder = model()
    examples = mels()
    before = autoencoder.decode(autoencoder.encode(examples))
    autoencoder.fit_latent_statistics(examples)
    torch.testing.assert_close(autoencoder.decode(autoencoder.encode(examples)), before, rtol=0, atol=1e-4)


def test_decoded_mels_stay_within_what_sound_can_give() -> None:
    low, high = mel.value_range(CONFIG.mel)
    decoded = model().decode(1e4 * torch.randn(1, 6, 5)).detach()
    assert low <= float(decoded.min())
    assert float(decoded.max()) <= high


def test_training_lowers_the_loss_and_its_parts_are_named() -> None:
    autoencoder = model()
    batch = mels()
    autoencoder.fit_mel_statistics(batch)
    optimizer = torch.optim.AdamW(autoencoder.parameters(), 3e-3)
    noise = torch.randn(4, 6, 8, generator=torch.Generator().manual_seed(1))
    losses = []
    for _ in range(25):
        loss = autoencoder.loss(batch, noise)
        optimizer.zero_grad()
        loss.per_item.mean().backward()
        optimizer.step()
        losses.append(float(loss.per_item.detach().mean()))
    assert losses[-1] < 0.9 * losses[0]
    assert set(loss.terms) == {"level", "change", "kl", "log_mel_l1"}
    settings = CONFIG.loss
    total = loss.terms["level"] + settings.change * loss.terms["change"] + settings.kl * loss.terms["kl"]
    torch.testing.assert_close(total, loss.per_item.detach().mean(), rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_the_noise_of_the_latents_has_their_standard_deviation() -> None:
    autoencoder = model()
    log_mel, noise = mels(), torch.randn(4, 6, 8, generator=torch.Generator().manual_seed(1))
    target = (log_mel - autoencoder.mel_mean[:, None]) / autoencoder.mel_std[:, None]
    mean, log_variance = autoencoder.encoder(target)
    assert float(log_variance.std()) > 0.01
    latents = mean + noise * log_variance.exp().sqrt()
    expected = autoencoder.decoder(latents) * autoencoder.mel_std[:, None] + autoencoder.mel_mean[:, None]
    torch.testing.assert_close(autoencoder.loss(log_mel, noise).log_mel, expected, rtol=0, atol=1e-4)


def test_bands_above_a_recordings_limit_do_not_count() -> None:
    autoencoder = model()
    batch = mels()
    autoencoder.fit_mel_statistics(batch)
    noise = torch.randn(4, 6, 8, generator=torch.Generator().manual_seed(1))
    nyquist = torch.full((4,), CONFIG.mel.sample_rate / 2)
    plain = autoencoder.loss(batch, noise)
    torch.testing.assert_close(autoencoder.loss(batch, noise, nyquist).per_item, plain.per_item)

    limit = nyquist.clone()
    limit[0] = 3_000.0
    heard = autoencoder.heard(batch, limit)
    assert 0 < int((heard[0] == 0.0).sum()) < 80
    assert bool((heard[1:] == 1.0).all())
    torch.testing.assert_close(heard.mean(dim=1), torch.ones(4, 1))
    # No gradient reaches the decoder by what lies above the limit; other clips are heard in full.
    made = torch.autograd.grad(autoencoder.loss(batch, noise, limit).per_item[0], last_weights(autoencoder))[0]
    silent = heard[0, :, 0] == 0.0
    assert float(made[silent].abs().max()) == 0.0
    assert float(made[~silent].abs().max()) > 0.0
    torch.testing.assert_close(autoencoder.loss(batch, noise, limit).per_item[1:], plain.per_item[1:])


def last_weights(autoencoder: MelAutoencoder) -> torch.Tensor:
    """Weights of the decoder's last layer, a row for each mel band."""
    return [weight for weight in autoencoder.decoder.parameters() if weight.dim() == 3 and len(weight) == 80][-1]


def test_a_wall_does_not_count_in_the_statistics() -> None:
    autoencoder, full = model(), mels(16, 64)
    autoencoder.fit_mel_statistics(full)
    mean, std = autoencoder.mel_mean.clone(), autoencoder.mel_std.clone()
    limit = torch.full((32,), CONFIG.mel.sample_rate / 2)
    limit[16:] = 3_000.0
    walled = torch.where(autoencoder.heard(full, limit[16:]) > 0.0, full, torch.tensor(-11.5))
    autoencoder.fit_mel_statistics(torch.cat([full, walled]), limit)
    torch.testing.assert_close(autoencoder.mel_mean, mean, rtol=0, atol=1e-4)
    torch.testing.assert_close(autoencoder.mel_std, std, rtol=1e-2, atol=0)
    # Nobody holds the upper bands: then they are as empty as they are.
    autoencoder.fit_mel_statistics(walled, limit[16:])
    assert float(autoencoder.mel_mean[-1]) == pytest.approx(-11.5)
    assert bool(autoencoder.mel_std.isfinite().all())


def test_crops_that_are_no_whole_number_of_latents_are_refused() -> None:
    refused("multiple of the 4 frames", lambda: model().loss(mels(1, 30), torch.zeros(1, 6, 7)))


def test_stereo_is_further_channels_of_the_same_latents() -> None:
    mono, log_mel = model(), mels()
    stereo = MelAutoencoder(replace(CONFIG, stereo=StereoConfig(numbers=5)))
    stereo.load_state_dict(mono.state_dict(), strict=False)
    assert (mono.latent_channels, stereo.latent_channels) == (6, 11)
    assert mono.stereo_parameters(mono.encode(log_mel)) is None
    assert stereo.stereo is not None
    parameters = torch.rand(4, 2, 20, 3, generator=torch.Generator().manual_seed(1))
    stereo.stereo.fit(parameters)
    latents = stereo.encode(log_mel, parameters)
    assert torch.equal(latents[:, :6], mono.encode(log_mel))
    assert torch.equal(stereo.decode(latents), mono.decode(latents[:, :6]))
    assert torch.equal(latents[:, :, 2:3].expand(-1, -1, 6)[:, 6:], latents[:, 6:, 2:])  # the last one goes on
    middle = stereo.stereo_parameters(stereo.encode(log_mel))
    assert middle is not None
    torch.testing.assert_close(middle[:, 0], torch.zeros(4, 20, 8), rtol=0, atol=1e-3)
    torch.testing.assert_close(middle[:, 1], torch.ones(4, 20, 8), rtol=0, atol=1e-5)


def test_configs_written_before_stereo_are_mono() -> None:
    values = model_config_to_dict(CONFIG)
    del values["stereo"]
    assert dataclass_from_dict(MelAutoencoderConfig, values) == CONFIG
    refused("stereo.numbers is 41", lambda: StereoConfig(numbers=41))
