"""The gain that brings a mel to the level of the audio that a vocoder was trained on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.signal.levels import shift_log_mel
from audiodiff.signal.mel_spec import MelSpec
from audiodiff.signal.meters import LevelMeter
from audiodiff.signal.tracks import Track

MAX_GAIN_DB = 40.0

LEVEL_SECONDS = 30.0
"""How much of a stream decides its level, if nobody says what it is."""


def gain_db(level_db: float, reference_db: float | None) -> float:
    """The gain from one level to another, within bounds; 0 if the other is `None`."""
    return 0.0 if reference_db is None else max(-MAX_GAIN_DB, min(MAX_GAIN_DB, reference_db - level_db))


def read_reference_level(metadata: Mapping[str, Any], folder: Path) -> float | None:
    """Read the level of the audio that a checkpoint was trained on (dBFS).

    Raises:
        AudiodiffError: it is no number.
    """
    level = metadata.get("reference_level_db")
    if level is not None and (isinstance(level, bool) or not isinstance(level, int | float)):
        raise AudiodiffError(f"the config of {folder} has reference_level_db {level!r}; expected a number of dB.")
    return None if level is None else float(level)


class StreamGain:
    """The gain of a channel of which only the beginning is known: that of the frames so far.

    It follows their level until there are `LEVEL_SECONDS` of them, and then stays. Silence does not count.

    Args:
        spec: of the mel.
        reference_db: the level to bring it to; `None` leaves it alone.
        level_db: the level of the whole channel, if that is known.
    """

    def __init__(self, spec: MelSpec, reference_db: float | None, level_db: float | None = None) -> None:
        self._spec = spec
        self._reference = reference_db
        self._gain = None if reference_db is not None and level_db is None else gain_db(level_db or 0.0, reference_db)
        self._meter = LevelMeter(spec) if self._gain is None else None
        self._gains = Track()  # of frames whose samples are still to come
        self._place = 0

    def shift(self, log_mel: Tensor) -> Tensor:
        """Bring the next frames `[n_mels, n]`, 1 or more, to the level."""
        before = self._gain
        if self._meter is not None:
            self._meter.add(log_mel)
            if self._meter.silent:
                self._meter = LevelMeter(self._spec)
            else:
                self._gain = gain_db(self._meter.level_db, self._reference)
                if self._meter.n_frames * self._spec.hop_length > LEVEL_SECONDS * self._spec.sample_rate:
                    self._meter = None
        gain = self._gain or 0.0
        n_frames = log_mel.shape[-1]
        share = torch.arange(1, n_frames + 1, dtype=torch.float64) / n_frames
        gains = gain + (1.0 - share) * ((gain if before is None else before) - gain)
        self._gains.append(gains)
        if before in {None, gain}:
            return shift_log_mel(log_mel, self._spec, gain)
        parts = zip(torch.split(log_mel, 1, dim=-1), gains.tolist(), strict=True)
        return torch.cat([shift_log_mel(part, self._spec, value) for part, value in parts], dim=-1)

    def restore(self, samples: Tensor) -> Tensor:
        """Take the gain out of the next samples `[n]` again."""
        if not len(samples):
            return samples
        hop, place, self._place = self._spec.hop_length, self._place, self._place + len(samples)
        at = torch.arange(place, self._place)
        frames = at // hop
        self._gains.drop(place // hop)
        last = self._gains.stop - 1
        held = self._gains.rows(place // hop, min(self._place // hop, last) + 1)
        if bool((held == held[0]).all()):
            constant: Tensor = samples * 10.0 ** (-float(held[0]) / 20.0)
            return constant
        low, high = (held[(index - place // hop).clamp_max(len(held) - 1)] for index in (frames, frames + 1))
        gains = torch.lerp(low, high, (at % hop).double() / hop)
        restored: Tensor = samples * torch.pow(10.0, -gains / 20.0).float()
        return restored
