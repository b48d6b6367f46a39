"""The kinds of models: the one table that checkpoints, loading, exporting, training and the commands read.

A package adds a kind by an entry point whose value is a `Kind`::

    [project.entry-points."audiodiff.kinds"]
    echo = "echoes.kind:ECHO"

Everything is named by its import path and imported when it is used, so this module needs no torch.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from audiodiff.errors import AudiodiffError
from audiodiff.plugins import load_plugin, plugins

__all__ = ["GROUP", "KINDS", "RECIPES", "Kind", "Kinds", "imported"]

GROUP = "audiodiff.kinds"
"""The group of entry points that are kinds of models."""

RECIPES = "audiodiff.recipes"
"""The group of entry points that are recipes: modules with `RECIPE`, which has `configure(source, changes)` and
`to_dict(config)`, `PRESETS`, `train(config, resume=...)` and `NEXT`, what to do with the checkpoint."""


@dataclass(frozen=True)
class Kind:
    """A kind of model.

    Attributes:
        name: what checkpoints call it.
        label: what it is in a sentence, with its article.
        config: import path `module:class` of its settings, a frozen dataclass.
        module: that of the network, an `nn.Module` built as `module(config)`, which keeps `config` as an attribute.
        synthesizer: that of the function `(name_or_path, *, device) -> loaded model` behind `audiodiff.load`; empty if
            it makes no sound by itself. A loaded model has `sample_rate`, `defaults` and `try_out`, or a `vocoder` that
            has them.
        recipe: name of what trains it in the group of entry points `audiodiff.recipes`; empty if nothing does.
        evaluation: import path of the frozen dataclass that says how it is evaluated; empty if it is not. Its fields
            are the options of `audiodiff evaluate` that it takes, and `data` and `sampling`; its method
            `run(model, *, device, progress)` returns a report with `markdown()` and `write(folder)`.
        parts: folder inside a checkpoint -> kind of the checkpoint that lies there.
        exporter: import path of the function `(source, folder, other) -> settings` that writes it for
            `audiodiff.runtime` (`audiodiff.exporting.export`); empty if it has no export to ONNX.
        schedule_search: import path of the function `(loaded model, settings) -> task` that says what the times of
            a few steps are searched on (`audiodiff.evaluation.schedules`); empty if they are not.
        embeds: kind -> attribute of `module` that is a model of that kind; the field of that name has its settings.
        stands_for: kind in whose place its checkpoints may lie as a part of another.
        task: what the Hugging Face Hub calls what it does (`pipeline_tag`); empty if it has no name there.
        example: a command line with `{model}` that makes something with it, for model cards; empty if there is none.
    """

    name: str
    label: str
    config: str
    module: str
    synthesizer: str = ""
    recipe: str = ""
    evaluation: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    exporter: str = ""
    schedule_search: str = ""
    embeds: Mapping[str, str] = field(default_factory=dict)
    stands_for: str = ""
    task: str = ""
    example: str = ""

    def config_class(self) -> type[Any]:
        """Import the class of its settings."""
        found: type[Any] = imported(self.config)
        return found

    def module_class(self) -> type[Any]:
        """Import the class of its network."""
        found: type[Any] = imported(self.module)
        return found


class Kinds(Mapping[str, Kind]):
    """Kinds by name: those of this package, then those that installed packages register."""

    def __init__(self, *own: Kind) -> None:
        self.own = {kind.name: kind for kind in own}

    def __getitem__(self, name: str) -> Kind:
        """Return a kind.

        Raises:
            KeyError: there is none of that name.
            AudiodiffError: an installed package registers one that cannot be loaded.
        """
        if name in self.own:
            return self.own[name]
        entry = plugins(GROUP)[name]
        kind: Kind = load_plugin(entry, "model kind", Kind)
        return kind

    def usable(self) -> Iterator[Kind]:
        """Yield the kinds themselves, without those that cannot be loaded."""
        for name in self:
            with suppress(AudiodiffError):
                yield self[name]

    def in_place_of(self, name: str) -> tuple[str, ...]:
        """Return the kinds that may lie where one of kind `name` is a part: itself, and those that stand for it."""
        return (name, *(kind.name for kind in self.usable() if kind.stands_for == name))

    def __iter__(self) -> Iterator[str]:
        """Yield the names, without importing anything."""
        yield from self.own
        yield from sorted(plugins(GROUP).keys() - self.own.keys())

    def __len__(self) -> int:
        """How many there are."""
        return len(self.own.keys() | plugins(GROUP).keys())


def imported(path: str) -> Any:
    """Import `module:attribute`, or a module.

    Raises:
        AudiodiffError: there is no such thing.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(import_module(module), name) if name else import_module(module)
    except (ImportError, AttributeError) as error:
        raise AudiodiffError(f"{path} cannot be imported ({error}); install the package that has it again.") from error


KINDS = Kinds(
    Kind(
        "vocoder",
        "a vocoder, which only turns mels into sound",
        config="audiodiff.models.vocoder:VocoderConfig",
        module="audiodiff.models.vocoder:Vocoder",
        synthesizer="audiodiff.synthesis.vocode:load",
        recipe="vocoder",
        evaluation="audiodiff.evaluation.evaluate:VocoderEvaluation",
        exporter="audiodiff.exporting.vocoder:export_vocoder",
        schedule_search="audiodiff.evaluation.schedules:vocoder_task",
        task="audio-to-audio",
        example="audiodiff vocode voice.wav -o copy.wav --model {model}",
    ),
    Kind(
        "gan_vocoder",
        "a vocoder of another project, which only turns mels into sound",
        config="audiodiff.models.gan_vocoder:GanVocoderConfig",
        module="audiodiff.models.gan_vocoder:GanVocoder",
        synthesizer="audiodiff.synthesis.gan_vocoder:load",
        evaluation="audiodiff.evaluation.evaluate:VocoderEvaluation",
        stands_for="vocoder",
        task="audio-to-audio",
        example="audiodiff vocode voice.wav -o copy.wav --model {model}",
    ),
    Kind(
        "autoencoder",
        "a mel autoencoder, which only encodes mels",
        config="audiodiff.models.autoencoder:MelAutoencoderConfig",
        module="audiodiff.models.autoencoder:MelAutoencoder",
        recipe="autoencoder",
    ),
    Kind(
        "mel_latent",
        "a latent model, which generates from prompts",
        config="audiodiff.models.mel_latent:MelLatentConfig",
        module="audiodiff.models.mel_latent:MelLatent",
        synthesizer="audiodiff.synthesis.load:load_latent",
        recipe="latent",
        exporter="audiodiff.exporting.music:export_music",
        schedule_search="audiodiff.evaluation.schedules:latent_task",
        evaluation="audiodiff.evaluation.music:MusicEvaluation",
        parts={"vocoder": "vocoder"},
        embeds={"autoencoder": "autoencoder"},
        task="text-to-audio",
        example="audiodiff generate 'solo piano, calm' -o clip.wav --model {model}",
    ),
    Kind(
        "upsampler",
        "an upsampler, which only widens the band of recordings",
        config="audiodiff.models.upsampler:UpsamplerConfig",
        module="audiodiff.models.upsampler:Upsampler",
        synthesizer="audiodiff.synthesis.upsample:load_upsampler",
        recipe="upsampler",
        task="audio-to-audio",
        example="audiodiff upsample recording.wav -o wide.wav --model {model}",
    ),
    Kind(
        "voice",
        "a voice, which speaks text",
        config="audiodiff.models.voice:VoiceConfig",
        module="audiodiff.models.voice:Voice",
        synthesizer="audiodiff.synthesis.speaker:load_speaker",
        recipe="voice",
        exporter="audiodiff.exporting.voice:export_voice",
        schedule_search="audiodiff.evaluation.schedules:voice_task",
        task="text-to-speech",
        example="audiodiff speak 'Hello there.' -o hello.wav --voice {model}",
    ),
)
"""The kinds of models by name."""
