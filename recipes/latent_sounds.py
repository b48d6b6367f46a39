"""Listening to a latent model while it trains: a few fixed captions, generated, decoded and vocoded."""

import dataclasses
from typing import NamedTuple

import torch
from torch import Tensor

from audiodiff.data.shards import LatentDataset
from audiodiff.diffusion.guidance import classifier_free, rescale
from audiodiff.diffusion.noise import positional_noise
from audiodiff.diffusion.samplers import SAMPLERS, sample
from audiodiff.diffusion.times import GRIDS
from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import load_checkpoint, read_config
from audiodiff.models.config import dataclass_from_dict
from audiodiff.models.find import find_vocoder
from audiodiff.models.mel_latent import MelLatent
from audiodiff.models.vocoder import Vocoder
from audiodiff.nn.condition import Condition
from audiodiff.signal import mel
from audiodiff.signal.beats import beat_positions
from audiodiff.training.logging import Board

from .latent_config import Config
from .vocoder import SamplingConfig as VocoderSampling
from .vocoder import vocode_mel


class Listener(NamedTuple):
    """A vocoder and how it is sampled."""

    vocoder: Vocoder
    sampling: VocoderSampling


def check_vocoder(config: Config) -> None:
    """Refuse a vocoder for another mel before hours are spent.

    Raises:
        AudiodiffError: `config.vocoder` is not a vocoder, or takes another mel than the model makes.
    """
    if not config.vocoder:
        return
    theirs = mel.from_dict(read_config(find_vocoder(config.vocoder), "vocoder")["model"]["mel"])
    ours = config.model.autoencoder.mel
    if theirs != ours:
        raise AudiodiffError(
            f"the vocoder {config.vocoder} takes another mel ({mel.describe(theirs)}) than the model makes "
            f"({mel.describe(ours)}); give a vocoder for that one."
        )


def open_listener(config: Config, device: torch.device) -> Listener | None:
    """Load the run's vocoder; None where there is none, or no sounds are wanted."""
    if not config.vocoder or not config.validation.sounds or not config.validation.clips:
        return None
    stated = read_config(find_vocoder(config.vocoder), "vocoder")["metadata"].get("sampling", {})
    known = ("steps", "sampler", "grid", "precision")
    sampling = dataclass_from_dict(VocoderSampling, {key: stated[key] for key in known if key in stated})
    vocoder = load_checkpoint(find_vocoder(config.vocoder), Vocoder).to(device)
    return Listener(vocoder, dataclasses.replace(sampling, steps=min(sampling.steps, config.validation.steps)))


def listening_clips(data: LatentDataset, count: int) -> list[int]:
    """Choose clips whose captions are prompts: spread over those that have captions, the same ones every time."""
    able = [number for number, clip in enumerate(data.clips) if clip.texts] or list(range(len(data)))
    stride = max(len(able) // max(count, 1), 1)
    return able[::stride][:count]


@torch.no_grad()
def show_sounds(
    model: MelLatent, listener: Listener, data: LatentDataset, config: Config, *, board: Board, step: int
) -> None:
    """Generate from captions; put the mels (the clip's own above, ours below) and our sounds on the board."""
    most = max(round(config.validation.seconds * model.latents_per_second), 1)
    device = next(model.parameters()).device
    for place, index in enumerate(listening_clips(data, config.validation.clips)):
        clip = data.clips[index]
        own = data.latent(index)[None, :, :most].to(device)
        states = data.states(index)[:1] or (torch.zeros(0, model.config.text_width),)
        cond = model.condition(states, [clip.numbers], [clip.classes])
        if model.config.beats and clip.beats:
            beats = torch.from_numpy(beat_positions(clip.beats, data.times(0, own.shape[-1])))
            cond = cond._replace(beats=beats[None].to(device))
        latents = generate(model, cond, config, own.shape[-1], seed=place)
        log_mels = [model.autoencoder.decode(each) for each in (own, latents)]
        sound = vocode_mel(listener.vocoder, log_mels[1], listener.sampling, seed=place)
        name = f"prompt {place + 1}"
        board.text(step, name, clip.texts[0] if clip.texts else "(none)")
        board.picture(step, name, torch.cat(log_mels))
        board.audio(step, name, sound, model.mel_spec.sample_rate)


def generate(model: MelLatent, cond: Condition, config: Config, n_latents: int, seed: int) -> Tensor:
    """Sample latents `[1, channels, n_latents]` as the checkpoint recommends, in few steps."""
    settings = config.sampling
    device = next(model.parameters()).device
    nothing = model.condition([torch.zeros(0, model.config.text_width)], [{}], [{}])
    denoise = classifier_free(
        model.denoiser(torch.bfloat16 if settings.precision == "bf16" else None),
        model.network.project_cond(cond),
        model.network.project_cond(nothing),
        settings.guidance,
        adjust=rescale(settings.rescale) if settings.rescale and settings.guidance > 1.0 else None,
    )

    def noise(draw: int) -> Tensor:
        return positional_noise(seed, draw, 0, n_latents, channels=model.channels)[None].to(device)

    times = GRIDS[settings.grid](model.process, min(settings.steps, config.validation.steps))
    start = model.process.prior(noise(0))
    return sample(SAMPLERS[settings.sampler](), denoise, model.process, start, times, noise)
