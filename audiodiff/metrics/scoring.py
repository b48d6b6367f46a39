"""The table of measures by name, and the score of one clip by any of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from audiodiff.errors import AudiodiffError
from audiodiff.metrics import speech
from audiodiff.metrics._inputs import FloatArray


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
        "pesq_wb": Measure(
            "PESQ-WB", True, speech.pesq_wb, 2, "ITU-T P.862.2 at 16 kHz, MOS-LQO, ceiling 4.64"
        ),
        "pesq_nb": Measure(
            "PESQ-NB", True, speech.pesq_nb, 2, "ITU-T P.862.1 at 8 kHz, MOS-LQO, ceiling 4.55"
        ),
        "stoi": Measure("STOI", True, speech.stoi, 3, "short-time objective intelligibility, ceiling 1"),
        "estoi": Measure("ESTOI", True, speech.estoi, 3, "extended STOI, ceiling 1"),
        "distill_mos": Measure(
            "DistillMOS",
            True,
            _distill_mos_of_estimate,
            2,
            "no-reference MOS estimate 1 to 5; read it as a difference from the recordings' own score",
        ),
    }
)


def score_pair(
    reference: FloatArray,
    estimate: FloatArray,
    sample_rate: int,
    measures: Sequence[str] = ("pesq_wb", "stoi", "distill_mos"),
) -> dict[str, float]:
    """Score one estimate `[n_samples]` against its reference `[n_samples]` by the named measures.

    Raises:
        AudiodiffError: an unknown measure, or whatever a measure itself refuses.
    """
    return {name: named_measure(name).function(reference, estimate, sample_rate) for name in measures}


def named_measure(name: str) -> Measure:
    """Look a measure up.

    Raises:
        AudiodiffError: no measure has this name; the message lists those there are.
    """
    if name not in MEASURES:
        raise AudiodiffError(f"there is no measure called {name!r}; choose from {', '.join(MEASURES)}.")
    return MEASURES[name]
