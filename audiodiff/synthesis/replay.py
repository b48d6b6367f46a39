"""Making a sound again from its story, and telling whether it became the same.

Every verb of `audiodiff.synthesis.verbs.VERBS` can be done again. What cannot be had (other weights, a missing
recording) is refused before anything is written.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from audiodiff._version import __version__
from audiodiff.errors import AudiodiffError
from audiodiff.models.find import ASSETS, find_checkpoint, pretrained_names
from audiodiff.signal.limits import HIGHEST_RATE, LOWEST_RATE
from audiodiff.signal.mel import from_dict
from audiodiff.signal.sample_hash import samples_sha256
from audiodiff.synthesis.clip import OnProgress
from audiodiff.synthesis.files import Job, check_output, resolve_clip, settings_of, settled
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.load import load_generator, load_vocoder
from audiodiff.synthesis.machine import threads
from audiodiff.synthesis.provenance import FORMAT, Story, StoryInput, StoryModel, file_sha256, read_story
from audiodiff.synthesis.settings import Sampling, VocodeFileSettings, VocodeSettings
from audiodiff.synthesis.source import Source
from audiodiff.synthesis.top_bands import checked_limits
from audiodiff.synthesis.upsample import load_upsampler
from audiodiff.synthesis.upsample_settings import UpsampleSettings
from audiodiff.synthesis.verbs import VERBS
from audiodiff.synthesis.voice import VoiceSynthesizer, load_voice
from audiodiff.synthesis.voice_settings import SpeakSettings

_COUNTS = ("no", "one", "two")
_SHOWN = 12
"""Digits of a hash that messages show."""


@dataclass(frozen=True)
class ReplayContext:
    """What a verb needs to be done again, besides its story.

    Attributes:
        source: the file with the story.
        target: the file to write.
        model: model given by the user; `None` takes the one that the story names, if it comes with the package.
        recording: input given by the user, or the folder where the inputs are; `None` looks beside `source`.
        device: where to compute.
        on_progress: called with the seconds done and the seconds in all.
    """

    source: Path
    target: Path
    model: str | Path | None = None
    recording: Path | None = None
    device: str = "cpu"
    on_progress: OnProgress | None = None

    def find_model(self, wanted: StoryModel) -> str | Path:
        """Return the name or folder of a model with the very weights that the story tells of.

        Only models of the package are found by themselves: a story is written by anybody, and must not make this
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
        found = file_sha256(find_checkpoint(chosen) / "model.safetensors")
        if found != wanted.weights_sha256:
            raise AudiodiffError(
                f"the weights of {chosen} are not those that made {self.source} ({found[:_SHOWN]}, not "
                f"{wanted.weights_sha256[:_SHOWN]}); give the model it was made with, {wanted.name}, with --model."
            )
        return chosen

    def find_input(self, wanted: StoryInput) -> Path:
        """Return the very file that went in: the given one, or one of its name beside `source` or in the package.

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
            f"{self.source} was made from {wanted.name} (sha256 {wanted.sha256[:_SHOWN]}), which is not beside it; "
            "give the original with --input."
        )


@dataclass(frozen=True)
class ReplayReport:
    """What a replay found.

    Attributes:
        path: the file written.
        story: the story that was followed.
        again: the story of the file written.
        identical: whether the samples are the same bit for bit, as decoded or as given to the encoder.
        reasons: if they are not, what differs that may have caused it.
        untouched: whether the samples in the original are still those of its story; `None` if only the story is here.
    """

    path: Path
    story: Story
    again: Story
    identical: bool
    reasons: tuple[str, ...]
    untouched: bool | None


def replay(
    source: str | Path,
    target: str | Path,
    *,
    model: str | Path | None = None,
    recording: str | Path | None = None,
    device: str = "auto",
    on_progress: OnProgress | None = None,
) -> ReplayReport:
    """Make a sound again from the story in its file: the same samples, bit for bit, on the same kind of machine.

    Args:
        source: a sound file with a story, or the JSON beside one.
        target: `.wav`, `.flac` or `.ogg`; appears only when complete.
        model: name or folder of the model; `None` takes the one of the package that the story names.
        recording: what went in, or its folder; `None` looks for a file of its name beside `source`.
        device: `auto` takes the kind that the story tells of, if it is here.
        on_progress: called with the seconds done and the seconds in all.

    Raises:
        AudiodiffError: there is no story, or a newer one; model or input are missing or others; nothing is written.
    """
    source, target = Path(source), Path(target)
    story = read_story(source)
    if story.format > FORMAT:
        raise AudiodiffError(
            f"the story of {source} has format {story.format} (audiodiff {story.audiodiff_version}), and this "
            f"audiodiff {__version__} replays up to {FORMAT}; update audiodiff."
        )
    if story.verb not in VERBS:
        raise AudiodiffError(
            f"{source} was made by `audiodiff {story.verb}`, which this audiodiff {__version__} cannot replay "
            f"(it can: {', '.join(VERBS)}); update audiodiff."
        )
    check_output(source, target)
    untouched = None
    if source.suffix.lower() != ".json":
        untouched = samples_sha256(source) == story.audio.samples_sha256
    context = ReplayContext(
        source=source,
        target=target,
        model=model,
        recording=None if recording is None else Path(recording),
        device=_same_device(story.machine.device) if device == "auto" else device,
        on_progress=on_progress,
    )
    with threads(story.machine.threads):
        again = _again(story, context)
    identical = (
        again.audio.samples_sha256 == story.audio.samples_sha256
        or again.audio.generated_sha256 == story.audio.generated_sha256
    )
    return ReplayReport(target, story, again, identical, () if identical else differences(story, again), untouched)


def differences(story: Story, again: Story) -> tuple[str, ...]:
    """Return what may have made two runs of one story differ, each as "torch 2.6.0, now 2.7.0"."""
    pairs = [
        ("audiodiff", story.audiodiff_version, again.audiodiff_version),
        ("torch", story.machine.torch, again.machine.torch),
        ("libsndfile", story.machine.libsndfile, again.machine.libsndfile),
        ("device", story.machine.device, again.machine.device),
        ("processor", story.machine.processor, again.machine.processor),
        ("threads", story.machine.threads, again.machine.threads),
    ]
    pairs += [
        (f"config of {old.name}", old.config_sha256[:_SHOWN], new.config_sha256[:_SHOWN])
        for old, new in zip(story.models, again.models, strict=False)
    ]
    names = sorted(set(story.settings) | set(again.settings))
    pairs += [(name, story.settings.get(name), again.settings.get(name)) for name in names]
    found = [f"{name} {old}, now {new}" for name, old, new in pairs if old != new]
    cores = os.cpu_count() or 1
    if story.machine.threads > cores:
        found.append(f"{story.machine.threads} threads, but {cores} cores here")
    return tuple(found or ["all that the story tells is the same; processors of another make round otherwise"])


def _again(story: Story, context: ReplayContext) -> Story:
    """Do what a story tells of once more."""
    verb = VERBS[story.verb]
    n_models = verb.n_models
    if len(story.models) != n_models or len(story.inputs) not in verb.inputs:
        inputs = " or ".join(_COUNTS[number] for number in verb.inputs)
        raise AudiodiffError(
            f"the story of {context.source} is damaged: {verb.name} takes {_COUNTS[n_models]} model"
            f"{'s' if n_models > 1 else ''} and {inputs} input{'s' if verb.inputs[-1] > 1 else ''}."
        )
    if len(story.inputs) > 1 and context.recording is not None and not context.recording.is_dir():
        raise AudiodiffError(f"{context.source} was made from two files; give the folder where both are with --input.")
    prepare = {"vocode": _vocoding, "upsample": _upsampling, "speak": _speaking}.get(verb.name, _clip)
    prepared = prepare(story, context)
    sources = [Source(context.find_input(item)) for item in story.inputs]
    synthesizer, settings, resolved = prepared()
    job = Job(verb, synthesizer, sources, context.target)
    job.check()
    if resolved is None:
        settings = settled(synthesizer, settings, sources)
        resolved = resolve_clip(synthesizer, settings)
    again = job.run(settings, resolved, context.on_progress).story
    assert again is not None
    return again


Prepared = Callable[[], tuple[Any, Any, Any]]
"""Loads the model, and returns it with the settings, and with these resolved where the story tells more of them."""


def _clip(story: Story, context: ReplayContext) -> Prepared:
    settings, chosen = settings_of(story), context.find_model(story.models[0])
    return lambda: (_latent_synthesizer(story, context, chosen), settings, None)


def _vocoding(story: Story, context: ReplayContext) -> Prepared:
    settings = VocodeSettings(_sampling(story), level=setting(story, "level", str))
    piece_frames, rate = setting(story, "piece_frames", int), setting(story, "output_rate", int)
    mel = setting(story, "mel", dict, optional=True)
    level = setting(story, "reference_level_db", float, optional=True)
    if piece_frames < 1 or not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudiodiffError(f"the story of {context.source} is damaged: its pieces or its rate are out of range.")
    chosen = context.find_model(story.models[0])

    def prepared() -> tuple[Any, Any, Any]:
        synthesizer = load_vocoder(chosen, device=context.device)
        synthesizer.reference_level_db = level
        resolved = VERBS["vocode"].resolve(
            synthesizer, VocodeFileSettings(settings, None if mel is None else from_dict(mel), rate)
        )
        return synthesizer, settings, replace(resolved, plan=replace(resolved.plan, piece_frames=piece_frames))

    return prepared


def _upsampling(story: Story, context: ReplayContext) -> Prepared:
    settings = UpsampleSettings(
        _sampling(story),
        augmentation=setting(story, "augmentation", float),
        replace=setting(story, "replace", bool),
    )
    window_frames = setting(story, "window_frames", int)
    if window_frames < 1:
        raise AudiodiffError(f"the story of {context.source} is damaged: its windows are out of range.")
    chosen = context.find_model(story.models[0])

    def prepared() -> tuple[Any, Any, Any]:
        synthesizer = load_upsampler(chosen, device=context.device)
        return synthesizer, settings, replace(synthesizer.plan(settings), window_frames=window_frames)

    return prepared


def _speaking(story: Story, context: ReplayContext) -> Prepared:
    settings = SpeakSettings(
        story.prompt,
        **{name: setting(story, name, float) for name in ("speed", "pitch", "variation")},
        speaker=setting(story, "speaker", str),
        phonemes=setting(story, "phonemes", str),
        sampling=_sampling(story),
        vocoder_steps=setting(story, "vocoder_steps", int),
    )
    chosen = context.find_model(story.models[0])

    def prepared() -> tuple[Any, Any, Any]:
        synthesizer = load_voice(chosen, device=context.device)
        _check_vocoder(story, context, synthesizer)
        return synthesizer, settings, VERBS["speak"].resolve(synthesizer, settings)

    return prepared


def _check_vocoder(story: Story, context: ReplayContext, synthesizer: LatentSynthesizer | VoiceSynthesizer) -> None:
    """Refuse a vocoder with other weights than those that the story tells of."""
    theirs, ours = story.models[1].weights_sha256, synthesizer.identity[1].weights_sha256
    if theirs != ours:
        raise AudiodiffError(
            f"the vocoder of {synthesizer.name} is not the one that made {context.source} ({ours[:_SHOWN]}, not "
            f"{theirs[:_SHOWN]}); give the model it was made with, {story.models[0].name}, with --model."
        )


def _latent_synthesizer(story: Story, context: ReplayContext, chosen: str | Path) -> LatentSynthesizer:
    """The latent model and the vocoder of a story."""
    synthesizer = load_generator(chosen, device=context.device)
    _check_vocoder(story, context, synthesizer)
    # Stories that do not name these are from before they existed.
    tolerance = setting(story, "tolerance_seconds", float) if "tolerance_seconds" in story.settings else 0.0
    if not 0.0 <= tolerance <= synthesizer.window_seconds:
        raise AudiodiffError(f"the story of {context.source} is damaged: tolerance_seconds is {tolerance!r}.")
    limits = setting(story, "band_limits", list) if "band_limits" in story.settings else []
    synthesizer.tolerance_seconds = tolerance
    synthesizer.band_limits = checked_limits(limits, synthesizer.model.mel_spec.n_mels)
    return synthesizer


def _sampling(story: Story) -> Sampling:
    """How a model without guidance sampled."""
    return Sampling(
        steps=setting(story, "steps", int),
        sampler=setting(story, "sampler", str),
        grid=setting(story, "grid", str),
        precision=setting(story, "precision", str),
        seed=story.seed,
    )


def setting(story: Story, name: str, kind: type, *, optional: bool = False) -> Any:
    """Return one setting of a story; stories are written by anybody, so its type is looked at.

    Raises:
        AudiodiffError: it is missing, or of another type.
    """
    value = story.settings.get(name)
    if kind is float and type(value) is int:
        value = float(value)
    if not (type(value) is kind or (optional and value is None and name in story.settings)):
        raise AudiodiffError(
            f"the story has the setting {name} {str(value)[:60]!r}; expected a value of type {kind.__name__}."
        )
    return value


def _same_device(kind: str) -> str:
    """Return the kind of device that a story tells of if there is one here, else what is best here."""
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return kind if here.get(kind, False) else "auto"
