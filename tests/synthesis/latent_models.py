"""A tiny latent model with its vocoder, both with random weights that do something."""

from dataclasses import replace
from pathlib import Path

import torch

from audiodiff.models.autoencoder import MelAutoencoderConfig, StereoConfig
from audiodiff.models.checkpoint import save_checkpoint
from audiodiff.models.mel_latent import CLASSES, KEY, MelLatent, MelLatentConfig, PriorConfig
from audiodiff.models.vocoder import Vocoder, VocoderConfig
from audiodiff.nn.autoencoder import AutoencoderConfig
from audiodiff.nn.transformer import DiTConfig
from audiodiff.nn.wavenet import WaveNetConfig
from audiodiff.signal.mel import preset
from audiodiff.signal.stereo import analyse

RATE = 22050
LATENTS_PER_SECOND = RATE / (256 * 4)


def latent_model(seed: int = 0) -> MelLatent:
    torch.manual_seed(seed)
    model = MelLatent(
        MelLatentConfig(
            autoencoder=MelAutoencoderConfig(
                mel=preset("hifigan-22k"),
                network=AutoencoderConfig(width=16, latent_channels=4, blocks=(1, 0, 1)),
            ),
            dit=DiTConfig(width=16, depth=1, heads=2, conv_kernel=3),
            beats=True,
            known=True,
            classes=(*CLASSES, KEY),
        )
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.15)
    return model.eval()


def write_latent_model(folder: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    vocoder = Vocoder(
        VocoderConfig(
            mel=preset("hifigan-22k"),
            wavenet=WaveNetConfig(channels=8, layers=2, dilation_cycle=2, cond_channels=8, embedding_width=8),
        )
    )
    sampling = {"steps": 3, "sampler": "dpmpp_2m", "guidance": 2.0, "rescale": 0.5, "window_seconds": 4.0}
    save_checkpoint(folder, latent_model(seed), {"sampling": sampling, "description": "tiny"})
    save_checkpoint(folder / "vocoder", vocoder, {"sampling": {"steps": 1, "sampler": "ddim"}})
    return folder


def write_stereo_model(folder: Path) -> Path:
    """The same model, but for latents that tell two channels apart."""
    write_latent_model(folder)
    config = latent_model().config
    torch.manual_seed(0)
    model = MelLatent(replace(config, autoencoder=replace(config.autoencoder, stereo=StereoConfig(numbers=6))))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.15)
    spec, coder = model.autoencoder.stereo_spec, model.autoencoder.stereo
    assert spec is not None
    assert coder is not None
    common, other = 0.1 * torch.randn(2, 2 * RATE)
    coder.fit([analyse(torch.stack([0.5 * common + other, common]), spec)])
    save_checkpoint(folder, model.eval(), {"sampling": {"steps": 3, "sampler": "dpmpp_2m", "guidance": 2.0}})
    return folder


def write_chord_model(folder: Path) -> Path:
    """The same model, but one that takes chords."""
    write_latent_model(folder)
    torch.manual_seed(1)
    model = MelLatent(replace(latent_model().config, chords=True))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.15)
    save_checkpoint(folder, model.eval(), {"sampling": {"steps": 3, "sampler": "dpmpp_2m", "guidance": 2.0}})
    return folder


def write_prior_model(folder: Path) -> Path:
    """The same model, but one that takes embeddings and chords and has a prior."""
    write_latent_model(folder)
    torch.manual_seed(2)
    prior = PriorConfig(width=16, depth=1, heads=2)
    model = MelLatent(replace(latent_model().config, chords=True, embedding=True, prior=prior))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.15)
    model.fit_embedding(torch.randn(20, 8, generator=torch.Generator().manual_seed(0)))
    sampling = {"steps": 3, "sampler": "dpmpp_2m", "guidance": 2.0, "window_seconds": 4.0}
    save_checkpoint(folder, model.eval(), {"sampling": sampling})
    return folder
