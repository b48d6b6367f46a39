"""A story to write and read."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from audiodiff.synthesis.provenance import Story, StoryAudio, StoryInput, StoryMachine, StoryModel, StoryWriter

AUDIO = StoryAudio(8000, 1, 800, "a" * 64, "b" * 64)
STORY = Story(
    verb="generate",
    models=(StoryModel("music", "c" * 64, "d" * 64, "denoiser"), StoryModel("hf:some/body", "e" * 64)),
    settings={"steps": 20, "guidance": 3.5, "grid": "late", "mel": None, "region": [1.0, 2.0]},
    seed=7,
    audio=AUDIO,
    machine=StoryMachine("cpu", "x86_64 AVX2", 2, "2.6.0", "1.2.2"),
    inputs=(StoryInput("Köln.wav", "f" * 64),),
    prompt='rain over "Köln", 雨\nslow',
    negative="vocals",
)


def tell(audio: StoryAudio) -> Story:
    """Tell the story of other samples."""
    return replace(STORY, audio=audio)


def write(path: Path, *, seed: int = 0, sidecar: bool = False) -> Story:
    """Write 0.1 s of noise that tells the story."""
    open_writer = partial(StoryWriter, path, 8000, tell=tell, sidecar=sidecar)
    with open_writer() as writer:
        samples = np.random.default_rng(seed).standard_normal(800).astype(np.float32) * 0.1
        writer.write(samples[:300])
        writer.write(samples[300:])
    assert writer.story is not None
    return writer.story
