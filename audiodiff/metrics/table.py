"""Tables in Markdown, as reports and benchmarks print them."""

import math
from collections.abc import Iterable, Sequence

from audiodiff.metrics.stats import Interval

__all__ = ["interval_cell", "markdown_table"]

NOTHING = "–"


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, drop_empty: bool = False) -> str:
    """Return a table of as many columns as `heads`, without a line break at its end.

    Args:
        heads: of the columns.
        rows: their cells.
        drop_empty: leave out the columns in which every row has a dash.
    """
    lines = [heads, ["---"] * len(heads), *rows]
    if drop_empty:
        kept = [i for i in range(len(heads)) if any(cells[i] != NOTHING for cells in lines[2:])]
        lines = [[cells[i] for i in kept] for cells in lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def interval_cell(interval: Interval | None, decimals: int) -> str:
    """Return a mean and half its interval; the mean alone if it has no interval, a dash for None."""
    if interval is None:
        return NOTHING
    if not math.isfinite(interval.half_width):
        return f"{interval.mean:.{decimals}f}"
    return f"{interval.mean:.{decimals}f} ± {interval.half_width:.{decimals}f}"
