"""The latents that a clip was decoded from, kept in its file: an edit starts from them, and loses nothing by encoding.

They are one JSON document under the tag `AUDIODIFF_LATENTS`, and under the key `latents` in the sidecar: 16-bit floats
in base64, 19 kB for ten seconds of the model `music`. Files come from anybody, so nothing in one is taken on trust.
Imports no torch.
"""

import base64
import binascii
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from audiodiff.errors import AudiodiffError
from audiodiff.json_reader import parse_json, take
from audiodiff.signal.tags import read_tags
from audiodiff.synthesis.provenance import SIDECAR_LATENTS, read_sidecar, sidecar_path

TAG = "AUDIODIFF_LATENTS"

MOST_IN_TAG = 1 << 20
"""Characters of values in the tag; more would be a burden for players, which read the tags of a file first."""

_FORMAT = 1
_MOST = 1 << 22
"""Characters of the document in a sidecar: ten minutes of stereo have half of that."""

_GAINS = (1e-6, 1e6)
_VALUES = "<f2"


@dataclass(frozen=True, eq=False)
class ClipLatents:
    """The latents of a clip, and how its samples come out of them.

    Attributes:
        values: float16 `[clip channels, latent channels, n_latents]`.
        lead: samples at the model's rate that they begin before the clip, 0 or more.
        gain: what brings the clip to the level of what they are decoded to.
        autoencoder_sha256: of the autoencoder that they belong to (`recording.hash_of_autoencoder`).
        samples_sha256: of the samples of the file that they are in (`audiodiff.signal.sample_hash`).
    """

    values: NDArray[np.float16]
    lead: int
    gain: float
    autoencoder_sha256: str
    samples_sha256: str = ""

    @cached_property
    def sha256(self) -> str:
        """What a provenance record calls them by: a hash of all but the samples."""
        what = [list(self.values.shape), self.lead, self.gain, self.autoencoder_sha256]
        return hashlib.sha256(json.dumps(what).encode() + self._bytes()).hexdigest()

    @property
    def fits_tag(self) -> bool:
        """Whether they are few enough for a tag; if not, the sidecar alone has them."""
        return 4 * self.values.nbytes // 3 <= MOST_IN_TAG

    def described(self) -> dict[str, Any]:
        """Return everything but the values, as JSON values."""
        return {
            "format": _FORMAT,
            "shape": list(self.values.shape),
            "lead": self.lead,
            "gain": self.gain,
            "autoencoder_sha256": self.autoencoder_sha256,
            "samples_sha256": self.samples_sha256,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the document as JSON values."""
        return {**self.described(), "values": base64.b64encode(self._bytes()).decode()}

    def to_json(self) -> str:
        """Return the document."""
        return json.dumps(self.to_dict(), separators=(",", ":"))

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], where: str) -> Self:
        """Read a document.

        Args:
            document: JSON values.
            where: what to call it in messages.

        Raises:
            AudiodiffError: it is damaged, or of a newer audiodiff.
        """
        if take(document, "format", int, where) != _FORMAT:
            raise AudiodiffError(f"{where} have a format that this audiodiff does not know; update audiodiff.")
        shape, lead = take(document, "shape", list, where), take(document, "lead", int, where)
        gain, text = take(document, "gain", float, where), take(document, "values", str, where)
        if len(shape) != 3 or any(type(size) is not int or size < 1 for size in shape):
            raise AudiodiffError(f"{where} are damaged: their shape is {str(shape)[:60]}.")
        if lead < 0 or not _GAINS[0] <= gain <= _GAINS[1]:
            raise AudiodiffError(f"{where} are damaged: lead is {lead}, gain {gain:g}.")
        try:
            content = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise AudiodiffError(f"{where} are damaged: their values are not base64.") from error
        if len(content) != 2 * math.prod(shape):
            raise AudiodiffError(f"{where} are damaged: {len(content)} bytes do not have the shape {shape}.")
        values = np.frombuffer(content, _VALUES).reshape(shape).astype(np.float16)
        if not np.isfinite(values).all():
            raise AudiodiffError(f"{where} are damaged: some of their values are not numbers.")
        hashes = (take(document, f"{what}_sha256", str, where) for what in ("autoencoder", "samples"))
        return cls(values, lead, gain, *hashes)

    def _bytes(self) -> bytes:
        return np.ascontiguousarray(self.values, _VALUES).tobytes()


def read_latents(path: str | Path) -> ClipLatents | None:
    """Read the latents in a file; `None` if there are none.

    Args:
        path: what is known to be a sound file, or the JSON next to one.

    Raises:
        AudiodiffError: they are damaged.
    """
    path = Path(path)
    if path.suffix.lower() == ".json":
        return _parse(read_sidecar(path).get(SIDECAR_LATENTS), path)
    try:
        text = read_tags(path).get(TAG.lower())
    except AudiodiffError:
        text = None  # the sound can be read, as of a recorder that crashed
    return _parse(text, path)


def latents_beside(path: Path, samples_sha256: str) -> ClipLatents | None:
    """Read the latents in the JSON next to a sound file; `None` if there are none, or those of other samples."""
    try:
        found = read_latents(sidecar_path(path))
    except AudiodiffError:
        return None  # some other JSON of that name, or none
    return found if found is not None and found.samples_sha256 == samples_sha256 else None


def _parse(found: object, path: Path) -> ClipLatents | None:
    where = f"the latents in {path}"
    if found is None:
        return None
    if isinstance(found, str):
        if len(found) > _MOST:
            raise AudiodiffError(f"{where} are longer than {_MOST} characters; audiodiff writes none that long.")
        found = parse_json(found, where)
    if not isinstance(found, Mapping):
        raise AudiodiffError(f"{where} are damaged: they are no table of keys and values.")
    return ClipLatents.from_dict(found, where)
