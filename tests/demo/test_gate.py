import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

pytest.importorskip("gradio", reason="the extra demo")

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from demo import gate
from demo.app_state import AppState
from demo.gate import Gate

OK = JSONResponse({"ok": True})


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that reads what it gets."""
    size = len(await Request(scope, receive).body())
    await JSONResponse({"size": size})(scope, receive, send)


def ask(app: ASGIApp, method: str, path: str, *, address: str = "127.0.0.1", **given: Any) -> httpx.Response:
    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7860") as client:
            return await client.request(method, path, **given)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("headers", "names", "status"),
    [
        ({}, (), 200),
        ({"Host": "localhost:7860"}, (), 200),
        ({"Host": "[::1]:7860"}, (), 200),
        ({"Host": "rebound.example:7860"}, (), 403),
        ({"Host": "127.0.0.1.rebound.example"}, (), 403),
        ({"Host": "localhost@rebound.example"}, (), 403),
        ({"Host": ""}, (), 403),
        ({"Host": "Music.Example"}, ("music.example",), 200),
        ({"Host": "rebound.example"}, None, 200),
        ({"Origin": "http://localhost:3000"}, (), 200),
        ({"Origin": "https://rebound.example"}, (), 403),
        ({"Origin": "null"}, (), 403),
    ],
)
def test_a_demo_for_this_computer_answers_to_its_names_alone(
    state: AppState, headers: dict[str, str], names: tuple[str, ...] | None, status: int
) -> None:
    assert ask(Gate(answer, state, names), "POST", "/gradio_api/queue/join", headers=headers).status_code == status


def chunks(size: int) -> Any:
    async def stream() -> Any:
        for _ in range(size // 1000):
            yield bytes(1000)

    return stream()


def test_requests_are_no_larger_than_four_prompts_and_uploads_than_four_files(state: AppState) -> None:
    app, most = Gate(answer, state, ()), state.limits.body_bytes
    for path in ("/gradio_api/queue/join", "/gradio_api/call/generate", "/login", "/gradio_api/upload_not"):
        assert ask(app, "POST", path, content=bytes(most)).json() == {"size": most}
        told = ask(app, "POST", path, content=bytes(most + 1))
        assert (told.status_code, "0.3 MiB" in told.json()["error"]) == (413, True)
        assert ask(app, "POST", path, content=chunks(most + 2000)).status_code == 413
        assert ask(app, "POST", path, headers={"Content-Length": "-1"}).status_code == 413
    assert ask(app, "POST", "/gradio_api/upload", content=bytes(6 << 20)).status_code == 413
    assert ask(app, "POST", "/gradio_api/upload", content=chunks(6 << 20)).status_code == 413


@pytest.mark.parametrize(
    "path", ["process_recording", "deep_link", "component_server/", "stream/x", "proxy=http://a", "monitoring/x"]
)
def test_what_the_page_does_without_is_closed(state: AppState, path: str) -> None:
    assert ask(Gate(answer, state, None), "POST", f"/gradio_api/{path}").status_code == 404


def uploading(folder: Path, name: str, content: bytes) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()
        (folder / name).write_bytes(content)
        await JSONResponse([str(folder / name)])(scope, receive, send)

    return app


def test_uploads_are_sounds(state: AppState, voice: Path) -> None:
    folder = state.workspace.folder
    told = ask(Gate(uploading(folder, "fine.wav", voice.read_bytes()), state, ()), "POST", "/gradio_api/upload")
    assert (told.status_code, told.json()) == (200, [str(folder / "fine.wav")])
    for name in ("page.html", "page.wav", "page.json", "page.npy"):
        told = ask(Gate(uploading(folder, name, b"<script>"), state, ()), "POST", "/gradio_api/upload")
        assert told.status_code == 415
        assert name in told.text
        assert "/" not in told.text
        assert not (folder / name).exists()
    elsewhere = folder.parent / "kept.txt"
    ask(Gate(uploading(folder.parent, "kept.txt", b"mine"), state, ()), "POST", "/gradio_api/upload")
    assert elsewhere.read_bytes() == b"mine"


def test_what_is_kept_has_room_for_uploads(state: AppState, voice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = state.workspace.folder
    monkeypatch.setattr(state.workspace, "_most_bytes", 100_000)
    (folder / "old").write_bytes(bytes(90_000))
    app = Gate(uploading(folder, "fine.wav", voice.read_bytes()), state, ())
    with state.workspace.hold(folder / "old"):
        told = ask(app, "POST", "/gradio_api/upload", content=bytes(20_000))
        assert (told.status_code, "try again" in told.text) == (507, True)
    assert ask(app, "POST", "/gradio_api/upload", content=bytes(20_000)).status_code == 200
    assert not (folder / "old").exists()


def test_wrong_passwords_are_slowed_down(state: AppState, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def login(scope: Scope, receive: Receive, send: Send) -> None:
        right = await Request(scope, receive).body() == b"right"
        await JSONResponse({}, 200 if right else 400)(scope, receive, send)

    monkeypatch.setattr(gate.asyncio, "sleep", sleep)
    app = Gate(login, state, None)

    def guess(word: bytes, address: str = "10.0.0.1") -> int:
        return ask(app, "POST", "/login", content=word, address=address).status_code

    assert [guess(b"wrong") for _ in range(3)] == [400, 400, 400]
    assert guess(b"right") == 200
    assert [guess(b"wrong") for _ in range(6)] == [400, 400, 400, 400, 429, 429]
    assert guess(b"right") == 429
    assert guess(b"right", "10.0.0.2") == 200
    assert len(slept) == 7
    app._attempts._clock = lambda: 1e9
    assert guess(b"right") == 200


def failing(make: Callable[[], Exception], *, late: bool = False) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def body() -> Any:
            yield b"data"
            raise make()

        if late:
            try:
                await StreamingResponse(body())(scope, receive, send)
            except HTTPException as error:
                raise RuntimeError("Caught handled exception, but response already started.") from error
        raise make()

    return app


def test_what_gradio_has_no_words_for_gets_a_sentence(state: AppState, capsys: pytest.CaptureFixture[str]) -> None:
    told = ask(Gate(failing(lambda: KeyError(99)), state, ()), "POST", "/gradio_api/call/%1B[31m")
    assert (told.status_code, "names no function" in told.json()["error"]) == (400, True)
    logged = capsys.readouterr().err
    assert logged.count("\n") == 1
    assert "KeyError" in logged
    assert "\x1b" not in logged
    told = ask(Gate(failing(lambda: HTTPException(404), late=True), state, ()), "GET", "/gradio_api/queue/data")
    assert (told.status_code, told.content) == (200, b"data")


class Holder:
    def __init__(self) -> None:
        self.session_data: dict[str, Any] = {"1f": 1, "2e": 2, "ev": 3}
        self.time_last_used: dict[str, Any] = dict(self.session_data)


@pytest.mark.parametrize(
    ("path", "name"),
    [("queue/data?session_hash=1f", "1f"), ("heartbeat/1f", "1f"), ("call/vary/ev", "ev"), ("call/v2/vary/ev", "ev")],
)
def test_who_is_connected_listens_and_is_forgotten_afterwards(state: AppState, path: str, name: str) -> None:
    seen, holder = [], Holder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(state.listeners.is_connected(name))
        await OK(scope, receive, send)

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = type("App", (), {"state_holder": holder})
        await Gate(app, state, ())(scope, receive, send)

    assert ask(outer, "GET", f"/gradio_api/{path}").status_code == 200
    assert seen == [True]
    assert not state.listeners.is_connected(name)
    assert name not in holder.session_data
    assert len(holder.session_data) == len(holder.time_last_used) == 2


def test_sounds_of_an_upload_are_all_removed_with_one_that_is_none(state: AppState) -> None:
    folder = state.workspace.folder
    soundfile.write(folder / "a.wav", np.zeros(8), 8000)
    (folder / "b.wav").write_text("no sound")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse([str(folder / name) for name in ("a.wav", "b.wav")])(scope, receive, send)

    assert ask(Gate(app, state, ()), "POST", "/gradio_api/upload").status_code == 415
    assert not (folder / "a.wav").exists()
    for number in range(9):
        soundfile.write(folder / f"{number}.wav", np.zeros(8), 8000)

    async def many(scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse([str(folder / f"{number}.wav") for number in range(9)])(scope, receive, send)

    told = ask(Gate(many, state, ()), "POST", "/gradio_api/upload")
    assert (told.status_code, told.text) == (415, "there are 9 files; this demo takes 8 at a time.")
    assert json.dumps(sorted(path.name for path in folder.glob("*.wav"))) == "[]"
