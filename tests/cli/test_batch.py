import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.synthesis.latent_models import write_latent_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_latent_model(tmp_path_factory.mktemp("latent") / "tiny")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.csv"
    path.write_text(
        "file_name,prompt,seconds,seed,loop,guidance_interval\n"
        'a.wav,"flute, slow",0.5,3,,\n'
        ",-dash first,0.5,,no,0.1 0.9\n"
        "c.flac,,1,,yes,\n"
    )
    return path


def test_a_file_for_every_row_as_the_command_makes_it(command, model, table, tmp_path) -> None:
    done = command("batch", "generate", table, "-o", tmp_path / "out", "--model", model)
    assert done.status == 0, done.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["00001.flac", "a.wav", "c.flac"]
    assert done.out.splitlines()[-1].endswith("out: 3 made")
    alone = ("generate", "flute, slow", "--seconds", 0.5, "--seed", 3, "--model", model, "-o", tmp_path / "a.wav")
    assert command(*alone).status == 0
    made, again = (soundfile.read(folder / "a.wav")[0] for folder in (tmp_path / "out", tmp_path))
    np.testing.assert_array_equal(made, again)
    assert "seam" in done.out


def test_it_goes_on_where_it_stopped(command, model, table, tmp_path) -> None:
    given = ("batch", "generate", table, "-o", tmp_path / "out", "--model", model)
    assert command(*given, "--shard", "2/3").status == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["00001.flac"]
    before = (tmp_path / "out" / "00001.flac").stat().st_mtime_ns
    done = command(*given)
    assert done.out.splitlines()[-1].endswith("2 made, 1 were there")
    assert (tmp_path / "out" / "00001.flac").stat().st_mtime_ns == before
    assert command(*given).out.strip().endswith("0 made, 3 were there")
    table.write_text(table.read_text().replace("flute", "drums"))
    done = command(*given)
    assert done.status == 2
    assert "line 2" in done.err
    assert "was made with the prompt 'flute, slow'" in done.err


def test_edits_read_files_beside_the_table(command, clip, tmp_path) -> None:
    (tmp_path / "rows.csv").write_text(f"clip,factor\n{clip.name},1.25\n")
    done = command("batch", "stretch", clip.parent / "rows.csv", "-o", tmp_path / "out", "--format", "wav")
    assert done.status == 0, done.err
    assert soundfile.info(tmp_path / "out" / "00000.wav").duration == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize(
    ("rows", "arguments", "message"),
    [
        ("", (), "has no rows"),
        ("prompt,colour\nflute,red\n", (), "line 2: generate has no argument 'colour'"),
        ("prompt,steps\nflute,2\ndrums,many\n", (), "line 3: .*invalid int value: 'many'"),
        ("prompt,steps\nflute,2\ndrums,0\n", (), "line 3: steps is 0"),
        ("prompt,loop\nflute,perhaps\n", (), "loop is 'perhaps'"),
        ("seconds\n1\n", (), "line 2: .*required: prompt"),
        ("prompt,file_name\nflute,../a.wav\n", (), "without a folder"),
        ("prompt,file_name\nflute,a.wav\npiano,a.wav\n", (), "a.wav several times"),
        ("prompt,file_name\nflute,a.exe\n", (), "line 2: .*exe"),
        ("prompt\nflute\n", ("--shard", "0/3"), "--shard is 0/3"),
        ("prompt\nflute\n", ("--shard", "4/3"), "--shard is 4/3"),
        ("prompt,reference\nflute,no.wav\n", (), "line 2: .*no.wav"),
    ],
)
def test_nothing_is_made_of_a_table_with_a_mistake(command, tmp_path, rows, arguments, message) -> None:
    (tmp_path / "rows.csv").write_text(rows)
    done = command("batch", "generate", tmp_path / "rows.csv", "-o", tmp_path / "out", *arguments)
    assert done.status == 2
    assert re.search(message, done.err), done.err
    assert not (tmp_path / "out").exists()
