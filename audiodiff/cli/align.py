"""`audiodiff align`: when each word of a recording is said."""

import argparse
from pathlib import Path
from typing import Any

from audiodiff.cli.output import note, tell
from audiodiff.errors import AudiodiffError

FORMATS = {".json": "json", ".textgrid": "textgrid"}


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "align",
        help="find when each word of a recording is said",
        description="Print when each word and each phoneme of a recording begins and ends, given its text.",
    )
    parser.add_argument("input", type=Path, help="any sound file in which English is spoken")
    parser.add_argument("--text", help="what is said in it (default: what the file says that it was made from)")
    parser.add_argument("--file", type=Path, metavar="TEXT", help="text file with what is said in it, in UTF-8")
    parser.add_argument("-o", "--output", type=Path, help="file to write, .json or .TextGrid (default: print)")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="JSON instead of a table")
    shape.add_argument("--textgrid", action="store_true", help="a TextGrid for Praat instead of a table")
    parser.add_argument("--lexicon", type=Path, metavar="CSV", help="own pronunciations, word,phonemes a line")
    said = "voice whose phonemes are compared with: name, checkpoint folder or hf:ORG/NAME (default: kathleen)"
    parser.add_argument("--voice", default="kathleen", help=said)


def run(args: argparse.Namespace) -> int:
    """Align one recording."""
    shape = "json" if args.json else "textgrid" if args.textgrid else ""
    if args.output is not None:
        by_name = FORMATS.get(args.output.suffix.lower(), "")
        if not by_name or shape not in ("", by_name):
            raise AudiodiffError(f"{args.output} cannot be written; expected the name of a .json or .TextGrid file.")
        shape = by_name
    if args.text is not None and args.file is not None:
        raise AudiodiffError("give one text: --text or --file.")
    from audiodiff.atomic import atomic_file, check_target
    from audiodiff.synthesis.source import Source
    from audiodiff.synthesis.verbs.speak import read_text
    from audiodiff.synthesis.word_times import load_voice_phones, to_json, to_textgrid, word_times
    from audiodiff.text.lexicon_file import read_lexicon

    if args.output is not None:
        check_target(args.output)
    source = Source(args.input)
    text = read_text(args.file) if args.file is not None else source.said if args.text is None else args.text
    lexicon = {} if args.lexicon is None else read_lexicon(args.lexicon)
    model = load_voice_phones(args.voice)
    times = word_times(model, source.audio.waveform, source.audio.sample_rate, text, lexicon)
    for remark in (*source.notes, *times.notes):
        note(f"{remark}.")
    if shape:
        content = to_json(times) + "\n" if shape == "json" else to_textgrid(times)
        if args.output is None:
            tell(content, end="")
        else:
            with atomic_file(args.output) as temporary:
                temporary.write_text(content, encoding="utf-8")
            tell(f"{args.output}: {len(times.words)} words in {times.seconds:.2f} s, fit {times.alignment.fit:.2f}")
    else:
        for word in times.words:
            phones = " ".join(one.phone for one in word.phones)
            tell(f"{word.start:8.3f} {word.end:8.3f}  {word.word.text:<16} {phones}")
    return 0
