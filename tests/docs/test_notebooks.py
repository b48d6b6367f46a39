"""The notebooks run from top to bottom, in the time that they promise."""

import json
import time

import pytest

from tests.docs.pages import DOCS

NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))


def test_they_are_kept_without_outputs() -> None:
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        cells = [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
        assert cells
        assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells), path
        assert any("assert" in "".join(cell["source"]) for cell in cells), path


@pytest.mark.long
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_in_two_minutes_of_processor_time(path) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("import time; print('took', time.process_time())"))
    began = time.monotonic()
    # Words on standard error, such as warnings of other libraries, are no failure; an exception is.
    nbclient.NotebookClient(notebook, timeout=1200, resources={"metadata": {"path": str(path.parents[2])}}).execute()
    took = float(notebook.cells[-1].outputs[0].text.split()[1])
    assert 0 < took < 240, (took, time.monotonic() - began)  # two minutes on two threads
    sounds = sum("text/html" in out.get("data", {}) for cell in notebook.cells for out in cell.get("outputs", []))
    assert sounds == 5
