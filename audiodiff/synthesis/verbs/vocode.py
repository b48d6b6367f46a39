"""A recording or a log-mel through the vocoder, in memory that does not grow with its length."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import audio_info, read_blocks
from audiodiff.signal.mel_convert import check_mel, convert_log_mel
from audiodiff.signal.mel_spec import MelSpec, to_dict
from audiodiff.signal.npy import read_npy_header
from audiodiff.signal.resample import n_resampled, resample_stream
from audiodiff.signal.truncation import truncation_notes
from audiodiff.synthesis.clip import OnProgress
from audiodiff.synthesis.sampling import VocodePlan, measure_levels
from audiodiff.synthesis.settings import RECOMMENDED, Resolved, VocodeFileSettings
from audiodiff.synthesis.source import Source
from audiodiff.synthesis.streams import READ_SAMPLES, FrameReader, Stream, cut_stream, mel_blocks
from audiodiff.synthesis.vocode import VocoderSynthesizer

READ_FRAMES = 8192
LEAST_NEPERS = 6.0
"""A log10 mel with the usual floor of 1e-5 spans less, taken for natural logarithms."""


@dataclass(frozen=True)
class Vocoding:
    """Settings of a vocoding run, resolved.

    Attributes:
        plan: how to sample.
        mel: how a log-mel that goes in was computed; the model's own mel when `None`.
        rate: of the output (Hz).
        reference_level_db: level of the audio that the model was trained on (dBFS).
    """

    plan: VocodePlan
    mel: MelSpec | None
    rate: int
    reference_level_db: float | None

    @property
    def sampling(self) -> Resolved:
        """How to sample."""
        return self.plan.sampling

    def values(self) -> dict[str, Any]:
        """Return the settings as a file keeps them.

        The length of pieces is among them because where they are cut decides the last bits.
        """
        return {
            **{name: getattr(self.sampling, name) for name in RECOMMENDED},
            "level": "match" if self.plan.match_level else "keep",
            "reference_level_db": self.reference_level_db,
            "piece_frames": self.plan.piece_frames,
            "output_rate": self.rate,
            "mel": None if self.mel is None else to_dict(self.mel),
        }


def resolve(synthesizer: VocoderSynthesizer, settings: VocodeFileSettings) -> Vocoding:
    """Fill in what the model recommends.

    Raises:
        AudiodiffError: sampler or grid do not fit the model's process.
    """
    plan, rate = synthesizer.plan(settings.vocode), settings.rate or synthesizer.sample_rate
    return Vocoding(plan, settings.mel, rate, synthesizer.reference_level_db)


def make(
    synthesizer: VocoderSynthesizer, sources: Sequence[Source], vocoding: Vocoding, on_progress: OnProgress | None
) -> Stream:
    """Vocode a sound file, or a log-mel stored as `.npy`.

    A sound file is read twice, once for its level and length and once for its mel; neither it nor its mel is ever held
    as a whole. What comes out has exactly as many samples as the input resampled.

    Args:
        synthesizer: the loaded vocoder.
        sources: anything soundfile reads, or `.npy` with `[n_mels, n_frames]` or `[1, n_mels, n_frames]`.
        vocoding: the resolved settings.
        on_progress: called with the seconds done and the seconds in all.

    Raises:
        AudiodiffError: any input that cannot be worked with.
    """
    path, spec = sources[0].path, vocoding.mel
    lengths: list[int] | None = None
    if path.suffix.lower() == ".npy":
        frames = read_mel(path, synthesizer.mel_spec, spec)
        blocks = _mel_reader(path, frames, synthesizer.mel_spec, spec)
        notes = mel_notes(frames, path, spec or synthesizer.mel_spec)
    elif spec is not None:
        raise AudiodiffError(f"a mel preset was given, but {path} is not a .npy mel; leave the preset out.")
    else:
        lengths = []
        blocks, notes = _sound_reader(path, synthesizer, lengths), truncation_notes(path)
    meters = measure_levels(blocks(), synthesizer.mel_spec)
    n_frames = meters[0].n_frames
    n_samples = n_frames * synthesizer.mel_spec.hop_length if lengths is None else sum(lengths)
    made = synthesizer.stream(FrameReader(blocks()), n_frames, meters, vocoding.plan, on_progress)
    return Stream(
        blocks=resample_stream(cut_stream(made, n_samples), synthesizer.sample_rate, vocoding.rate),
        sample_rate=vocoding.rate,
        channels=len(meters),
        n_samples=n_resampled(n_samples, synthesizer.sample_rate, vocoding.rate),
        notes=notes,
        silent_channels=sum(meter.silent for meter in meters),
    )


def _mel_reader(
    path: Path, frames: NDArray[np.float32], model_spec: MelSpec, spec: MelSpec | None
) -> Callable[[], Iterator[Tensor]]:
    def blocks() -> Iterator[Tensor]:
        for start in range(0, frames.shape[-1], READ_FRAMES):
            part = torch.from_numpy(np.array(frames[..., start : start + READ_FRAMES], dtype=np.float32))
            if not bool(torch.isfinite(part).all()):
                raise AudiodiffError(f"{path} has values that are not finite numbers; compute the mel again.")
            yield part if spec is None else convert_log_mel(part, spec, model_spec)

    return blocks


def _sound_reader(path: Path, synthesizer: VocoderSynthesizer, lengths: list[int]) -> Callable[[], Iterator[Tensor]]:
    file_rate = audio_info(path).sample_rate

    def blocks() -> Iterator[Tensor]:
        decoded = (torch.from_numpy(block) for block in read_blocks(path, READ_SAMPLES))
        counted = resample_stream(decoded, file_rate, synthesizer.sample_rate)
        yield from mel_blocks(_counting(counted, lengths), synthesizer.mel_spec)

    return blocks


def open_mel(path: Path) -> NDArray[np.float32]:
    """Open a log-mel stored as `.npy`; its values stay in the file until they are used.

    Returns:
        `[1, n_mels, n_frames]`.

    Raises:
        AudiodiffError: missing, empty, or not a `.npy` array of floating-point numbers in two axes.
    """
    if not path.exists():
        raise AudiodiffError(f"{path} does not exist; give the path of a .npy log-mel.")
    if not path.is_file() or path.stat().st_size == 0:
        raise AudiodiffError(f"{path} is empty or not a file; give the path of a .npy log-mel.")
    try:
        with path.open("rb") as file:
            _, dtype = read_npy_header(file, path.stat().st_size, str(path))
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as error:
        if isinstance(error, AudiodiffError):
            raise
        raise AudiodiffError(f"{path} is not a .npy array of numbers; save the log-mel with numpy.save.") from error
    if dtype.kind != "f":
        raise AudiodiffError(f"{path} does not hold floating-point numbers; save the log-mel as float32.")
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.shape[0] != 1 or 0 in array.shape:
        raise AudiodiffError(
            f"{path} has shape {list(array.shape)}; expected [n_mels, n_frames] or [1, n_mels, n_frames] with at "
            "least one frame."
        )
    stored: NDArray[np.float32] = array
    return stored


def read_mel(path: Path, model_spec: MelSpec, spec: MelSpec | None) -> NDArray[np.float32]:
    """Open a log-mel for a model that takes `model_spec`; it was computed with `spec`, or with the same if `None`.

    Returns:
        `[1, n_mels, n_frames]`.

    Raises:
        AudiodiffError: as `open_mel`; or it is not a mel of `spec`, or cannot become one of `model_spec`.
    """
    array = open_mel(path)
    head = torch.from_numpy(np.array(array[..., :READ_FRAMES], dtype=np.float32))
    try:
        check_mel(head, spec or model_spec)
        if spec is not None:
            convert_log_mel(head, spec, model_spec)
    except AudiodiffError as error:
        raise AudiodiffError(f"{path}: {error}") from error
    return array


def mel_notes(frames: NDArray[np.float32], path: Path, spec: MelSpec) -> tuple[str, ...]:
    """Say what is odd about a log-mel that could be one of `spec`: its values may be log10, which no preset has."""
    head = np.asarray(frames[..., :READ_FRAMES], dtype=np.float32)
    nepers = float(head.max() - head.min()) * spec.scale
    if spec.log != "ln" or not 0.0 < nepers < LEAST_NEPERS:
        return ()
    return (
        f"the values of {path.name} span only {nepers:.1f} nepers, where recordings span about 11; if they are log10, "
        f"multiply them by {math.log(10.0):.4f}",
    )


def _counting(blocks: Iterator[Tensor], lengths: list[int]) -> Iterator[Tensor]:
    """Pass the blocks on and note their lengths, afresh on every pass."""
    lengths.clear()
    for block in blocks:
        lengths.append(block.shape[-1])
        yield block
