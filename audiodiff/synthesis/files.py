"""Vocoding from file to file, in memory that does not grow with the length of the recording."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import AudioWriter, audio_info, read_blocks
from audiodiff.signal.mel_convert import check_mel, convert_log_mel
from audiodiff.signal.mel_spec import MelSpec, to_dict
from audiodiff.signal.npy import read_npy_header
from audiodiff.signal.resample import n_resampled, resample_stream
from audiodiff.signal.truncation import truncation_notes
from audiodiff.synthesis.machine import this_machine
from audiodiff.synthesis.provenance import Story, StoryAudio, StoryWriter, check_sidecar, story_input
from audiodiff.synthesis.sampling import Plan
from audiodiff.synthesis.settings import RECOMMENDED, Resolved, VocodeSettings
from audiodiff.synthesis.streams import FrameReader, mel_blocks
from audiodiff.synthesis.vocode import OnProgress, VocoderSynthesizer
from audiodiff.torch_state import standard_state

READ_SAMPLES = 1 << 18
READ_FRAMES = 8192
LEAST_NEPERS = 6.0
"""A log10 mel with the usual floor of 1e-5 spans less, taken for natural logarithms."""

WAV_BYTES = (1 << 32) - (1 << 16)


@dataclass(frozen=True)
class VocodeReport:
    """What a vocoding run did.

    Attributes:
        path: the file written.
        seconds: duration of the output.
        sample_rate: rate of the output in Hz.
        channels: channels of the output.
        sampling: steps, sampler, grid, precision and seed, as they were used.
        network_calls: network calls per window.
        silent_channels: channels that were silence and came out as silence.
        clipped: samples beyond full scale, which were cut to it.
        elapsed: seconds that it took, loading of the model not counted.
        notes: sentences about what the input lacks.
        story: what the file tells about itself; `None` without provenance.
    """

    path: Path
    seconds: float
    sample_rate: int
    channels: int
    sampling: Resolved
    network_calls: int
    silent_channels: int
    clipped: int
    elapsed: float
    notes: tuple[str, ...] = ()
    story: Story | None = None

    @property
    def real_time_factor(self) -> float:
        """Seconds of work per second of audio; below 1 is faster than real time."""
        return self.elapsed / self.seconds


def check_output(source: Path | None, target: Path) -> None:
    """Refuse an output that cannot be written or would overwrite the input, before any work is done.

    Raises:
        AudiodiffError: `target` is the input itself, a folder, read-only, or of an unknown format.
    """
    if source is not None and (
        (target.exists() and source.exists() and target.samefile(source)) or source.resolve() == target.resolve()
    ):
        raise AudiodiffError(f"{target} is the input as well; give the output another name.")
    AudioWriter(target, 16000).discard()


def vocode_file(
    synthesizer: VocoderSynthesizer,
    source: str | Path,
    target: str | Path,
    *,
    settings: VocodeSettings | None = None,
    spec: MelSpec | None = None,
    output_rate: int | None = None,
    provenance: bool = True,
    sidecar: bool = False,
    on_progress: OnProgress | None = None,
) -> VocodeReport:
    """Vocode a sound file, or a log-mel stored as `.npy`, into a sound file.

    A sound file is read twice, once for its level and length and once for its mel; neither it nor its mel is ever held
    as a whole. The output has exactly as many samples as the input resampled.

    Args:
        synthesizer: the loaded vocoder.
        source: anything soundfile reads, or `.npy` with `[n_mels, n_frames]` or `[1, n_mels, n_frames]`.
        target: `.wav`, `.flac` or `.ogg`; appears only when complete.
        settings: how to sample.
        spec: how the log-mel in a `.npy` was computed; the model's own mel when `None`.
        output_rate: rate of the output in Hz; the model's when `None`.
        provenance: keep in the file what made it (`audiodiff.synthesis.provenance`), for `inspect` and `replay`.
        sidecar: write that as JSON beside the file, too.
        on_progress: called with the seconds done and the seconds in all.

    Raises:
        AudiodiffError: any input that cannot be worked with; nothing is left behind then.
    """
    return vocode_planned_file(
        synthesizer,
        source,
        target,
        plan=synthesizer.plan(settings or VocodeSettings()),
        spec=spec,
        output_rate=output_rate,
        provenance=provenance,
        sidecar=sidecar,
        on_progress=on_progress,
    )


@standard_state()
def vocode_planned_file(
    synthesizer: VocoderSynthesizer,
    source: str | Path,
    target: str | Path,
    *,
    plan: Plan,
    spec: MelSpec | None = None,
    output_rate: int | None = None,
    provenance: bool = True,
    sidecar: bool = False,
    on_progress: OnProgress | None = None,
) -> VocodeReport:
    """Do what `vocode_file` does, with settings that are resolved already."""
    source, target = Path(source), Path(target)
    check_output(source, target)
    if sidecar:
        check_sidecar(target, provenance=provenance)
    started = time.perf_counter()
    rate = output_rate or synthesizer.sample_rate
    if source.suffix.lower() == ".npy":
        frames = read_mel(source, synthesizer.mel_spec, spec)

        def blocks() -> Iterator[Tensor]:
            n_frames = frames.shape[-1]
            for start in range(0, n_frames, READ_FRAMES):
                part = torch.from_numpy(np.array(frames[..., start : start + READ_FRAMES], dtype=np.float32))
                if not bool(torch.isfinite(part).all()):
                    raise AudiodiffError(f"{source} has values that are not finite numbers; compute the mel again.")
                yield part if spec is None else convert_log_mel(part, spec, synthesizer.mel_spec)

        limit = None
        notes = mel_notes(frames, source, spec or synthesizer.mel_spec)
    else:
        if spec is not None:
            raise AudiodiffError(f"a mel preset was given, but {source} is not a .npy mel; leave the preset out.")
        file_rate = audio_info(source).sample_rate

        def blocks() -> Iterator[Tensor]:
            decoded = (torch.from_numpy(block) for block in read_blocks(source, READ_SAMPLES))
            counted = resample_stream(decoded, file_rate, synthesizer.sample_rate)
            yield from mel_blocks(_counting(counted, lengths), synthesizer.mel_spec)

        lengths: list[int] = []
        limit, notes = lengths, truncation_notes(source)
    tell = _teller(synthesizer, source, plan, spec, rate) if provenance else None
    report = _vocode_blocks(
        synthesizer,
        blocks=blocks,
        lengths=limit,
        writer=partial(StoryWriter, target, rate, tell=tell, sidecar=sidecar),
        target=target,
        plan=plan,
        rate=rate,
        started=started,
        on_progress=on_progress,
    )
    return replace(report, notes=notes)


def _vocode_blocks(
    synthesizer: VocoderSynthesizer,
    *,
    blocks: Callable[[], Iterator[Tensor]],
    lengths: list[int] | None,
    writer: Callable[[int], StoryWriter],
    target: Path,
    plan: Plan,
    rate: int,
    started: float,
    on_progress: OnProgress | None,
) -> VocodeReport:
    """Measure the stream, go through it again, and write what comes out."""
    meters = synthesizer.measure(blocks())
    n_frames = meters[0].n_frames
    n_samples = n_frames * synthesizer.mel_spec.hop_length if lengths is None else sum(lengths)
    n_output = n_resampled(n_samples, synthesizer.sample_rate, rate)
    if target.suffix.lower() == ".wav" and n_output * len(meters) * 2 > WAV_BYTES:
        raise AudiodiffError(
            f"{target} would have {n_output / rate / 3600:.1f} hours in {len(meters)} channels, more than the 4 GiB "
            "that a WAV can hold; write .flac instead."
        )
    generated = synthesizer.stream(FrameReader(blocks()), n_frames, meters, plan, on_progress)
    written, clipped = 0, 0
    with writer(len(meters)) as output:
        for block in resample_stream(_limited(generated, n_samples), synthesizer.sample_rate, rate):
            clipped += int((block.abs() > 1.0).sum())
            written += block.shape[-1]
            output.write(block.clamp(-1.0, 1.0).numpy())
    return VocodeReport(
        path=target,
        seconds=written / rate,
        sample_rate=rate,
        channels=len(meters),
        sampling=plan.sampling,
        network_calls=plan.network_calls,
        silent_channels=sum(meter.silent for meter in meters),
        clipped=clipped,
        elapsed=time.perf_counter() - started,
        story=output.story,
    )


def _teller(
    synthesizer: VocoderSynthesizer, source: Path, plan: Plan, spec: MelSpec | None, rate: int
) -> Callable[[StoryAudio], Story]:
    """Return what makes the story of this run from its samples. The input is looked at now: it may change meanwhile.

    The length of pieces is in the settings because where they are cut decides the last bits.
    """
    settings: dict[str, Any] = {
        **{name: getattr(plan.sampling, name) for name in RECOMMENDED},
        "level": "match" if plan.match_level else "keep",
        "reference_level_db": synthesizer.reference_level_db,
        "piece_frames": plan.piece_frames,
        "output_rate": rate,
        "mel": None if spec is None else to_dict(spec),
    }
    inputs = (story_input(source),)
    machine = this_machine(synthesizer.device)

    def tell(audio: StoryAudio) -> Story:
        return Story(
            verb="vocode",
            models=(synthesizer.identity,),
            settings=settings,
            seed=plan.sampling.seed,
            audio=audio,
            machine=machine,
            inputs=inputs,
        )

    return tell


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


def _limited(blocks: Iterator[Tensor], n_samples: int) -> Iterator[Tensor]:
    """Cut the stream to `n_samples`."""
    left = n_samples
    for block in blocks:
        yield block[:, :left]
        left -= min(left, block.shape[-1])
