"""What a run learns from: the corpus, its splits, and clips decoded at one rate and level."""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from audiodiff.bounds import check_bounds
from audiodiff.data.corpora import AudioItem, Listing, corpus_listing
from audiodiff.data.dataset import AudioDataset
from audiodiff.data.items import duration, split_notes
from audiodiff.data.manifest import MANIFEST_NAME, load_listing
from audiodiff.data.names import is_url
from audiodiff.data.prepare import CACHE_NAME
from audiodiff.errors import AudiodiffError

CorpusName = Literal[
    "folder", "ljspeech", "libritts", "vctk", "speechcommands", "sc09", "maestro", "musdb18", "gtzan", "fma"
]
"""Any folder, or the layout of a public corpus (`audiodiff.data.corpora.CORPORA`)."""


@dataclass(frozen=True)
class DataConfig:
    """What is learnt from.

    Attributes:
        folder: where the corpus is; several folders with commas between them are one corpus.
        corpus: "folder" for any folder of audio, or the layout of a public corpus.
        cache: where decoded audio is kept; empty for the user's cache folder.
        crop_frames: mel frames per training item.
        normalize: how clips are brought to one level: "none", "peak" or "rms" of the whole clip.
        level: that level, full scale 1.
        gain_db: range of the random gain of each item (dB), so that the model does not depend on the level.
    """

    folder: str = ""
    corpus: CorpusName = "folder"
    cache: str = ""
    crop_frames: int = 88  # about a second at 22.05 kHz: several syllables, and no padding for most clips
    normalize: Literal["none", "peak", "rms"] = "rms"  # corpora differ by 20 dB; the floor of the log-mel does not
    level: float = 0.08
    gain_db: tuple[float, float] = (-9.0, 3.0)

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        low, high = self.gain_db
        if not low <= high:
            raise AudiodiffError(f"data.gain_db is {low}, {high}; expected a lower and an upper bound in dB.")
        check_bounds(self, "data", crop_frames=(1, 100_000), level=(1e-6, 10.0), gain_db=(-200.0, 200.0))


_REASONS = 3
"""How many of the clips that are left out are named at the start of a run."""


def read_corpus(config: DataConfig) -> Listing:
    """List the clips of the corpus, and what is left out; a folder may also be what `audiodiff prepare` has made.

    Raises:
        AudiodiffError: no folder was given, or it is not such a corpus.
    """
    folders = corpus_folders(config)
    if not folders:
        raise AudiodiffError("data.folder is not set; give the folder of the corpus (--data FOLDER).")
    listings = [
        load_listing(folder)
        if config.corpus == "folder" or (folder / MANIFEST_NAME).is_file()
        else corpus_listing(config.corpus, folder)
        for folder in folders
    ]
    return Listing(
        tuple(item for listing in listings for item in listing.items),
        tuple(note for listing in listings for note in listing.notes),
    )


def corpus_folders(config: DataConfig) -> list[Path]:
    """The folders of `config.folder`: one, or several with commas between them.

    Raises:
        AudiodiffError: it is a URL, which only shards are read from.
    """
    if is_url(config.folder):
        raise AudiodiffError(
            f"data.folder is {config.folder}, a URL; recordings are read from folders of this machine, and only shards "
            "of latents (`audiodiff encode`) from URLs: download them first."
        )
    if Path(config.folder).exists():
        return [Path(config.folder)] if config.folder else []
    return [Path(part.strip()) for part in config.folder.split(",") if part.strip()]


def split_items(items: Sequence[AudioItem], n_valid: int) -> tuple[list[AudioItem], list[AudioItem]]:
    """Return the clips to train on, and `n_valid` clips spread over the validation split.

    Clips of a split other than train and valid are left out. Without a validation split every 50th clip is held out;
    of fewer than 50 clips none can be spared, and validation listens to clips of the training set.

    Raises:
        AudiodiffError: nothing is left to train on.
    """
    train = [item for item in items if item.split in ("train", "")]
    valid = [item for item in items if item.split == "valid"]
    if not train:
        found = ", ".join(sorted({item.split for item in items})) or "none"
        raise AudiodiffError(f"the corpus has no clips of split train (splits found: {found}); mark some as train.")
    if not valid and len(train) >= 50:
        valid = train[::50]
        train = [item for index, item in enumerate(train) if index % 50]
    elif not valid:
        valid = train
    stride = max(len(valid) // max(n_valid, 1), 1)
    return train, valid[::stride][: max(n_valid, 1)]


def open_corpus(
    config: DataConfig, n_valid: int, sample_rate: int, *, tell: bool = True
) -> tuple[AudioDataset, AudioDataset]:
    """Open what a run learns from, and what it is validated on; say in one line what is used and what is left out.

    Args:
        config: the corpus.
        n_valid: clips to validate on.
        sample_rate: of the model (Hz).
        tell: write the line to stderr; one of several processes is enough.

    Raises:
        AudiodiffError: the corpus cannot be read, or nothing of a split can be used.
    """
    listing = read_corpus(config)
    train_items, valid_items = split_items(listing.items, n_valid)
    train, valid = (open_dataset(items, config, sample_rate) for items in (train_items, valid_items))
    if tell:
        print(f"audiodiff: {_told(listing, train, valid)}", file=sys.stderr, flush=True)
    return train, valid


def _told(listing: Listing, train: AudioDataset, valid: AudioDataset) -> str:
    """One line about a run's clips."""
    text = f"{len(train)} clips, {duration(train.seconds)}, to learn from, {len(valid)} to validate on"
    skipped = dict([*train.skipped, *valid.skipped])
    if skipped:
        shown = [reason.removesuffix(".") for reason in list(skipped.values())[:_REASONS]]
        more = f", and {len(skipped) - len(shown)} more" if len(skipped) > len(shown) else ""
        text += f"; {len(skipped)} clips left out: {'; '.join(shown)}{more}"
    unused = Counter(item.split for item in listing.items if item.split not in ("", "train", "valid"))
    known = set(split_notes(listing.items))
    notes = [note for note in listing.notes if note not in known]
    notes += [f"{count} clips of split {split!r}" for split, count in sorted(unused.items())]
    if notes:
        text += f"; {'also ' if skipped else ''}left out: {'; '.join(notes)}"
    return " ".join(text.split())


def open_dataset(items: Sequence[AudioItem], config: DataConfig, sample_rate: int) -> AudioDataset:
    """Decode the clips once, at the model's rate (Hz) and the run's level."""
    prepared = [folder / CACHE_NAME for folder in corpus_folders(config) if (folder / CACHE_NAME).is_dir()]
    home = Path(os.environ.get("XDG_CACHE_HOME", "") or Path.home() / ".cache")
    cache = config.cache or (prepared[0] if prepared else home / "audiodiff" / "audio")
    level = None if config.normalize == "none" else config.level
    return AudioDataset(items, sample_rate, cache, normalize=config.normalize, level=level)


def describe_corpus(config: DataConfig, data: AudioDataset) -> dict[str, Any]:
    """What travels with the weights of the corpus: names, size, licences, sources."""
    return {
        # A name that is not UTF-8 could not be written down.
        "name": ", ".join(os.fsencode(f.resolve().name).decode(errors="replace") for f in corpus_folders(config)),
        "clips": len(data),
        "hours": round(data.seconds / 3600.0, 3),
        "licences": sorted({item.licence for item in data.items if item.licence}),
        "sources": sorted({source for item in data.items if (source := item.extra.get("source", ""))}),
    }


def fit_length(waveform: Tensor, n_samples: int) -> Tensor:
    """Cut or pad with zeros to `n_samples`."""
    return nn.functional.pad(waveform[:n_samples], (0, max(n_samples - len(waveform), 0)))


@dataclass(frozen=True)
class RandomCrops:
    """Crops of a corpus at random gains, the same ones for the same seed and step.

    Attributes:
        data: the clips.
        config: which gains.
        seed: of the run.
        n_samples: of a crop.
        count: crops of a step.
        clamp: whether gains cut at full scale.
    """

    data: AudioDataset
    config: DataConfig
    seed: int
    n_samples: int
    count: int
    clamp: bool = True

    def draw(self, step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the waveforms `[count, n_samples]` of a step, and what they hold nothing above, `[count]` (Hz)."""
        batch = self.data.crops(self.seed, step, self.count, self.n_samples)
        low, high = self.config.gain_db
        gain = 10.0 ** ((torch.rand(self.count, generator=generator) * (high - low) + low) / 20.0)
        waveform = batch.waveform * gain[:, None]
        return waveform.clamp(-1.0, 1.0) if self.clamp else waveform, batch.bandwidth_hz

    def names(self, step: int) -> str:
        """Name the clips of a step."""
        index = self.data.crops(self.seed, step, self.count, self.n_samples).index
        return ", ".join(dict.fromkeys(str(self.data.items[i].path) for i in index.tolist()))
