"""Everything that is needed is in the distribution, and nothing under a name that would get into anybody's way."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


RENAMED = {"audiodiff_demo": "demo", "audiodiff_recipes": "recipes"}
"""Packages that are installed under another name than their folder's."""


def test_every_package_is_installed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {"audiodiff": "audiodiff", **RENAMED}
    inside = {
        ".".join((name, *path.parent.relative_to(ROOT / folder).parts))
        for name, folder in folders.items()
        for path in (ROOT / folder).rglob("__init__.py")
    }
    assert len(inside) > 10
    assert set(settings["packages"]) == inside
    assert settings["package-dir"] == RENAMED


def test_registered_commands_are_there() -> None:
    commands = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["audiodiff.commands"]
    assert {"adapt", "compress", "train", "encode", "add-stereo", "caption", "demo"} == commands.keys()
    for module in commands.values():
        package, _, rest = module.partition(".")
        text = (ROOT / RENAMED[package] / f"{rest.replace('.', '/')}.py").read_text("utf-8")
        assert "def add_parser(" in text
        assert "def run(" in text


def test_models_and_recordings_are_installed() -> None:
    package = ROOT / "audiodiff"
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["audiodiff"]
    taken = {path for pattern in patterns for path in package.glob(pattern) if path.is_file()}
    there = {path for folder in ("pretrained", "assets") for path in (package / folder).rglob("*") if path.is_file()}
    assert there
    assert there - taken == set()


def test_scripts_and_styles_of_the_page_are_installed() -> None:
    package = ROOT / "demo"
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"][
        "audiodiff_demo"
    ]
    taken = {path for pattern in patterns for path in package.glob(pattern) if path.is_file()}
    there = {path for path in (package / "static").rglob("*") if path.is_file()}
    assert there
    assert there - taken == set()


@pytest.mark.parametrize("folder", RENAMED.values())
def test_modules_find_each_other_under_either_name(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        assert not re.search(rf"^\s*(from|import) (audiodiff_)?{folder}\b", path.read_text("utf-8"), re.MULTILINE), path
