import json
import re

import pytest

from benchmarks import curves, mixture_pictures


@pytest.fixture
def run(tmp_path):
    lines = [{"step": 10, "loss": 2.0}, {"step": 20, "validation_loss": 1.5}, {"step": 20, "loss": 1.0}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def test_curves_are_those_of_the_log(run) -> None:
    found = curves.read_curves(run, ["loss", "validation_loss"])
    assert found == {"loss": ([10, 20], [2.0, 1.0]), "validation_loss": ([20], [1.5])}


def test_what_is_not_there_is_named(run, tmp_path, capsys) -> None:
    assert curves.main([str(run), "accuracy", "-o", str(tmp_path / "a.svg")]) == 2
    assert "no curve 'accuracy'; it has loss, validation_loss" in capsys.readouterr().err
    assert curves.main([str(tmp_path / "nowhere"), "loss", "-o", str(tmp_path / "a.svg")]) == 2
    assert not (tmp_path / "a.svg").exists()


@pytest.mark.long
def test_pictures_are_the_same_bytes_each_time(run, tmp_path) -> None:
    written = []
    for name in ("a.svg", "b.svg"):
        assert curves.main([str(run), "loss", "validation_loss", "-o", str(tmp_path / name)]) == 0
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    assert b">loss</text>" in written[0]


@pytest.mark.long
def test_the_pictures_of_the_docs_are_what_is_drawn(tmp_path) -> None:
    assert mixture_pictures.main(["--output", str(tmp_path)]) == 0
    assert {path.stem for path in tmp_path.glob("*.svg")} == mixture_pictures.PICTURES.keys()
    for path in tmp_path.glob("*.svg"):
        kept = (mixture_pictures.DOCS / path.name).read_text("utf-8")
        # Fonts and the last digits may be others elsewhere; words, numbers and curves may not.
        drawn = path.read_text("utf-8")
        assert re.findall(r">([^<>]+)</text>", drawn) == re.findall(r">([^<>]+)</text>", kept) != []
        assert drawn.count("<path") == kept.count("<path")
