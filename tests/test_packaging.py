"""Everything that is needed is in the distribution, and nothing under a name that would get into anybody's way."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_every_package_is_installed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    inside = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "audiodiff").rglob("__init__.py")}
    assert len(inside) > 10
    assert set(settings["packages"]) == inside | {"audiodiff_demo"}
    assert settings["package-dir"] == {"audiodiff_demo": "demo"}


def test_models_and_recordings_are_installed() -> None:
    package = ROOT / "audiodiff"
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["audiodiff"]
    taken = {path for pattern in patterns for path in package.glob(pattern) if path.is_file()}
    there = {path for folder in ("pretrained", "assets") for path in (package / folder).rglob("*") if path.is_file()}
    assert there
    assert there - taken == set()


def test_modules_of_the_demo_find_each_other_under_either_name() -> None:
    for path in (ROOT / "demo").glob("*.py"):
        text = path.read_text("utf-8")
        assert "from demo" not in text, path
        assert "import demo" not in text, path
