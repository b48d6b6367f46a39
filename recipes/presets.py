"""The presets of all recipes in one table, every number with its reason. Imports no torch.

A preset says what differs from the defaults of its recipe's `Config`, in dotted keys; layers that several presets share
stand in `preset_layers`. Presets without a time in `README.md` were never run by the authors: one row each, a corpus
and a size that such corpora usually get.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import preset_layers as base


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


PRESETS: dict[str, Preset] = {
    # The model in the package: made for two CPU cores and an hour and a half.
    "speech": Preset("vocoder", "speech vocoder, 22.05 kHz, HiFi-GAN mel", base.SPEECH),
    # The same made crisper by a discriminator: give it the weights to start from with --init.
    "speech-adversarial": Preset(
        "vocoder",
        "speech vocoder, 22.05 kHz, HiFi-GAN mel",
        base.SPEECH
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
    # The same for streams: it hears 29 ms of what comes after a sample, and says it in one step.
    "speech-live": Preset("vocoder", "speech vocoder for streams, 22.05 kHz, HiFi-GAN mel", base.SPEECH | base.LIVE),
    # The vocoder behind the model `music`: the full band at the frame rate of the speech model, so nearly its price.
    "music-vocoder": Preset(
        "vocoder",
        "music vocoder, 44.1 kHz, BigVGAN-v2 mel",
        base.VOCODER
        | {
            "model.mel": "bigvgan-44k",
            "model.front_end": {"name": "stft", "n_fft": 2048, "hop_length": 512},
            "model.wavenet.channels": 256,  # half of the 40 MiB is the latent model's
            "model.loss.resolutions": ((512, 128), (1024, 256), (2048, 512)),
            "train.steps": 8_000,
            "train.batch_size": 8,
            "train.ema_half_life": 8_000.0,
            "train.validate_every": 1_000,
            "train.save_every_seconds": 120.0,
            "data.crop_frames": 88,  # a second, as in speech: a chord rings longer, but the network hears no further
            "data.gain_db": (-12.0, 3.0),  # music has passages far below the level of the whole
            # What half iterations would add, matching levels does at less cost, and brings back the highs.
            "sampling.whole": {"projections": 4, "half_projections": 0, "momentum": 0.99, "matching": 1},
        },
    ),
    # Any folder of sound files, with or without a metadata.csv.
    "folder": Preset("vocoder", "vocoder, 22.05 kHz, HiFi-GAN mel", base.VOCODER),
    # One reader, 24 hours.
    "ljspeech": Preset("vocoder", "LJSpeech vocoder, 22.05 kHz", base.VOCODER | {"data.corpus": "ljspeech"}),
    # 2,456 readers at 24 kHz: the mel of the same rate.
    "libritts": Preset(
        "vocoder",
        "LibriTTS vocoder, 24 kHz",
        base.VOCODER
        | {"model.mel": "bigvgan-24k", "train.steps": 400_000, "data.corpus": "libritts", "data.crop_frames": 96},
    ),
    # 110 speakers at 48 kHz, resampled.
    "vctk": Preset("vocoder", "VCTK vocoder, 22.05 kHz", base.VOCODER | {"data.corpus": "vctk"}),
    # DiffWave (arXiv 2009.09761) as published: a network call per sample, noise prediction, L1.
    "diffwave-ljspeech": Preset(
        "vocoder",
        "DiffWave, LJSpeech, 22.05 kHz",
        {
            "model": base.diffwave,
            "train.steps": 1_000_000,
            "train.batch_size": 16,
            "train.learning_rate": 2e-4,
            "train.warmup_steps": 0,
            "train.final_learning_rate_ratio": 1.0,  # a constant rate
            "train.adam_betas": (0.9, 0.999),
            "train.ema_half_life": 80_000.0,
            "train.precision": base.half_precision,
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
        base.FRAMED
        | base.VOCODER_GPU
        | base.TINY
        | base.TINY_WAVENET
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
    "music-autoencoder": Preset("autoencoder", "mel autoencoder for music, 44.1 kHz, BigVGAN-v2 mel", base.CODEC),
    # The decoder alone, further from the shipped one: latents stay what they are, and with them shards and denoisers.
    "music-decoder": Preset(
        "autoencoder", "the decoder of `music`, trained further", base.CODEC | base.DECODER | {"init": "music"}
    ),
    # The same for speech.
    "speech-autoencoder": Preset(
        "autoencoder",
        "mel autoencoder for speech, 22.05 kHz, HiFi-GAN mel",
        base.CODEC | {"model": base.SPEECH_CODEC},
    ),
    # The music in any folder, for as long as a GPU is at hand.
    "folder-autoencoder": Preset(
        "autoencoder", "mel autoencoder for music of a folder, 44.1 kHz, BigVGAN-v2 mel", base.CODEC_LONG
    ),
    # 200 hours of one instrument.
    "maestro-autoencoder": Preset(
        "autoencoder",
        "mel autoencoder for piano (MAESTRO), 44.1 kHz, BigVGAN-v2 mel",
        base.CODEC_LONG | {"data.corpus": "maestro"},
    ),
    # 10 hours of songs, voices among them.
    "musdb18-autoencoder": Preset(
        "autoencoder",
        "mel autoencoder for songs (MUSDB18-HQ), 44.1 kHz, BigVGAN-v2 mel",
        base.CODEC_SHORT | {"data.corpus": "musdb18"},
    ),
    # 8 hours at 22.05 kHz: what the upper half of the mel should hold it never hears, and leaves it empty.
    "gtzan-autoencoder": Preset(
        "autoencoder",
        "mel autoencoder for ten genres (GTZAN), 44.1 kHz, BigVGAN-v2 mel",
        base.CODEC_SHORT | {"data.corpus": "gtzan"},
    ),
    # 66 hours (small) or 208 (medium) of everything: the one to take for music of other kinds.
    "fma-autoencoder": Preset(
        "autoencoder",
        "mel autoencoder for the Free Music Archive, 44.1 kHz, BigVGAN-v2 mel",
        base.CODEC_LONG | {"train.steps": 200_000, "data.corpus": "fma"},
    ),
    # Words of a second at 16 kHz, all that the HiFi-GAN mel (to 8 kHz) shows; crops leave a quarter to move about in.
    "sc09-autoencoder": Preset(
        "autoencoder",
        "mel autoencoder for spoken digits (SC09), 22.05 kHz, HiFi-GAN mel",
        base.CODEC_SHORT | base.OF_SPEECH | {"data.corpus": "sc09", "data.crop_frames": 64, "validation.seconds": 1.0},
    ),
    # 24 hours of one reader.
    "ljspeech-autoencoder": Preset(
        "autoencoder",
        "mel autoencoder for LJSpeech, 22.05 kHz, HiFi-GAN mel",
        base.CODEC_SHORT | base.OF_SPEECH | {"data.corpus": "ljspeech"},
    ),
    "tiny-autoencoder": Preset(
        "autoencoder",
        "a mel autoencoder that has hardly learnt anything",
        base.CODEC
        | base.TINY
        | {
            "model": base.TINY_CODEC,
            "data.crop_frames": 32,
            "data.gain_db": (-9.0, 3.0),
            "validation.clips": 2,
            "validation.seconds": 1.0,
        },
    ),
    # The model in the package: two CPU cores and some hours.
    "music": Preset("latent", "music from a prompt, 44.1 kHz", base.MUSIC),
    # The same budget spent on a U-Net.
    "music-unet": Preset("latent", "music from a prompt, U-Net", base.MUSIC | {"model.network": "unet"}),
    # The model in the package, taught a few clips more: ten minutes on two CPU cores.
    "music-finetune": Preset(
        "latent",
        "music from a prompt, 44.1 kHz, the model `music` taught further",
        base.MUSIC
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
    "folder-latent": Preset(
        "latent", "music of a folder from a prompt, 44.1 kHz", base.MUSIC | base.LATENT_LONG | base.LARGE_DIT
    ),
    # Piano alone, 200 hours; prompts name composers and pieces.
    "maestro-latent": Preset(
        "latent",
        "solo piano (MAESTRO) from a prompt, 44.1 kHz",
        base.PIECES | base.LATENT_LONG | base.LARGE_DIT,
        "maestro",
    ),
    # 100 songs with voices; nothing but names to prompt with, so take it for its sound.
    "musdb18-latent": Preset(
        "latent", "songs (MUSDB18-HQ), 44.1 kHz", base.PIECES | base.LATENT_SHORT | base.SMALL_DIT, "musdb18"
    ),
    # Ten genres, ten prompts.
    "gtzan-latent": Preset(
        "latent",
        "music of ten genres (GTZAN), 44.1 kHz",
        base.PIECES | base.LATENT_SHORT | base.SMALL_DIT,
        "gtzan",
    ),
    # Everything that people upload, under its genre and title.
    "fma-latent": Preset(
        "latent",
        "music (Free Music Archive) from a prompt, 44.1 kHz",
        base.PIECES | base.LATENT_LONG | base.LARGE_DIT | {"train.steps": 400_000},
        "fma",
    ),
    # Ten words of a second. Text and class say the same; each is withheld at times, so that the other does alone.
    "sc09-latent": Preset(
        "latent",
        "spoken digits (SC09), 22.05 kHz",
        base.PLAIN
        | base.LATENT_SHORT
        | base.SMALL_DIT
        | {
            "model.autoencoder": base.SPEECH_CODEC,
            "model.classes": base.digits,
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
        base.PLAIN
        | base.LATENT_LONG
        | base.LARGE_DIT
        | {
            "model.autoencoder": base.SPEECH_CODEC,
            "model.numbers": ({"name": "seconds", "centre": 6.0},),
            "data.crop_latents": (431, 215, 323),
        },
        "ljspeech",
    ),
    "tiny-latent": Preset(
        "latent",
        "a latent model that has hardly learnt anything",
        base.MUSIC
        | base.TINY
        | {
            "model.autoencoder": base.TINY_CODEC,
            "model.beats": False,
            "model.chords": False,
            "model.known": False,
            "model.classes": (base.SOURCE,),
            "model.dit": {"width": 32, "depth": 2, "heads": 2},
            "data.crop_latents": (16,),
            "sampling.steps": 2,
            "sampling.guidance": 3.0,
            "validation.crops": 4,
        },
    ),
    # Draws the embeddings of clips for a model that was trained with `--embedding true`: minutes of one CPU core.
    "music-prior": Preset("prior", "a prior for a latent model", base.PRIOR),
    "tiny-prior": Preset(
        "prior",
        "a prior that has hardly learnt anything",
        base.PRIOR
        | base.TINY
        | {"model": {"width": 16, "depth": 1, "heads": 2}, "data.crop_latents": 16, "validation.crops": 4},
    ),
    # The model in the package: ten minutes of one CPU core. More steps still help.
    "upsampler-speech": Preset("upsampler", "speech upsampler, 8 to 16 kHz", base.UPSAMPLER),
    "tiny-upsampler": Preset(
        "upsampler",
        "an upsampler that has hardly learnt anything",
        base.UPSAMPLER
        | base.TINY
        | base.TINY_WAVENET
        | {
            "train.validate_every": 60,
            "data.crop_frames": 32,
            "sampling.steps": 2,
            "validation.clips": 2,
            "validation.seconds": 1.0,
        },
    ),
    # The voice in the package: two CPU cores and an hour and a half.
    "kathleen": Preset(
        "voice",
        "the voice of Kathleen, English, 22.05 kHz",
        # Of 1.0, 1.3 and 1.45 pitch moved by 70, 89 and 96 % of the recordings' on validation sentences.
        base.VOICE | {"speaker": "kathleen", "sampling.intonation": 1.4},
    ),
    # Any folder of recordings with their texts. Of little, start from a trained voice (--init kathleen).
    "voice": Preset("voice", "an English voice, 22.05 kHz", base.VOICE),
    # 24 hours of one reader.
    "ljspeech-voice": Preset(
        "voice", "the voice of LJSpeech, English, 22.05 kHz", base.VOICE_LONG | {"data.corpus": "ljspeech"}
    ),
    # 110 speakers, each a voice of its own.
    "vctk-voice": Preset(
        "voice", "the voices of VCTK, English, 22.05 kHz", base.VOICE_LONG | {"data.corpus": "vctk", "speaker": "all"}
    ),
    # 2,456 readers.
    "libritts-voice": Preset(
        "voice",
        "the voices of LibriTTS, English, 22.05 kHz",
        base.VOICE_LONG | {"train.steps": 400_000, "data.corpus": "libritts", "speaker": "all"},
    ),
    "tiny-voice": Preset(
        "voice",
        "a voice that has hardly learnt anything",
        base.VOICE
        | base.TINY
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
