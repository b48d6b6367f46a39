"""Settings of the whole suite."""

import atexit
import os
import shutil
import sys
import tempfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

# The command line tells the C library to keep freed memory. Commands run inside the test process, and tests that
# measure memory share it.
os.environ["AUDIODIFF_MALLOC"] = "default"
if "PYTEST_XDIST_WORKER" in os.environ:  # several processes with a thread for every core each would wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # librosa's compiled functions crash where two processes fill one cache at once (numba/numba#10128).
    os.environ["NUMBA_CACHE_DIR"] = _numba_cache = tempfile.mkdtemp(prefix="audiodiff-numba-")
    atexit.register(shutil.rmtree, _numba_cache, ignore_errors=True)


def _take_from_here(name: str, folder: Path) -> None:
    """Import an installed package from this copy of the repository, whichever one it is installed from."""
    spec = spec_from_file_location(name, folder / "__init__.py", submodule_search_locations=[str(folder)])
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)


ROOT = Path(__file__).resolve().parents[1]
_take_from_here("audiodiff_recipes", ROOT / "recipes")
_take_from_here("audiodiff_demo", ROOT / "demo")
