"""A log-mel stored as `.npy`, for a model that takes one."""

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from audiodiff.errors import AudiodiffError
from audiodiff.signal.mel_convert import check_mel, convert_log_mel
from audiodiff.signal.mel_spec import MelSpec
from audiodiff.signal.npy import read_npy_header

READ_FRAMES = 8192
LEAST_NEPERS = 6.0
"""A log10 mel with the usual floor of 1e-5 spans less, taken for natural logarithms."""


def open_mel(path: Path) -> NDArray[np.float32]:
    """Open a log-mel stored as `.npy`; its values stay in the file until they are used.

    Returns:
        `[1, n_mels, n_frames]`.

    Raises:
        AudiodiffError: missing, empty, or not a `.npy` array of floating-point numbers in two axes.
    """
    if not path.exists():
        raise AudiodiffError(f"{path} does not exist; give the path of a .npy log-mel.")
    if not path.is_file() or path.stat().st_size == 0:
        raise AudiodiffError(f"{path} is empty or not a file; give the path of a .npy log-mel.")
    try:
        with path.open("rb") as file:
            _, dtype = read_npy_header(file, path.stat().st_size, str(path))
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as error:
        if isinstance(error, AudiodiffError):
            raise
        raise AudiodiffError(f"{path} is not a .npy array of numbers; save the log-mel with numpy.save.") from error
    if dtype.kind != "f":
        raise AudiodiffError(f"{path} does not hold floating-point numbers; save the log-mel as float32.")
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.shape[0] != 1 or 0 in array.shape:
        raise AudiodiffError(
            f"{path} has shape {list(array.shape)}; expected [n_mels, n_frames] or [1, n_mels, n_frames] with at "
            "least one frame."
        )
    stored: NDArray[np.float32] = array
    return stored


def read_mel(path: Path, model_spec: MelSpec, spec: MelSpec | None) -> NDArray[np.float32]:
    """Open a log-mel for a model that takes `model_spec`; it was computed with `spec`, or with the same if `None`.

    Returns:
        `[1, n_mels, n_frames]`.

    Raises:
        AudiodiffError: as `open_mel`; or it is not a mel of `spec`, or cannot become one of `model_spec`.
    """
    array = open_mel(path)
    head = torch.from_numpy(np.array(array[..., :READ_FRAMES], dtype=np.float32))
    try:
        check_mel(head, spec or model_spec)
        if spec is not None:
            convert_log_mel(head, spec, model_spec)
    except AudiodiffError as error:
        raise AudiodiffError(f"{path}: {error}") from error
    return array


def mel_notes(frames: NDArray[np.float32], path: Path, spec: MelSpec) -> tuple[str, ...]:
    """Say what is odd about a log-mel that could be one of `spec`: its values may be log10, which no preset has."""
    head = np.asarray(frames[..., :READ_FRAMES], dtype=np.float32)
    nepers = float(head.max() - head.min()) * spec.scale
    if spec.log != "ln" or not 0.0 < nepers < LEAST_NEPERS:
        return ()
    return (
        f"the values of {path.name} span only {nepers:.1f} nepers, where recordings span about 11; if they are log10, "
        f"multiply them by {math.log(10.0):.4f}",
    )
