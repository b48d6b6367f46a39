"""Scores of one sentence by one system in the benchmark of speech."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from audiodiff.data import alignment
from audiodiff.data.phone_model import PhoneModel
from audiodiff.errors import AudiodiffError
from audiodiff.metrics.inputs import FloatArray, resampled
from audiodiff.metrics.speech import distill_mos
from audiodiff.signal.mel import log_mel
from audiodiff.text.english.reading import phonemes, pronunciations, utterances
from benchmarks import speech_hearing as hearing
from benchmarks.speech_measures import (
    MEL,
    Count,
    Moments,
    contour,
    count_errors,
    heard_faults,
    length_faults,
    pitch,
    spoken_words,
)
from benchmarks.speech_sentences import Sentence
from benchmarks.speech_systems import Reading

MEASURES = ("words", "phones", "mos", "pitch", "durations", "speaker")
TRAINING_CLIPS = 200
"""Recordings of the training split that the aligner learns the speaker's phonemes from."""

VOICE_CLIPS = 40
"""Recordings of the training split that a speaker's embedding is the mean of."""

FRAME = MEL.hop_length / MEL.sample_rate


@dataclass(frozen=True)
class Score:
    """What was measured of one reading; what was not asked for is None.

    Attributes:
        part: of the benchmark.
        system: who read.
        kind: of the sentence.
        name: of the sentence.
        seconds: length.
        processor_seconds: spent on it.
        recording_seconds: length of the recording, 0 without.
        take: number of the take.
        words: errors in what Whisper heard.
        heard: what it heard, where that is not the text.
        phones: errors of what the phoneme recogniser heard.
        mos: DistillMOS.
        pitch: of voiced frames, semitones above 100 Hz.
        durations: of phonemes, ms.
        speaker: cosine similarity to the speaker of the recordings.
        faults: what was skipped, repeated or ran away.
    """

    part: str
    system: str
    kind: str
    name: str
    seconds: float
    processor_seconds: float = 0.0
    recording_seconds: float = 0.0
    take: int = 0
    words: Count | None = None
    heard: str = ""
    phones: Count | None = None
    mos: float | None = None
    pitch: Moments | None = None
    durations: Moments | None = None
    speaker: float | None = None
    faults: tuple[str, ...] = ()

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Score":
        """Undo what JSON makes of the named tuples."""
        typed: dict[str, Any] = dict(record)
        for name, of in (("words", Count), ("phones", Count), ("pitch", Moments), ("durations", Moments)):
            if typed.get(name) is not None:
                typed[name] = of(*typed[name])
        return cls(**{**typed, "faults": tuple(typed.get("faults", ()))})


@dataclass(frozen=True)
class Speaker:
    """What is known of the speaker of the recordings: how phonemes sound, and the embedding."""

    phone_model: PhoneModel | None
    voice_print: FloatArray | None


def learn_speaker(clips: Sequence[Sentence], measures: Sequence[str]) -> Speaker:
    """Learn from recordings with text what `measures` need."""
    model = None
    if "durations" in measures:
        mels = [_mel(clip.recording.waveform, clip.recording.sample_rate) for clip in clips if clip.recording]
        texts = [_transcript(clip.text) for clip in clips]
        *_, (_, model, _) = alignment.train_aligner(mels, texts)
    print_ = None
    if "speaker" in measures:
        few = [clip.recording for clip in clips[:: max(1, len(clips) // VOICE_CLIPS)] if clip.recording]
        print_ = hearing.mean_print([hearing.voice_print(clip.waveform, clip.sample_rate) for clip in few])
    return Speaker(model, print_)


def _mel(waveform: FloatArray, sample_rate: int) -> FloatArray:
    samples = resampled(np.asarray(waveform, np.float32), sample_rate, MEL.sample_rate)
    return log_mel(torch.from_numpy(samples.copy()), MEL).numpy()


def _transcript(text: str) -> alignment.Transcript:
    return alignment.transcript(phonemes(text), pronunciations)


def phone_durations(reading: Reading, text: str, model: PhoneModel) -> Moments | None:
    """Durations of the phonemes of a sentence (ms), found by alignment in all systems alike; None if it fails."""
    try:
        found = alignment.align(model, _mel(reading.waveform, reading.sample_rate), _transcript(text))
    except AudiodiffError:
        return None
    spoken = [length for symbol, length in zip(found.symbols, found.durations, strict=True) if symbol[0] != "<"]
    return Moments.of(1000 * FRAME * np.asarray(spoken))


def score(
    part: str,
    system: str,
    sentence: Sentence,
    reading: Reading,
    speaker: Speaker,
    measures: Sequence[str],
    take: int = 0,
) -> Score:
    """Measure one reading."""
    sound = (reading.waveform, reading.sample_rate)
    found: dict[str, Any] = {}
    asked = hearing.without_stress(
        reading.symbols or [symbol for part_ in utterances(sentence.text) for symbol in part_.symbols]
    )
    faults = length_faults(
        reading.seconds, reading.symbols, [FRAME * duration for duration in reading.durations], len(asked)
    )
    wanted, heard = spoken_words(sentence.text), None
    if "words" in measures:
        written = hearing.transcript(*sound)
        heard = spoken_words(written)
        found["words"] = count_errors(wanted, heard)
        found["heard"] = written if found["words"].errors else ""
    if "phones" in measures:
        phones = hearing.phones_heard(*sound)
        found["phones"] = count_errors(asked, phones)
        if heard is not None:
            faults += heard_faults(wanted, heard, len(phones) / len(asked))
    if "mos" in measures:
        found["mos"] = distill_mos(*sound)
    if "pitch" in measures:
        found["pitch"] = pitch(*sound)
    if "durations" in measures and speaker.phone_model is not None:
        found["durations"] = phone_durations(reading, sentence.text, speaker.phone_model)
    if "speaker" in measures and speaker.voice_print is not None:
        found["speaker"] = float(hearing.voice_print(*sound) @ speaker.voice_print)
    return Score(
        part,
        system,
        sentence.kind,
        sentence.name,
        round(reading.seconds, 4),
        round(reading.processor_seconds, 4),
        round(sentence.recording.seconds, 4) if sentence.recording else 0.0,
        take,
        faults=tuple(faults),
        **found,
    )


def take_contour(reading: Reading) -> FloatArray:
    """Pitch of a take by symbols."""
    return contour(reading.f0, reading.durations)
