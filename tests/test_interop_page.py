"""The examples of docs/interop.md run as they stand."""

import re
from pathlib import Path
from typing import Any

import pytest

# raised inside diffusers with recent numpy
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "interop.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.S | re.M)


def test_the_python_examples_run() -> None:
    """One after the other, as a reader would type them."""
    pytest.importorskip("diffusers")
    found = blocks("python")
    assert len(found) >= 5
    names: dict[str, Any] = {}
    for block in found:
        exec(compile(block, "docs/interop.md", "exec"), names)
    assert len(names["times"]) == 21
    assert names["config"]["_class_name"] == "DPMSolverMultistepScheduler"
    assert names["x"].shape == (4, 8)
    assert names["clips"].shape[0] == 2
