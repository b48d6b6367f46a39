"""From a corpus or a folder to a manifest and a cache that training can open at once."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from audiodiff.data.corpora import CORPORA, corpus_listing
from audiodiff.data.dataset import AudioDataset, NoUsableClipsError
from audiodiff.data.items import AudioItem, unreadable_reason
from audiodiff.data.manifest import MANIFEST_NAME, write_manifest
from audiodiff.data.names import is_url
from audiodiff.errors import AudiodiffError

CACHE_NAME = "cache"


@dataclass(frozen=True)
class Prepared:
    """What `prepare` has made.

    Attributes:
        manifest: the manifest file, the clips that can be used.
        cache_dir: folder of the caches, one per split.
        items: the clips of the manifest.
        seconds: their duration (s).
        skipped: path and reason of clips that cannot be used.
        notes: what else of the corpus is left out or not read.
    """

    manifest: Path
    cache_dir: Path
    items: tuple[AudioItem, ...]
    seconds: float
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """Render for a terminal."""
        lines = [f"{len(self.items)} clips, {self.seconds / 60:.1f} min: {self.manifest}"]
        lines += [f"skipped: {reason}" for _, reason in self.skipped]
        lines += [f"left out: {note}" for note in self.notes]
        return "\n".join(lines)


def prepare(
    source: str,
    output: str | Path,
    *,
    sample_rate: int,
    root: str | Path | None = None,
    split: str | None = None,
    download: bool = False,
    progress: bool = True,
) -> Prepared:
    """Write `manifest.jsonl` and a cache of decoded audio to a folder.

    Args:
        source: name of a corpus (`audiodiff.data.corpora.CORPORA`) or path of a folder.
        output: folder for the results.
        sample_rate: of the cache (Hz).
        root: where the named corpus is (or is put); None for `output`.
        split: only clips of that split; None for all.
        download: fetch the named corpus if it is missing.
        progress: show progress bars (only on a terminal).

    Raises:
        AudiodiffError: unknown or missing source, no clip that can be used, output that cannot be written.
    """
    output = Path(output)
    if source in CORPORA and not Path(source).is_dir():
        listing = corpus_listing(source, output if root is None else root, split, download=download)
    elif not Path(source).is_dir() and not is_url(source):
        raise AudiodiffError(f"{source!r} is neither a folder nor a known corpus; known corpora: {', '.join(CORPORA)}.")
    else:
        listing = corpus_listing("folder", source, split, download=download)
    items = listing.items
    cache_dir = output / CACHE_NAME
    kept: list[AudioItem] = []
    skipped = [(str(item.path), unreadable_reason(item)) for item in items if item.sample_rate == 0]
    if len(skipped) == len(items):
        raise NoUsableClipsError(skipped)
    seconds = 0.0
    # One cache per split: training opens one split, and a cache is keyed by its very list of clips.
    for name in sorted({item.split for item in items}):
        part = [item for item in items if item.split == name and item.sample_rate]
        if not part:
            continue
        try:
            dataset = AudioDataset(part, sample_rate, cache_dir, progress=progress)
        except NoUsableClipsError as error:
            skipped += error.skipped
            continue
        if dataset.skipped:
            # Silence, or a good header before damaged sound. The manifest's own list needs its own cache.
            skipped += dataset.skipped
            superseded, usable = dataset.cache, dataset.items
            del dataset  # which has the cache open
            shutil.rmtree(superseded, ignore_errors=True)
            dataset = AudioDataset(usable, sample_rate, cache_dir, progress=progress)
        kept += dataset.items
        seconds += dataset.seconds
    if not kept:
        raise NoUsableClipsError(skipped)
    manifest = output / MANIFEST_NAME
    write_manifest(kept, manifest)
    return Prepared(manifest, cache_dir, tuple(kept), seconds, tuple(skipped), listing.notes)
