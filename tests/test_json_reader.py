import json
from pathlib import Path

import pytest

from audiodiff import json_reader
from audiodiff.errors import AudiodiffError
from audiodiff.json_reader import MAX_DEPTH, check_nesting, json_bytes, parse_json, read_json, read_json_table, take
from tests.refusals import refused


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe{\0}\0", "not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b"[" * 100_000 + b"]" * 100_000, "inside each other"),
        (b'{"a":' * 100_000, "inside each other"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "inside each other"),
        (b"9" * 5_000, "more than 64 bits"),
        (b'{"seed": -99999999999999999999}', "more than 64 bits"),
        (b'{"a": 1, "b": 2, "a": 1}', 'the key "a" stands twice'),
    ],
)
def test_what_is_no_plain_json_is_refused_in_one_sentence(content: bytes, words: str) -> None:
    with pytest.raises(AudiodiffError, match=f"^x is damaged: .*{words}") as caught:
        parse_json(content, "x")
    assert len(str(caught.value)) < 200


def test_what_is_json_is_read() -> None:
    values = {"a": [1, 2.5, None, True, "é\n"], "b": {"seed": 2**64 - 1, "never": float("inf")}}
    assert parse_json(json.dumps(values), "x") == values
    assert parse_json(b"\xef\xbb\xbf" + json.dumps(values).encode(), "x") == values  # as some editors write it
    assert parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH, "x")


def test_large_files_are_refused_before_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_reader, "MAX_BYTES", 1000)
    monkeypatch.setattr(json_reader, "_MAX_PARTS", 100)
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(1 << 40)
    refused("larger than", lambda: read_json(huge))
    refused("100 lists and tables", lambda: parse_json("[" + ",".join(["[]"] * 100) + "]", "x"))


def test_aliases_count_as_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    value: list[object] = ["laugh"]
    for _ in range(30):
        value = [value] * 9
    refused("lists and tables", lambda: check_nesting(value, "x"))
    value.append(value)
    refused("lists", lambda: check_nesting(value, "x"))


def test_files_that_are_not_there_or_hold_no_table_are_named(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_text("[1]")
    assert read_json(path) == [1]
    refused(r"list\.json is not a table", lambda: read_json_table(path))
    for absent in (tmp_path / "absent.json", tmp_path, tmp_path / "a\0b"):
        with pytest.raises(AudiodiffError, match="cannot be read"):
            read_json(absent)


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (None, str, "expected text"),
        (3, str, "expected text"),
        (True, int, "expected a whole number"),
        (3.0, int, "expected a whole number"),
        (float("inf"), float, "expected a number"),
        (float("nan"), float, "expected a number"),
        ("3", float, "expected a number"),
        ({}, list, "expected a list"),
        ([], dict, "expected a table"),
        (1, bool, "expected true or false"),
    ],
)
def test_values_of_another_type_are_refused(value: object, kind: type, words: str) -> None:
    refused(f'^x: "a" is .*{words}', lambda: take({"a": value}, "a", kind, "x"))


def test_half_characters_survive() -> None:
    values = {"name": "caf\udce9", "text": "日本"}
    assert parse_json(json_bytes(values), "x") == values
    assert "日本".encode() in json_bytes({"text": "日本"}, indent=2)


def test_values_of_the_type_and_defaults() -> None:
    assert take({"a": 3}, "a", float, "x") == 3.0
    assert take({}, "a", str, "x", "none") == "none"
    refused('"a" is missing', lambda: take({}, "a", int, "x"))
