"""From an utterance to its mel and sound, with any trained voice: how long, how high, and how it sounds."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiodiff.diffusion.denoiser import Denoiser
from audiodiff.diffusion.noise import positional_noise
from audiodiff.diffusion.samplers import SAMPLERS, sample
from audiodiff.diffusion.times import times_of
from audiodiff.errors import AudiodiffError
from audiodiff.models.find import VOCODER_FOLDER, find_checkpoint, find_vocoder, public_name
from audiodiff.models.voice import Voice
from audiodiff.models.voice.frames import Frames, frames_of
from audiodiff.synthesis.adapted import Adapters, merged, parted
from audiodiff.synthesis.machine import check_model, fitting, open_device
from audiodiff.synthesis.provenance import ModelRecord, hash_config
from audiodiff.synthesis.sampling import compute_dtype
from audiodiff.synthesis.settings import (
    RECOMMENDED,
    Resolved,
    Sampling,
    check_range,
    check_whole,
    recommended_by,
    with_searched,
)
from audiodiff.synthesis.vocode import VocoderSynthesizer
from audiodiff.synthesis.vocode import load as load_vocoder
from audiodiff.synthesis.voice_settings import Manner
from audiodiff.text import english
from audiodiff.text.durations import whole_durations
from audiodiff.text.phones import SYMBOL_ID, SYMBOLS
from audiodiff.text.utterance import Utterance
from audiodiff.torch_state import standard_state

__all__ = ["DEFAULTS", "Spoken", "VoiceSynthesizer", "load_voice"]

DEFAULTS = Resolved(steps=8, sampler="euler", grid="uniform", precision="bf16")
"""What a voice recommends whose checkpoint says nothing."""

MANNER = Manner()
"""How one reads whose checkpoint says nothing."""

LEVEL = 0.08
"""Root mean square of the speech that such a one was trained on."""

PROSODY_STEPS = 8
DURATION_DRAW, F0_DRAW = -1, -2
"""Fields of noise that no sampler draws."""


@dataclass(frozen=True)
class Spoken:
    """One utterance, before the vocoder.

    Attributes:
        log_mel: `[n_mels, n_frames]`, as the voice's mel says.
        durations: frames of each of the utterance's symbols.
        f0: `[n_frames]` in Hz, 0 where unvoiced.
    """

    log_mel: Tensor
    durations: tuple[int, ...]
    f0: Tensor

    def lengthened(self, silences: Mapping[int, int]) -> "Spoken":
        """The same with longer silences: the frame in their middle is held.

        Args:
            silences: frames of silences that have one at least, by number of the symbol.
        """
        if not silences:
            return self
        repeats = torch.ones(len(self.f0), dtype=torch.long)
        starts = [0, *torch.tensor(self.durations).cumsum(0).tolist()]
        for index, frames in silences.items():
            repeats[starts[index] + self.durations[index] // 2] += frames - self.durations[index]
        durations = tuple(silences.get(index, length) for index, length in enumerate(self.durations))
        return Spoken(self.log_mel.repeat_interleave(repeats, dim=1), durations, self.f0.repeat_interleave(repeats))


class VoiceSynthesizer:
    """A trained voice and its vocoder, ready to speak."""

    def __init__(
        self,
        model: Voice,
        vocoder: VocoderSynthesizer,
        *,
        name: str = "voice",
        identity: tuple[ModelRecord, ...] = (),
        defaults: Resolved = DEFAULTS,
        manner: Manner = MANNER,
        pronunciations: Mapping[str, tuple[str, ...]] | None = None,
        level: float = LEVEL,
        device: torch.device | str = "cpu",
    ) -> None:
        """Wrap `model`, whose weights are on `device` already.

        Args:
            model: in evaluation mode.
            vocoder: for its mel.
            name: how it was asked for.
            identity: what provenance records say of it and of the vocoder.
            defaults: what it recommends.
            manner: how it reads, as it recommends.
            pronunciations: how the speaker usually says words that the dictionary gives several pronunciations for.
            level: root mean square of the speech that it was trained on.
            device: where it computes.
        """
        self.model = model
        self.vocoder = vocoder
        self.name = name
        self.identity = identity or (ModelRecord(public_name(name), "", role="voice"), vocoder.identity)
        self.defaults = defaults
        self.manner = manner
        self.pronunciations = dict(pronunciations or {})
        self.level = level
        self.device = torch.device(device)

    @property
    def sample_rate(self) -> int:
        """The rate of its waveforms (Hz)."""
        return self.model.config.mel.sample_rate

    @property
    def speakers(self) -> tuple[str, ...]:
        """Names of those that it can speak as; empty for a single voice."""
        return self.model.config.speakers

    def utterances(self, text: str, lexicon: Mapping[str, tuple[str, ...]] | None = None) -> Iterator[Utterance]:
        """Sentences of a text of any length, as this speaker says them, one by one.

        Args:
            text: English.
            lexicon: pronunciations that count before all others, by word in lower case.
        """
        return english.utterances(text, own_words=lexicon or {}, usual=self.pronunciations)

    @standard_state()
    def read(
        self,
        utterance: Utterance,
        sampling: Resolved,
        *,
        speed: float = 1.0,
        pitch: float = 0.0,
        manner: Manner | None = None,
        speaker: str = "",
        durations: Sequence[int] | None = None,
    ) -> Spoken:
        """Say an utterance, up to its log-mel: the same for the same seed, whatever else is said around it.

        Args:
            utterance: what to say.
            sampling: steps, sampler and grid of the mel, precision, and the seed.
            speed: 1 as the speaker, 2 twice as fast.
            pitch: semitones above the speaker's own.
            manner: how to read; `None` for as the voice recommends.
            speaker: one of `speakers`; empty for the first.
            durations: frames of each symbol, instead of the model's.

        Raises:
            AudiodiffError: an unknown speaker, a setting out of range, or durations of other symbols.
        """
        check_range("speed", speed, 0.1, 10.0, "(1 is as the speaker)")
        check_range("pitch", pitch, -24.0, 24.0, "semitones")
        check_model(self.model, self.name, self.device)
        manner = manner or self.manner
        ids, number = self._ids(utterance), self._speaker(speaker)
        with _precision(self.device, sampling):
            states, mask = self.model.encode(ids, number)
            if durations is None:
                noise = self._noise(sampling.seed, manner.rhythm * manner.variation, ids.shape[1], 1)(DURATION_DRAW)
                state = self._flow(self.model.duration_denoiser(), (states, mask), noise, sampling)
                wanted = self.model.durations_of_state(state, ids)[0].cpu()
                frame = self.model.config.mel.hop_length / self.sample_rate
                lengths, pauses = whole_durations(wanted.tolist(), utterance, speed, frame, manner.ending)
            else:
                lengths, pauses = _given(durations, utterance), {}
            frames = frames_of(torch.tensor([lengths], device=self.device))
            expanded = self.model.expand(states, frames)
            noise = self.model.f0_noise(self._noise(sampling.seed, manner.variation, expanded.shape[1], 2)(F0_DRAW))
            state = self._flow(self.model.f0_denoiser(), (expanded, frames.mask), noise, sampling)
            log_hertz, voiced = self.model.f0_of_state(state, number)
            low, high = math.log2(self.model.config.f0_min), math.log2(self.model.config.f0_max)
            if manner.intonation != 1.0:
                middle = (log_hertz * voiced).sum() / voiced.sum().clamp(min=1.0)
                log_hertz = middle + manner.intonation * (log_hertz - middle)
            log_hertz = (log_hertz + pitch / 12.0).clamp(low, high)
            log_mel = self._mel(expanded, frames, log_hertz, voiced, sampling, manner)
        f0 = (log_hertz.exp2() * voiced)[0].cpu()
        return Spoken(log_mel, tuple(lengths), f0).lengthened(pauses)

    @standard_state()
    def complete(
        self,
        utterance: Utterance,
        durations: Sequence[int],
        f0: Tensor,
        log_mel: Tensor,
        keep: Tensor,
        sampling: Resolved,
        *,
        manner: Manner | None = None,
        speaker: str = "",
    ) -> Tensor:
        """Make the frames of a mel that are not to be kept, in one piece with the others.

        Args:
            utterance: what is said in all of it.
            durations: frames of each symbol.
            f0: pitch of each frame `[n_frames]` (Hz), 0 where unvoiced.
            log_mel: `[n_mels, n_frames]`; what it holds where nothing is kept does not matter.
            keep: boolean `[n_frames]`.
            sampling: as for `read`.
            manner: as for `read`.
            speaker: as for `read`.

        Returns:
            `[n_mels, n_frames]`; where `keep`, the values of `log_mel`.

        Raises:
            AudiodiffError: as `read`, or the sizes differ.
        """
        lengths = _given(durations, utterance)
        count = sum(lengths)
        if not len(f0) == len(keep) == log_mel.shape[-1] == count:
            raise AudiodiffError(
                f"the durations add up to {count} frames, and f0 has {len(f0)}, keep {len(keep)} and the log-mel "
                f"{log_mel.shape[-1]}; expected as many each."
            )
        check_model(self.model, self.name, self.device)
        ids, number, f0 = self._ids(utterance), self._speaker(speaker), f0.to(self.device)
        with _precision(self.device, sampling):
            states, _ = self.model.encode(ids, number)
            frames = frames_of(torch.tensor([lengths], device=self.device))
            expanded = self.model.expand(states, frames)
            log_hertz, voiced = f0.clamp(min=self.model.config.f0_min).log2()[None], (f0 > 0).float()[None]
            known = (log_mel.to(self.device), keep.to(self.device))
            return self._mel(expanded, frames, log_hertz, voiced, sampling, manner or self.manner, known)

    @standard_state()
    def waveform(self, spoken: Spoken, sampling: Resolved, vocoder_steps: int | None = None) -> Tensor:
        """The sound of an utterance `[n_samples]`, on the CPU.

        Args:
            spoken: the utterance.
            sampling: its seed is that of the vocoder's noise.
            vocoder_steps: sampling steps of the vocoder; what it recommends when `None`.
        """
        waveform = self.vocoder.vocode_mel(spoken.log_mel, steps=vocoder_steps, seed=sampling.seed)
        assert isinstance(waveform, Tensor)
        return waveform

    def _ids(self, utterance: Utterance) -> Tensor:
        """Numbers of the symbols `[1, n_symbols]`.

        Raises:
            AudiodiffError: the model has not learnt one.
        """
        unknown = [symbol for symbol in utterance.symbols if SYMBOL_ID[symbol] >= self.model.config.symbols]
        if unknown:
            raise AudiodiffError(f"the voice {self.name} has not learnt the phoneme {unknown[0]}; write another.")
        return torch.tensor([utterance.ids], device=self.device)

    def _speaker(self, name: str) -> Tensor:
        """Number of a speaker `[1]`.

        Raises:
            AudiodiffError: there is none of that name.
        """
        if name and name not in self.speakers:
            raise AudiodiffError(
                f"the voice {self.name} has no speaker {name!r}; "
                + (f"expected one of {', '.join(self.speakers[:20])}." if self.speakers else "it is a single voice.")
            )
        return torch.tensor([self.speakers.index(name) if name else 0], device=self.device)

    def _noise(self, seed: int, variation: float, length: int, channels: int) -> Callable[[int], Tensor]:
        """Draws of noise `[1, length, channels]`, less of it where takes are to vary less."""
        return lambda draw: (variation * positional_noise(seed, draw, 0, length, channels).T[None]).to(self.device)

    def _flow(self, denoiser: Denoiser, condition: tuple[Tensor, Tensor], noise: Tensor, sampling: Resolved) -> Tensor:
        """Follow a flow of prosody from noise to data."""
        process = self.model.process
        times = times_of("uniform", process, PROSODY_STEPS)
        return sample("euler", self._denoise(denoiser, condition, sampling), process, process.prior(noise), times)

    def _denoise(
        self, denoiser: Denoiser, condition: tuple[Tensor, Tensor], sampling: Resolved
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """Estimates under a condition, in the precision that is asked for, which samplers do not pass on."""

        def denoise(x: Tensor, t: Tensor) -> Tensor:
            with _precision(self.device, sampling):
                return denoiser(x, t, condition)

        return denoise

    def _mel(
        self,
        expanded: Tensor,
        frames: Frames,
        log_hertz: Tensor,
        voiced: Tensor,
        sampling: Resolved,
        manner: Manner,
        known: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Log-mel `[n_mels, n_frames]` on the CPU; `known` is one, and which of its frames to keep."""
        model = self.model
        mean, condition = model.decode(expanded, frames, log_hertz, voiced)
        estimates = self._denoise(model.mel_denoiser(), (condition, frames.mask), sampling)
        given = None if known is None else (known[1][None, :, None], model.residual_of_mel(known[0][None], mean))

        def denoise(x: Tensor, t: Tensor) -> Tensor:
            estimate = estimates(x, t)
            return estimate if given is None else torch.where(given[0], given[1], estimate)

        noise = self._noise(sampling.seed, manner.texture * manner.variation, *mean.shape[1:])
        times = times_of(sampling.grid, model.process, sampling.steps)
        x = sample(SAMPLERS[sampling.sampler](), denoise, model.process, model.process.prior(noise(0)), times, noise)
        log_mel = model.mel_of_states(mean, x)[0]
        return (log_mel if known is None else torch.where(known[1], known[0], log_mel)).float().cpu()


def _precision(device: torch.device, sampling: Resolved) -> AbstractContextManager[object]:
    dtype = compute_dtype(sampling.precision)
    return torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None)


def _given(durations: Sequence[int], utterance: Utterance) -> list[int]:
    """Durations that were given.

    Raises:
        AudiodiffError: they are not one for each symbol.
    """
    lengths = [int(duration) for duration in durations]
    if len(lengths) != len(utterance.symbols) or min(lengths) < 0 or sum(lengths) < 1:
        raise AudiodiffError(
            f"{len(lengths)} durations were given for {len(utterance.symbols)} symbols; expected one each, 0 or more "
            "frames."
        )
    return lengths


@standard_state()
def load_voice(
    name_or_path: str | Path = "kathleen", *, device: str = "auto", adapters: Adapters = ()
) -> VoiceSynthesizer:
    """Load a voice and the vocoder for its mel: that in its folder, or the one that its checkpoint names.

    Args:
        name_or_path: a model that comes with the package, a checkpoint folder, or `hf:ORG/NAME`.
        device: `auto` (CUDA, then MPS, then CPU), or what torch calls the device.
        adapters: to merge into it, or into its vocoder.

    Raises:
        AudiodiffError: there is no such model or device, the folder holds something else, the vocoder takes another
            mel, or an adapter does not fit.
    """
    from audiodiff.models.checkpoint import WEIGHTS_FILE, load_checkpoint, read_config, weights_hash

    folder, chosen = find_checkpoint(name_or_path), open_device(device)
    config = read_config(folder, "voice")
    metadata = config["metadata"]
    shares = [item.name for item in fields(Manner)]
    sampling = Sampling.from_metadata(metadata, folder, known=RECOMMENDED, others=(*shares, "vocoder_steps"))
    table = metadata.get("sampling", {})
    with recommended_by(folder):
        manner = Manner(**{name: table[name] for name in shares if name in table})
        check_whole("vocoder_steps", table.get("vocoder_steps"))
    pronunciations = _pronunciations(metadata.get("pronunciations", {}), folder)
    level = _training_level(metadata, folder)
    model = load_checkpoint(folder, Voice)
    inside = (folder / VOCODER_FOLDER).is_dir()
    behind = folder / VOCODER_FOLDER if inside else metadata.get("vocoder", "speech")
    own, its = parted(adapters, folder, find_vocoder(behind))
    vocoder = load_vocoder(behind, device=str(chosen), adapters=its)
    if vocoder.mel_spec != model.config.mel:
        raise AudiodiffError(f"the vocoder of {folder} takes another mel than the voice makes; give one that fits.")
    vocoder.defaults = replace(vocoder.defaults, steps=table.get("vocoder_steps") or vocoder.defaults.steps)
    model.to(chosen)
    name = public_name(name_or_path)
    identity = ModelRecord(
        name, weights_hash(folder / WEIGHTS_FILE), hash_config(config["model"]), "voice", merged(model, own)
    )
    second = replace(vocoder.identity, name=f"{name}/{VOCODER_FOLDER}") if inside else vocoder.identity
    return VoiceSynthesizer(
        model,
        vocoder,
        name=str(name_or_path),
        identity=(identity, second),
        defaults=fitting(with_searched(sampling.resolve(DEFAULTS), metadata, folder), chosen),
        manner=manner,
        pronunciations=pronunciations,
        level=level,
        device=chosen,
    )


def _training_level(metadata: Mapping[str, Any], folder: Path) -> float:
    """Level of speech that a checkpoint says it was trained at.

    Raises:
        AudiodiffError: it is no level.
    """
    table: Any = metadata
    for name in ("training", "data"):
        table = table.get(name) if isinstance(table, Mapping) else None
    level: float | None = table.get("level") if isinstance(table, Mapping) else None
    with recommended_by(folder):
        check_range("level", level, 1e-6, 10.0, "(full scale is 1)")
    return LEVEL if level is None else level


def _pronunciations(table: object, folder: Path) -> dict[str, tuple[str, ...]]:
    """Read a checkpoint's table of words and their phonemes.

    Raises:
        AudiodiffError: it is no such table.
    """
    if not isinstance(table, dict) or not all(isinstance(phones, str) for phones in table.values()):
        raise AudiodiffError(f'the config of {folder} has "pronunciations" that are not a table of words and phonemes.')
    found = {word: tuple(phones.split()) for word, phones in table.items()}
    wrong = [word for word, phones in found.items() if not phones or not set(phones) <= set(SYMBOLS)]
    if wrong:
        raise AudiodiffError(f"the config of {folder} has an unknown phoneme in the word {wrong[0]!r}.")
    return found
