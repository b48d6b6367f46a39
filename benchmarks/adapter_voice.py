"""Part `voice` of `benchmarks.adapters`: a speaker whom the voice `kathleen` has never heard."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from audiodiff.data.items import AudioItem
from audiodiff.data.manifest import MANIFEST_NAME, load_items, write_manifest
from audiodiff.errors import AudiodiffError
from audiodiff.evaluation.music_clips import spread
from audiodiff.metrics.inputs import FloatArray
from audiodiff.models.adapter import merge_into, open_adapters
from audiodiff.models.checkpoint import load_checkpoint
from audiodiff.models.find import find_checkpoint
from audiodiff.models.voice import Voice
from audiodiff.signal.audio_io import read_mono
from audiodiff.synthesis.load import load
from audiodiff.synthesis.speaker import Speaker
from audiodiff.training.devices import Devices
from audiodiff_recipes import voice
from audiodiff_recipes.adapt import PLANS, AdaptSettings, adapt_model, configured
from benchmarks.adapter_steps import StepTimes, megabytes
from benchmarks.speech_hearing import mean_print, transcript, voice_print
from benchmarks.speech_measures import compare, spoken_words

MODEL = "kathleen"
SECONDS = (1.5, 9.0)
"""Bounds of the clips: shorter ones are single words."""

SENTENCES = (
    "Please press five to hear this message again.",
    "The meeting has been moved to Thursday at noon.",
    "Heavy rain closed two schools and several roads in the valley.",
    "She opened the window and looked at the garden.",
    "Your call will be answered by the next free operator.",
    "We found the old map under a pile of letters.",
    "The last train to the city leaves in twenty minutes.",
    "Nobody knew who had painted the little red boat.",
    "If you know the number, you may dial it now.",
    "He counted the stars until he fell asleep.",
    "Bring a warm coat, because the evenings are cold.",
    "The number you have entered is not correct.",
)
"""What the systems say; none of it is in the corpus."""


def chosen(items: Sequence[AudioItem], speaker: str, clips: int) -> tuple[list[AudioItem], list[AudioItem]]:
    """Return the clips to learn from and the others, which are those of the splits valid and test.

    Raises:
        AudiodiffError: there are too few.
    """
    usable = [
        item
        for item in items
        if item.speaker == speaker
        and item.text.strip()
        and item.extra.get("language", "en") == "en"
        and SECONDS[0] <= item.seconds <= SECONDS[1]
    ]
    train = spread([item for item in usable if item.split == "train"], clips)
    held_out = [item for item in usable if item.split in ("valid", "test")]
    if len(train) < clips or len(held_out) < 2:
        raise AudiodiffError(
            f"the corpus has {len(train)} clips of {speaker!r} to learn from and {len(held_out)} others; expected "
            f"{clips} and 2 or more."
        )
    return train, held_out


def measure(corpus: Path, work: Path, speaker: str, clips: int, steps: int) -> dict[str, Any]:
    """Train an adapter, and compare it with the voice as it comes."""
    train, held_out = chosen(load_items(corpus), speaker, clips)
    # No split: `audiodiff adapt` holds out clips of its own to choose the best step by.
    write_manifest([replace(item, split="") for item in train], work / "clips" / MANIFEST_NAME)
    both = [replace(item, split="train") for item in train] + [replace(item, split="valid") for item in held_out]
    write_manifest(both, work / "measured" / MANIFEST_NAME)
    settings = AdaptSettings(str(work / "clips"), str(work / "lora"), MODEL, steps=steps)
    config = configured(PLANS["voice"], settings, "voice")
    config = replace(
        config,
        data=replace(config.data, folder=str(work / "measured"), cache=str(work / "cache")),
        validation=voice.ValidationConfig(len(held_out)),
    )
    _, _, measured = voice.open_voices(config, tell=True)
    target = mean_print(prints([read(item) for item in held_out]))
    plain = load(MODEL)
    assert isinstance(plain, Speaker)
    said = [(plain.speak(text, seed=number), plain.sample_rate) for number, text in enumerate(SENTENCES)]
    base = mean_print(prints(said))
    recordings = prints([read(item) for item in train])
    systems = {
        f"recordings of {speaker}": {
            "similarity": float(np.mean([each @ target for each in recordings])),
            "base_similarity": float(np.mean([each @ base for each in recordings])),
        },
        f"`{MODEL}` as it comes": heard(said, target, None) | losses([], measured),
    }
    times = StepTimes()
    run = adapt_model(settings, on_step=times)
    for strength in (1.0, 0.5):
        adapter = f"{run}:{strength}"
        adapted = load(MODEL, adapters=[adapter])
        assert isinstance(adapted, Speaker)
        said = [(adapted.speak(text, seed=number), adapted.sample_rate) for number, text in enumerate(SENTENCES)]
        systems[f"LoRA, rank {settings.rank}, strength {strength:g}"] = {
            **heard(said, target, base),
            **losses([adapter], measured),
            "megabytes": megabytes(run),
            "train_seconds": steps * times.per_step,
        }
    return {
        "model": MODEL,
        "speaker": speaker,
        "clips": clips,
        "minutes": sum(item.seconds for item in train) / 60,
        "held_out": len(held_out),
        "sentences": len(SENTENCES),
        "steps": steps,
        "systems": systems,
    }


def read(item: AudioItem) -> tuple[FloatArray, int]:
    """The waveform of a clip and its rate."""
    audio = read_mono(item.path)
    return audio.waveform[0], audio.sample_rate


def prints(clips: Sequence[tuple[FloatArray, int]]) -> list[FloatArray]:
    """Embeddings of who speaks in each clip."""
    return [voice_print(*clip) for clip in clips]


def heard(
    said: Sequence[tuple[FloatArray, int]], target: FloatArray, base: FloatArray | None
) -> dict[str, float | None]:
    """How like the speaker the spoken sentences are, how like the base, and words heard wrong (per cent)."""
    found = prints(said)
    wrong = total = 0
    for clip, text in zip(said, SENTENCES, strict=True):
        words = spoken_words(text)
        wrong += sum(step[0] != "same" for step in compare(words, spoken_words(transcript(*clip))))
        total += len(words)
    return {
        "similarity": float(np.mean([each @ target for each in found])),
        "base_similarity": None if base is None else float(np.mean([each @ base for each in found])),
        "words_wrong": 100 * wrong / total,
    }


def losses(adapters: Sequence[str], measured: voice.Corpus) -> dict[str, float]:
    """The losses of training on the clips that are held out: that of the mean mel, and the sum of all."""
    model = load_checkpoint(find_checkpoint(MODEL), Voice).eval()
    if adapters:
        merge_into(model, open_adapters(list(adapters)))
    return voice.validation_losses(model, measured, Devices(torch.device("cpu")))
