"""Speech measures: PESQ, STOI, ESTOI against a reference, and DistillMOS without one.

All take numpy waveforms `[n_samples]` at any sample rate and resample inside. The packages behind them
belong to the `eval` extra and are loaded at the first call.
"""

import contextlib
import functools
import io
from typing import Any

from audiodiff._torchaudio import import_torchaudio
from audiodiff.errors import AudiodiffError
from audiodiff.metrics.inputs import FloatArray, checked, checked_pair, optional_package, resampled

WIDEBAND_RATE = 16_000
NARROWBAND_RATE = 8_000
SHORTEST_SECONDS = 0.5
"""STOI needs 30 frames of speech (0.39 s) and PESQ a quarter of a second; shorter clips are refused."""


def pesq_wb(reference: FloatArray, estimate: FloatArray, sample_rate: int) -> float:
    """Wide-band PESQ (ITU-T P.862.2) at 16 kHz as MOS-LQO, 1.04 to 4.64 (identical input).

    Raises:
        AudiodiffError: bad arrays, a clip under 0.5 s, no speech found, or the package `pesq` is missing.
    """
    return _pesq(reference, estimate, sample_rate, WIDEBAND_RATE, "wb")


def pesq_nb(reference: FloatArray, estimate: FloatArray, sample_rate: int) -> float:
    """Narrow-band PESQ (ITU-T P.862 with the P.862.1 mapping) at 8 kHz, 1.02 to 4.55 (identical input).

    Raises:
        AudiodiffError: as `pesq_wb`.
    """
    return _pesq(reference, estimate, sample_rate, NARROWBAND_RATE, "nb")


def stoi(reference: FloatArray, estimate: FloatArray, sample_rate: int) -> float:
    """Short-time objective intelligibility, up to 1 (Taal et al. 2011).

    Raises:
        AudiodiffError: bad arrays, a clip under 0.5 s, too little speech, or the package `pystoi` is missing.
    """
    return _stoi(reference, estimate, sample_rate, extended=False)


def estoi(reference: FloatArray, estimate: FloatArray, sample_rate: int) -> float:
    """Extended STOI, up to 1 (Jensen and Taal 2016).

    Raises:
        AudiodiffError: as `stoi`.
    """
    return _stoi(reference, estimate, sample_rate, extended=True)


def distill_mos(waveform: FloatArray, sample_rate: int) -> float:
    """Naturalness of speech on the MOS scale 1 to 5, without a reference (DistillMOS, Stahl and Gamper 2025).

    Only differences on the same clips mean something: print the score of the recordings next to it.

    Raises:
        AudiodiffError: bad array, a clip under 0.5 s, or the package `distillmos` is missing.
    """
    waveform = checked(waveform, sample_rate)
    _require_length(waveform.size, sample_rate, "DistillMOS")
    import torch

    model = _distill_mos_model()
    # A copy, because numpy arrays given by a caller may be read-only and torch warns of those.
    samples = torch.from_numpy(resampled(waveform, sample_rate, WIDEBAND_RATE).copy())
    with torch.inference_mode():
        return float(model(samples[None]))


@functools.cache
def _distill_mos_model() -> Any:
    import_torchaudio()  # distillmos imports torchaudio plainly; once it is loaded this way, that succeeds.
    package = optional_package("distillmos")
    with contextlib.redirect_stdout(io.StringIO()):
        model = package.ConvTransformerSQAModel()
    return model.eval()


def _pesq(reference: FloatArray, estimate: FloatArray, sample_rate: int, rate: int, mode: str) -> float:
    reference, estimate = checked_pair(reference, estimate, sample_rate)
    _require_length(reference.size, sample_rate, "PESQ")
    _require_sound(reference, "reference", "PESQ")
    _require_sound(estimate, "estimate", "PESQ")
    package = optional_package("pesq")
    try:
        score = package.pesq(
            rate, resampled(reference, sample_rate, rate), resampled(estimate, sample_rate, rate), mode
        )
    except package.PesqError as error:
        reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise AudiodiffError(
            f"PESQ could not score this clip ({reason}); it needs audible speech in reference and estimate."
        ) from error
    return float(score)


def _stoi(reference: FloatArray, estimate: FloatArray, sample_rate: int, *, extended: bool) -> float:
    reference, estimate = checked_pair(reference, estimate, sample_rate)
    _require_length(reference.size, sample_rate, "STOI")
    _require_sound(reference, "reference", "STOI")
    package = optional_package("pystoi")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            # pystoi's own step to 10 kHz assumes low rates are fine; from 16 kHz it is the usual setting.
            score = package.stoi(
                resampled(reference, sample_rate, WIDEBAND_RATE),
                resampled(estimate, sample_rate, WIDEBAND_RATE),
                WIDEBAND_RATE,
                extended=extended,
            )
        except RuntimeWarning as error:
            raise AudiodiffError(
                "STOI found fewer than 30 frames (0.4 s) of speech in the reference; use a longer clip."
            ) from error
    return float(score)


def _require_length(n_samples: int, sample_rate: int, name: str) -> None:
    if n_samples < SHORTEST_SECONDS * sample_rate:
        raise AudiodiffError(
            f"the clip lasts {n_samples / sample_rate:.3f} s, but {name} needs {SHORTEST_SECONDS} s or more; "
            "leave shorter clips out of the evaluation."
        )


def _require_sound(waveform: FloatArray, name: str, measure: str) -> None:
    if not waveform.any():
        raise AudiodiffError(
            f"the {name} is silent, and {measure} is undefined there; leave such clips out of the evaluation."
        )
