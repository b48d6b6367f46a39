"""Drum grooves by style, with ghost notes, variations and fills."""

from random import Random

from audiodiff.composer.plan import HarmonicPlan, onsets
from audiodiff.composer.score import Instrument, Note

KICK, RIM, SNARE, CLAP, CLOSED, PEDAL, OPEN, CRASH, RIDE, BELL = 36, 37, 38, 39, 42, 44, 46, 49, 51, 53
TAMBOURINE, COWBELL, HIGH_BONGO, LOW_BONGO, MUTE_CONGA, HIGH_CONGA, LOW_CONGA = 54, 56, 60, 61, 62, 63, 64
TIMBALE, CABASA, MARACAS, CLAVES, SHAKER = 65, 69, 70, 75, 82
TOMS = (50, 48, 47, 45, 43, 41)

Lines = dict[int, str]

# Rhythm strings of one bar: X accent, x normal, o ghost.
GROOVES: dict[str, tuple[Lines, ...]] = {
    "rock": (
        {CLOSED: "x.x.x.x.x.x.x.x.", SNARE: "....X.......X...", KICK: "X.......X......."},
        {CLOSED: "x.x.x.x.x.x.x.x.", SNARE: "....X.......X...", KICK: "X.....x.X.x....."},
        {RIDE: "x.x.x.x.x.x.x.x.", SNARE: "....X.......X...", KICK: "X..x....X.x....."},
        {CLOSED: "X.x.X.x.X.x.X.x.", SNARE: "....X.......X...", KICK: "X.x.....X.x...x."},
    ),
    "half-time": (
        {CLOSED: "x.x.x.x.x.x.x.x.", SNARE: "........X.......", KICK: "X.....x.....x..."},
        {RIDE: "x...x...x...x...", SNARE: "........X.......", KICK: "X.........x....."},
    ),
    "metal": (
        {CLOSED: "X...X...X...X...", SNARE: "....X.......X...", KICK: "x.x.x.x.x.x.x.x."},
        {RIDE: "X.x.X.x.X.x.X.x.", SNARE: "..X...X...X...X.", KICK: "X.x.X.x.X.x.X.x."},
        {CLOSED: "X.x.X.x.X.x.X.x.", SNARE: "....X.......X...", KICK: "xxx.xxx.xxx.xxx."},
    ),
    "funk": (
        {CLOSED: "xxxxxxxxxxxxxxxx", SNARE: "....X..o.o..X..o", KICK: "X.x....x..x....."},
        {CLOSED: "x.xxx.xxx.xxx.xx", SNARE: "....X..o.o.oX...", KICK: "X..x..x...x..x.."},
        {CLOSED: "x.x.x.x.x.x.x...", OPEN: "..............x.", SNARE: "....X..o....X..o", KICK: "X.x...x..x.x...."},
    ),
    "disco": (
        {KICK: "X...X...X...X...", SNARE: "....X.......X...", OPEN: "..x...x...x...x.", CLOSED: "x.......x......."},
        {KICK: "X...X...X...X...", CLAP: "....X.......X...", OPEN: "..x...x...x...x.", CLOSED: "xx.xxx.xxx.xxx.x"},
    ),
    "house": (
        {KICK: "X...X...X...X...", CLAP: "....X.......X...", OPEN: "..X...X...X...X."},
        {KICK: "X...X...X...X...", SNARE: "....X.......X...", CLOSED: "x.x.x.x.x.x.x.x.", OPEN: "..x...x...x...x."},
        {KICK: "X...X...X...X...", CLAP: "....X.......X..x", CLOSED: "..xx..xx..xx..xx", MARACAS: "x.x.x.x.x.x.x.x."},
    ),
    "breakbeat": (
        {CLOSED: "x.x.x.x.x.x.x.x.", SNARE: "....X..o.o..X...", KICK: "X.x.......xx...."},
        {RIDE: "x.x.x.x.x.x.x.x.", SNARE: "....X..o.o....X.", KICK: "X.x.......x....."},
        {CLOSED: "x.x.x.x.x.x.x.x.", SNARE: "....X.....X..o..", KICK: "X.........x....."},
    ),
    "hip hop": (
        {CLOSED: "x.x.x.x.x.x.x.x.", SNARE: "....X.......X...", KICK: "X......x..x....."},
        {CLOSED: "x.x.x.xxx.x.x.x.", SNARE: "....X.......X..o", KICK: "X..x......x..x.."},
        {CLOSED: "x.x.x.x.x.x.x.xx", RIM: "....X.......X...", KICK: "X.x.....x.x....."},
    ),
    "trap": (
        {CLOSED: "x.x.x.x.x.xxx.x.", CLAP: "........X.......", KICK: "X.....x....x...."},
        {CLOSED: "xxx.x.x.x.x.xxxx", CLAP: "........X.......", KICK: "X..x......x..x.."},
    ),
    "swing": (
        {RIDE: "X...x.x.X...x.x.", PEDAL: "....x.......x...", SNARE: "..o.........o..."},
        {RIDE: "X...x.x.X...x.x.", PEDAL: "....x.......x...", SNARE: "......o.......o."},
        {RIDE: "X...x.x.X...x.x.", PEDAL: "....x.......x...", KICK: "o...o...o...o...", SNARE: "..........o....."},
    ),
    "shuffle": (
        {CLOSED: "x.x.x.x.x.x.x.x.", SNARE: "....X.......X...", KICK: "X.......X.x....."},
        {RIDE: "x.x.x.x.x.x.x.x.", SNARE: "....X..o....X...", KICK: "X.....x.X......."},
    ),
    "bossa": (
        {RIM: "x..x..x...x..x..", CLOSED: "x.x.x.x.x.x.x.x.", KICK: "x..xx..xx..xx..x"},
        {RIM: "x..x...x..x..x..", CABASA: "xoxoxoxoxoxoxoxo", KICK: "x..xx..xx..xx..x"},
    ),
    "latin": (
        {
            MUTE_CONGA: "x.o.x.o.x.o.x.o.",
            HIGH_CONGA: "......x.......xx",
            LOW_CONGA: "..............x.",
            CLAVES: "X..X..X...X.X...",
        },
        {
            MUTE_CONGA: "x..ox..ox..ox..o",
            HIGH_CONGA: "..x...x...x...x.",
            COWBELL: "X...X...X...X...",
            MARACAS: "x.x.x.x.x.x.x.x.",
        },
        {
            HIGH_BONGO: "X.xxX.xxX.xxX.xx",
            LOW_BONGO: "......x.......x.",
            SHAKER: "xoxoxoxoxoxoxoxo",
            LOW_CONGA: "X.....x.X.....x.",
        },
    ),
    "reggae": (
        {RIM: "........X.......", KICK: "........X.......", CLOSED: "x.x.x.x.x.x.x.x."},
        {SNARE: "........X.......", KICK: "X.......X.......", CLOSED: "x.xxx.x.x.xxx.x."},
        {RIM: "....X.......X...", KICK: "X...X...X...X...", CLOSED: "x.x.x.x.x.x.x.x."},
    ),
    "march": (
        {SNARE: "X.xxX.x.X.xxX.xx", KICK: "X...X...X...X..."},
        {SNARE: "X..xX.xxX..xX.x.", KICK: "X.......X.......", CRASH: "................"},
    ),
    "brushes": (
        {RIDE: "x...x.x.x...x.x.", SNARE: "o...X...o...X...", KICK: "x.......x......."},
        {SNARE: "x.o.X.o.x.o.X.o.", KICK: "x.....x.x.......", PEDAL: "....x.......x..."},
    ),
    "country": (
        {CLOSED: "x.x.x.x.x.x.x.x.", SNARE: "..x...x...x...x.", KICK: "X...X...X...X..."},
        {SNARE: "o.xoo.xoo.xoo.xo", KICK: "X...X...X...X..."},
    ),
    "waltz": (
        {KICK: "X...........", RIDE: "x...x...x...", PEDAL: "....x...x..."},
        {KICK: "X...........", SNARE: "....o...o...", CLOSED: "x...x.x.x..."},
    ),
    "raga": (
        {LOW_CONGA: "X.....x.X.......", HIGH_CONGA: "..x.x...x.x.x.xo", MUTE_CONGA: "...o...o...o...o"},
        {LOW_CONGA: "X..x....X..x..x.", HIGH_CONGA: "..x..xx...x.xx..", MUTE_CONGA: ".o....o.......o."},
    ),
    "jig": (
        {TAMBOURINE: "x.xx.x", KICK: "X..x.."},
        {LOW_CONGA: "X..X..", HIGH_CONGA: "..x..x", TAMBOURINE: "...x.."},
    ),
}
"""Style -> grooves; a string is one bar of whatever metre the style has."""

_VELOCITY = {"X": 108, "x": 88, "o": 48}


def drums(rng: Random, plan: HarmonicPlan, instrument: Instrument, figure: str) -> list[Note]:
    """Play a groove of `GROOVES` with small variations and a fill before every fifth bar.

    Args:
        rng: source of all choices.
        plan: metre and length.
        instrument: the kit.
        figure: a name of `GROOVES`, perhaps with "+nofill" (percussion) or "+solo" (more variation and fills).
    """
    name, *extras = figure.split("+")
    groove = rng.choice(GROOVES[name])
    solo = "solo" in extras
    fills = "nofill" not in extras
    phrase = rng.choice((2, 4)) if solo else 4
    bar_beats = plan.beats_per_bar
    notes: list[Note] = []
    for drum, text in groove.items():
        drop, add = (0.06, 0.05) if solo else (0.02, 0.02)
        steps = len(text)
        for onset in onsets(text, plan):
            if onset.sign == "o" and rng.random() < 0.25:
                continue
            if onset.sign == "x" and drum not in (SNARE, CLAP, RIM) and rng.random() < drop:
                continue
            velocity = _VELOCITY[onset.sign] - (18 if drum in (CLOSED, RIDE, OPEN, MARACAS, CABASA, SHAKER) else 0)
            if drum in (CLOSED, RIDE) and (onset.start % 1) > 0.01:
                velocity -= 12  # the hand swings: off the beat is softer
            notes.append(Note(onset.start, 0.1, drum, velocity))
        if drum in (KICK, SNARE):
            for bar in range(plan.n_bars):
                if rng.random() < add * steps / 4:
                    place = rng.randrange(1, steps)
                    softness = 46 if drum == SNARE else 78
                    notes.append(Note((bar + place / steps) * bar_beats, 0.1, drum, softness))
    if fills:
        for bar in range(plan.n_bars):
            if bar % phrase == phrase - 1 and rng.random() < (0.9 if solo else 0.65):
                beats = min(rng.choice((1, 1, 2)), bar_beats - 1)
                start = float((bar + 1) * bar_beats - beats)
                notes = [n for n in notes if not start - 1e-6 <= n.start < start + beats - 1e-6 or n.pitch == KICK]
                notes += _fill(rng, start, beats, 6 if len(next(iter(groove.values()))) == 6 else 4)
                notes.append(Note(start + beats, 0.1, CRASH, 100))
    notes = [note for note in notes if note.start < plan.beats]
    return sorted(notes, key=lambda note: (note.start, note.pitch))


def _fill(rng: Random, start: float, beats: int, per_beat: int) -> list[Note]:
    """Run down the toms, beginning on the snare."""
    count = beats * per_beat
    down = [SNARE, *TOMS]
    hits = []
    for number in range(count):
        if rng.random() < 0.2 and number % per_beat:
            continue
        drum = down[min(len(down) - 1, number * len(down) // count)]
        hits.append(Note(start + number / per_beat, 0.1, drum, 78 + round(24 * number / count)))
    return hits
