"""What every handler of the demo works with: the models, the limits, the queue and the folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from audiodiff.cli.allocator import release_memory
from audiodiff.errors import AudiodiffError
from audiodiff.models.adapter import Adapter, open_adapters
from audiodiff.models.find import find_checkpoint, find_vocoder, pretrained_names, public_name, read_model_config
from audiodiff.models.libraries import library_of
from audiodiff.synthesis.adapted import Adapters
from audiodiff.synthesis.load import NoModel, load_clip_maker, load_vocoder
from audiodiff.synthesis.provenance import ModelRecord
from audiodiff.synthesis.upsample import UpsamplerSynthesizer, load_upsampler
from audiodiff.synthesis.verb import Verb
from audiodiff.synthesis.verb_choice import verb_of
from audiodiff.synthesis.verbs import VERBS
from audiodiff.synthesis.vocode import VocoderSynthesizer
from audiodiff.synthesis.voice import VoiceSynthesizer, load_voice
from audiodiff.text.vocabulary import vocabulary

from .adapting import divide, with_vocoder
from .capabilities import Capabilities, ClipSynthesizer, capabilities_of
from .jobs import Jobs
from .limits import Limits
from .listeners import Listeners
from .takes import Takes
from .workspace import Workspace

GENERATOR, VOCODER, UPSAMPLER, VOICE = "music", "speech", "upsample-speech", "kathleen"
"""The models of the package that are taken when none are named."""


@dataclass(frozen=True)
class Models:
    """The loaded models, shared by all users.

    Attributes:
        generator: makes clips from prompts; `None` if there is none.
        vocoder: resynthesises recordings; `None` if there is none.
        upsampler: gives recordings the band they lack; `None` if there is none.
        about: what the generator says of itself.
        words: the words that the generator knows, kind -> words.
        voices: speak texts, by the names that visitors know; the first is the usual one.
        adapters: what was merged into them.
    """

    generator: ClipSynthesizer | None = None
    vocoder: VocoderSynthesizer | None = None
    upsampler: UpsamplerSynthesizer | None = None
    about: str = ""
    words: Mapping[str, list[str]] = field(default_factory=dict)
    voices: Mapping[str, VoiceSynthesizer] = field(default_factory=dict)
    adapters: tuple[Adapter, ...] = ()

    def require_generator(self) -> ClipSynthesizer:
        """Return the generator.

        Raises:
            AudiodiffError: there is none.
        """
        if self.generator is None:
            raise AudiodiffError("this demo runs without a model that generates; start it with --model MODEL.")
        return self.generator

    @property
    def capabilities(self) -> Capabilities:
        """What the generator can do.

        Raises:
            AudiodiffError: there is none.
        """
        return capabilities_of(self.require_generator())

    def clip_verb(self, name: str) -> tuple[Verb, ClipSynthesizer | NoModel]:
        """Return a verb for clips, and what does it.

        Raises:
            AudiodiffError: there is no generator, or it cannot do that.
        """
        generator = self.require_generator()
        if not VERBS[name].n_models:
            return VERBS[name], NoModel()
        return verb_of(name, generator), generator

    @property
    def records(self) -> list[tuple[str, ModelRecord]]:
        """Name and record of every model that makes sounds here, also of one that is part of another."""
        generator = self.generator
        own = None if generator is None else self.capabilities.vocoder
        alone = [each for each in (own, self.vocoder, self.upsampler) if each is not None]
        with_parts = [*([] if generator is None else [generator]), *self.voices.values()]
        return [
            *((each.name, each.identity[0]) for each in with_parts),
            *((each.name, each.identity) for each in alone),
        ]

    def require_vocoder(self) -> VocoderSynthesizer:
        """Return the vocoder.

        Raises:
            AudiodiffError: there is none.
        """
        if self.vocoder is None:
            raise AudiodiffError("this demo runs without a vocoder; start it with --vocoder MODEL.")
        return self.vocoder

    def require_upsampler(self) -> UpsamplerSynthesizer:
        """Return the upsampler.

        Raises:
            AudiodiffError: there is none.
        """
        if self.upsampler is None:
            raise AudiodiffError("this demo runs without an upsampler; start it with --upsampler MODEL.")
        return self.upsampler

    def require_voice(self, name: str | None = None) -> VoiceSynthesizer:
        """Return the voice of that name, or the usual one.

        Raises:
            AudiodiffError: there is none.
        """
        if not self.voices:
            raise AudiodiffError("this demo runs without a voice; start it with --voice MODEL.")
        if name and name not in self.voices:
            raise AudiodiffError(f"there is no voice {name[:40]!r} here; choose one of {', '.join(self.voices)}.")
        return self.voices[name or next(iter(self.voices))]


def load_models(
    model: str | None = None,
    vocoder: str | None = None,
    upsampler: str | None = None,
    voices: Sequence[str] = (),
    *,
    adapters: Adapters = (),
    device: str = "auto",
) -> Models:
    """Load what the demo serves.

    Args:
        model: a model that generates, ours or `diffusers:ORG/NAME`; `music` when `None`, if it comes with the package.
        vocoder: a vocoder for recordings; `speech` when `None`, if it comes with the package.
        upsampler: gives recordings the band they lack; `upsample-speech` when `None`, if it comes with the package.
        voices: speak texts; `kathleen` when there are none, if it comes with the package.
        adapters: each is merged into all models whose weights it is for.
        device: where they compute.

    Raises:
        AudiodiffError: a named model is missing or of another kind, two voices have one name, there is no model, or an
            adapter is for none of them.
    """
    present = pretrained_names()
    model = model or (GENERATOR if GENERATOR in present else None)
    vocoder = vocoder or (VOCODER if VOCODER in present else None)
    upsampler = upsampler or (UPSAMPLER if UPSAMPLER in present else None)
    voices = voices or ((VOICE,) if VOICE in present else ())
    if model is None and vocoder is None and upsampler is None and not voices:
        raise AudiodiffError(
            "no model comes with this version of audiodiff; give one with --model, --vocoder, --upsampler or --voice."
        )
    names = [public_name(voice) for voice in voices]
    if len({*names}) < len(names):
        raise AudiodiffError(f"two of the voices {', '.join(names)} have the same name; rename one of their folders.")
    about, words = "", {}
    ours = None if model is None or library_of(model) is not None else model
    if ours is not None:
        stated = read_model_config(find_checkpoint(ours)).get("metadata")
        metadata = stated if isinstance(stated, dict) else {}
        about, words = str(metadata.get("description", "")), vocabulary(metadata)
    opened = open_adapters(adapters)
    own, its, theirs, *others = divide(
        opened,
        [
            [] if ours is None else with_vocoder(ours),
            [] if vocoder is None else [find_vocoder(vocoder)],
            [] if upsampler is None else [find_checkpoint(upsampler)],
            *(with_vocoder(voice) for voice in voices),
        ],
    )
    return Models(
        generator=None if model is None else load_clip_maker(model, device=device, adapters=own),
        vocoder=None if vocoder is None else load_vocoder(vocoder, device=device, adapters=its),
        upsampler=None if upsampler is None else load_upsampler(upsampler, device=device, adapters=theirs),
        about=about,
        words=words,
        voices={
            name: load_voice(voice, device=device, adapters=each)
            for name, voice, each in zip(names, voices, others, strict=True)
        },
        adapters=opened,
    )


@dataclass(frozen=True)
class AppState:
    """One running demo.

    Attributes:
        models: what it serves.
        limits: how much of it.
        jobs: who computes when.
        workspace: where files are kept for a while.
        library: file of the saved prompts; `None` if the demo keeps none.
        listeners: who waits for answers.
        takes: what each visitor has made.
    """

    models: Models
    limits: Limits
    jobs: Jobs
    workspace: Workspace
    library: Path | None = None
    listeners: Listeners = field(default_factory=Listeners)
    takes: Takes = field(default_factory=Takes)

    @property
    def clip_limits(self) -> Limits:
        """The limits of a clip: no longer than the generator can make one."""
        if self.models.generator is None:
            return self.limits
        return replace(self.limits, seconds=min(self.limits.seconds, self.models.capabilities.longest))

    def close(self) -> None:
        """Stop all jobs and remove all files."""
        self.jobs.close()
        self.workspace.close()


def open_state(models: Models, limits: Limits, *, library: Path | None = None, parent: Path | None = None) -> AppState:
    """Set a demo up.

    Args:
        models: what it serves.
        limits: how much of it.
        library: file of the saved prompts; `None` for none.
        parent: where its folder is made; the system's folder for temporary files when `None`.
    """
    return AppState(
        models=models,
        limits=limits,
        jobs=Jobs(per_user=limits.jobs, waiting=limits.waiting, on_idle=release_memory),
        workspace=Workspace(limits.keep_minutes * 60.0, parent, most_bytes=limits.disk_bytes),
        library=library,
    )
