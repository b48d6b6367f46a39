"""The presets of all recipes in one table, every number with its reason. Imports no torch.

A preset says what differs from the defaults of its recipe's `Config`, in dotted keys; layers that several presets share
stand above the table. Presets without a time in `README.md` were never run by the authors: one row each, a corpus and a
size that such corpora usually get.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from audiodiff.text.keys import KEYS


@dataclass(frozen=True)
class Preset:
    """A row of the table.

    Attributes:
        recipe: module that trains it.
        description: one line for the checkpoint.
        values: dotted keys -> values, or functions that return one where it takes torch to know it.
        layout: of the corpus that shards for it are made from.
    """

    recipe: str
    description: str
    values: Mapping[str, Any | Callable[[], Any]]
    layout: str = "folder"


_COMMON = {
    "train.final_learning_rate_ratio": 0.02,  # the last steps change next to nothing
    "train.adam_betas": (0.9, 0.99),  # 0.999 remembers a thousand steps, too many for short runs
    "train.weight_decay": 0.01,  # AdamW's usual
    "train.clip_norm": 1.0,  # one odd batch does not throw the weights off
    "train.precision": "bf16",  # half the memory of float32, and half the time where the hardware has it
    "train.log_every": 50,
}

_TINY = {
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
_FRAMED = {
    "model.mel": "hifigan-22k",  # the mel of most acoustic models
    "model.wavenet.channels": 320,
    "model.wavenet.layers": 8,
    "model.wavenet.dilation_cycle": 4,
    "model.wavenet.cond_channels": 128,
    "model.wavenet.embedding_width": 128,
    "model.head.output_projections": 2,
    "model.prior.name": "shaped",
    "model.prior.projections": 8,  # sampling starts where Griffin-Lim leaves off
    "model.loss.full_noise": 0.3,  # the first step of any sampler is at t_max: train it well
}

_VOCODER_GPU = _COMMON | {
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
_CONSISTENCY = {
    "sampling.steps": 8,
    "sampling.sampler": "consistency",
    "sampling.grid": "late",
    "sampling.precision": "bf16",
    "sampling.prior": {"name": "shaped", "projections": 1, "momentum": 0.99, "half_projections": 4, "renewals": 1},
    "sampling.output": {"projections": 1, "half_projections": 6, "momentum": 0.99},
}

_VOCODER = _FRAMED | _VOCODER_GPU | _CONSISTENCY

# Two CPU cores and an hour and a half.
_SPEECH = _VOCODER | {
    "train.steps": 14_500,
    "train.batch_size": 12,
    "train.ema_half_life": 8_000.0,
    "train.validate_every": 1_000,
}

# A WaveNet that trains in seconds.
_TINY_WAVENET = {
    "model.wavenet.channels": 32,
    "model.wavenet.layers": 4,
    "model.wavenet.dilation_cycle": 2,
    "model.wavenet.cond_channels": 16,
    "model.wavenet.embedding_width": 32,
}


def _diffwave() -> dict[str, Any]:
    from audiodiff.models.config import model_config_to_dict
    from audiodiff.models.vocoder.lmnt import diffwave_config

    return model_config_to_dict(diffwave_config())


# --- autoencoders -----------------------------------------------------------------------------------------------------

# 689 numbers a second stand for 11,000 of the mel. Every music preset keeps the mel of `music`, so that its vocoder
# serves them all.
_MUSIC_CODEC = {"mel": "bigvgan-44k"}

# Phones are shorter than most notes: twice the latents of music.
_SPEECH_CODEC = {"mel": "hifigan-22k", "network": {"strides": (2,), "blocks": (2, 2)}}

_TINY_CODEC = {"mel": "hifigan-22k", "network": {"width": 32, "latent_channels": 8, "blocks": (1, 0, 1)}}

_CODEC = _COMMON | {
    "model": _MUSIC_CODEC,
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

_CODEC_LONG = _CODEC | {
    "train.steps": 100_000,
    "train.batch_size": 64,
    "train.warmup_steps": 1_000,
    "train.ema_half_life": 200_000.0,
    "train.validate_every": 5_000,
    "train.save_every_seconds": 600.0,
}

# A corpus of ten hours is seen often enough in a third of the time.
_CODEC_SHORT = _CODEC_LONG | {"train.steps": 30_000, "train.ema_half_life": 100_000.0}

_OF_SPEECH = {"model": _SPEECH_CODEC, "data.gain_db": (-9.0, 3.0)}

# --- latent models ----------------------------------------------------------------------------------------------------

_SOURCE = {"name": "source", "values": ("rendered", "recorded")}

_MUSIC = _COMMON | {
    "model.autoencoder": _MUSIC_CODEC,
    # A model that gets a tempo only as a number takes many more hours to learn what a beat is.
    "model.beats": True,
    # A model conditioned on nothing but the noisy state fills gaps with another piece.
    "model.known": True,
    # The states of text encoders hardly tell F# from G.
    "model.classes": (_SOURCE, {"name": "key", "values": KEYS}),
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
}

_LATENT_LONG = {
    "train.steps": 200_000,
    "train.batch_size": 64,
    "train.learning_rate": 3e-4,
    "train.warmup_steps": 2_000,
    "train.ema_half_life": 400_000.0,
    "train.validate_every": 5_000,
    "train.save_every_seconds": 600.0,
}

# Corpora of ten hours: more steps would only teach them by heart.
_LATENT_SHORT = _LATENT_LONG | {"train.steps": 60_000, "train.ema_half_life": 200_000.0}

_LARGE_DIT = {"model.dit": {"width": 512, "depth": 12, "heads": 8, "expansion": 4.0, "conv_kernel": 5}}
_SMALL_DIT = {"model.dit": {"width": 384, "depth": 8, "heads": 6, "expansion": 4.0, "conv_kernel": 5}}

# Corpora that know neither tempo nor key.
_PLAIN = _MUSIC | {"model.beats": False, "model.known": False, "model.numbers": (), "model.classes": ()}

# Long recordings: ten seconds, five, fifteen. How long the whole is says nothing of a part.
_PIECES = _PLAIN | {"data.crop_latents": (215, 108, 323)}


def _digits() -> tuple[dict[str, Any], ...]:
    from audiodiff.data.corpora import SC09_WORDS

    return ({"name": "word", "values": SC09_WORDS},)


# --- upsamplers -------------------------------------------------------------------------------------------------------

_UPSAMPLER = _COMMON | {
    # 16 kHz in frames of 8 ms: 145 of 257 bins are made, in 24 bands.
    "model.wavenet.channels": 160,
    "model.wavenet.layers": 8,
    "model.wavenet.dilation_cycle": 4,
    "model.wavenet.cond_channels": 96,
    "model.wavenet.embedding_width": 128,
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

_VOICE = _COMMON | {
    "train.steps": 20_000,
    "train.batch_size": 6,  # utterances of three or four seconds
    "train.learning_rate": 1.5e-3,
    "train.warmup_steps": 300,
    "train.weight_decay": 0.02,
    "train.clip_norm": 2.0,
    "train.ema_half_life": 8_000.0,
    "train.validate_every": 500,
    "train.save_every_seconds": 180.0,
    "train.log_every": 100,
    "data.crop_frames": 1_200,  # fourteen seconds
    "data.gain_db": (0.0, 0.0),
    "model.dropout": 0.15,  # an hour of speech is soon known by heart
}

_VOICE_LONG = _VOICE | {
    "train.steps": 200_000,
    "train.batch_size": 16,
    "train.learning_rate": 1e-3,
    "train.warmup_steps": 1_000,
    "train.ema_half_life": 200_000.0,
    "train.validate_every": 5_000,
    "train.save_every_seconds": 600.0,
    "model.dropout": 0.1,
}

PRESETS: dict[str, Preset] = {
    # The model in the package: made for two CPU cores and an hour and a half.
    "speech": Preset("vocoder", "speech vocoder, 22.05 kHz, HiFi-GAN mel", _SPEECH),
    # The same made crisper by a discriminator: give it the weights to start from with --init.
    "speech-adversarial": Preset(
        "vocoder",
        "speech vocoder, 22.05 kHz, HiFi-GAN mel",
        _SPEECH
        | {
            "train.steps": 3_000,
            "train.learning_rate": 3e-4,
            "train.warmup_steps": 50,
            "train.final_learning_rate_ratio": 0.05,
            "train.ema_half_life": 2_000.0,
            "train.seed": 1,  # other crops and noise than the run it starts from
            "train.validate_every": 500,
            "adversarial.weight": 0.3,
        },
    ),
    # The vocoder behind the model `music`: the full band at the frame rate of the speech model, so nearly its price.
    "music-vocoder": Preset(
        "vocoder",
        "music vocoder, 44.1 kHz, BigVGAN-v2 mel",
        _VOCODER
        | {
            "model.mel": "bigvgan-44k",
            "model.front_end": {"name": "stft", "n_fft": 2048, "hop_length": 512},
            "model.wavenet.channels": 256,  # half of the 40 MiB is the latent model's
            "model.loss.resolutions": ((512, 128), (1024, 256), (2048, 512)),
            "sampling.steps": 4,  # what it reads is smoother than what more steps would add
            "train.steps": 8_000,
            "train.batch_size": 8,
            "train.ema_half_life": 8_000.0,
            "train.validate_every": 1_000,
            "train.save_every_seconds": 120.0,
            "data.crop_frames": 88,  # a second, as in speech: a chord rings longer, but the network hears no further
            "data.gain_db": (-12.0, 3.0),  # music has passages far below the level of the whole
        },
    ),
    # Any folder of sound files, with or without a metadata.csv.
    "folder": Preset("vocoder", "vocoder, 22.05 kHz, HiFi-GAN mel", _VOCODER),
    # One reader, 24 hours.
    "ljspeech": Preset("vocoder", "LJSpeech vocoder, 22.05 kHz", _VOCODER | {"data.corpus": "ljspeech"}),
    # 2,456 readers at 24 kHz: the mel of the same rate.
    "libritts": Preset(
        "vocoder",
        "LibriTTS vocoder, 24 kHz",
        _VOCODER
        | {"model.mel": "bigvgan-24k", "train.steps": 400_000, "data.corpus": "libritts", "data.crop_frames": 96},
    ),
    # 110 speakers at 48 kHz, resampled.
    "vctk": Preset("vocoder", "VCTK vocoder, 22.05 kHz", _VOCODER | {"data.corpus": "vctk"}),
    # DiffWave (arXiv 2009.09761) as published: a network call per sample, noise prediction, L1.
    "diffwave-ljspeech": Preset(
        "vocoder",
        "DiffWave, LJSpeech, 22.05 kHz",
        {
            "model": _diffwave,
            "train.steps": 1_000_000,
            "train.batch_size": 16,
            "train.learning_rate": 2e-4,
            "train.warmup_steps": 0,
            "train.final_learning_rate_ratio": 1.0,  # a constant rate
            "train.adam_betas": (0.9, 0.999),
            "train.ema_half_life": 80_000.0,
            "train.precision": "bf16",
            "train.validate_every": 10_000,
            "data.corpus": "ljspeech",
            "data.crop_frames": 62,
            "data.normalize": "none",
            "data.gain_db": (0.0, 0.0),
            "sampling.steps": 12,
            "validation.clips": 1,  # a second of audio costs a second per step here
            "validation.seconds": 1.0,
        },
    ),
    "tiny": Preset(
        "vocoder",
        "a vocoder that has hardly learnt anything",
        _FRAMED
        | _VOCODER_GPU
        | _TINY
        | _TINY_WAVENET
        | {
            "model.head.output_projections": 1,
            "model.prior.projections": 0,
            "train.validate_every": 60,
            "data.crop_frames": 32,
            "sampling.steps": 2,
            "validation.clips": 2,
            "validation.seconds": 1.0,
        },
    ),
    # The codec in the model `music`.
    "music-autoencoder": Preset("autoencoder", "mel autoencoder for music, 44.1 kHz, BigVGAN-v2 mel", _CODEC),
    # The same for speech.
    "speech-autoencoder": Preset(
        "autoencoder",
        "mel autoencoder for speech, 22.05 kHz, HiFi-GAN mel",
        _CODEC | {"model": _SPEECH_CODEC},
    ),
    # The music in any folder, for as long as a GPU is at hand.
    "folder-autoencoder": Preset(
        "autoencoder", "mel autoencoder for music of a folder, 44.1 kHz, BigVGAN-v2 mel", _CODEC_LONG
    ),
    # 200 hours of one instrument.
    "maestro-autoencoder": Preset(
        "autoencoder",
        "mel autoencoder for piano (MAESTRO), 44.1 kHz, BigVGAN-v2 mel",
        _CODEC_LONG | {"data.corpus": "maestro"},
    ),
    # 10 hours of songs, voices among them.
    "musdb18-autoencoder": Preset(
        "autoencoder",
        "mel autoencoder for songs (MUSDB18-HQ), 44.1 kHz, BigVGAN-v2 mel",
        _CODEC_SHORT | {"data.corpus": "musdb18"},
    ),
    # 8 hours at 22.05 kHz: what the upper half of the mel should hold it never hears, and leaves it empty.
    "gtzan-autoencoder": Preset(
        "autoencoder",
        "mel autoencoder for ten genres (GTZAN), 44.1 kHz, BigVGAN-v2 mel",
        _CODEC_SHORT | {"data.corpus": "gtzan"},
    ),
    # 66 hours (small) or 208 (medium) of everything: the one to take for music of other kinds.
    "fma-autoencoder": Preset(
        "autoencoder",
        "mel autoencoder for the Free Music Archive, 44.1 kHz, BigVGAN-v2 mel",
        _CODEC_LONG | {"train.steps": 200_000, "data.corpus": "fma"},
    ),
    # Words of a second at 16 kHz, all that the HiFi-GAN mel (to 8 kHz) shows; crops leave a quarter to move about in.
    "sc09-autoencoder": Preset(
        "autoencoder",
        "mel autoencoder for spoken digits (SC09), 22.05 kHz, HiFi-GAN mel",
        _CODEC_SHORT | _OF_SPEECH | {"data.corpus": "sc09", "data.crop_frames": 64, "validation.seconds": 1.0},
    ),
    # 24 hours of one reader.
    "ljspeech-autoencoder": Preset(
        "autoencoder",
        "mel autoencoder for LJSpeech, 22.05 kHz, HiFi-GAN mel",
        _CODEC_SHORT | _OF_SPEECH | {"data.corpus": "ljspeech"},
    ),
    "tiny-autoencoder": Preset(
        "autoencoder",
        "a mel autoencoder that has hardly learnt anything",
        _CODEC
        | _TINY
        | {
            "model": _TINY_CODEC,
            "data.crop_frames": 32,
            "data.gain_db": (-9.0, 3.0),
            "validation.clips": 2,
            "validation.seconds": 1.0,
        },
    ),
    # The model in the package: two CPU cores and some hours.
    "music": Preset("latent", "music from a prompt, 44.1 kHz", _MUSIC),
    # The same budget spent on a U-Net.
    "music-unet": Preset("latent", "music from a prompt, U-Net", _MUSIC | {"model.network": "unet"}),
    # The model in the package, taught a few clips more: ten minutes on two CPU cores.
    "music-finetune": Preset(
        "latent",
        "music from a prompt, 44.1 kHz, the model `music` taught further",
        _MUSIC
        | {
            "train.steps": 500,
            "train.learning_rate": 1e-4,  # that at which the model was trained would wipe out what it knows
            "train.warmup_steps": 50,
            "train.ema_half_life": 2_000.0,
            "train.log_every": 10,
            "train.validate_every": 100,
            "autoencoder": "music",
            "vocoder": "music",
            "init": "music",
        },
    ),
    # Any folder of music with captions, tempos where they are known, as `audiodiff prepare rendered` makes them.
    "folder-latent": Preset("latent", "music of a folder from a prompt, 44.1 kHz", _MUSIC | _LATENT_LONG | _LARGE_DIT),
    # Piano alone, 200 hours; prompts name composers and pieces.
    "maestro-latent": Preset(
        "latent", "solo piano (MAESTRO) from a prompt, 44.1 kHz", _PIECES | _LATENT_LONG | _LARGE_DIT, "maestro"
    ),
    # 100 songs with voices; nothing but names to prompt with, so take it for its sound.
    "musdb18-latent": Preset("latent", "songs (MUSDB18-HQ), 44.1 kHz", _PIECES | _LATENT_SHORT | _SMALL_DIT, "musdb18"),
    # Ten genres, ten prompts.
    "gtzan-latent": Preset(
        "latent", "music of ten genres (GTZAN), 44.1 kHz", _PIECES | _LATENT_SHORT | _SMALL_DIT, "gtzan"
    ),
    # Everything that people upload, under its genre and title.
    "fma-latent": Preset(
        "latent",
        "music (Free Music Archive) from a prompt, 44.1 kHz",
        _PIECES | _LATENT_LONG | _LARGE_DIT | {"train.steps": 400_000},
        "fma",
    ),
    # Ten words of a second. Text and class say the same; each is withheld at times, so that the other does alone.
    "sc09-latent": Preset(
        "latent",
        "spoken digits (SC09), 22.05 kHz",
        _PLAIN
        | _LATENT_SHORT
        | _SMALL_DIT
        | {
            "model.autoencoder": _SPEECH_CODEC,
            "model.classes": _digits,
            "data.crop_latents": (44,),
            "data.drop_text": 0.3,
            "data.drop_number": 0.3,
            "validation.clips": 4,
        },
        "sc09",
    ),
    # One reader. MiniLM's states tell what a sentence means rather than how it sounds, and nothing lines them up with
    # time: expect voice and pace, no words.
    "ljspeech-latent": Preset(
        "latent",
        "speech in the voice of LJSpeech, 22.05 kHz",
        _PLAIN
        | _LATENT_LONG
        | _LARGE_DIT
        | {
            "model.autoencoder": _SPEECH_CODEC,
            "model.numbers": ({"name": "seconds", "centre": 6.0},),
            "data.crop_latents": (431, 215, 323),
        },
        "ljspeech",
    ),
    "tiny-latent": Preset(
        "latent",
        "a latent model that has hardly learnt anything",
        _MUSIC
        | _TINY
        | {
            "model.autoencoder": _TINY_CODEC,
            "model.beats": False,
            "model.known": False,
            "model.classes": (_SOURCE,),
            "model.dit": {"width": 32, "depth": 2, "heads": 2},
            "data.crop_latents": (16,),
            "sampling.steps": 2,
            "sampling.guidance": 3.0,
            "validation.crops": 4,
        },
    ),
    # The model in the package: ten minutes of one CPU core. More steps still help.
    "upsampler-speech": Preset("upsampler", "speech upsampler, 8 to 16 kHz", _UPSAMPLER),
    "tiny-upsampler": Preset(
        "upsampler",
        "an upsampler that has hardly learnt anything",
        _UPSAMPLER
        | _TINY
        | _TINY_WAVENET
        | {
            "train.validate_every": 60,
            "data.crop_frames": 32,
            "sampling.steps": 2,
            "validation.clips": 2,
            "validation.seconds": 1.0,
        },
    ),
    # The voice in the package: two CPU cores and an hour and a half.
    "kathleen": Preset("voice", "the voice of Kathleen, English, 22.05 kHz", _VOICE | {"speaker": "kathleen"}),
    # Any folder of recordings with their texts. Of little, start from a trained voice (--init kathleen).
    "voice": Preset("voice", "an English voice, 22.05 kHz", _VOICE),
    # 24 hours of one reader.
    "ljspeech-voice": Preset(
        "voice", "the voice of LJSpeech, English, 22.05 kHz", _VOICE_LONG | {"data.corpus": "ljspeech"}
    ),
    # 110 speakers, each a voice of its own.
    "vctk-voice": Preset(
        "voice", "the voices of VCTK, English, 22.05 kHz", _VOICE_LONG | {"data.corpus": "vctk", "speaker": "all"}
    ),
    # 2,456 readers.
    "libritts-voice": Preset(
        "voice",
        "the voices of LibriTTS, English, 22.05 kHz",
        _VOICE_LONG | {"train.steps": 400_000, "data.corpus": "libritts", "speaker": "all"},
    ),
    "tiny-voice": Preset(
        "voice",
        "a voice that has hardly learnt anything",
        _VOICE
        | _TINY
        | {
            "train.batch_size": 2,
            "train.validate_every": 60,
            "model.width": 32,
            "model.heads": 2,
            "model.encoder_blocks": 1,
            "model.encoder_layers": 1,
            "model.decoder_blocks": 1,
            "model.prosody_width": 16,
            "model.duration_blocks": 1,
            "model.f0_blocks": 1,
            "model.denoiser_width": 32,
            "model.denoiser_blocks": 1,
            "model.time_width": 16,
            "sampling.steps": 2,
            "validation.clips": 2,
        },
    ),
}


def names_of(recipe: str) -> tuple[str, ...]:
    """The presets of a recipe, in the order of the table."""
    return tuple(name for name, preset in PRESETS.items() if preset.recipe == recipe)
