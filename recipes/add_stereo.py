"""Adding stereo to a trained autoencoder: further channels of its latents, by principal components over a corpus."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from audiodiff.data.items import sound_info
from audiodiff.errors import AudiodiffError
from audiodiff.models.autoencoder import MelAutoencoder, StereoConfig
from audiodiff.models.checkpoint import CONFIG_FILE, load_checkpoint, read_config, save_checkpoint
from audiodiff.models.find import find_checkpoint
from audiodiff.models.kinds import KINDS
from audiodiff.signal.audio_io import read_blocks
from audiodiff.signal.resample import resample_stream
from audiodiff.signal.stereo import StereoSpec, analyse_stream

from .corpus import CorpusName, DataConfig, read_corpus
from .description import describe_origins

_OPPOSITE = -0.9
"""Clips whose coherence is below this on average have one channel the wrong way round."""


@dataclass(frozen=True)
class Added:
    """What was learnt from.

    Attributes:
        clips: clips of two channels.
        seconds: their length (s).
        kept: share of the energy of their parameters that the numbers hold.
    """

    clips: int
    seconds: float
    kept: float


def add_stereo(
    folder: str,
    output: Path | str,
    *,
    autoencoder: Path | str,
    corpus: CorpusName = "folder",
    numbers: int | None = None,
    on_clip: Callable[[int, int], None] | None = None,
    on_skip: Callable[[str], None] | None = None,
) -> Added:
    """Write the checkpoint of an autoencoder whose latents hold stereo, too.

    Its other weights are those of the given one. Clips of other splits than train are left out, if there are splits.

    Args:
        folder: a corpus of stereo recordings, or several with commas between them.
        output: folder of the new checkpoint.
        autoencoder: the trained one, or the latent model that has it, by name or path; its own stereo is replaced.
        corpus: layout of the folder.
        numbers: further channels of the latents; as `StereoConfig` has it when `None`.
        on_clip: called with clips done, clips in all.
        on_skip: called with what is left out, and why.

    Raises:
        AudiodiffError: no clip has two channels, or a checkpoint or folder cannot be used.
    """
    if (Path(output) / CONFIG_FILE).exists():
        raise AudiodiffError(f"{output} holds a model already; choose another folder.")
    source = find_checkpoint(autoencoder)
    given, found = load_checkpoint(source, MelAutoencoder), read_config(source)
    model = MelAutoencoder(
        replace(given.config, stereo=StereoConfig() if numbers is None else StereoConfig(numbers=numbers))
    )
    spec = model.stereo_spec
    assert model.stereo is not None
    assert spec is not None
    listing = read_corpus(DataConfig(folder=folder, corpus=corpus))
    items = [item for item in listing.items if item.split in ("train", "")] or list(listing.items)
    learnt = []

    def examples() -> Iterator[Tensor]:
        for number, item in enumerate(items):
            try:
                parameters = stereo_of(item.path, spec)
                reason = "" if parameters is not None else f"{item.path} has not two channels"
                if parameters is not None and float(parameters[1].mean()) < _OPPOSITE:
                    reason = f"the channels of {item.path} are of opposite phase; invert one of them"
            except AudiodiffError as error:
                parameters, reason = None, str(error)
            if reason and on_skip is not None:
                on_skip(reason)
            if parameters is not None and not reason:
                learnt.append(item)
                yield parameters
            if on_clip is not None:
                on_clip(number + 1, len(items))

    kept = model.stereo.fit(examples())
    if not learnt:
        raise AudiodiffError(f"no clip of {folder} has two channels; stereo is learnt from stereo recordings.")
    missing, _ = model.load_state_dict(
        {name: value for name, value in given.state_dict().items() if not name.startswith("stereo.")}, strict=False
    )
    assert all(name.startswith("stereo.") for name in missing)
    seconds = sum(item.seconds for item in learnt)
    told = {
        "clips": len(learnt),
        "hours": round(seconds / 3600.0, 3),
        "licences": sorted({item.licence for item in learnt if item.licence}),
        "sources": sorted({item.extra["source"] for item in learnt if item.extra.get("source")}),
        "kept": round(kept, 4),
    }
    metadata = found["metadata"]
    if (
        KINDS[found["kind"]].module_class() is not MelAutoencoder
    ):  # of a latent model, only what concerns its autoencoder
        limits = metadata.get("sampling", {}).get("band_limits")
        metadata = {"sampling": {"band_limits": limits}} if limits else {}
        metadata["origins"] = describe_origins(told, autoencoder=str(autoencoder))
    save_checkpoint(output, model, {**metadata, "stereo": told})
    return Added(len(learnt), seconds, kept)


def stereo_of(path: Path, spec: StereoSpec, on_skip: Callable[[str], None] | None = None) -> Tensor | None:
    """Stereo parameters `[2, n_bands, n_frames]` of a sound file of two channels, in bounded memory; `None` of others.

    Args:
        path: the file.
        spec: bands and frames.
        on_skip: told of a file of more channels.

    Raises:
        AudiodiffError: it cannot be read.
    """
    info = sound_info(path)
    if info.channels > 2 and on_skip is not None:
        on_skip(
            f"what tells the {info.channels} channels of {path} apart: only two can be stereo, mix them down to two"
        )
    if info.channels != 2:
        return None
    blocks = (torch.from_numpy(block) for block in read_blocks(path))
    return analyse_stream(resample_stream(blocks, info.sample_rate, spec.sample_rate), spec)
