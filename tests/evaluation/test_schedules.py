"""What is searched is what the model does: its items give its very samples."""

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

import audiodiff
from audiodiff.diffusion.samplers import sample
from audiodiff.diffusion.schedule_search import ScheduleSearch, SearchItem
from audiodiff.diffusion.times import times_of
from audiodiff.evaluation import schedules
from audiodiff.evaluation.schedules import (
    SENTENCES,
    FoundSchedule,
    SearchSettings,
    SearchTask,
    latent_task,
    log_spectra,
    search_schedules,
    store_searched,
    vocoder_task,
    voice_task,
)
from audiodiff.models.checkpoint import save_checkpoint
from audiodiff.models.kinds import KINDS
from audiodiff.signal.mel import log_mel, preset
from audiodiff.synthesis import voice as voices
from audiodiff.synthesis.load import load_generator
from audiodiff.synthesis.settings import GenerateSettings, Sampling
from audiodiff.synthesis.vocode import load
from audiodiff.synthesis.voice import load_voice
from tests.models.voice.cases import make
from tests.refusals import refused
from tests.synthesis.latent_models import RATE, write_latent_model
from tests.synthesis.recordings import tones

N_SAMPLES = 2 * RATE // 256 * 256


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_latent_model(tmp_path_factory.mktemp("searched") / "model")


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    place = tmp_path / "recordings"
    place.mkdir()
    for index in range(3):
        soundfile.write(place / f"{index}.wav", tones(N_SAMPLES / RATE, RATE, seed=index), RATE, subtype="FLOAT")
    soundfile.write(place / "silent.wav", np.zeros(N_SAMPLES, np.float32), RATE)
    soundfile.write(place / "short.wav", tones(0.5, RATE), RATE)
    return place


def run(task: SearchTask, item: SearchItem, steps: int) -> Tensor:
    usual = task.recommended
    with torch.no_grad():
        times = times_of(usual.grid, task.process, steps)
        return sample(usual.sampler, item.denoise, task.process, item.x, times, item.noise)


def test_a_vocoder_copies_recordings(folder: Path, recordings: Path) -> None:
    model = load(folder / "vocoder", device="cpu")
    model.reference_level_db = -30.0
    task = vocoder_task(model, SearchSettings(data=recordings, items=8, seed=5))
    assert len(task.items) == 3  # not of the silent one, nor of the short one
    made = run(task, task.items[0], 2)[0, 0]
    original = torch.from_numpy(tones(N_SAMPLES / RATE, RATE, seed=0))
    known = model.vocode_mel(log_mel(original, model.mel_spec), steps=2, seed=5)
    assert isinstance(known, Tensor)
    torch.testing.assert_close(made / made.norm(), known / known.norm(), rtol=0.0, atol=1e-5)
    distance = task.items[0].distance
    assert distance is not None
    assert distance(made[None, None]) > 0.0


def test_the_distance_of_a_copy_is_0_for_the_recording_and_grows_with_noise(folder: Path, recordings: Path) -> None:
    model = load(folder / "vocoder", device="cpu")  # without a level of its own: recordings stay at theirs
    item = vocoder_task(model, SearchSettings(data=recordings, items=1)).items[0]
    original = torch.from_numpy(tones(N_SAMPLES / RATE, RATE, seed=0))
    original = original * (0.95 / original.abs().max())
    noise = torch.randn(N_SAMPLES, generator=torch.Generator().manual_seed(0))
    assert item.distance is not None
    far = [item.distance((original + amount * noise)[None, None]) for amount in (0.0, 0.01, 0.1)]
    assert far[0] < 1e-5 < far[1] < far[2]
    mel, *spectra = log_spectra(original, preset("hifigan-22k"))
    assert torch.equal(mel, log_mel(original, preset("hifigan-22k")))
    assert [len(each) for each in spectra] == [257, 513, 1025]


def test_a_latent_model_makes_clips_of_prompts(folder: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("piano, 100 bpm\n\nflute\n", encoding="utf-8")
    generator = load_generator(folder, device="cpu")
    task = latent_task(audiodiff.load(folder, device="cpu"), SearchSettings(data=prompts, items=2, seed=3))
    assert len(task.items) == 4
    clip = generator.resolve(GenerateSettings("flute", seconds=5.0, sampling=Sampling(seed=4)))
    known, _ = generator.latents(clip, generator.n_latents(5.0))
    torch.testing.assert_close(run(task, task.items[1], 3), known)


def test_a_voice_says_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, make(), {"vocoder": "speech", "sampling": {"steps": 2}})
    voice = load_voice(tmp_path, device="cpu")
    task = voice_task(voice, SearchSettings(items=1, seed=3))
    made = run(task, task.items[1], 2)
    known = []

    def kept(*given: object) -> Tensor:
        known.append(sample(*given))  # type: ignore[arg-type]
        return known[-1]

    monkeypatch.setattr(voices, "sample", kept)
    (utterance,) = voice.utterances(SENTENCES[1])
    voice.read(utterance, Sampling(seed=4).resolve(voice.defaults))
    torch.testing.assert_close(made, known[-1])


def test_times_are_searched_checked_on_other_items_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "ScheduleSearch", partial(ScheduleSearch, reference_steps=8))
    folder = write_latent_model(tmp_path / "model")
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("\n".join(f"piano {number}" for number in range(4)), encoding="utf-8")
    told: list[tuple[float, float]] = []
    settings = SearchSettings(counts=(2,), data=prompts, items=1, evaluations=2)
    found = search_schedules(folder, settings, device="cpu", on_progress=lambda *done: told.append(done))[2]
    assert (found.sampler, len(found.times), found.times[0]) == ("dpmpp_2m", 2, 1.0)
    assert told[-1][0] == told[-1][1]
    weights = (folder / "model.safetensors").read_bytes()
    store_searched(folder, [found])
    store_searched(folder, [FoundSchedule("euler", (1.0, 0.9), "uniform", 2.0, 1.0, "")])
    store_searched(folder, [FoundSchedule("euler", (1.0, 0.8), "uniform", 2.0, 1.0, "")])
    kept = json.loads((folder / "config.json").read_text())["metadata"]
    assert kept["description"] == "tiny"
    assert kept["sampling"]["searched"] == [
        {"sampler": "euler", "times": [1.0, 0.8]},
        {"sampler": "dpmpp_2m", "times": list(found.times)},
    ]
    assert (folder / "model.safetensors").read_bytes() == weights
    generator = load_generator(folder, device="cpu")
    assert generator.defaults.searched[1].grid == found.grid
    # what the model does so far is now what was found
    again = search_schedules(folder, replace(settings, sampler="dpmpp_2m"), device="cpu")[2]
    assert (again.times, again.before, again.after) == (found.times, found.after, found.after)
    assert not again.better


def test_what_cannot_be_searched_is_refused(folder: Path, recordings: Path, tmp_path: Path) -> None:
    vocoder = folder / "vocoder"
    refused("give a folder with --data", lambda: search_schedules(vocoder, SearchSettings()))
    refused("items is 0", lambda: SearchSettings(items=0))
    refused("sampler 'magic' is unknown", lambda: SearchSettings(sampler="magic"))
    refused(
        "whose times cannot be searched; kinds that can: vocoder, mel_latent, voice",
        lambda: search_schedules("upsample-speech", SearchSettings()),
    )
    empty = tmp_path / "empty.txt"
    empty.write_text(" \n\n")
    refused("has no text", lambda: search_schedules(folder, SearchSettings(data=empty)))
    refused("cannot be read", lambda: search_schedules(folder, SearchSettings(data=recordings)))
    few = tmp_path / "few"
    few.mkdir()
    shutil.copy(recordings / "0.wav", few)
    refused("give two or more", lambda: search_schedules(vocoder, SearchSettings(data=few)))


def test_every_kind_that_samples_in_steps_says_how_it_is_searched() -> None:
    able = {name for name, kind in KINDS.own.items() if kind.schedule_search}
    assert able == {name for name, kind in KINDS.own.items() if kind.exporter}
