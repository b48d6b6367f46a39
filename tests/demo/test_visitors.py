from types import SimpleNamespace
from typing import Any

import pytest

from demo.listeners import Listeners
from demo.visitors import is_loopback, person_at, visitor


def request(username: str | None, session: str | None, address: str | None) -> Any:
    http = None if address is None else SimpleNamespace(client=SimpleNamespace(host=address))
    return SimpleNamespace(username=username, session_hash=session, request=http)


@pytest.mark.parametrize(
    ("username", "session", "address", "page", "person"),
    [
        ("ann", "1f", "10.0.0.1", "1f", "ann"),
        ("ann", None, "10.0.0.1", "ann", "ann"),
        (None, "1f", "10.0.0.1", "1f", "10.0.0.1"),
        (None, "2e", "10.0.0.1", "2e", "10.0.0.1"),
        (None, "1f", None, "1f", "1f"),
        (None, None, None, "local", "local"),
    ],
)
def test_pages_and_the_people_behind_them_are_told_apart(
    username: str | None, session: str | None, address: str | None, page: str, person: str
) -> None:
    user = visitor(request(username, session, address), Listeners())
    assert (user.page, user.person) == (page, person)
    assert user.listens()


def test_who_asks_over_the_network_has_to_listen() -> None:
    now = [0.0]
    listeners = Listeners(patience=30.0, clock=lambda: now[0])
    users = [visitor(request(None, "1f", address), listeners, "event") for address in ("10.0.0.1", None)]
    with listeners.connected("event"):
        now[0] = 1000.0
        assert [user.listens() for user in users] == [True, True]
    now[0] = 1029.0
    assert users[0].listens()
    now[0] = 1031.0
    assert [user.listens() for user in users] == [False, True]
    assert visitor(None, listeners).page == "local"


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("fe80::1%eth0", "fe80::2", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("testclient", "testclient", True),
    ],
)
def test_nobody_has_two_addresses_for_being_in_one_network(first: str, second: str, same: bool) -> None:
    assert (person_at(first) == person_at(second)) is same


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"])
def test_names_of_this_computer(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "example.org", "localhost.example.org", "127.0.0.1.nip.io", "0.0.0.0", "10.0.0.1"]
)
def test_names_of_others(host: str) -> None:
    assert not is_loopback(host)
