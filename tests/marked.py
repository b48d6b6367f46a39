"""What a file holds of a sound that was made for it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiodiff.signal.watermark import mark_blocks
from audiodiff.synthesis.clip import Clip
from audiodiff.synthesis.provenance import read_provenance
from audiodiff.synthesis.watermarking import identifier_in, marked_clip


def as_marked(made: Clip | NDArray[np.float32], path: Path, sample_rate: int = 0) -> NDArray[np.float32]:
    """Mark a mono clip, or a mono waveform `[n]`, as the record in a file says."""
    identifier = identifier_in(read_provenance(path))
    assert identifier is not None
    if isinstance(made, Clip):
        return marked_clip(made, identifier)[0]
    return np.concatenate(list(mark_blocks([made[None]], sample_rate, identifier)), axis=1)[0]
