from typing import Any

import pytest

from demo.command import LIMITS
from demo.limits import Limits
from tests.refusals import refused


def test_every_limit_is_a_flag_whose_help_tells_the_default() -> None:
    defaults = Limits()
    assert list(LIMITS) == list(defaults.__dataclass_fields__)
    for name, (kind, _, told) in LIMITS.items():
        value = getattr(defaults, name)
        assert f"(default: {value:g})" in told
        assert type(value) is kind


@pytest.mark.parametrize("change", [{"steps": 0}, {"seconds": -1.0}, {"upload_mb": float("nan")}, {"jobs": 1.5}])
def test_a_limit_that_is_none_is_refused(change: dict[str, Any]) -> None:
    refused(next(iter(change)), lambda: Limits(**change))


def test_more_waiting_jobs_than_the_server_has_threads_for_are_refused() -> None:
    refused("1 to 30", lambda: Limits(waiting=31))
    assert Limits(upload_mb=0.5).upload_bytes == 2**19
