"""Environment variables that are set for a while."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

NO_PROXY = {"no_proxy": "*", "NO_PROXY": "*"}
"""Environment variables that switch proxies off: this computer calls itself, and a kind of proxy that the HTTP library
does not know would end even the import."""


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables inside the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
