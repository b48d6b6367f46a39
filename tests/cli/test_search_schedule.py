import json
import shutil
from pathlib import Path

import soundfile

from tests.cli.conftest import RATE, voice


def test_times_are_searched_printed_stored_and_used(command, checkpoint, tmp_path: Path) -> None:
    model, recordings, wav = tmp_path / "model", tmp_path / "recordings", tmp_path / "out.wav"
    shutil.copytree(checkpoint, model)
    recordings.mkdir()
    for index in range(2):
        soundfile.write(recordings / f"{index}.wav", (0.5 + 0.4 * index) * voice(2.5), RATE)
    search = ("search-schedule", model, "--steps", "2", "--items", "1", "--sampler", "euler", "--data", recordings)
    done = command(*search, "--store")
    assert done.status == 0, done.err
    assert done.out.startswith("2 steps of euler: --grid 1,")
    grid = done.out.split("--grid ")[1].split()[0]
    assert f"stored in {model}: 2 steps" in done.out
    stored = json.loads((model / "config.json").read_text())["metadata"]["sampling"]
    assert stored["searched"] == [{"sampler": "euler", "times": [float(time) for time in grid.split(",")]}]
    vocode = ("vocode", recordings / "0.wav", "--no-watermark")
    done = command(*vocode, "-o", wav, "--model", model, "--steps", "2")
    assert done.status == 0, done.err
    told = json.loads(command("inspect", wav, "--json").out)
    assert (told["provenance"]["settings"]["sampler"], told["provenance"]["settings"]["grid"]) == ("euler", grid)
    other = tmp_path / "other.wav"
    done = command(*vocode, "-o", other, "--model", checkpoint, "--sampler", "euler", "--grid", grid)
    assert done.status == 0, done.err
    assert soundfile.read(other)[0].tobytes() == soundfile.read(wav)[0].tobytes()


def test_what_cannot_be_done_is_refused_in_a_sentence(command, clip, tmp_path: Path) -> None:
    for arguments, words in (
        (("search-schedule", "speech", "--store"), "--store changes the config of a checkpoint folder"),
        (("search-schedule", "speech"), "give a folder with --data"),
        (("search-schedule", "kathleen", "--steps", "1", "--items", "1"), "2 to 32 steps, got 1"),
        (("search-schedule", "speech", "--steps", "two"), "is not a list of step counts"),
        (("vocode", clip, "-o", tmp_path / "out.wav", "--grid", "0.5,1"), "list falling times above 0"),
        (("vocode", clip, "-o", tmp_path / "out.wav", "--grid", "0.5,0.2"), "begins at 0.5; expected 1"),
    ):
        done = command(*arguments)
        assert done.status == 2
        assert words in done.err.replace("\n", " ")
        assert "Traceback" not in done.err
    assert not (tmp_path / "out.wav").exists()
