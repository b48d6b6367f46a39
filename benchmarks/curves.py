"""Draws the curves of a training run, as small as a page of the docs wants them.

python -m benchmarks.curves RUN loss validation_loss -o docs/finetune.svg
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from audiodiff.errors import AudiodiffError
from benchmarks.mixture_pictures import DATA, LINE, save_svg

Curve = tuple[list[int], list[float]]
"""Steps and values."""


def read_curves(run: Path, names: Sequence[str]) -> dict[str, Curve]:
    """Return the named curves of a run, from its `log.jsonl`.

    Raises:
        AudiodiffError: there is no log, or a curve is not in it.
    """
    path = run / "log.jsonl"
    if not path.is_file():
        raise AudiodiffError(f"{run} has no log.jsonl; give the folder of a training run.")
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    known = {name for line in lines for name in line} - {"step"}
    curves: dict[str, Curve] = {}
    for name in names:
        if name not in known:
            raise AudiodiffError(f"{run} has no curve {name!r}; it has {', '.join(sorted(known))}.")
        points = [line for line in lines if name in line]
        curves[name] = [line["step"] for line in points], [line[name] for line in points]
    return curves


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the curves side by side."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    parser = argparse.ArgumentParser(description="Draw curves of a training run as an SVG.")
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("names", nargs="+", help="curves, by their names in log.jsonl")
    parser.add_argument("-o", "--output", type=Path, required=True, help=".svg to write")
    options = parser.parse_args(arguments)
    try:
        curves = read_curves(options.run, options.names)
    except AudiodiffError as error:
        print(f"curves: {error}", file=sys.stderr)
        return 2
    figure, rows = pyplot.subplots(1, len(curves), figsize=(4 * len(curves), 2.4), squeeze=False)
    for axes, (name, (steps, values)) in zip(rows[0], curves.items(), strict=True):
        validated = name.startswith("validation")
        axes.plot(steps, values, color=DATA if validated else LINE, marker="o" if validated else None, markersize=3)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("step")
    figure.tight_layout()
    save_svg(figure, options.output)
    pyplot.close(figure)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
