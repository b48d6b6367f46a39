"""Without any extra: the commands that make sound need nothing but the base dependencies, and no network."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def distribution(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found is not None
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def closure(requirements: list[str]) -> set[str]:
    """Distributions that are installed with these."""
    known: set[str] = set()
    left = [distribution(each) for each in requirements]
    while left:
        name = left.pop()
        if name in known:
            continue
        known.add(name)
        try:
            asked = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:  # for another system
            continue
        left += [distribution(each) for each in asked if "extra ==" not in each]
    return known


def test_base_dependencies_are_few() -> None:
    base = closure(PROJECT["dependencies"])
    assert {"torch", "tokenizers"} <= base
    heavy = {"transformers", "sentence-transformers", "scikit-learn", "scipy", "librosa", "numba", "llvmlite"}
    assert not base & {*heavy, "torchaudio", "gradio", "accelerate", "matplotlib"}
    assert PROJECT["optional-dependencies"]["music"] == []


PROBE = """
import contextlib, importlib.metadata, re, socket, sys

allowed = {allowed!r}
owners = importlib.metadata.packages_distributions()
refused = {{
    module for module, names in owners.items()
    if not {{re.sub("[-_.]+", "-", name).lower() for name in names}} & {{*allowed, "audiodiff-synth"}}
}}

class Refuse:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in refused:
            raise ModuleNotFoundError(name + " is not in the base install", name=name)

def offline(*args, **kwargs):
    raise OSError("no network")

sys.meta_path.insert(0, Refuse)
socket.socket.connect = socket.getaddrinfo = offline
assert {{"librosa", "torchaudio"}} & refused, refused
from audiodiff.cli.main import main
for words in {commands!r}:
    assert main(words) == 0, words
"""


@pytest.mark.slow
def test_sound_is_made_without_any_extra(tmp_path: Path) -> None:
    pytest.importorskip("librosa", reason="needs something to hide")
    commands = [
        ["generate", "solo piano, slow, minor key", "-o", "clip.wav", "--seconds", "1", "--steps", "1"],
        ["vary", "clip.wav", "-o", "other.wav", "--steps", "2"],
        ["vocode", "--example", "-o", "out.wav", "--steps", "1"],
        ["speak", "Hello, world.", "-o", "hello.wav", "--steps", "1"],
        ["replay", "clip.wav", "-o", "again.wav"],
    ]
    probe = PROBE.format(allowed=sorted(closure(PROJECT["dependencies"])), commands=commands)
    subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, check=True, timeout=600)
    assert (tmp_path / "clip.wav").read_bytes() == (tmp_path / "again.wav").read_bytes()
