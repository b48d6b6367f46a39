"""What users send, held against the limits before anything is computed."""

import contextlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import audio_info, read_blocks
from audiodiff.signal.limits import MAX_CHANNELS
from audiodiff.synthesis.iterations import ITERATIONS
from audiodiff.synthesis.mel_file import open_mel
from audiodiff.synthesis.provenance import ProvenanceRecord, read_provenance
from audiodiff.synthesis.settings import MAX_SEED, MIN_SECONDS, Sampling
from audiodiff.synthesis.verbs import speak
from audiodiff.text.transcription import read_transcription
from audiodiff.text.utterance import Utterance

from .limits import CARDS, RATES, Limits
from .said import ENGLISH
from .sentences import translated

FORMATS = {"flac": "FLAC", "wav": "WAV", "wav-24": "WAV, 24 bits", "mp3": "MP3", "ogg": "Ogg Vorbis"}
"""Files that the demo writes: ending, and bits of a sample where they are not the usual 16; what the page says."""

LOOP_SECONDS = 0.5
"""A loop may be that much longer than was asked for, and can be edited all the same."""

USUAL_SECONDS = 10.0
"""Length of a clip when none is asked for, here as on the command line."""

_LEAST_FRAMES = 64
_MOST_ITERATIONS = 64
"""Frames of the shortest pieces that are replayed, of which those of the package's models have some hundreds, and
iterations of a vocoder."""

MOST_CHORDS = 500
_LONGEST_WORD = 100

_SYMBOL_SECONDS = 0.08
"""How long a phoneme is at the usual speed, boundaries between words counted as phonemes."""

_PHONEMES_PER_CHAR = 8
"""Characters of a text as phonemes for each of its own, at most."""

_MOST_ITEMS, _DEEPEST, _LARGEST = 200, 4, 2**63
"""Values in one place of a record, how deep they are nested, and their size, beyond which it is not replayed."""

_PATH = re.compile(r"(?:(?<![\w/\\.:])|(?<=\bdiffusers:))(?:[A-Za-z]:\\|/)(?:[^\s/\\'\"]+[/\\])+(?=[^\s/\\'\"])")
_FLAGS = (
    ("; give it with --model", "; the demo must be started with it (--model)"),
    (", with --model", ", when starting the demo"),
    ("with --input", "as the original recording"),
    ("(--replace)", "(replace)"),
)


def public_message(error: AudiodiffError, language: str = ENGLISH) -> str:
    """Return the sentence of an error as visitors may read it: in their language, files without their folders."""
    text = _PATH.sub("", translated(str(error), language))
    for flag, said in _FLAGS:
        text = text.replace(flag, said)
    return re.sub(r"(?<![\w-])--(?=[a-z])", "", text)


def check_prompt(limits: Limits, what: str, text: object) -> str:
    """Return a prompt.

    Raises:
        AudiodiffError: it is no text, or too long.
    """
    if text is None:
        return ""
    if not isinstance(text, str):
        raise AudiodiffError(f"the {what} is {str(text)[:40]!r}; it must be text.")
    if len(text) > limits.prompt_chars:
        raise AudiodiffError(
            f"the {what} has {len(text)} characters; this demo takes {limits.prompt_chars}, so shorten it."
        )
    return text


def check_word(what: str, text: object) -> None:
    """Hold that something is a name, or that there is none.

    Raises:
        AudiodiffError: it is no text, or longer than any name.
    """
    if text is not None and (not isinstance(text, str) or len(text) > _LONGEST_WORD):
        raise AudiodiffError(f"{what} is {str(text)[:40]!r}; expected a name of up to {_LONGEST_WORD} characters.")


def check_chords(chords: object) -> str | None:
    """Return a chord track, None for none.

    Raises:
        AudiodiffError: it is no text, or too long.
    """
    if chords is not None and (not isinstance(chords, str) or len(chords) > MOST_CHORDS):
        raise AudiodiffError(
            f"chords is {str(chords)[:40]!r}; expected chords of up to {MOST_CHORDS} characters in all."
        )
    return (chords or "").strip() or None


def whole(what: str, value: object, low: int, high: int) -> int:
    """Return a whole number; browsers send 20 as 20.0.

    Raises:
        AudiodiffError: it is none, or out of range.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise AudiodiffError(f"{what} is {repr(value)[:40]}; expected a whole number from {low} to {high}.")
    return value


def whole_or_none(what: str, value: object, low: int, high: int) -> int | None:
    """Return a whole number, or `None` for an empty field."""
    return None if value is None or value == "" else whole(what, value, low, high)


def check_sampling(
    limits: Limits, steps: object, sampler: str | None, grid: str | None, precision: str | None, seed: object
) -> Sampling:
    """Return how a model without a prompt is to sample; an empty field is the model's own.

    Raises:
        AudiodiffError: one is out of range or names something unknown.
    """
    return Sampling(
        steps=whole_or_none("steps", steps, 1, limits.steps),
        sampler=sampler or None,
        grid=grid or None,
        precision=precision or None,  # type: ignore[arg-type]  # checked by the settings
        seed=whole("seed", seed, 0, MAX_SEED),
    )


def number(what: str, value: object, low: float, high: float) -> float:
    """Return a number.

    Raises:
        AudiodiffError: it is none, or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise AudiodiffError(f"{what} is {str(value)[:40]!r}; expected a number from {low:g} to {high:g}.")
    return float(value)


def number_or_none(what: str, value: object, low: float, high: float) -> float | None:
    """Return a number, also from a field for text, or `None` for an empty field."""
    if isinstance(value, str):
        value = value.strip()
        with contextlib.suppress(ValueError):
            value = float(value) if value else None
    return None if value is None else number(what, value, low, high)


def check_speech(limits: Limits, utterances: Iterable[Utterance], speed: float) -> None:
    """Refuse a text that takes too long to say.

    Raises:
        AudiodiffError: it does.
    """
    seconds = 0.0
    for utterance in utterances:
        seconds += sum(pause or 0.0 for pause in utterance.pauses) + _SYMBOL_SECONDS * len(utterance.symbols) / speed
    if seconds > limits.speech_seconds:
        raise AudiodiffError(
            f"the text takes about {seconds:.0f} s to say; this demo speaks up to {limits.speech_seconds:g} s at a "
            "time, so shorten it."
        )


def check_seconds(limits: Limits, value: object) -> float:
    """Return a length in seconds; the usual one, or the most that is allowed, for none.

    Raises:
        AudiodiffError: it is out of range.
    """
    if value is None:
        return min(USUAL_SECONDS, limits.seconds)
    return number("seconds", value, MIN_SECONDS, limits.seconds)


def check_count(value: object) -> int:
    """Return how many clips to make."""
    return whole("count", value, 1, CARDS)


def check_new(limits: Limits, seconds: float) -> None:
    """Refuse to make more sound than is allowed.

    Raises:
        AudiodiffError: it would be more.
    """
    if seconds > limits.seconds + LOOP_SECONDS:
        raise AudiodiffError(
            f"{seconds:.1f} s of sound would be new, all channels together; this demo makes up to {limits.seconds:g} s "
            "at a time."
        )


def check_format(value: object) -> tuple[str, int | None]:
    """Return the ending of the files to write, and the bits of a sample.

    Raises:
        AudiodiffError: the demo does not write such files.
    """
    if value not in FORMATS:
        raise AudiodiffError(f"format is {str(value)[:40]!r}; choose one of {', '.join(FORMATS)}.")
    ending, _, bits = str(value).partition("-")
    return ending, int(bits) if bits else None


def check_size(limits: Limits, path: str | Path | None) -> Path:
    """Return an uploaded file that is small enough to look at.

    Raises:
        AudiodiffError: nothing was uploaded, or it is too large.
    """
    if path is None or path == "":
        raise AudiodiffError("choose a clip first: drop a file, or press Edit on a take.")
    path = Path(path)
    if not path.is_file():
        raise AudiodiffError(f"{path.name} is not on the server any more; upload it again.")
    size = path.stat().st_size
    if size > limits.upload_bytes:
        raise AudiodiffError(
            f"{path.name} has {size / 2**20:.1f} MiB; this demo takes up to {limits.upload_mb:g}, so cut it."
        )
    return path


def check_upload(limits: Limits, path: str | Path | None, *, mel_seconds_per_frame: float | None = None) -> Path:
    """Return an uploaded file that is small enough to work with.

    Args:
        limits: how much is enough.
        path: the file.
        mel_seconds_per_frame: also take a log-mel in `.npy`, whose frames are so far apart (s).

    Raises:
        AudiodiffError: nothing was uploaded, or it is too large, too long, or no audio.
    """
    path = check_size(limits, path)
    if path.suffix.lower() == ".npy" and mel_seconds_per_frame is not None:
        seconds = open_mel(path).shape[-1] * mel_seconds_per_frame
        channels = 1
    else:
        info = audio_info(path)
        if info.channels > MAX_CHANNELS:
            raise AudiodiffError(f"{path.name} has {info.channels} channels; expected at most {MAX_CHANNELS}.")
        if not RATES[0] <= info.sample_rate <= RATES[1]:
            raise AudiodiffError(
                f"{path.name} has a sample rate of {info.sample_rate} Hz; expected {RATES[0]} to {RATES[1]}, so "
                "resample it."
            )
        if info.n_samples * info.channels > limits.upload_samples:
            raise AudiodiffError(
                f"{path.name} has {info.n_samples * info.channels} samples; this demo takes up to "
                f"{limits.upload_samples}, all channels together, so cut it or lower its sample rate."
            )
        seconds, channels = info.seconds, info.channels
    if seconds * channels > limits.upload_seconds:
        many = f" in {channels} channels" if channels > 1 else ""
        raise AudiodiffError(
            f"{path.name} has {seconds:.0f} s of sound{many}; this demo takes up to {limits.upload_seconds:g} s, "
            "all channels together, so cut it."
        )
    return path


def check_content(path: Path) -> None:
    """Hold that a file is what people give to a demo for sounds, by what is in it.

    Raises:
        AudiodiffError: it is neither a sound, nor a log-mel in `.npy`, nor the record of a sound in `.json`.
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        open_mel(path)
    elif suffix == ".json":
        read_provenance(path)
    else:
        next(read_blocks(path, 4096))


def check_record(limits: Limits, record: ProvenanceRecord, name: str) -> None:
    """Refuse to make again what nobody may ask for: a record may come from anybody.

    Raises:
        AudiodiffError: a setting in it is beyond the limits.
    """
    seconds = max(limits.seconds, limits.upload_seconds, limits.speech_seconds)
    settings: Mapping[str, Any] = record.settings
    for what, text in (("prompt", record.prompt), ("negative prompt", record.negative)):
        check_prompt(limits, f"{what} of {name}", text)
    bounds = {
        "seconds": limits.seconds,
        "steps": limits.steps,
        "vocoder_steps": limits.steps,
        **dict.fromkeys(ITERATIONS, _MOST_ITERATIONS),
    }
    for key, most in bounds.items():
        value = settings.get(key)
        if value is not None and (not isinstance(value, int | float) or isinstance(value, bool) or not value <= most):
            raise AudiodiffError(f"{name} was made with {key} {_shown(value)}; this demo replays up to {most:g}.")
    # Around each piece the network sees its context again: in pieces of a frame a second of sound would take minutes.
    for key in ("piece_frames", "window_frames"):
        value = settings.get(key)
        if value is not None and (not isinstance(value, int | float) or not value >= _LEAST_FRAMES):
            raise AudiodiffError(
                f"{name} was made with {key} {_shown(value)}; this demo replays pieces of {_LEAST_FRAMES} or more."
            )
    audio = record.audio
    if audio.sample_rate < 1 or audio.n_samples * max(1, audio.channels) > seconds * audio.sample_rate:
        raise AudiodiffError(f"{name} records a sound longer than the {seconds:g} s that this demo replays.")
    most_threads = max(32, 4 * (os.cpu_count() or 1))
    if record.machine.threads > most_threads:
        raise AudiodiffError(
            f"{name} was computed in {record.machine.threads} threads; this demo replays with up to {most_threads}."
        )
    if record.verb == "speak":
        spoken, _ = speak.remake(record)
        longer = replace(limits, prompt_chars=_PHONEMES_PER_CHAR * limits.prompt_chars)
        check_prompt(longer, f"text in the record of {name}", spoken.phonemes)
        check_speech(limits, read_transcription(spoken.phonemes), spoken.speed)
        settings = {key: value for key, value in settings.items() if key != "phonemes"}
    _check_told(limits, settings, name)


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)[:40]


def _check_told(limits: Limits, value: object, name: str, depth: int = 0) -> None:
    """Bound whatever stands in a record, also under names that only a newer audiodiff knows."""
    if isinstance(value, str):
        check_prompt(limits, f"text in the record of {name}", value)
    elif isinstance(value, int | float):
        if not abs(value) < _LARGEST:  # nor what is no number
            raise AudiodiffError(
                f"the provenance record of {name} has the number {str(value)[:40]}; expected one below 2^63."
            )
    elif isinstance(value, Mapping | list | tuple):
        items = [*value, *value.values()] if isinstance(value, Mapping) else value
        if len(items) > _MOST_ITEMS or depth >= _DEEPEST:
            raise AudiodiffError(
                f"the provenance record of {name} has {len(items)} values in one place; this demo replays up to "
                f"{_MOST_ITEMS}, "
                f"{_DEEPEST} levels deep."
            )
        for item in items:
            _check_told(limits, item, name, depth + 1)
