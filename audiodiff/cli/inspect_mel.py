"""`audiodiff inspect-mel`: tell how a log-mel in a .npy was probably computed."""

import argparse
from pathlib import Path
from typing import Any

from audiodiff.cli.output import tell

MAX_FRAMES = 20_000


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "inspect-mel",
        help="guess the preset of a log-mel in a .npy",
        description="Compare a log-mel with the known presets and name those that it can be, the likeliest first.",
    )
    parser.add_argument("input", type=Path, help="log-mel as .npy, [n_mels, n_frames] or [1, n_mels, n_frames]")


def run(args: argparse.Namespace) -> int:
    """Print the shape, the range and the presets that fit."""
    import numpy as np
    import torch

    from audiodiff.errors import AudiodiffError
    from audiodiff.signal.mel_convert import guess_preset
    from audiodiff.signal.mel_spec import PRESETS, describe
    from audiodiff.synthesis.mel_file import open_mel

    frames = torch.from_numpy(np.array(open_mel(args.input)[..., :MAX_FRAMES], dtype=np.float32))
    if not bool(torch.isfinite(frames).all()):
        raise AudiodiffError(f"{args.input} has values that are not finite numbers; compute the mel again.")
    _, n_mels, n_frames = frames.shape
    tell(
        f"{args.input}: {n_mels} bands, {n_frames} frames, values from {float(frames.min()):.3f} to "
        f"{float(frames.max()):.3f}, mean {float(frames.mean()):.3f}"
    )
    names = guess_preset(frames)
    for name in names:
        tell(f"  {describe(PRESETS[name])}")
    if not names and guess_preset(frames.transpose(1, 2)):
        tell("  no preset fits, but one does with the axes swapped: save it as [n_mels, n_frames]")
    elif not names:
        tell(f"  no preset has {n_mels} bands and such values")
    return 0
