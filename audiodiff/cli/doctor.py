"""`audiodiff doctor`: is everything here that the other commands need, and how fast is this machine?"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

from audiodiff._version import __version__
from audiodiff.cli.output import tell
from audiodiff.errors import AudiodiffError

EXTRAS = {
    "train": ("torchaudio", "librosa", "accelerate", "yaml", "tensorboard", "matplotlib"),
    "eval": ("torchaudio", "librosa", "pesq", "pystoi", "distillmos", "torchcrepe", "pyworld", "scipy"),
}
"""Extra -> the modules that it brings, as far as a command here imports them."""


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "doctor",
        help="check the installation and the speed of this machine",
        description="Check the installation, load every model of the package and vocode a second of audio with it.",
    )
    parser.add_argument("--model", help="check this model (name, folder or hf:ORG/NAME) instead of the package's")


def run(args: argparse.Namespace) -> int:
    """Print one line per check; the status is 1 if one of them fails."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("audiodiff", lambda: f"{__version__}, Python {platform.python_version()} on {sys.platform}"),
        ("torch", _torch),
        ("soundfile", _soundfile),
        ("text encoder", _encoder),
        *([("torchaudio", _torchaudio)] if find_spec("torchaudio") else []),
        *((f"extra {name}", partial(_extra, modules)) for name, modules in EXTRAS.items()),
    ]
    if args.model is not None:
        names = [args.model]
    else:
        from audiodiff.models.find import pretrained_names

        names = pretrained_names()
    checks.extend((f"model {name}", partial(_model, name)) for name in names)
    failures = 0
    for label, check in checks:
        try:
            tell(f"ok    {label}: {check()}", flush=True)
        except (AudiodiffError, ImportError, OSError, RuntimeError) as error:
            failures += 1
            tell(f"FAIL  {label}: {' '.join(str(error).split())}", flush=True)
    if not names:
        tell("note  no model comes with this version; train one with `audiodiff train`")
    return 1 if failures else 0


def _torch() -> str:
    import torch

    devices = ["cpu"]
    devices += [f"cuda ({torch.cuda.get_device_name(0)})"] if torch.cuda.is_available() else []
    devices += ["mps"] if torch.backends.mps.is_available() else []
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{torch.__version__}, {', '.join(devices)}; {torch.get_num_threads()} threads on {cores} cores"


def _torchaudio() -> str:
    from audiodiff._torchaudio import import_torchaudio

    return str(import_torchaudio().__version__)


def _encoder() -> str:
    from audiodiff.text.encoders import open_encoder

    encoder = open_encoder()
    return f"{encoder.name}, {encoder.encode(['music'])[0].tokens.shape[1]} numbers a token"


def _soundfile() -> str:
    import soundfile

    return f"{soundfile.__version__} with {soundfile.__libsndfile_version__}"


def _extra(modules: tuple[str, ...]) -> str:
    missing = [name for name in modules if find_spec(name) is None]
    return f"not installed: {', '.join(missing)}" if missing else "complete"


def _model(name: str) -> str:
    import numpy as np

    from audiodiff.synthesis.load import load

    started = time.perf_counter()
    model = load(name)
    loaded = time.perf_counter() - started
    # Of a latent model the vocoder is timed: a whole clip would take many times as long.
    synthesizer: Any = getattr(model, "vocoder", model)
    rate = synthesizer.sample_rate
    noise = np.random.default_rng(0).standard_normal(4 * rate).astype(np.float32) * 0.05
    synthesizer.try_out(noise[:rate])  # the first call pays for warming up
    started = time.perf_counter()
    output = synthesizer.try_out(noise)
    factor = (time.perf_counter() - started) / 4.0
    if output.shape != noise.shape or not float(np.abs(output).max()) > 0.0:
        raise AudiodiffError(f"{name} answers with {list(output.shape)} samples of nothing; copy the model again.")
    usual = synthesizer.defaults
    speed = f"real-time factor {factor:.3f} at {usual.steps} steps of {usual.sampler}"
    return f"{rate} Hz, loaded in {loaded:.1f} s, {speed}"
