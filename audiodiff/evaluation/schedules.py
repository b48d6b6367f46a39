"""What the search for the times of a few steps samples, kind by kind (`audiodiff.diffusion.schedule_search`).

Items alternate between those that times are fitted to and those that they are checked on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from audiodiff.atomic import atomic_file
from audiodiff.diffusion.names import times_text
from audiodiff.diffusion.noise import positional_noise
from audiodiff.diffusion.process import Process
from audiodiff.diffusion.schedule_search import FoundTimes, ScheduleSearch, SearchItem, check_searchable
from audiodiff.diffusion.times import times_of
from audiodiff.errors import AudiodiffError
from audiodiff.evaluation.evaluate import folder_clips
from audiodiff.json_reader import json_bytes
from audiodiff.models.checkpoint import CONFIG_FILE, read_config
from audiodiff.models.find import find_checkpoint
from audiodiff.models.kinds import KINDS, imported
from audiodiff.models.voice.frames import frames_of
from audiodiff.signal.mel import MelSpec, log_mel
from audiodiff.signal.meters import LevelMeter
from audiodiff.signal.resample import resample
from audiodiff.synthesis.gain import gain_db
from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.sampling import compute_dtype
from audiodiff.synthesis.settings import SEARCHED, GenerateSettings, Resolved, Sampling
from audiodiff.synthesis.speaker import Speaker
from audiodiff.synthesis.vocode import VocoderSynthesizer
from audiodiff.synthesis.voice import VoiceSynthesizer
from audiodiff.synthesis.windowed import PositionConditions, with_conditions
from audiodiff.torch_state import standard_state

RECORDING_SECONDS: Final = 2.0
"""Length of the pieces of recordings that a vocoder copies."""

CLIP_SECONDS: Final = 5.0
"""Length of the clips of music."""

PROMPTS: Final = (
    "solo piano, calm, slow",
    "rock band, electric guitar and drums, energetic, 120 bpm",
    "string quartet, sad, A minor",
    "techno, synthesizer, driving, 130 bpm",
    "acoustic guitar, folk, warm",
    "orchestra, heroic, brass, D major",
    "jazz trio, upright bass, piano, swing",
    "church organ, solemn",
    "ambient pad, dark, no drums",
    "flute and harp, gentle, G major",
    "funk, electric bass, drums, 105 bpm",
    "harpsichord, baroque, fast",
    "marimba and hand drums, playful",
    "solo violin, lively, 140 bpm",
    "chiptune, square wave, happy",
    "choir and strings, slow, mysterious",
)
"""Prompts for models of music, if none are given."""

SENTENCES: Final = (
    "The kettle was still warm when we came back from the garden.",
    "Please leave your umbrella by the door.",
    "Did anybody remember to feed the horses this morning?",
    "Seven small boats crossed the bay before the wind changed.",
    "He painted the fence green, and nobody complained.",
    "It takes about twenty minutes to walk to the station.",
    "What a strange way to open a letter!",
    "The judge listened quietly and asked only one question.",
    "My sister grows tomatoes on the roof of her house.",
    "Turn left at the bridge, then follow the river north.",
    "Winter came early that year, and the roads were closed.",
    "I would rather have tea than coffee after dinner.",
    "The old clock in the hall has never been right.",
    "Where did you put the keys to the blue car?",
    "A thin layer of dust covered every book on the shelf.",
    "They laughed until the lights went out.",
)
"""Sentences for voices, if none are given."""

_TEXT_LIMIT = 1 << 20
_RESOLUTIONS = ((512, 128), (1024, 256), (2048, 512))
_LEAST_POWER = 1e-8


@dataclass(frozen=True)
class SearchSettings:
    """What to search.

    Attributes:
        counts: numbers of steps.
        sampler: one of `SAMPLER_NAMES`; what the model recommends when `None`.
        data: for vocoders a folder of recordings, as `audiodiff evaluate` takes it; for others a text file with a
            prompt or sentence on each line, built-in ones when `None`.
        split: of the folder.
        items: how many to fit the times to; as many others check them.
        seed: of the first item; each has one of its own.
        evaluations: see `ScheduleSearch.find`.
    """

    counts: tuple[int, ...] = (2, 4)
    sampler: str | None = None
    data: Path | None = None
    split: str | None = None
    items: int = 8
    seed: int = 0
    evaluations: int | None = None

    def __post_init__(self) -> None:
        """Check what has a range.

        Raises:
            AudiodiffError: it is out of range.
        """
        if not 1 <= self.items <= 1000:
            raise AudiodiffError(f"items is {self.items}; expected 1 to 1000.")
        for steps in self.counts:
            check_searchable(steps)
        Sampling(sampler=self.sampler, seed=self.seed)


@dataclass(frozen=True)
class SearchTask:
    """What is sampled of a model.

    Attributes:
        process: of the model.
        recommended: how it samples by itself.
        items: twice as many as asked for: to fit and to check in turn.
        unit: what distances are.
    """

    process: Process
    recommended: Resolved
    items: tuple[SearchItem, ...]
    unit: str


@dataclass(frozen=True)
class FoundSchedule:
    """The times that were found for a number of steps.

    Attributes:
        sampler: that they are for.
        times: as in `FoundTimes`.
        start: what the search began from.
        before: distance of the items to check, with what the model does so far at as many steps.
        after: the same with the times found.
        unit: of both.
    """

    sampler: str
    times: tuple[float, ...]
    start: str
    before: float
    after: float
    unit: str

    @property
    def better(self) -> bool:
        """Whether the times are better on items that they were not fitted to."""
        return self.after < self.before

    @property
    def grid(self) -> str:
        """The times as the setting `grid` takes them."""
        return times_text(self.times)


OnProgress = Callable[[float, float], None]
OnFound = Callable[[int, FoundSchedule], None]


@standard_state()
def search_schedules(
    name_or_path: str | Path,
    settings: SearchSettings,
    *,
    device: str = "auto",
    on_progress: OnProgress | None = None,
    on_found: OnFound | None = None,
) -> dict[int, FoundSchedule]:
    """Search the times of a few steps of a model.

    Args:
        name_or_path: as `audiodiff.load` takes it.
        settings: what to search.
        device: where to compute.
        on_progress: called with runs of the sampler done and in all.
        on_found: called with each number of steps and what was found for it.

    Returns:
        What was found, by number of steps.

    Raises:
        AudiodiffError: the model or the data cannot be used, or a number of steps cannot be searched.
    """
    kind = KINDS[read_config(find_checkpoint(name_or_path))["kind"]]
    if not kind.schedule_search:
        able = ", ".join(each.name for each in KINDS.usable() if each.schedule_search)
        raise AudiodiffError(f"{name_or_path} is {kind.label}, whose times cannot be searched; kinds that can: {able}.")
    model = imported(kind.synthesizer)(name_or_path, device=device)
    task: SearchTask = imported(kind.schedule_search)(model, settings)
    sampler = settings.sampler or task.recommended.sampler
    fit, check = (ScheduleSearch(task.process, sampler, task.items[part::2]) for part in (0, 1))
    found: dict[int, FoundSchedule] = {}
    for index, steps in enumerate(settings.counts):

        def report(done: float, total: float, index: int = index) -> None:
            if on_progress is not None:
                on_progress(index * total + done, len(settings.counts) * total)

        best = fit.find(steps, evaluations=settings.evaluations, on_progress=report)
        found[steps] = _checked(best, steps, check, task)
        if on_found is not None:
            on_found(steps, found[steps])
    return found


def _checked(best: FoundTimes, steps: int, check: ScheduleSearch, task: SearchTask) -> FoundSchedule:
    """Compare the times found with what the model does so far, on items that they were not fitted to."""
    usual = Sampling(steps=steps, sampler=check.sampler).resolve(task.recommended)
    before = check.distance(times_of(usual.grid, task.process, steps))
    return FoundSchedule(check.sampler, best.times, best.start, before, check.distance(best.times), task.unit)


@standard_state()
def vocoder_task(model: VocoderSynthesizer, settings: SearchSettings) -> SearchTask:
    """Copy pieces of recordings, at the level that the vocoder was trained at; compared with the recordings.

    Raises:
        AudiodiffError: there are no recordings, or too few.
    """
    spec, hop = model.mel_spec, model.mel_spec.hop_length
    if settings.data is None:
        raise AudiodiffError("a vocoder is fitted to recordings like those it is for; give a folder with --data.")
    n_frames = int(RECORDING_SECONDS * spec.sample_rate) // hop
    items: list[SearchItem] = []
    clips = folder_clips(settings.data, settings.split, limit=2 * settings.items, max_seconds=3 * RECORDING_SECONDS)
    for clip in clips:
        samples = resample(torch.from_numpy(clip.waveform)[None], clip.sample_rate, spec.sample_rate)[0]
        samples = _loudest(samples, n_frames * hop)
        meter = LevelMeter(spec)
        meter.add(log_mel(samples, spec))
        if samples.numel() < n_frames * hop or meter.silent:
            continue
        wanted = samples * 10.0 ** (gain_db(meter.level_db, model.reference_level_db) / 20.0)
        items.append(_copy(model, wanted, settings.seed + len(items)))
        if len(items) == 2 * settings.items:
            break
    return SearchTask(model.model.process, model.defaults, _enough(items, settings), "log-spectral distance")


def _copy(model: VocoderSynthesizer, wanted: Tensor, seed: int) -> SearchItem:
    """Copy a recording `[n_samples]`."""
    spec = model.mel_spec
    frames = log_mel(wanted, spec)[None].to(model.device)[..., : wanted.numel() // spec.hop_length]
    dtype = compute_dtype(model.defaults.precision)
    cond, denoiser = model.model.prepare(frames, dtype), model.model.denoiser(dtype)
    noise = model.model.noise(frames, seed, 0, cond)
    delay = model.delay
    features = log_spectra(wanted[: wanted.numel() - delay], spec)

    def distance(states: Tensor) -> float:
        made = log_spectra(states[0, 0, delay:].float().cpu(), spec)
        return sum(float((a - b).abs().mean()) for a, b in zip(made, features, strict=True)) / len(features)

    x = model.model.process.prior(noise(0))
    return SearchItem(lambda x, t: denoiser(x, t, cond), x, noise, distance)


def log_spectra(waveform: Tensor, spec: MelSpec) -> list[Tensor]:
    """Log-mel and log magnitudes (natural) of a waveform `[n_samples]` at three resolutions."""
    spectra = [log_mel(waveform, spec)]
    for n_fft, hop in _RESOLUTIONS:
        window = torch.hann_window(n_fft)
        power = torch.stft(waveform, n_fft, hop, window=window, return_complex=True).abs().square()
        spectra.append(0.5 * power.clamp_min(_LEAST_POWER).log())
    return spectra


def _loudest(samples: Tensor, count: int) -> Tensor:
    """The loudest of the stretches of `count` samples that begin at every quarter of one."""
    starts = range(0, max(1, samples.numel() - count + 1), max(1, count // 4))
    best = max(starts, key=lambda start: float(samples[start : start + count].square().sum()))
    return samples[best : best + count]


@standard_state()
def latent_task(model: Generator, settings: SearchSettings) -> SearchTask:
    """Generate clips from prompts; compared with the latents of many steps.

    Raises:
        AudiodiffError: the prompts cannot be read.
    """
    synthesizer = model.synthesizer
    count = synthesizer.n_latents(CLIP_SECONDS)
    items = []
    for index, prompt in enumerate(_texts(settings, PROMPTS)):
        seed = settings.seed + index
        asked = GenerateSettings(prompt, seconds=CLIP_SECONDS, sampling=Sampling(seed=seed))
        clip = synthesizer.resolve(asked)
        denoise = with_conditions(
            synthesizer.guided(clip)[0], PositionConditions(synthesizer.beats(clip.beat, 0, count))
        )
        noise = _latent_noise(synthesizer, seed, count)
        items.append(SearchItem(denoise, synthesizer.model.process.prior(noise(0)), noise))
    return SearchTask(synthesizer.model.process, synthesizer.defaults, tuple(items), "RMS of the latents")


def _latent_noise(synthesizer: Any, seed: int, count: int) -> Callable[[int], Tensor]:
    return lambda draw: synthesizer.noise(seed, draw, 0, count)


@standard_state()
def voice_task(model: Speaker | VoiceSynthesizer, settings: SearchSettings) -> SearchTask:
    """Say sentences; compared with the mel of many steps.

    Raises:
        AudiodiffError: the sentences cannot be read or said.
    """
    voice: Any = getattr(model, "synthesizer", model)
    items = [
        _said(voice, sentence, settings.seed + index) for index, sentence in enumerate(_texts(settings, SENTENCES))
    ]
    return SearchTask(voice.model.process, voice.defaults, tuple(items), "RMS of the mel")


def _said(voice: VoiceSynthesizer, sentence: str, seed: int) -> SearchItem:
    model = voice.model
    sampling = Sampling(seed=seed).resolve(voice.defaults)
    utterance = next(iter(voice.utterances(sentence)))
    spoken = voice.read(utterance, sampling)
    frames = frames_of(torch.tensor([spoken.durations], device=voice.device))
    ids, speaker = torch.tensor([utterance.ids], device=voice.device), torch.tensor([0], device=voice.device)
    states, _ = model.encode(ids, speaker)
    f0 = spoken.f0.to(voice.device)
    log_hertz, voiced = f0.clamp(min=model.config.f0_min).log2()[None], (f0 > 0).float()[None]
    mean, condition = model.decode(model.expand(states, frames), frames, log_hertz, voiced)
    denoiser, dtype = model.mel_denoiser(), compute_dtype(sampling.precision)
    amount = voice.manner.texture * voice.manner.variation

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        with torch.autocast(voice.device.type, dtype or torch.bfloat16, enabled=dtype is not None):
            return denoiser(x, t, (condition, frames.mask))

    def noise(draw: int) -> Tensor:
        return (amount * positional_noise(seed, draw, 0, mean.shape[1], mean.shape[2]).T[None]).to(voice.device)

    return SearchItem(denoise, model.process.prior(noise(0)), noise)


def _texts(settings: SearchSettings, usual: Sequence[str]) -> list[str]:
    """Texts for all items, those that there are over and over.

    Raises:
        AudiodiffError: the file cannot be read, or has no text.
    """
    lines = list(usual)
    if settings.data is not None:
        try:
            with settings.data.open(encoding="utf-8") as file:
                lines = [line.strip() for line in file.read(_TEXT_LIMIT).splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
            raise AudiodiffError(
                f"{settings.data} cannot be read ({reason}); give a text file with a line for each item."
            ) from error
        if not lines:
            raise AudiodiffError(f"{settings.data} has no text; give a prompt or a sentence on each line.")
    return [lines[index % len(lines)] for index in range(2 * settings.items)]


def _enough(items: list[SearchItem], settings: SearchSettings) -> tuple[SearchItem, ...]:
    """Refuse too few recordings.

    Raises:
        AudiodiffError: they are too few.
    """
    if len(items) < 2:
        raise AudiodiffError(
            f"{settings.data} has {len(items)} recordings of {RECORDING_SECONDS:g} s that are not silent; give two or "
            "more, since half of them check what was found on the other half."
        )
    return tuple(items)


def store_searched(folder: Path, found: Sequence[FoundSchedule]) -> None:
    """Keep times in what a checkpoint recommends, in the place of those for the same sampler and number of steps.

    Raises:
        AudiodiffError: it is no checkpoint, or its config cannot be written.
    """
    config = read_config(folder)
    kept = config["metadata"].setdefault("sampling", {})
    replaced = {(each.sampler, len(each.times)) for each in found}
    known = [each for each in kept.get(SEARCHED, []) if (each["sampler"], len(each["times"])) not in replaced]
    new = [{"sampler": each.sampler, "times": list(each.times)} for each in found]
    kept[SEARCHED] = sorted([*new, *known], key=lambda each: len(each["times"]))
    with atomic_file(folder / CONFIG_FILE) as temporary:
        temporary.write_bytes(json_bytes(config, indent=2))
