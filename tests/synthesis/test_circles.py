"""No module of this room imports one that imports it, over however many others; imports inside functions count."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

ROOM = Path(__file__).resolve().parents[2] / "audiodiff" / "synthesis"


def imports(path: Path) -> set[str]:
    """Modules of the room that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("audiodiff.synthesis"):
            base = node.module.removeprefix("audiodiff.synthesis").lstrip(".")
            found |= {".".join(filter(None, (base, alias.name))) for alias in node.names} | {base}
    return found


def test_no_circles() -> None:
    names = {path: ".".join(path.relative_to(ROOM).with_suffix("").parts) for path in ROOM.rglob("*.py")}
    names = {path: name.removesuffix("__init__").rstrip(".") for path, name in names.items()}
    graph = {name: imports(path) & {*names.values()} - {""} for path, name in names.items()}
    assert graph["verbs.vary"] >= {"latent", "whole"}
    assert len([*TopologicalSorter(graph).static_order()]) >= 25
