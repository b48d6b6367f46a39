"""A recording or a log-mel through the vocoder, in memory that does not grow with its length."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from audiodiff.errors import AudiodiffError
from audiodiff.models.find import ASSETS
from audiodiff.signal.limits import HIGHEST_RATE, LOWEST_RATE
from audiodiff.signal.mel_spec import MelSpec
from audiodiff.synthesis.plain_numbers import make_plain
from audiodiff.synthesis.settings import RECOMMENDED, Resolved, VocodeSettings, check_range
from audiodiff.synthesis.told import sampling_of, setting
from audiodiff.synthesis.verb import STANDARD, Argument, Say, Values, Verb, files_and_values, summary_of_stream

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from audiodiff.synthesis.clip import OnProgress
    from audiodiff.synthesis.provenance import ProvenanceRecord
    from audiodiff.synthesis.sampling import VocodePlan
    from audiodiff.synthesis.source import Source
    from audiodiff.synthesis.streams import Stream
    from audiodiff.synthesis.vocode import VocoderSynthesizer

EXAMPLE = ASSETS / "example.flac"
"""The speech clip that comes with the package."""


@dataclass(frozen=True)
class VocodeFileSettings:
    """Settings of a file that is vocoded into another.

    Attributes:
        vocode: how.
        mel: how a log-mel that goes in was computed; as the model takes it when `None`.
        rate: rate of the output (Hz); the model's when `None`.
        look_ahead: of a stream: seconds of mel that have to come after samples, or `None` for no limit.
    """

    vocode: VocodeSettings = field(default_factory=VocodeSettings)
    mel: MelSpec | None = None
    rate: int | None = None
    look_ahead: float | None = None

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            AudiodiffError: the rate or the look-ahead is out of range.
        """
        make_plain(self)
        check_range("rate", self.rate, LOWEST_RATE, HIGHEST_RATE, "Hz")
        check_range("look_ahead", self.look_ahead, 0.0, 10.0, "s")


@dataclass(frozen=True)
class Vocoding:
    """Settings of a vocoding run, resolved.

    Attributes:
        plan: how to sample.
        mel: how a log-mel that goes in was computed; the model's own mel when `None`.
        rate: of the output (Hz).
        reference_level_db: level of the audio that the model was trained on (dBFS).
    """

    plan: "VocodePlan"
    mel: MelSpec | None
    rate: int
    reference_level_db: float | None

    @property
    def sampling(self) -> Resolved:
        """How to sample."""
        return self.plan.sampling

    def values(self) -> dict[str, Any]:
        """Return the settings as a file keeps them."""
        from audiodiff.signal.mel_spec import to_dict

        return {
            **{name: getattr(self.sampling, name) for name in RECOMMENDED},
            "level": "match" if self.plan.match_level else "keep",
            "reference_level_db": self.reference_level_db,
            "output_rate": self.rate,
            "mel": None if self.mel is None else to_dict(self.mel),
        }


def resolve(synthesizer: "VocoderSynthesizer", settings: VocodeFileSettings) -> Vocoding:
    """Fill in what the model recommends.

    Raises:
        AudiodiffError: sampler or grid do not fit the model's process.
    """
    if settings.look_ahead is not None:
        raise AudiodiffError("a limited look-ahead is for streams; give --stream with it, or leave --look-ahead out.")
    plan, rate = synthesizer.plan(settings.vocode), settings.rate or synthesizer.sample_rate
    return Vocoding(plan, settings.mel, rate, synthesizer.reference_level_db)


def make(
    synthesizer: "VocoderSynthesizer",
    sources: Sequence["Source"],
    vocoding: Vocoding,
    on_progress: "OnProgress | None" = None,
) -> "Stream":
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
    from audiodiff.signal.resample import n_resampled, resample_stream
    from audiodiff.signal.truncation import truncation_notes
    from audiodiff.synthesis.mel_file import mel_notes, read_mel
    from audiodiff.synthesis.sampling import measure_levels
    from audiodiff.synthesis.streams import FrameReader, Stream, cut_stream
    from audiodiff.synthesis.vocode import vocode_blocks

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
    made = vocode_blocks(synthesizer, FrameReader(blocks()), n_frames, meters, vocoding.plan, on_progress)
    return Stream(
        blocks=resample_stream(cut_stream(made, n_samples), synthesizer.sample_rate, vocoding.rate),
        sample_rate=vocoding.rate,
        channels=len(meters),
        n_samples=n_resampled(n_samples, synthesizer.sample_rate, vocoding.rate),
        notes=notes,
        silent_channels=sum(meter.silent for meter in meters),
    )


def _mel_reader(
    path: Path, frames: "NDArray[np.float32]", model_spec: MelSpec, spec: MelSpec | None
) -> Callable[[], Iterator["Tensor"]]:
    import numpy as np
    import torch

    from audiodiff.signal.mel_convert import convert_log_mel
    from audiodiff.synthesis.mel_file import READ_FRAMES

    def blocks() -> Iterator["Tensor"]:
        for start in range(0, frames.shape[-1], READ_FRAMES):
            part = torch.from_numpy(np.array(frames[..., start : start + READ_FRAMES], dtype=np.float32))
            if not bool(torch.isfinite(part).all()):
                raise AudiodiffError(f"{path} has values that are not finite numbers; compute the mel again.")
            yield part if spec is None else convert_log_mel(part, spec, model_spec)

    return blocks


def _sound_reader(
    path: Path, synthesizer: "VocoderSynthesizer", lengths: list[int]
) -> Callable[[], Iterator["Tensor"]]:
    import torch

    from audiodiff.signal.audio_io import audio_info, read_blocks
    from audiodiff.signal.resample import resample_stream
    from audiodiff.synthesis.streams import READ_SAMPLES, mel_blocks

    file_rate = audio_info(path).sample_rate

    def blocks() -> Iterator["Tensor"]:
        decoded = (torch.from_numpy(block) for block in read_blocks(path, READ_SAMPLES))
        counted = resample_stream(decoded, file_rate, synthesizer.sample_rate)
        yield from mel_blocks(_counting(counted, lengths), synthesizer.mel_spec)

    return blocks


def _counting(blocks: Iterator["Tensor"], lengths: list[int]) -> Iterator["Tensor"]:
    """Pass the blocks on and note their lengths, afresh on every pass."""
    lengths.clear()
    for block in blocks:
        lengths.append(block.shape[-1])
        yield block


def read(given: Mapping[str, Any]) -> tuple[list[Path], Values]:
    """Check the input, and read how its mel was computed.

    Raises:
        AudiodiffError: there is no input, or more than one, or it is no mel.
    """
    files, values = files_and_values(given)
    if values.pop("example", False) == bool(files):
        raise AudiodiffError("give one input: a sound file or .npy mel, or --example for the clip of the package.")
    (source,) = files or [EXAMPLE]
    if source != STANDARD and not source.exists():
        raise AudiodiffError(f"{source} does not exist; give the path of a sound file or a .npy log-mel.")
    if "mel" in values and source != STANDARD and source.suffix.lower() != ".npy":
        raise AudiodiffError(f"--mel describes a .npy log-mel, but {source} is not one; leave --mel out.")
    if not LOWEST_RATE <= values.get("rate", LOWEST_RATE) <= HIGHEST_RATE:
        raise AudiodiffError(f"--rate is {values['rate']} Hz; expected {LOWEST_RATE} to {HIGHEST_RATE}.")
    values["level"] = "keep" if values.pop("keep_level", False) else "match"
    return [source], values


def complete(values: Values, sources: Sequence["Source"], say: Any) -> Values:
    """Look up how the mel was computed.

    Raises:
        AudiodiffError: there is no such preset.
    """
    from audiodiff.signal.mel import preset

    return {**values, "mel": preset(values["mel"])} if "mel" in values else values


def remake(record: "ProvenanceRecord") -> tuple[VocodeFileSettings, Callable[["VocoderSynthesizer"], Vocoding]]:
    """Read the settings in a file that was made.

    Raises:
        AudiodiffError: one is missing or out of range.
    """
    from audiodiff.signal.mel import from_dict

    vocoding = VocodeSettings(sampling_of(record), level=setting(record, "level", str))
    rate = setting(record, "output_rate", int)
    mel = setting(record, "mel", dict, optional=True)
    level = setting(record, "reference_level_db", float, optional=True)
    settings = VocodeFileSettings(vocoding, None if mel is None else from_dict(mel), rate)

    def resolved(synthesizer: "VocoderSynthesizer") -> Vocoding:
        synthesizer.reference_level_db = level
        return resolve(synthesizer, settings)

    return settings, resolved


def pipe(
    synthesizer: "VocoderSynthesizer",
    files: Sequence[Path],
    settings: VocodeFileSettings,
    stream: BinaryIO,
    say: Say,
    identifier: int | None,
) -> None:
    """Write a WAV to a stream while the input arrives, with a watermark if there is a number for it."""
    from audiodiff.synthesis.piped import vocode_pipe

    vocoding = resolve(synthesizer, replace(settings, look_ahead=None))
    plan, mel, rate = vocoding.plan, vocoding.mel, vocoding.rate
    vocode_pipe(synthesizer, files[0], plan, mel, rate, stream, identifier, settings.look_ahead)


def summary(report: Any) -> str:
    """Say how it was made."""
    return summary_of_stream(report, "so silence was written")


VERB = Verb(
    "vocode",
    VocodeFileSettings,
    make,
    help="turn a recording or a log-mel into the vocoder's waveform",
    description="Reduce a recording to its log-mel and synthesise it again, or synthesise a log-mel from .npy.",
    doing="vocoding",
    arguments=(
        Argument(
            "input",
            "any sound file, or a log-mel as .npy [n_mels, n_frames]; with --stream - reads WAV or .npy from standard "
            "input",
            type=Path,
            nargs="?",
        ),
        Argument("example", "use the speech clip that comes with the package", "--example", type=bool, local=True),
        Argument("keep_level", "do not match the level of the training audio", "--keep-level", type=bool),
        Argument(
            "look_ahead",
            "with --stream, make samples when so many seconds of mel have come after them, as if it went on like its "
            "last frame (default: no limit)",
            "--look-ahead",
            type=float,
            metavar="SECONDS",
            local=True,
        ),
        Argument("mel", "how the mel in a .npy was computed, e.g. hifigan-22k", "--mel", metavar="PRESET", local=True),
    ),
    hidden=("guidance", "rescale", "guidance_hold", "level", "window_seconds"),
    streams=True,
    model="speech",
    loader="audiodiff.synthesis.load:load_vocoder",
    n_models=1,
    read=read,
    complete=complete,
    resolve=resolve,
    remake=remake,
    summary=summary,
    pipe=pipe,
)
