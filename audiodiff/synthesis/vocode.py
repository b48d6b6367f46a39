"""From audio or a log-mel to a waveform, with any trained vocoder, any sampler and any number of steps."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from audiodiff.diffusion.seeds import channel_seed
from audiodiff.errors import AudiodiffError
from audiodiff.models.find import find_checkpoint, public_name
from audiodiff.models.vocoder import Vocoder
from audiodiff.signal.levels import shift_log_mel
from audiodiff.signal.mel_convert import check_mel, convert_log_mel
from audiodiff.signal.mel_spec import MelSpec
from audiodiff.signal.meters import LevelMeter
from audiodiff.signal.resample import resample
from audiodiff.synthesis.adapted import Adapters, merged, parted
from audiodiff.synthesis.arrays import Array, check_rate, float_tensor, like_given, waveform_tensor
from audiodiff.synthesis.circular_padding import pad_circle
from audiodiff.synthesis.clip import OnProgress
from audiodiff.synthesis.gain import StreamGain, gain_db, read_reference_level
from audiodiff.synthesis.iterations import ITERATIONS, with_iterations
from audiodiff.synthesis.live import ChannelStream, stream_blocks
from audiodiff.synthesis.machine import check_model, fitting, open_device
from audiodiff.synthesis.provenance import ModelRecord, hash_config
from audiodiff.synthesis.sampling import (
    ChunkLayout,
    VocodePlan,
    VocoderModel,
    check_samples,
    make_plan,
    measure_levels,
    plan_for,
    plan_windows,
    sample_channels,
    sample_window,
)
from audiodiff.synthesis.settings import (
    Resolved,
    Sampling,
    VocodeSettings,
    check_range,
    recommended_by,
    with_given,
    with_searched,
)
from audiodiff.synthesis.streams import Window, cut_stream, mel_blocks, prolonged
from audiodiff.torch_state import standard_state

DEFAULTS = Resolved(steps=8, sampler="euler", grid="uniform")
"""What a vocoder recommends whose checkpoint says nothing."""

WINDOW_SECONDS, CALL_SECONDS = 96.0, 16.0
"""Usual seconds of new audio per window and per network call, for networks that run once a frame."""

SAMPLES_WINDOW_SECONDS, SAMPLES_CALL_SECONDS = 20.0, 4.0
"""The same for networks that run once a sample, which need a hundred times the memory."""

BLOCK_FRAMES = 8192

STREAM_SECONDS = 0.2
"""Audio that a stream makes at a time."""


class VocoderSynthesizer:
    """A trained vocoder, ready to turn audio or log-mels into waveforms."""

    def __init__(
        self,
        model: VocoderModel,
        *,
        name: str = "vocoder",
        identity: ModelRecord | None = None,
        defaults: Resolved = DEFAULTS,
        reference_level_db: float | None = None,
        device: torch.device | str = "cpu",
        window_seconds: float = WINDOW_SECONDS,
        call_seconds: float = CALL_SECONDS,
        delay: int = 0,
    ) -> None:
        """Wrap `model`, whose weights are on `device` already.

        Args:
            model: in evaluation mode.
            name: how it was asked for.
            identity: what the records of its files say of it; by its name alone they cannot be replayed.
            defaults: what it recommends.
            reference_level_db: level in dBFS (`audiodiff.synthesis.level`) of the audio that it was trained on; `None`
                if that had any level.
            device: where it computes.
            window_seconds: new audio that is sampled as one signal; more, if the context needs it.
            call_seconds: the network sees this much new audio at a time, which bounds its memory; the end of a signal
                may add half as much.
            delay: samples by which the model's states are behind the waveform of their mel (`VocoderConfig.delay`).
        """
        self.model = self.live = self.stored = model
        self.delay = delay
        self.padding_frames = model.config.padding_frames if isinstance(model, Vocoder) else int(delay > 0)
        self._window_seconds = window_seconds
        self.piece_frames = frames_of(call_seconds, model.mel_spec)
        self.name = name
        self.identity = identity or ModelRecord(public_name(name), weights_sha256="")
        self.defaults = defaults
        self.reference_level_db = reference_level_db
        self.device = torch.device(device)

    @property
    def mel_spec(self) -> MelSpec:
        """The mel that the model takes."""
        return self.model.mel_spec

    @property
    def sample_rate(self) -> int:
        """The rate of the waveforms that come out, in Hz."""
        return self.model.mel_spec.sample_rate

    @standard_state()
    def plan(self, settings: VocodeSettings) -> VocodePlan:
        """Resolve `settings` against what the model recommends.

        Raises:
            AudiodiffError: sampler or grid do not fit the model's process.
        """
        check_model(self.model, self.name, self.device)
        sampling = settings.sampling.resolve(self.defaults)
        given = settings.window_seconds
        return make_plan(
            self.model,
            sampling,
            match_level=settings.level == "match" and self.reference_level_db is not None,
            piece_frames=self.piece_frames,
            window=(self._window_seconds, False) if given is None else (given, True),
        )

    @standard_state()
    def mel(self, waveform: Array, sample_rate: int) -> Array:
        """Return the log-mel of a recording as this model takes it.

        Args:
            waveform: `[n_samples]` or `[channels, n_samples]`, a float array or tensor within +-1.
            sample_rate: its rate in Hz.

        Returns:
            `[n_mels, n_frames]` or `[channels, n_mels, n_frames]`, of the same kind as `waveform`.

        Raises:
            AudiodiffError: the waveform is empty, of another shape, or has values that are not numbers.
        """
        samples = waveform_tensor(waveform)
        resampled = resample(samples, check_rate(sample_rate), self.sample_rate)
        frames = torch.cat(list(mel_blocks([resampled], self.mel_spec)), dim=-1)
        return like_given(waveform, frames if waveform.ndim == 2 else frames[0])

    def try_out(self, noise: Array) -> Array:
        """Process noise `[n_samples]` at the model's rate, as `audiodiff doctor` does: that it works, and how fast."""
        return self.vocode(noise, self.sample_rate)

    @standard_state()
    def vocode(
        self,
        waveform: Array,
        sample_rate: int,
        *,
        steps: int | None = None,
        sampler: str | None = None,
        grid: str | None = None,
        seed: int | None = None,
        settings: VocodeSettings | None = None,
        on_progress: OnProgress | None = None,
    ) -> Array:
        """Resample a recording to the model's rate, reduce it to its mel and synthesise it from that alone.

        Every channel is vocoded by itself, with noise of its own.

        Args:
            waveform: `[n_samples]` or `[channels, n_samples]`, a float array or tensor within +-1.
            sample_rate: its rate in Hz.
            steps: sampling steps, 1 or more; the model's recommendation when `None`, as for the next two.
            sampler: a name of `audiodiff.diffusion.samplers.SAMPLERS`.
            grid: a name of `audiodiff.diffusion.times.GRIDS`.
            seed: the same seed gives the same samples.
            settings: all settings at once; the four above replace its fields.
            on_progress: called with the seconds done and the seconds in all.

        Returns:
            `[n_samples]` or `[channels, n_samples]` at `self.sample_rate`, of the same kind as `waveform` and exactly
            as long as `waveform` resampled; not clipped.

        Raises:
            AudiodiffError: the waveform is empty, of another shape, or has values that are not numbers.
        """
        samples = waveform_tensor(waveform)
        chosen = with_given(settings or VocodeSettings(), steps=steps, sampler=sampler, grid=grid, seed=seed)
        plan = self.plan(chosen)
        resampled = resample(samples, check_rate(sample_rate), self.sample_rate)
        frames = torch.cat(list(mel_blocks([resampled], self.mel_spec)), dim=-1)
        output = self._vocode_tensor(frames, plan, on_progress)[:, : resampled.shape[-1]]
        return like_given(waveform, output if waveform.ndim == 2 else output[0])

    @standard_state()
    def vocode_mel(
        self,
        log_mel: Array,
        *,
        spec: MelSpec | None = None,
        steps: int | None = None,
        sampler: str | None = None,
        grid: str | None = None,
        seed: int | None = None,
        settings: VocodeSettings | None = None,
        circular: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Array:
        """Synthesise a log-mel.

        Args:
            log_mel: `[n_mels, n_frames]`, or `[channels, n_mels, n_frames]` for independent channels.
            spec: how it was computed; the model's own mel when `None`. Another mel is converted where that is exact.
            steps, sampler, grid, seed, settings, on_progress: as for `vocode`.
            circular: the mel is a loop, and so is the waveform: its end leads into its beginning.

        Returns:
            `[n_samples]` or `[channels, n_samples]` with `n_samples = n_frames * hop_length`, of the same kind as
            `log_mel`; not clipped.

        Raises:
            AudiodiffError: the mel is empty, of another shape or another mel than `spec`, or cannot be converted.
        """
        frames = _frames_of(log_mel, spec, self.mel_spec)
        chosen = with_given(settings or VocodeSettings(), steps=steps, sampler=sampler, grid=grid, seed=seed)
        output = self.vocode_frames(frames, self.plan(chosen), on_progress, circular=circular)
        return like_given(log_mel, output if log_mel.ndim == 3 else output[0])

    @standard_state()
    def vocode_frames(
        self, frames: Tensor, plan: VocodePlan, on_progress: OnProgress | None = None, *, circular: bool = False
    ) -> Tensor:
        """Synthesise log-mels `[channels, n_mels, n_frames]` of this model with settings that are resolved.

        Returns:
            `[channels, n_frames * hop_length]` on the CPU.

        Raises:
            AudiodiffError: they are of another mel, or have values that are not numbers.
        """
        _check_finite(frames)
        check_mel(frames, self.mel_spec)
        return self._vocode_tensor(frames, plan, on_progress, circular=circular)

    def stream(
        self,
        mel_chunks: Iterable[Array],
        *,
        spec: MelSpec | None = None,
        steps: int | None = None,
        sampler: str | None = None,
        grid: str | None = None,
        seed: int | None = None,
        settings: VocodeSettings | None = None,
        level_db: float | None = None,
        block_seconds: float = STREAM_SECONDS,
        look_ahead_seconds: float | None = None,
    ) -> Iterator[Array]:
        """Synthesise a log-mel that arrives in chunks of any size, each sample as soon as it is final.

        The samples joined are those of `vocode_mel` without the iterations that a model recommends for whole mels
        (`audiodiff.synthesis.iterations`), up to the rounding of the precision, however the mel is cut. A sample is
        final when the mel has arrived as far as noise and network look ahead of it: the model `speech` looks 0.9 s
        ahead at one step and 0.6 s more at each other. What was computed is kept, not computed again.

        Args:
            mel_chunks: log-mels as `vocode_mel` takes them, one after the other; empty ones count for nothing.
            spec, steps, sampler, grid, seed, settings: as for `vocode_mel`.
            level_db: the level of the whole recording in dBFS, as `audiodiff.signal.meters.LevelMeter` measures it, for
                a level that is to be matched; when `None`, that of its beginning.
            block_seconds: audio that is made at a time; more is faster and later.
            look_ahead_seconds: make samples when so much mel has come after them, as if it went on like its last frame.
                They are then only nearly those of `vocode_mel`; `docs/streaming.md` says how nearly.

        Yields:
            `[n_samples]` or `[channels, n_samples]`, of the same kind as the chunks; not clipped.

        Raises:
            AudiodiffError: a setting cannot be used; while it runs, as `vocode_mel` does, or the chunks do not fit.
        """
        chosen = with_given(settings or VocodeSettings(), steps=steps, sampler=sampler, grid=grid, seed=seed)
        check_range("level_db", level_db, -200.0, 200.0, "dBFS")
        check_range("block_seconds", block_seconds, 0.001, 60.0, "s")
        check_range("look_ahead_seconds", look_ahead_seconds, 0.0, 60.0, "s")
        return stream_mel(self, mel_chunks, spec, self.plan(chosen), level_db, block_seconds, look_ahead_seconds)

    def _vocode_tensor(
        self, frames: Tensor, plan: VocodePlan, on_progress: OnProgress | None, *, circular: bool = False
    ) -> Tensor:
        """Vocode `[channels, n_mels, n_frames]` at hand as a whole -> `[channels, n_frames * hop_length]`."""
        n_frames = frames.shape[-1]
        meters = measure_levels(torch.split(frames, BLOCK_FRAMES, dim=-1), self.mel_spec)
        padding = pad_circle(n_frames, plan) if circular else None
        shown = frames if padding is None else frames[..., padding.frames]
        blocks = vocode_blocks(
            self, lambda start, stop: shown[..., start:stop], shown.shape[-1], meters, plan, on_progress
        )
        waveform = torch.cat(list(blocks), dim=-1)
        return waveform if padding is None else padding.closed(waveform, self.mel_spec.hop_length)


def vocode_blocks(
    synthesizer: VocoderSynthesizer,
    fetch: Callable[[int, int], Tensor],
    n_frames: int,
    meters: list[LevelMeter],
    plan: VocodePlan,
    on_progress: OnProgress | None = None,
) -> Iterator[Tensor]:
    """Vocode in bounded memory; the blocks joined are the one-shot output, bit for bit.

    Args:
        synthesizer: the loaded vocoder.
        fetch: `fetch(start, stop)` gives the log-mel `[channels, n_mels, stop - start]`; `start` never goes back.
        n_frames: frames in all.
        meters: the level of each channel over the whole input (`measure_levels`).
        plan: the resolved settings.
        on_progress: called with the seconds done and the seconds in all.

    Yields:
        `[channels, n_samples]`, `n_frames * hop_length` samples in all.
    """
    spec, delay, padding = synthesizer.mel_spec, synthesizer.delay, synthesizer.padding_frames
    shown = prolonged(fetch, n_frames, padding) if padding else fetch
    reference = synthesizer.reference_level_db if plan.match_level else None
    gains = [None if meter.silent else gain_db(meter.level_db, reference) for meter in meters]
    layout = ChunkLayout(n_frames + padding, plan.piece_frames)

    def states() -> Iterator[Tensor]:
        for window in plan_windows(layout, plan):
            make = partial(_vocode_window, synthesizer, shown(window.start, window.stop), window, layout, plan)
            seconds = spec.hop_length / spec.sample_rate
            yield sample_channels(window, gains, seconds, layout.n_frames, on_progress, make)

    return cut_stream(states(), n_frames * spec.hop_length, start=delay)


@standard_state()
def _vocode_window(
    synthesizer: VocoderSynthesizer,
    frames: Tensor,
    window: Window,
    layout: ChunkLayout,
    plan: VocodePlan,
    channel: int,
    gain: float | None,
    report: Callable[[float], None],
) -> Tensor:
    """Sample one window of one channel from `[channels, n_mels, n_frames]` -> its core `[n_samples]` on the CPU."""
    spec = synthesizer.mel_spec
    if gain is None:
        return torch.zeros((window.core_stop - window.core_start) * spec.hop_length)
    shifted = shift_log_mel(frames[channel], spec, gain)[None].to(synthesizer.device)
    seed = channel_seed(plan.sampling.seed, channel)
    core = sample_window(synthesizer.model, shifted, window, layout, plan, seed, report)
    check_samples(core, plan.sampling)
    scaled: Tensor = core.float().cpu() * 10.0 ** (-gain / 20.0)
    return scaled


def stream_mel(
    synthesizer: VocoderSynthesizer,
    mel_chunks: Iterable[Array],
    spec: MelSpec | None,
    plan: VocodePlan,
    level_db: float | None = None,
    block_seconds: float = STREAM_SECONDS,
    look_ahead_seconds: float | None = None,
    *,
    live: bool = True,
) -> Iterator[Array]:
    """`VocoderSynthesizer.stream` with settings that are resolved; as `vocode_mel` makes it where it is not `live`."""
    model = synthesizer.live if live else synthesizer.model
    plan = plan_for(model, plan)
    own, reference = synthesizer.mel_spec, synthesizer.reference_level_db if plan.match_level else None
    chunks = (chunk for chunk in mel_chunks if float_tensor(chunk, "a chunk of the mel").ndim < 2 or chunk.shape[-1])
    first = next(chunks, None)
    if first is None:
        raise AudiodiffError("the stream has ended without a frame of mel; give at least one.")

    def frames() -> Iterator[Tensor]:
        for chunk in chain([first], chunks):
            if chunk.ndim != first.ndim or chunk.shape[:-1] != first.shape[:-1]:
                raise AudiodiffError(
                    f"a chunk has shape {list(chunk.shape)} after one of {list(first.shape)}; only the number of "
                    "frames may differ."
                )
            taken = _frames_of(chunk, spec, own)
            _check_finite(taken)
            yield taken

    seeds = [channel_seed(plan.sampling.seed, channel) for channel in range(len(_frames_of(first, spec, own)))]
    per_second = own.sample_rate / own.hop_length
    ahead = None if look_ahead_seconds is None else round(look_ahead_seconds * per_second)
    streams = [
        ChannelStream(model, plan, seed, StreamGain(own, reference, level_db), synthesizer.device, ahead)
        for seed in seeds
    ]
    block = max(1, round(block_seconds * per_second))
    delay, padding, n_frames = synthesizer.delay, synthesizer.padding_frames, 0

    def counted() -> Iterator[Tensor]:
        nonlocal n_frames
        for each in frames():
            n_frames += each.shape[-1]
            yield each

    seen = 0
    for states in stream_blocks(counted(), streams, block, padding):
        kept = states[:, max(0, delay - seen) : max(0, delay + n_frames * own.hop_length - seen)]
        seen += states.shape[-1]
        if kept.shape[-1]:
            yield like_given(first, kept if first.ndim == 3 else kept[0])


def frames_of(seconds: float, spec: MelSpec) -> int:
    """Whole frames in so many seconds, 1 or more."""
    return max(1, int(seconds * (spec.sample_rate / spec.hop_length)))


def _frames_of(log_mel: Array, spec: MelSpec | None, own: MelSpec) -> Tensor:
    """The frames `[channels, n_mels, n_frames]` of a log-mel by `spec`, as a model takes them whose mel is `own`."""
    frames = float_tensor(log_mel, "log_mel")
    if frames.ndim not in {2, 3} or 0 in frames.shape:
        raise AudiodiffError(
            f"the log-mel has shape {list(frames.shape)}; expected [n_mels, n_frames] or "
            "[channels, n_mels, n_frames] with at least one frame."
        )
    frames = frames if frames.ndim == 3 else frames[None]
    if spec is None or spec == own:
        return frames
    _check_finite(frames)
    check_mel(frames, spec)
    return convert_log_mel(frames, spec, own)


@standard_state()
def load(name_or_path: str | Path = "speech", *, device: str = "auto", adapters: Adapters = ()) -> VocoderSynthesizer:
    """Load a vocoder.

    Args:
        name_or_path: a model that comes with the package (`find.pretrained_names`), a checkpoint folder, or
            `hf:ORG/NAME` for a folder of that form on the Hugging Face Hub.
        device: `auto` (CUDA, then MPS, then CPU), or what torch calls the device.
        adapters: to merge into it.

    Raises:
        AudiodiffError: there is no such model or device, the folder holds something else, or an adapter does not fit.
    """
    chosen = open_device(device)
    folder = find_checkpoint(name_or_path)
    from audiodiff.models.checkpoint import WEIGHTS_FILE, load_checkpoint, read_config, weights_hash

    config = read_config(folder, "vocoder")
    metadata, (own,) = config["metadata"], parted(adapters, folder)
    sampling = Sampling.from_metadata(metadata, folder, others=ITERATIONS)
    recommended = with_searched(sampling.resolve(DEFAULTS), metadata, folder)
    model = load_checkpoint(folder, Vocoder)
    # of the weights as they are, which need not be what the config says
    identity = ModelRecord(
        public_name(name_or_path),
        weights_hash(folder / WEIGHTS_FILE),
        hash_config(config["model"]),
        adapters=merged(model, own),
    )
    model.to(chosen)
    on_samples = model.config.front_end.name == "samples"
    synthesizer = VocoderSynthesizer(
        model,
        name=str(name_or_path),
        identity=identity,
        defaults=fitting(recommended, chosen),
        reference_level_db=read_reference_level(metadata, folder),
        device=chosen,
        window_seconds=SAMPLES_WINDOW_SECONDS if on_samples else WINDOW_SECONDS,
        call_seconds=SAMPLES_CALL_SECONDS if on_samples else CALL_SECONDS,
        delay=model.config.delay,
    )
    with recommended_by(folder):
        stated = metadata.get("sampling", {})
        given = {name: stated[name] for name in ITERATIONS if name in stated}
        synthesizer.model, synthesizer.live = with_iterations(model, **given)
    return synthesizer


def _check_finite(log_mel: Tensor) -> None:
    if not bool(torch.isfinite(log_mel).all()):
        raise AudiodiffError("the log-mel has values that are not finite numbers; compute it again.")
