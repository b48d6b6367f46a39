"""What the vocoder does with a recording, as a plain function like those of `handlers`."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from audiodiff.metrics.spectral import log_mel_l1
from audiodiff.signal.audio_io import read_audio, write_audio
from audiodiff.signal.resample import resample
from audiodiff.synthesis.files import run_file
from audiodiff.synthesis.mel_file import open_mel
from audiodiff.synthesis.settings import VocodeSettings
from audiodiff.synthesis.verbs.vocode import VocodeFileSettings

from . import checks
from .app_state import AppState
from .handlers import Compared, ProgressReporter, Report, one_turn, slug
from .jobs import User
from .pictures import mel_pictures, sound_mel
from .said import said


def vocode(
    state: AppState,
    report: Report,
    *,
    user: User | str,
    input: str | Path | None,
    steps: float | None = None,
    sampler: str | None = None,
    grid: str | None = None,
    seed: float = 0,
    precision: str | None = None,
    keep_level: bool = False,
    format: str = "flac",
    watermark: bool = True,
) -> Compared:
    """Reduce a recording to its log-mel, synthesise it again, and compare the log-mels of the two.

    Args:
        state: the demo.
        report: called with what there is to show.
        user: who asks.
        input: a sound file, or a log-mel as `.npy`.
        steps: sampling steps; the model's recommendation when `None`, as for the next two.
        sampler: name of the sampler.
        grid: name of the time grid.
        seed: seed of the noise.
        precision: what the network computes in.
        keep_level: do not match the level of the training audio.
        format: of the file to write.
        watermark: whether the samples get the inaudible mark.

    Raises:
        AudiodiffError: an argument is out of range, the upload cannot be used, or the user has too many jobs.
        Stopped: the job was stopped.
    """
    synthesizer = state.models.require_vocoder()
    limits, spec = state.limits, synthesizer.mel_spec
    source = checks.check_upload(limits, input, mel_seconds_per_frame=spec.hop_length / spec.sample_rate)
    settings = VocodeSettings(
        checks.check_sampling(limits, steps, sampler, grid, precision, seed),
        level="keep" if keep_level else "match",
    )
    ending, bits = checks.check_format(format)
    target = state.workspace.new_file(f"{slug(source.stem)}-vocoded.{ending}")

    def work(progress: ProgressReporter) -> Compared:
        def on_progress(done: float, total: float) -> None:
            progress.say(said("{done:.1f} of {total:.1f} s of sound", done=done, total=total), done / total)

        own = VocodeFileSettings(settings)
        told = run_file(
            "vocode", synthesizer, [source], target, own, bits=bits, on_progress=on_progress, watermark=bool(watermark)
        )
        sound = read_audio(target)
        distance, original, reference = None, None, None
        if source.suffix.lower() == ".npy":
            reference = _tensor(open_mel(source)[0])
        else:
            given = read_audio(source)
            wanted = resample(_tensor(given.waveform), given.sample_rate, sound.sample_rate).numpy()
            original = state.workspace.new_file(f"{slug(source.stem)}-original.flac")
            write_audio(original, wanted, sound.sample_rate)
            reference = sound_mel(wanted, sound.sample_rate, spec)
            if wanted.shape[-1] >= spec.n_fft:
                pairs = zip(wanted, sound.waveform, strict=True)
                distance = float(np.mean([log_mel_l1(a, b, sound.sample_rate) for a, b in pairs]))
        result = sound_mel(sound.waveform, sound.sample_rate, spec)
        shared = min(reference.shape[-1], result.shape[-1])
        first, second = mel_pictures([reference[:, :shared], result[:, :shared]])
        return Compared(
            original=original,
            path=target,
            pictures=(first, second),
            figures={
                "log_mel_l1": None if distance is None else round(distance, 4),
                "real_time_factor": round(told.real_time_factor, 4),
                "seconds": round(told.seconds, 3),
                "sample_rate": told.sample_rate,
                "channels": told.channels,
                "steps": told.sampling.steps,
                "sampler": told.sampling.sampler,
                "grid": told.sampling.grid,
                "seed": told.sampling.seed,
                "network_calls": told.resolved.plan.network_calls,
                "silent_channels": told.silent_channels,
                "clipped": told.clipped,
            },
        )

    return one_turn(state, report, user, work, held=[source, target.parent])


def _tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32))
