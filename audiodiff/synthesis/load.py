"""Loading a model of any kind by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from audiodiff.errors import AudiodiffError
from audiodiff.models.find import VOCODER_FOLDER, find_checkpoint, public_name
from audiodiff.models.kinds import KINDS, imported
from audiodiff.models.libraries import library_of
from audiodiff.synthesis.adapted import Adapters, merged, parted
from audiodiff.synthesis.machine import fitting, open_device
from audiodiff.synthesis.provenance import ModelRecord, hash_config
from audiodiff.synthesis.settings import GUIDED, Sampling, check_range, recommended_by, with_searched
from audiodiff.synthesis.top_bands import checked_limits
from audiodiff.synthesis.vocode import VocoderSynthesizer
from audiodiff.torch_state import standard_state

if TYPE_CHECKING:
    from audiodiff.synthesis.generator import Generator
    from audiodiff.synthesis.latent import LatentSynthesizer
    from audiodiff.synthesis.pipeline import PipelineSynthesizer
    from audiodiff.synthesis.pipeline_generator import PipelineGenerator
    from audiodiff.synthesis.speaker import Speaker
    from audiodiff.synthesis.upsample import UpsamplerSynthesizer

Loaded = TypeVar("Loaded")

_OTHERS = ("window_seconds", "band_limits")


@standard_state()
def load(
    name_or_path: str | Path = "speech", *, device: str = "auto", adapters: Adapters = (), engine: str = "torch"
) -> "VocoderSynthesizer | Generator | UpsamplerSynthesizer | Speaker | PipelineGenerator":
    """Load a model, ready to vocode, to generate, to upsample or to speak.

    Args:
        name_or_path: a model that comes with the package (`pretrained_names`), a checkpoint folder,
            `hf:ORG/NAME` for a folder of that form on the Hugging Face Hub, or `diffusers:ORG/NAME` for a pipeline of
            diffusers there (`diffusers:FOLDER` for one here).
        device: `auto` (CUDA, then MPS, then CPU), or what torch calls the device.
        adapters: to merge into it or into its vocoder: folders or `hf:ORG/NAME`, each with a strength behind a colon
            where that is not 1, as in "runs/mine:0.8".
        engine: what computes the denoiser of a latent model: `torch`, or on the CPU `onnx` or `openvino`.

    Raises:
        AudiodiffError: there is no such model, device or engine, the folder holds something else, or an adapter does
            not fit.
    """
    from audiodiff.models.checkpoint import read_config

    options = {"adapters": adapters} if adapters else {}  # of which a kind of another package need not know
    model: VocoderSynthesizer | Generator | UpsamplerSynthesizer | Speaker | PipelineGenerator
    library = library_of(name_or_path)
    if library is not None:
        model = imported(library.synthesizer)(name_or_path, device=device, **options)
        return _computed_by(model, engine)
    folder = find_checkpoint(name_or_path)
    kind = KINDS[read_config(folder)["kind"]]
    if not kind.synthesizer:
        raise AudiodiffError(
            f'{folder} holds a model of kind "{kind.name}", which makes no sound by itself; give a vocoder or a latent '
            "model."
        )
    model = imported(kind.synthesizer)(name_or_path, device=device, **options)
    return _computed_by(model, engine)


def _computed_by(model: Loaded, engine: str) -> Loaded:
    if engine != "torch":
        from audiodiff.synthesis.engine import use_engine

        use_engine(model, engine)
    return model


def load_generator(
    name_or_path: str | Path = "music", *, device: str = "auto", adapters: Adapters = ()
) -> "LatentSynthesizer":
    """Load a model that generates from prompts, without the methods of `Generator`.

    Raises:
        AudiodiffError: as `load`, or the model is a vocoder.
    """
    from audiodiff.models.checkpoint import read_config
    from audiodiff.synthesis.generator import Generator

    model = load(name_or_path, device=device, adapters=adapters)
    if not isinstance(model, Generator):
        found = KINDS[read_config(find_checkpoint(name_or_path))["kind"]]
        raise AudiodiffError(f"{name_or_path} is {found.label}; generating needs a latent model such as music.")
    return model.synthesizer


def load_clip_maker(
    name_or_path: str | Path = "music", *, device: str = "auto", adapters: Adapters = ()
) -> "LatentSynthesizer | PipelineSynthesizer":
    """Load what makes clips, without the methods of `Generator`: a latent model, or a model of another library.

    Raises:
        AudiodiffError: as `load`, or the model makes no clips.
    """
    if library_of(name_or_path) is None:
        return load_generator(name_or_path, device=device, adapters=adapters)
    from audiodiff.synthesis.pipeline_generator import PipelineGenerator

    model = load(name_or_path, device=device, adapters=adapters)
    assert isinstance(model, PipelineGenerator)
    return model.synthesizer


def load_vocoder(
    name_or_path: str | Path = "speech", *, device: str = "auto", adapters: Adapters = ()
) -> VocoderSynthesizer:
    """Load a vocoder, or the one that belongs to a latent model.

    Raises:
        AudiodiffError: as `load`, or the model has no vocoder.
    """
    from audiodiff.models.checkpoint import read_config

    folder = find_checkpoint(name_or_path)
    kind = read_config(folder)["kind"]
    chosen = folder / VOCODER_FOLDER if VOCODER_FOLDER in KINDS[kind].parts else name_or_path
    model = load(chosen, device=device, adapters=adapters)
    if not isinstance(model, VocoderSynthesizer):
        raise AudiodiffError(f"{name_or_path} is {KINDS[kind].label}; give a vocoder or a latent model that has one.")
    return model


@dataclass(frozen=True)
class NoModel:
    """In the place of a model, for a verb that needs none."""

    identity: tuple[ModelRecord, ...] = ()
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))


def no_model(name: str = "", *, device: str = "cpu", adapters: Adapters = ()) -> NoModel:
    """Load nothing."""
    return NoModel()


@standard_state()
def load_latent(name_or_path: str | Path = "music", *, device: str = "auto", adapters: Adapters = ()) -> "Generator":
    """Load a latent model and its vocoder.

    Raises:
        AudiodiffError: as `load`, or the vocoder is missing or takes another mel.
    """
    from audiodiff.models.checkpoint import WEIGHTS_FILE, load_checkpoint, read_config, weights_hash
    from audiodiff.models.mel_latent import MelLatent
    from audiodiff.synthesis.generator import Generator
    from audiodiff.synthesis.latent import DEFAULTS, LatentSynthesizer

    name, folder, chosen = str(name_or_path), find_checkpoint(name_or_path), open_device(device)
    model = load_checkpoint(folder, MelLatent)
    if not (folder / VOCODER_FOLDER).is_dir():
        raise AudiodiffError(
            f"{folder} has no folder {VOCODER_FOLDER} with a vocoder for its mel; train with --vocoder CHECKPOINT, or "
            "copy one there."
        )
    own, its = parted(adapters, folder, folder / VOCODER_FOLDER)
    vocoder = load_vocoder(folder / VOCODER_FOLDER, device=str(chosen), adapters=its)
    if vocoder.mel_spec != model.mel_spec:
        from audiodiff.signal.mel import describe

        raise AudiodiffError(
            f"the vocoder in {folder} takes another mel ({describe(vocoder.mel_spec)}) than the model makes "
            f"({describe(model.mel_spec)})."
        )
    model.to(chosen)
    config = read_config(folder)
    # Of the weights as they are, which need not be what the config says.
    identity = (
        ModelRecord(
            public_name(name),
            weights_hash(folder / WEIGHTS_FILE),
            hash_config(config["model"]),
            role="latent model",
            adapters=merged(model, own),
        ),
        replace(vocoder.identity, name=f"{public_name(name)}/{VOCODER_FOLDER}"),
    )
    window_seconds, band_limits = _read_extent(config["metadata"], folder, model.mel_spec.n_mels)
    sampling = Sampling.from_metadata(config["metadata"], folder, known=GUIDED, others=_OTHERS)
    synthesizer = LatentSynthesizer(
        model,
        vocoder,
        name=name,
        identity=identity,
        defaults=fitting(with_searched(sampling.resolve(DEFAULTS), config["metadata"], folder), chosen),
        window_seconds=window_seconds,
        band_limits=band_limits,
        device=chosen,
    )
    return Generator(synthesizer)


def _read_extent(metadata: Mapping[str, Any], folder: Path, n_mels: int) -> tuple[float, tuple[float, ...]]:
    """Read the window (s) and the limits of the highest of `n_mels` bands that a checkpoint recommends.

    Raises:
        AudiodiffError: a value is out of range.
    """
    from audiodiff.synthesis.latent import WINDOW_SECONDS

    table = metadata.get("sampling", {})
    table = table if isinstance(table, dict) else {}
    with recommended_by(folder):
        window = table.get("window_seconds")
        window = WINDOW_SECONDS if window is None else window
        check_range("window_seconds", window, 0.5, 600.0, "s")
        return window, checked_limits(table.get("band_limits", []), n_mels)
