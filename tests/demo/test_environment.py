import os

import pytest

from demo.environment import environment


def test_variables_are_set_inside_the_block_and_are_as_before_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AD_KNOWN", "old")
    monkeypatch.delenv("AD_NEW", raising=False)

    def fail() -> None:
        with environment({"AD_KNOWN": "new", "AD_NEW": "*"}):
            assert (os.environ["AD_KNOWN"], os.environ["AD_NEW"]) == ("new", "*")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert os.environ["AD_KNOWN"] == "old"
    assert "AD_NEW" not in os.environ
