"""A narrow-band recording with the band that it lacks, in memory that does not grow with its length."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.told import sampling_of, setting
from audiodiff.synthesis.upsample_settings import UpsampleSettings
from audiodiff.synthesis.verb import Argument, Verb, as_given, summary_of_stream

if TYPE_CHECKING:
    from torch import Tensor

    from audiodiff.synthesis.clip import OnProgress
    from audiodiff.synthesis.provenance import ProvenanceRecord
    from audiodiff.synthesis.source import Source
    from audiodiff.synthesis.streams import Stream
    from audiodiff.synthesis.upsample import UpsamplePlan, UpsamplerSynthesizer


def resolve(synthesizer: "UpsamplerSynthesizer", settings: UpsampleSettings) -> "UpsamplePlan":
    """Fill in what the model recommends.

    Raises:
        AudiodiffError: the model makes another rate, knows no such augmentation, or the sampler does not fit it.
    """
    if settings.rate is not None and settings.rate != synthesizer.sample_rate:
        raise AudiodiffError(
            f"the rate asked for is {settings.rate} Hz, but {synthesizer.name} makes {synthesizer.sample_rate} Hz of "
            f"{synthesizer.low_rate} Hz; ask for that, or give a model for {settings.rate} Hz."
        )
    return synthesizer.plan(settings)


def make(
    synthesizer: "UpsamplerSynthesizer",
    sources: Sequence["Source"],
    plan: "UpsamplePlan",
    on_progress: "OnProgress | None" = None,
) -> "Stream":
    """Give a sound file the band that it lacks.

    The file is read twice, once for its level, length and band; it is never held as a whole. What comes out has exactly
    as many samples as the input resampled.

    Args:
        synthesizer: the loaded upsampler.
        sources: anything soundfile reads.
        plan: the resolved settings.
        on_progress: called with the seconds done and the seconds in all.

    Raises:
        AudiodiffError: any input that cannot be worked with.
    """
    import torch

    from audiodiff.signal.audio_io import audio_info, read_blocks
    from audiodiff.signal.meters import BandMeter, RmsMeter
    from audiodiff.signal.resample import n_resampled, resample_stream
    from audiodiff.signal.truncation import truncation_notes
    from audiodiff.synthesis.band import input_notes
    from audiodiff.synthesis.streams import READ_SAMPLES, Stream, cut_stream

    path = sources[0].path
    info, rate = audio_info(path), synthesizer.sample_rate

    def decoded() -> Iterator["Tensor"]:
        return (torch.from_numpy(block) for block in read_blocks(path, READ_SAMPLES))

    band, meter, n_samples = BandMeter(info.sample_rate, synthesizer.low_rate / 2), RmsMeter(), 0

    def measured() -> Iterator["Tensor"]:
        nonlocal n_samples
        for block in decoded():
            band.add(block)
            n_samples += block.shape[-1]
            yield block

    for block in resample_stream(measured(), info.sample_rate, synthesizer.low_rate):
        meter.add(block)
    if not n_samples:
        raise AudiodiffError(f"{path} has no samples; give a recording.")
    notes = input_notes(info.sample_rate, band.above_db, synthesizer.bands, replace=plan.replace)
    gains = meter.gains(synthesizer.model.config.level)
    n_output = n_resampled(n_samples, info.sample_rate, rate)
    low = resample_stream(decoded(), info.sample_rate, synthesizer.low_rate)
    return Stream(
        blocks=cut_stream(synthesizer.stream(low, meter, plan, on_progress), n_output),
        sample_rate=rate,
        channels=len(gains),
        n_samples=n_output,
        notes=(*notes, *truncation_notes(path)),
        silent_channels=gains.count(None),
    )


def remake(record: "ProvenanceRecord") -> tuple[UpsampleSettings, Callable[["UpsamplerSynthesizer"], "UpsamplePlan"]]:
    """Read the settings in a file that was made.

    Raises:
        AudiodiffError: one is missing or out of range.
    """
    augmentation, again = setting(record, "augmentation", float), setting(record, "replace", bool)
    settings = UpsampleSettings(sampling_of(record), augmentation=augmentation, replace=again)
    window_frames = setting(record, "window_frames", int)
    if window_frames < 1:
        raise AudiodiffError("the provenance record is damaged: its windows are out of range.")
    return settings, lambda synthesizer: replace(synthesizer.plan(settings), window_frames=window_frames)


def summary(report: Any) -> str:
    """Say what is new, and how it was made."""
    resolved = report.resolved
    new, noise = f", new above {resolved.kept_hz:g} Hz", f", augmentation {resolved.augmentation:g}"
    return summary_of_stream(report, "which stayed as it is", first=new, last=noise)


VERB = Verb(
    "upsample",
    UpsampleSettings,
    make,
    help="give a narrow-band recording the band it lacks",
    description=(
        "Make the upper band of a narrow-band recording, such as a telephone call at 8 kHz. The band "
        "that it has stays as it is."
    ),
    doing="upsampling",
    arguments=(Argument("input", "any sound file", type=Path),),
    hidden=("guidance", "rescale", "guidance_hold"),
    streams=True,
    model="upsample-speech",
    loader="audiodiff.synthesis.upsample:load_upsampler",
    n_models=1,
    complete=as_given,
    resolve=resolve,
    remake=remake,
    summary=summary,
)
