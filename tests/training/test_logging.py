from pathlib import Path

import pytest
import torch

from audiodiff.training.logging import Board, mel_picture


def test_mel_picture_is_comparable_and_upright() -> None:
    reference = torch.linspace(-8.0, 0.0, 5)[:, None].expand(5, 7)  # louder towards high bands
    picture = mel_picture(torch.stack([reference, reference - 4.0]))
    assert picture.shape == (3, 5 + 2 + 5, 7)
    assert 0.0 <= picture.min() <= picture.max() <= 1.0
    light = picture.sum(0)[:, 0]
    assert (light[:5].diff() < 0).all()  # the highest band is on top
    assert light[7] < light[0]  # the second picture is darker on the scale of the first
    assert (picture[:, 5:7] == 1.0).all()  # a white rule between them
    assert mel_picture(torch.zeros(1, 3, 4)).isfinite().all()  # silence


def test_board_writes_events_that_can_be_read_back(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    board = Board(tmp_path)
    board.scalars(1, {"loss": 2.0})
    board.picture(1, "mel", torch.randn(2, 8, 6))
    board.audio(1, "sound", torch.linspace(-2.0, 2.0, 100), 22050)
    board.text(1, "prompt", "solo piano")
    board.close()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    assert tags["images"] == ["mel"]
    assert tags["audio"] == ["sound"]
    assert any(tag.startswith("prompt") for tag in tags["tensors"])
    assert [tag for tag in tags["tensors"] + tags["scalars"] if "loss" in tag] == ["loss"]


def test_board_without_tensorboard_says_so_and_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    board = Board(tmp_path)
    assert "TensorBoard is not installed" in capsys.readouterr().err
    board.scalars(1, {"loss": 2.0})
    board.picture(1, "mel", torch.zeros(1, 2, 2))
    board.audio(1, "sound", torch.zeros(4), 22050)
    board.text(1, "prompt", "solo piano")
    board.close()
    assert not list(tmp_path.iterdir())
