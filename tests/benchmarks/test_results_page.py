from pathlib import Path

import pytest

from benchmarks import results_page
from benchmarks.results_page import section, updated
from tests.refusals import refused


@pytest.fixture
def results(tmp_path: Path) -> Path:
    (tmp_path / "samplers.md").write_text("# Title\n\n## One\n\n| a |\n| --- |\n| 1 |\n\n- remark\n")
    return tmp_path


def test_a_region_is_replaced_and_the_rest_is_kept(results: Path) -> None:
    text = "before\n<!-- generated:samplers -->\nold\n<!-- /generated:samplers -->\nafter\n"
    table = "### One\n\n| a |\n| --- |\n| 1 |\n"
    expected = f"before\n<!-- generated:samplers -->\n\n{table}\n<!-- /generated:samplers -->\nafter\n"
    assert updated(text, results) == expected
    assert updated(expected, results) == expected


def test_missing_results_and_unknown_regions_are_named(results: Path) -> None:
    refused("run the benchmark", lambda: section("vocoder-speed", results))
    refused('region "poetry"', lambda: section("poetry", results))


def test_all_pages_are_what_the_results_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, results: Path) -> None:
    pages = tmp_path / "a.md", tmp_path / "b.md"
    for page in pages:
        page.write_text("<!-- generated:samplers -->\n<!-- /generated:samplers -->\n")
    monkeypatch.setattr(results_page, "PAGES", pages)
    monkeypatch.setattr(results_page, "RESULTS", results)
    assert results_page.main(["--check"]) == 1
    assert results_page.main([]) == 0
    assert all("| 1 |" in page.read_text() for page in pages)
    assert results_page.main(["--check"]) == 0
    pages[1].write_text("<!-- generated:samplers -->\n<!-- /generated:samplers -->\n")
    assert results_page.main(["--check"]) == 1
