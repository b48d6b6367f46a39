"""The watermark of a file that audiodiff writes: whether it gets one, and which."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import audio_info, read_blocks
from audiodiff.signal.limiter import CEILING_DB, limiting_gain, true_peak
from audiodiff.signal.watermark import VERSION, Peaks, mark_blocks
from audiodiff.signal.watermark_detector import find_watermark
from audiodiff.synthesis.clip import Clip
from audiodiff.synthesis.provenance import ProvenanceRecord
from audiodiff.synthesis.source import Source

SETTING = "watermark"
"""Of a record: version of the pattern and the number in it, such as "1:3f2a91c0"; absent without a watermark."""

PEAKS_SETTING = "watermark_peaks"
"""Of a record with a watermark: what became of its peaks; absent in files from before they were limited."""

ALREADY = "the sound has a watermark already, and gets no second one"


def identifier_of(told: Mapping[str, Any]) -> int:
    """Return the number that a watermark carries: the first 32 bits of the SHA-256 of what makes the sound.

    Args:
        told: JSON values: verb, weights, settings, seed, prompts, hashes of the inputs.
    """
    text = json.dumps(told, sort_keys=True, ensure_ascii=True, default=str)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def recorded(identifier: int) -> str:
    """Return what a record tells of a watermark."""
    return f"{VERSION}:{identifier:08x}"


def identifier_in(record: ProvenanceRecord) -> int | None:
    """Return the number of the watermark that a record tells of; `None` of a file without one, as all old ones are.

    Raises:
        AudiodiffError: it has another version, or is damaged.
    """
    if SETTING not in record.settings:
        return None
    version, _, digits = str(record.settings[SETTING]).partition(":")
    if version != str(VERSION):
        raise AudiodiffError(
            f"the file has a watermark of version {version[:20]!r}, and this audiodiff makes {VERSION}; update it."
        )
    try:
        identifier = int(digits, 16) if len(digits) == 8 else -1
    except ValueError:
        identifier = -1
    if identifier < 0:
        raise AudiodiffError(f"the provenance record is damaged: its watermark is {digits[:20]!r}.")
    return identifier


def peaks_in(record: ProvenanceRecord) -> Peaks:
    """Return what became of the peaks of a watermark that a record tells of.

    Raises:
        AudiodiffError: something that is not known here.
    """
    told = record.settings.get(PEAKS_SETTING, "clip")
    if told == "limit":
        return "limit"
    if told == "clip":
        return "clip"
    raise AudiodiffError(f"the watermark of the file was made with peaks {str(told)[:20]!r}; update audiodiff.")


def marked_clip(clip: Clip, identifier: int, peaks: Peaks = "limit") -> NDArray[np.float32]:
    """Mark what is new in a clip, `[channels, n_samples]`; true peaks at -1 dBTP and below stay there.

    Args:
        clip: the clip.
        identifier: the number that the watermark carries.
        peaks: what becomes of peaks where the clip keeps samples of a recording or has peaks above -1 dBTP by itself.
    """
    waveform, rate = np.atleast_2d(clip.waveform), clip.sample_rate
    ceiling = 10.0 ** (CEILING_DB / 20.0)
    if clip.new is not None or true_peak(torch.from_numpy(waveform), rate) > 1.01 * ceiling:
        return np.concatenate(list(mark_blocks([waveform], rate, identifier, clip.new, peaks=peaks)), axis=1)
    # One gain for the whole clip; that of a loop goes around it.
    marked = np.concatenate(list(mark_blocks([waveform], rate, identifier, peaks="leave")), axis=1)
    if np.abs(marked).max() < 0.5 * ceiling:
        return marked
    gain: NDArray[np.float32] = limiting_gain(torch.from_numpy(marked), rate, circular=clip.seam is not None).numpy()
    return marked * gain


def is_marked(blocks: Iterable[NDArray[np.float32]], sample_rate: int) -> bool:
    """Whether a sound `[channels, n]` in blocks has a watermark."""
    return find_watermark(blocks, sample_rate).found


def any_marked(sources: Iterable[Source]) -> bool:
    """Whether one of the recordings that go in has a watermark."""
    sounds = [source for source in sources if source.path.suffix.lower() != ".npy"]
    return any(is_marked(read_blocks(source.path), audio_info(source.path).sample_rate) for source in sounds)
