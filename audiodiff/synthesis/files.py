"""From files to a file: what every verb has in common where it reads and writes.

Inputs are opened once, the output is checked before any work is done and appears only when it is complete, and what
made it is kept in it (`audiodiff.synthesis.provenance`), for `inspect` and `replay`.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiodiff.atomic import check_target
from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import check_extension
from audiodiff.signal.watermark import Peaks, mark_blocks
from audiodiff.synthesis.clip import Clip, OnEstimate, OnProgress, Sound
from audiodiff.synthesis.clip_latents import ClipLatents
from audiodiff.synthesis.credentials import COMPOSITE, FORMATS, GENERATED, UNSIGNED, SigningKey, sign
from audiodiff.synthesis.encodings import FLOAT_ENCODINGS, check_bits, encoding_of
from audiodiff.synthesis.iterations import ITERATIONS
from audiodiff.synthesis.machine import this_machine
from audiodiff.synthesis.provenance import (
    MADE_BY,
    MADE_FROM,
    AudioRecord,
    ModelRecord,
    ProvenanceRecord,
    check_sidecar,
)
from audiodiff.synthesis.resolved import ResolvedClip
from audiodiff.synthesis.settings import GenerateSettings, Resolved, Sampling, changed, values_of
from audiodiff.synthesis.source import Source
from audiodiff.synthesis.streams import Stream
from audiodiff.synthesis.subtitles import Caption
from audiodiff.synthesis.tagged_writer import TaggedAudioWriter
from audiodiff.synthesis.verb import Verb
from audiodiff.synthesis.verb_choice import verb_of
from audiodiff.synthesis.verbs import VERBS
from audiodiff.synthesis.vocoder_record import vocoder_values
from audiodiff.synthesis.watermarking import (
    ALREADY,
    PEAKS_SETTING,
    SETTING,
    any_marked,
    identifier_of,
    is_marked,
    marked_clip,
    recorded,
)
from audiodiff.torch_state import standard_state

WAV_BYTES = (1 << 32) - (1 << 16)

_OF_VOCODER = ("piece_frames", *ITERATIONS, "vocoder_sampler", "vocoder_grid")
_OF_LATENT = ("text_encoder", "tolerance_seconds", "band_limits", "batched", "engine")
_OF_MODEL = (*_OF_LATENT, *_OF_VOCODER, SETTING, PEAKS_SETTING)
_LATER: Mapping[str, Any] = {"joint": False}
"""Settings that came later, and what was done before."""


@dataclass(frozen=True)
class FileReport:
    """What was written.

    Attributes:
        path: the file.
        seconds: its length.
        sample_rate: Hz.
        channels: of the file.
        settings: what was asked for.
        resolved: every setting as it was used.
        clipped: samples beyond full scale, which were cut to it.
        notes: sentences about what was not done as asked, or what an input lacks.
        elapsed: seconds that it took, loading of the model not counted.
        record: what the file tells about itself; `None` without provenance.
        silent_channels: channels of a vocoded or upsampled input that were silence and came out as silence.
        seam: of a loop, how abrupt its seam is (`audiodiff.synthesis.loop.SeamScore.ratio`).
        captions: of speech, what is said when.
        watermark: the number in the watermark; `None` without one.
    """

    path: Path
    seconds: float
    sample_rate: int
    channels: int
    settings: Any
    resolved: Any
    clipped: int
    notes: tuple[str, ...]
    elapsed: float
    record: ProvenanceRecord | None
    silent_channels: int = 0
    seam: float | None = None
    captions: Sequence[Caption] = ()
    watermark: int | None = None

    @property
    def sampling(self) -> Resolved:
        """How it was sampled."""
        found: Resolved = self.resolved.sampling
        return found

    @property
    def seed(self) -> int:
        """Seed of the noise; 0 where there is none."""
        return seed_of(self.resolved)

    @property
    def real_time_factor(self) -> float:
        """Seconds of work per second of audio; below 1 is faster than real time."""
        return self.elapsed / self.seconds


def run_file(
    name: str,
    synthesizer: Any,
    sources: Sequence[str | Path | Source],
    target: str | Path,
    settings: Any,
    *,
    provenance: bool = True,
    sidecar: bool = False,
    latents: bool = True,
    bits: int | None = None,
    watermark: bool = True,
    signing: SigningKey | None = None,
    on_progress: OnProgress | None = None,
    on_estimate: OnEstimate | None = None,
) -> FileReport:
    """Do what a verb does, from files to a file.

    Args:
        name: of the verb, one of `VERBS`.
        synthesizer: the loaded model.
        sources: the files that go in, as many as the verb takes.
        target: `.wav`, `.flac`, `.ogg` or `.mp3`; appears only when complete.
        settings: of the class of the verb.
        provenance: keep in the file what made it.
        sidecar: write that as JSON next to the file, too.
        latents: keep with it the latents of the clip, if it has any, for edits to start from.
        bits: of a sample in a WAV or FLAC, 16 or 24; when `None`, 16, or as many as hold what is kept of an input.
        watermark: put the mark of `audiodiff.signal.watermark` into the samples that a model made.
        signing: what signs the file (`audiodiff.synthesis.credentials.signing_key`), if anything does.
        on_progress: called with the work done and the work in all.
        on_estimate: called after every step with the latents that a generated clip seems to become.

    Raises:
        AudiodiffError: a file or a setting that cannot be used; nothing is left behind then.
    """
    verb, opened = verb_of(name, synthesizer), [each if isinstance(each, Source) else Source(each) for each in sources]
    job = Job(
        verb,
        synthesizer,
        opened,
        Path(target),
        provenance=provenance,
        sidecar=sidecar,
        latents=latents,
        bits=bits,
        watermark=watermark,
        signing=signing,
    )
    job.check()
    settings = verb.settle(synthesizer, settings, opened)
    return job.run(settings, verb.resolve(synthesizer, settings), on_progress, on_estimate)


@standard_state()
def apply(
    name: str,
    synthesizer: Any,
    sounds: Sequence[Sound],
    settings: Any,
    on_progress: OnProgress | None = None,
    on_estimate: OnEstimate | None = None,
) -> Clip:
    """Do what a verb that makes clips does, from recordings in memory.

    Args:
        name: of the verb, one of `VERBS`.
        synthesizer: the loaded model.
        sounds: the recordings that go in, with their rates (Hz).
        settings: of the class of the verb.
        on_progress: called with the steps done and the steps in all.
        on_estimate: called after every step with the latents that a generated clip seems to become.

    Raises:
        AudiodiffError: a recording or a setting that cannot be used.
    """
    verb = verb_of(name, synthesizer)
    _check_inputs(verb, len(sounds))
    resolved = verb.resolve(synthesizer, settings)
    clip: Clip = verb.make(synthesizer, sounds, settings, resolved, on_progress, on_estimate)
    return clip


def check_output(source: Path | None, target: Path) -> None:
    """Refuse an output that cannot be written or would overwrite the input, before any work is done.

    Raises:
        AudiodiffError: `target` is the input itself, a folder, read-only, or of an unknown format.
    """
    if source is not None and (
        (target.exists() and source.exists() and target.samefile(source)) or source.resolve() == target.resolve()
    ):
        raise AudiodiffError(f"{target} is the input as well; give the output another name.")
    check_extension(target)
    check_target(target)


@dataclass(frozen=True)
class Job:
    """A verb, a model, and the files that it reads and writes; `identifier` is that of a watermark to make again.

    `peaks` says how the peaks of a watermark are kept.
    """

    verb: Verb
    synthesizer: Any
    sources: Sequence[Source]
    target: Path
    provenance: bool = True
    sidecar: bool = False
    latents: bool = True
    bits: int | None = None
    watermark: bool = True
    identifier: int | None = None
    peaks: Peaks = "limit"
    signing: SigningKey | None = None

    def check(self) -> None:
        """Refuse files that cannot be used, before any work is done.

        Raises:
            AudiodiffError: one cannot.
        """
        _check_inputs(self.verb, len(self.sources))
        for source in self.sources or (None,):
            check_output(None if source is None else source.path, self.target)
        check_bits(self.bits, self.target)
        if self.sidecar:
            check_sidecar(self.target, provenance=self.provenance)

    @standard_state()
    def run(
        self,
        settings: Any,
        resolved: Any,
        on_progress: OnProgress | None = None,
        on_estimate: OnEstimate | None = None,
    ) -> FileReport:
        """Do the work, and write what comes out; `resolved` are the settings filled in.

        Raises:
            AudiodiffError: an input that cannot be used; nothing is left behind then.
        """
        started = time.perf_counter()
        if not self.verb.streams:
            take = self.verb.makes_latents
            sounds: list[Sound] = [
                each.sound if take else (each.audio.waveform, each.audio.sample_rate) for each in self.sources
            ]
        encoding, notes = encoding_of(self.verb, self.sources, self.target, self.bits)
        told = self._told(settings, resolved)
        make_record = self._record_maker(told)
        if self.verb.streams:
            made: Clip | Stream = self.verb.make(self.synthesizer, self.sources, resolved, on_progress)
        else:
            made = self.verb.make(self.synthesizer, sounds, settings, resolved, on_progress, on_estimate)
            notes = (*notes, *(note for source in self.sources for note in source.notes))
            notes = (*notes, *(note for source in self.sources if take for note in source.latents_notes))
        latents, said = self._kept(made)
        blocks, channels, n_samples = _blocks(made)
        identifier, about = self._watermark(made, told)
        seal, unsigned = self._seal(told)
        if identifier is not None:
            blocks = (
                iter((marked_clip(made, identifier, self.peaks),))
                if isinstance(made, Clip)
                else mark_blocks(blocks, made.sample_rate, identifier, made.new, peaks=self.peaks)
            )
        self._check_size(n_samples, channels, made.sample_rate, (self.bits or 16) // 8)
        written, clipped = 0, 0
        with TaggedAudioWriter(
            self.target,
            made.sample_rate,
            channels,
            provenance=make_record and partial(_completed, made, identifier, self.peaks, make_record),
            sidecar=self.sidecar,
            latents=latents,
            encoding=encoding,
            seal=seal,
        ) as writer:
            for block in blocks:
                written += block.shape[-1]
                clipped += int((np.abs(block) > 1.0).sum())
                writer.write(block if encoding in FLOAT_ENCODINGS else block.clip(-1.0, 1.0))
        report = FileReport(
            path=self.target,
            seconds=written / made.sample_rate,
            sample_rate=made.sample_rate,
            channels=channels,
            settings=settings,
            resolved=resolved,
            clipped=made.clipped if isinstance(made, Clip) else clipped,
            notes=(*made.notes, *notes, *said, *about, *unsigned),
            elapsed=time.perf_counter() - started,
            record=writer.record,
            silent_channels=0 if isinstance(made, Clip) else made.silent_channels,
            seam=made.seam if isinstance(made, Clip) else None,
            captions=() if isinstance(made, Clip) else made.captions,
            watermark=identifier,
        )
        self.verb.finish(report)
        return report

    def _told(self, settings: Any, resolved: Any) -> dict[str, Any]:
        """What record and watermark tell of. The inputs are looked at now: they may change meanwhile."""
        identity: ModelRecord | tuple[ModelRecord, ...] = self.synthesizer.identity
        values = self._clip_values(settings, resolved) if isinstance(resolved, ResolvedClip) else resolved.values()
        return {
            "verb": self.verb.name,
            "models": identity if isinstance(identity, tuple) else (identity,),
            "settings": {**values, **vocoder_values(self.synthesizer, values)},
            "seed": seed_of(resolved),
            "inputs": tuple(source.identity for source in self.sources),
            "made_by": self._made_by(),
            **{name: getattr(resolved, name) for name in ("prompt", "negative", "made_by") if hasattr(resolved, name)},
        }

    def _record_maker(self, told: dict[str, Any]) -> Callable[[AudioRecord], ProvenanceRecord] | None:
        """Return what makes the record from the samples."""
        if not self.provenance:
            return None
        engine = getattr(self.synthesizer, "engine", None)
        libraries = getattr(self.synthesizer, "libraries", "") if engine is None else engine.library
        machine = replace(this_machine(self.synthesizer.device), libraries=libraries)
        return lambda audio: ProvenanceRecord(audio=audio, machine=machine, **told)

    def _watermark(self, made: Clip | Stream, told: dict[str, Any]) -> tuple[int | None, tuple[str, ...]]:
        """The number that the watermark carries, `None` for none, and a note if there is one already."""
        if not self.watermark or self.identifier is not None:
            return self.identifier, ()
        synthetic = told["made_by"] != MADE_FROM
        if self.sources and not self.verb.keeps_samples:
            if isinstance(made, Clip):
                marked = is_marked(_blocks(made)[0], made.sample_rate)
                # what is done to the samples without a model may take the mark out
                synthetic = synthetic or any_marked(self.sources)
            else:
                marked = any_marked(self.sources)
            if marked:
                return None, (ALREADY,)
        return identifier_of(told) if synthetic else None, ()

    def _seal(self, told: dict[str, Any]) -> tuple[Callable[[Path], None] | None, tuple[str, ...]]:
        """What signs the finished file, `None` for nothing, and a note if it cannot be signed as asked."""
        if self.signing is None:
            return None, ()
        if told["made_by"] == MADE_FROM:
            return None, (f"{self.target.name} was made without a model, and is not signed as synthetic",)
        kind = FORMATS.get(self.target.suffix.lower())
        if kind is None:
            return None, (f"{self.target.name} {UNSIGNED}",)
        source_type = COMPOSITE if self.verb.keeps_samples else GENERATED
        inputs = [source.path for source in self.sources]
        seal = partial(
            sign, key=self.signing, format=kind, title=self.target.name, source_type=source_type, inputs=inputs
        )
        return seal, ()

    def _kept(self, made: Clip | Stream) -> tuple[ClipLatents | None, tuple[str, ...]]:
        """The latents to keep in the file, and a note if they are too many."""
        if not (self.provenance and self.latents and isinstance(made, Clip)) or made.latents is None:
            return None, ()
        if made.latents.fits_tag or self.sidecar:
            return made.latents, ()
        return None, ("the clip is too long for its latents to be kept in the file; --sidecar keeps them beside it",)

    def _made_by(self) -> str:
        """Say in words what has made the sound; without a model, what has made the sound that it is made from."""
        if self.verb.n_models:
            return MADE_BY
        records = (source.record for source in self.sources)
        return next((record.made_by for record in records if record is not None), MADE_FROM)

    def _clip_values(self, settings: Any, clip: ResolvedClip) -> dict[str, Any]:
        """Settings as the record of a clip keeps them: the verb's own, those of the clip, and those of the model."""
        model = self.synthesizer
        own = {} if isinstance(settings, GenerateSettings) else own_values(settings)
        return {
            **{name: value for name, value in clip.values().items() if name not in self.verb.from_input},
            **own,
            "text_encoder": model.text_encoder,
            "tolerance_seconds": model.tolerance_seconds,
            "band_limits": list(model.band_limits),
            "batched": model.batched,
            **({} if model.engine.name == "torch" else {"engine": model.engine.name}),
        }

    def _check_size(self, n_samples: int | None, channels: int, rate: int, width: int) -> None:
        if n_samples is not None and self.target.suffix.lower() == ".wav" and n_samples * channels * width > WAV_BYTES:
            raise AudiodiffError(
                f"{self.target} would have {n_samples / rate / 3600:.1f} hours in {channels} channels, more than the "
                "4 GiB that a WAV can hold; write .flac instead."
            )


def _completed(
    made: Clip | Stream,
    identifier: int | None,
    peaks: Peaks,
    make_record: Callable[[AudioRecord], ProvenanceRecord],
    audio: AudioRecord,
) -> ProvenanceRecord:
    """The record with its watermark, and of a clip with whether latents or samples of a recording were the start."""
    record = make_record(audio)
    if identifier is not None:
        of_mark = {SETTING: recorded(identifier)} | ({} if peaks == "clip" else {PEAKS_SETTING: peaks})
        record = replace(record, settings={**record.settings, **of_mark})
    if not isinstance(made, Clip) or not made.started_from:
        return record
    pairs = zip(record.inputs, made.started_from, strict=True)
    return replace(record, inputs=tuple(replace(item, latents_sha256=sha256) for item, sha256 in pairs))


def seed_of(resolved: Any) -> int:
    """The seed of resolved settings, 0 of those of a verb without noise."""
    sampling: Resolved | None = getattr(resolved, "sampling", None)
    return 0 if sampling is None else sampling.seed


def own_values(settings: Any) -> dict[str, Any]:
    """The settings of an edit besides those of its clip, as JSON values."""
    return {item.name: _lists(getattr(settings, item.name)) for item in fields(settings) if item.name != "clip"}


def settings_of(record: ProvenanceRecord) -> Any:
    """The settings that the provenance record of a clip tells of, of the class of its verb.

    Raises:
        AudiodiffError: a setting is missing, unknown, or out of range.
    """
    kind = VERBS[record.verb].settings
    names = [item.name for item in fields(kind)]
    # Two prompts stand in the settings; the prompt of the record is then their mixture, in words.
    told = {"prompt": record.prompt, "negative": record.negative, "seed": record.seed}
    values = {key: _tuples(value) for key, value in record.settings.items() if key not in _OF_MODEL}
    own = [] if kind is GenerateSettings else [name for name in names if name != "clip"]
    values = {name: value for name, value in _LATER.items() if name in own} | values
    missing = [name for name in own if name not in values]
    if missing:
        raise AudiodiffError(
            f"the provenance record lacks the setting {missing[0]}, so the sound cannot be made again."
        )
    clip = {name: value for name, value in values.items() if name not in own}
    odd = sorted({*clip} - ({*values_of(GenerateSettings())} if own == [] or "clip" in names else set()))
    if odd:
        raise AudiodiffError(
            f"the provenance record has the setting {odd[0]}, which this audiodiff does not know; update audiodiff."
        )
    if own and "clip" not in names:
        return kind(**values)
    # A record without a level is of an edit from before what is new was limited, one without bars of a clip from
    # before loops had them, one without a hold of a clip from before what guidance changes was used again.
    before = GenerateSettings(level="none", bars=None if own else 0, sampling=Sampling(guidance_hold=0.0))
    resolved = changed(before, {**told, **clip})
    return kind(clip=resolved, **{name: values[name] for name in own}) if own else resolved


def _check_inputs(verb: Verb, count: int) -> None:
    if count not in verb.inputs:
        known = " or ".join(str(number) for number in verb.inputs)
        raise AudiodiffError(
            f"{verb.name} takes {known} recordings, and {count} {'was' if count == 1 else 'were'} given."
        )


def _blocks(made: Clip | Stream) -> tuple[Iterator[NDArray[np.float32]], int, int | None]:
    """Return what was made as blocks `[channels, n]`, with the channels and the samples in all if they are known."""
    if isinstance(made, Stream):
        return (block.numpy() for block in made.blocks), made.channels, made.n_samples
    waveform = made.waveform if made.waveform.ndim == 2 else made.waveform[None]
    return iter((waveform,)), *waveform.shape


def _lists(value: object) -> object:
    return [_lists(item) for item in value] if isinstance(value, tuple | list) else value


def _tuples(value: object) -> object:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
