"""What keeps the code in shape: no import circles, files of a size that can be read, one way to do one thing.

Read from the sources alone. The lists of what breaks a rule today may only get shorter.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

from audiodiff.models.kinds import KINDS

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("audiodiff", "recipes", "demo", "benchmarks")

LONGEST_FILE, LONGEST_CLASS = 500, 250
LONG_FILES = {
    "audiodiff/synthesis/generate.py": 533,
    "audiodiff/synthesis/vocode.py": 607,
    "audiodiff/training/loop.py": 504,
    "tests/recipes/test_latent.py": 538,
}
LONG_CLASSES = {
    "audiodiff/models/vocoder/model.py Vocoder": 314,
    "audiodiff/synthesis/generate.py LatentSynthesizer": 403,
    "audiodiff/synthesis/vocode.py VocoderSynthesizer": 331,
}
CIRCLES = {"audiodiff.synthesis.generate", "audiodiff.synthesis.loop", "audiodiff.synthesis.recording"}
CIRCLES |= {"audiodiff.synthesis.reference"}

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


KNOWN_WORDS = {
    "Story": 9,
    "StoryWriter": 4,
    "story_of": 2,
    "Heard": 4,
    "heard_of": 2,
    "Asked": 7,
    "ask": 3,
    "Wanted": 2,
    "Made": 1,
    "Pace": 4,
    "Studio": 22,
    "Places": 8,
    "PlacedDenoise": 4,
    "begun": 4,
    "Turn": 1,
    "around": 9,
    "Player": 8,
    "Quantile": 1,
    "deviation": 3,
    "GenerateReport": 10,
}
"""How many files have them still."""


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def sources(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    assert len(found) > 10
    return found


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(tree: ast.AST, package: Sequence[str], modules: Mapping[str, object]) -> set[str]:
    """Return the modules that a module of `package` imports anywhere, in functions and for types as well.

    `from a import b` is an import of a.b where that is a module, and of a otherwise.
    """
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *([node.module] if node.module else [])))
            found |= {inner if (inner := f"{base}.{alias.name}") in modules else base for alias in node.names}
    return found & modules.keys()


def circles(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """Return the groups of modules that import each other in a circle (Tarjan 1972)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(name: str) -> None:
        number[name] = low[name] = len(number)
        stack.append(name)
        for other in sorted(graph[name]):
            if other not in number:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == number[name]:
            group = set(stack[stack.index(name) :])
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(group)

    for name in sorted(graph):
        if name not in number:
            visit(name)
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_no_modules_import_each_other_in_a_circle(room: str) -> None:
    modules = {module_name(path): path for path in sources(room)}
    graph = {}
    for name, path in modules.items():
        package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
        graph[name] = imports(tree(path), package, modules) - {name}
    assert [group for group in circles(graph) if not group <= CIRCLES] == []


def test_a_circle_is_seen_wherever_the_import_stands() -> None:
    graph = {
        "p.a": imports(ast.parse("def f():\n    from p import b"), ["p"], {"p": 0, "p.a": 0, "p.b": 0, "p.c": 0}),
        "p.b": imports(ast.parse("if TYPE_CHECKING:\n    from .c import C"), ["p"], {"p": 0, "p.b": 0, "p.c": 0}),
        "p.c": imports(ast.parse("import p.a, os"), ["p"], {"p": 0, "p.a": 0, "p.c": 0}),
        "p.d": {"p.a"},
    }
    assert circles(graph) == [{"p.a", "p.b", "p.c"}]
    assert circles({**graph, "p.c": set()}) == []


def test_files_and_classes_can_be_read_in_one_go() -> None:
    files, classes = {}, {}
    for path in sources(*ROOMS, "tests"):
        files[relative(path)] = len(path.read_text("utf-8").splitlines())
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                classes[f"{relative(path)} {node.name}"] = (node.end_lineno or 0) - node.lineno + 1
    assert {name: n for name, n in files.items() if n > LONG_FILES.get(name, LONGEST_FILE)} == {}
    assert {name: n for name, n in classes.items() if n > LONG_CLASSES.get(name, LONGEST_CLASS)} == {}


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


def identifiers(tree: ast.AST) -> set[str]:
    """Return the names that a module gives or uses, arguments and attributes among them."""
    found = set()
    for node in ast.walk(tree):
        for field in ("name", "id", "arg", "attr", "asname"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                found.add(value)
    return found


def test_coined_words_become_fewer() -> None:
    files = {path: identifiers(tree(path)) for path in sources(*ROOMS)}
    counts = {word: sum(word in names for names in files.values()) for word in OLD_WORDS}
    more = {word: n for word, n in counts.items() if n > KNOWN_WORDS.get(word, 0)}
    assert not more, "; ".join(f"{word}: say {OLD_WORDS[word]}" for word in more)
