"""The table of measures by name, and the score of one clip by any of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from audiodiff.errors import AudiodiffError
from audiodiff.metrics import pitch, spectral, speech
from audiodiff.metrics.inputs import FloatArray


@dataclass(frozen=True)
class Measure:
    """One column of an evaluation table.

    Attributes:
        label: heading for people.
        higher_is_better: direction of improvement.
        function: `(reference, estimate, sample_rate) -> float`, waveforms `[n_samples]`, sample rate in Hz.
        decimals: digits worth printing.
        definition: one line that says what exactly is computed.
    """

    label: str
    higher_is_better: bool
    function: Callable[[FloatArray, FloatArray, int], float]
    decimals: int
    definition: str


def _distill_mos_of_estimate(reference: FloatArray, estimate: FloatArray, sample_rate: int) -> float:
    return speech.distill_mos(estimate, sample_rate)


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "pesq_wb": Measure("PESQ-WB", True, speech.pesq_wb, 2, "ITU-T P.862.2 at 16 kHz, MOS-LQO, ceiling 4.64"),
        "pesq_nb": Measure("PESQ-NB", True, speech.pesq_nb, 2, "ITU-T P.862.1 at 8 kHz, MOS-LQO, ceiling 4.55"),
        "stoi": Measure("STOI", True, speech.stoi, 3, "short-time objective intelligibility, ceiling 1"),
        "estoi": Measure("ESTOI", True, speech.estoi, 3, "extended STOI, ceiling 1"),
        "distill_mos": Measure(
            "DistillMOS",
            True,
            _distill_mos_of_estimate,
            2,
            "no-reference MOS estimate 1 to 5; read it as a difference from the recordings' own score",
        ),
        "log_mel_l1": Measure(
            "log-mel L1",
            False,
            spectral.log_mel_l1,
            3,
            "mean absolute difference of natural-log mels, 80 Slaney bands 0-8 kHz, FFT 1024, hop 256",
        ),
        "mr_stft": Measure(
            "MR-STFT",
            False,
            spectral.mr_stft,
            3,
            "spectral convergence + log-magnitude L1 over FFT 512, 1024, 2048 (auraloss defaults, 'M-STFT')",
        ),
        "log_spectral_distance": Measure(
            "LSD dB",
            False,
            spectral.log_spectral_distance,
            2,
            "rms difference of log power spectra over frequency, mean over frames, FFT 2048, hop 512",
        ),
        "mcd": Measure("MCD dB", False, spectral.mcd, 2, spectral.MCD_DEFINITION),
        "f0_rmse": Measure(
            "F0 cents",
            False,
            pitch.f0_rmse,
            1,
            "rms pitch error where both are voiced; CREPE tiny, Viterbi, no dither (the dither of torchcrepe's own "
            "decoding alone is about 11 cents)",
        ),
        "voicing_f1": Measure(
            "V/UV F1",
            True,
            pitch.voicing_f1,
            3,
            f"F1 of voiced frames, CREPE tiny periodicity {pitch.VOICED_PERIODICITY} or more, 10 ms frames",
        ),
        "periodicity_rmse": Measure(
            "periodicity", False, pitch.periodicity_rmse, 3, "rms difference of CREPE tiny's periodicity"
        ),
    }
)


def named_measure(name: str) -> Measure:
    """Look a measure up.

    Raises:
        AudiodiffError: no measure has this name; the message lists those there are.
    """
    if name not in MEASURES:
        raise AudiodiffError(f"there is no measure called {name!r}; choose from {', '.join(MEASURES)}.")
    return MEASURES[name]
