"""`audiodiff demo`: the page in the browser."""

import argparse
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from audiodiff.cli.adapters import adapters_of, add_adapter_option
from audiodiff.errors import AudiodiffError

from .environment import NO_PROXY, environment

AUTH = "AUDIODIFF_DEMO_AUTH"
"""Environment variable with USER:PASSWORD, which a command line would show to everybody on the computer."""

LIMITS = {
    "upload_mb": (float, "MIB", "largest upload (default: 50)"),
    "upload_seconds": (float, "S", "longest recording, channels added up (default: 180)"),
    "prompt_chars": (int, "N", "longest prompt (default: 2000)"),
    "seconds": (float, "S", "longest clip (default: 60)"),
    "speech_seconds": (float, "S", "longest speech (default: 180)"),
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
        description="Serve a page that generates, speaks, vocodes, upsamples, keeps prompts and replays files. Ends "
        "with Ctrl+C.",
        epilog=f"The environment variable {AUTH} holds what --auth does, hidden from other users of the computer.",
    )
    parser.add_argument(
        "--model", help="model that generates: name, folder, hf:ORG/NAME or diffusers:ORG/NAME (default: music)"
    )
    parser.add_argument("--vocoder", help="vocoder for recordings (default: speech)")
    parser.add_argument("--upsampler", help="upsampler for narrow-band recordings (default: upsample-speech)")
    parser.add_argument("--voice", action="append", help="voice that speaks, repeatable (default: kathleen)")
    add_adapter_option(
        parser, "adapter of one of these models, merged into it as strongly as said (repeatable); the page names it"
    )
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
    limits = parser.add_argument_group("limits on what visitors may request")
    for name, (kind, unit, told) in LIMITS.items():
        flag = "--keep-minutes" if name == "keep_minutes" else f"--max-{name.replace('_', '-')}"
        limits.add_argument(flag, dest=f"limit_{name}", type=kind, metavar=unit, help=told)


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted."""
    if args.port is not None and not 1 <= args.port <= 65535:
        raise AudiodiffError(f"--port is {args.port}; expected 1 to 65535.")
    if find_spec("gradio") is None:
        raise AudiodiffError("the demo needs Gradio; install it with `pip install 'audiodiff-synth[demo]'`.")
    server = server_module()
    server.serve(
        model=args.model,
        vocoder=args.vocoder,
        upsampler=args.upsampler,
        voices=args.voice or (),
        **adapters_of(args),
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


def server_module() -> Any:
    """Return the module that serves, which imports Gradio: without a look at proxies, which it would ask for fonts."""
    with environment(NO_PROXY):
        from . import serve
    return serve
