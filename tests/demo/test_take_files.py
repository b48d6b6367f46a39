import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.provenance import file_sha256
from demo import edits, handlers
from demo.app_state import AppState
from demo.handlers import ClipRequest, ClipResult
from demo.take_files import PEAKS, SERVED, peaks, publish, zip_takes
from demo.takes import Take, TakeFacts
from demo.widgets import ignore
from demo.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    workspace = Workspace(3600.0, tmp_path, most_bytes=2**20)
    yield workspace
    workspace.close()


def take(workspace: Workspace, number: int, content: bytes) -> Take:
    path = workspace.new_file("clip.flac")
    path.write_bytes(content)
    return Take(f"id{number}", number, TakeFacts(path, path, sha256=str(number)))


def test_a_take_knows_how_it_was_made_and_from_what(state: AppState) -> None:
    request = ClipRequest(prompt="piano", seed=3, steps=2, tempo=90.0)
    (made,) = handlers.generate(state, ignore, user="ann", request=request, seconds=1.0).clips
    found = publish(state.workspace, made)
    assert (found.verb, found.prompt, found.seed, found.tempo, found.made_from) == ("generate", "piano", 3, 90.0, ())
    assert found.path.name == made.path.name
    assert found.path.read_bytes() == made.path.read_bytes()
    assert found.path.is_relative_to(state.workspace.folder / SERVED)
    assert found.sha256 == file_sha256(found.path)
    assert found.seconds == made.seconds
    assert -70.0 < found.loudness < 0.0
    assert not found.loop
    assert len(found.peaks) == PEAKS
    with Image.open(found.picture) as drawn:
        assert drawn.format == "JPEG"
        assert drawn.size == made.picture.size

    request = ClipRequest(prompt="", seed=4, steps=2)
    (longer,) = edits.edit(state, ignore, "extend", user="ann", clip=found.path, request=request, seconds=0.5).clips
    second = publish(state.workspace, longer)
    assert second.verb == "extend"
    assert second.made_from == (found.sha256,)


def test_a_published_file_takes_no_room_of_its_own(state: AppState) -> None:
    request = ClipRequest(prompt="piano", seed=3, steps=2)
    (made,) = handlers.generate(state, ignore, user="ann", request=request, seconds=1.0).clips
    found = publish(state.workspace, made)
    assert os.path.samefile(found.path, made.path)


def test_a_sound_without_a_record_is_a_take_as_well(state: AppState, voice: Path) -> None:
    made = ClipResult(voice, 0, 1.0, 44100, 0.1, (), Image.new("RGB", (4, 4)), seam=0.5)
    found = publish(state.workspace, made)
    assert (found.verb, found.prompt, found.tempo, found.made_from) == ("", "", None, ())
    assert found.loop


def test_peaks_are_the_largest_magnitudes_of_equal_parts() -> None:
    waveform = np.zeros((2, 1000), dtype=np.float32)
    waveform[1, 250] = -0.5
    waveform[0, 999] = 1.5
    assert [*peaks(waveform, 4)] == [0, 128, 0, 255]
    assert [*peaks(np.ones((1, 3), dtype=np.float32), 400)] == [255] * 3


def test_a_zip_has_every_file_as_it_is_under_a_name_of_its_own(workspace: Workspace) -> None:
    takes = [take(workspace, 2, b"second"), take(workspace, 1, b"first")]
    path = zip_takes(workspace, takes, 100)
    assert path.is_relative_to(workspace.folder / SERVED)
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        assert archive.namelist() == ["01-clip.flac", "02-clip.flac"]
        assert archive.read("01-clip.flac") == b"first"
        assert archive.testzip() is None


def test_a_zip_that_is_too_large_or_empty_is_refused_before_anything_is_written(workspace: Workspace) -> None:
    takes = [take(workspace, number, bytes(60)) for number in (1, 2)]
    with pytest.raises(AudiodiffError, match="star those that you want"):
        zip_takes(workspace, takes, 100)
    with pytest.raises(AudiodiffError, match="no takes to download"):
        zip_takes(workspace, [], 100)
    assert not [*workspace.folder.rglob("*.zip")]


def test_a_zip_leaves_its_takes_in_place_where_there_is_no_room(workspace: Workspace) -> None:
    takes = [take(workspace, number, bytes(400_000)) for number in (1, 2)]
    with pytest.raises(AudiodiffError, match="in use"):
        zip_takes(workspace, takes, 2**20)
    assert all(each.facts.path.is_file() for each in takes)
    assert not [*workspace.folder.rglob("*.zip")]


def test_a_take_whose_file_is_gone_is_left_out(workspace: Workspace) -> None:
    takes = [take(workspace, number, b"sound") for number in (1, 2)]
    takes[0].facts.path.unlink()
    with zipfile.ZipFile(zip_takes(workspace, takes, 100)) as archive:
        assert archive.namelist() == ["02-clip.flac"]
