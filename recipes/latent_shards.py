"""The shards that a latent model learns from: where they are, whether they fit, and their description."""

from collections.abc import Mapping, Sequence
from typing import Any

from audiodiff.data.shards import LatentDataset
from audiodiff.data.shards.files import find_shards
from audiodiff.errors import AudiodiffError
from audiodiff.models.find import find_checkpoint

from .autoencoder import shards_of
from .latent_config import Config


def open_shards(config: Config, split: str) -> LatentDataset:
    """Open one split of the shards.

    Raises:
        AudiodiffError: no folder was given, or it holds no shards of that split.
    """
    if not config.data.folder:
        raise AudiodiffError("data.folder is not set; give the folder of the shards (--data FOLDER).")
    places = shard_folders(config, split)
    clips = LatentDataset(places)
    recorded = config.data.recorded_weight
    if recorded == 1.0 and not config.data.folder_weights:
        return clips
    factors = _folder_factors(places, len(clips), config.data.folder_weights)
    return LatentDataset(
        places,
        weights=[
            factor * (recorded if clip.classes.get("source") == "recorded" else 1.0)
            for factor, clip in zip(factors, clips.clips, strict=True)
        ],
    )


def _folder_factors(places: Sequence[str], n_clips: int, weights: Sequence[float]) -> list[float]:
    """The weight of its folder for each of all clips."""
    if not weights:
        return [1.0] * n_clips
    if len(weights) != len(places):
        raise AudiodiffError(
            f"data.folder_weights has {len(weights)} numbers and data.folder {len(places)} parts; give one for each."
        )
    sizes = [len(LatentDataset(place, memory_gb=0)) for place in places]
    if sum(sizes) != n_clips:
        raise AudiodiffError("data.folder names the same shards twice; give each once, with its weight.")
    return [weight for weight, size in zip(weights, sizes, strict=True) for _ in range(size)]


def unknown_to(data: LatentDataset, config: Config) -> str:
    """What the model could be conditioned on but the shards lack; empty if they have it all."""
    without = sum(not clip.texts for clip in data.clips)
    found = [f"{without} of {len(data)} clips have no caption"] if without else []
    if config.model.chords and not any(clip.chords for clip in data.clips):
        found.append("no clip has chords: what was learnt of them before is kept, and nothing is added to it")
    if config.model.beats and not any(clip.beats for clip in data.clips):
        found.append("no clip has a tempo: what was learnt of beats before is kept, and nothing is added to it")
    return "; ".join(found)


def shard_folders(config: Config, split: str) -> list[str]:
    """Where the shards of a split are: a folder or URL for each part of `data.folder`.

    A part that names shards of the training split, as in `shards/train/shard-{000000..000009}.tar`, stands for these;
    the other splits are then those next to it.
    """
    places = []
    for part in (part.strip().rstrip("/") for part in config.data.folder.split(",") if part.strip()):
        folder, _, name = part.rpartition("/")
        if not name.endswith(".tar"):
            places.append(f"{part}/{split}")
        elif split == "train":
            places.append(part)
        else:
            places.append(f"{folder.removesuffix('/train')}/{split}")
    return places


def check_shards(data: LatentDataset, config: Config) -> None:
    """Refuse shards that another autoencoder or text encoder has made.

    Raises:
        AudiodiffError: they do not fit the run.
    """
    if not config.autoencoder:
        raise AudiodiffError("autoencoder is not set; give the checkpoint that made the shards (--autoencoder FOLDER).")
    ours = shards_of(find_checkpoint(config.autoencoder))
    index = data.index
    if index.autoencoder not in ours:
        raise AudiodiffError(
            f"the shards were made by another autoencoder (weights {index.autoencoder[:12]}) than "
            f"{config.autoencoder} ({ours[0][:12]}); make them again with `audiodiff encode`."
        )
    model = config.model
    stored: tuple[object, ...] = (index.encoder, index.text_width, index.numbers, dict(index.classes))
    wanted: tuple[object, ...] = (
        model.text_encoder,
        model.text_width,
        tuple(number.name for number in model.numbers),
        {kind.name: kind.values for kind in model.classes},
    )
    for name, theirs, ours_too in zip(
        ("text_encoder", "text_width", "numbers", "classes"), stored, wanted, strict=True
    ):
        if theirs != ours_too:
            raise AudiodiffError(
                f"the shards have {name} {theirs}, the model {ours_too}; set --model.{name}, or make the shards again "
                f"with `audiodiff encode --preset {config.preset or 'PRESET'}`."
            )


def describe_shards(config: Config) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return one description of the corpora in the training shards, and their words by kind."""
    # Opened one by one: together they keep only the description of the first.
    records = [find_shards(place)[0].metadata for place in shard_folders(config, "train")]
    return (
        merged_corpora([each.get("corpus", {}) for each in records]),
        _merged([each.get("vocabulary", {}) for each in records]),
    )


def merged_corpora(corpora: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One description of several corpora."""
    return {
        "name": ", ".join(str(each.get("name", "")) for each in corpora),
        "clips": sum(each.get("clips", 0) for each in corpora),
        "hours": round(sum(each.get("hours", 0.0) for each in corpora), 3),
        "licences": sorted({licence for each in corpora for licence in each.get("licences", [])}),
        "sources": sorted({source for each in corpora for source in each.get("sources", [])}),
    }


def _merged(vocabularies: list[dict[str, list[str]]]) -> dict[str, list[str]]:
    kinds = list(dict.fromkeys(kind for vocabulary in vocabularies for kind in vocabulary))
    return {kind: sorted({word for words in vocabularies for word in words.get(kind, [])}) for kind in kinds}
