"""`audiodiff compress`: a smaller model of low rank, and a short training on the estimates of the original."""

import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from audiodiff.bounds import check_bounds
from audiodiff.data.shards.files import stored_index
from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import read_config
from audiodiff.models.compress import Compression, compress_checkpoint
from audiodiff.models.config import dataclass_from_dict
from audiodiff.models.find import VOCODER_FOLDER, find_checkpoint
from audiodiff.models.kinds import KINDS
from audiodiff.training.state import has_state

from . import latent, vocoder
from .encode import encode_corpus
from .objective import changes_for
from .recipe import OnStep
from .run_folder import check_run_folder

__all__ = ["CompressSettings", "compress_model"]

_START = "start"
"""Where a run keeps the compressed model that its training starts from."""

_COMMON = {
    "train.learning_rate": 2e-4,
    "train.warmup_steps": 20,
    "train.final_learning_rate_ratio": 0.1,
    "train.weight_decay": 0.0,
    "train.ema_half_life": 400.0,
    "train.save_every_seconds": 60.0,
    "train.log_every": 10,
    "train.precision": "fp32",
    "train.validate_every": 100,
    "validation.sounds": False,
}


@dataclass(frozen=True)
class Plan:
    """How models of a kind learn from their original.

    Attributes:
        recipe: the module of the recipe.
        preset: whose settings are the start.
        changes: settings that differ from the preset's.
        from_latents: whether it learns from shards of latents.
    """

    recipe: Any
    preset: str
    changes: Mapping[str, Any]
    from_latents: bool = False


PLANS: Mapping[str, Plan] = {
    "vocoder": Plan(
        vocoder,
        "speech",
        {**_COMMON, "train.batch_size": 8, **dict.fromkeys(("sampling.prior", "sampling.output", "sampling.whole"))},
    ),
    "mel_latent": Plan(latent, "music", {**_COMMON, "train.batch_size": 8, "validation.crops": 16}, from_latents=True),
}
"""Kind of the original -> how."""


@dataclass(frozen=True)
class CompressSettings:
    """What is compressed, and how.

    Attributes:
        model: name or folder of the original.
        output: the run folder, which becomes the smaller model's.
        keep: share of the numbers in the weights that is kept.
        data: folder of recordings to learn the original's estimates on, for latent models also of shards; empty for no
            training.
        steps: training steps; None for the usual number.
        seed: of crops and noise.
        device: where it is trained.
        changes: further settings of the recipe, by their keys.
    """

    model: str
    output: str
    keep: float = 0.5
    data: str = ""
    steps: int | None = None
    seed: int = 0
    device: str = "auto"
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse settings that cannot work.

        Raises:
            AudiodiffError: one is out of range, or goes with data that are missing.
        """
        check_bounds(self, "", keep=(1e-6, 1.0), steps=(1, 10**7))
        alone = "steps" if self.steps is not None else next(iter(self.changes), "")
        if alone and not self.data:
            raise AudiodiffError(f"{alone} is a setting of training, which needs recordings: give --data FOLDER.")


_STEPS = 400


def compress_model(settings: CompressSettings, *, on_step: OnStep | None = None) -> tuple[Path, Compression]:
    """Compress a model, and return the folder of the smaller one and what has become of it.

    Args:
        settings: what is compressed, and how.
        on_step: called after every step of training.

    Raises:
        AudiodiffError: the model, the recordings or the folder cannot be used.
    """
    base = find_checkpoint(settings.model)
    kind = read_config(base)["kind"]
    output = check_run_folder(settings.output, {}, False)
    if not settings.data:
        return output, compress_checkpoint(settings.model, output, settings.keep)
    if kind not in PLANS:
        raise AudiodiffError(
            f"{settings.model} is {KINDS[kind].label}; the originals of vocoders and latent models alone can be learnt "
            "from: leave --data out."
        )
    new = not output.exists()
    try:
        found = compress_checkpoint(settings.model, output / _START, settings.keep)
        config = configured(PLANS[kind], settings, base, kind)
        PLANS[kind].recipe.train(config, resume=False, on_step=on_step)
    except AudiodiffError:
        if not has_state(output):
            _remove(output, whole=new)
        raise
    return output, found


def configured(plan: Plan, settings: CompressSettings, base: Path, kind: str) -> Any:
    """The settings of the recipe: from the compressed weights to the original's estimates.

    Raises:
        AudiodiffError: a setting is unknown or out of range, or recordings cannot become latents.
    """
    start = Path(settings.output) / _START
    description = str(read_config(base)["metadata"].get("description") or KINDS[kind].label)
    changes: dict[str, Any] = {
        **plan.changes,
        "init": str(start),
        "teacher": settings.model,
        "output": settings.output,
        "device": settings.device,
        "data.folder": settings.data,
        "train.seed": settings.seed,
        "train.steps": settings.steps or _STEPS,
        "description": description,
    }
    if plan.from_latents:
        changes["autoencoder"] = settings.model
        changes["vocoder"] = settings.model if (base / VOCODER_FOLDER).is_dir() else ""
    model = dataclass_from_dict(KINDS[kind].config_class(), read_config(start)["model"])
    config = plan.recipe.configure(plan.preset, {**changes, **changes_for(model), **settings.changes})
    config = replace(config, model=model)
    if plan.from_latents:
        config = replace(config, data=replace(config.data, folder=_shards(config, settings)))
    return config


def _shards(config: latent.Config, settings: CompressSettings) -> str:
    """The folders with shards of latents; recordings become some first."""
    folders = config.data.folder.split(",")
    for number, folder in enumerate(folders):
        if stored_index(f"{folder.rstrip('/')}/train") is None:
            folders[number] = str(Path(settings.output) / "data" / f"{number}-latents")
            encode_corpus(
                folder,
                folders[number],
                autoencoder=find_checkpoint(settings.model),
                text_encoder=config.model.text_encoder,
                numbers=config.model.numbers,
                classes=config.model.classes,
                beats=config.model.beats,
            )
    return ",".join(folders)


def _remove(output: Path, *, whole: bool) -> None:
    """Leave nothing of a run that could not begin."""
    for name in (_START, "data"):
        shutil.rmtree(output / name, ignore_errors=True)
    if whole:
        shutil.rmtree(output, ignore_errors=True)
    with suppress(OSError):  # there was something else in it
        output.rmdir()
