import json
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from audiodiff.models.checkpoint import read_config
from audiodiff.synthesis.provenance import read_provenance
from tests.cli.conftest import Outcome
from tests.models.adapters import write_adapter


@pytest.fixture(scope="module")
def adapter(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapter(tmp_path_factory.mktemp("adapters") / "mine", checkpoint)


def test_commands_take_adapters(
    checkpoint: Path, adapter: Path, clip: Path, tmp_path: Path, command: Callable[..., Outcome]
) -> None:
    made, again = tmp_path / "made.wav", tmp_path / "again.wav"
    named = ("--model", checkpoint, "--adapter", f"{adapter}:0.5")
    assert command("vocode", clip, "-o", made, *named).status == 0
    (recorded,) = read_provenance(made).models[0].adapters
    assert (recorded.name, recorded.strength) == ("mine", 0.5)
    told = command("inspect", made).out
    assert "mine, strength 0.5, in tiny" in told

    refused = command("replay", made, "-o", again, "--model", checkpoint)
    assert refused.status == 2
    assert "--adapter" in refused.err
    assert command("replay", made, "-o", again, "--model", checkpoint, "--adapter", adapter).status == 0
    assert command("vocode", clip, "-o", again, "--model", checkpoint).status == 0
    assert not (soundfile.read(made)[0] == soundfile.read(again)[0]).all()

    table = tmp_path / "table.csv"
    table.write_text("input\n" + f"{clip.name}\n")
    assert command("batch", "vocode", table, "-o", tmp_path / "out", *named).status == 0
    (batched,) = (tmp_path / "out").iterdir()
    assert read_provenance(batched).models[0].adapters == (recorded,)

    other = command("vocode", clip, "-o", again, "--adapter", adapter)
    assert other.status == 2
    assert "is for the model tiny" in other.err
    assert "Traceback" not in other.err


def test_inspect_tells_what_an_adapter_is_for(
    checkpoint: Path, adapter: Path, tmp_path: Path, command: Callable[..., Outcome]
) -> None:
    weights = read_config(checkpoint)["weights_sha256"][:12]
    told = command("inspect", adapter).out
    assert f"{adapter}: an adapter\n" in told
    assert f"base      tiny, weights {weights}" in told
    assert "change    lora, rank 2, alpha 16.0, of the layers *" in told
    assert "learnt    from unknown clips" in told
    # whatever somebody has written there
    for name in ("base", "adapter", "metadata"):
        config = json.loads((adapter / "config.json").read_text())
        damaged = tmp_path / name
        damaged.mkdir()
        (damaged / "config.json").write_text(json.dumps({**config, name: [1]}))
        done = command("inspect", damaged)
        assert (done.status, "unknown" in done.out) == (0, True)


def test_export_merges_adapters_for_good(
    checkpoint: Path, adapter: Path, clip: Path, tmp_path: Path, command: Callable[..., Outcome]
) -> None:
    merged, first, second = tmp_path / "merged", tmp_path / "first.wav", tmp_path / "second.wav"
    assert command("export", checkpoint, "-o", merged, "--adapter", f"{adapter}:0.5").status == 0
    (told,) = read_config(merged)["metadata"]["adapters"]
    assert (told["name"], told["strength"]) == ("mine", 0.5)
    assert command("vocode", clip, "-o", first, "--model", merged, "--no-watermark").status == 0
    given = ("--model", checkpoint, "--adapter", f"{adapter}:0.5", "--no-watermark")
    assert command("vocode", clip, "-o", second, *given).status == 0
    assert (soundfile.read(first)[0] == soundfile.read(second)[0]).all()
    wrong = command("export", "speech", "-o", tmp_path / "no", "--adapter", adapter)
    assert wrong.status == 2
    assert not (tmp_path / "no").exists()
