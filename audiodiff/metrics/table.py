"""Tables in Markdown, as reports and benchmarks print them."""

import math
from collections.abc import Iterable, Sequence

from audiodiff.metrics.stats import Interval

__all__ = ["interval_cell", "markdown_table"]


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of as many columns as `heads`, without a line break at its end."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows))


def interval_cell(interval: Interval | None, decimals: int) -> str:
    """Return a mean and half its interval; the mean alone if it has no interval, a dash for None."""
    if interval is None:
        return "–"
    if not math.isfinite(interval.half_width):
        return f"{interval.mean:.{decimals}f}"
    return f"{interval.mean:.{decimals}f} ± {interval.half_width:.{decimals}f}"
