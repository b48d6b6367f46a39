"""What runs exported models is measured for what it is."""

from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="the extra onnx is not installed")

from benchmarks.engines import OTHER_SEED, REFERENCE, cold_start, rows_of, table


@pytest.fixture
def rows(tmp_path: Path) -> dict[str, dict]:
    folders = {}
    for weights, size in (("exact", 2000), ("int8", 1000)):
        folders[weights] = tmp_path / weights
        folders[weights].mkdir()
        (folders[weights] / "a.onnx").write_bytes(bytes(size * 1000))
    return rows_of("music", folders)


def test_every_engine_runs_every_export_beside_torch(rows: dict[str, dict]) -> None:
    assert [*rows][:2] == [REFERENCE, "torch, bf16"]
    found = {(row["engine"], row["folder"].name): row["megabytes"] for row in [*rows.values()][2:]}
    assert found == {
        (engine, weights): size
        for engine in ("onnxruntime", "openvino")
        for weights, size in (("exact", 2.0), ("int8", 1.0))
    }


def test_what_was_not_measured_is_left_out_of_the_table(rows: dict[str, dict]) -> None:
    rows[OTHER_SEED] = {"engine": "torch", "distance": 1.25}
    for row in [*rows.values()][:-1]:
        row |= {"rtf": 0.5, "distance": 0.25, "cold": 1.5, "memory": 300.4}
    lines = table("music", rows).splitlines()
    assert lines[-1].split("|")[1:-1] == [f" {OTHER_SEED} ", *(f" {cell} " for cell in ("–", "1.250", "–", "–", "–"))]
    assert "| 0.500 | 0.250 | 2.0 | 1.50 | 300 |" in table("music", rows)


@pytest.mark.slow
def test_a_cold_start_is_that_of_the_new_process_alone(exported_speech: Path) -> None:
    held = bytearray(1 << 30)  # what this process holds is not counted
    held[::4096] = b"1" * len(held[::4096])
    seconds, memory = cold_start("speech", {"engine": "onnxruntime", "folder": exported_speech})
    assert 0.1 < seconds < 10.0
    assert 50.0 < memory < 700.0


@pytest.fixture
def exported_speech(tmp_path: Path) -> Path:
    from audiodiff.exporting.export import export_onnx

    export_onnx("speech", tmp_path / "onnx")
    return tmp_path / "onnx"
