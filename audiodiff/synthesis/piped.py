"""A recording or a log-mel through the vocoder while it arrives, and out of it into a pipe."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import audio_info, read_blocks
from audiodiff.signal.mel_spec import MelSpec
from audiodiff.signal.npy import read_npy_header
from audiodiff.signal.resample import n_resampled, resample_stream
from audiodiff.signal.watermark import mark_blocks
from audiodiff.signal.wav_stream import WavReader, WavStream
from audiodiff.synthesis.mel_file import open_mel
from audiodiff.synthesis.provenance import MADE_BY
from audiodiff.synthesis.sampling import VocodePlan
from audiodiff.synthesis.streams import mel_blocks
from audiodiff.synthesis.verb import STANDARD
from audiodiff.synthesis.vocode import VocoderSynthesizer, stream_mel

BLOCK_SAMPLES, MEL_FRAMES = 4096, 16
"""How much sound is read and analysed at a time."""

MOST_MEL_BYTES = 1 << 28
"""A log-mel from a pipe, which is held as a whole, may have so many bytes: hours of speech."""


def vocode_pipe(
    synthesizer: VocoderSynthesizer,
    path: Path,
    plan: VocodePlan,
    spec: MelSpec | None,
    rate: int,
    stream: BinaryIO,
    identifier: int | None = None,
    look_ahead: float | None = None,
) -> None:
    """Vocode a sound file, a WAV from standard input, or a log-mel of either, and write a WAV as it is being made.

    Args:
        synthesizer: the loaded vocoder.
        path: the file, or `-` for standard input.
        plan: the resolved settings; a level to be matched is that of the beginning.
        spec: how the mel was computed, if it is one.
        rate: of the output (Hz).
        stream: where the WAV goes.
        identifier: the number that the watermark carries; `None` for no watermark.
        look_ahead: as the `look_ahead_seconds` of `VocoderSynthesizer.stream`.

    Raises:
        AudiodiffError: an input that cannot be worked with.
    """
    opened = _open(path)
    if isinstance(opened, np.ndarray):
        mel = opened
        cuts = range(0, mel.shape[-1], MEL_FRAMES)
        chunks = (torch.from_numpy(np.array(mel[..., cut : cut + MEL_FRAMES], dtype=np.float32)) for cut in cuts)
        blocks = stream_mel(synthesizer, chunks, spec, plan, look_ahead_seconds=look_ahead)
    elif spec is not None:
        raise AudiodiffError("a mel preset was given, but sound came in; leave the preset out.")
    else:
        blocks = _sound_blocks(synthesizer, *opened, plan, look_ahead)
    wav: WavStream | None = None
    sound = (block.numpy() for block in resample_stream(blocks, synthesizer.sample_rate, rate, BLOCK_SAMPLES))
    for block in sound if identifier is None else mark_blocks(sound, rate, identifier):
        if wav is None:
            comment = f"{MADE_BY}: audiodiff vocode, {synthesizer.identity.name}, seed {plan.sampling.seed}"
            wav = WavStream(stream, rate, comment, len(block), wait=False)
        wav.write(block)
    if wav is not None:
        wav.close()


def _open(path: Path) -> NDArray[np.float32] | tuple[Iterator[NDArray[np.float32]], int]:
    """Open a log-mel `[1, n_mels, n_frames]`, or blocks `[channels, n]` of sound and their rate (Hz)."""
    if path != STANDARD:
        if path.suffix.lower() == ".npy":
            return open_mel(path)
        return read_blocks(path, BLOCK_SAMPLES), audio_info(path).sample_rate
    stream = sys.stdin.buffer
    first = stream.read(6)
    if first == b"\x93NUMPY":
        return _read_mel(first + stream.read(MOST_MEL_BYTES))
    reader = WavReader(stream, first)
    return reader.blocks(), reader.sample_rate


def _read_mel(data: bytes) -> NDArray[np.float32]:
    where = "the .npy that comes in"
    if len(data) > MOST_MEL_BYTES:
        raise AudiodiffError(f"{where} has more than {MOST_MEL_BYTES >> 20} MiB; give the file itself.")
    shape, dtype = read_npy_header(io.BytesIO(data), len(data), where)
    if dtype.kind != "f" or len(shape) not in {2, 3} or 0 in shape:
        raise AudiodiffError(f"{where} has {dtype} {list(shape)}; expected floating-point [n_mels, n_frames].")
    mel: NDArray[np.float32] = np.load(io.BytesIO(data), allow_pickle=False).reshape(-1, *shape[-2:])
    return mel


def _sound_blocks(
    synthesizer: VocoderSynthesizer,
    blocks: Iterator[NDArray[np.float32]],
    rate: int,
    plan: VocodePlan,
    look_ahead: float | None,
) -> Iterator[Tensor]:
    """Vocode blocks `[channels, n]`; as many samples come out as the input has when it is resampled."""
    taken = given = 0

    def counted() -> Iterator[Tensor]:
        nonlocal taken
        for block in blocks:
            taken += block.shape[-1]
            yield torch.from_numpy(block)

    resampled = resample_stream(counted(), rate, synthesizer.sample_rate, BLOCK_SAMPLES)
    mels = mel_blocks(resampled, synthesizer.mel_spec, MEL_FRAMES)
    for made in stream_mel(synthesizer, mels, None, plan, look_ahead_seconds=look_ahead):
        # Frames are whole, the sound may end inside its last one; all of it has been read by then.
        block = made[..., : max(0, n_resampled(taken, rate, synthesizer.sample_rate) - given)]
        given += block.shape[-1]
        yield block
