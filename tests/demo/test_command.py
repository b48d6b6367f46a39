import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from audiodiff.cli.main import main
from audiodiff_demo import command as demo

ROOT = Path(__file__).resolve().parents[2]


class Outcome(NamedTuple):
    """What a command line did."""

    status: int
    err: str


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command line in this process."""

    def run(*arguments: object) -> Outcome:
        status = main([str(argument) for argument in arguments])
        return Outcome(status, capsys.readouterr().err)

    return run


class Recorder:
    """Stands for the server's module and notes what it was told."""

    def __init__(self) -> None:
        self.told: dict[str, Any] = {}

    Place = SimpleNamespace

    def read_auth(self, text: str | None) -> str | None:
        return text

    def limits_of(self, values: dict[str, Any]) -> dict[str, Any]:
        return values

    def serve(self, **told: Any) -> None:
        self.told = told


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(demo, "server_module", lambda: recorder)
    monkeypatch.setattr(demo, "find_spec", lambda name: object())
    monkeypatch.delenv(demo.AUTH, raising=False)
    return recorder


def test_flags_reach_the_server(command, server) -> None:
    done = command(
        "demo", "--model", "m", "--vocoder", "v", "--upsampler", "u", "--host", "0.0.0.0", "--port", 8000,
        "--share", "--auth", "ann:x", "--allow-host", "a.example",
        "--adapter", "a:0.5", "--adapter", "b",
        "--prompts", "p.json", "--max-seconds", 5, "--max-steps", 9, "--keep-minutes", 2,
    )  # fmt: skip
    assert (done.status, done.err) == (0, "")
    told = server.told
    assert (told["model"], told["vocoder"], told["upsampler"]) == ("m", "v", "u")
    assert told["adapters"] == ("a:0.5", "b")
    assert (told["device"], told["prompts"]) == ("auto", Path("p.json"))
    assert told["place"] == SimpleNamespace(host="0.0.0.0", port=8000, auth="ann:x", share=True, names=("a.example",))
    given = {name: value for name, value in told["limits"].items() if value is not None}
    assert given == {"seconds": 5.0, "steps": 9, "keep_minutes": 2.0}


def test_without_flags_nobody_else_can_reach_it(command, server) -> None:
    assert command("demo").status == 0
    assert server.told["place"] == SimpleNamespace(host="127.0.0.1", port=None, auth=None, share=False, names=())
    assert set(server.told["limits"].values()) == {None}
    assert "adapters" not in server.told


def test_a_password_may_come_from_the_environment(command, server, monkeypatch) -> None:
    monkeypatch.setenv(demo.AUTH, "ann:hidden")
    assert command("demo").status == 0
    assert server.told["place"].auth == "ann:hidden"


def test_a_bad_port_and_a_missing_gradio_get_a_sentence(command, server, monkeypatch) -> None:
    assert "expected 1 to 65535" in command("demo", "--port", 0).err
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    done = command("demo")
    assert done.status == 2
    assert "audiodiff-synth[demo]" in done.err


def test_python_dash_m_demo_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert "audiodiff demo" in done.stdout
