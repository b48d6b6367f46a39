"""How much the demo does for one user. Imports neither torch nor Gradio."""

import math
from dataclasses import dataclass, fields

from audiodiff.errors import AudiodiffError

CARDS = 4
"""Clips that the page can show at a time."""

MOST_FILES = 8
"""Files that one request may name."""

USUAL_RATE = 96_000
"""Recordings as long as is allowed may have this sample rate (Hz); above it they must be shorter."""

RATES = (1_000, 384_000)
"""Sample rates of recordings that are taken (Hz)."""


@dataclass(frozen=True)
class Limits:
    """Bounds of what a visitor may ask for; every one is a flag of `audiodiff demo`.

    Attributes:
        upload_mb: largest file that is taken in (MiB).
        upload_seconds: longest recording, its channels added up (s).
        prompt_chars: characters of a prompt.
        seconds: longest clip that is generated (s).
        speech_seconds: longest text that is spoken, by its length as it is estimated (s).
        steps: most sampling steps, of the model and of the vocoder.
        jobs: jobs that one user may have running and waiting at a time.
        waiting: jobs of all users together.
        keep_minutes: how long uploads and results stay on the server.
        disk_mb: uploads and results of all users together (MiB); the oldest go first.
        saved_prompts: prompts in the library.
    """

    upload_mb: float = 50.0
    upload_seconds: float = 180.0
    prompt_chars: int = 2000
    seconds: float = 60.0
    speech_seconds: float = 180.0
    steps: int = 200
    jobs: int = 2
    waiting: int = 20
    keep_minutes: float = 60.0
    disk_mb: float = 2048.0
    saved_prompts: int = 1000

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
        if self.disk_mb < self.upload_mb:
            raise AudiodiffError(
                f"the limit disk_mb is {self.disk_mb:g}; expected at least the largest upload, {self.upload_mb:g} MiB."
            )
        if self.waiting > 30:
            raise AudiodiffError(f"the limit waiting is {self.waiting}; expected 1 to 30, since each holds a thread.")

    @property
    def upload_bytes(self) -> int:
        """Largest file that is taken in."""
        return round(self.upload_mb * 2**20)

    @property
    def upload_samples(self) -> int:
        """Samples of the longest recording, its channels added up."""
        return round(self.upload_seconds * USUAL_RATE)

    @property
    def disk_bytes(self) -> int:
        """Uploads and results of all users together."""
        return round(self.disk_mb * 2**20)

    @property
    def body_bytes(self) -> int:
        """Largest request that is no upload: four texts, each character as long as JSON can make it, and the rest."""
        return 2**18 + 4 * 12 * self.prompt_chars
