"""A served demo and somebody in front of it, for the tests that click."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiodiff.cli.inspect import look_at
from audiodiff.synthesis.provenance import ProvenanceRecord

ROOT = Path(__file__).resolve().parents[2]
BROWSER = os.environ.get("AUDIODIFF_BROWSER") or shutil.which("chromium") or shutil.which("google-chrome")
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 800}
TOOLS = ("Inspect", "Vocoder", "Upsample")
MUSIC_RATE, TINY_RATE, WIDE_RATE = 44100, 22050, 16000
"""Sample rates (Hz) of the shipped model of music, of the tiny models, and of the tiny upsampler."""

UPLOAD_MB = 1
"""What the demo with tiny models takes (MiB)."""

PATIENCE = float(os.environ.get("AUDIODIFF_PATIENCE", "75"))
"""Seconds that anything may take before it counts as broken; on a computer with much else to do, ask for more."""

STARTING = 240.0
"""The same for the server to load its models and serve the page, which is done once."""

_COMPLETE = """
count => {
  const cards = [...document.querySelectorAll('.ad-card')].filter(card => card.checkVisibility());
  const drawn = card => card.querySelector('.ad-player .ad-screen img')?.naturalWidth > 0;
  const heard = card => card.querySelector('.ad-player[data-ready] audio')?.getAttribute('src');
  const alive = card => [...card.querySelectorAll('.row button, .row a')].every(
    button => !button.disabled && !button.closest('[disabled]'));
  return cards.length === count && cards.every(card => drawn(card) && heard(card) && alive(card));
}
"""
"""Whether that many cards are seen, and all of each."""


def need_browser() -> None:
    """Skip a module where Playwright or Chromium is missing; in CI, which is to have them, fail instead."""
    if os.environ.get("CI"):
        assert BROWSER is not None, "no Chromium, which .ci/run is to install"
        return
    pytest.importorskip("playwright", reason="needs Playwright (in the extra dev)")
    if BROWSER is None:
        pytest.skip(
            "needs Chromium from the system's packages, or its path in AUDIODIFF_BROWSER", allow_module_level=True
        )


def _hear_interrupts() -> None:
    """In the server's process: what runs in the background of a shell is born deaf to Ctrl+C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Server:
    """`audiodiff demo` in a process of its own."""

    def __init__(self, folder: Path, *flags: str) -> None:
        """Start it; what it writes goes into `folder`."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "server.log"
        environment = os.environ | {"TMPDIR": str(folder), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("GRADIO_TEMP_DIR", None)
        command = [sys.executable, "-m", "audiodiff", "demo", "--port", str(port), "--prompts", str(folder / "p.json")]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *flags],
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=log,
                preexec_fn=_hear_interrupts,  # noqa: PLW1509 (no other thread of ours holds a lock here)
            )

    def wait(self) -> None:
        """Return when the page can be opened."""
        end = time.monotonic() + STARTING
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log.read_text()
            try:
                urllib.request.urlopen(self.url, timeout=5).close()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"no page within {STARTING:g} s: {self.log.read_text()}")

    def check(self) -> None:
        """Hold that it lives, and that nothing went wrong inside."""
        assert self.process.poll() is None
        assert "Traceback" not in self.log.read_text()

    def end(self) -> None:
        """Interrupt it, as Ctrl+C does, and hold that it went in peace."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@contextmanager
def serving(folder: Path, *flags: str) -> Iterator[Server]:
    """Serve the demo, and hold in the end that nothing went wrong inside."""
    server = Server(folder, *flags)
    try:
        server.wait()
        yield server
        server.check()
    finally:
        server.end()


class Visitor:
    """Somebody with a browser; everything goes through what a person would click or type."""

    def __init__(self, page: Any, url: str, folder: Path) -> None:
        """Open the page; downloads go into `folder`."""
        self.page, self.url, self.folder = page, url, folder
        self.foreign: list[str] = []
        self.failed: list[str] = []
        page.set_default_timeout(PATIENCE * 1000)
        page.on(
            "request", lambda request: None if request.url.startswith((url, "blob:", "data:")) else self._note(request)
        )
        page.on("pageerror", lambda error: self.failed.append(str(error)))
        self.open()

    def _note(self, request: Any) -> None:
        self.foreign.append(request.url)

    def open(self) -> None:
        """Load the page, or load it again."""
        self.page.goto(self.url)
        self.page.wait_for_selector("#create")

    def check(self) -> None:
        """Hold that no script failed, and that nobody else learned that the page was opened."""
        assert self.failed == []
        assert self.foreign == []

    def tab(self, name: str) -> None:
        """Go to a tab."""
        if name in TOOLS:
            self.tab("Tools")
        tab = self.page.get_by_role("tab", name=name, exact=True)
        if tab.is_visible():
            tab.click()
        else:  # on a phone
            self.page.locator(".overflow-menu button").first.click()
            self.page.locator(".overflow-dropdown button", has_text=name).click()

    def set(self, label: str, value: float) -> None:
        """Type a number into the field beside a slider."""
        name = f"number input for {label}"
        field = self.page.get_by_role("spinbutton", name=name, exact=True).locator("visible=true").first
        slider = self.page.get_by_role("slider", name=f"range slider for {label}", exact=True).locator("visible=true")
        for _ in range(20):
            field.fill(f"{value:g}")
            field.press("Tab")
            self.page.wait_for_timeout(200)
            if float(slider.first.input_value()) == value:  # settings that have just unfolded may not listen yet
                return
        raise AssertionError(f"{label} does not become {value:g}")

    def settings(self) -> None:
        """Unfold the settings."""
        self.page.get_by_role("button", name="Expert settings").locator("visible=true").first.click()

    def create(self, prompt: str, *, seconds: float = 1.0, clips: int = 1, wait: bool = True) -> None:
        """Ask for clips on the tab Create, and wait until they are there."""
        self.set("Length (s)", seconds)
        self.set("Takes", clips)
        self.page.fill("#prompt textarea", prompt)
        if wait:
            self.run("create", "create-status", f"{clips} clip{'' if clips == 1 else 's'} in")
        else:
            self.page.click("#create")

    def run(self, button: str, line: str, text: str) -> None:
        """Click on a button, and wait until a line has a text, not counting what it has from before."""
        blank = "name => document.querySelectorAll(name).forEach(span => { span.textContent = ''; })"
        self.page.evaluate(blank, f"#{line} span")
        self.page.click(f"#{button}")
        self.expect(line, text)

    def expect(self, name: str, text: str) -> None:
        """Wait until an element has a text."""
        from playwright.sync_api import expect

        expect(self.page.locator(f"#{name}")).to_contain_text(text, timeout=PATIENCE * 1000)

    def upload(self, name: str, *paths: Path) -> None:
        """Give files to the field of that name."""
        self.page.set_input_files(f"#{name} input[type=file]", [str(path) for path in paths])

    def clear(self, name: str) -> None:
        """Take the file out of a field for sounds or files."""
        field = self.page.locator(f"#{name}")
        field.get_by_label("Clear").or_(field.get_by_label("Remove")).first.click()

    def download(self, button: Any) -> Path:
        """Click on something that downloads, and return the file."""
        with self.page.expect_download() as waiting:
            button.click()
        path = self.folder / f"{len(list(self.folder.iterdir()))}" / waiting.value.suggested_filename
        waiting.value.save_as(path)
        return path

    def clip(self, tab: str, number: int = 1) -> Path:
        """Download a clip from its card."""
        button = self.page.locator(f"#{tab}-download-{number}")
        self.page.wait_for_function(
            "button => !button.disabled && !button.closest('[disabled]')", arg=button.element_handle()
        )
        return self.download(button)

    def complete(self, count: int) -> None:
        """Wait until so many cards are seen, each with its picture, its sound and buttons that are alive."""
        self.page.wait_for_function(_COMPLETE, arg=count, polling=200, timeout=PATIENCE * 1000)

    def told(self) -> str:
        """Return the sentence of the error that pops up, and put it away."""
        toast = self.page.get_by_test_id("toast-text").first
        text = str(toast.text_content())
        self.page.get_by_test_id("toast-close").first.click()
        toast.wait_for(state="detached")
        return text


@contextmanager
def chromium() -> Iterator[Any]:
    """Run the system's Chromium without a window."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE * 1000)  # 5 s are too few where two cores do all the work
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@contextmanager
def visitor(browser: Any, url: str, folder: Path, **context: Any) -> Iterator[Visitor]:
    """Open the page in a browser window of its own, that shares nothing with others."""
    opened = browser.new_context(**{"viewport": DESK, "reduced_motion": "reduce", **context})
    try:
        came = Visitor(opened.new_page(), url, folder)
        yield came
        came.check()
    finally:
        opened.close()


def sound_of(path: Path, seconds: float, rate: int, **wanted: Any) -> tuple[np.ndarray, ProvenanceRecord]:
    """Return the samples (`[n]`, or `[n, 2]` of stereo) and the record of a file, which must be what was asked for.

    Args:
        path: the file.
        seconds: its length (s).
        rate: its sample rate (Hz).
        wanted: fields that its record must have.
    """
    record, info, untouched, _ = look_at(path)
    assert record is not None
    assert info is not None
    assert untouched
    samples, found = soundfile.read(path)
    assert found == rate
    assert abs(len(samples) - seconds * rate) < 0.02 * rate
    assert np.sqrt(np.mean(samples**2)) > 1e-3  # heard
    assert np.abs(samples).max() <= 1.0
    assert record.made_by.endswith("generated by a diffusion model")
    assert {name: getattr(record, name) for name in wanted} == wanted
    return samples, record


def write_tone(path: Path, seconds: float = 2.0, rate: int = MUSIC_RATE) -> Path:
    """Write a gliding tone with overtones."""
    time_axis = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * (150 * time_axis + 40 * np.sin(2 * np.pi * time_axis))
    soundfile.write(path, 0.2 * np.sin(phase) + 0.05 * np.sin(3 * phase) + 0.02 * np.sin(9 * phase), rate)
    return path
