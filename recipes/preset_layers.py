"""Layers of settings that several presets share, every number with its reason. Imports no torch."""

from typing import Any

from audiodiff.text.keys import KEYS


def wavenet(channels: int, layers: int, cycle: int, cond: int, embedding: int) -> dict[str, int]:
    """Return the settings of the size of a WaveNet."""
    sizes = {"channels": channels, "layers": layers, "dilation_cycle": cycle, "cond_channels": cond}
    return {f"model.wavenet.{name}": size for name, size in {**sizes, "embedding_width": embedding}.items()}


def half_precision() -> str:
    """Return "bf16" where the training device computes in it, and "fp32" where that would be fifty times slower."""
    from audiodiff.synthesis.machine import open_device
    from audiodiff.torch_state import bfloat16_is_fast

    return "bf16" if bfloat16_is_fast(open_device("auto")) else "fp32"


COMMON: dict[str, Any] = {
    "train.final_learning_rate_ratio": 0.02,  # the last steps change next to nothing
    "train.adam_betas": (0.9, 0.99),  # 0.999 remembers a thousand steps, too many for short runs
    "train.weight_decay": 0.01,  # AdamW's usual
    "train.clip_norm": 1.0,  # one odd batch does not throw the weights off
    "train.precision": half_precision,  # bfloat16 takes half the memory and time of float32 where the hardware has it
    "train.log_every": 50,
}

TINY = {
    "train.steps": 60,
    "train.batch_size": 4,
    "train.warmup_steps": 10,
    "train.ema_half_life": 100.0,
    "train.precision": "fp32",
    "train.log_every": 10,
}
"""Shows that everything works, in seconds; what it makes is no pleasure to hear."""

# --- vocoders ---------------------------------------------------------------------------------------------------------

# The framed network of the shipped model: the mel gives the magnitudes, the network finds phases that fit them.
FRAMED = {
    "model.mel": "hifigan-22k",  # the mel of most acoustic models
    **wavenet(channels=320, layers=8, cycle=4, cond=128, embedding=128),
    "model.head.output_projections": 2,
    "model.prior.name": "shaped",
    "model.prior.projections": 8,  # sampling starts where Griffin-Lim leaves off
    "model.loss.full_noise": 0.3,  # the first step of any sampler is at t_max: train it well
}

VOCODER_GPU = COMMON | {
    "train.steps": 200_000,
    "train.batch_size": 16,
    "train.learning_rate": 8e-4,
    "train.warmup_steps": 200,
    "train.adam_betas": (0.8, 0.99),  # as HiFi-GAN and Vocos: gradients of spectral losses change quickly
    "train.ema_half_life": 80_000.0,
    "train.validate_every": 2_000,
}

# Fresh noise in every step is what the network was trained on. Where nothing is back-propagated, iterations are cheap,
# those of the estimate worth more than those of the prior (docs/vocoder-experiments.md).
CONSISTENCY = {
    "sampling.steps": 2,
    "sampling.sampler": "consistency",
    "sampling.grid": "late",
    "sampling.precision": "bf16",
    "sampling.prior": {"name": "shaped", "projections": 1, "momentum": 0.99, "half_projections": 4, "renewals": 1},
    "sampling.output": {"projections": 1, "half_projections": 6, "momentum": 0.99},
    "sampling.whole": {"projections": 4, "half_projections": 24, "momentum": 0.99},
}

VOCODER = FRAMED | VOCODER_GPU | CONSISTENCY

# Two CPU cores and an hour and a half.
SPEECH = VOCODER | {
    "train.steps": 14_500,
    "train.batch_size": 12,
    "train.ema_half_life": 8_000.0,
    "train.validate_every": 1_000,
}

# From trained weights to a network whose every sample is final at once. Each frame of look-ahead is 12 ms; projections
# would look three further each, and another step four.
LIVE = {
    "init": "speech",
    "model.wavenet.look_ahead": 1,  # with the transform's one and a half: 29 ms
    "model.head.output_projections": 0,
    "model.prior.projections": 0,
    "model.loss.full_noise": 0.7,  # it is sampled in one step
    "sampling.steps": 1,
    "sampling.prior": None,
    "sampling.output": None,
    "sampling.whole": None,
}

# A WaveNet that trains in seconds.
TINY_WAVENET = {
    **wavenet(channels=32, layers=4, cycle=2, cond=16, embedding=32),
}


def diffwave() -> dict[str, Any]:
    """Return the config of DiffWave as published."""
    from audiodiff.models.config import model_config_to_dict
    from audiodiff.models.vocoder.lmnt import diffwave_config

    return model_config_to_dict(diffwave_config())


# --- autoencoders -----------------------------------------------------------------------------------------------------

# 689 numbers a second stand for 11,000 of the mel. Every music preset keeps the mel of `music`, so that its vocoder
# serves them all.
MUSIC_CODEC = {"mel": "bigvgan-44k"}

# Phones are shorter than most notes: twice the latents of music.
SPEECH_CODEC = {"mel": "hifigan-22k", "network": {"strides": (2,), "blocks": (2, 2)}}

TINY_CODEC = {"mel": "hifigan-22k", "network": {"width": 32, "latent_channels": 8, "blocks": (1, 0, 1)}}

CODEC = COMMON | {
    "model": MUSIC_CODEC,
    "train.steps": 6_000,
    "train.batch_size": 24,
    "train.learning_rate": 1e-3,
    "train.warmup_steps": 200,
    "train.ema_half_life": 12_000.0,
    "train.validate_every": 1_000,
    "train.save_every_seconds": 120.0,
    "data.crop_frames": 128,
    "data.gain_db": (-12.0, 3.0),  # music has passages far below the level of the whole
}

DECODER = {
    "keep_encoder": True,
    "train.steps": 4_000,
    "train.learning_rate": 5e-4,
    "adversarial.weight": 0.1,
}

CODEC_LONG = CODEC | {
    "train.steps": 100_000,
    "train.batch_size": 64,
    "train.warmup_steps": 1_000,
    "train.ema_half_life": 200_000.0,
    "train.validate_every": 5_000,
    "train.save_every_seconds": 600.0,
}

# A corpus of ten hours is seen often enough in a third of the time.
CODEC_SHORT = CODEC_LONG | {"train.steps": 30_000, "train.ema_half_life": 100_000.0}

OF_SPEECH = {"model": SPEECH_CODEC, "data.gain_db": (-9.0, 3.0)}

# --- latent models ----------------------------------------------------------------------------------------------------

SOURCE = {"name": "source", "values": ("rendered", "recorded")}

MUSIC = COMMON | {
    "model.autoencoder": MUSIC_CODEC,
    # A model that gets a tempo only as a number takes many more hours to learn what a beat is.
    "model.beats": True,
    # A model conditioned on nothing but the noisy state fills gaps with another piece.
    "model.known": True,
    # A key is a word for a whole clip; chords say at every moment which notes belong.
    "model.chords": True,
    # The states of text encoders hardly tell F# from G.
    "model.classes": (SOURCE, {"name": "key", "values": KEYS}),
    # About as many parameters as some core-hours of training can fill.
    "model.dit": {"width": 256, "depth": 6, "heads": 4, "expansion": 3.0, "conv_kernel": 5},
    "train.steps": 20_000,
    "train.batch_size": 24,
    "train.learning_rate": 8e-4,
    "train.warmup_steps": 300,
    "train.ema_half_life": 20_000.0,
    "train.validate_every": 1_000,
    "train.save_every_seconds": 180.0,
    # At 3 families are found a little more seldom (54 of 63 clips against 57).
    "sampling.guidance": 4.0,
    # 28 network calls in the place of 40, and figures that differ by no more than chance (docs/music-experiments.md).
    "sampling.guidance_hold": 0.1,
}

LATENT_LONG = {
    "train.steps": 200_000,
    "train.batch_size": 64,
    "train.learning_rate": 3e-4,
    "train.warmup_steps": 2_000,
    "train.ema_half_life": 400_000.0,
    "train.validate_every": 5_000,
    "train.save_every_seconds": 600.0,
}

# Corpora of ten hours: more steps would only teach them by heart.
LATENT_SHORT = LATENT_LONG | {"train.steps": 60_000, "train.ema_half_life": 200_000.0}

LARGE_DIT = {"model.dit": {"width": 512, "depth": 12, "heads": 8, "expansion": 4.0, "conv_kernel": 5}}
SMALL_DIT = {"model.dit": {"width": 384, "depth": 8, "heads": 6, "expansion": 4.0, "conv_kernel": 5}}

# Corpora that know neither tempo nor key.
PLAIN = MUSIC | {
    "model.beats": False,
    "model.known": False,
    "model.chords": False,
    "model.numbers": (),
    "model.classes": (),
}

# Long recordings: ten seconds, five, fifteen. How long the whole is says nothing of a part.
PIECES = PLAIN | {"data.crop_latents": (215, 108, 323)}


def digits() -> tuple[dict[str, Any], ...]:
    """Return the class of the words of SC09."""
    from audiodiff.data.corpora import SC09_WORDS

    return ({"name": "word", "values": SC09_WORDS},)


# An embedding is 88 numbers of a clip of ten seconds, so a small network and large batches are cheap.
PRIOR = COMMON | {
    "model": {"width": 128, "depth": 4, "heads": 4},
    "train.steps": 3_000,
    "train.batch_size": 64,
    "train.learning_rate": 1e-3,
    "train.warmup_steps": 100,
    "train.precision": "fp32",
    "train.ema_half_life": 20_000.0,
    "train.validate_every": 500,
    "train.save_every_seconds": 60.0,
}

# --- upsamplers -------------------------------------------------------------------------------------------------------

UPSAMPLER = COMMON | {
    # 16 kHz in frames of 8 ms: 145 of 257 bins are made, in 24 bands.
    **wavenet(channels=160, layers=8, cycle=4, cond=96, embedding=128),
    "train.steps": 2_200,
    "train.batch_size": 16,
    "train.learning_rate": 8e-4,
    "train.warmup_steps": 200,
    "train.ema_half_life": 8_000.0,
    "train.validate_every": 500,
    "train.save_every_seconds": 120.0,
    "data.crop_frames": 128,
    "data.gain_db": (-9.0, 6.0),  # either way: a clip of much silence is brought to the level by its average
}

# --- voices -----------------------------------------------------------------------------------------------------------

VOICE = COMMON | {
    "train.steps": 12_800,
    "train.batch_size": 6,  # utterances of three or four seconds
    "train.learning_rate": 1.5e-3,
    "train.warmup_steps": 200,
    "train.weight_decay": 0.02,
    "train.clip_norm": 2.0,
    "train.ema_half_life": 8_000.0,
    "train.validate_every": 400,
    "train.save_every_seconds": 180.0,
    "train.log_every": 100,
    "data.crop_frames": 1_200,  # fourteen seconds
    "data.gain_db": (0.0, 0.0),
    "model.dropout": 0.35,  # an hour of speech is soon known by heart
}

VOICE_LONG = VOICE | {
    "train.steps": 200_000,
    "train.batch_size": 16,
    "train.learning_rate": 1e-3,
    "train.warmup_steps": 1_000,
    "train.ema_half_life": 200_000.0,
    "train.validate_every": 5_000,
    "train.save_every_seconds": 600.0,
    "model.dropout": 0.1,
}
