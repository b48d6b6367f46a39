"""Settings as a file tells them. Imports no torch."""

from typing import TYPE_CHECKING, Any

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.settings import Sampling

if TYPE_CHECKING:
    from audiodiff.synthesis.provenance import ProvenanceRecord


def setting(record: "ProvenanceRecord", name: str, kind: type, *, optional: bool = False, absent: object = None) -> Any:
    """Return one setting of a record; records are written by anybody, so its type is looked at.

    Args:
        record: what a file tells.
        name: of the setting.
        kind: its type.
        optional: whether it may be none.
        absent: its value in a file from before there was such a setting; if `None`, every file has it.

    Raises:
        AudiodiffError: it is missing, or of another type.
    """
    value = record.settings.get(name, absent)
    if kind is float and type(value) is int:
        value = float(value)
    if not (type(value) is kind or (optional and value is None and name in record.settings)):
        raise AudiodiffError(
            f"the provenance record has the setting {name} {str(value)[:60]!r}; expected a value of type "
            f"{kind.__name__}."
        )
    return value


def sampling_of(record: "ProvenanceRecord") -> Sampling:
    """How a model without guidance sampled."""
    return Sampling(
        steps=setting(record, "steps", int),
        sampler=setting(record, "sampler", str),
        grid=setting(record, "grid", str),
        precision=setting(record, "precision", str),
        seed=record.seed,
    )
