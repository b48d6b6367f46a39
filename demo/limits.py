"""How much the demo does for one user. Imports neither torch nor Gradio."""

import math
from dataclasses import dataclass, fields

from audiodiff.errors import AudiodiffError

CARDS = 4
"""Clips that the page can show at a time."""


@dataclass(frozen=True)
class Limits:
    """Bounds of what a visitor may ask for; every one is a flag of `audiodiff demo`.

    Attributes:
        upload_mb: largest file that is taken in (MiB).
        upload_seconds: longest recording, its channels added up (s).
        prompt_chars: characters of a prompt.
        seconds: longest clip that is generated (s).
        steps: most sampling steps, of the model and of the vocoder.
        jobs: jobs that one user may have running and waiting at a time.
        waiting: jobs of all users together.
        keep_minutes: how long uploads and results stay on the server.
    """

    upload_mb: float = 50.0
    upload_seconds: float = 180.0
    prompt_chars: int = 2000
    seconds: float = 60.0
    steps: int = 200
    jobs: int = 2
    waiting: int = 20
    keep_minutes: float = 60.0

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            AudiodiffError: a limit is not a number above 0, or asks for more threads than the server has.
        """
        for item in fields(self):
            value = getattr(self, item.name)
            whole = item.type is int
            if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not value > 0:
                raise AudiodiffError(
                    f"the limit {item.name} is {value!r}; expected a {'whole ' if whole else ''}number above 0."
                )
            if not math.isfinite(value):
                raise AudiodiffError(f"the limit {item.name} is not finite; expected a number above 0.")
        if self.waiting > 30:
            raise AudiodiffError(f"the limit waiting is {self.waiting}; expected 1 to 30, since each holds a thread.")

    @property
    def upload_bytes(self) -> int:
        """Largest file that is taken in."""
        return round(self.upload_mb * 2**20)
