import dataclasses
import json

import numpy as np
import pytest

from audiodiff.data.shards.format import (
    ShardEntry,
    array_bytes,
    array_from,
    index_from_json,
    index_to_json,
    record_from,
    table_from_json,
    table_to_json,
)
from audiodiff.errors import AudiodiffError
from tests.data.latents import INDEX
from tests.refusals import refused


def test_the_index_survives_json():
    shards = [ShardEntry("shard-000000.tar", 3, 10240), ShardEntry("shard-000001.tar", 1, 20480)]
    text = index_to_json(INDEX, shards, 12.5)
    assert index_from_json(text.encode(), "here") == (INDEX, shards)
    values = json.loads(text)
    assert (values["clips"], values["seconds"], values["metadata"]) == (4, 12.5, {"corpus": "tests"})
    assert list(index_from_json(text.encode(), "here")[0].classes) == ["genre", "key"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "vocoder"}, "not an index"),
        ({"format": 2}, "shard format 2"),
        ({"format": [1]}, "shard format"),
        ({"channels": None}, '"channels" is None; expected a whole number'),
        ({"channels": True}, '"channels" is True; expected a whole number'),
        ({"channels": 0}, "channels is 0; expected 1 to"),
        ({"channels": 10**12}, "channels is 1000000000000; expected 1 to"),
        ({"latent_rate": float("inf")}, '"latent_rate" is inf; expected a number'),
        ({"numbers": "tempo"}, "'tempo'; expected a list"),
        ({"numbers": [None]}, "no list of texts"),
        ({"classes": []}, "expected a table"),
        ({"classes": {"key": 3}}, "is 3; expected a list"),
        ({"metadata": None}, "expected a table"),
        ({"shards": None}, "expected a list"),
        ({"shards": ["a"]}, r"shards\[0\] is no table"),
        ({"shards": [{"name": "a"}]}, '"clips" is missing; expected a whole number'),
        ({"shards": [{"name": None, "clips": 1, "bytes": 1}]}, '"name" is None; expected text'),
        ({"shards": [{"name": "a", "clips": 1, "bytes": -1}]}, "0 or more"),
    ],
)
def test_a_foreign_index_is_refused(change, words):
    values = json.loads(index_to_json(INDEX, [], 0.0)) | change
    refused(words, lambda: index_from_json(json.dumps(values).encode(), "here"))
    for content in (b"{", b"[]", b"{}", b"\xff", b"[" * 100_000):
        with pytest.raises(AudiodiffError, match=r"^here "):
            index_from_json(content, "here")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"text_width": 0}, "text_width is 0"),
        ({"latent_rate": float("nan")}, "latent_rate is nan"),
        ({"numbers": ("a", "a")}, "numbers twice"),
        ({"classes": {"genre": ("a", "b", "a")}}, "genre twice"),
    ],
)
def test_an_index_is_checked(change, words):
    refused(words, lambda: dataclasses.replace(INDEX, **change))


def test_columns_of_a_clip():
    numbers, classes = INDEX.row({"seconds": 2}, {"key": "D", "genre": ""})
    assert np.isnan(numbers[0])
    assert numbers[1] == 2.0
    assert classes == [0, 2]
    for strange in (({"bpm": 1.0}, {}), ({}, {"mood": "sad"}), ({}, {"genre": "polka"})):
        with pytest.raises(AudiodiffError, match=r"'(bpm|mood|polka)' is not in the shard index"):
            INDEX.row(*strange)


def test_arrays_survive():
    array = np.arange(6, dtype=np.float16).reshape(2, 3)
    assert np.array_equal(array_from(array_bytes(array), 2, 3, "x"), array)
    assert np.array_equal(array_from(array_bytes(array.T), None, 2, "x"), array.T)
    assert array_bytes(array) == array_bytes(np.array(array))
    assert array_from(array_bytes(array.astype(np.float32)), 2, 3, "x").dtype == np.float16


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        array_bytes(np.zeros((2, 3), np.float16))[:-1],
        array_bytes(np.zeros((3, 2), np.float16)),
        array_bytes(np.zeros(6, np.float16)),
        array_bytes(np.zeros((2, 3), np.int16)),
        *(
            array_bytes(np.zeros((2, 3), np.float16)).replace(b"(2, 3), }" + b" " * 14, shape.ljust(23))
            for shape in (b"(2, 10**22), }", b"(2, -3), }", b"(900000000000, 3), }", b"(99999999999999999), }")
        ),
        array_bytes(np.zeros((2, 3), np.float16)).replace(b"'<f2'", b"'<M8'"),
    ],
)
def test_damaged_arrays_are_refused(content):
    refused(r"^x ", lambda: array_from(content, 2, 3, "x"))


def test_pickles_are_not_read(tmp_path):
    np.save(tmp_path / "a.npy", np.array([["x"]], dtype=object), allow_pickle=True)
    refused("Python objects", lambda: array_from((tmp_path / "a.npy").read_bytes(), None, None, "x"))


def test_records_survive_json():
    record = record_from(
        {"key": "a", "n_latents": 5, "latent": [512, 9], "states": [[1024, 7]], "texts": ["日本"]}, "x"
    )
    assert (record.numbers, record.classes, record.source, record.seconds) == ({}, {}, "", 0.0)
    assert table_from_json(table_to_json([record, record]).encode(), "x") == [record, record]
    for content in (b"[{}]", b"[1]", b"{", b"5", b'[{"key":"a","n_latents":1,"latent":[1],"states":[]}]'):
        with pytest.raises(AudiodiffError, match=r"^x( |,)"):
            table_from_json(content, "x")


@pytest.mark.parametrize(
    "change",
    [
        {"key": None},
        {"n_latents": float("inf")},
        {"n_latents": 0},
        {"n_latents": "5"},
        {"texts": {}},
        {"texts": [1]},
        {"numbers": {"tempo": float("nan")}},
        {"numbers": {"tempo": "90"}},
        {"numbers": [1]},
        {"classes": None},
        {"classes": {"key": None}},
        {"seconds": float("inf")},
        {"beats": [0.5, None]},
        {"latent": None},
        {"latent": [-512, 9]},
        {"latent": [512, 9, 1]},
        {"states": None},
        {"states": [[0.5, 7]]},
        {"source": []},
    ],
)
def test_a_record_with_a_value_of_another_type_is_refused(change):
    values = {"key": "a", "n_latents": 5, "latent": [512, 9], "states": [[1024, 7]]}
    assert record_from(values, "x").key == "a"
    refused(r"^x", lambda: table_from_json(json.dumps([values | change]).encode(), "x"))
