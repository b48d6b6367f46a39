from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from audiodiff.errors import AudiodiffError
from audiodiff_recipes.settings import attribute_docs, differences, explain, pairs, read_table, resolve, with_changes
from tests.refusals import refused


@dataclass(frozen=True)
class Inner:
    width: int = 3
    rate: float = 0.5
    name: str = "a"


@dataclass(frozen=True)
class Outer:
    left: Inner = field(default_factory=Inner)
    right: Inner = field(default_factory=Inner)
    betas: tuple[float, float] = (0.9, 0.99)
    kind: Literal["x", "y"] = "x"
    fast: bool = False
    limit: float | None = None
    process: dict[str, Any] = field(default_factory=dict)
    depth: int = 1


BASE: dict[str, Any] = {
    "left": {"width": 3, "rate": 0.5, "name": "a"},
    "right": {"width": 3, "rate": 0.5, "name": "a"},
    "betas": [0.9, 0.99],
    "kind": "x",
    "fast": False,
    "limit": None,
    "process": {"name": "flow", "shift": 2},
    "depth": 1,
}


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("left.width", "7", 7),
        ("left.rate", "1e-4", 1e-4),
        ("left.rate", "2", 2.0),
        ("left.name", "7", "7"),
        ("betas", "0.8,0.9", [0.8, 0.9]),
        ("betas", "[0.8, 0.9]", [0.8, 0.9]),
        ("kind", "y", "y"),
        ("fast", "true", True),
        ("limit", "3.5", 3.5),
        ("limit", "none", None),
        ("process", '{"name": "cosine"}', {"name": "cosine"}),
    ],
)
def test_text_is_read_as_the_type_of_the_setting(key: str, text: str, expected: object) -> None:
    values: Any = with_changes(Outer, BASE, {key: text})
    for part in key.split("."):
        values = values[part]
    assert values == expected
    assert type(values) is type(expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lft.width": "7"}, r"left\.width"),
        ({"dpeth": "7"}, "depth"),
        ({"width": "7"}, r"left\.width or right\.width"),
        ({"left.width": "7.5"}, "whole number"),
        ({"left.rate": "fast"}, "a number"),
        ({"fast": "maybe"}, "true or false"),
        ({"betas": "a,b"}, "commas"),
        ({"left": {"wdith": 3}}, "wdith"),
    ],
)
def test_mistakes_are_named(changes: dict[str, Any], message: str) -> None:
    refused(message, lambda: with_changes(Outer, BASE, changes))


def test_short_keys_tables_and_dashes() -> None:
    assert resolve(Outer, "depth")[0] == "depth"
    changed = with_changes(Outer, BASE, {"right": {"width": 9, "rate": "1e-3"}, "left.name": "b"})
    assert changed["right"] == {"width": 9, "rate": 1e-3, "name": "a"}
    assert changed["left"]["name"] == "b"
    assert BASE["right"]["width"] == 3  # the base is left alone


def test_pairs() -> None:
    assert pairs(["--a", "1", "--b.c=2", "--gain", "-9,3"]) == {"a": "1", "b.c": "2", "gain": "-9,3"}
    for words, message in ((["a", "1"], "--key value"), (["--a"], "no value"), (["--a", "--b", "1"], "no value")):
        with pytest.raises(AudiodiffError, match=message):
            pairs(words)
    refused("twice", lambda: pairs(["--a", "1", "--a=2"]))


def test_read_table(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("preset: speech\ntrain:\n  steps: 100\n  learning_rate: 1e-4\n")
    assert read_table(file)["train"] == {"steps": 100, "learning_rate": "1e-4"}  # YAML 1.1; typed later
    file.write_text("[1, 2]")
    refused("table", lambda: read_table(file))
    file.write_text("a: [")
    refused("YAML", lambda: read_table(file))
    refused("cannot be read", lambda: read_table(tmp_path / "none.yaml"))


def test_differences() -> None:
    changed = with_changes(Outer, BASE, {"left.width": "4"})
    assert differences(BASE, changed) == [("left.width", 3, 4)]
    assert differences({"a": 1}, {"b": 2}) == [("a", 1, None), ("b", None, 2)]


def test_docstrings_explain_settings() -> None:
    @dataclass(frozen=True)
    class Told:
        """One line.

        More: of it.

        Attributes:
            width, height: of the picture,
                in pixels: at least 1.
            name: what it is called.

        Raises:
            AudiodiffError: never.
        """

        width: int = 1
        height: int = 2
        name: str = ""

    size = "of the picture, in pixels: at least 1."
    assert attribute_docs(Told) == {"width": size, "height": size, "name": "what it is called."}
    assert attribute_docs(Inner) == {}
    explained = list(explain(Outer, BASE))
    assert ("left.width", 3, "") in explained
    assert [key for key, _, _ in explained].count("left") == 0


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join(7 * [f'*{old}'])}]\n" for old, new in zip("abcdefghi", "bcdefghij", strict=True)
)
"""Ten lines of YAML that stand for 360 million values."""


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]",
        "train: {steps: 2001-01-01}",
        "a: !!binary aGk=",
        "a: !!set {x, y}",
        "? [1, 2]\n: 3",
        "train: {steps: 9" + "9" * 5_000 + "}",
        "train: {steps: 123456789012345678901234567890}",
        "a: " + "[" * 5_000,
        '{"a": ' + "[" * 100_000,
        '{"a": 1, "a": 2}',
        "!!python/object/apply:os.system ['true']",
        LAUGHS,
        "a: 1\0",
        "x" * 300_000,
        "",
    ],
)
def test_files_that_are_no_plain_table_are_one_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(AudiodiffError, match=r"run\.yaml") as caught:
        read_table(file)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"left": 3}, "left is '3'; expected a table"),
        ({"left": None}, "left is 'None'; expected a table"),
        ({"left": [1]}, "expected a table"),
        ({"left": "preset", "left.width": "3"}, "left is 'preset'; expected a table of its settings"),
        ({1: 2}, "the name of a setting is text"),
        ({"left": {None: 2}}, "expected a table of its settings"),
        ({"depth": "9" * 5_000}, "depth is '9999"),
        ({"process": "[" * 100_000}, "expected a JSON value"),
    ],
)
def test_changes_of_another_shape_are_one_sentence(changes: dict[Any, Any], words: str) -> None:
    with pytest.raises(AudiodiffError, match=words) as caught:
        with_changes(Outer, BASE, changes)
    assert len(str(caught.value)) < 300
