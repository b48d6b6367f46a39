"""Small clips of latents whose every value tells where it is from."""

from pathlib import Path

import torch
from torch import Tensor

from audiodiff.data.shards.format import ShardIndex, TimedChord
from audiodiff.data.shards.writer import LatentClip, ShardWriter

INDEX = ShardIndex(
    encoder="words",
    text_width=3,
    autoencoder="0123abcd",
    channels=2,
    latent_rate=21.5,
    numbers=("tempo_bpm", "seconds"),
    classes={"genre": ("ballad", "waltz"), "key": ("C", "D")},
    metadata={"corpus": "tests"},
)

LENGTHS = (40, 10, 3, 25, 22)


def latent_of(number: int, n_latents: int) -> Tensor:
    """Channel 0 counts the latents, channel 1 says which clip it is; both are whole numbers, exact in float16."""
    return torch.stack([torch.arange(n_latents) + 1.0, torch.full((n_latents,), number + 1.0)])


def states_of(number: int, caption: int) -> Tensor:
    """The rows count tokens; clip and caption stand in every row."""
    n_tokens = 2 + (number + 2 * caption) % 4
    return torch.tensor([[float(number), float(caption), float(token)] for token in range(n_tokens)])


def clip(number: int, captions: int | None = None, **changes: object) -> LatentClip:
    captions = number % 3 if captions is None else captions
    values = {
        "key": f"clip-{number}",
        "latent": latent_of(number, LENGTHS[number % len(LENGTHS)]),
        "seconds": LENGTHS[number % len(LENGTHS)] / 21.5,
        "texts": tuple(f"caption {caption} of {number} 日本" for caption in range(captions)),
        "states": tuple(states_of(number, caption) for caption in range(captions)),
        "numbers": {"tempo_bpm": 60.0 + number} if number % 2 else {},
        "classes": {"genre": "waltz", "key": ""} if number % 2 else {"key": "C"},
        "source": "even" if number % 2 == 0 else "odd",
        "licence": "CC0-1.0",
        # Every latent is half a beat, the first of them in the middle of one.
        "beats": tuple(2 * place / 21.5 for place in range(20)) if number % 2 else (),
        "chords": (TimedChord(0.1, "Am"), TimedChord(0.4, "F#m7"), TimedChord(0.7, "")) if number % 2 else (),
    }
    return LatentClip(**{**values, **changes})


def write(folder: Path, numbers: range = range(5), index: ShardIndex = INDEX, clips_per_shard: int = 2) -> Path:
    with ShardWriter(folder, index, clips_per_shard=clips_per_shard) as writer:
        for number in numbers:
            writer.add(clip(number))
    return folder
