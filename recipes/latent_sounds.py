"""Listening to a latent model while it trains: a few fixed captions, generated as a user's prompts are."""

from pathlib import Path

import torch

from audiodiff.data.shards import LatentDataset
from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import read_config
from audiodiff.models.find import VOCODER_FOLDER, find_vocoder
from audiodiff.models.kinds import KINDS
from audiodiff.signal import mel
from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.load import load_generator, load_vocoder
from audiodiff.synthesis.settings import MIN_SECONDS
from audiodiff.training.logging import Board

from .latent_config import Config


def check_vocoder(config: Config) -> None:
    """Refuse a vocoder for another mel, or one that cannot be used, before hours are spent.

    Raises:
        AudiodiffError: `config.vocoder` is not a vocoder, is damaged, or takes another mel than the model makes.
    """
    if not config.vocoder:
        return
    theirs = mel.from_dict(read_config(find_vocoder(config.vocoder), *KINDS.in_place_of("vocoder"))["model"]["mel"])
    ours = config.model.autoencoder.mel
    if theirs != ours:
        raise AudiodiffError(
            f"the vocoder {config.vocoder} takes another mel ({mel.describe(theirs)}) than the model makes "
            f"({mel.describe(ours)}); give a vocoder for that one."
        )
    load_vocoder(find_vocoder(config.vocoder), device="cpu")


def listening_clips(data: LatentDataset, count: int) -> list[int]:
    """Choose clips whose captions are prompts: spread over those that have captions, the same ones every time."""
    able = [number for number, clip in enumerate(data.clips) if clip.texts] or list(range(len(data)))
    stride = max(len(able) // max(count, 1), 1)
    return able[::stride][:count]


def show_sounds(folder: Path, data: LatentDataset, config: Config, *, device: str, board: Board, step: int) -> None:
    """Generate from captions; put the mels (the clip's own above, ours below) and our sounds on the board.

    Args:
        folder: the model's checkpoint, with a vocoder.
        data: the clips of the validation split.
        config: of the run.
        device: where to generate.
        board: where it goes; what could not be generated is reported there, and is no reason to stop training.
        step: of the training.
    """
    generator = load_generator(folder, device=device)
    rate, most = generator.sample_rate, max(round(config.validation.seconds * generator.model.latents_per_second), 1)
    stated = read_config(folder / VOCODER_FOLDER)["metadata"].get("sampling", {}).get("steps", config.validation.steps)
    vocoder_steps = min(stated, config.validation.steps)
    numbers = {number.name for number in config.model.numbers}
    classes = {kind.name for kind in config.model.classes}
    for place, index in enumerate(listening_clips(data, config.validation.clips)):
        clip, name = data.clips[index], f"prompt {place + 1}"
        caption = clip.texts[0] if clip.texts else ""
        said = {name: value for name, value in clip.classes.items() if name in classes}
        own = data.latent(index)[None, :, :most].to(generator.device)
        try:
            sound = torch.from_numpy(
                Generator(generator).generate(
                    caption,
                    seconds=max(own.shape[-1] / generator.model.latents_per_second, MIN_SECONDS),
                    seed=place,
                    steps=min(config.sampling.steps, config.validation.steps),
                    tempo=clip.numbers.get("tempo") if "tempo" in numbers else None,
                    key=said.get("key", ""),
                    source=said.get("source", ""),
                    vocoder_steps=vocoder_steps,
                    mono=True,
                )
            )
        except AudiodiffError as error:  # a caption need not be a prompt
            board.text(step, name, f"{caption}: {error}")
            continue
        own_mel = generator.mel(own)
        ours = mel.log_mel(sound[None], generator.model.mel_spec)
        n_frames = min(own_mel.shape[-1], ours.shape[-1])
        board.text(step, name, caption or "(none)")
        board.picture(step, name, torch.cat([own_mel[None, ..., :n_frames].cpu(), ours[..., :n_frames]]))
        board.audio(step, name, sound, rate)
