import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.load import load_generator
from audiodiff.torch_state import bfloat16_is_fast
from benchmarks import music_speed
from benchmarks.music_speed import AudioLDM, Config, Row, Timing, main, markdown, our_parameters, parse, race, verdicts
from benchmarks.peers import HiFiGANConfig
from tests.refusals import refused
from tests.synthesis.latent_models import write_latent_model

TINY = HiFiGANConfig(32, (5, 4, 2, 2, 2), (16, 16, 8, 4, 4), (3,), ((1,),), paired=True, n_mels=64)


@pytest.fixture(autouse=True)
def _same_process_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pytest.importorskip("diffusers")
    threads = torch.get_num_threads()
    monkeypatch.setattr(music_speed, "tune_allocator", lambda: False)
    yield
    torch.set_num_threads(threads)


def test_audioldm_has_its_published_size() -> None:
    with torch.device("meta"):
        network = AudioLDM()
    assert sum(p.numel() for p in network.unet.parameters()) == pytest.approx(185.04e6, rel=1e-3)
    assert 230e6 < network.generator_parameters() < 300e6
    assert network.latents(10.0).shape == (1, 8, 250, 16)
    assert network.latents(10.03).shape == (1, 8, 251, 16)


def test_the_parts_of_audioldm_fit_together() -> None:
    network = AudioLDM((32, 64), 32, TINY).eval()
    with torch.no_grad():
        latents = network.latents(0.32)
        stepped = network.step(latents)
        mel = network.decode(stepped)
        samples = network.vocoder(mel[:, 0].transpose(1, 2))
    assert stepped.shape == latents.shape
    assert mel.shape == (1, 1, 32, 64)
    assert abs(samples.shape[-1] - round(0.32 * 16_000)) <= 160


def row(system: str, steps: int, seconds: float) -> Row:
    return Row(system, 1_000_000, steps, (seconds, 2 * seconds, seconds / 2), (seconds,), "")


def test_targets_are_judged_by_medians_beside_200_steps() -> None:
    rivals = [row("AudioLDM-S", 200, 160.0), row("AudioLDM-S", 10, 8.0)]
    assert [line.count("**holds**") for line in verdicts([row("ours", 20, 2.9), *rivals])] == [1, 1]
    assert [line.count("**missed**") for line in verdicts([row("ours", 20, 3.1), *rivals])] == [1, 0]
    assert [line.count("**missed**") for line in verdicts([row("ours", 20, 3.3), *rivals])] == [1, 1]
    text = markdown([row("ours", 20, 2.0), *rivals], 10.0)
    assert "| ours | 1.0 M | 20 | 2.00 s (1.00–4.00) | 5.00 | 80.0 |" in text
    assert "| AudioLDM-S | 1.0 M | 10 | 8.00 s (4.00–16.00) | 1.25 | 20.0 |" in text


def test_the_first_round_does_not_count() -> None:
    turns: list[tuple[str, int]] = []

    def work(name: str) -> Timing:
        def run(turn: int) -> torch.Tensor:
            turns.append((name, turn))
            return torch.zeros(1)

        return Timing(name, run)

    timings = [work("a"), work("b")]
    race(timings, 2)
    assert turns == [(name, turn) for turn in range(3) for name in "ab"]
    assert [len(timing.wall) for timing in timings] == [2, 2]


@pytest.mark.slow
def test_the_whole_race_on_tiny_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = load_generator(write_latent_model(tmp_path / "tiny"))
    asked = []

    def generate(prompt: str, **settings: object) -> np.ndarray:
        asked.append((prompt, settings))
        return np.zeros(100, np.float32)

    monkeypatch.setattr(Generator, "generate", lambda self, prompt, **settings: generate(prompt, **settings))
    monkeypatch.setattr(music_speed, "load_generator", lambda name, device: model)
    rival = AudioLDM((32, 64), 32, TINY)
    table = main(Config(str(tmp_path / "tiny"), seconds=0.32, repeats=2, threads=1, output=tmp_path), rival)
    names = ("AudioLDM-S", "AudioLDM-S, bf16") if bfloat16_is_fast("cpu") else ("AudioLDM-S",)
    rivals = [(name, steps) for name in names for steps in (200, 20, 10)]
    assert [(r.system, r.steps) for r in table] == [("ours, fp32", 20), *rivals]
    assert len({prompt for prompt, _ in asked}) == 3
    assert [(settings["seed"], settings["precision"]) for _, settings in asked] == [(n, "fp32") for n in range(3)]
    assert asked[0][1]["guidance"] == 3.0
    record = json.loads((tmp_path / "music_speed.json").read_text(encoding="utf-8"))
    parts = record["parts_of_audioldm"]["AudioLDM-S"]
    seconds = {r["steps"]: r["seconds"] for r in record["systems"] if r["system"] == "AudioLDM-S"}
    assert seconds[200] - seconds[20] == pytest.approx(180 * parts["step"], rel=0.5)
    assert all(math.isfinite(r["times_faster_than_audioldm"]) for r in record["systems"])
    text = (tmp_path / "music_speed.md").read_text(encoding="utf-8")
    assert "200 steps" in text
    assert text.splitlines()[2] in capsys.readouterr().out
    assert str(tmp_path) not in text + json.dumps(record)  # results are published: no paths of this machine


def test_our_parameters_are_those_that_make_a_clip(tmp_path: Path) -> None:
    model = load_generator(write_latent_model(tmp_path / "tiny"))
    everything = sum(p.numel() for p in model.model.parameters())
    encoder = sum(p.numel() for p in model.model.autoencoder.encoder.parameters())
    assert isinstance(model.vocoder.model, torch.nn.Module)
    vocoder = sum(p.numel() for p in model.vocoder.model.parameters())
    assert our_parameters(model) == everything - encoder + vocoder


def test_bad_settings_are_refused(tmp_path: Path) -> None:
    assert parse(["--steps", "10", "--output", str(tmp_path)]) == Config(steps=10, output=tmp_path)
    refused("repeats", lambda: main(Config(repeats=0, output=tmp_path)))
