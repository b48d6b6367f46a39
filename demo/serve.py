"""The server: loads the models, opens the page, and cleans up when it ends."""

import os
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from audiodiff.errors import AudiodiffError
from audiodiff.signal.beats import warm_up
from audiodiff.synthesis.adapted import Adapters
from audiodiff.text.advice import advice
from audiodiff.text.library import library_path

from . import player
from .app import build_app
from .app_state import AppState, Models, load_models, open_state
from .environment import NO_PROXY, environment
from .gate import Gate
from .limits import Limits
from .style import STYLE
from .translations import translate
from .visitors import is_loopback
from .widgets import CSS

GRADIO_FOLDER = "GRADIO_TEMP_DIR"
"""Environment variable that tells Gradio where to keep uploads."""

PORTS = range(7860, 7960)
"""Ports that are tried when none is given."""

SESSIONS = 16
"""Sessions that Gradio remembers something of, of 1 MiB each. The demo keeps nothing there: any may be forgotten."""

GRADIO = {"GRADIO_ANALYTICS_MAX_EVENTS": "100"}
"""Environment variables for Gradio -> value where the user gives none; it would remember 10,000 calls."""


@dataclass(frozen=True)
class Place:
    """Where the page is served.

    Attributes:
        host: address to listen at; 127.0.0.1 for this computer alone, 0.0.0.0 for all that can reach it.
        port: `None` takes the first free one from 7860 on.
        auth: name and password that visitors need; `None` for none.
        share: also serve it through a public link of Gradio's.
        names: host names under which a proxy on this computer serves it; it is asked for under no others but this
            computer's own, unless it is public.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    auth: tuple[str, str] | None = None
    share: bool = False
    names: tuple[str, ...] = ()

    @property
    def public(self) -> bool:
        """Whether others than the user of this computer can reach it."""
        return self.share or not is_loopback(self.host)


def serve(
    *,
    model: str | None = None,
    vocoder: str | None = None,
    upsampler: str | None = None,
    voices: Sequence[str] = (),
    adapters: Adapters = (),
    device: str = "auto",
    place: Place,
    limits: Limits,
    prompts: Path | None = None,
) -> None:
    """Serve the demo until it is interrupted.

    Args:
        model: a model that generates.
        vocoder: a vocoder for recordings.
        upsampler: gives recordings the band they lack.
        voices: speak texts.
        adapters: of these models, folders with a strength behind a colon where that is not 1.
        device: where they compute.
        place: where the page is served.
        limits: what a visitor may ask for.
        prompts: file of the saved prompts; when `None`, the user's own on a page that nobody else can reach, else none.

    Raises:
        AudiodiffError: a model cannot be loaded, or the port is taken.
    """
    models = load_models(model, vocoder, upsampler, voices, adapters=adapters, device=device)
    if place.public and place.auth is None:
        print(
            "audiodiff: whoever can reach this computer can use the demo; --auth USER:PASSWORD asks for a password.",
            file=sys.stderr,
        )
    library = prompts or (None if place.public else library_path())
    with closing(open_state(models, limits, library=library)) as state, state.workspace:
        app = open_page(models, state, place)
        threading.Thread(target=prepare, args=(models,), daemon=True).start()
        try:
            app.block_thread()
        finally:
            app.close(verbose=False)


def prepare(models: Models) -> None:
    """Get ready what only some requests need, so that the first visitor does not wait for it."""
    if models.words:
        advice("tuning", models.words)  # reads the dictionary of English
    prepare_beats(models)


def prepare_beats(models: Models) -> None:
    """Compile what edits need to find beats, so that the first visitor does not wait for it."""
    if models.generator is not None and models.capabilities.beats:
        with suppress(AudiodiffError):  # who asks for beats gets an error that says what is missing
            warm_up()


def open_page(models: Models, state: AppState, place: Place) -> gr.Blocks:
    """Start to serve a demo in the background, and return its app.

    Gradio keeps uploads and results in the demo's folder from now on, and hands out nothing from anywhere else.

    Raises:
        AudiodiffError: the port is taken.
    """
    folder = state.workspace.folder / "gradio"
    folder.mkdir(exist_ok=True)
    os.environ[GRADIO_FOLDER] = str(folder)
    for name, value in GRADIO.items():
        os.environ.setdefault(name, value)
    app = build_app(models, state=state)
    port = free_port(place.host, place.port)
    names = None if place.public else place.names
    try:
        with environment(own_network(place)):
            app.launch(
                server_name=place.host,
                server_port=port,
                auth=place.auth,
                share=place.share,
                inbrowser=False,
                prevent_thread_lock=True,
                show_error=False,
                max_file_size=state.limits.upload_bytes,
                allowed_paths=[],
                blocked_paths=blocked_paths(state),
                footer_links=["api", "settings"],
                run_history=False,
                ssr_mode=False,
                css=CSS + STYLE + player.css(),
                head=player.head(),
                i18n=translate(app),
                state_session_capacity=SESSIONS,
                _frontend=False,  # else Gradio gives up where its own page takes 3 s, as on a busy computer
                app_kwargs={"middleware": [Middleware(Gate, state=state, names=names)]},
            )
    except Exception as error:
        app.close(verbose=False)
        reason = str(error).partition("\n")[0].rstrip(".")
        raise AudiodiffError(
            f"the page cannot be served at {place.host}:{port} ({type(error).__name__}: {reason}); give another --host "
            "or --port."
        ) from error
    return app


def own_network(place: Place) -> dict[str, str]:
    """Return environment variables for the start of the server, which calls itself: no proxy stands in between.

    For a public link, everything else goes through the proxy. Nobody but a proxy on this computer tells of other
    addresses than the one that a request comes from.
    """
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    own = ",".join(filter(None, [known, "localhost", "127.0.0.1", "::1", place.host]))
    values = {"no_proxy": own, "NO_PROXY": own} if place.share else dict(NO_PROXY)
    if not place.public and not place.names:
        values["FORWARDED_ALLOW_IPS"] = ""
    return values


def free_port(host: str, port: int | None) -> int:
    """Return a port that can be listened at: the given one, or the first free one.

    Raises:
        AudiodiffError: there is none, or the host is no address of this computer.
    """
    reason = ""
    for candidate in PORTS if port is None else (port,):
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, candidate, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind, protocol) as probe:
                if sys.platform != "win32":  # where it would let two servers share a port
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
                return candidate
        except OSError as error:
            reason = error.strerror or str(error)
    raise AudiodiffError(
        f"{host}:{PORTS.start if port is None else port} cannot be listened at ({reason}); give another --host or "
        "--port."
    )


def blocked_paths(state: AppState) -> list[str]:
    """Return folders that nothing is handed out from, whatever a function returns: all that hold somebody's files."""
    candidates: Sequence[Path] = [Path.cwd(), Path.home(), Path(__file__).resolve().parents[1]]
    if state.library is not None:
        candidates = [*candidates, state.library.parent]
    folder = state.workspace.folder
    resolved = [path.resolve() for path in candidates]
    return [str(path) for path in dict.fromkeys(resolved) if not folder.is_relative_to(path)]


def read_auth(text: str | None) -> tuple[str, str] | None:
    """Read `USER:PASSWORD`.

    Raises:
        AudiodiffError: one of them is missing.
    """
    if not text:
        return None
    name, _, password = text.partition(":")
    if not name or not password:
        raise AudiodiffError("--auth lacks the user or the password; expected USER:PASSWORD.")
    return name, password


def limits_of(values: dict[str, Any]) -> Limits:
    """Return the limits with those replaced that are not `None`."""
    return Limits(**{key: value for key, value in values.items() if value is not None})
