"""What the upsampler does with a recording, as plain functions like those of `handlers`."""

from pathlib import Path

import torch

from audiodiff.models.find import ASSETS
from audiodiff.signal.audio_io import read_audio, write_audio
from audiodiff.signal.resample import resample
from audiodiff.synthesis.files import run_file
from audiodiff.synthesis.upsample_settings import UpsampleSettings

from . import checks
from .app_state import AppState
from .handlers import Compared, ProgressReporter, Report, one_turn, slug
from .jobs import User
from .pictures import mel_pictures, sound_spectrum
from .said import said

EXAMPLE = ASSETS / "example.flac"


def upsample(
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
    augmentation: float | None = None,
    replace: bool = False,
    format: str = "flac",
    watermark: bool = True,
) -> Compared:
    """Give a recording the band that it lacks, and compare the spectra of what went in and what came out.

    What went in is shown as the model hears it: at its low rate, interpolated.

    Args:
        state: the demo.
        report: called with what there is to show.
        user: who asks.
        input: a sound file.
        steps: sampling steps; the model's recommendation when `None`, as for the next two.
        sampler: name of the sampler.
        grid: name of the time grid.
        seed: seed of the noise.
        precision: what the network computes in.
        augmentation: noise on the condition, 0 to what the model has learnt; its recommendation when `None`.
        replace: replace the upper band even if the input has one.
        format: of the file to write.
        watermark: whether the samples get the inaudible mark.

    Raises:
        AudiodiffError: an argument is out of range, the upload cannot be used, or the user has too many jobs.
        Stopped: the job was stopped.
    """
    synthesizer = state.models.require_upsampler()
    limits = state.limits
    source = checks.check_upload(limits, input)
    most = synthesizer.model.config.augmentation_max
    settings = UpsampleSettings(
        checks.check_sampling(limits, steps, sampler, grid, precision, seed),
        augmentation=checks.number_or_none("augmentation", augmentation, 0.0, most),
        replace=bool(replace),
    )
    ending, bits = checks.check_format(format)
    target = state.workspace.new_file(f"{slug(source.stem)}-upsampled.{ending}")

    def work(progress: ProgressReporter) -> Compared:
        def on_progress(done: float, total: float) -> None:
            progress.say(said("{done:.1f} of {total:.1f} s of sound", done=done, total=total), done / total)

        told = run_file(
            "upsample",
            synthesizer,
            [source],
            target,
            settings,
            bits=bits,
            on_progress=on_progress,
            watermark=bool(watermark),
        )
        sound, given, rate = read_audio(target).waveform, read_audio(source), told.sample_rate
        low = resample(torch.from_numpy(given.waveform), given.sample_rate, synthesizer.low_rate)
        narrow = resample(low, synthesizer.low_rate, rate).numpy()[:, : sound.shape[-1]]
        original = state.workspace.new_file(f"{slug(source.stem)}-interpolated.flac")
        write_audio(original, narrow, rate)
        first, second = mel_pictures([sound_spectrum(narrow, rate), sound_spectrum(sound, rate)])
        used = told.sampling
        return Compared(
            original=original,
            path=target,
            pictures=(first, second),
            figures={
                "real_time_factor": round(told.real_time_factor, 4),
                "seconds": round(told.seconds, 3),
                "input_rate": given.sample_rate,
                "sample_rate": rate,
                "channels": told.channels,
                "new_band_hz": [synthesizer.bands.kept_hz, rate / 2],
                "steps": used.steps,
                "sampler": used.sampler,
                "grid": used.grid,
                "seed": used.seed,
                "precision": used.precision,
                "augmentation": told.resolved.augmentation,
                "replace": told.resolved.replace,
                "silent_channels": told.silent_channels,
                "clipped": told.clipped,
                "notes": list(told.notes),
            },
        )

    return one_turn(state, report, user, work, held=[source, target.parent])


def take_example(state: AppState) -> Path:
    """Return the package's example at the upsampler's low rate, where the server may hand it out from."""
    low_rate = state.models.require_upsampler().low_rate

    def work() -> Path:
        sound = read_audio(EXAMPLE)
        target = state.workspace.new_file(f"{EXAMPLE.stem}-{low_rate / 1000:g}k.flac")
        narrow = resample(torch.from_numpy(sound.waveform), sound.sample_rate, low_rate)
        write_audio(target, narrow.numpy(), low_rate)
        return target

    return state.jobs.off_queue(work)
