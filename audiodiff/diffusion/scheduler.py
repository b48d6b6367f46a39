"""Our samplers in loops that call the network themselves, as those written for diffusers do.

::

    scheduler = Scheduler(SchedulerSettings(process, parameterization, "dpmpp_2m", uniform_grid))
    scheduler.set_timesteps(20)
    x = scheduler.init_noise_sigma * noise
    for timestep in scheduler.timesteps:
        output = network(scheduler.scale_model_input(x, timestep), timestep.expand(len(x)), cond)
        x = scheduler.step(output, timestep, x).prev_sample
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from audiodiff.diffusion.names import sampler_name
from audiodiff.diffusion.parameterization import Coefficients, Parameterization
from audiodiff.diffusion.process import Process, pad_to
from audiodiff.diffusion.samplers import SAMPLERS, Carry, sample
from audiodiff.diffusion.times import Grid, uniform_grid
from audiodiff.errors import AudiodiffError
from audiodiff.torch_state import standard_state


@dataclass(frozen=True)
class SchedulerSettings:
    """What a scheduler of diffusers is, in our terms; ``from_diffusers`` reads one.

    Attributes:
        process: the law of ``x_t``.
        parameterization: what the network predicts.
        sampler: a name of ``SAMPLERS``.
        grid: the times.
        clip: largest absolute value of ``x0_hat``; None leaves it alone.
        end: the time that the last step reaches; theirs is not always clean data.
        timestep_scale: what the network's noise labels are multiplied with in ``timesteps`` (1000 for flow matching
            in diffusers).

    Raises:
        AudiodiffError: no such sampler, or an impossible value.
    """

    process: Process
    parameterization: Parameterization
    sampler: str = "ddim"
    grid: Grid = field(default=uniform_grid)
    clip: float | None = None
    end: float = 0.0
    timestep_scale: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be sampled."""
        if sampler_name(self.sampler) not in SAMPLERS:
            raise AudiodiffError(f"sampler {self.sampler!r} is unknown; choose one of {', '.join(SAMPLERS)}.")
        if self.clip is not None and not 0.0 < self.clip < math.inf:
            raise AudiodiffError(f"clip must be positive, got {self.clip}.")
        if not 0.0 <= self.end < self.process.t_max or not 0.0 < self.timestep_scale < math.inf:
            raise AudiodiffError(
                f"expected end in [0, t_max) and a positive timestep_scale, got {self.end} and {self.timestep_scale}."
            )


class SchedulerOutput(NamedTuple):
    """The state to call the network on next, and the estimate of clean data; both like the state."""

    prev_sample: Tensor
    pred_original_sample: Tensor


class _Call(NamedTuple):
    """One call of the network: which step it belongs to, and at which time it is."""

    step: int
    time: float


class _NeedsEstimate(Exception):
    """A stepper asks for an estimate that the loop has yet to make."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.x = x


class Scheduler:
    """Any of our samplers behind ``set_timesteps``, ``scale_model_input`` and ``step``.

    States are those of ``settings.process``. Schedulers of diffusers that keep the state divided by ``alpha`` (their
    Euler and EDM ones) call the network on the same input all the same, and end in the same clean data.

    A sampler with more than one call a step (``heun``) has each of them in ``timesteps``.
    """

    def __init__(self, settings: SchedulerSettings) -> None:
        self.settings = settings
        self.timesteps = torch.zeros(0)
        self.num_inference_steps: int | None = None
        self._step = SAMPLERS[sampler_name(settings.sampler)]()
        self._times = torch.zeros(0, dtype=torch.float64)
        self._calls: tuple[_Call, ...] = ()
        self._next: int | None = None
        self._carry: Carry | None = None
        self._start: Tensor | None = None
        self._known: list[Tensor] = []
        self._drawn: dict[int, Tensor] = {}

    @property
    def order(self) -> int:
        """Calls of the network in a usual step."""
        return sum(call.step == 0 for call in self._calls) or 1

    @property
    def init_noise_sigma(self) -> float:
        """What unit noise is multiplied with to start: the size of the first state of data of unit variance.

        Raises:
            AudiodiffError: ``set_timesteps`` was not called.
        """
        first = torch.tensor(self._call_at(0).time, dtype=torch.float64)
        process = self.settings.process
        return math.hypot(float(process.alpha(first)), float(process.sigma(first)))

    def set_timesteps(self, num_inference_steps: int, device: torch.device | str | None = None) -> None:
        """Start again, with so many steps.

        ``timesteps`` becomes the noise labels that the network is to be called with, float32 ``[n_calls]``.

        Raises:
            AudiodiffError: the grid has no such number of steps.
        """
        settings = self.settings
        times = settings.grid(settings.process, num_inference_steps)
        asked: list[float] = []

        def record(x: Tensor, t: Tensor) -> Tensor:
            asked.append(float(t[0]))
            return torch.zeros_like(x)

        calls: list[_Call] = []
        state = torch.zeros(1, 1, dtype=torch.float64)

        def after_step(index: int, total: int, x0_hat: Tensor) -> None:
            calls.extend(_Call(index, time) for time in asked)
            asked.clear()

        sample(self._step, record, settings.process, state, times, lambda draw: state, after_step)
        self._times = torch.cat([times[:-1], times.new_tensor([settings.end])])
        self._calls = tuple(calls)
        labels = self._row([call.time for call in calls]).c_noise * settings.timestep_scale
        self.timesteps = labels.to(torch.float32).to(device=device)
        self.num_inference_steps = num_inference_steps
        self._next, self._carry, self._start = None, None, None
        self._known, self._drawn = [], {}

    def scale_model_input(self, sample: Tensor, timestep: Tensor | float) -> Tensor:
        """The network's input for a state ``[batch, ...]``: times ``c_in``.

        Raises:
            AudiodiffError: the timestep is not one of ``timesteps``.
        """
        scale = self._row([self._calls[self._position(timestep)].time]).c_in
        return pad_to(scale, sample) * sample

    def step(
        self,
        model_output: Tensor,
        timestep: Tensor | float,
        sample: Tensor,
        *,
        generator: torch.Generator | None = None,
        return_dict: bool = True,
    ) -> SchedulerOutput:
        """Go on from ``sample`` ``[batch, ...]``, where the network gave ``model_output``.

        Args:
            model_output: what the network predicts, like ``sample``.
            timestep: the one of ``timesteps`` at which it was called; the first may be any of them.
            sample: the state; as it was given out, or changed since.
            generator: of the noise of stochastic samplers, drawn on the generator's device.
            return_dict: has no effect: the result is a tuple whose fields have names.

        Raises:
            AudiodiffError: the timestep is not the next of ``timesteps``.
        """
        position = self._position(timestep)
        call = self._call_at(position)
        if not self._known:
            self._start = sample
        assert self._start is not None
        row = self._row([call.time])
        x = sample.to(torch.promote_types(sample.dtype, torch.float32))
        x0_hat = pad_to(row.c_skip, x) * x + pad_to(row.c_out, x) * model_output.to(x.dtype)
        if self.settings.clip is not None:
            x0_hat = x0_hat.clamp(-self.settings.clip, self.settings.clip)
        self._known.append(x0_hat)
        self._next = position + 1
        answers = iter(self._known)

        # A step is a pure function: run again with one answer more, it comes as far as the next question.
        def denoise(x: Tensor, t: Tensor) -> Tensor:
            answer = next(answers, None)
            if answer is None:
                raise _NeedsEstimate(x)
            return answer

        def noise(draw: int) -> Tensor:
            if draw not in self._drawn:
                device = generator.device if generator is not None else sample.device
                self._drawn[draw] = torch.randn(x.shape, generator=generator, device=device, dtype=sample.dtype).to(x)
            return self._drawn[draw]

        at, to = self._times[call.step], self._times[call.step + 1]
        with standard_state(device=False):
            try:
                start = self._start.to(x.dtype)
                x_s, _, carry = self._step(denoise, self.settings.process, start, at, to, self._carry, noise)
            except _NeedsEstimate as question:
                return SchedulerOutput(question.x.to(sample.dtype), x0_hat.to(sample.dtype))
        self._carry, self._known, self._drawn = carry, [], {}
        return SchedulerOutput(x_s.to(sample.dtype), x0_hat.to(sample.dtype))

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """The state of data ``[batch, ...]`` at ``timesteps`` ``[batch]``, each one of ``self.timesteps``.

        Raises:
            AudiodiffError: a timestep is not one of them.
        """
        times = [self._calls[self._found(float(timestep))].time for timestep in timesteps.reshape(-1)]
        return self.settings.process.mix(original_samples, noise, torch.tensor(times, dtype=torch.float64))

    def _row(self, times: list[float]) -> Coefficients:
        t = torch.tensor(times, dtype=torch.float64)
        return self.settings.parameterization.coefficients(self.settings.process, t)

    def _position(self, timestep: Tensor | float) -> int:
        """Which call a timestep is: the next one, or any that begins a step in a loop that starts in the middle."""
        value = float(timestep)
        if self._next is None:
            return self._found(value)
        if self._next >= len(self._calls) or float(self.timesteps[self._next]) != value:
            raise AudiodiffError(
                f"timestep {value} is not the next one; step through scheduler.timesteps in order, and call "
                "set_timesteps before another run."
            )
        return self._next

    def _found(self, timestep: float) -> int:
        """The last call at a timestep: where there are two, the second begins a step."""
        self._call_at(0)
        known = self.timesteps.tolist()
        if timestep not in known:
            raise AudiodiffError(f"{timestep} is not one of the timesteps of this scheduler; take scheduler.timesteps.")
        return len(known) - 1 - known[::-1].index(timestep)

    def _call_at(self, position: int) -> _Call:
        if not self._calls:
            raise AudiodiffError("the scheduler has no timesteps yet; call set_timesteps first.")
        return self._calls[position]
