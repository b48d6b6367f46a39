"""Imports inside the package only go down, and rooms on one floor do not know each other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "audiodiff"

FLOORS = {
    "atomic": 0,
    "errors": 0,
    "bounds": 0,
    "json_reader": 0,
    "plugins": 0,
    "printable": 0,
    "torch_state": 0,
    "_torchaudio": 0,
    "_version": 0,
    "__main__": 6,
    "diffusion": 1,
    "signal": 1,
    "composer": 1,
    "nn": 1,
    "text": 1,
    "models": 2,
    "data": 2,
    "metrics": 2,
    "training": 2,
    "runtime": 2,
    "synthesis": 3,
    "exporting": 4,
    "evaluation": 4,
    "cli": 5,
}
"""Every room of the package and its floor; data folders (`pretrained`, `assets`) hold no code."""

ABOVE = ("recipes", "demo", "benchmarks", "tests", "audiodiff_recipes", "audiodiff_demo")
"""Packages that stand on this one, which must not know them; `recipes` and `demo` register their commands."""

FORBIDDEN = {("training", "models"), ("training", "data")}
"""Downward imports that are refused all the same: training is handed its model and its data."""


def imported_rooms(source: str, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Yield (line, room) for everything that a module of `package` imports from audiodiff."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *([node.module] if node.module else [])))
            names = [module] if module != "audiodiff" else [f"audiodiff.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "audiodiff":
                yield node.lineno, parts[1] if len(parts) > 1 else ""
            elif parts[0] in ABOVE:
                yield node.lineno, parts[0]


def violations(source: str, relative: Path) -> list[str]:
    """Return one line for each import in `source`, the module at `relative`, that breaks the rule."""
    room = relative.parts[0].removesuffix(".py")
    if room == "__init__":
        return []  # the front door: it may name any room, lazily (tests/test_import_cost.py)
    found = []
    for line, target in imported_rooms(source, ("audiodiff", *relative.parts[:-1])):
        if target in {"", "__version__", "AudiodiffError"} or target == room:
            continue
        if target in ABOVE:
            found.append(f"{relative}:{line} imports {target}, which stands on this package")
        elif target not in FLOORS:
            found.append(f"{relative}:{line} imports audiodiff.{target}, which is on no floor")
        elif FLOORS[target] >= max(FLOORS[room], 1):
            found.append(f"{relative}:{line} ({room}, floor {FLOORS[room]}) imports {target} on floor {FLOORS[target]}")
        elif (room, target) in FORBIDDEN:
            found.append(f"{relative}:{line} {room} takes {target} as arguments and must not import it")
    return found


def test_every_room_has_a_floor() -> None:
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")}
    assert rooms - {"__init__"} <= FLOORS.keys()


def test_recipes_and_demo_are_not_named_in_the_package() -> None:
    """Neither are they loaded by a name or a path: they register their commands."""
    for path in sorted(PACKAGE.rglob("*.py")):
        assert not re.search(r"audiodiff_(recipes|demo)\b", path.read_text("utf-8")), path


def test_imports_only_go_down() -> None:
    modules = sorted(PACKAGE.rglob("*.py"))
    assert len(modules) > 10
    found = [line for path in modules for line in violations(path.read_text("utf-8"), path.relative_to(PACKAGE))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("diffusion/samplers.py", "from audiodiff.signal import mel"),
        ("diffusion/samplers.py", "from audiodiff import nn"),
        ("nn/wavenet.py", "import audiodiff.models.vocoder"),
        ("models/vocoder.py", "def f():\n    from audiodiff.data.dataset import AudioDataset"),
        ("models/vocoder.py", "from ..metrics import spectral"),
        ("training/loop.py", "from audiodiff.models.vocoder import Vocoder"),
        ("errors.py", "from audiodiff.cli import main"),
        ("_torchaudio.py", "from audiodiff.signal import mel"),
        ("signal/mel.py", "import audiodiff.attic"),
        ("cli/main.py", "from audiodiff_recipes import vocoder"),
        ("cli/main.py", "def f():\n    import demo.serve"),
    ],
)
def test_the_rule_sees_a_broken_import(module: str, source: str) -> None:
    assert len(violations(source, Path(module))) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "models/vocoder.py",
            "from audiodiff.diffusion.process import Process\nfrom audiodiff.errors import E",
        ),
        ("synthesis/vocode.py", "from audiodiff.models import checkpoint"),
        ("signal/mel.py", "from . import frames\nfrom .resample import resample"),
        ("cli/main.py", "from audiodiff import __version__\nimport torch"),
    ],
)
def test_the_rule_lets_a_sound_import_pass(module: str, source: str) -> None:
    assert violations(source, Path(module)) == []
