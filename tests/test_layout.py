"""What keeps the code in shape: files of a size that can be read, one way to do one thing, the words of the field.

Read from the sources alone. The lists of what breaks a rule today may only get shorter.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from audiodiff.models.kinds import KINDS

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("audiodiff", "recipes", "demo", "benchmarks")

LONGEST_FILE, LONGEST_CLASS = 500, 250
OLD_WORDS = {
    "Story": "ProvenanceRecord",
    "StoryWriter": "TaggedAudioWriter",
    "story_of": "make_record",
    "Heard": "ReferenceLatents",
    "heard_of": "encode_reference",
    "Asked": "PromptConditions, or ClipRequest in the demo",
    "ask": "encode_prompt",
    "Wanted": "ClipJob",
    "Made": "ClipResult",
    "Pace": "ProgressReporter",
    "Studio": "AppState",
    "Places": "PositionConditions",
    "PlacedDenoise": "ConditionedDenoise",
    "begun": "init_state",
    "Turn": "CircularPadding",
    "around": "pad_circle",
    "Player": "ModelAndLoss",
    "Quantile": "TimeSampler",
    "deviation": "std",
    "GenerateReport": "ClipReport",
}
"""Words that were coined here -> those of the field (the glossary of CONTRIBUTING.md)."""


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def sources(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    assert len(found) > 10
    return found


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_files_and_classes_can_be_read_in_one_go() -> None:
    files, classes = {}, {}
    for path in sources(*ROOMS, "tests"):
        files[relative(path)] = len(path.read_text("utf-8").splitlines())
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                classes[f"{relative(path)} {node.name}"] = (node.end_lineno or 0) - node.lineno + 1
    assert {name: n for name, n in files.items() if n > LONGEST_FILE} == {}
    assert {name: n for name, n in classes.items() if n > LONGEST_CLASS} == {}


def renames(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that put a file in the place of another."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in {"os", "shutil"}:
            yield from (node.lineno for alias in node.names if alias.name in {"replace", "rename", "move"})
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.replace", "os.rename", "shutil.move"}:
            yield node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            # str.replace takes two arguments, dataclasses.replace keywords.
            alone = len(node.args) == 1 and not node.keywords
            if alone and node.func.attr in {"replace", "rename"}:
                yield node.lineno


def test_files_are_replaced_in_one_place() -> None:
    found = [f"{relative(path)}:{line}" for path in sources(*ROOMS) for line in renames(tree(path))]
    assert {place.partition(":")[0] for place in found} == {"audiodiff/atomic.py"}, found


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("os.replace(a, b)", 1),
        ("from os import replace", 1),
        ("temporary.replace(path)", 1),
        ("temporary.rename(path)", 1),
        ("text.replace('a', 'b'); dataclasses.replace(config, steps=2); time.replace(hour=3)", 0),
    ],
)
def test_every_way_to_replace_a_file_is_seen(source: str, count: int) -> None:
    assert len(list(renames(ast.parse(source)))) == count


def test_nothing_asks_for_a_kind_by_name() -> None:
    """What differs between kinds stands in `KINDS`."""
    found = [
        f"{relative(path)}:{node.lineno}"
        for path in sources("audiodiff", "recipes", "demo")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Compare)
        and any(isinstance(value, ast.Constant) and value.value in KINDS.own for value in ast.walk(node))
    ]
    assert found == []


def test_how_to_sample_is_declared_once() -> None:
    """In `Sampling` and `Resolved`, and as the arguments of the doors that take plain values."""
    found = {
        node.name
        for path in sources("audiodiff", "recipes", "demo")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef)
        and {"steps", "sampler"} <= {ast.unparse(part.target) for part in node.body if isinstance(part, ast.AnnAssign)}
    }
    assert found - {"ClipOptions", "SpeakOptions", "Asked", "ClipRequest"} == {"Sampling", "Resolved"}


def identifiers(tree: ast.AST) -> set[str]:
    """Return the names that a module gives or uses, arguments and attributes among them."""
    found = set()
    for node in ast.walk(tree):
        for field in ("name", "id", "arg", "attr", "asname"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                found.add(value)
    return found


def test_coined_words_do_not_come_back() -> None:
    found = {(word, relative(path)) for path in sources(*ROOMS) for word in identifiers(tree(path)) & OLD_WORDS.keys()}
    assert not found, "; ".join(f"{place} says {word}: say {OLD_WORDS[word]}" for word, place in sorted(found))
