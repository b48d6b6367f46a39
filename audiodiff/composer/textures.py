"""What accompanying players do with the plan: chords, arpeggios, bass lines, drones, hymns."""

from collections.abc import Callable
from random import Random

from audiodiff.composer.drums import drums
from audiodiff.composer.melody import melody
from audiodiff.composer.plan import HarmonicPlan, onsets
from audiodiff.composer.score import Instrument, Note
from audiodiff.composer.theory import Chord, lead_voices, nearest

Texture = Callable[[Random, HarmonicPlan, Instrument, str], list[Note]]
"""(random source, plan, instrument, figure) -> notes; what a figure means is said by each texture."""

_ACCENTS = {"X": 96, "x": 82, "o": 64}


def _register(instrument: Instrument, low: int, high: int) -> tuple[int, int]:
    """Return the part of a wanted range that the instrument has, at least an octave and a half."""
    low, high = max(low, instrument.low), min(high, instrument.high)
    return (low, max(high, low + 18)) if low + 18 <= instrument.high else (instrument.high - 18, instrument.high)


def chords(rng: Random, plan: HarmonicPlan, instrument: Instrument, figure: str) -> list[Note]:
    """Play voice-led chords in a rhythm.

    The figure is a rhythm string (X loud, x normal, o soft; d and u are strokes of a strummed guitar), perhaps with
    ":" and options: "3" or "4" voices, "low" or "high" register, "roll" (notes one after another).
    """
    rhythm, _, options = figure.partition(":")
    size = 4 if "4" in options else 3
    low, high = _register(instrument, *((43, 65) if "low" in options else (60, 84) if "high" in options else (52, 74)))
    voicings = lead_voices(plan.chords, size, low, high, bass_apart=True)
    notes = []
    for onset in onsets(rhythm, plan):
        for start, length, index in _until_chord_changes(plan, onset.start, onset.length):
            voicing = voicings[index] if onset.sign != "u" else voicings[index][1:]
            spread = (0.03 if onset.sign in "du" else 0.09 if "roll" in options else 0.0) * plan.bpm / 90
            order = reversed(voicing) if onset.sign == "u" else iter(voicing)
            for number, pitch in enumerate(order):
                delay = min(number * spread, length * 0.2 * number / size)
                velocity = _ACCENTS.get(onset.sign, 80 if onset.sign == "d" else 68)
                notes.append(Note(start + delay, (length - delay) * 0.95, pitch, velocity))
    return notes


def _until_chord_changes(plan: HarmonicPlan, start: float, length: float) -> list[tuple[float, float, int]]:
    """Cut a stretch at the chord changes inside it: (start, length, index of the span)."""
    pieces = []
    end = start + length
    while start < end - 1e-6:
        index = plan.span_at(start)
        stop = min(end, plan.spans[index].start + plan.spans[index].length)
        pieces.append((start, stop - start, index))
        start = stop
    return pieces


def power(rng: Random, plan: HarmonicPlan, instrument: Instrument, figure: str) -> list[Note]:
    """Play root, fifth and octave in a rhythm string; "m" is a muted short stroke."""
    notes = []
    for onset in onsets(figure, plan):
        root = nearest((plan.chord_at(onset.start).root,), 44, 38, 50)
        length = onset.length * (0.4 if onset.sign == "m" else 0.97)
        fifth = root + 7 if (root + 7) % 12 in plan.chord_at(onset.start).pitch_classes else root + 12
        velocity = 72 if onset.sign == "m" else 92
        notes += [Note(onset.start, length, pitch, velocity) for pitch in sorted({root, fifth, root + 12})]
    return notes


def _rungs(chord: Chord, base: int, count: int) -> list[int]:
    """Return notes of a chord: the root nearest to `base`, its fifth, then all notes of the chord upwards."""
    root = nearest((chord.root,), base, base - 6, base + 6)
    rungs = [root]
    pitch = root + 1
    while len(rungs) < count:
        if pitch % 12 in chord.pitch_classes and (len(rungs) > 1 or pitch % 12 != chord.pitch_classes[1]):
            rungs.append(pitch)
        pitch += 1
    return rungs


def arpeggio(rng: Random, plan: HarmonicPlan, instrument: Instrument, figure: str) -> list[Note]:
    """Break chords: "PATTERN/STEPS_PER_BEAT/BASE", pattern digits are rungs of the chord (0 = bass), "." a rest.

    Notes ring until the chord changes if the figure ends in "~".
    """
    text, per_beat, base = figure.rstrip("~").split("/")
    ring = figure.endswith("~")
    step = 1.0 / int(per_beat)
    low = max(int(base), instrument.low + 6)
    notes = []
    for span in plan.spans:
        rungs = _rungs(span.chord, low, 10)
        for number in range(round(span.length / step)):
            sign = text[number % len(text)]
            if sign == ".":
                continue
            pitch = rungs[int(sign)]
            while pitch > instrument.high:
                pitch -= 12
            start = span.start + number * step
            length = min(span.start + span.length - start, 3.0) if ring else step * 0.95
            velocity = 84 if sign == "0" or number == 0 else 70 + 4 * (number % 2 == 0)
            notes.append(Note(start, length, pitch, velocity))
    return notes


def bass(rng: Random, plan: HarmonicPlan, instrument: Instrument, figure: str) -> list[Note]:
    """Play a bass line from a rhythm string.

    Signs: r root, f fifth, F fifth below, o octave, t third, s the chord's last note (seventh or fifth), n a step of
    the scale towards the next root.
    """
    low = instrument.low + 3
    notes = []
    for onset in onsets(figure, plan):
        index = plan.span_at(onset.start)
        chord = plan.spans[index].chord
        root = nearest((chord.root,), low + 6, low, low + 12)
        following = plan.spans[min(index + 1, len(plan.spans) - 1)].chord
        pitch = {
            "r": root,
            "o": root + 12,
            "f": root + (chord.pitch_classes[2] - chord.root) % 12,
            "F": root - (chord.root - chord.pitch_classes[2]) % 12,
            "t": root + (chord.pitch_classes[1] - chord.root) % 12,
            "s": root + (chord.pitch_classes[-1] - chord.root) % 12,
            "n": _approach(rng, plan, chord, root, following, low),
        }[onset.sign]
        if pitch < instrument.low:
            pitch += 12
        notes.append(Note(onset.start, onset.length * 0.92, pitch, 90 if onset.sign == "r" else 82))
    return notes


def _approach(rng: Random, plan: HarmonicPlan, chord: Chord, root: int, following: Chord, low: int) -> int:
    """Return the note of the scale just below or above the next root."""
    target = nearest((following.root,), root, low, low + 14)
    classes = plan.key.pitch_classes()
    steps = [p for p in (target - 2, target - 1, target + 1, target + 2) if p % 12 in classes]
    return chord.adjust(rng.choice(steps)) if steps else target


def walking(rng: Random, plan: HarmonicPlan, instrument: Instrument, figure: str) -> list[Note]:
    """Walk in quarter notes: the root on a new chord, chord notes and steps between, an approach before the next."""
    low = instrument.low + 3
    classes = plan.key.pitch_classes()
    notes: list[Note] = []
    pitch = low + 8
    for index, span in enumerate(plan.spans):
        following = plan.spans[min(index + 1, len(plan.spans) - 1)].chord
        count = round(span.length)
        for number in range(count):
            if number == 0:
                pitch = nearest((span.chord.root,), pitch, low, low + 18)
            elif number == count - 1 and count > 1:
                pitch = _approach(rng, plan, span.chord, pitch, following, low)
            else:
                choices = [p for p in range(pitch - 5, pitch + 6) if low <= p <= low + 20 and p != pitch]
                tones = [p for p in choices if p % 12 in span.chord.pitch_classes]
                steps = [p for p in choices if abs(p - pitch) <= 2 and p % 12 in classes]
                pitch = rng.choice(tones + tones + steps) if tones else pitch
            notes.append(Note(span.start + number, 0.9, pitch, 88 if number % 2 == 0 else 82))
            if figure == "skips" and rng.random() < 0.15:
                notes.append(Note(span.start + number + 0.5, 0.3, pitch, 66))
    return notes


def drone(rng: Random, plan: HarmonicPlan, instrument: Instrument, figure: str) -> list[Note]:
    """Sound tonic and fifth in a rhythm string, whatever the chord."""
    tonic = nearest((plan.key.tonic,), instrument.low + 10, instrument.low, instrument.low + 18)
    notes = []
    for onset in onsets(figure, plan):
        for number, pitch in enumerate((tonic, tonic + 7, tonic + 12)):
            notes.append(Note(onset.start + 0.04 * number, onset.length * 0.98, pitch, _ACCENTS.get(onset.sign, 76)))
    return notes


def chorale(rng: Random, plan: HarmonicPlan, instrument: Instrument, figure: str) -> list[Note]:
    """Four-part hymn: voice-led upper voices, a bass on roots and thirds, passing notes where a voice moves a third.

    The figure "pedal" adds the bass an octave lower, as organ pedals do.
    """
    low, high = _register(instrument, 52, 76)
    uppers = lead_voices(plan.chords, 3, low, high, bass_apart=True)
    notes = []
    for index, (span, voices) in enumerate(zip(plan.spans, uppers, strict=True)):
        chord = span.chord
        tone = chord.pitch_classes[1] if rng.random() < 0.15 and chord.degree not in (0,) else chord.root
        base = max(48, instrument.low + 6)
        root = nearest((tone,), base, base - 6, base + 6)
        basses = [p for p in ((root - 12, root) if "pedal" in figure else (root,)) if p >= instrument.low]
        notes += [Note(span.start, span.length * 0.98, pitch, 82) for pitch in basses]
        for number, pitch in enumerate(voices):
            after = uppers[index + 1][number] if index + 1 < len(uppers) else pitch
            passing = [p for p in range(min(pitch, after) + 1, max(pitch, after)) if p % 12 in plan.key.pitch_classes()]
            velocity = 86 if number == 2 else 78
            if abs(after - pitch) in (3, 4) and passing and rng.random() < 0.6 and span.length >= 1:
                half = span.length / 2
                notes.append(Note(span.start, half, pitch, velocity))
                notes.append(Note(span.start + half, half * 0.98, passing[len(passing) // 2], velocity - 4))
            else:
                notes.append(Note(span.start, span.length * 0.98, pitch, velocity))
    return notes


def line(rng: Random, plan: HarmonicPlan, instrument: Instrument, figure: str) -> list[Note]:
    """Play one voice of the shared voicing: "VOICE:RHYTHM", voice 0 (lowest) to 2, moved into the player's range."""
    voice, _, rhythm = figure.partition(":")
    voicings = lead_voices(plan.chords, 3, 52, 74, bass_apart=True)
    notes = []
    for onset in onsets(rhythm, plan):
        for start, length, index in _until_chord_changes(plan, onset.start, onset.length):
            pitch = voicings[index][int(voice)]
            while pitch > instrument.high:
                pitch -= 12
            while pitch < instrument.low:
                pitch += 12
            notes.append(Note(start, length * 0.96, pitch, _ACCENTS.get(onset.sign, 80)))
    return notes


def ostinato(rng: Random, plan: HarmonicPlan, instrument: Instrument, figure: str) -> list[Note]:
    """Repeat a pattern of eighths (or "16" sixteenths) made for this clip, following the chords."""
    per_beat = 4 if figure == "16" else 2
    steps = plan.beats_per_bar * per_beat
    share = 0.78 + 0.15 * plan.density
    pattern = [rng.choice((0, 1, 2, 2, 3, 3, 4, 5)) if i == 0 or rng.random() < share else None for i in range(steps)]
    base = max(instrument.low + 6, min(60, instrument.high - 24))
    notes = []
    for bar in range(plan.n_bars):
        if bar % 4 == 3 and rng.random() < 0.5:  # the process of minimal music: one note changes
            pattern[rng.randrange(1, steps)] = rng.choice((1, 2, 3, 4, 5))
        for number, rung in enumerate(pattern):
            if rung is None:
                continue
            start = bar * plan.beats_per_bar + number / per_beat
            pitch = _rungs(plan.chord_at(start), base, 6)[rung]
            while pitch > instrument.high:
                pitch -= 12
            notes.append(Note(start, 0.9 / per_beat * 2, pitch, 90 if number % per_beat == 0 else 76))
    return notes


def riff(rng: Random, plan: HarmonicPlan, instrument: Instrument, figure: str) -> list[Note]:
    """Repeat a syncopated bar of bass notes made for this clip, moved to the root of each chord.

    The figure is the number of steps in a bar.
    """
    steps = int(figure)
    signs = ["r"] + [rng.choice("rofs.-...-" if i % 2 else "rroofsn.-.") for i in range(1, steps)]
    first, second = "".join(signs), "".join(signs)
    tail = steps // 4
    second = second[:-tail] + "".join(rng.choice("rofs.") for _ in range(tail))
    return bass(rng, plan, instrument, f"{first}|{second}")


TEXTURES: dict[str, Texture] = {
    "melody": melody,
    "chords": chords,
    "power": power,
    "arpeggio": arpeggio,
    "bass": bass,
    "walking": walking,
    "drone": drone,
    "chorale": chorale,
    "line": line,
    "ostinato": ostinato,
    "riff": riff,
    "drums": drums,
}
"""Name in the styles -> texture."""
