from dataclasses import dataclass, field
from typing import Literal

import pytest

from audiodiff.models.config import dataclass_from_dict, dataclass_to_dict
from audiodiff.models.vocoder.config import HeadConfig
from tests.refusals import refused


@dataclass(frozen=True)
class Inner:
    width: int = 3
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Outer:
    rate: float
    inner: Inner = field(default_factory=Inner)
    pairs: tuple[tuple[int, int], ...] = ((1, 2),)
    note: str | None = None


def test_round_trip_through_plain_values() -> None:
    config = Outer(0.5, Inner(7, "b"), ((3, 4), (5, 6)), "x")
    plain = dataclass_to_dict(config)
    assert plain == {"rate": 0.5, "inner": {"width": 7, "kind": "b"}, "pairs": [[3, 4], [5, 6]], "note": "x"}
    assert dataclass_from_dict(Outer, plain) == config


def test_missing_fields_keep_their_defaults_and_whole_numbers_serve_as_floats() -> None:
    assert dataclass_from_dict(Outer, {"rate": 2}) == Outer(2.0)


def test_keys_of_the_first_version_are_read_by_their_names_now() -> None:
    values = dataclass_to_dict(HeadConfig(mel_std=2.5))
    old = {"mel_deviation" if key == "mel_std" else key: value for key, value in values.items()}
    assert dataclass_from_dict(HeadConfig, old) == HeadConfig(mel_std=2.5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, r"lacks the key\(s\) rate"),
        ({"rate": 1.0, "speed": 2}, 'unknown key "speed"'),
        ({"rate": "fast"}, "config.rate is 'fast'"),
        ({"rate": True}, "config.rate is True"),
        ({"rate": 1.0, "inner": {"widht": 2}}, 'config.inner has an unknown key "widht"'),
        ({"rate": 1.0, "inner": {"width": 2.5}}, "config.inner.width is 2.5"),
        ({"rate": 1.0, "inner": {"kind": "c"}}, "config.inner.kind is 'c'; known: a, b"),
        ({"rate": 1.0, "inner": 3}, "config.inner is 3"),
        ({"rate": 1.0, "pairs": [[1, 2, 3]]}, "has 3 entries; expected 2"),
        ({"rate": 1.0, "pairs": 4}, "config.pairs is 4"),
    ],
)
def test_every_mistake_is_named(values: dict[str, object], message: str) -> None:
    refused(message, lambda: dataclass_from_dict(Outer, values))
