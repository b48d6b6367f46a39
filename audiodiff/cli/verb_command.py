"""The command of a verb: its arguments, and what is printed about each file that it makes."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiodiff.cli.adapters import adapters_of, add_adapter_option
from audiodiff.cli.output import note, tell
from audiodiff.cli.settings_options import add_arguments, given
from audiodiff.errors import AudiodiffError
from audiodiff.models.kinds import imported
from audiodiff.synthesis.credentials import OWN_KEY, signing_key
from audiodiff.synthesis.engine_names import ENGINES
from audiodiff.synthesis.settings import built
from audiodiff.synthesis.verb import STANDARD, Verb
from audiodiff.synthesis.verbs import VERBS

if TYPE_CHECKING:
    from audiodiff.synthesis.source import Source

MAX_COUNT = 100
PROMPT_SYNTAX = "Prompts: (warm:1.3) weighs words, `piano | distant choir:0.5` blends prompts, \\( is a parenthesis."


@dataclass(frozen=True)
class PlannedFile:
    """A file that is to be made.

    Attributes:
        verb: what is done: that of the command, or another in its place.
        model: name of its model; empty if it needs none.
        settings: of the verb.
        sources: the files that go in.
        target: the file.
    """

    verb: Verb
    model: str
    settings: Any
    sources: Sequence["Source"]
    target: Path


@dataclass(frozen=True)
class VerbCommand:
    """The command of a verb."""

    verb: Verb

    def add_parser(self, subparsers: Any) -> None:
        """Add the command to the command line."""
        verb = self.verb
        prompted = any(argument.name == "prompt" for argument in verb.arguments)
        parser = subparsers.add_parser(
            verb.name, help=verb.help, description=verb.description, epilog=PROMPT_SYNTAX if prompted else None
        )
        said = "file to write: .wav, .flac, .ogg or .mp3" + ("; - writes WAV to standard output" if verb.pipe else "")
        said += f" (default: {verb.output})" if verb.output else ""
        output = parser.add_mutually_exclusive_group(required=not verb.output)
        output.add_argument("-o", "--output", type=Path, help=said)
        if verb.pipe:
            said = "write WAV to standard output while it is being made, as -o -"
            output.add_argument("--stream", dest="output", action="store_const", const=STANDARD, help=said)
        said = "bits of a sample in .wav and .flac (default: 16, or the input's)"
        parser.add_argument("--bits", type=int, choices=(16, 24), help=said)
        add_arguments(parser, verb)
        parser.add_argument("--no-provenance", action="store_true", help="write no provenance record into the file")
        parser.add_argument(
            "--sidecar", action="store_true", help="also write the provenance record as .json next to the file"
        )
        said = (
            f"sign the file (Content Credentials; needs the extra sign): {OWN_KEY}, or CERTIFICATES,KEY, two PEM files"
        )
        parser.add_argument("--sign", metavar="KEY", help=said)
        parser.add_argument("--no-watermark", action="store_true", help="put no inaudible mark into the samples")
        if verb.makes_latents:
            said = "keep no latents in the file, from which edits start without loss"
            parser.add_argument("--no-latents", action="store_true", help=said)
        if verb.model:
            said = f"name, checkpoint folder or hf:ORG/NAME (default: {verb.model})"
            flag = verb.model_option
            parser.add_argument(flag, dest="model", metavar=flag[2:].upper(), default=verb.model, help=said)
            add_adapter_option(parser)
            parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
        if verb.makes_latents:
            said = "what computes the denoiser on the CPU: torch, onnx or openvino (default: torch)"
            parser.add_argument("--engine", choices=ENGINES, default="torch", help=said)

    def run(self, args: argparse.Namespace) -> int:
        """Make the files, with a progress bar, and print notes and a line about each."""
        if self.verb.pipe is not None and args.output == STANDARD:
            return self._pipe(args)
        planned = self.plan(args)
        model = self.load(planned[0], args)
        said: set[str] = set()
        for file in planned:
            self.make(model, file, args, said)
        return 0

    def load(self, file: PlannedFile, args: argparse.Namespace) -> Any:
        """Load the model for a file."""
        return _loaded(file.verb, file.model, args)

    def plan(self, args: argparse.Namespace) -> list[PlannedFile]:
        """Check everything that can be before a model is loaded, and return the files to make.

        Raises:
            AudiodiffError: an argument, an input or an output cannot be used.
        """
        verb, arguments = self.verb, given(args, self.verb)
        count = arguments.pop("count", 1)
        if not verb.least_count <= count <= MAX_COUNT:
            raise AudiodiffError(f"--count is {count}; expected {verb.least_count} to {MAX_COUNT}.")
        if args.sidecar and args.no_provenance:
            raise AudiodiffError("--sidecar writes what --no-provenance leaves out; give one of them.")
        files, values = verb.read(arguments)
        if STANDARD in files:
            raise AudiodiffError("- reads standard input with --stream only; save it to a file first.")
        if args.sign:
            signing_key(args.sign)
        if "mel" not in values:  # refused before anything is imported
            built(verb.settings, verb.variants(values, count)[0][1])
        from audiodiff.synthesis.encodings import check_bits
        from audiodiff.synthesis.files import check_output
        from audiodiff.synthesis.source import Source
        from audiodiff.text.prompt import parse_prompt

        sources, model = [Source(file) for file in files], str(getattr(args, "model", ""))
        other = verb.instead(values, sources, "" if model == verb.model else model, note)
        if other is not None:
            verb, model, values, sources = VERBS[other.verb], other.model, other.values, []
        values = verb.complete(values, sources, note)
        for text in (values.get("prompt", ""), values.get("negative", ""), *values.get("prompts", ())):
            parse_prompt(text)
        variants = verb.variants(values, count)
        targets = self._targets(args.output, files, [name for name, _ in variants])
        for file in files:
            check_output(file, targets[0])
        check_bits(args.bits, targets[0])
        return [
            PlannedFile(verb, model, built(verb.settings, variant), sources, target)
            for (_, variant), target in zip(variants, targets, strict=True)
        ]

    def make(self, model: Any, file: PlannedFile, args: argparse.Namespace, said: set[str]) -> None:
        """Make a file and tell of it; notes in `said` are not said again."""
        from audiodiff.cli.progress import progress_bar
        from audiodiff.synthesis.files import run_file

        verb = file.verb
        with progress_bar(f"{verb.doing} {file.target.name}", "s" if verb.streams else "steps") as on_progress:
            report = run_file(
                verb.name,
                model,
                file.sources,
                file.target,
                file.settings,
                provenance=not args.no_provenance,
                sidecar=args.sidecar,
                latents=not getattr(args, "no_latents", False),
                bits=args.bits,
                watermark=not args.no_watermark,
                signing=signing_key(args.sign) if args.sign else None,
                on_progress=on_progress,
            )
        for remark in report.notes:
            if remark not in said:
                note(f"{remark}.")
                said.add(remark)
        tell(f"{report.path}: {report.seconds:.2f} s at {report.sample_rate} Hz{verb.summary(report)}")

    def _pipe(self, args: argparse.Namespace) -> int:
        """Write to standard output while it is being made.

        Raises:
            AudiodiffError: files are asked for as well, or standard output is a terminal.
        """
        verb, arguments = self.verb, given(args, self.verb)
        if arguments.pop("count", 1) != 1 or args.sidecar or args.bits or args.sign or arguments.get("srt"):
            raise AudiodiffError("--count, --sidecar, --bits, --sign and --srt need a file; name one with -o.")
        if sys.stdout.isatty():
            raise AudiodiffError("-o - writes a WAV to standard output, which is a terminal; redirect it.")
        files, values = verb.read(arguments)
        settings: Any = built(verb.settings, verb.complete(values, (), note))
        assert verb.pipe is not None
        model = _loaded(verb, args.model, args)
        identifier = None
        if not args.no_watermark:
            from audiodiff.synthesis.provenance import file_sha256
            from audiodiff.synthesis.watermarking import identifier_of

            hashes = [file_sha256(file) for file in files if file != STANDARD]
            told = {"verb": verb.name, "models": model.identity, "settings": settings, "inputs": hashes}
            identifier = identifier_of(told)
        verb.pipe(model, files, settings, sys.stdout.buffer, note, identifier)
        return 0

    def _targets(self, output: Path | None, files: Sequence[Path], names: Sequence[str]) -> list[Path]:
        """The files to write; the names are appended to the one that is given if there are several.

        Raises:
            AudiodiffError: one cannot be written, or has the default name and exists.
        """
        from audiodiff.synthesis.files import check_output

        default = "-".join(file.stem for file in files) or "prompts"
        base = Path(f"{default}-{self.verb.name}.wav" if len(files) == 1 else f"{default}.wav")
        base = base if output is None else output
        targets = [base.with_name(f"{base.stem}-{name}{base.suffix}") if names[1:] else base for name in names]
        for target in targets:
            if output is None and target.exists():
                raise AudiodiffError(f"{target} exists; choose another output with -o.")
            check_output(None, target)
        return targets


def _loaded(verb: Verb, name: str, args: argparse.Namespace) -> Any:
    """Load the model of a verb as the command line asks for.

    Raises:
        AudiodiffError: it cannot be loaded, or another engine cannot compute it.
    """
    model = imported(verb.loader)(name, device=getattr(args, "device", "cpu"), **adapters_of(args))
    engine = getattr(args, "engine", "torch")
    if engine != "torch":
        from audiodiff.synthesis.engine import use_engine

        use_engine(model, engine)
    return model
