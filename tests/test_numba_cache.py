import os
import tempfile
from pathlib import Path

import pytest

from tests import numba_cache


@pytest.mark.skipif(not hasattr(os, "fork"), reason="folders are kept where processes can lock them")
def test_a_process_has_a_folder_for_itself_and_the_next_one_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(numba_cache, "_locks", [])
    first, second = numba_cache.numba_cache(), numba_cache.numba_cache()
    assert first != second
    assert Path(first).parent == tmp_path
    numba_cache._locks.pop(0).close()
    assert numba_cache.numba_cache() == first
    for lock in numba_cache._locks:
        lock.close()
