"""Systems to compare a vocoder with: Griffin-Lim from the same mel, WORLD, and Opus at low bitrates.

A system maps `(waveform [n_samples], sample_rate)` to a waveform of the same length at the same rate. Griffin-Lim
knows exactly what a mel vocoder knows. WORLD sees the recording's pitch and full envelope and Opus codes the
recording itself, so these two are rungs of a quality ladder, not competitors.
"""

import functools
import io
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.metrics.inputs import FloatArray, checked, optional_package, resampled
from audiodiff.signal.mel import PRESETS, MelSpec, log_mel
from audiodiff.signal.spectral import griffin_lim_from_mel

System = Callable[[npt.NDArray[np.float32], int], npt.NDArray[np.float32]]

OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
"""Sample rates (Hz) that the codec works at."""

OPUS_BITRATES = (6, 12, 24)
"""The rungs of the ladder, in kbit/s."""


def griffin_lim(iterations: int, spec: MelSpec | None = None, *, momentum: float = 0.99, seed: int = 0) -> System:
    """Fast Griffin-Lim (Perraudin et al. 2013) from the log-mel of the clip, inverted by the pseudo-inverse.

    Args:
        iterations: of the phase search, 1 or more.
        spec: the mel; the 22.05 kHz HiFi-GAN mel if None.
        momentum: 0 is plain Griffin-Lim.
        seed: of the starting phases; the result of a clip depends on nothing else.

    Raises:
        AudiodiffError: no iterations.
    """
    spec = spec or PRESETS["hifigan-22k"]
    if iterations < 1:
        raise AudiodiffError(f"Griffin-Lim was asked for {iterations} iterations; it needs 1 or more.")
    return functools.partial(_griffin_lim, spec=spec, iterations=iterations, momentum=momentum, seed=seed)


def world(waveform: FloatArray, sample_rate: int) -> npt.NDArray[np.float32]:
    """Analysis and synthesis by WORLD (harvest, CheapTrick, D4C at 5 ms; Morise et al. 2016).

    Raises:
        AudiodiffError: bad array, or the package `pyworld` is missing.
    """
    waveform = checked(waveform, sample_rate)
    package = optional_package("pyworld", "pyworld-prebuilt")
    samples = np.ascontiguousarray(waveform, dtype=np.float64)
    f_0, times = package.harvest(samples, sample_rate)
    envelope = package.cheaptrick(samples, f_0, times, sample_rate)
    aperiodicity = package.d4c(samples, f_0, times, sample_rate)
    output = package.synthesize(f_0, envelope, aperiodicity, sample_rate).astype(np.float32)
    return aligned(waveform, _fitted(output, waveform.size), round(0.01 * sample_rate))


def opus(kbit_per_second: int) -> System:
    """Encode and decode by Opus at a variable bitrate of about that mean, through libsndfile.

    Args:
        kbit_per_second: 6 to 256.

    Raises:
        AudiodiffError: the bitrate is out of range or this libsndfile cannot write Opus (see `opus_available`).
    """
    if not 6 <= kbit_per_second <= 256:
        raise AudiodiffError(f"the Opus bitrate is {kbit_per_second} kbit/s; it must be 6 to 256.")
    if not opus_available():
        raise AudiodiffError(
            "this libsndfile cannot write Opus at a chosen bitrate; install soundfile 0.13 or newer, or leave Opus out."
        )
    return functools.partial(_opus, kbit_per_second=kbit_per_second)


@functools.cache
def opus_available() -> bool:
    """Whether the installed soundfile writes Opus at a chosen bitrate."""
    try:
        encode_opus(np.zeros(1600, np.float32), 16_000, 6)
    except (TypeError, ValueError, RuntimeError):  # an old soundfile, an unknown format, a libsndfile error
        return False
    return True


def encode_opus(waveform: npt.NDArray[np.float32], sample_rate: int, kbit_per_second: int) -> bytes:
    """Return the Ogg Opus file of a waveform `[n_samples]` at one of `OPUS_RATES`."""
    import soundfile

    file = io.BytesIO()
    # libsndfile maps its compression level 0..1 linearly onto 256..6 kbit/s per channel.
    level = 1.0 - (kbit_per_second - 6) / 250.0
    soundfile.write(
        file,
        waveform,
        sample_rate,
        format="OGG",
        subtype="OPUS",
        compression_level=level,
    )
    return file.getvalue()


def baselines(spec: MelSpec | None = None) -> Mapping[str, System]:
    """The baselines of the evaluation table by name: Griffin-Lim 32 and 200, WORLD, and Opus where it can be written.

    Args:
        spec: mel for Griffin-Lim; the 22.05 kHz HiFi-GAN mel if None.
    """
    systems: dict[str, System] = {f"Griffin-Lim {count}": griffin_lim(count, spec) for count in (32, 200)}
    systems["WORLD"] = world
    if opus_available():
        systems.update({f"Opus {rate} kbit/s": opus(rate) for rate in OPUS_BITRATES})
    return systems


def aligned(
    reference: npt.NDArray[np.float32], estimate: npt.NDArray[np.float32], max_shift: int
) -> npt.NDArray[np.float32]:
    """Shift `estimate` by up to `max_shift` samples to where it correlates best with `reference` `[n_samples]`."""
    size = reference.size + estimate.size
    spectrum = np.fft.rfft(estimate, size) * np.conj(np.fft.rfft(reference, size))
    correlation = np.fft.irfft(spectrum, size)
    shifts = np.arange(-max_shift, max_shift + 1)
    shift = int(shifts[correlation[shifts].argmax()])  # the estimate lags by this many samples
    moved = estimate[shift:] if shift >= 0 else np.pad(estimate, (-shift, 0))
    return _fitted(moved, reference.size)


def _fitted(waveform: npt.NDArray[np.float32], n_samples: int) -> npt.NDArray[np.float32]:
    return np.pad(waveform, (0, max(0, n_samples - waveform.size)))[:n_samples].astype(np.float32, copy=False)


def _griffin_lim(
    waveform: FloatArray, sample_rate: int, *, spec: MelSpec, iterations: int, momentum: float, seed: int
) -> npt.NDArray[np.float32]:
    waveform = checked(waveform, sample_rate)
    samples = torch.from_numpy(resampled(waveform, sample_rate, spec.sample_rate).copy())
    n_samples = samples.numel()
    padded = torch.nn.functional.pad(samples, (0, -n_samples % spec.hop_length))
    mel = log_mel(padded, spec)
    output = griffin_lim_from_mel(mel, spec, iterations, momentum, seed, n_samples=padded.numel())[:n_samples].numpy()
    return _fitted(resampled(output, spec.sample_rate, sample_rate), waveform.size)


def _opus(waveform: FloatArray, sample_rate: int, *, kbit_per_second: int) -> npt.NDArray[np.float32]:
    import soundfile

    waveform = checked(waveform, sample_rate)
    rate = next((rate for rate in OPUS_RATES if rate >= sample_rate), OPUS_RATES[-1])
    coded = encode_opus(np.clip(resampled(waveform, sample_rate, rate), -1, 1), rate, kbit_per_second)
    decoded, decoded_rate = soundfile.read(io.BytesIO(coded), dtype="float32")
    output = resampled(decoded, decoded_rate, sample_rate)
    return aligned(waveform, _fitted(output, waveform.size), round(0.02 * sample_rate))
