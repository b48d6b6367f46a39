"""An exported voice: from a text to a waveform."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiodiff.diffusion.seeds import channel_seed
from audiodiff.errors import AudiodiffError
from audiodiff.json_reader import take
from audiodiff.runtime.noise import positional_noise
from audiodiff.runtime.package import SETTINGS_FILE, Package, tensor
from audiodiff.runtime.schedule import Schedule, run, wanted_schedule
from audiodiff.runtime.vocoder import Vocoder
from audiodiff.text import english
from audiodiff.text.durations import whole_durations
from audiodiff.text.phones import SYMBOL_ID
from audiodiff.text.utterance import Utterance

__all__ = ["Voice"]

Floats = NDArray[np.float32]


class Voice:
    """A voice of an exported model, with its vocoder; the mels are those of `audiodiff.load(MODEL)` in float32.

    Args:
        package: what was exported.

    Raises:
        AudiodiffError: the settings are damaged.
    """

    def __init__(self, package: Package) -> None:
        where = str(package.folder / SETTINGS_FILE)
        settings = package.part("voice")
        self._where = where
        self._graphs = package.graphs
        self.vocoder = Vocoder(package)
        self.defaults = take(settings, "defaults", dict, where)
        self.speakers = tuple(str(name) for name in take(settings, "speakers", list, where))
        self._symbols = take(settings, "symbols", int, where)
        self._lowest, self._highest = (math.log2(take(settings, name, float, where)) for name in ("f0_min", "f0_max"))
        manner = take(settings, "manner", dict, where)
        names = ("variation", "rhythm", "texture", "intonation", "ending")
        self._manner = {name: take(manner, name, float, where) for name in names}
        table = take(settings, "pronunciations", dict, where)
        self._pronunciations = {word: tuple(take(table, word, str, where).split()) for word in table}
        draws, pauses = take(settings, "draws", dict, where), take(settings, "pauses", dict, where)
        self._duration_draw, self._f0_draw = (take(draws, name, int, where) for name in ("durations", "f0"))
        self._pauses = {name: take(pauses, name, float, where) for name in ("sentence", "paragraph", "fade")}
        self._prosody = Schedule.from_dict(take(settings, "prosody", dict, where), where)
        self._schedules = take(settings, "schedules", list, where)

    @property
    def sample_rate(self) -> int:
        """The rate of the waveforms (Hz)."""
        return self.vocoder.sample_rate

    def speak(
        self,
        text: str,
        *,
        seed: int = 0,
        steps: int | None = None,
        sampler: str | None = None,
        grid: str | None = None,
        vocoder_steps: int | None = None,
        speed: float = 1.0,
        pitch: float = 0.0,
        speaker: str = "",
        lexicon: Mapping[str, tuple[str, ...]] | None = None,
    ) -> Floats:
        """Speak a text.

        Args:
            text: English, of any length, with `[pause 0.5]`, `*emphasis*` and `{HH AH0 L OW1}` where wanted.
            seed: of the noise; each sentence has one of its own, made from it.
            steps, sampler, grid: a run of the mel's flow that was exported; the model's recommendation when `None`.
            vocoder_steps: sampling steps of the vocoder; its recommendation when `None`.
            speed: 1 as the speaker, 2 twice as fast.
            pitch: semitones above the speaker's own voice.
            speaker: one of `speakers`; empty for the first.
            lexicon: pronunciations that count before all others, by word in lower case.

        Returns:
            `[n_samples]`, not clipped.

        Raises:
            AudiodiffError: a setting cannot be used, or there is nothing to say.
        """
        options = {"steps": steps, "sampler": sampler, "grid": grid}
        sentences = self._sentences(text, seed, options, vocoder_steps, speed, pitch, speaker, lexicon or {})
        return np.concatenate(list(sentences))

    def _sentences(
        self,
        text: str,
        seed: int,
        options: Mapping[str, Any],
        vocoder_steps: int | None,
        speed: float,
        pitch: float,
        speaker: str,
        lexicon: Mapping[str, tuple[str, ...]],
    ) -> Iterator[Floats]:
        """Sentences with the silence before each, as `audiodiff.synthesis.speech.readings` joins them."""
        rate = self.sample_rate
        frame, pause = self.vocoder.mel_spec.hop_length / rate, 0.0
        spoken = english.utterances(text, own_words=lexicon, usual=self._pronunciations)
        for index, utterance in enumerate(spoken):
            own = channel_seed(seed, index)
            log_mel, durations = self.read(
                utterance, seed=own, speed=speed, pitch=pitch, speaker=speaker, options=options
            )
            lead = durations[0]
            missing, silence = max(0.0, pause - lead * frame), 0
            if self._manner["ending"] > 0.0 and lead:  # a pause sounds of the room
                log_mel, durations = lengthened(log_mel, durations, {0: lead + round(missing / frame)})
            else:
                silence = round(missing * rate)
            waveform = self.vocoder.vocode_mel(log_mel, steps=vocoder_steps, seed=own)
            yield self._faded(waveform, silence)
            pause = self._pauses["paragraph" if utterance.ends_paragraph else "sentence"]
            pause = pause / speed - sum(durations[-2:]) * frame

    def read(
        self,
        utterance: Utterance,
        *,
        seed: int = 0,
        speed: float = 1.0,
        pitch: float = 0.0,
        speaker: str = "",
        options: Mapping[str, Any] | None = None,
    ) -> tuple[Floats, list[int]]:
        """Say an utterance, up to its log-mel `[n_mels, n_frames]`, and the frames of each of its symbols.

        Args:
            utterance: what to say.
            seed, speed, pitch, speaker: as for `speak`.
            options: `steps`, `sampler` and `grid` of the mel's flow.

        Raises:
            AudiodiffError: a setting cannot be used.
        """
        _check("speed", speed, 0.1, 10.0)
        _check("pitch", pitch, -24.0, 24.0)
        schedule = self._schedule(options or {})
        manner, graphs = self._manner, self._graphs
        ids, number = self._ids(utterance), self._number(speaker)
        (states,) = graphs("voice.encode", ids=ids, speaker=number)

        def white(draw: int, share: float, length: int, channels: int) -> Floats:
            return tensor(share * positional_noise(seed, draw, 0, length, channels).T[None])

        def network(name: str, condition: Floats) -> Callable[[Floats, float, float], Floats]:
            return lambda x, c_noise, time: graphs(
                f"voice.{name}", x=tensor(x), c_noise=np.array([c_noise], np.float32), condition=condition
            )[0]

        noise = white(self._duration_draw, manner["rhythm"] * manner["variation"], ids.shape[1], 1)
        state = run(self._prosody, lambda draw: noise, network("durations", states))
        wanted = graphs("voice.lengths", state=tensor(state), ids=ids)[0][0]
        frame = self.vocoder.mel_spec.hop_length / self.sample_rate
        durations, pauses = whole_durations(wanted.tolist(), utterance, speed, frame, manner["ending"])
        expanded = self._expanded(states, durations)
        count = expanded.shape[1]
        (noise,) = graphs("voice.f0_noise", white=white(self._f0_draw, manner["variation"], count, 2))
        state = run(self._prosody, lambda draw: noise, network("f0", expanded))
        log_hertz, voiced = graphs("voice.pitch", state=tensor(state), speaker=number)
        if manner["intonation"] != 1.0:
            middle = (log_hertz * voiced).sum() / max(float(voiced.sum()), 1.0)
            log_hertz = middle + manner["intonation"] * (log_hertz - middle)
        log_hertz = np.clip(log_hertz + pitch / 12.0, self._lowest, self._highest)
        mean, condition = graphs("voice.decode", expanded=expanded, log_hertz=tensor(log_hertz), voiced=voiced)
        share = manner["texture"] * manner["variation"]
        residual = run(schedule, lambda draw: white(draw, share, *mean.shape[1:]), network("residual", condition))
        log_mel = graphs("voice.log_mel", mean=mean, residual=tensor(residual))[0][0]
        return lengthened(log_mel, durations, pauses)

    def _schedule(self, options: Mapping[str, Any]) -> Schedule:
        sampler, grid, steps = (options.get(name) for name in ("sampler", "grid", "steps"))
        return wanted_schedule(self._schedules, self.defaults, self._where, sampler=sampler, grid=grid, steps=steps)

    def _ids(self, utterance: Utterance) -> NDArray[np.int64]:
        unknown = [symbol for symbol in utterance.symbols if SYMBOL_ID[symbol] >= self._symbols]
        if unknown:
            raise AudiodiffError(f"the voice has not learnt the phoneme {unknown[0]}; write another.")
        return np.array([utterance.ids], np.int64)

    def _number(self, speaker: str) -> NDArray[np.int64]:
        if speaker and speaker not in self.speakers:
            expected = f"expected one of {', '.join(self.speakers[:20])}" if self.speakers else "it is a single voice"
            raise AudiodiffError(f"the voice has no speaker {speaker!r}; {expected}.")
        return np.array([self.speakers.index(speaker) if speaker else 0], np.int64)

    def _expanded(self, states: Floats, durations: Sequence[int]) -> Floats:
        lengths = np.array(durations)
        symbol = np.repeat(np.arange(len(lengths)), lengths)
        since = np.arange(len(symbol)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        (expanded,) = self._graphs(
            "voice.expand",
            states=states,
            symbol=symbol[None].astype(np.int64),
            since=tensor(since[None]),
            length=tensor(lengths[symbol][None]),
        )
        return expanded

    def _faded(self, waveform: Floats, silence: int) -> Floats:
        count = min(round(self._pauses["fade"] * self.sample_rate), len(waveform) // 2)
        ramp = ((np.arange(count) + 0.5) / max(count, 1)).astype(np.float32)
        joined = np.concatenate([np.zeros(silence, np.float32), waveform])
        joined[silence : silence + count] *= ramp
        joined[len(joined) - count :] *= ramp[::-1]
        return joined


def lengthened(log_mel: Floats, durations: Sequence[int], silences: Mapping[int, int]) -> tuple[Floats, list[int]]:
    """A mel with longer silences: the frame in their middle is held.

    Args:
        log_mel: `[n_mels, n_frames]`.
        durations: frames of each symbol.
        silences: frames of silences that have one at least, by number of the symbol.
    """
    repeats = np.ones(log_mel.shape[1], np.int64)
    starts = [0, *np.cumsum(durations).tolist()]
    for index, frames in silences.items():
        repeats[starts[index] + durations[index] // 2] += frames - durations[index]
    return np.repeat(log_mel, repeats, axis=1), [silences.get(index, count) for index, count in enumerate(durations)]


def _check(name: str, value: float, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise AudiodiffError(f"{name} is {value!r}; it must be a number from {low:g} to {high:g}.")
