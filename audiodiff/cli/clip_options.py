"""Arguments that the commands which make clips share, and what they print about each."""

import argparse
from collections.abc import Callable, Collection, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from audiodiff.cli.output import note, tell
from audiodiff.cli.settings_options import add_settings, option_values
from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.settings import GenerateSettings, Settings, changed
from audiodiff.synthesis.verbs import Verb

if TYPE_CHECKING:
    from audiodiff.synthesis.files import FileReport
    from audiodiff.synthesis.source import Source

MAX_COUNT = 100
PROMPT_SYNTAX = "Prompts: (warm:1.3) weighs words, `piano | distant choir:0.5` blends prompts, \\( is a parenthesis."

Make = Callable[[int, Path, Callable[[float, float], None]], "FileReport"]
"""`make(index, target, on_progress)` writes clip `index`."""


def add_output(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add `-o`; `default` says what is written without it."""
    said = "file to write: .wav, .flac or .ogg"
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=default is None,
        help=said if default is None else f"{said} (default: {default})",
    )


def add_prompt(parser: argparse.ArgumentParser) -> None:
    """Add the prompt of a command that has a recording to go by."""
    parser.add_argument("--prompt", help='prompt (default: the one in the record of the clip; "" for none)')


def add_clip_settings(parser: argparse.ArgumentParser, verb: Verb, *, skip: Collection[str] = ()) -> None:
    """Add the settings of a verb that makes clips, with which model, and what to keep in the file.

    Args:
        parser: of the command.
        verb: its settings become options.
        skip: those that the command takes in another way; the prompt and what the input decides are left out anyway.
    """
    add_settings(parser, verb.settings, skip=_left_out(verb, skip))
    add_model(parser, "music")


def add_count(parser: argparse.ArgumentParser) -> None:
    """Add `--count`, for clips with seeds that follow one another."""
    parser.add_argument("--count", type=int, default=1, help="clips with seeds SEED, SEED+1, ... (default: 1)")


def add_model(parser: argparse.ArgumentParser, name: str) -> None:
    """Add what to keep in the file, with which model to make it, and where; `name` is the usual one."""
    parser.add_argument("--no-provenance", action="store_true", help="write no provenance record into the file")
    parser.add_argument(
        "--sidecar", action="store_true", help="also write the provenance record as .json next to the file"
    )
    parser.add_argument("--model", default=name, help=f"name, checkpoint folder or hf:ORG/NAME (default: {name})")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")


def check_sidecar_asked(args: argparse.Namespace) -> None:
    """Refuse a sidecar that would have nothing to tell.

    Raises:
        AudiodiffError: it would.
    """
    if args.sidecar and args.no_provenance:
        raise AudiodiffError("--sidecar writes what --no-provenance leaves out; give one of them.")


def clip_settings(
    args: argparse.Namespace,
    verb: Verb,
    base: Settings,
    *,
    skip: Collection[str] = (),
    prompt: str = "",
    negative: str | None = None,
    index: int = 0,
) -> Settings:
    """The settings of clip `index` out of the arguments of `add_clip_settings`.

    Args:
        args: the arguments.
        verb: as for `add_clip_settings`.
        base: settings with what the command takes in another way.
        skip: as for `add_clip_settings`.
        prompt: what to hear.
        negative: what to avoid, if not as the arguments say.
        index: of the clip.

    Raises:
        AudiodiffError: an argument is out of range.
    """
    check_sidecar_asked(args)
    values = option_values(args, verb.settings, skip=_left_out(verb, skip))
    values |= {"prompt": prompt, "seed": args.seed + index}
    return changed(base, values if negative is None else {**values, "negative": negative})


def _left_out(verb: Verb, skip: Collection[str]) -> set[str]:
    own = {item.name for item in fields(verb.settings)}
    inner = own if verb.settings is GenerateSettings else set[str]()
    return {"prompt", *skip, *(name for name in verb.from_input if name not in own - inner)}


def check_count(count: int, least: int = 1) -> None:
    """Refuse a number of clips that nobody wants.

    Raises:
        AudiodiffError: it is out of range.
    """
    if not least <= count <= MAX_COUNT:
        raise AudiodiffError(f"--count is {count}; expected {least} to {MAX_COUNT}.")


def prompts_for(args: argparse.Namespace, source: "Source") -> tuple[str, str]:
    """The prompt and negative prompt for an edit of a clip: those given, else those that it was made from.

    Raises:
        AudiodiffError: a prompt is malformed, or the clip is none.
    """
    from audiodiff.text.prompt import parse_prompt

    prompt, negative = args.prompt, args.negative
    if prompt is None:
        prompt, told_negative = source.prompts or ("", "")
        negative = negative or told_negative
        if source.prompts is not None:
            note(f"the prompt is that of {source.path.name}: {prompt}")
    for text in (prompt, negative):
        parse_prompt(text)
    return prompt, negative


def targets_of(output: Path | None, names: Sequence[str], default: str) -> list[Path]:
    """The files to write, one for each of `names`, which are appended to the name given if there are several.

    Raises:
        AudiodiffError: one cannot be written, or has the default name and exists.
    """
    from audiodiff.synthesis.files import check_output

    base = Path(f"{default}.wav") if output is None else output
    several = len(names) > 1
    targets = [base.with_name(f"{base.stem}-{name}{base.suffix}") if several else base for name in names]
    for target in targets:
        if output is None and target.exists():
            raise AudiodiffError(f"{target} exists; choose another output with -o.")
        check_output(None, target)
    return targets


def seed_names(seed: int, count: int) -> list[str]:
    """What tells apart clips of seeds that follow one another: `clip.wav` becomes `clip-seed7.wav`."""
    return [f"seed{seed + index}" for index in range(count)]


def make_all(verb: str, targets: Sequence[Path], make: Make, kept: str = "") -> int:
    """Make every clip, with a progress bar, and print notes and a line about each; return the exit status.

    Args:
        verb: what the bar says, such as "varying".
        targets: the files.
        make: see `Make`.
        kept: what the line says besides, such as what of a recording was kept.
    """
    from audiodiff.cli.progress import progress_bar

    said: set[str] = set()
    for index, target in enumerate(targets):
        with progress_bar(f"{verb} {target.name}", "steps") as on_progress:
            report = make(index, target, on_progress)
        for remark in report.notes:
            if remark not in said:
                note(f"{remark}.")
                said.add(remark)
        channels = "" if report.channels == 1 else f", {report.channels} channels"
        clipped = f"; {report.clipped} samples beyond full scale were clipped" if report.clipped else ""
        seam = "" if report.seam is None else f"; seam {report.seam:.2f} of the loop's own changes"
        tell(
            f"{report.path}: {report.seconds:.2f} s at {report.sample_rate} Hz{channels}, seed {report.seed}, "
            f"{report.elapsed:.1f} s of work{kept and f'; {kept}'}{seam}{clipped}"
        )
    return 0
