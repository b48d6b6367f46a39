"""Turning a corpus into shards: latents of the autoencoder, states of the text encoder, numbers and classes."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, cast

import torch
from torch import Tensor

from audiodiff.data.corpora import AudioItem
from audiodiff.data.dataset import AudioDataset, NoUsableClipsError
from audiodiff.data.names import path_part, path_text
from audiodiff.data.shards import LatentClip, ShardIndex, ShardWriter
from audiodiff.data.shards.files import stored_index
from audiodiff.data.shards.output import check_empty, check_url, complete_folder
from audiodiff.errors import AudiodiffError
from audiodiff.models.autoencoder import MelAutoencoder
from audiodiff.models.checkpoint import autoencoder_hash, load_checkpoint
from audiodiff.models.find import find_checkpoint
from audiodiff.models.mel_latent import CLASSES, NUMBERS, ClassConfig, NumberConfig
from audiodiff.signal import mel
from audiodiff.text.encoder import TextEncoder
from audiodiff.text.encoders import open_encoder
from audiodiff.text.vocabulary import collect_vocabulary

from .add_stereo import stereo_of
from .clip_labels import Segment, beats_of, captions, chords_of, classes_of, numbers_of, stated_number
from .corpus import CorpusName, DataConfig, describe_corpus, open_dataset, read_corpus
from .latent_config import RECIPE
from .presets import PRESETS, names_of

OnClip = Callable[[int, int], None]
"""Called with (clips done, clips in all)."""

SEGMENT_SECONDS = 60.0
"""Longer recordings become several clips of the shards: an hour of music as one clip would have to fit in memory, here
and wherever a crop of it is read."""

_BLOCK_FRAMES = 4096

_HELD_OUT = 0.05
"""Share of the clips that validation gets where the corpus has no split of its own for it; one at least."""

_MADE_FROM = "made_from"
"""Key of the index's metadata: a hash of all that decides what is in the shards, by which a later run goes on."""


class Encoding(NamedTuple):
    """What a latent model wants of its shards.

    Attributes:
        corpus: layout of the corpus.
        text_encoder: name of the text encoder.
        numbers, classes: what the model can be asked for.
        beats: whether it is conditioned on beats.
        chords: whether it is conditioned on chords.
    """

    corpus: CorpusName
    text_encoder: str
    numbers: tuple[NumberConfig, ...]
    classes: tuple[ClassConfig, ...]
    beats: bool
    chords: bool


def encoding_of(preset: str) -> Encoding:
    """What the shards for a preset of the latent recipe must hold.

    Raises:
        AudiodiffError: there is no such preset.
    """
    if preset not in names_of("latent"):
        known = ", ".join(names_of("latent"))
        raise AudiodiffError(f"there is no preset {preset!r} of a latent model; known are {known}.")
    model, layout = RECIPE.preset(preset).model, cast(CorpusName, PRESETS[preset].layout)
    return Encoding(layout, model.text_encoder, model.numbers, model.classes, model.beats, model.chords)


def encode_corpus(
    folder: str,
    output: Path | str,
    *,
    autoencoder: Path | str,
    corpus: CorpusName = "folder",
    text_encoder: str = "minilm",
    numbers: Sequence[NumberConfig] = NUMBERS,
    classes: Sequence[ClassConfig] = CLASSES,
    beats: bool = False,
    chords: bool = False,
    cache: str = "",
    device: str = "cpu",
    on_clip: OnClip | None = None,
    on_skip: Callable[[str], None] | None = None,
) -> dict[str, int]:
    """Write `output/SPLIT` for every split of a corpus.

    Without a split "valid" a twentieth of the training clips, one at least, is held out for it, chosen by a hash of
    their names. A run that was killed goes on: splits that it has finished are kept if they are of the same clips and
    settings.

    Recordings longer than `SEGMENT_SECONDS` are cut into clips of equal length, in bounded memory; the latents are
    those of the whole recording. Clips are called 00000000, 00000001, ..., parts of a recording 00000002-000 and so on.

    Args:
        folder: a folder of sound files with captions (`text`, and further ones in `text1`, `text2`, ...), or several
            with commas between them.
        output: where the shards go, a folder or a URL; each split's folder appears when it is complete.
        autoencoder: checkpoint that makes the latents, or the latent model whose autoencoder does, by name or path.
        corpus: layout of the folder.
        text_encoder: name of the frozen encoder (`audiodiff.text.encoders`).
        numbers, classes: what the model can be asked for; those of its preset (`RECIPE.preset`).
        beats: whether the beats of clips of known tempo are wanted.
        chords: whether the chords of clips whose metadata tell them are wanted.
        cache: where decoded audio and text states are kept; empty for the user's cache folder.
        device: where the autoencoder runs.
        on_clip: called with the progress, in recordings.
        on_skip: called with what is left out, and why.

    Returns:
        Clips in the shards by split.

    Raises:
        AudiodiffError: nothing to encode, or a checkpoint, encoder or folder that cannot be used.
    """
    check_url(str(output))
    model = load_checkpoint(find_checkpoint(autoencoder), MelAutoencoder).to(device)
    encoder: TextEncoder = open_encoder(text_encoder)
    data = DataConfig(folder=folder, corpus=corpus, cache=cache)
    listing = read_corpus(data)
    items = with_validation(listing.items)
    digest = autoencoder_hash(model)
    names = sorted({item.split for item in items}, key=lambda split: (split != "train", split))
    splits = {split: [item for item in items if item.split == split] for split in names}
    for item in items:  # what is wrong with the last of them should not be found after hours
        numbers_of(item, numbers)
        classes_of(item, classes)
        for name in ("tempo", "first_beat") if beats else ():
            stated_number(item, name)
        if chords:
            chords_of(item, Segment(0, 1), 1)
    settings = [digest, encoder.name, encoder.width, [*map(str, numbers)], [*map(str, classes)], beats, SEGMENT_SECONDS]
    settings += [chords] if chords else []  # shards from before there were any stay complete
    prints = {split: _fingerprint(chosen, settings) for split, chosen in splits.items()}
    targets = {split: f"{str(output).rstrip('/')}/{path_part(split, 'a split')}" for split in splits}
    counts: dict[str, int] = {}
    for split, target in targets.items():
        found = stored_index(target)
        if found is not None and found[0].metadata.get(_MADE_FROM) == prints[split]:
            counts[split] = found[1]
        elif found is not None:
            raise AudiodiffError(f"{target} holds shards already, of other clips or settings; choose another folder.")
        else:
            check_empty(target)

    def skip(reason: str) -> None:
        if on_skip is not None:
            on_skip(reason)

    for note in listing.notes:
        skip(note)

    @lru_cache(maxsize=512)  # captions such as a genre or a word come again and again
    def states_of(text: str) -> Tensor:
        return encoder.encode([text])[0].tokens

    # Every split is decoded before the first is encoded, so that what is missing is not missed hours later.
    opened: dict[str, AudioDataset] = {}
    for split, chosen in splits.items():
        if split in counts:
            skip(f"the split {split}, whose shards are complete already")
            continue
        try:
            opened[split] = open_dataset(chosen, data, model.mel_spec.sample_rate)
            skipped = opened[split].skipped
        except NoUsableClipsError as error:
            if split in ("train", "valid"):  # without which nothing can be trained
                raise AudiodiffError(f"nothing of the split {split} can be encoded. {error}") from error
            skipped = error.skipped
        for _, reason in skipped:
            skip(reason)
    done = len(items) - sum(map(len, opened.values()))
    for split, clips in opened.items():
        index = ShardIndex(
            encoder=encoder.name,
            text_width=encoder.width,
            autoencoder=digest,
            channels=model.latent_channels,
            latent_rate=model.config.latents_per_second,
            numbers=tuple(number.name for number in numbers),
            classes={kind.name: kind.values for kind in classes},
            metadata={
                "corpus": describe_corpus(data, clips),
                "vocabulary": collect_vocabulary([{**item.extra, "text": item.text} for item in clips.items]),
                _MADE_FROM: prints[split],
            },
        )
        counts[split] = 0
        with complete_folder(targets[split]) as part_folder, ShardWriter(part_folder, index) as writer:
            for number, item in enumerate(clips.items):
                texts = captions(item)
                sides = None
                if model.stereo_spec is not None:
                    sides = stereo_of(item.path, model.stereo_spec, skip)
                parts = segments(clips.n_samples(number), model, SEGMENT_SECONDS)
                for place, part in enumerate(parts):
                    whole = len(parts) == 1
                    seconds = item.seconds if whole else (part.stop - part.start) / clips.sample_rate
                    writer.add(
                        LatentClip(
                            key=f"{number:08d}" if whole else f"{number:08d}-{place:03d}",
                            latent=encode_segment(model, clips, number, part, sides),
                            seconds=seconds,
                            texts=texts,
                            states=tuple(states_of(text) for text in texts),
                            numbers=numbers_of(item, numbers, seconds),
                            classes=classes_of(item, classes),
                            source=index.metadata["corpus"]["name"],
                            licence=item.licence,
                            beats=beats_of(item, clips, number, part) if beats else (),
                            chords=chords_of(item, part, clips.sample_rate) if chords else (),
                        )
                    )
                counts[split] += len(parts)
                done += 1
                if on_clip is not None:
                    on_clip(done, len(items))
    return counts


def with_validation(items: Sequence[AudioItem]) -> list[AudioItem]:
    """Put clips without a split into "train", and hold some out for "valid" where no clip is of that split.

    Which ones depends on the names of their files alone. A single clip stands in both.
    """
    named = [replace(item, split=item.split or "train") for item in items]
    train = [item for item in named if item.split == "train"]
    if not train or any(item.split == "valid" for item in named):
        return named
    if len(train) == 1:
        return [*named, replace(train[0], split="valid")]
    # By names below the folder that all have in common, so that it may be moved.
    paths = {item.path: Path(os.path.abspath(item.path)) for item in train}
    root = os.path.commonpath([path.parent for path in paths.values()])
    names = {path: path_text(full.relative_to(root)) for path, full in paths.items()}
    # What cannot be read goes last.
    broken = {item.path for item in train if not item.n_samples}

    def place(path: Path) -> tuple[bool, bytes]:
        return path in broken, hashlib.sha256(names[path].encode("utf-8", "surrogateescape")).digest()

    order = sorted(names, key=place)
    held_out = set(order[: max(1, round(len(order) * _HELD_OUT))])
    return [replace(item, split="valid") if item.split == "train" and item.path in held_out else item for item in named]


def _fingerprint(items: Sequence[AudioItem], settings: Sequence[object]) -> str:
    """A hash of settings, and of the clips' files as they are now with all that is said of them."""
    clips = []
    for item in items:
        try:
            written = item.path.stat().st_mtime_ns
        except OSError:
            written = 0
        clips.append((item.path.name, item.n_samples, written, item.text, item.licence, sorted(item.extra.items())))
    return hashlib.sha256(json.dumps([clips, list(settings)]).encode()).hexdigest()


def encode_for(
    preset: str,
    folder: str,
    output: Path | str,
    *,
    autoencoder: Path | str,
    corpus: CorpusName | None = None,
    text_encoder: str = "",
    cache: str = "",
    device: str = "cpu",
    on_clip: OnClip | None = None,
    on_skip: Callable[[str], None] | None = None,
) -> dict[str, int]:
    """Do `encode_corpus` as a preset of the latent recipe wants it, but for what is given here."""
    wanted = encoding_of(preset)
    return encode_corpus(
        folder,
        output,
        autoencoder=autoencoder,
        corpus=corpus or wanted.corpus,
        text_encoder=text_encoder or wanted.text_encoder,
        numbers=wanted.numbers,
        classes=wanted.classes,
        beats=wanted.beats,
        chords=wanted.chords,
        cache=cache,
        device=device,
        on_clip=on_clip,
        on_skip=on_skip,
    )


def segments(n_samples: int, model: MelAutoencoder, longest: float) -> list[Segment]:
    """Cut a recording into as few parts of equal length as possible, each of whole latents, but for the last.

    Args:
        n_samples: of the recording, at the model's rate.
        model: whose latents they are.
        longest: most seconds of a part.
    """
    unit = model.frames_per_latent * model.mel_spec.hop_length
    n_units = max(-(-n_samples // unit), 1)
    count = -(-n_units // max(int(longest * model.mel_spec.sample_rate) // unit, 1))
    bounds = [n_units * place // count * unit for place in range(count)]
    return [Segment(*pair) for pair in zip(bounds, [*bounds[1:], n_samples], strict=True)]


def encode_segment(
    model: MelAutoencoder, clips: AudioDataset, index: int, part: Segment, stereo: Tensor | None = None
) -> Tensor:
    """Return the latents `[channels, n_latents]` of a part, as they are in the whole recording.

    Args:
        model: who makes them.
        clips: the recordings.
        index: which of them.
        part: of it.
        stereo: parameters of the whole recording, `[2, n_bands, n_latents]`, for a model that takes them.
    """
    spec, per_latent = model.mel_spec, model.frames_per_latent
    unit = per_latent * spec.hop_length
    # What the encoder looks at, and what the frames at its edges look at.
    context = -(-(model.context_frames + -(-spec.n_fft // spec.hop_length)) // per_latent) * unit
    first = max(part.start - context, 0)
    sides = None if stereo is None else stereo[..., min(first // unit, stereo.shape[-1] - 1) :]
    latents = encode_waveform(model, clips.waveform(index, first, part.stop + context), sides)
    skip = (part.start - first) // unit
    if part.stop == clips.n_samples(index):
        return latents[:, skip:]
    return latents[:, skip : skip + (part.stop - part.start) // unit]


@torch.no_grad()
def encode_waveform(model: MelAutoencoder, waveform: Tensor, stereo: Tensor | None = None) -> Tensor:
    """Return the latents `[channels, n_latents]` of `[n_samples]` and its stereo parameters, in bounded memory."""
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
        sides = None if stereo is None else stereo[None, ..., min(first // per_latent, stereo.shape[-1] - 1) :]
        parts.append(model.encode(seen, sides)[0, :, skip : skip + wanted].cpu())
    return torch.cat(parts, dim=-1)
