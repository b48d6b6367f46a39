"""The table of planted mistakes fits the code; `python -m tests.mutate` plants them."""

from pathlib import Path

import pytest

from tests.mutate import ROOT, Mutation, misplaced, read_mutations, survivors


def test_every_mistake_has_its_place_and_its_tests() -> None:
    mutations = read_mutations()
    assert len(mutations) >= 40
    assert not misplaced(mutations)
    assert all((ROOT / test.partition("::")[0]).exists() for each in mutations for test in each.tests)
    assert all(each.old != each.new and "\n" not in each.old for each in mutations)


@pytest.mark.slow
def test_a_mistake_that_no_test_notices_is_named(tmp_path: Path) -> None:
    (tmp_path / "sums.py").write_text("def double(x):\n    return x + x\n")
    (tmp_path / "test_sums.py").write_text("from sums import double\n\n\ndef test_two():\n    assert double(2) == 4\n")
    noticed = Mutation("sums.py", "x + x", "x + 1", ("test_sums.py",))
    unnoticed = Mutation("sums.py", "x + x", "x * x", ("test_sums.py",))
    assert survivors([noticed, unnoticed], tmp_path) == ["sums.py: x + x -> x * x"]
    assert "x + x" in (tmp_path / "sums.py").read_text()
    assert misplaced([Mutation("sums.py", "x", "y", ())], tmp_path)
