"""What is refused, and with which words."""

from collections.abc import Callable

import pytest

from audiodiff.errors import AudiodiffError


def refused(words: str, call: Callable[[], object]) -> None:
    """Check that `call` raises an `AudiodiffError` in whose message the pattern `words` is found."""
    with pytest.raises(AudiodiffError, match=words):
        call()
