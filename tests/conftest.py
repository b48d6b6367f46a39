"""Settings of the whole suite."""

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from tests.numba_cache import numba_cache

# The command line tells the C library to keep freed memory. Commands run inside the test process, and tests that
# measure memory share it.
os.environ["AUDIODIFF_MALLOC"] = "default"
if "PYTEST_XDIST_WORKER" in os.environ:  # several processes with a thread for every core each would wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["NUMBA_CACHE_DIR"] = numba_cache()


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
