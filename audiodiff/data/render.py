"""A composed clip played by FluidSynth, mixed, cut, levelled and written."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from audiodiff.composer.midi import midi_bytes
from audiodiff.composer.piece import Piece
from audiodiff.composer.soundfont import INSTALL
from audiodiff.data.mix import draw_mix, mix
from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import read_audio, write_audio

SAMPLE_RATE = 44100
LEVEL_DB = -20.0
"""Root mean square of a clip below full scale, unless its peaks forbid it."""

_MOST_PEAK = 0.95
_FADE_SECONDS = 0.01
_PATIENCE_SECONDS = 600


def find_synthesiser() -> str:
    """Return the path of FluidSynth.

    Raises:
        AudiodiffError: it is not installed.
    """
    found = shutil.which("fluidsynth")
    if found is None:
        raise AudiodiffError(f"fluidsynth is not installed, and it plays the music; install it ({INSTALL}).")
    return found


def play(piece: Piece, soundfont: Path, synthesiser: str) -> npt.NDArray[np.float32]:
    """Play a clip: stereo `[2, n_samples]` at `SAMPLE_RATE`, levelled to `LEVEL_DB`.

    Raises:
        AudiodiffError: FluidSynth failed, or what it played is silence.
    """
    with tempfile.TemporaryDirectory(prefix="audiodiff-") as folder:
        score, sound = Path(folder, "clip.mid"), Path(folder, "clip.wav")
        score.write_bytes(midi_bytes(piece.score))
        # Float samples, so that nothing clips before the level is known; only the samples in use are loaded.
        settings = ["synth.dynamic-sample-loading=1", "synth.cpu-cores=1"]
        command = [synthesiser, "-q", "-n", "-i", "-r", str(SAMPLE_RATE), "-g", "0.4", "-T", "wav", "-O", "float"]
        command += ["-R", "0", "-C", "0"]  # no reverb and no chorus: the mix has its own
        command += [part for setting in settings for part in ("-o", setting)]
        command += ["-F", str(sound), str(soundfont), str(score)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise AudiodiffError(
                f"fluidsynth did not finish clip {piece.name} within {_PATIENCE_SECONDS} s; try another soundfont."
            ) from error
        except OSError as error:
            raise AudiodiffError(f"fluidsynth cannot be started ({error.strerror}); install it again.") from error
        # With a soundfont that it cannot load FluidSynth goes on with another one, and reports success.
        if done.returncode != 0 or not sound.is_file() or "error" in done.stderr.lower():
            said = [line.strip() for line in done.stderr.splitlines() if "error" in line.lower()]
            reason = said[-1] if said else f"status {done.returncode}"
            raise AudiodiffError(
                f"fluidsynth failed on clip {piece.name} with {soundfont.name} ({reason[:200]}); "
                "choose another soundfont, or install fluidsynth again."
            )
        waveform = np.broadcast_to(dry := read_audio(sound).waveform, (2, dry.shape[1]))
    waveform = _levelled(waveform, piece.name)
    return _levelled(_cut(mix(waveform, SAMPLE_RATE, draw_mix(piece)), piece), piece.name)


def _cut(waveform: npt.NDArray[np.float32], piece: Piece) -> npt.NDArray[np.float32]:
    start = round(piece.offset * SAMPLE_RATE)
    count = round(piece.seconds * SAMPLE_RATE)
    clip = waveform[:, start : start + count]
    clip = np.pad(clip, ((0, 0), (0, count - clip.shape[1])))
    fade = np.linspace(0.0, 1.0, min(round(_FADE_SECONDS * SAMPLE_RATE), count), dtype=np.float32)
    clip[:, -len(fade) :] *= fade[::-1]
    if start:
        clip[:, : len(fade)] *= fade
    return clip


def _levelled(clip: npt.NDArray[np.float32], name: str) -> npt.NDArray[np.float32]:
    clip = clip - clip.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    rms = float(np.sqrt(np.mean(np.square(clip, dtype=np.float64))))
    if rms < 1e-5:
        raise AudiodiffError(f"Clip {name} came out silent; the soundfont may lack an instrument, choose another one.")
    gain = 10.0 ** (LEVEL_DB / 20.0) / rms
    return clip * np.float32(min(gain, _MOST_PEAK / float(np.abs(clip).max())))


def render(piece: Piece, path: Path, soundfont: Path, synthesiser: str) -> None:
    """Play a clip into a sound file, which appears only when complete.

    Raises:
        AudiodiffError: FluidSynth failed, or the file cannot be written.
    """
    write_audio(path, play(piece, soundfont, synthesiser), SAMPLE_RATE)
