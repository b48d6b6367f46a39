import math

from audiodiff.metrics.stats import Interval
from audiodiff.metrics.table import interval_cell, markdown_table


def test_a_table_has_a_row_for_each_line() -> None:
    assert markdown_table(["system", "RTF ↓"], [["ours", "0.1"]]) == "| system | RTF ↓ |\n| --- | --- |\n| ours | 0.1 |"


def test_a_cell_shows_what_is_known() -> None:
    assert interval_cell(None, 2) == "–"
    assert interval_cell(Interval(1.234, math.nan, math.nan, 1), 2) == "1.23"
    assert interval_cell(Interval(2.0, 1.5, 2.5, 9), 1) == "2.0 ± 0.5"
