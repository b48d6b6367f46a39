"""The page of `docs/browser` in the system's Chromium, its files served from loopback.

Needs onnxruntime-web in `docs/browser/ort` (`docs/browser/prepare.sh`), and is skipped without it.
"""

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiodiff.exporting.export import export_onnx
from audiodiff.models.checkpoint import save_checkpoint
from audiodiff.models.vocoder import PriorConfig
from audiodiff.runtime import load
from audiodiff.runtime.vocoder import Vocoder
from tests.cli.conftest import RATE, voice
from tests.demo import browsing
from tests.models.vocoder.cases import MATCHED, make

browsing.need_browser()
PAGE = Path(__file__).resolve().parents[2] / "docs" / "browser"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (PAGE / "ort" / "ort.wasm.min.mjs").is_file(),
        reason="needs onnxruntime-web from npm, which docs/browser/prepare.sh fetches",
    ),
]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = {  # noqa: RUF012
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Vocoder]]:
    """Address of the page with a tiny model, and the same model in Python."""
    root = tmp_path_factory.mktemp("site")
    shutil.copytree(PAGE, root / "page", ignore=shutil.ignore_patterns("model"))
    sampling = {"steps": 3, "sampler": "consistency", "grid": "late"}
    model = make(MATCHED)
    prior = PriorConfig("shaped", projections=2, half_projections=2, renewals=1)
    save_checkpoint(root / "model", model.with_prior(prior), {"sampling": sampling, "reference_level_db": -22.0})
    export_onnx(root / "model", root / "page" / "model")
    handler = functools.partial(_Quiet, directory=root / "page")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ours = load(root / "page" / "model")
        assert isinstance(ours, Vocoder)
        yield f"http://127.0.0.1:{server.server_port}/index.html", ours
        server.shutdown()


@pytest.fixture(scope="module")
def page(site: tuple[str, Vocoder]) -> Iterator[Any]:
    with browsing.chromium() as browser:
        tab = browser.new_page()
        tab.goto(site[0])
        tab.wait_for_function("document.getElementById('status').textContent !== 'Loading the model ...'")
        assert tab.text_content("#status") == "Ready."
        yield tab


def test_the_browser_makes_the_samples_of_the_runtime(site: tuple[str, Vocoder], page: Any) -> None:
    samples = voice(0.4)
    expected = site[1].vocode(samples, RATE, seed=7)
    made = page.evaluate(
        "async (x) => Array.from(await window.vocoder.vocode(Float32Array.from(x), {seed: 7}))", samples.tolist()
    )
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(np.array(made), expected, rtol=0, atol=1e-4)


def test_a_visitor_vocodes_a_recording(page: Any, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", voice(0.5), RATE)
    page.set_input_files("#file", str(tmp_path / "in.wav"))
    page.select_option("#steps", "2")
    page.click("#start")
    page.wait_for_function("document.getElementById('status').textContent.includes('s of sound in')")
    assert page.is_visible("#player")
    assert page.evaluate(
        "new Promise((done) => {const p = document.getElementById('player');"
        "if (p.readyState) done(p.duration); else p.onloadedmetadata = () => done(p.duration);})"
    ) == pytest.approx(0.5, abs=0.01)


def test_what_is_no_recording_is_said(page: Any, tmp_path: Path) -> None:
    (tmp_path / "in.wav").write_text("no sound")
    page.set_input_files("#file", str(tmp_path / "in.wav"))
    page.click("#start")
    page.wait_for_function("document.getElementById('status').textContent.includes('not a recording')")
