"""`audiodiff COMMAND ...`: reads the arguments and hands over to the module of the command."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from audiodiff._version import __version__
from audiodiff.cli.commands import add_commands, load_command, registered
from audiodiff.cli.output import accept_any_text, note
from audiodiff.cli.parser import BAD_INPUT, MAX_MESSAGE, Parser
from audiodiff.cli.urls import refuse_urls
from audiodiff.errors import AudiodiffError
from audiodiff.plugins import OWN_DISTRIBUTION, owner

INTERRUPTED = 130

UNFORESEEN = "this is a fault of"
"""Part of the message for an error that nothing foresaw."""


def build_parser(chosen: str = "") -> argparse.ArgumentParser:
    """Return the parser of the whole command line; imports neither torch nor anything built on it.

    Args:
        chosen: the command that is called, empty if that is not known; commands of other packages get their options
            only when they are called.

    Raises:
        AudiodiffError: the chosen command cannot be loaded.
    """
    parser = Parser(
        prog="audiodiff",
        description="Diffusion for audio on a laptop: make and edit music, speak, vocode, train and measure.",
        epilog="`audiodiff COMMAND --help` explains one command. Sizes are in seconds, Hz and dB.",
    )
    parser.add_argument("--version", action="version", version=f"audiodiff {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    subparsers = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    add_commands(subparsers, chosen)
    for subparser in subparsers.choices.values():
        subparser.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
        )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 done, 2 bad input, 130 interrupted.

    Args:
        argv: the arguments without the program's name; those of the process when `None`.
    """
    accept_any_text()
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        # the first word that is no option, since no option in front of the command takes a value
        parser = build_parser(next((word for word in words if not word.startswith("-")), ""))
        args = parser.parse_args(words)
    except AudiodiffError as error:
        if "--debug" in words:
            raise
        return _answer(error)
    except SystemExit as stop:  # argparse has already written its message
        return stop.code if isinstance(stop.code, int) else BAD_INPUT
    if args.command is None:
        parser.print_help(sys.stderr)
        return BAD_INPUT
    from audiodiff.cli.allocator import limit_spinning, tune_allocator

    tune_allocator()
    limit_spinning()
    try:
        _expand_home(args)
        command = load_command(args.command)
        with _terminable():
            refuse_urls(args)
            status = command.run(args)
        sys.stdout.flush()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else BAD_INPUT
    except BrokenPipeError:
        # the reader of our output has gone (`audiodiff ... | head`): not an error, and nothing more can be said
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:
        if args.debug:
            raise
        return _answer(error, args.command)
    return status


def _answer(error: BaseException, command: str = "") -> int:
    """Say in one sentence what ended a command, and return its exit status."""
    if isinstance(error, KeyboardInterrupt):
        note("interrupted; nothing half-written was left behind.")
        return INTERRUPTED
    if isinstance(error, AudiodiffError):
        note(str(error))
    elif isinstance(error, MemoryError) or _is_out_of_memory(error):
        note("there is not enough memory for this job; try a shorter input or a smaller window.")
    elif isinstance(error, OSError):
        note(f"{error.filename or 'the system'}: {error.strerror or error}.")
    else:
        told = f"{type(error).__name__}: {error}"[:MAX_MESSAGE]
        entry = registered().get(command)
        whose = "audiodiff" if entry is None or owner(entry) == OWN_DISTRIBUTION else f"the package {owner(entry)}"
        note(f"{told}; {UNFORESEEN} {whose}, please report it with what --debug before the command shows.")
    return BAD_INPUT


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether torch could not get memory; on the CPU it says so in words only."""
    return isinstance(error, RuntimeError) and (
        type(error).__name__ == "OutOfMemoryError" or "allocate memory" in str(error)
    )


def _expand_home(args: argparse.Namespace) -> None:
    """Replace `~` in paths, which shells leave alone inside quotes and after `=`."""
    for name, value in vars(args).items():
        paths = value if isinstance(value, list) else [value]
        if paths and all(isinstance(path, Path) for path in paths):
            try:
                found = [path.expanduser() for path in paths]
            except RuntimeError as error:
                raise AudiodiffError(f"{paths[0]} begins with the home of a user that is not here.") from error
            setattr(args, name, found if isinstance(value, list) else found[0])


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM unwind the stack, so that temporary files are removed on the way."""

    def stop(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
