"""TensorBoard: curves, mel pictures and sounds, from plain tensors."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


class Board:
    """A TensorBoard log in `run_dir/tensorboard`; does nothing when TensorBoard is not installed.

    Args:
        run_dir: the run folder.
        first_step: the step that comes next; events from there on, left by a killed session, are hidden.
    """

    def __init__(self, run_dir: Path | str, first_step: int = 1) -> None:
        """Open the log."""
        self._writer: Any = None
        self.folder = Path(run_dir) / "tensorboard"
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            print("TensorBoard is not installed: no curves (install audiodiff-synth[train]).", file=sys.stderr)
            return
        purge = first_step if first_step > 1 else None
        self._writer = SummaryWriter(str(self.folder), purge_step=purge)

    @property
    def is_open(self) -> bool:
        """Whether anything is written at all."""
        return self._writer is not None

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Add one point to each named curve."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, log_mels: Tensor) -> None:
        """Show log-mels `[n_pictures, n_mels, n_frames]` under each other, low frequencies at the bottom."""
        if self._writer is not None:
            self._writer.add_image(name, mel_picture(log_mels), step)

    def audio(self, step: int, name: str, waveform: Tensor, sample_rate: int) -> None:
        """Add a sound `[n_samples]`; what is beyond full scale is clipped."""
        if self._writer is not None:
            clipped = waveform.detach().float().cpu().clamp(-1.0, 1.0)
            self._writer.add_audio(name, clipped[None], step, sample_rate=sample_rate)

    def text(self, step: int, name: str, words: str) -> None:
        """Add words, such as the prompt of a sound of the same name."""
        if self._writer is not None:
            self._writer.add_text(name, words, step)

    def close(self) -> None:
        """Write out what is pending."""
        if self._writer is not None:
            self._writer.close()


# Dark blue, purple, red, orange, yellow: ordered by lightness, so that the picture also reads in grey.
_COLOURS = ((0.0, 0.0, 0.05), (0.3, 0.07, 0.45), (0.72, 0.2, 0.35), (0.97, 0.53, 0.1), (1.0, 1.0, 0.65))


def mel_picture(log_mels: Tensor) -> Tensor:
    """Draw log-mels `[n_pictures, n_mels, n_frames]` as one RGB picture `[3, height, width]` in 0 to 1.

    The pictures share one colour range, that of the first (the reference), so that they can be compared.
    """
    values = log_mels.detach().float().cpu()
    low, high = values[0].min(), values[0].max()
    position = ((values - low) / (high - low).clamp_min(1e-6)).clamp(0.0, 1.0) * (len(_COLOURS) - 1)
    index = position.floor().long().clamp_max(len(_COLOURS) - 2)
    share = (position - index)[..., None]
    colours = torch.tensor(_COLOURS)
    rgb = colours[index] * (1.0 - share) + colours[index + 1] * share
    rows = [picture.flip(0) for picture in rgb]
    rule = torch.ones(2, rgb.shape[2], 3)
    parts = [part for row in rows for part in (row, rule)][:-1]
    return torch.cat(parts).permute(2, 0, 1).contiguous()
