"""Tables of the benchmark of speech, and the targets beside what was measured."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from audiodiff.metrics.stats import Interval, mean_interval
from audiodiff.metrics.table import markdown_table
from benchmarks.speech_measures import bootstrap, rate, spread, spread_ratio
from benchmarks.speech_scores import Score
from benchmarks.speech_systems import ESPEAK, RECORDINGS, VOICE

Rows = Sequence[Score]


def cell(interval: Interval | None, decimals: int) -> str:
    """A mean and its interval, which need not be symmetric."""
    if interval is None:
        return "–"
    text = f"{interval.mean:.{decimals}f}"
    if np.isfinite(interval.half_width):
        text += f" ({interval.low:.{decimals}f}–{interval.high:.{decimals}f})"
    return text


def _mean(rows: Rows, name: str) -> Interval | None:
    values = [getattr(row, name) for row in rows if getattr(row, name) is not None]
    return mean_interval(values, method="bootstrap") if values else None


def _rate(rows: Rows, name: str = "words") -> Interval | None:
    counts = [getattr(row, name) for row in rows if getattr(row, name) is not None]
    return rate(counts) if counts else None


def _paired(rows: Rows, reference: Rows, name: str) -> Interval | None:
    """Spread in per cent of the recordings' on the sentences that both have."""
    theirs = {row.name: getattr(row, name) for row in reference if getattr(row, name)}
    both = [(getattr(row, name), theirs[row.name]) for row in rows if getattr(row, name) and row.name in theirs]
    return spread_ratio([ours for ours, _ in both], [other for _, other in both]) if both else None


def _ratio(rows: Rows, above: str, below: str, scale: float = 1.0) -> Interval | None:
    table = np.array([(getattr(row, above), getattr(row, below)) for row in rows if getattr(row, below)])
    if not len(table):
        return None
    return bootstrap(lambda draw: scale * table[draw, 0].sum(1) / table[draw, 1].sum(1), len(table))


def _systems(scores: Rows, part: str) -> dict[str, list[Score]]:
    found: dict[str, list[Score]] = {}
    for row in scores:
        if row.part == part:
            found.setdefault(row.system, []).append(row)
    return found


def test_table(scores: Rows) -> str:
    """Every system on the test sentences."""
    systems = _systems(scores, "test")
    recordings = systems.get(RECORDINGS, [])
    columns: list[tuple[str, int, Callable[[Rows], Interval | None]]] = [
        ("WER % ↓", 1, _rate),
        ("phoneme errors % ↓", 1, lambda rows: _rate(rows, "phones")),
        ("DistillMOS ↑", 2, lambda rows: _mean(rows, "mos")),
        ("F0 spread, semitones", 2, lambda rows: _spread(rows, "pitch")),
        ("of the recordings' %", 0, lambda rows: _paired(rows, recordings, "pitch")),
        ("duration spread, ms", 1, lambda rows: _spread(rows, "durations")),
        ("of the recordings' % ", 0, lambda rows: _paired(rows, recordings, "durations")),
        ("length of the recordings' %", 0, lambda rows: _ratio(rows, "seconds", "recording_seconds", 100)),
        ("speaker similarity ↑", 3, lambda rows: _mean(rows, "speaker")),
        ("processor s per s ↓", 3, lambda rows: _ratio(rows, "processor_seconds", "seconds")),
    ]
    lines = [[name, *(cell(column(rows), digits) for _, digits, column in columns)] for name, rows in systems.items()]
    return markdown_table(["", *(label for label, _, _ in columns)], lines)


def _spread(rows: Rows, name: str) -> Interval | None:
    values = [getattr(row, name) for row in rows if getattr(row, name)]
    return spread(values) if values else None


def other_table(scores: Rows) -> str:
    """Word error rate on other text by its kind."""
    systems = _systems(scores, "other")
    kinds = list(dict.fromkeys(row.kind for rows in systems.values() for row in rows))
    lines = [
        [
            name,
            str(len(rows)),
            cell(_rate(rows), 1),
            *(cell(_rate([row for row in rows if row.kind == kind]), 1) for kind in kinds),
        ]
        for name, rows in systems.items()
    ]
    return markdown_table(["WER % ↓", "n", "all", *kinds], lines)


def odd_table(scores: Rows) -> str:
    """Faults in odd sentences by their kind."""
    lines = []
    for name, rows in _systems(scores, "odd").items():
        for kind in [*dict.fromkeys(row.kind for row in rows), "all"]:
            members = [row for row in rows if kind in (row.kind, "all")]
            counts = [
                str(sum(any(fault.startswith(what) for fault in row.faults) for row in members))
                for what in ("skips", "repeats", "runs away", "rushed")
            ]
            lines.append([name, kind, str(len(members)), *counts, cell(_rate(members), 1)])
    return markdown_table(["", "sentences", "n", "skips", "repeats", "runs away", "rushed", "WER %"], lines)


def odd_faults(scores: Rows) -> list[str]:
    """The faults of the voice one by one."""
    return [
        f"- {row.name} ({row.system}): {'; '.join(row.faults)}"
        for row in scores
        if row.part == "odd" and row.faults and row.system == VOICE
    ]


def takes_table(scores: Rows, takes: Sequence[Mapping[str, Any]]) -> str:
    """How alike takes of a sentence are, and how well they are understood."""
    rows = [row for row in scores if row.part == "takes"]
    values = [take["correlation"] for take in takes if np.isfinite(take["correlation"])]
    numbers = sorted({row.take for row in rows})
    rates = [_rate([row for row in rows if row.take == number]) for number in numbers]
    lines = [
        ["sentences, takes of each", f"{len(takes)}, {len(numbers)}"],
        ["F0 contour correlation of two takes, mean", cell(mean_interval(values, method="bootstrap"), 2)],
        ["sentences with a mean correlation below 0.9", f"{np.mean(np.array(values) < 0.9):.0%}"],
        ["WER % of all takes", cell(_rate(rows), 1)],
        ["WER % of each take", ", ".join(cell(one and Interval(one.mean, -np.inf, np.inf, 1), 1) for one in rates)],
    ]
    return markdown_table(["", ""], lines)


def speed_table(speed: Mapping[str, float]) -> str:
    """Speed and sizes."""
    return markdown_table(
        ["", ""],
        [
            [f"seconds per second of speech, threads: {speed['threads']:.0f}", f"{speed['wall']:.3f}"],
            ["processor seconds per second of speech", f"{speed['processor']:.3f}"],
            [f"first sentence of {speed['first_text']:.0f} characters", f"{speed['first_seconds']:.2f} s"],
            ["load of the machine", f"{speed['load']:.1f}"],
            ["voice without vocoder", f"{speed['mib']:.1f} MiB"],
            ["vocoder", f"{speed['vocoder_mib']:.1f} MiB"],
        ],
    )


def targets_table(record: Mapping[str, Any], scores: Rows) -> str:
    """Each target, what was measured, and whether it was met."""
    test = _systems(scores, "test")
    voice, recordings = test.get(VOICE, []), test.get(RECORDINGS, [])
    lines = []

    def add(target: str, found: Interval | None, decimals: int, met: Callable[[float], bool]) -> None:
        if found is not None:
            lines.append([target, cell(found, decimals), "yes" if met(found.mean) else "no"])

    if voice and recordings:
        own, theirs = _rate(voice), _rate(recordings)
        if own and theirs:
            add(f"WER within 2 points of the recordings' {theirs.mean:.1f} %", own, 1, lambda x: x <= theirs.mean + 2)
        own, heard = _rate(voice, "phones"), _rate(recordings, "phones")
        if own and heard:
            add(
                f"phoneme errors within 2 points of the recordings' {heard.mean:.1f} %",
                own,
                1,
                lambda x: x <= heard.mean + 2,
            )
    add("WER of other text below 8 %", _rate(_systems(scores, "other").get(VOICE, [])), 1, lambda x: x < 8)
    add("DistillMOS 3.3", _mean(voice, "mos"), 2, lambda x: x >= 3.3)
    near = "within 10 % of the recordings'"
    add(f"F0 spread {near}", _paired(voice, recordings, "pitch"), 0, lambda x: 90 <= x <= 110)
    add(f"duration spread {near}", _paired(voice, recordings, "durations"), 0, lambda x: 90 <= x <= 110)
    correlations = [take["correlation"] for take in record["takes"] if np.isfinite(take["correlation"])]
    if correlations:
        add(
            "F0 contour correlation of five takes below 0.9",
            mean_interval(correlations, method="bootstrap"),
            2,
            lambda x: x < 0.9,
        )
        takes = [row for row in scores if row.part == "takes"]
        numbers = {row.take for row in takes}
        worst = max(
            (_rate([row for row in takes if row.take == number]) for number in numbers), key=lambda one: one.mean
        )
        add("WER of the worst of five takes below 8 %", worst, 1, lambda x: x < 8)
    add("speaker similarity 0.85", _mean(voice, "speaker"), 3, lambda x: x >= 0.85)
    odd = _systems(scores, "odd").get(VOICE, [])
    if odd:
        faulty = sum(bool(row.faults) for row in odd)
        lines.append([f"no fault in {len(odd)} odd sentences", str(faulty), "no" if faulty else "yes"])
    speed = record["speed"]
    if speed:
        for target, value, most in (
            ("0.05 s per second of speech", speed["wall"], 0.05),
            ("first sentence of a long text in 0.4 s", speed["first_seconds"], 0.4),
            ("voice without vocoder 12 MiB", speed["mib"], 12.0),
        ):
            lines.append([target, f"{value:.3g}", "yes" if value <= most else "no"])
    return markdown_table(["target", "measured", "met"], lines) if lines else ""


def report(record: Mapping[str, Any], scores: Rows) -> str:
    """All tables."""
    models = ", ".join(
        f"{role} {model['name']} ({model['sha256'][:12]}"
        + "".join(f", {name} {value}" for name, value in model.get("settings", {}).items())
        + ")"
        for role, model in record["models"].items()
    )
    count = len({row.name for row in scores if row.part == "test"})
    parts = [
        "# Speech",
        f"{models or 'No voice'}; {count} test sentences of {record['speaker'] or 'all speakers'}, none seen in "
        "training. Brackets hold 95 % intervals (bootstrap over sentences). WER: Whisper tiny.en, greedy, numbers and "
        "abbreviations written out on both sides. Phoneme errors: pocketsphinx without words, against the dictionary's "
        "first pronunciation; only the difference to the recordings means something. Everything is scaled to the same "
        "peak. F0 spread: standard deviation over voiced frames; duration spread: standard deviation of phonemes as "
        "aligned; similarity: cosine of the resemblyzer embedding to the mean of training recordings.",
    ]
    present = {row.part for row in scores}
    if targets := targets_table(record, scores):
        parts += ["## Targets", targets]
    if "test" in present:
        parts += ["## Test sentences", test_table(scores)]
    if "other" in present:
        parts += ["## Other text", other_table(scores)]
    if "odd" in present:
        parts += [
            "## Odd sentences",
            "Skips and repeats count where both recognisers agree"
            + (
                "; what they say of espeak-ng, which can do neither, shows how far they can be trusted."
                if ESPEAK in _systems(scores, "odd")
                else "."
            ),
            odd_table(scores),
            "\n".join(odd_faults(scores)),
        ]
    if "takes" in present and record["takes"]:
        parts += ["## Takes", takes_table(scores, record["takes"])]
    if record["speed"]:
        parts += ["## Speed and size", speed_table(record["speed"])]
    parts.append(f"Made by `{record['command']}`.")
    return "\n\n".join(part for part in parts if part) + "\n"
