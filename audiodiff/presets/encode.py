"""Turning a corpus into shards: latents of the autoencoder, states of the text encoder, numbers and classes."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiodiff.data.corpora import AudioItem
from audiodiff.data.shards import LatentClip, ShardIndex, ShardWriter
from audiodiff.errors import AudiodiffError
from audiodiff.models.autoencoder import MelAutoencoder
from audiodiff.models.checkpoint import WEIGHTS_FILE, load_autoencoder, weights_hash
from audiodiff.models.mel_latent import CLASSES, NUMBERS
from audiodiff.presets.corpus import DataConfig, describe_corpus, open_dataset, read_corpus
from audiodiff.signal import mel
from audiodiff.text.encoder import TextEncoder, open_encoder
from audiodiff.text.vocabulary import collect_vocabulary

OnClip = Callable[[int, int], None]
"""Called with (clips done, clips in all)."""

_BLOCK_FRAMES = 4096


def encode_corpus(
    folder: str,
    output: Path,
    *,
    autoencoder: Path,
    text_encoder: str = "minilm",
    cache: str = "",
    device: str = "cpu",
    on_clip: OnClip | None = None,
) -> dict[str, int]:
    """Write `output/SPLIT` for every split of a corpus.

    Args:
        folder: a folder of sound files with captions (`text`, and further ones in `text1`, `text2`, ...), or several
            with commas between them.
        output: where the shards go; each split's folder appears when it is complete.
        autoencoder: checkpoint that makes the latents.
        text_encoder: name of the frozen encoder (`audiodiff.text.open_encoder`).
        cache: where decoded audio and text states are kept; empty for the user's cache folder.
        device: where the autoencoder runs.
        on_clip: told about progress.

    Returns:
        Clips by split.

    Raises:
        AudiodiffError: nothing to encode, or a checkpoint, encoder or folder that cannot be used.
    """
    model = load_autoencoder(autoencoder).to(device)
    encoder: TextEncoder = open_encoder(text_encoder)
    data = DataConfig(folder=folder, cache=cache)
    items = read_corpus(data)
    splits = list(dict.fromkeys(item.split or "train" for item in items))
    digest = weights_hash(autoencoder / WEIGHTS_FILE)
    counts: dict[str, int] = {}
    done = 0
    for split in splits:
        chosen = [item for item in items if (item.split or "train") == split]
        clips = open_dataset(chosen, data, model.mel_spec.sample_rate)
        index = ShardIndex(
            encoder=encoder.name,
            text_width=encoder.width,
            autoencoder=digest,
            channels=model.latent_channels,
            latent_rate=model.config.latents_per_second,
            numbers=tuple(number.name for number in NUMBERS),
            classes={kind.name: kind.values for kind in CLASSES},
            metadata={
                "corpus": describe_corpus(data, clips),
                "vocabulary": collect_vocabulary([{**item.extra, "text": item.text} for item in clips.items]),
            },
        )
        with ShardWriter(output / split, index) as writer:
            for number, item in enumerate(clips.items):
                texts = captions(item)
                writer.add(
                    LatentClip(
                        key=f"{number:08d}",
                        latent=encode_waveform(model, clips.waveform(number)),
                        seconds=item.seconds,
                        texts=texts,
                        states=tuple(encoded.tokens for encoded in encoder.encode(texts)),
                        numbers=numbers_of(item),
                        classes=classes_of(item),
                        source=index.metadata["corpus"]["name"],
                        licence=item.licence,
                    )
                )
                done += 1
                if on_clip is not None:
                    on_clip(done, len(items))
        counts[split] = len(clips)
    return counts


@torch.no_grad()
def encode_waveform(model: MelAutoencoder, waveform: Tensor) -> Tensor:
    """Return the latents `[channels, n_latents]` of `[n_samples]`, in bounded memory."""
    spec = model.mel_spec
    device = model.get_buffer("latent_mean").device
    if waveform.shape[-1] < spec.n_fft:
        waveform = torch.nn.functional.pad(waveform, (0, spec.n_fft - waveform.shape[-1]))
    log_mel = mel.log_mel(waveform[None], spec)
    per_latent, context = model.frames_per_latent, model.context_frames
    context += -context % per_latent
    parts = []
    for start in range(0, log_mel.shape[-1], _BLOCK_FRAMES):
        first = max(0, start - context)
        seen = log_mel[..., first : start + _BLOCK_FRAMES + context].to(device)
        skip = (start - first) // per_latent
        wanted = -(-min(_BLOCK_FRAMES, log_mel.shape[-1] - start) // per_latent)
        parts.append(model.encode(seen)[0, :, skip : skip + wanted].cpu())
    return torch.cat(parts, dim=-1)


def captions(item: AudioItem) -> tuple[str, ...]:
    """The captions of a clip: `text`, and `text1`, `text2`, ... of the metadata; none if it has none."""
    found = [item.text, *(item.extra[f"text{i}"] for i in range(1, 100) if item.extra.get(f"text{i}"))]
    return tuple(text for text in found if text.strip())


def numbers_of(item: AudioItem) -> dict[str, float]:
    """Tempo and length of a clip, as far as the metadata say them.

    Raises:
        AudiodiffError: a tempo that is not a number.
    """
    numbers = {"seconds": item.seconds} if item.seconds else {}
    stated = item.extra.get("tempo", "").strip()
    if stated:
        try:
            tempo = float(stated)
        except ValueError as error:
            raise AudiodiffError(
                f"{item.path} has tempo {stated!r} in its metadata; expected beats per minute."
            ) from error
        if math.isfinite(tempo) and tempo > 0:
            numbers["tempo"] = tempo
    return numbers


def classes_of(item: AudioItem) -> dict[str, str]:
    """Whether a clip was rendered from a score or recorded, as far as the metadata tell."""
    stated: Mapping[str, Any] = item.extra
    if not stated.get("label_source"):
        return {}
    return {"source": "rendered" if stated["label_source"] == "exact" else "recorded"}
