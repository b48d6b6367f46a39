"""Who asks: pages, people behind them, and what their addresses tell."""

import ipaddress
from typing import Any

from .jobs import User
from .listeners import Listeners
from .said import language_of

LOCAL_USER = "local"
"""Who asks when there is no telling users apart."""


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this computer's, whatever a name server says."""
    name = host.lower().strip("[]").rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def person_at(address: str) -> str:
    """Return whom an address stands for: of version 6, everybody has a whole network of 64 bits."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if known.version == 4:
        return str(known)
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(ipaddress.ip_network((known, 64), strict=False))


def visitor(request: Any, listeners: Listeners, event: str | None = None) -> User:
    """Return who asks.

    Args:
        request: the `gr.Request`; `None` if there is none.
        listeners: who waits for answers.
        event: name of this request, whose answer may be waited for instead of the session's.
    """
    name = getattr(request, "username", None)
    page = getattr(request, "session_hash", None) or name or LOCAL_USER
    asked = getattr(request, "request", None)  # none where a function is called without a server
    client = getattr(asked, "client", None)
    person = name or (person_at(client.host) if client is not None else page)
    if asked is None:
        return User(str(page), str(person))
    listens = listeners.of(str(page), *([event] if event else []))
    return User(str(page), str(person), listens, language_asked(request))


def language_asked(request: Any) -> str:
    """Return the language of the page that a `gr.Request` comes from; English if there is none."""
    headers = getattr(getattr(request, "request", None), "headers", None) or {}
    return language_of(str(headers.get("accept-language", "")))
