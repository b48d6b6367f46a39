"""No module needs, by whatever way round, itself: imports inside functions and for the type checker count."""

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def imports(package: Path) -> dict[str, set[str]]:
    """The modules of a package, and which of the others each of them imports."""
    trees = {
        ".".join((package.name, *path.relative_to(package).with_suffix("").parts)): ast.parse(path.read_text("utf-8"))
        for path in package.rglob("*.py")
    }
    found: dict[str, set[str]] = {}
    for module, tree in trees.items():
        names: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                base = module.split(".")[: -node.level] if node.level else []
                source = ".".join([*base, *([node.module] if node.module else [])])
                # a name may be a module; what comes out of `__init__` is not followed
                names |= {source, *(f"{source}.{alias.name}" for alias in node.names)}
        found[module] = (names & trees.keys()) - {module}
    return found


def circular(graph: Mapping[str, set[str]]) -> list[str]:
    """The modules that are left when those that need, or are needed by, none of the others are taken away."""
    left = dict(graph)
    while True:
        needed = set().union(*left.values())
        free = [module for module, needs in left.items() if not needs & left.keys() or module not in needed]
        if not free:
            return sorted(left)
        for module in free:
            del left[module]


@pytest.mark.parametrize("folder", ["audiodiff", "recipes", "demo", "benchmarks"])
def test_there_are_no_circles(folder: str) -> None:
    graph = imports(ROOT / folder)
    assert len(graph) > 10
    assert any(graph.values())
    assert circular(graph) == []


def test_a_circle_is_seen(tmp_path: Path) -> None:
    package = tmp_path / "room"
    (package / "inner").mkdir(parents=True)
    (package / "a.py").write_text("def f():\n    from .inner import b\n")
    (package / "inner" / "b.py").write_text("from ..c import something\n")
    (package / "c.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import room.a\n")
    (package / "d.py").write_text("import json\n")
    (package / "e.py").write_text("from .a import f\n")
    assert circular(imports(package)) == ["room.a", "room.c", "room.inner.b"]
    (package / "c.py").write_text("from . import d\n")
    assert circular(imports(package)) == []
