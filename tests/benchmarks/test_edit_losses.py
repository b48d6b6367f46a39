import json
from pathlib import Path

import pytest

from benchmarks import edit_losses
from benchmarks.edit_losses import Config, Loss, main, parse, table
from tests.refusals import refused
from tests.synthesis.latent_models import write_latent_model


def test_the_table_has_the_means_of_both_ways() -> None:
    found = {way: {"sound": [1.0, 2.0], "mel": [k, k + 1.0]} for k, way in enumerate(("samples", "latents"))}
    assert table([Loss("x", found)]).splitlines()[2] == "| x | 1.500 | 1.500 | 0.500 | 1.500 |"


def test_numbers_out_of_range_are_refused(tmp_path: Path) -> None:
    refused("--limit", lambda: main(Config(limit=0, output=tmp_path)))
    assert parse(["--limit", "2", "--steps", "4"]) == Config(limit=2, steps=4)


@pytest.mark.slow
def test_edits_of_a_tiny_model_lose_less_from_its_latents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edit_losses, "PROMPTS", ("",))
    model = write_latent_model(tmp_path / "tiny")
    losses = main(Config(str(model), 1, 2, 1, tmp_path / "out"))
    assert len(losses) == 7
    for loss in losses:
        latents, samples = (loss.found[way]["mel"][0] for way in ("latents", "samples"))
        assert latents < 0.01 < samples, loss.name
    text = (tmp_path / "out" / "edit_losses.json").read_text()
    assert len(json.loads(text)["losses"]) == 7
    assert str(tmp_path) not in text
