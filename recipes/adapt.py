"""`audiodiff adapt`: an adapter from a few clips, trained by the recipe of the model that it is for."""

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from audiodiff.bounds import check_bounds
from audiodiff.data.dataset import NoUsableClipsError
from audiodiff.data.items import AudioItem
from audiodiff.data.manifest import MANIFEST_NAME, load_listing, write_manifest
from audiodiff.data.shards import LatentClip, ShardIndex, ShardWriter
from audiodiff.data.shards.files import stored_index
from audiodiff.data.shards.output import complete_folder
from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import autoencoder_hash, read_config
from audiodiff.models.config import dataclass_from_dict
from audiodiff.models.find import find_checkpoint
from audiodiff.models.kinds import KINDS
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.load import load_generator
from audiodiff.synthesis.settings import GenerateSettings, Sampling
from audiodiff.text.vocabulary import vocabulary
from audiodiff.torch_state import standard_state

from . import latent, vocoder, voice
from .adapting import keep_best
from .corpus import DataConfig, open_dataset
from .encode import encode_corpus
from .objective import changes_for
from .recipe import OnStep
from .run_folder import check_run_folder

__all__ = ["AdaptSettings", "adapt_model"]

_HELD_OUT = 5
"""One in so many clips is held out for validation."""

_PRIOR_CLIPS = (4, 24)
"""Fewest and most clips that the base model makes to learn from."""

_MOST_TOLD = 5
"""Clips that are left out of which the reason is told."""

OnClip = Callable[[float, float], None]


@dataclass(frozen=True)
class Plan:
    """How adapters of a kind of model are trained.

    Attributes:
        recipe: the module of the recipe.
        preset: whose settings of the loop are the start.
        layers: patterns of the layers that are adapted.
        changes: settings that differ from the preset's.
        from_latents: whether it learns from shards of latents, with captions.
    """

    recipe: Any
    preset: str
    layers: tuple[str, ...]
    changes: Mapping[str, Any]
    from_latents: bool = False


_COMMON = {
    "train.warmup_steps": 20,
    "train.weight_decay": 0.0,
    "train.final_learning_rate_ratio": 0.1,
    "train.ema_half_life": 400.0,
    "train.save_every_seconds": 60.0,
    "train.log_every": 10,
    "train.precision": "fp32",
}

PLANS: Mapping[str, Plan] = {
    "mel_latent": Plan(
        latent,
        "music",
        ("network.*",),  # the codec stays what it is
        {**_COMMON, "train.steps": 400, "train.batch_size": 8, "train.learning_rate": 1e-3, "train.validate_every": 40}
        | {"validation.crops": 16, "data.recorded_weight": 1.0},
        from_latents=True,
    ),
    "vocoder": Plan(
        vocoder,
        "speech",
        ("*",),
        {**_COMMON, "train.steps": 200, "train.batch_size": 6, "train.learning_rate": 5e-4, "train.validate_every": 25}
        | {"validation.clips": 4},
    ),
    "voice": Plan(
        voice,
        "voice",
        ("*",),
        {**_COMMON, "train.steps": 400, "train.batch_size": 4, "train.learning_rate": 1e-3, "train.validate_every": 40}
        | {"validation.clips": 8},
    ),
}
"""Kind of the base model -> how its adapters are trained."""


@dataclass(frozen=True)
class AdaptSettings:
    """What is adapted, and how.

    Attributes:
        clips: folder of the clips.
        output: the run folder, which becomes the adapter's.
        model: name or folder of the base model.
        rank: of the changes.
        method: "lora" or "dora".
        word: stands in front of every caption, or for it where a clip has none; empty for none.
        prior: folder of recordings like those that the base model was trained on, learnt along with the clips; empty
            for its own samples (latent models), or none.
        steps: training steps; None for the usual number.
        seed: of weights, crops and noise.
        device: where it is trained.
        changes: further settings of the recipe, by their keys.
    """

    clips: str
    output: str
    model: str = "music"
    rank: int = 16
    method: str = "lora"
    word: str = ""
    prior: str = ""
    steps: int | None = None
    seed: int = 0
    device: str = "auto"
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse settings that cannot work.

        Raises:
            AudiodiffError: one is out of range.
        """
        check_bounds(self, "", rank=(1, 4096), steps=(1, 10**7))


def adapt_model(
    settings: AdaptSettings,
    *,
    on_encoded: OnClip | None = None,
    on_clip: OnClip | None = None,
    on_step: OnStep | None = None,
) -> Path:
    """Train an adapter, and return its folder.

    Args:
        settings: what is adapted, and how.
        on_encoded: called with the recordings that have become latents, and all of them.
        on_clip: called with the clips that the base model has made to learn from, and all of them.
        on_step: called after every step.

    Raises:
        AudiodiffError: the clips, the model or the folder cannot be used.
    """
    base = find_checkpoint(settings.model)
    kind = read_config(base)["kind"]
    if kind not in PLANS:
        raise AudiodiffError(
            f"{settings.model} is {KINDS[kind].label}, of which no adapters are trained; give a latent model, a "
            "vocoder or a voice."
        )
    plan = PLANS[kind]
    if settings.word and not plan.from_latents:
        raise AudiodiffError(f"{settings.model} is {KINDS[kind].label}, which takes no prompt; leave --word out.")
    if "," in settings.output:
        raise AudiodiffError(f"{settings.output} has a comma in its name, which parts folders; choose another one.")
    check_run_folder(settings.output, {}, False)
    config = configured(plan, settings, kind)
    data = Path(settings.output) / "data"
    new = not data.exists()
    try:
        items = usable(settings, config)
    except AudiodiffError:
        if new:
            _remove(data)
        raise
    write_manifest(_with_word(_with_split(items), settings.word), data / "clips" / MANIFEST_NAME)
    folders = [str(data / "clips")]
    if settings.prior:
        write_manifest([_train(item) for item in load_listing(settings.prior).items], data / "prior" / MANIFEST_NAME)
        folders.append(str(data / "prior"))
    if plan.from_latents:
        folders = [_encoded(folder, config, settings, on_encoded) for folder in folders]
        if not settings.prior:
            seconds = sum(item.seconds for item in items)
            folders.append(_own_samples(data / "own", settings, config, seconds, on_clip))
    config = replace(config, data=replace(config.data, folder=",".join(folders)))
    folder: Path = plan.recipe.train(config, resume=False, on_step=on_step)
    return finish(folder, config)


def _remove(data: Path) -> None:
    """Leave nothing of a run that cannot begin."""
    shutil.rmtree(data, ignore_errors=True)
    with suppress(OSError):  # there was something else in it
        data.parent.rmdir()


def finish(folder: Path, config: Any) -> Path:
    """Let a run folder hold its best adapter, if the run is at its end."""
    from audiodiff.training.state import saved_step

    if saved_step(folder) >= config.train.steps:
        keep_best(folder)
    return folder


def configured(plan: Plan, settings: AdaptSettings, kind: str) -> Any:
    """The settings of the recipe, without the folder of the data.

    Raises:
        AudiodiffError: a setting is unknown or out of range.
    """
    changes: dict[str, Any] = {
        **plan.changes,
        "init": settings.model,
        "output": settings.output,
        "device": settings.device,
        "train.seed": settings.seed,
        "description": f"adapter of {settings.model}" + (f' for "{settings.word}"' if settings.word else ""),
        "adapter": {"rank": settings.rank, "method": settings.method, "targets": list(plan.layers)},
    }
    if plan.from_latents:
        changes["autoencoder"] = settings.model
    else:
        changes["data.cache"] = str(_cache_of(settings))
    if settings.steps is not None:
        changes["train.steps"] = settings.steps
    model = dataclass_from_dict(KINDS[kind].config_class(), read_config(find_checkpoint(settings.model))["model"])
    config = plan.recipe.configure(plan.preset, {**changes, **changes_for(model), **settings.changes})
    return replace(config, model=model)


def _cache_of(settings: AdaptSettings) -> Path:
    return Path(settings.output) / "data" / "cache"


def usable(settings: AdaptSettings, config: Any) -> list[AudioItem]:
    """The clips that can be decoded and are not silent.

    Raises:
        AudiodiffError: there are fewer than two.
    """
    listing = load_listing(settings.clips)
    spec = config.model.autoencoder.mel if hasattr(config.model, "autoencoder") else config.model.mel
    try:
        opened = open_dataset(listing.items, DataConfig(cache=str(_cache_of(settings))), spec.sample_rate)
        found, skipped = list(opened.items), opened.skipped
    except NoUsableClipsError as error:
        found, skipped = [], error.skipped
    if len(found) < 2:
        why = f" (left out: {skipped[0][1].rstrip('.')})" if skipped else ""
        raise AudiodiffError(
            f"{settings.clips} has {'one clip' if found else 'no clip'} that can be learnt from{why}; an adapter needs "
            "2 or more, best 5 to 50."
        )
    for _, reason in skipped[:_MOST_TOLD]:
        print(f"audiodiff: left out: {reason}", file=sys.stderr, flush=True)
    if len(skipped) > _MOST_TOLD:
        print(f"audiodiff: left out: {len(skipped) - _MOST_TOLD} more", file=sys.stderr, flush=True)
    return found


def _with_split(items: Sequence[AudioItem]) -> list[AudioItem]:
    """Hold clips out for validation, unless the clips say themselves which."""
    if any(item.split == "valid" for item in items):
        return [replace(item, split=item.split or "train") for item in items]
    held_out = set(range(_HELD_OUT - 1, len(items), _HELD_OUT)) or {len(items) - 1}
    return [replace(item, split="valid" if index in held_out else "train") for index, item in enumerate(items)]


def _train(item: AudioItem) -> AudioItem:
    return replace(item, split="train")


def _with_word(items: Sequence[AudioItem], word: str) -> list[AudioItem]:
    if not word:
        return list(items)
    return [
        replace(item, text=f"{word}, {item.text}" if item.text.strip() else word, extra={**item.extra, **_NO_TEXTS})
        for item in items
    ]


_NO_TEXTS = {f"text{number}": "" for number in range(1, 100)}


def _encoded(folder: str, config: latent.Config, settings: AdaptSettings, on_encoded: OnClip | None) -> str:
    """Turn a folder of clips into shards, and return where they are."""
    shards = f"{folder}-latents"
    encode_corpus(
        folder,
        shards,
        autoencoder=find_checkpoint(settings.model),
        text_encoder=config.model.text_encoder,
        numbers=config.model.numbers,
        classes=config.model.classes,
        beats=config.model.beats,
        cache=str(_cache_of(settings)),
        on_clip=on_encoded,
    )
    return shards


@standard_state()
def _own_samples(
    folder: Path, settings: AdaptSettings, config: latent.Config, seconds: float, on_clip: OnClip | None
) -> str:
    """Let the base model make clips for captions of its own, so that what it knows is learnt along with the new.

    Prior preservation (arXiv 2208.12242, section 3.2): about as many seconds as there are of the clips.
    """
    if all(stored_index(str(folder / split)) is not None for split in ("train", "valid")):
        return str(folder)
    shutil.rmtree(folder, ignore_errors=True)
    synthesizer = load_generator(settings.model, device=settings.device)
    length = min(synthesizer.window_seconds, max(config.data.crop_latents) / synthesizer.model.latents_per_second)
    count = min(max(round(seconds / length), _PRIOR_CLIPS[0]), _PRIOR_CLIPS[1])
    print(
        f"audiodiff: {settings.model} first makes {count + 1} clips of {length:.1f} s itself, which are learnt along; "
        "--prior FOLDER takes recordings of yours instead.",
        file=sys.stderr,
        flush=True,
    )
    prompts = prior_prompts(read_config(find_checkpoint(settings.model))["metadata"], count + 1, settings.seed)
    model = synthesizer.model.config
    index = ShardIndex(
        encoder=model.text_encoder,
        text_width=model.text_width,
        autoencoder=autoencoder_hash(synthesizer.model.autoencoder),
        channels=synthesizer.model.channels,
        latent_rate=synthesizer.model.latents_per_second,
        numbers=tuple(number.name for number in model.numbers),
        classes={kind.name: kind.values for kind in model.classes},
        metadata={
            "corpus": {
                "name": f"samples of {settings.model}",
                "clips": count,
                "hours": count * length / 3600,
            }
        },
    )
    numbers = {"train": range(count), "valid": range(count, count + 1)}
    for split, chosen in numbers.items():
        with complete_folder(str(folder / split)) as part, ShardWriter(part, index) as writer:
            for number in chosen:
                writer.add(_own_sample(synthesizer, prompts[number], number, length, settings.seed))
                if on_clip is not None:
                    on_clip(number + 1, count + 1)
    return str(folder)


def _own_sample(synthesizer: LatentSynthesizer, prompt: str, number: int, seconds: float, seed: int) -> LatentClip:
    clip = synthesizer.resolve(GenerateSettings(prompt, seconds=seconds, sampling=Sampling(seed=seed + number)))
    latents, _ = synthesizer.latents(clip, synthesizer.n_latents(seconds))
    encoder = synthesizer.encoder()
    states = encoder.encode([prompt])[0].tokens
    return LatentClip(
        key=f"{number:08d}",
        latent=latents[0].float().cpu(),
        seconds=seconds,
        texts=(prompt,),
        states=(states,),
        numbers={"seconds": seconds} if "seconds" in {each.name for each in synthesizer.model.config.numbers} else {},
        source=f"samples of {synthesizer.name}",
    )


def prior_prompts(metadata: Mapping[str, Any], count: int, seed: int) -> list[str]:
    """Return captions of the words that a model states in its config; empty ones if it states none."""
    known = vocabulary(metadata)
    random = np.random.default_rng(seed)
    kinds = [known[kind] for kind in ("moods", "genres", "instruments") if known.get(kind)]
    return [", ".join(str(random.choice(words)) for words in kinds) for _ in range(count)]
