"""Making a sound again from its record, and telling whether it became the same.

Every verb of `audiodiff.synthesis.verbs.VERBS` can be done again. What cannot be had (other weights, a missing
recording) is refused before anything is written.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from audiodiff._version import __version__
from audiodiff.diffusion.names import sampler_name
from audiodiff.errors import AudiodiffError
from audiodiff.models.adapter import Adapter, open_adapters
from audiodiff.models.find import ASSETS, VOCODER_FOLDER, find_checkpoint, pretrained_names
from audiodiff.models.kinds import imported
from audiodiff.models.libraries import library_of
from audiodiff.signal.sample_hash import samples_sha256
from audiodiff.synthesis.adapted import Adapters
from audiodiff.synthesis.clip import OnProgress
from audiodiff.synthesis.engine import use_engine
from audiodiff.synthesis.files import Job, check_output, settings_of
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.machine import threads
from audiodiff.synthesis.provenance import (
    FORMAT,
    InputRecord,
    ModelRecord,
    ProvenanceRecord,
    file_sha256,
    read_provenance,
)
from audiodiff.synthesis.source import Source
from audiodiff.synthesis.told import setting
from audiodiff.synthesis.top_bands import checked_limits
from audiodiff.synthesis.verb_choice import verb_of
from audiodiff.synthesis.verbs import VERBS
from audiodiff.synthesis.vocoder_record import set_vocoder_up
from audiodiff.synthesis.watermarking import identifier_in, peaks_in
from audiodiff.text.encoders import encoders_of, recorded_encoder

_COUNTS = ("no", "one", "two")
_SHOWN = 12
"""Digits of a hash that messages show."""


@dataclass(frozen=True)
class ReplayContext:
    """What a verb needs to be done again, besides its record.

    Attributes:
        source: the file with the record.
        target: the file to write.
        model: model given by the user; `None` takes the one that the record names, if it comes with the package.
        recording: input given by the user, or the folder where the inputs are; `None` looks next to `source`.
        adapters: given by the user.
        device: where to compute.
        on_progress: called with the seconds done and the seconds in all.
    """

    source: Path
    target: Path
    model: str | Path | None = None
    recording: Path | None = None
    adapters: Adapters = ()
    device: str = "cpu"
    on_progress: OnProgress | None = None

    def find_model(self, wanted: ModelRecord) -> str | Path:
        """Return the name or folder of a model with the very weights that the record names.

        Only models of the package are found by themselves: a record is written by anybody, and must not make this
        machine fetch what it names.

        Raises:
            AudiodiffError: there is no such model at hand, or its weights are others.
        """
        if not wanted.weights_sha256:
            raise AudiodiffError(
                f"{self.source} was made by {wanted.name}, a model that was not loaded from a checkpoint; "
                "it cannot be replayed."
            )
        if self.model is None and wanted.name not in pretrained_names():
            raise AudiodiffError(
                f"{self.source} was made by the model {wanted.name} (weights {wanted.weights_sha256[:_SHOWN]}), "
                "which does not come with the package; give it with --model."
            )
        chosen = wanted.name if self.model is None else self.model
        library = library_of(chosen)
        if library is not None:
            return self._checked(chosen, library.weights_sha256(chosen), wanted)
        folder = find_checkpoint(chosen)
        found = file_sha256(folder / "model.safetensors")
        vocoder = folder / VOCODER_FOLDER / "model.safetensors"  # that of a latent model may have been used by itself
        if found != wanted.weights_sha256 and vocoder.is_file() and file_sha256(vocoder) == wanted.weights_sha256:
            return vocoder.parent
        return self._checked(chosen, found, wanted)

    def _checked(self, chosen: str | Path, found: str, wanted: ModelRecord) -> str | Path:
        """Return the model that was chosen, if the hash of its weights is that of the record.

        Raises:
            AudiodiffError: it is not.
        """
        if found == wanted.weights_sha256:
            return chosen
        raise AudiodiffError(
            f"the weights of {chosen} are not those that made {self.source} ({found[:_SHOWN]}, not "
            f"{wanted.weights_sha256[:_SHOWN]}); give the model it was made with, {wanted.name}, with --model."
        )

    def find_adapters(self, models: Sequence[ModelRecord]) -> tuple[Adapter, ...]:
        """Return the very adapters that a record names, as strong as it says.

        Raises:
            AudiodiffError: one was not given, or one was given that the record does not name.
        """
        given = {each.weights_sha256: each for each in open_adapters(self.adapters)}
        found = []
        for wanted in (each for model in models for each in model.adapters):
            if wanted.weights_sha256 not in given:
                raise AudiodiffError(
                    f"{self.source} was made with the adapter {wanted.name} (weights "
                    f"{wanted.weights_sha256[:_SHOWN]}, strength {wanted.strength:g}); give its folder with --adapter."
                )
            found.append(replace(given.pop(wanted.weights_sha256), name=wanted.name, strength=wanted.strength))
        if given:
            other = next(iter(given.values()))
            raise AudiodiffError(
                f"{self.source} was made without the adapter {other.folder} (weights "
                f"{other.weights_sha256[:_SHOWN]}); leave it out."
            )
        return tuple(found)

    def find_input(self, wanted: InputRecord) -> Path:
        """Return the very file that went in: the given one, or one of its name next to `source` or in the package.

        Raises:
            AudiodiffError: it is not there, or is another one.
        """
        if self.recording is not None:
            places = [self.recording / wanted.name if self.recording.is_dir() else self.recording]
        else:
            places = [folder / wanted.name for folder in (self.source.parent, ASSETS)]
        present = [place for place in places if place.is_file()]
        for place in present:
            if file_sha256(place) == wanted.sha256:
                return place
        if present:
            raise AudiodiffError(
                f"{present[0]} is not the {wanted.name} that {self.source} was made from (its content differs, should "
                f"be sha256 {wanted.sha256[:_SHOWN]}); give the original with --input."
            )
        if self.recording is not None:
            raise AudiodiffError(f"{places[0]} does not exist or is not a file; give the original with --input.")
        raise AudiodiffError(
            f"{self.source} was made from {wanted.name} (sha256 {wanted.sha256[:_SHOWN]}), which is not next to it; "
            "give the original with --input."
        )


@dataclass(frozen=True)
class ReplayReport:
    """What a replay found.

    Attributes:
        path: the file written.
        record: the record that was followed.
        again: the provenance record of the file written.
        identical: whether the samples are the same bit for bit, as decoded or as given to the encoder.
        reasons: if they are not, what differs that may have caused it.
        untouched: whether the samples in the original are still those of its record; `None` if only the record is here.
    """

    path: Path
    record: ProvenanceRecord
    again: ProvenanceRecord
    identical: bool
    reasons: tuple[str, ...]
    untouched: bool | None


def replay(
    source: str | Path,
    target: str | Path,
    *,
    model: str | Path | None = None,
    recording: str | Path | None = None,
    adapters: Adapters = (),
    device: str = "auto",
    on_progress: OnProgress | None = None,
) -> ReplayReport:
    """Make a sound again from the record in its file: the same samples, bit for bit, on the same kind of machine.

    Args:
        source: a sound file with a provenance record, or the JSON next to one.
        target: `.wav`, `.flac`, `.ogg` or `.mp3`; appears only when complete.
        model: name or folder of the model; `None` takes the one of the package that the record names.
        recording: what went in, or its folder; `None` looks for a file of its name next to `source`.
        adapters: those that the record names; their strengths are the recorded ones.
        device: `auto` takes the kind that the record names, if it is here.
        on_progress: called with the seconds done and the seconds in all.

    Raises:
        AudiodiffError: there is no record, or a newer one; model or input are missing or others; nothing is written.
    """
    source, target = Path(source), Path(target)
    record = read_provenance(source)
    if record.format > FORMAT:
        raise AudiodiffError(
            f"the provenance record of {source} has format {record.format} (audiodiff {record.audiodiff_version}), "
            f"and this audiodiff {__version__} replays up to {FORMAT}; update audiodiff."
        )
    if record.verb not in VERBS:
        raise AudiodiffError(
            f"{source} was made by `audiodiff {record.verb}`, which this audiodiff {__version__} cannot replay "
            f"(it can: {', '.join(VERBS)}); update audiodiff."
        )
    check_output(source, target)
    untouched = None
    if source.suffix.lower() != ".json":
        untouched = samples_sha256(source) == record.audio.samples_sha256
    context = ReplayContext(
        source=source,
        target=target,
        model=model,
        recording=None if recording is None else Path(recording),
        adapters=adapters,
        device=_same_device(record.machine.device) if device == "auto" else device,
        on_progress=on_progress,
    )
    with threads(record.machine.threads):
        again = _again(record, context)
    identical = (
        again.audio.samples_sha256 == record.audio.samples_sha256
        or again.audio.generated_sha256 == record.audio.generated_sha256
    )
    return ReplayReport(target, record, again, identical, () if identical else differences(record, again), untouched)


def differences(record: ProvenanceRecord, again: ProvenanceRecord) -> tuple[str, ...]:
    """Return what may have made two runs of one record differ, each as "torch 2.6.0, now 2.7.0"."""
    pairs = [
        ("audiodiff", record.audiodiff_version, again.audiodiff_version),
        ("torch", record.machine.torch, again.machine.torch),
        ("libsndfile", record.machine.libsndfile, again.machine.libsndfile),
        ("libraries", record.machine.libraries, again.machine.libraries),
        ("device", record.machine.device, again.machine.device),
        ("processor", record.machine.processor, again.machine.processor),
        ("threads", record.machine.threads, again.machine.threads),
    ]
    pairs += [
        (f"config of {old.name}", old.config_sha256[:_SHOWN], new.config_sha256[:_SHOWN])
        for old, new in zip(record.models, again.models, strict=False)
    ]
    pairs += [
        (f"latents of {old.name}", old.latents_sha256[:_SHOWN], new.latents_sha256[:_SHOWN])
        for old, new in zip(record.inputs, again.inputs, strict=False)
    ]
    names = sorted(set(record.settings) | set(again.settings))
    old = {**record.settings, "sampler": sampler_name(str(record.settings.get("sampler")))}
    if "text_encoder" in old:
        old["text_encoder"] = recorded_encoder(str(old["text_encoder"]))
    pairs += [(name, old.get(name), again.settings.get(name)) for name in names]
    found = [f"{name} {old}, now {new}" for name, old, new in pairs if old != new]
    cores = os.cpu_count() or 1
    if record.machine.threads > cores:
        found.append(f"{record.machine.threads} threads, but {cores} cores here")
    return tuple(found or ["everything recorded is the same; other processors may round differently"])


def _again(record: ProvenanceRecord, context: ReplayContext) -> ProvenanceRecord:
    """Do what a record tells of once more."""
    verb = VERBS[record.verb]
    n_models = 1 if record.models and library_of(record.models[0].name) else verb.n_models
    if len(record.models) != n_models or len(record.inputs) not in verb.inputs:
        inputs = " or ".join(_COUNTS[number] for number in verb.inputs)
        raise AudiodiffError(
            f"the provenance record of {context.source} is damaged: {verb.name} takes {_COUNTS[n_models]} model"
            f"{'' if n_models == 1 else 's'} and {inputs} input{'s' if verb.inputs[-1] > 1 else ''}."
        )
    if len(record.inputs) > 1 and context.recording is not None and not context.recording.is_dir():
        raise AudiodiffError(f"{context.source} was made from two files; give the folder where both are with --input.")
    settings, resolve = (settings_of(record), None) if verb.remake is None else verb.remake(record)
    chosen = context.find_model(record.models[0]) if record.models else ""
    sources = [Source(context.find_input(item), latents=item.latents_sha256) for item in record.inputs]
    adapters = context.find_adapters(record.models)
    options = {"adapters": adapters} if adapters else {}
    synthesizer = imported(verb.loader)(chosen, device=context.device, **options)
    verb = verb_of(record.verb, synthesizer)
    if len(record.models) == 2:
        _check_vocoder(synthesizer, record, context)
    if isinstance(synthesizer, LatentSynthesizer):
        _set_up(synthesizer, record, context)
    set_vocoder_up(synthesizer, record)
    identifier = identifier_in(record)
    watermark = identifier is not None
    job = Job(
        verb,
        synthesizer,
        sources,
        context.target,
        watermark=watermark,
        identifier=identifier,
        peaks=peaks_in(record),
    )
    job.check()
    if resolve is None:
        settings = verb.settle(synthesizer, settings, sources)
        resolved = (verb.again or verb.resolve)(synthesizer, settings)
    else:
        resolved = resolve(synthesizer)
    again = job.run(settings, resolved, context.on_progress).record
    assert again is not None
    return again


def _check_vocoder(synthesizer: Any, record: ProvenanceRecord, context: ReplayContext) -> None:
    """Refuse a vocoder with other weights than that of the record."""
    theirs, ours = record.models[1].weights_sha256, synthesizer.identity[1].weights_sha256
    if theirs != ours:
        raise AudiodiffError(
            f"the vocoder of {synthesizer.name} is not the one that made {context.source} ({ours[:_SHOWN]}, not "
            f"{theirs[:_SHOWN]}); give the model it was made with, {record.models[0].name}, with --model."
        )


def _set_up(synthesizer: LatentSynthesizer, record: ProvenanceRecord, context: ReplayContext) -> None:
    """Set what the record tells of a latent model."""
    # Records that do not name these are from before they existed.
    tolerance = setting(record, "tolerance_seconds", float) if "tolerance_seconds" in record.settings else 0.0
    if not 0.0 <= tolerance <= synthesizer.window_seconds:
        raise AudiodiffError(
            f"the provenance record of {context.source} is damaged: tolerance_seconds is {tolerance!r}."
        )
    limits = setting(record, "band_limits", list) if "band_limits" in record.settings else []
    named = synthesizer.model.config.text_encoder
    told = setting(record, "text_encoder", str) if "text_encoder" in record.settings else named
    encoder, known = recorded_encoder(told), encoders_of(named)
    if encoder not in known:
        raise AudiodiffError(
            f"{context.source} was made with the text encoder {encoder[:60]!r}, and {synthesizer.name} can use "
            f"{' or '.join(known)}; update audiodiff."
        )
    synthesizer.text_encoder = encoder
    synthesizer.tolerance_seconds = tolerance
    synthesizer.batched = setting(record, "batched", bool) if "batched" in record.settings else False
    use_engine(synthesizer, setting(record, "engine", str) if "engine" in record.settings else "torch")
    synthesizer.band_limits = checked_limits(limits, synthesizer.model.mel_spec.n_mels)


def _same_device(kind: str) -> str:
    """Return the kind of device that a record tells of if there is one here, else what is best here."""
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return kind if here.get(kind, False) else "auto"
