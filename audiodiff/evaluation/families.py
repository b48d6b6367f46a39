"""Families of instruments: what of a clip's free text the family classifier has to tell apart."""

import re

_RULES: tuple[tuple[str, str], ...] = (
    (r"distorted|^electric guitars; bass; drums$|^electric guitar; drums$", "metal and rock"),
    (r"^(solo )?(acoustic |acoustic grand |honky-tonk |electric )?piano$", "piano"),
    (r"^solo church organ$", "organ"),
    (r"^(solo )?(classical|nylon-string acoustic|steel-string|steel-string acoustic) guitar$", "acoustic guitar"),
    (r"^choir( aahs| oohs)?$", "choir"),
    (r"^(string ensemble.*|violin|solo cello|strings)$", "strings"),
    (r"^(soft )?synth(esizer)?(s| pads)$|^synth|^square-wave|^8-bit|^percussion; synth", "electronic"),
    (r"^(solo drum kit|solo hand percussion|taiko drums)$", "drums"),
    (r"^(trumpets;.*|brass section|solo (french horn|trombone|trumpet))$", "brass"),
    (r"bass.*drums|bass.*percussion|drums.*bass", "band"),
)
"""Pattern -> family; the first that is found in the text counts."""


def family(instrument: str) -> str | None:
    """The family of an instrument text such as "piano; upright bass; drums", None for one outside all families."""
    text = instrument.strip().lower()
    return next((name for pattern, name in _RULES if re.search(pattern, text)), None)
