"""Arguments that the commands which make clips share, and what they print about each."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audiodiff.cli.output import note, tell
from audiodiff.diffusion.names import GRID_NAMES, SAMPLER_NAMES
from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.settings import GenerateSettings, Sampling

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
    parser.add_argument(
        "--prompt", help='what to hear (default: what the clip was made from, if it tells; "" for nothing)'
    )


def add_strength(parser: argparse.ArgumentParser, default: float, of: str) -> None:
    """Add `--strength`."""
    parser.add_argument(
        "--strength", type=float, default=default, help=f"how much {of} is new, 0 to 1 (default: {default:g})"
    )


def add_sampling(parser: argparse.ArgumentParser, *, level: str | None = None, count: bool = True) -> None:
    """Add everything that says how to sample, with which model, and what to keep in the file.

    Args:
        parser: of the command.
        level: default of `--level`; `None` for a command that keeps the level of a recording.
        count: add `--count`, for clips with seeds that follow one another.
    """
    parser.add_argument("--negative", default="", metavar="PROMPT", help="what to avoid")
    if count:
        parser.add_argument("--count", type=int, default=1, help="clips with seeds SEED, SEED+1, ... (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first clip (default: 0)")
    parser.add_argument("--steps", type=int, help="sampling steps, 1 or more (default: the model's)")
    parser.add_argument(
        "--guidance", type=float, help="how closely to follow the prompt, 1 for none (default: the model's)"
    )
    parser.add_argument("--rescale", type=float, help="how far guidance is kept from exaggerating, 0 to 1")
    parser.add_argument(
        "--interval", type=float, nargs=2, metavar=("LOW", "HIGH"), help="guide between these times only"
    )
    parser.add_argument("--tempo", type=float, metavar="BPM", help="beats per minute (default: as the prompt says)")
    parser.add_argument("--key", default="", help='such as "F# minor" (default: as the prompt says)')
    parser.add_argument("--source", default="", help='kind of sound, e.g. "recorded" or "rendered"')
    parser.add_argument("--sampler", choices=SAMPLER_NAMES, help="sampler (default: the model's)")
    parser.add_argument("--grid", choices=GRID_NAMES, help="spacing of the steps (default: the model's)")
    parser.add_argument("--vocoder-steps", type=int, help="sampling steps of the vocoder (default: its own)")
    parser.add_argument(
        "--precision", choices=("fp32", "bf16"), help="arithmetic of the network (default: the model's)"
    )
    if level is not None:
        as_it_comes = "or as it comes" if level == "peak" else "or as loud as the clip"
        parser.add_argument(
            "--level",
            choices=("peak", "loudness", "none"),
            default=level,
            help=f"-1 dBFS peak, -23 LUFS, {as_it_comes} (default: {level})",
        )
    parser.add_argument("--no-provenance", action="store_true", help="do not keep in the file what made it")
    parser.add_argument("--sidecar", action="store_true", help="also write what made it beside the file, as .json")
    parser.add_argument("--model", default="music", help="name, checkpoint folder or hf:ORG/NAME (default: music)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")


def sampling_of(
    args: argparse.Namespace,
    *,
    prompt: str,
    negative: str | None = None,
    index: int = 0,
    seconds: float = 10.0,
    loop: bool = False,
) -> GenerateSettings:
    """The settings of clip `index` out of the arguments of `add_sampling`.

    Raises:
        AudiodiffError: an argument is out of range.
    """
    if args.sidecar and args.no_provenance:
        raise AudiodiffError("--sidecar writes what --no-provenance leaves out; give one of them.")
    return GenerateSettings(
        prompt=prompt,
        negative=args.negative if negative is None else negative,
        seconds=seconds,
        sampling=Sampling(
            steps=args.steps,
            sampler=args.sampler,
            grid=args.grid,
            precision=args.precision,
            seed=args.seed + index,
            guidance=args.guidance,
            rescale=args.rescale,
        ),
        guidance_interval=None if args.interval is None else (args.interval[0], args.interval[1]),
        tempo=args.tempo,
        key=args.key,
        source=args.source,
        level=getattr(args, "level", "none"),
        vocoder_steps=args.vocoder_steps,
        loop=loop,
    )


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
            raise AudiodiffError(f"{target} exists; say with -o what to write.")
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
