"""When each word and each phoneme of a recording is said, given its text."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from audiodiff.data.alignment import ADAPTATIONS, LEAST_FIT, USUAL_FIT, Alignment, align, transcript
from audiodiff.data.phone_model import PhoneModel, load_phone_model
from audiodiff.errors import AudiodiffError
from audiodiff.models.find import PHONE_MODEL_FILE, find_checkpoint
from audiodiff.signal.mel import log_mel, preset
from audiodiff.signal.resample import resample
from audiodiff.synthesis.clip import Waveform
from audiodiff.text.english import phonemes, pronunciations
from audiodiff.text.utterance import Utterance, Word
from audiodiff.torch_state import standard_state

SPEC = preset("hifigan-22k")
"""The mel that phoneme models know."""

LONGEST_SECONDS = 120.0


@dataclass(frozen=True)
class TimedPhone:
    """A phoneme as pronounced, and when it is said (s)."""

    phone: str
    start: float
    end: float


@dataclass(frozen=True)
class TimedWord:
    """A word of a recording.

    Attributes:
        word: what was read, with its place in the text.
        start: when it begins (s).
        end: when it ends (s).
        phones: its phonemes as they are pronounced in the recording.
    """

    word: Word
    start: float
    end: float
    phones: tuple[TimedPhone, ...]

    @property
    def pronounced(self) -> tuple[str, ...]:
        """Its phonemes without their times."""
        return tuple(one.phone for one in self.phones)


@dataclass(frozen=True)
class WordTimes:
    """A recording and its text, brought together.

    Attributes:
        words: in order.
        seconds: length of the recording (s).
        alignment: frames of each phoneme.
        utterance: the text.
        notes: sentences about what is uncertain.
    """

    words: tuple[TimedWord, ...]
    seconds: float
    alignment: Alignment
    utterance: Utterance
    notes: tuple[str, ...]


def load_voice_phones(name_or_path: str | Path) -> PhoneModel:
    """Load how the phonemes of a voice sound.

    Raises:
        AudiodiffError: there is no such voice, or its checkpoint does not have that.
    """
    path = find_checkpoint(name_or_path) / PHONE_MODEL_FILE
    if not path.is_file():
        raise AudiodiffError(
            f"{name_or_path} has no {PHONE_MODEL_FILE}, by which recordings are aligned; give a voice."
        )
    return load_phone_model(path)


@standard_state()
def word_times(
    model: PhoneModel,
    waveform: Waveform,
    sample_rate: int,
    text: str,
    lexicon: Mapping[str, tuple[str, ...]] | None = None,
) -> WordTimes:
    """Find each word of a recording.

    Args:
        model: how the phonemes of a voice sound; of another voice it works, less exactly.
        waveform: `[n_samples]` or `[channels, n_samples]`; channels are mixed.
        sample_rate: its rate (Hz).
        text: what is said in it.
        lexicon: pronunciations that count before all others, by word in lower case.

    Raises:
        AudiodiffError: the text cannot be read or is not what is said, or the recording is too long.
    """
    samples = torch.as_tensor(waveform, dtype=torch.float32)
    samples = samples.mean(dim=0, keepdim=True) if samples.ndim == 2 else samples[None]
    seconds = samples.shape[-1] / sample_rate
    if seconds > LONGEST_SECONDS:
        raise AudiodiffError(
            f"the recording has {seconds:.1f} s, and at most {LONGEST_SECONDS:g} s are aligned at once; cut it and its "
            "text into parts."
        )
    if not bool(samples.any()):
        raise AudiodiffError("the recording is silence; give one in which the text is said.")
    utterance = phonemes(text, own_words=lexicon or {})
    mel = recording_mel(resample(samples, sample_rate, SPEC.sample_rate)[0])
    found = align(
        model,
        mel.numpy(),
        transcript(utterance, lambda word: pronunciations(word, own_words=lexicon or {})),
        adaptations=ADAPTATIONS,
    )
    if found.fit < LEAST_FIT:
        raise AudiodiffError(
            f"the text is not what is said in the recording (fit {found.fit:.1f}, expected {LEAST_FIT:g} or more): its "
            f'first words are "{" ".join(text.split())[:40]}"; give the words that are said, all of them.'
        )
    notes = (
        ("the recording is of another voice than the model's, or some words of it are not those of the text",)
        if found.fit < USUAL_FIT
        else ()
    )
    return WordTimes(tuple(_timed(utterance, found, seconds)), seconds, found, utterance, (*utterance.notes, *notes))


def recording_mel(samples: Tensor) -> Tensor:
    """Log-mel `[n_mels, n_frames]` of `[n_samples]` at 22050 Hz, whose frames cover all of them."""
    padding = -len(samples) % SPEC.hop_length + SPEC.n_fft
    mel = log_mel(torch.nn.functional.pad(samples, (0, padding))[None], SPEC)[0]
    return mel[:, : max(1, -(-len(samples) // SPEC.hop_length))]


def _timed(utterance: Utterance, found: Alignment, seconds: float) -> Iterator[TimedWord]:
    frame = SPEC.hop_length / SPEC.sample_rate
    words = iter(utterance.words)
    position = int(found.durations[0])
    phones: list[TimedPhone] = []
    for symbol, duration in zip(found.symbols[1:], found.durations[1:], strict=True):
        end = position + int(duration)
        if not symbol.startswith("<"):
            phones.append(TimedPhone(symbol, min(position * frame, seconds), min(end * frame, seconds)))
        elif phones:
            yield TimedWord(next(words), phones[0].start, phones[-1].end, tuple(phones))
            phones = []
        position = end


def to_json(times: WordTimes) -> str:
    """Words and phonemes with their times as JSON."""
    words = [
        {
            "word": word.word.text,
            "start": round(word.start, 4),
            "end": round(word.end, 4),
            "phones": [[one.phone, round(one.start, 4), round(one.end, 4)] for one in word.phones],
        }
        for word in times.words
    ]
    head = f'"seconds": {times.seconds:.4f}, "fit": {times.alignment.fit:.3f}'
    return f'{{{head}, "words": [\n' + ",\n".join(json.dumps(word, ensure_ascii=False) for word in words) + "\n]}"


def to_textgrid(times: WordTimes) -> str:
    """Words and phonemes with their times as a TextGrid, which Praat and other tools of phonetics read."""
    words = [(word.start, word.end, word.word.text) for word in times.words]
    phones = [(one.start, one.end, one.phone) for word in times.words for one in word.phones]
    head = f'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = {times.seconds:.6f}\n'
    tiers = [_tier(1, "words", words, times.seconds), _tier(2, "phones", phones, times.seconds)]
    return f"{head}tiers? <exists>\nsize = 2\nitem []:\n" + "".join(tiers)


def _tier(number: int, name: str, parts: Sequence[tuple[float, float, str]], seconds: float) -> str:
    filled: list[tuple[float, float, str]] = []
    position = 0.0
    for start, end, text in parts:
        if start > position:
            filled.append((position, start, ""))
        filled.append((start, end, text))
        position = end
    if position < seconds:
        filled.append((position, seconds, ""))
    lines = [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
    lines += ["        xmin = 0", f"        xmax = {seconds:.6f}", f"        intervals: size = {len(filled)}"]
    for index, (start, end, text) in enumerate(filled, 1):
        lines += [f"        intervals [{index}]:", f"            xmin = {start:.6f}", f"            xmax = {end:.6f}"]
        lines.append('            text = "' + text.replace('"', '""') + '"')
    return "\n".join(lines) + "\n"
