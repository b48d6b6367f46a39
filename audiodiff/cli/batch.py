"""`audiodiff batch`: a verb for every row of a table; what is there already is not made again."""

import argparse
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

from audiodiff.cli.adapters import add_adapter_option
from audiodiff.cli.output import tell
from audiodiff.cli.parser import Parser
from audiodiff.cli.settings_options import flag_of
from audiodiff.cli.verb_command import PlannedFile, VerbCommand
from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.verbs import VERBS

FILE_NAME = "file_name"
_YES, _NO = {"yes", "true", "1"}, {"no", "false", "0"}
_SHARD = re.compile(r"(\d{1,6})/(\d{1,6})")


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "batch",
        help="do one thing for every row of a table",
        description=(
            "Read a CSV table whose columns are arguments of a command (of generate: prompt, seconds, seed, steps ...) "
            "and make a file for every row. The column file_name names it; without one it has the number of the row. "
            "Files that are there already are left alone, so an interrupted batch goes on where it stopped."
        ),
    )
    parser.add_argument("verb", choices=sorted(VERBS), metavar="COMMAND", help=f"one of {', '.join(sorted(VERBS))}")
    parser.add_argument("table", type=Path, help="CSV table in UTF-8; paths in it start from its folder")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder to write into")
    parser.add_argument("--shard", metavar="K/N", help="only every N-th row, from the K-th: part K of N, from 1")
    parser.add_argument(
        "--format", choices=("wav", "flac", "ogg"), default="flac", help="of files without a name (default: flac)"
    )
    parser.add_argument("--model", help="name, checkpoint folder or hf:ORG/NAME (default: that of the command)")
    add_adapter_option(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")


def run(args: argparse.Namespace) -> int:
    """Check every row, then make the files that are missing."""
    from audiodiff.data.tables import read_rows

    command = VerbCommand(VERBS[args.verb])
    rows = read_rows(args.table, ())
    if not rows:
        raise AudiodiffError(f"{args.table} has no rows; give a table with a header and a row for each file.")
    part, parts = _shard(args.shard)
    names = [row.cells.get(FILE_NAME) or f"{number:05d}.{args.format}" for number, row in enumerate(rows)]
    _check_names(names, args.table)
    missing: list[tuple[PlannedFile, argparse.Namespace]] = []
    there = 0
    with _folder(args.output):
        for row, name in list(zip(rows, names, strict=True))[part - 1 :: parts]:
            where = f"{args.table} line {row.line}"
            given = _row_arguments(command, row.cells, args, name, where)
            try:
                planned = command.plan(given)
                for source in planned[0].sources:
                    if not source.path.is_file():
                        raise AudiodiffError(f"{source.path} does not exist; paths start from the folder of the table.")
                left = [file for file in planned if not _made(file)]
            except AudiodiffError as error:
                raise AudiodiffError(f"{where}: {error}") from error
            missing += [(file, given) for file in left]
            there += len(planned) - len(left)
    said: set[str] = set()
    models: dict[tuple[str, str], Any] = {}
    for file, given in missing:
        which = (file.verb.name, file.model)
        if which not in models:
            models = {which: command.load(file, given)}  # one at a time
        command.make(models[which], file, given, said)
    tell(f"{args.output}: {len(missing)} made" + (f", {there} were there" if there else ""))
    return 0


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    """Have a folder; a new one is not left behind by an error."""
    new = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        if new:
            path.rmdir()
        raise


def _shard(given: str | None) -> tuple[int, int]:
    """Part and number of parts.

    Raises:
        AudiodiffError: there is no such part.
    """
    found = _SHARD.fullmatch(given or "1/1")
    part, parts = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= part <= parts:
        raise AudiodiffError(f"--shard is {given}; expected K/N with K from 1 to N, such as 3/16.")
    return part, parts


def _check_names(names: Sequence[str], table: Path) -> None:
    """Refuse names of files that are none, or stand twice.

    Raises:
        AudiodiffError: there is one.
    """
    for name in names:
        if Path(name).name != name:
            raise AudiodiffError(f"{table} has the {FILE_NAME} {name!r}; expected a name without a folder.")
    if twice := {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set():
        raise AudiodiffError(f"{table} has the {FILE_NAME} {min(twice)} several times; each file needs its own.")


def _row_arguments(
    command: VerbCommand, cells: Mapping[str, str], args: argparse.Namespace, name: str, where: str
) -> argparse.Namespace:
    """What the command line of the verb would give for a row.

    Raises:
        AudiodiffError: a column is no argument of the verb, or a cell cannot be one.
    """
    verb = command.verb
    known = {argument.name: argument for argument in verb.arguments if not argument.local}
    words: list[str] = []
    positional: list[str] = []
    for column, cell in cells.items():
        if column == FILE_NAME:
            continue
        argument = known.get(column)
        if argument is None and column not in verb.options():
            raise AudiodiffError(
                f"{where}: {verb.name} has no argument {column!r}; expected columns among {FILE_NAME}, "
                f"{', '.join(sorted({*known, *verb.options()}))}."
            )
        path = argument is not None and argument.type is Path
        value = str(args.table.parent / cell) if path and cell else cell
        flag, wanted, switch = flag_of(verb, column)
        if switch and cell.lower() in _YES:
            words.append(flag)
        elif switch and cell and cell.lower() not in _NO:
            raise AudiodiffError(f"{where}: {column} is {cell!r}; expected yes or no.")
        elif not flag and (cell or (argument is not None and argument.type is str)):
            positional.append(value)
        elif cell and not switch:
            words += [flag, *value.split()] if wanted > 1 else [f"{flag}={value}"]
    parser = Parser(prog="audiodiff")
    command.add_parser(parser.add_subparsers())
    said = io.StringIO()
    model = [f"--device={args.device}", *([f"{verb.model_option}={args.model}"] if args.model else [])]
    model += [f"--adapter={adapter}" for adapter in args.adapters]
    try:
        with redirect_stderr(said):
            line = [verb.name, "-o", str(args.output / name), *(model if verb.model else []), *words, "--", *positional]
            return parser.parse_args(line)
    except SystemExit as stop:
        raise AudiodiffError(f"{where}: {said.getvalue().strip().partition(': ')[2]}") from stop


def _made(file: PlannedFile) -> bool:
    """Whether a file is there.

    Raises:
        AudiodiffError: there is another one of that name.
    """
    if not file.target.exists():
        return False
    from audiodiff.synthesis.provenance import find_provenance

    record = find_provenance(file.target)
    sampling = getattr(file.settings, "sampling", None)
    asked = {
        "verb": file.verb.name,
        "prompt": getattr(file.settings, "prompt", None),
        "seed": getattr(sampling, "seed", None),
    }
    for name, value in asked.items():
        found = getattr(record, name, None)
        if record is None or (value is not None and found != value):
            told = "does not tell what made it" if record is None else f"was made with the {name} {str(found)[:60]!r}"
            raise AudiodiffError(f"{file.target} is there and {told}; delete it or choose another folder.")
    return True
