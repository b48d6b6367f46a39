"""Upsampling from file to file, in memory that does not grow with the length of the recording."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import audio_info, read_blocks
from audiodiff.signal.meters import BandMeter, RmsMeter
from audiodiff.signal.resample import n_resampled, resample_stream
from audiodiff.signal.truncation import truncation_notes
from audiodiff.synthesis.band import input_notes
from audiodiff.synthesis.files import READ_SAMPLES, WAV_BYTES, check_output
from audiodiff.synthesis.machine import this_machine
from audiodiff.synthesis.provenance import Story, StoryAudio, StoryWriter, check_sidecar, story_input
from audiodiff.synthesis.settings import RECOMMENDED
from audiodiff.synthesis.upsample import UpsamplePlan, UpsamplerSynthesizer
from audiodiff.synthesis.upsample_settings import UpsampleSettings
from audiodiff.synthesis.vocode import OnProgress
from audiodiff.torch_state import standard_state


@dataclass(frozen=True)
class UpsampleReport:
    """What an upsampling run did.

    Attributes:
        path: the file written.
        seconds: duration of the output.
        sample_rate: rate of the output in Hz.
        channels: channels of the output.
        plan: every setting as it was used.
        kept_hz: where the band that was made begins (Hz).
        silent_channels: channels that were silence and stayed so.
        clipped: samples beyond full scale, which were cut to it.
        notes: sentences about what the input lost or lacks.
        elapsed: seconds that it took, loading of the model not counted.
        story: what the file tells about itself; `None` without provenance.
    """

    path: Path
    seconds: float
    sample_rate: int
    channels: int
    plan: UpsamplePlan
    kept_hz: float
    silent_channels: int
    clipped: int
    notes: tuple[str, ...]
    elapsed: float
    story: Story | None = None

    @property
    def real_time_factor(self) -> float:
        """Seconds of work per second of audio; below 1 is faster than real time."""
        return self.elapsed / self.seconds


def check_rate_out(synthesizer: UpsamplerSynthesizer, rate: int | None) -> None:
    """Refuse a rate that the model does not make; `None` is the model's.

    Raises:
        AudiodiffError: it is another one.
    """
    if rate is not None and rate != synthesizer.sample_rate:
        raise AudiodiffError(
            f"the rate asked for is {rate} Hz, but {synthesizer.name} makes {synthesizer.sample_rate} Hz of "
            f"{synthesizer.low_rate} Hz; ask for that, or give a model for {rate} Hz."
        )


def upsample_file(
    synthesizer: UpsamplerSynthesizer,
    source: str | Path,
    target: str | Path,
    settings: UpsampleSettings | None = None,
    *,
    rate: int | None = None,
    provenance: bool = True,
    sidecar: bool = False,
    on_progress: OnProgress | None = None,
) -> UpsampleReport:
    """Give a sound file the band that it lacks.

    The file is read twice, once for its level, length and band; it is never held as a whole. The output has exactly as
    many samples as the input resampled.

    Args:
        synthesizer: the loaded upsampler.
        source: anything soundfile reads.
        target: `.wav`, `.flac` or `.ogg`; appears only when complete.
        settings: how to sample.
        rate: wanted rate (Hz); only the model's can be had.
        provenance: keep in the file what made it (`audiodiff.synthesis.provenance`), for `inspect` and `replay`.
        sidecar: write that as JSON beside the file, too.
        on_progress: called with the seconds done and the seconds in all.

    Raises:
        AudiodiffError: any input that cannot be worked with; nothing is left behind then.
    """
    check_rate_out(synthesizer, rate)
    return upsample_planned_file(
        synthesizer,
        source,
        target,
        plan=synthesizer.plan(settings or UpsampleSettings()),
        provenance=provenance,
        sidecar=sidecar,
        on_progress=on_progress,
    )


@standard_state()
def upsample_planned_file(
    synthesizer: UpsamplerSynthesizer,
    source: str | Path,
    target: str | Path,
    *,
    plan: UpsamplePlan,
    provenance: bool = True,
    sidecar: bool = False,
    on_progress: OnProgress | None = None,
) -> UpsampleReport:
    """Do what `upsample_file` does, with settings that are resolved already."""
    source, target = Path(source), Path(target)
    info = audio_info(source)
    check_output(source, target)
    if sidecar:
        check_sidecar(target, provenance=provenance)
    started = time.perf_counter()
    rate = synthesizer.sample_rate

    def decoded() -> Iterator[Tensor]:
        return (torch.from_numpy(block) for block in read_blocks(source, READ_SAMPLES))

    band, meter, n_samples = BandMeter(info.sample_rate, synthesizer.low_rate / 2), RmsMeter(), 0

    def measured() -> Iterator[Tensor]:
        nonlocal n_samples
        for block in decoded():
            band.add(block)
            n_samples += block.shape[-1]
            yield block

    for block in resample_stream(measured(), info.sample_rate, synthesizer.low_rate):
        meter.add(block)
    if not n_samples:
        raise AudiodiffError(f"{source} has no samples; give a recording.")
    notes = input_notes(info.sample_rate, band.above_db, synthesizer.bands, replace=plan.replace)
    gains = meter.gains(synthesizer.model.config.level)
    n_output = n_resampled(n_samples, info.sample_rate, rate)
    if target.suffix.lower() == ".wav" and n_output * len(gains) * 2 > WAV_BYTES:
        raise AudiodiffError(
            f"{target} would have {n_output / rate / 3600:.1f} hours in {len(gains)} channels, more than the 4 GiB "
            "that a WAV can hold; write .flac instead."
        )
    tell = _teller(synthesizer, source, plan) if provenance else None
    low = resample_stream(decoded(), info.sample_rate, synthesizer.low_rate)
    left, clipped = n_output, 0
    with StoryWriter(target, rate, len(gains), tell=tell, sidecar=sidecar) as output:
        for made in synthesizer.stream(low, meter, plan, on_progress):
            block = made[:, :left]
            left -= block.shape[-1]
            clipped += int((block.abs() > 1.0).sum())
            output.write(block.clamp(-1.0, 1.0).numpy())
    return UpsampleReport(
        path=target,
        seconds=n_output / rate,
        sample_rate=rate,
        channels=len(gains),
        plan=plan,
        kept_hz=synthesizer.bands.kept_hz,
        silent_channels=gains.count(None),
        clipped=clipped,
        notes=(*notes, *truncation_notes(source)),
        elapsed=time.perf_counter() - started,
        story=output.story,
    )


def _teller(synthesizer: UpsamplerSynthesizer, source: Path, plan: UpsamplePlan) -> Callable[[StoryAudio], Story]:
    """Return what makes the story of this run from its samples. The input is looked at now: it may change meanwhile.

    The length of windows is in the settings because where they are cut decides the last bits.
    """
    settings: dict[str, object] = {name: getattr(plan.sampling, name) for name in RECOMMENDED}
    settings |= {"augmentation": plan.augmentation, "replace": plan.replace}
    settings |= {"window_frames": plan.window_frames, "output_rate": synthesizer.sample_rate}
    inputs = (story_input(source),)
    machine = this_machine(synthesizer.device)

    def tell(audio: StoryAudio) -> Story:
        return Story(
            verb="upsample",
            models=(synthesizer.identity,),
            settings=settings,
            seed=plan.sampling.seed,
            audio=audio,
            machine=machine,
            inputs=inputs,
        )

    return tell
