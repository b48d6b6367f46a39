"""A file that something is made of: opened once, whatever is asked about it."""

from functools import cached_property
from pathlib import Path

from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import Audio, AudioInfo, read_whole
from audiodiff.signal.sample_hash import SampleHash
from audiodiff.signal.truncation import truncation_of
from audiodiff.synthesis.clip import FADE_SECONDS, Sound
from audiodiff.synthesis.clip_latents import ClipLatents, latents_beside, read_latents
from audiodiff.synthesis.provenance import (
    InputRecord,
    ProvenanceRecord,
    input_record,
    provenance_of_sound,
    sidecar_path,
)
from audiodiff.synthesis.settings import MAX_SECONDS

MAX_VALUES = 1 << 27
"""Samples over all channels that are held at once, 512 MiB: ten minutes of stereo at 96 kHz."""

_FADED_BY = frozenset({"generate", "vary", "interpolate"})
_SAID_BY = frozenset({"speak", "respeak"})
_LOOPS = frozenset({"generate", "vary"})


class Source:
    """A sound file that is short enough to be edited. It is read when something of it is first asked for.

    Args:
        path: anything soundfile reads.
        latents: hash of the latents in it that an edit must start from; "" to start from its samples; `None` for the
            latents in it if they are those of its samples.

    Raises:
        AudiodiffError: from any part of it: missing, not audio, damaged, too long, or without the latents asked for.
    """

    def __init__(self, path: str | Path, *, latents: str | None = None) -> None:
        """Remember where it is."""
        self.path = Path(path)
        self._wanted = latents

    @cached_property
    def _whole(self) -> tuple[Audio, AudioInfo, str]:
        return read_whole(self.path, most_seconds=MAX_SECONDS, most_values=MAX_VALUES)

    @property
    def audio(self) -> Audio:
        """Its samples and rate."""
        return self._whole[0]

    @property
    def info(self) -> AudioInfo:
        """What its header says."""
        return self._whole[1]

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence if it was cut off."""
        audio, info, log = self._whole
        cut = truncation_of(self.path, info, log, audio.waveform.shape[1])
        return () if cut is None else (cut.note(self.path),)

    @property
    def sound(self) -> Sound:
        """What an edit starts from."""
        return self.audio.waveform, self.audio.sample_rate, self._kept[0]

    @property
    def latents_notes(self) -> tuple[str, ...]:
        """A sentence if it has latents that are not used."""
        return self._kept[1]

    @cached_property
    def _kept(self) -> tuple[ClipLatents | None, tuple[str, ...]]:
        assert self._whole  # it is a sound file
        if self._wanted == "":
            return None, ()
        found, said = None, ""
        try:
            found = read_latents(self.path)
        except AudiodiffError as error:
            said = f"{str(error).rstrip('.')}; its samples were encoded"
        if found is not None or sidecar_path(self.path).is_file():
            samples = SampleHash()
            samples.update(self.audio.waveform)
            if found is None:
                found = latents_beside(self.path, samples.hexdigest())
            elif found.samples_sha256 != samples.hexdigest():
                found, said = None, f"{self.path.name} was changed since its latents were kept; it was encoded again"
        if self._wanted is not None and (found is None or found.sha256 != self._wanted):
            raise AudiodiffError(
                f"{self.path} has not the latents that the edit started from (sha256 {self._wanted[:12]}); they may "
                "have been in the JSON next to it: put that back."
            )
        return found, (said,) if said else ()

    @cached_property
    def record(self) -> ProvenanceRecord | None:
        """What it tells of itself; a damaged record says nothing, and does not keep the sound from being edited."""
        assert self._whole  # it is a sound file
        try:
            return provenance_of_sound(self.path)
        except AudiodiffError:
            return None

    @cached_property
    def identity(self) -> InputRecord:
        """What a record says of it."""
        return input_record(self.path)

    @property
    def prompts(self) -> tuple[str, str] | None:
        """The prompt and the negative prompt that it was made from; `None` if it does not tell."""
        record = self.record
        return (record.prompt, record.negative) if record is not None and record.prompt.strip() else None

    @property
    def said(self) -> str:
        """What it tells that is said in it.

        Raises:
            AudiodiffError: it does not tell.
        """
        if self.record is None or not self.tells_words:
            raise AudiodiffError(f"{self.path} does not tell what is said in it; give that with --text or --file.")
        return self.record.prompt

    @property
    def tells_words(self) -> bool:
        """Whether it tells what is said in it."""
        return self.record is not None and self.record.verb in _SAID_BY

    def fade(self, *, before: bool) -> float:
        """Length of the fade (s) that audiodiff gave its end, or its beginning; 0 if it has none."""
        record = self.record
        if record is None:
            return 0.0
        extended = record.verb == "extend" and record.settings.get("before") is before
        faded = record.verb in _FADED_BY and not record.settings.get("loop", False)
        faded_out = record.settings.get("fade_out")
        longer = (
            faded_out if isinstance(faded_out, int | float) and not before and not isinstance(faded_out, bool) else 0.0
        )
        return max(FADE_SECONDS, longer) if extended or faded else 0.0

    def loops(self, sample_rate: int, samples_per_latent: int) -> bool:
        """Whether it tells that its end leads into its beginning, and nobody has cut or resampled it since."""
        record = self.record
        looped = record is not None and record.verb in _LOOPS and record.settings.get("loop") is True
        if record is None or not (looped or record.verb == "loop"):
            return False
        whole = self.info.n_samples == record.audio.n_samples or self.info.n_samples % samples_per_latent == 0
        return whole and self.info.sample_rate == sample_rate
