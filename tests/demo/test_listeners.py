import pytest

from demo import listeners
from demo.listeners import Listeners


def test_who_left_is_missed_after_a_while() -> None:
    now = [0.0]
    known = Listeners(patience=30.0, clock=lambda: now[0])
    listens = known.of("page", "event")
    now[0] = 29.0
    assert listens()  # has not come yet
    now[0] = 30.0
    assert not listens()
    with known.connected("page"), known.connected("page"):
        now[0] = 500.0
        assert listens()
    assert not known.is_connected("page")
    now[0] = 529.0
    assert listens()  # the connection may only have broken
    now[0] = 530.0
    assert not listens()
    assert known.of("page")()  # asks anew


def test_few_who_left_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "_MOST_REMEMBERED", 3)
    known = Listeners()
    for number in range(10):
        with known.connected(str(number)):
            pass
    assert list(known._left) == ["7", "8", "9"]
    assert not known._open
