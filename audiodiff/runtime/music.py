"""An exported latent model: from a prompt to a clip."""

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiodiff.diffusion.held_differences import HeldDifferences
from audiodiff.errors import AudiodiffError
from audiodiff.json_reader import take
from audiodiff.runtime.chord_track import features_at, usual_chords
from audiodiff.runtime.noise import positional_noise
from audiodiff.runtime.package import SETTINGS_FILE, Package, tensor
from audiodiff.runtime.schedule import Call, run_denoise, wanted_schedule
from audiodiff.runtime.vocoder import Vocoder
from audiodiff.text.chords import AUTO_CHORDS, CHORD_TEMPO, Chord, has_chords, parse_chords
from audiodiff.text.encoder import cut_tokens
from audiodiff.text.keys import find_key, key_name
from audiodiff.text.prompt import Prompt, PromptPart, join_surrogates, parse_prompt

__all__ = ["Music"]

Floats = NDArray[np.float32]
Inputs = dict[str, NDArray[Any]]

_TEMPO = re.compile(r"(?<![\d.])(\d{2,3}(?:\.\d+)?)\s*bpm\b", re.IGNORECASE)
"""A tempo in a prompt, as `audiodiff.synthesis.resolved` finds it."""


class Music:
    """A latent model of an exported package, with its text encoder and vocoder.

    Clips are those of `audiodiff.load(MODEL)` with `level="none"` in float32, up to the length that is denoised as one
    window; a stereo model gives the mean of its two channels.

    Args:
        package: what was exported.

    Raises:
        AudiodiffError: the settings are damaged.
    """

    def __init__(self, package: Package) -> None:
        where = str(package.folder / SETTINGS_FILE)
        settings = package.part("music")
        self._where = where
        self._folder = package.folder
        self._graphs = package.graphs
        self._tokenizer: Any = None
        self.vocoder = Vocoder(package)
        self.defaults = take(settings, "defaults", dict, where)
        self._channels = take(settings, "channels", int, where)
        self._per_latent = take(settings, "samples_per_latent", int, where)
        self._width, self._most_tokens = (
            take(settings, "text_width", int, where),
            take(settings, "max_tokens", int, where),
        )
        self._numbers = [str(name) for name in take(settings, "numbers", list, where)]
        self._classes = {str(name): list(values) for name, values in take(settings, "classes", dict, where).items()}
        self._beats = take(settings, "beats", bool, where)
        self._chords = "chords" in settings and take(settings, "chords", bool, where)
        self._shortest = take(settings, "shortest_seconds", float, where)
        self._window = take(settings, "window_seconds", float, where)
        self._longest = take(settings, "longest_latents", int, where)
        self._fade = take(settings, "fade", float, where)
        self._schedules = take(settings, "schedules", list, where)

    @property
    def sample_rate(self) -> int:
        """The rate of the waveforms (Hz)."""
        return self.vocoder.sample_rate

    @property
    def longest_seconds(self) -> float:
        """The longest clip (s)."""
        return self._longest * self._per_latent / self.sample_rate

    def generate(
        self,
        prompt: str,
        *,
        negative: str = "",
        seconds: float | None = None,
        seed: int = 0,
        steps: int | None = None,
        sampler: str | None = None,
        grid: str | None = None,
        guidance: float | None = None,
        rescale: float | None = None,
        guidance_hold: float | None = None,
        tempo: float | None = None,
        key: str = "",
        chords: str = "",
        vocoder_steps: int | None = None,
    ) -> Floats:
        """Make a clip from a prompt.

        Args:
            prompt: what to hear, in the syntax of `audiodiff.text.prompt`; empty for anything.
            negative: what to avoid.
            seconds: length; the longest but at most 10 when `None`.
            seed: of the noise.
            steps, sampler, grid: a run that was exported; the model's recommendation when `None`, as for the next two.
            guidance: how closely to follow the prompt, 1 for none.
            rescale: how far guidance is kept from raising the contrast, 0 to 1.
            guidance_hold: process time for which the change that guidance makes is used again.
            tempo: beats per minute; read from the prompt ("106 bpm") when `None`.
            key: such as "F# minor"; read from the prompt when empty.
            chords: such as "Am F C G", one word for each bar; usual ones in the key, where there is one, when empty;
                "N.C." for none.
            vocoder_steps: sampling steps of the vocoder; its recommendation when `None`.

        Returns:
            `[n_samples]`, at the level that comes out of the model, not clipped.

        Raises:
            AudiodiffError: a prompt or a setting cannot be used, or the clip would be too long.
        """
        length = min(10.0, self.longest_seconds) if seconds is None else seconds
        if isinstance(length, bool) or not isinstance(length, int | float) or not 0.1 <= length <= self.longest_seconds:
            raise AudiodiffError(
                f"seconds is {seconds!r}; an exported model makes clips of 0.1 to {self.longest_seconds:.2f} s."
            )
        rate = self.sample_rate
        n_latents = -(-round(max(length, self._shortest) * rate) // self._per_latent)
        scale = self._number("guidance", guidance, 100.0)
        amount = self._number("rescale", rescale, 1.0)
        hold = self._number("guidance_hold", guidance_hold, 1e6, 0.0)  # not in older packages
        found = _TEMPO.search(prompt)
        if tempo is None and found and "tempo" in self._numbers:
            tempo = float(found.group(1))
        if tempo is not None and not 10.0 <= tempo <= 400.0:
            raise AudiodiffError(f"tempo is {tempo!r}; it must be a number from 10 to 400 beats per minute.")
        key = self._key(prompt, key)
        bars = self._bars(chords, key, seed)
        if tempo is None and has_chords(bars):
            tempo = CHORD_TEMPO
        numbers = {"tempo": tempo, "seconds": min(max(length, self._shortest), self._window)}
        wanted = self._conditions(parse_prompt(prompt), self._labels(numbers, key, tempo, bars, n_latents))
        unwanted = self._conditions(parse_prompt(negative), self._labels({}, "", None, (), n_latents))

        held = HeldDifferences[Floats](hold)

        def denoise(x: Floats, call: Call) -> Floats:
            def estimate(conditions: list[tuple[float, Inputs]]) -> Floats:
                return self._estimate(x, call, conditions)

            if scale in (0.0, 1.0):
                return estimate(wanted if scale else unwanted)
            towards, away = held.estimates(
                call.time, x, lambda: (estimate(wanted), estimate(unwanted)), lambda: estimate(wanted)
            )
            guided = away + np.float32(scale) * (towards - away)
            if amount and scale > 1.0:
                factor = towards.std(ddof=1) / max(float(guided.std(ddof=1)), float(np.finfo(np.float32).tiny))
                guided = guided * np.float32(1.0 + amount * (factor - 1.0))
            return guided

        schedule = wanted_schedule(self._schedules, self.defaults, self._where, sampler=sampler, grid=grid, steps=steps)
        latents = run_denoise(
            schedule, lambda draw: positional_noise(seed, draw, 0, n_latents, self._channels)[None], denoise
        )
        if not np.isfinite(latents).all():
            raise AudiodiffError("the model gave values that are not numbers; try the recommended settings.")
        (log_mel,) = self._graphs("music.decode", latents=tensor(latents))
        samples = self.vocoder.vocode_mel(log_mel[0], steps=vocoder_steps, seed=seed)[: round(length * rate)]
        return self._faded(samples)

    def _number(self, name: str, value: float | None, high: float, default: float | None = None) -> float:
        number = take(self.defaults, name, float, self._where, default) if value is None else value
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0.0 <= number <= high:
            raise AudiodiffError(f"{name} is {number!r}; it must be a number from 0 to {high:g}.")
        return float(number)

    def _key(self, prompt: str, key: str) -> str:
        named = key_name(key)
        if key and not named:
            raise AudiodiffError(f'key is "{key}"; expected a major or minor key such as "F# minor".')
        if named and "key" not in self._classes:
            raise AudiodiffError("the model takes a key only in the prompt; write it there.")
        return named or (find_key(prompt) if "key" in self._classes else "")

    def _bars(self, chords: str, key: str, seed: int) -> tuple[tuple[Chord, ...], ...]:
        if chords == AUTO_CHORDS and not key:
            raise AudiodiffError("chords are auto, which takes a key; give it, or name the chords.")
        bars = () if chords == AUTO_CHORDS else parse_chords(chords)
        if chords == AUTO_CHORDS or (self._chords and key and not bars):
            bars = usual_chords(key, seed)
        if has_chords(bars) and not self._chords:
            raise AudiodiffError("the model takes no chords; leave them out, or give a key.")
        return bars

    def _labels(
        self,
        numbers: Mapping[str, float | None],
        key: str,
        tempo: float | None,
        bars: tuple[tuple[Chord, ...], ...],
        n_latents: int,
    ) -> Inputs:
        """What the network is told besides the prompt; beats and chords are NaN where they are unknown."""
        rate = math.nan if tempo is None else tempo / 60.0 * self._per_latent / self.sample_rate
        beats = tensor((np.arange(n_latents)[None] + 0.5) * rate)
        row = [numbers.get(name) for name in self._numbers]
        kinds = [values.index(key) + 1 if name == "key" and key else 0 for name, values in self._classes.items()]
        return {
            "numbers": np.array([[math.nan if value is None else value for value in row]], np.float32),
            "classes": np.array([kinds], np.int64).reshape(1, len(kinds)),
            "beats": beats,
            **({"chords": features_at(beats[0], bars)[None]} if self._chords else {}),
        }

    def _conditions(self, prompt: Prompt, labels: Inputs) -> list[tuple[float, Inputs]]:
        """The parts of a prompt as the network takes them, each with its share."""
        heard = [(part, share) for part, share in zip(prompt.parts, prompt.shares, strict=True) if share > 0.0]
        weighted = any(part.spans for part, _ in heard if part.text)
        base = self._states("")[0].mean(axis=0) if weighted else None
        return [(share, {**labels, **self._text(part, base)}) for part, share in heard]

    def _text(self, part: PromptPart, base: Floats | None) -> Inputs:
        if not part.text:
            return {"tokens": np.zeros((1, 1, self._width), np.float32), "mask": np.zeros((1, 1), bool)}
        states, offsets = self._states(part.text)
        if part.spans and base is not None:
            weights = np.array([part.weight_at(*place) for place in offsets], np.float32)[:, None]
            states = states + (weights - np.float32(1.0)) * (states - base)
        return {"tokens": tensor(states[None]), "mask": np.ones((1, len(states)), bool)}

    def _states(self, text: str) -> tuple[Floats, tuple[tuple[int, int], ...]]:
        """States of the tokens of a text, and where these stand in it."""
        if self._tokenizer is None:
            from tokenizers import Tokenizer

            try:
                self._tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
            except Exception as error:  # the library raises nothing narrower
                raise AudiodiffError(
                    f"{self._folder / 'tokenizer.json'} is damaged; export the model again."
                ) from error
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()
            self._tokenizer.encode_special_tokens = True
        plain = join_surrogates(text)
        found = self._tokenizer.encode(plain)
        cut = cut_tokens(plain, found.ids, found.offsets, found.special_tokens_mask, self._most_tokens)
        (states,) = self._graphs("music.text", ids=np.array(cut.ids, np.int64))
        return states, cut.offsets

    def _estimate(self, x: Floats, call: Call, conditions: list[tuple[float, Inputs]]) -> Floats:
        """The estimate of clean latents under weighted conditions."""
        c_skip, c_out, c_in, c_noise = call.coefficients
        level, scaled = np.array([c_noise], np.float32), tensor(np.float32(c_in) * x)
        total = np.zeros_like(x)
        for share, inputs in conditions:
            (output,) = self._graphs("music.denoiser", x=scaled, c_noise=level, **inputs)
            total += np.float32(share) * (np.float32(c_skip) * x + np.float32(c_out) * output)
        return total

    def _faded(self, samples: Floats) -> Floats:
        count = min(round(self._fade * self.sample_rate), len(samples) // 2)
        ramp = ((np.arange(count) + 0.5) / max(count, 1)).astype(np.float32)
        faded = samples.copy()
        faded[:count] *= ramp
        faded[len(faded) - count :] *= ramp[::-1]
        return faded
