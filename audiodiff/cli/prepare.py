"""`audiodiff prepare`: decode and resample a corpus once, so that training starts at once."""

import argparse
from pathlib import Path
from typing import Any

from audiodiff.cli.output import tell
from audiodiff.errors import AudiodiffError

CORPUS_NAMES = ("ljspeech", "libritts", "vctk", "speechcommands", "sc09", "maestro", "musdb18", "gtzan", "fma")
"""The names of `audiodiff.data.corpora.CORPORA`, without the imports."""

RENDERED = "rendered"
"""The word that asks for composed music instead of a corpus."""

GAME_MUSIC = "game-music"
"""The word that asks for the free music of Debian's games."""


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "prepare",
        help="decode and resample a corpus or folder for training, or make a folder of music to train on",
        description="Write a manifest and a cache of decoded audio; `audiodiff train --data OUTPUT` opens them. "
        f"`audiodiff prepare {RENDERED} --hours 5 -o FOLDER` composes and renders music in stereo instead, "
        "with exact captions, keys and chords; "
        f"`audiodiff prepare {GAME_MUSIC} -o FOLDER` cuts the free music of Debian's games into clips.",
    )
    names = ", ".join((*CORPUS_NAMES, RENDERED, GAME_MUSIC))
    parser.add_argument("source", help=f"a folder of sound files, or one of {names}")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the results")
    parser.add_argument("--rate", type=int, metavar="HZ", help="rate of the cache (default: 22050)")
    parser.add_argument("--root", type=Path, help="where the named corpus is, or is put (default: the output)")
    parser.add_argument("--split", help="only clips of this split")
    parser.add_argument("--download", action="store_true", help="fetch the named corpus if it is missing")
    group = parser.add_argument_group(f"only for {RENDERED} (needs fluidsynth and a General MIDI soundfont)")
    group.add_argument("--hours", type=float, metavar="H", help="hours of music to make")
    group.add_argument("--seed", type=int, metavar="N", help="another seed is another collection (default: 0)")
    group.add_argument(
        "--seconds", type=float, metavar="S", help=f"length of a clip (default: 20; {GAME_MUSIC}: about that)"
    )
    group.add_argument("--soundfont", type=Path, metavar="FILE", help="default: those that are installed, in turn")
    group.add_argument("--jobs", type=int, metavar="N", help="clips rendered at a time (default: 1)")
    group = parser.add_argument_group(f"only for {GAME_MUSIC} (needs librosa)")
    group.add_argument(
        "--packages",
        type=Path,
        metavar="FOLDER",
        help="downloaded .deb files (default: the packages that are installed)",
    )
    group.add_argument(
        "--exclude", type=Path, metavar="CSV", help="metadata.csv of a corpus whose valid and test tracks to leave out"
    )


def run(args: argparse.Namespace) -> int:
    """Prepare one corpus and print what was made."""
    makers = {RENDERED: _render, GAME_MUSIC: _game_music}
    make = _prepare if Path(args.source).is_dir() else makers.get(args.source, _prepare)
    tell(make(args))
    return 0


_OF_CORPORA = ("rate", "root", "split", "download")
_OF_GAMES = ("packages", "exclude")


def _refuse(args: argparse.Namespace, names: tuple[str, ...], reason: str) -> None:
    given = [f"--{name}" for name in names if getattr(args, name) not in (None, False)]
    if given:
        raise AudiodiffError(f"{', '.join(given)} cannot be used here: {reason}.")


def _prepare(args: argparse.Namespace) -> str:
    _refuse(args, ("hours", "seed", "seconds", "soundfont", "jobs"), f"only the source {RENDERED!r} takes it")
    _refuse(args, _OF_GAMES, f"only the source {GAME_MUSIC!r} takes it")
    from audiodiff.data.prepare import prepare

    rate = 22050 if args.rate is None else args.rate
    done = prepare(args.source, args.output, sample_rate=rate, root=args.root, split=args.split, download=args.download)
    return done.text()


def _render(args: argparse.Namespace) -> str:
    _refuse(args, _OF_CORPORA, f"{RENDERED!r} is composed at 44100 Hz in all splits")
    _refuse(args, _OF_GAMES, f"only the source {GAME_MUSIC!r} takes it")
    if args.hours is None:
        raise AudiodiffError(f"{RENDERED!r} needs to know how much music to make; give --hours, for example --hours 1.")
    from audiodiff.data.rendered import make_rendered

    done = make_rendered(
        args.output,
        hours=args.hours,
        seed=0 if args.seed is None else args.seed,
        seconds=20.0 if args.seconds is None else args.seconds,
        soundfont=args.soundfont,
        jobs=1 if args.jobs is None else args.jobs,
    )
    return done.text()


def _game_music(args: argparse.Namespace) -> str:
    _refuse(args, _OF_CORPORA, f"{GAME_MUSIC!r} is cut at 44100 Hz in all splits")
    _refuse(args, ("hours", "seed", "soundfont", "jobs"), f"only the source {RENDERED!r} takes it")
    from audiodiff.data.game_music.make import make_game_music

    seconds = 20.0 if args.seconds is None else args.seconds
    return make_game_music(args.output, packages=args.packages, exclude=args.exclude, seconds=seconds).text()
