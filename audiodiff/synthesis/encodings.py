"""The encoding of a file that a verb writes: one that holds what is kept of a recording, or as many bits as wanted."""

from collections.abc import Sequence
from pathlib import Path

from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import LOSSY
from audiodiff.synthesis.source import Source
from audiodiff.synthesis.verb import Verb

BITS = (16, 24)
FLOAT_ENCODINGS = ("FLOAT", "DOUBLE")
"""Encodings that hold samples beyond full scale."""

_WITHIN_16_BITS = frozenset({"PCM_16", "PCM_U8", "PCM_S8", "ULAW", "ALAW"})


def check_bits(bits: int | None, target: Path) -> None:
    """Refuse a number of bits that a file cannot have.

    Raises:
        AudiodiffError: it cannot.
    """
    if bits is None:
        return
    if bits not in BITS:
        raise AudiodiffError(f"bits is {bits!r}; choose one of {', '.join(map(str, BITS))}.")
    if target.suffix.lower() in LOSSY:
        raise AudiodiffError(f"{target} has no bits to choose; write .wav or .flac, or leave bits out.")


def encoding_of(
    verb: Verb, sources: Sequence[Source], target: Path, bits: int | None
) -> tuple[str | None, tuple[str, ...]]:
    """The encoding of the output, `None` for the usual one, and a note if it does not hold what is to be kept."""
    usual, notes = _exact_encoding(sources[0], target) if verb.keeps_samples else (None, ())
    if bits is None:
        return usual, notes
    if bits == min(BITS) and usual not in (None, "PCM_16"):
        notes = (f"16 bits do not hold the samples of {sources[0].path.name}, which were rounded",)
    return f"PCM_{bits}", notes


def _exact_encoding(source: Source, target: Path) -> tuple[str | None, tuple[str, ...]]:
    """The encoding of `target` that holds the samples of `source` as they are, and a note where there is none."""
    found = source.info.encoding.split()[-1]
    suffix = target.suffix.lower()
    if suffix in LOSSY:
        kept = f"{LOSSY[suffix]} keeps no sample as it was; write .wav or .flac to keep those outside what is new"
        return None, (kept,)
    if found in _WITHIN_16_BITS:
        return "PCM_16", ()
    if suffix == ".flac":
        rounded = f"FLAC holds 24 bits and {source.path.name} has samples between them ({found}), which were rounded"
        return "PCM_24", () if found == "PCM_24" else (rounded,)
    return ("PCM_24" if found == "PCM_24" else "FLOAT"), ()
