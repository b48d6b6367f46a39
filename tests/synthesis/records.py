"""A record to write and read."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from audiodiff.signal.tags import write_tags
from audiodiff.synthesis.provenance import (
    AudioRecord,
    InputRecord,
    MachineRecord,
    ModelRecord,
    ProvenanceRecord,
    provenance_tags,
)
from audiodiff.synthesis.tagged_writer import TaggedAudioWriter

AUDIO = AudioRecord(8000, 1, 800, "a" * 64, "b" * 64)
RECORD = ProvenanceRecord(
    verb="generate",
    models=(ModelRecord("music", "c" * 64, "d" * 64, "denoiser"), ModelRecord("hf:some/body", "e" * 64)),
    settings={"steps": 20, "guidance": 3.5, "grid": "late", "mel": None, "region": [1.0, 2.0]},
    seed=7,
    audio=AUDIO,
    machine=MachineRecord("cpu", "x86_64 AVX2", 2, "2.6.0", "1.2.2"),
    inputs=(InputRecord("Köln.wav", "f" * 64),),
    prompt='rain over "Köln", 雨\nslow',
    negative="vocals",
)


def make_record(audio: AudioRecord) -> ProvenanceRecord:
    """Tell the record of other samples."""
    return replace(RECORD, audio=audio)


def write(path: Path, *, seed: int = 0, sidecar: bool = False) -> ProvenanceRecord:
    """Write 0.1 s of noise that tells the record."""
    open_writer = partial(TaggedAudioWriter, path, 8000, provenance=make_record, sidecar=sidecar)
    with open_writer() as writer:
        samples = np.random.default_rng(seed).standard_normal(800).astype(np.float32) * 0.1
        writer.write(samples[:300])
        writer.write(samples[300:])
    assert writer.record is not None
    return writer.record


def write_provenance(path: Path, record: ProvenanceRecord) -> None:
    """Put a record into a sound file that exists."""
    write_tags(path, provenance_tags(record))
