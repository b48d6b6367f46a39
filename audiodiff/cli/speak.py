"""`audiodiff speak`: text in, speech out."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiodiff.cli.clip_options import (
    add_count,
    add_model,
    add_output,
    check_count,
    check_sidecar_asked,
    make_all,
    seed_names,
    targets_of,
)
from audiodiff.cli.output import note
from audiodiff.cli.settings_options import add_settings, option_values
from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.settings import changed
from audiodiff.synthesis.voice_settings import SpeakSettings, check_text_length

if TYPE_CHECKING:
    from collections.abc import Callable

    from audiodiff.synthesis.files import FileReport
    from audiodiff.synthesis.voice import VoiceSynthesizer

SKIP = ("guidance", "rescale", "text", "lexicon", "phonemes")
STANDARD = Path("-")
SIGNS = "In the text: [pause 0.5] is a silence (s), *word* is stressed, {HH AH0 L OW1} or /həˈloʊ/ is said as written."


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "speak",
        help="speak a text",
        description="Speak a text of any length. The same seed gives the same samples.",
        epilog=SIGNS,
    )
    parser.add_argument("text", nargs="?", help="what to say; - reads it from standard input")
    parser.add_argument("--file", type=Path, metavar="TEXT", help="text file to speak, in UTF-8")
    add_output(parser, "spoken.wav; - writes WAV to standard output while it is being made")
    parser.add_argument("--srt", action="store_true", help="also write subtitles beside the file, as .srt")
    parser.add_argument("--lexicon", type=Path, metavar="CSV", help="own pronunciations, word,phonemes a line")
    add_count(parser)
    add_settings(parser, SpeakSettings, skip=SKIP)
    add_model(parser, "kathleen", "--voice")


def run(args: argparse.Namespace) -> int:
    """Speak the text and print a line about each file."""
    check_count(args.count)
    check_sidecar_asked(args)
    if args.output == STANDARD:
        _check_stream(args)
    settings = changed(SpeakSettings(), {**option_values(args, SpeakSettings, skip=SKIP), "text": _text(args)})
    from audiodiff.atomic import check_target
    from audiodiff.synthesis.files import run_file
    from audiodiff.synthesis.subtitles import write_srt
    from audiodiff.synthesis.voice import load_voice
    from audiodiff.text.lexicon_file import read_lexicon

    if args.lexicon is not None:
        settings = replace(settings, lexicon=read_lexicon(args.lexicon))
    if args.output == STANDARD:
        return _stream(load_voice(args.model, device=args.device), settings)
    targets = targets_of(args.output, seed_names(args.seed, args.count), "spoken")
    for target in targets if args.srt else ():
        check_target(target.with_suffix(".srt"))
    synthesizer = load_voice(args.model, device=args.device)

    def make(index: int, target: Path, on_progress: "Callable[[float, float], None]") -> "FileReport":
        report = run_file(
            "speak",
            synthesizer,
            [],
            target,
            changed(settings, {"seed": args.seed + index}),
            provenance=not args.no_provenance,
            sidecar=args.sidecar,
            on_progress=on_progress,
        )
        if args.srt:
            write_srt(target.with_suffix(".srt"), report.captions)
        return report

    return make_all("speaking", targets, make, unit="sentences")


def _text(args: argparse.Namespace) -> str:
    """The text that is given in one of three ways.

    Raises:
        AudiodiffError: none or several are given, or the file cannot be read.
    """
    from audiodiff.text.sentences import text_blocks

    if (args.text is None) == (args.file is None):
        raise AudiodiffError('give one text: in quotes, --file TEXT, or - for standard input ("Hello." -o hello.wav).')
    if args.text is not None and args.text != "-":
        return str(args.text)
    parts, count = [], 0
    for block in text_blocks(sys.stdin.buffer if args.file is None else args.file):
        parts.append(block)
        count += len(block)
        check_text_length(count)
    return "".join(parts)


def _check_stream(args: argparse.Namespace) -> None:
    """Refuse what needs a file where standard output is written to.

    Raises:
        AudiodiffError: it does, or standard output is a terminal.
    """
    if args.srt or args.sidecar or args.count != 1:
        raise AudiodiffError("--srt, --sidecar and --count need files; give the name of one with -o.")
    if sys.stdout.isatty():
        raise AudiodiffError("-o - writes a WAV to standard output, which is a terminal; redirect it, or name a file.")


def _stream(synthesizer: "VoiceSynthesizer", settings: SpeakSettings) -> int:
    """Write a WAV to standard output, each sentence as soon as it is made."""
    from audiodiff.signal.wav_stream import WavStream
    from audiodiff.synthesis.verbs import speak

    speech = speak.plan(synthesizer, settings)
    names = ", ".join(model.name for model in synthesizer.identity)
    comment = f"{speak.MADE_BY}: audiodiff speak, {names}, seed {speech.sampling.seed}"
    stream = WavStream(sys.stdout.buffer, synthesizer.sample_rate, comment)
    for reading in speak.readings(synthesizer, speech):
        for remark in reading.utterance.notes:
            note(f"{remark}.")
        stream.write(reading.waveform.numpy())
    stream.close()
    return 0
