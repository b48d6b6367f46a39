import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.training import state
from audiodiff.training.state import has_state, load_state, save_state, saved_step
from tests.refusals import refused


def save(run: Path, step: int) -> None:
    save_state(run, {"step": step}, {"weights": {"a": torch.full((3,), float(step))}, "optimizer": {}})


def test_round_trip_and_only_one_state_stays(tmp_path: Path) -> None:
    for step in (0, 5, 5, 9):
        save(tmp_path, step)
        saved = load_state(tmp_path)
        assert saved.scalars == {"step": step}
        assert torch.equal(saved.tensors["weights"]["a"], torch.full((3,), float(step)))
        assert saved.tensors["optimizer"] == {}
    assert len(list((tmp_path / "state").iterdir())) == 2


@pytest.mark.parametrize("n_calls", range(7))
def test_a_crash_at_any_write_leaves_the_old_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_calls: int
) -> None:
    """The process 'dies' (an exception that nothing handles) at its n-th write, flush or rename."""
    save(tmp_path, 1)
    calls = 0

    class Death(BaseException):
        pass

    def dying(function: Any) -> Any:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > n_calls:
                raise Death
            return function(*args, **kwargs)

        return wrapped

    monkeypatch.setattr(state, "save_file", dying(state.save_file))
    monkeypatch.setattr(os, "fsync", dying(os.fsync))
    monkeypatch.setattr(os, "replace", dying(os.replace))
    with pytest.raises(Death):
        save(tmp_path, 2)
    monkeypatch.undo()
    assert load_state(tmp_path).scalars == {"step": 1}
    save(tmp_path, 3)  # and the rubbish is cleared away by the next save
    assert load_state(tmp_path).scalars == {"step": 3}
    assert len(list((tmp_path / "state").iterdir())) == 2


def test_a_tensor_that_is_a_view_is_saved_whole(tmp_path: Path) -> None:
    base = torch.arange(6.0).reshape(2, 3)
    save_state(tmp_path, {"step": 0}, {"weights": {"t": base.t(), "row": base[1], "base": base}})
    saved = load_state(tmp_path).tensors["weights"]
    assert torch.equal(saved["t"], base.t())
    assert torch.equal(saved["row"], base[1])
    assert torch.equal(saved["base"], base)


def test_nothing_to_resume_and_damage_are_named(tmp_path: Path) -> None:
    assert not has_state(tmp_path)
    refused("no training state", lambda: load_state(tmp_path))
    save(tmp_path, 1)
    file = next((tmp_path / "state").glob("*/weights.safetensors"))
    file.write_bytes(file.read_bytes()[:20])
    refused("damaged", lambda: load_state(tmp_path))


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file, not a folder")
    refused("cannot write", lambda: save(tmp_path / "run", 0))


def whole_state(run: Path) -> Path:
    """A state of three files with tensors; returns its folder."""
    groups = {name: {"a": torch.full((3,), float(index))} for index, name in enumerate(("weights", "ema", "optimizer"))}
    save_state(run, {"step": 7, "items_seen": 28}, groups)
    return next(path for path in (run / "state").iterdir() if path.is_dir())


def flip(path: Path, place: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1 << bit
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["weights", "ema", "optimizer"])
@pytest.mark.parametrize("place", [-1, -12, 9, 0])
def test_a_flipped_bit_is_found_wherever_it_is(tmp_path: Path, name: str, place: int) -> None:
    flip(whole_state(tmp_path) / f"{name}.safetensors", place)
    refused(rf"damaged.*{name}\.safetensors", lambda: load_state(tmp_path))


@pytest.mark.parametrize(("old", "new"), [('"step": 7', '"step": 9'), ("28", "29"), ("{", "["), ('"step"', '"stop"')])
def test_numbers_that_have_changed_are_found(tmp_path: Path, old: str, new: str) -> None:
    file = whole_state(tmp_path) / "state.json"
    file.write_text(file.read_text().replace(old, new, 1))
    for read in (load_state, saved_step):
        with pytest.raises(AudiodiffError, match=r"damaged.*state\.json"):
            read(tmp_path)


def _swap(folder: Path) -> None:
    shutil.copy(folder / "weights.safetensors", folder / "optimizer.safetensors")


def _add(folder: Path) -> None:
    shutil.copy(folder / "ema.safetensors", folder / "critic.safetensors")


def _remove(folder: Path) -> None:
    (folder / "optimizer.safetensors").unlink()


@pytest.mark.parametrize("change", [_swap, _add, _remove])
def test_files_that_are_not_its_own_are_found(tmp_path: Path, change: Callable[[Path], None]) -> None:
    change(whole_state(tmp_path))
    refused("damaged", lambda: load_state(tmp_path))


@pytest.mark.parametrize("name", [b"", b"gone", b"..", b"../state", b"\xff\xfe", b"a\0b", b"x" * 5000])
def test_a_pointer_to_nowhere_is_one_sentence(tmp_path: Path, name: bytes) -> None:
    whole_state(tmp_path)
    (tmp_path / "state" / "current").write_bytes(name)
    refused(r"damaged.*current", lambda: load_state(tmp_path))


def test_a_state_without_checksums_is_loaded_with_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = whole_state(tmp_path) / "state.json"
    assert load_state(tmp_path).scalars == {"step": 7, "items_seen": 28}
    assert capsys.readouterr().err == ""
    file.write_text(json.dumps({"step": 7, "items_seen": 28}))
    assert load_state(tmp_path).scalars == {"step": 7, "items_seen": 28}
    assert "without checksums" in capsys.readouterr().err
    (file.parent / "optimizer.safetensors").unlink()
    refused(r"lacks optimizer\.safetensors", lambda: load_state(tmp_path).group("optimizer"))
