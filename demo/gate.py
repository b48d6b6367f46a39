"""What every request passes before Gradio sees it: names, sizes, passwords, what is uploaded, and who listens.

Gradio's own checks cover what its page sends. This one covers what anybody can send, in one place.
"""

import asyncio
import json
import math
import re
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from audiodiff.errors import AudiodiffError

from .app_state import AppState
from .attempts import Attempts
from .checks import check_content, public_message
from .limits import CARDS, MOST_FILES
from .said import language_of
from .sentences import translated
from .visitors import is_loopback, person_at

CLOSED = re.compile(r"/(process_recording|deep_link|component_server|stream|monitoring|dev|run-history|vibe|proxy=)")
"""Beginnings of paths of Gradio's that this page does not need, and that would store or fetch something."""

WRONG_PASSWORD_SECONDS = 1.0
"""How long the answer to a wrong password takes."""

_API = "/gradio_api"
_UPLOAD_OVERHEAD = 2**16


class TooLarge(Exception):
    """A request is larger than is allowed."""


class Gate:
    """ASGI middleware in front of Gradio's app."""

    def __init__(self, app: ASGIApp, state: AppState, names: Iterable[str] | None) -> None:
        """Stand before an app.

        Args:
            app: Gradio's.
            state: the demo, with its limits, its folder and who listens.
            names: names other than those of this computer under which it may be asked for; `None` for any.
        """
        self._app = app
        self._state = state
        self._names = None if names is None else frozenset(name.lower() for name in names)
        self._attempts = Attempts()
        self._uploading: dict[object, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        path = str(scope["path"]).removeprefix(_API).rstrip("/")
        refused = self._refused(path, headers)
        if refused is not None:
            await refused(scope, receive, send)
            return
        started = ended = False

        async def watched(message: Message) -> None:
            nonlocal started, ended
            started = True
            ended = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        try:
            await self._hand_on(path, headers, scope, receive, watched)
        except TooLarge as error:
            if not started:
                await _sentence(413, translated(str(error), _language(headers)))(scope, receive, send)
        except Exception as error:
            cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
            if started and not isinstance(cause, HTTPException):
                raise
            # Gradio found no words for it: an unknown function, a missing argument, an answer that nobody fetches
            told = ascii(f"{scope['method']} {scope['path']}")[:200]
            print(f"audiodiff: refused {told} ({type(cause).__name__})", file=sys.stderr)
            if started and not ended:
                await send({"type": "http.response.body", "body": b""})
            elif not started:
                text = "the request names no function of this demo, or its arguments do not fit; see /gradio_api/info."
                await _sentence(400, text)(scope, receive, send)

    def _refused(self, path: str, headers: Headers) -> Response | None:
        """Return what is answered to a request that goes no further."""
        if self._names is not None:
            for what, text in (("Host", headers.get("host", "")), ("Origin", headers.get("origin", ""))):
                if (text or what == "Host") and not self._is_ours(text):
                    return _sentence(
                        403,
                        f"this demo is for the computer that it runs on; {what} {text[:100]!r} is not one of its names "
                        "(--allow-host NAME adds one, --host serves others).",
                    )
        if CLOSED.match(path):
            return _sentence(404, "this demo does without that part of Gradio.")
        limit, size = self._most(path), headers.get("content-length", "0")
        if not size.isdecimal() or len(size) > 15 or int(size) > limit:
            return _sentence(413, translated(_too_large(limit), _language(headers)))
        return None

    def _is_ours(self, address: str) -> bool:
        """Whether the host of `host:port`, or of a URL, is a name of this computer."""
        try:
            host = urlsplit(address if "://" in address else f"//{address}").hostname or ""
        except ValueError:
            return False
        return is_loopback(host) or host.rstrip(".") in (self._names or ())

    def _most(self, path: str) -> int:
        """Return how large the body of a request may be."""
        limits = self._state.limits
        return CARDS * limits.upload_bytes + _UPLOAD_OVERHEAD if path == "/upload" else limits.body_bytes

    async def _hand_on(self, path: str, headers: Headers, scope: Scope, receive: Receive, send: Send) -> None:
        limit, received = self._most(path), 0

        async def measured() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise TooLarge(_too_large(limit))
            return message

        if scope["method"] == "POST" and path == "/upload":
            await self._upload(headers, scope, measured, send)
        elif scope["method"] == "POST" and path == "/login":
            await self._login(scope, measured, send)
        elif scope["method"] == "GET" and (name := _listener(path, scope)):
            with self._state.listeners.connected(name):
                await self._app(scope, measured, send)
            self._forget(scope, name)
        else:
            await self._app(scope, measured, send)

    def _forget(self, scope: Scope, name: str) -> None:
        """Drop what Gradio remembers of a session that nobody is connected to: this demo keeps nothing there."""
        holder = getattr(scope.get("app"), "state_holder", None)
        if holder is not None and not self._state.listeners.is_connected(name):
            holder.session_data.pop(name, None)
            holder.time_last_used.pop(name, None)

    async def _upload(self, headers: Headers, scope: Scope, receive: Receive, send: Send) -> None:
        """Take files in if they are sounds, and if there is room for them."""
        key, state = object(), self._state
        self._uploading[key] = int(headers.get("content-length", self._most("/upload")))
        answer = _Held()
        try:
            try:
                await anyio.to_thread.run_sync(state.workspace.make_room, sum(self._uploading.values()))
            except AudiodiffError as error:
                await _sentence(507, public_message(error, _language(headers)), plain=True)(scope, receive, send)
                return
            await self._app(scope, receive, answer)
            if answer.status == 200:
                await anyio.to_thread.run_sync(_check_files, json.loads(answer.body), state.workspace.folder)
        except AudiodiffError as error:
            await _sentence(415, public_message(error, _language(headers)), plain=True)(scope, receive, send)
        else:
            for message in answer.messages:
                await send(message)
        finally:
            del self._uploading[key]

    async def _login(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Slow down who guesses passwords."""
        client = scope.get("client")
        who = person_at(client[0] if client else "")
        wait = math.ceil(self._attempts.wait(who))
        if wait > 0:
            text = f"too many wrong passwords came from your address; try again in {wait} s."
            text = translated(text, _language(Headers(scope=scope)))
            await _sentence(429, text, {"Retry-After": str(wait)})(scope, receive, send)
            return
        self._attempts.count(who)

        async def slowed(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] < 400:
                    self._attempts.forget(who)
                else:
                    await asyncio.sleep(WRONG_PASSWORD_SECONDS)
            await send(message)

        await self._app(scope, receive, slowed)


class _Held:
    """An answer that is not sent yet."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"]) if self.messages else 500

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)


def _check_files(names: list[str], folder: Path) -> None:
    """Remove all files of an upload if one is no sound, or if there are too many.

    Raises:
        AudiodiffError: one is not, or there are.
    """
    paths = [path for path in map(Path, names) if path.resolve().is_relative_to(folder)]
    try:
        if len(names) > MOST_FILES:
            raise AudiodiffError(f"there are {len(names)} files; this demo takes {MOST_FILES} at a time.")
        for path in paths:
            check_content(path)
    except AudiodiffError:
        for path in paths:
            path.unlink(missing_ok=True)
        raise


def _listener(path: str, scope: Scope) -> str:
    """Return the session, or the request, whose answers a connection waits for; "" if it waits for none."""
    if path == "/queue/data":
        return str(parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [""])[0])
    found = re.fullmatch(r"/heartbeat/([^/]+)|/call(?:/v2)?/[^/]+/([^/]+)", path)
    return "" if found is None else str(found[1] or found[2])


def _language(headers: Headers) -> str:
    return language_of(headers.get("accept-language", ""))


def _too_large(limit: int) -> str:
    return f"the request is larger than the {limit / 2**20:.1f} MiB that this demo takes; make it smaller."


def _sentence(status: int, text: str, headers: dict[str, str] | None = None, *, plain: bool = False) -> Response:
    """Return an answer of one sentence."""
    make = partial(PlainTextResponse, text) if plain else partial(JSONResponse, {"error": text, "detail": text})
    return make(status_code=status, headers=headers)
