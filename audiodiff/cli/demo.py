"""`audiodiff demo`: the page in the browser."""

import argparse
import os
import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from audiodiff.cli.environment import NO_PROXY, environment
from audiodiff.errors import AudiodiffError

PACKAGE = "audiodiff_demo"
"""What the demo is called where audiodiff is installed; in the repository it is the folder `demo`."""

AUTH = "AUDIODIFF_DEMO_AUTH"
"""Environment variable with USER:PASSWORD, which a command line would show to everybody on the computer."""

LIMITS = {
    "upload_mb": (float, "MIB", "largest upload (default: 50)"),
    "upload_seconds": (float, "S", "longest recording, channels added up (default: 180)"),
    "prompt_chars": (int, "N", "longest prompt (default: 2000)"),
    "seconds": (float, "S", "longest clip (default: 60)"),
    "steps": (int, "N", "most sampling steps (default: 200)"),
    "jobs": (int, "N", "jobs of one user at a time (default: 2)"),
    "waiting": (int, "N", "jobs of all users together (default: 20)"),
    "keep_minutes": (float, "MIN", "how long uploads and results are kept (default: 60)"),
    "disk_mb": (float, "MIB", "uploads and results of all users together (default: 2048)"),
    "saved_prompts": (int, "N", "prompts in the library (default: 1000)"),
}
"""The fields of `Limits` -> type, unit and help of their flags."""


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "demo",
        help="open the page in the browser",
        description="Serve a page that generates, vocodes, upsamples, keeps prompts and replays files. Ends with "
        "Ctrl+C.",
        epilog=f"The environment variable {AUTH} holds what --auth does, hidden from other users of the computer.",
    )
    parser.add_argument("--model", help="model that generates: name, folder or hf:ORG/NAME (default: music)")
    parser.add_argument("--vocoder", help="vocoder for recordings (default: speech)")
    parser.add_argument("--upsampler", help="upsampler for narrow-band recordings (default: upsample-speech)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: 127.0.0.1, only you)")
    parser.add_argument("--port", type=int, help="port (default: the first free one from 7860 on)")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="name under which a proxy on this computer serves the page (repeatable; without --host)",
    )
    parser.add_argument("--auth", metavar="USER:PASSWORD", help="ask visitors for a password")
    parser.add_argument("--share", action="store_true", help="also serve it under a public link of gradio.live")
    parser.add_argument("--prompts", type=Path, metavar="FILE", help="library of prompts (default: yours, or none)")
    limits = parser.add_argument_group("limits of what a visitor may ask for")
    for name, (kind, unit, told) in LIMITS.items():
        flag = "--keep-minutes" if name == "keep_minutes" else f"--max-{name.replace('_', '-')}"
        limits.add_argument(flag, dest=f"limit_{name}", type=kind, metavar=unit, help=told)


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted."""
    if args.port is not None and not 1 <= args.port <= 65535:
        raise AudiodiffError(f"--port is {args.port}; expected 1 to 65535.")
    if find_spec("gradio") is None:
        raise AudiodiffError("the demo needs Gradio; install it with `pip install 'audiodiff-synth[demo]'`.")
    server = demo_module("serve")
    server.serve(
        model=args.model,
        vocoder=args.vocoder,
        upsampler=args.upsampler,
        device=args.device,
        place=server.Place(
            host=args.host,
            port=args.port,
            auth=server.read_auth(args.auth or os.environ.get(AUTH)),
            share=args.share,
            names=tuple(args.allow_host),
        ),
        limits=server.limits_of({name: getattr(args, f"limit_{name}") for name in LIMITS}),
        prompts=args.prompts,
    )
    return 0


def demo_module(name: str) -> Any:
    """Return a module of the demo: the folder beside this package in a clone of the repository, else the installed one.

    Raises:
        AudiodiffError: the demo is not there.
    """
    root = Path(__file__).resolve().parents[2]
    if PACKAGE not in sys.modules and (root / "pyproject.toml").is_file() and (root / "demo" / "serve.py").is_file():
        # under its installed name, since any other `demo` on the path may come first
        spec = spec_from_file_location(
            PACKAGE, root / "demo" / "__init__.py", submodule_search_locations=[str(root / "demo")]
        )
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        sys.modules[PACKAGE] = module
        spec.loader.exec_module(module)
    if find_spec(PACKAGE) is None:
        raise AudiodiffError("the demo is not part of this installation; install audiodiff-synth[demo] again.")
    with environment(NO_PROXY):
        return import_module(f"{PACKAGE}.{name}")
