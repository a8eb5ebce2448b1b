"""Which timesteps a run goes through: the whole schedule, the end that a strength leaves, or a part of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, cast

import torch
from torch import Tensor

from engine.config import Config
from engine.errors import InvalidValue
from engine.pipelines.step import ResumePoint


class Scheduler(Protocol):
    """What the loops here ask of a scheduler; `step` may take more, which `step_options` names."""

    order: ClassVar[int]
    step_options: ClassVar[frozenset[str]]
    schedule_options: ClassVar[frozenset[str]]
    timesteps: Tensor
    init_noise_sigma: float

    @property
    def config(self) -> Config:
        """The constructor's arguments."""
        ...

    def set_timesteps(self, num_inference_steps: int, device: Any = None) -> None:
        """Lay out a schedule of `num_inference_steps` steps."""
        ...

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Start the run at this place of the schedule."""
        ...

    def scale_model_input(self, sample: Tensor, timestep: Any) -> Tensor:
        """Return `sample` as the model was trained to see it."""
        ...

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Return `original_samples` with as much of `noise` as there is at `timesteps`."""
        ...

    def change_config(self, **values: Any) -> None:
        """Give keys of the configuration other `values`."""
        ...

    def step(self, *args: Any, **options: Any) -> Any:
        """Take model output, timestep and sample; return the less noisy sample and the clean one that is predicted."""
        ...


def prepare_schedule(
    scheduler: Scheduler,
    num_inference_steps: int,
    device: torch.device,
    timesteps: Sequence[int] | None = None,
    sigmas: Sequence[float] | None = None,
    resume: ResumePoint | None = None,
    **options: Any,
) -> Tensor:
    """Lay out the schedule: that many steps, or the `timesteps` or `sigmas` given. Returns the timesteps.

    With `resume` the scheduler is used as it is. Raises `InvalidValue` where the scheduler does not take such a
    schedule.
    """
    own = {name: value for name, value in (("timesteps", timesteps), ("sigmas", sigmas)) if value is not None}
    if len(own) > 1:
        raise InvalidValue("timesteps and sigmas cannot both be given; choose one.")
    for name in own:
        if name not in scheduler.schedule_options:
            raise InvalidValue(f"{type(scheduler).__name__} does not take {name}; leave them out, or use Euler.")
    if resume is None:
        if own:
            cast("Any", scheduler).set_timesteps(device=device, **own, **options)
        else:
            cast("Any", scheduler).set_timesteps(num_inference_steps, device=device, **options)
    return scheduler.timesteps


def check_strength(strength: float) -> None:
    """Raise `InvalidValue` unless `strength` lies between 0 and 1."""
    if not 0 <= strength <= 1:
        raise InvalidValue(f"strength cannot be {strength}; it goes from 0 (keep the image) to 1 (start from noise).")


def timesteps_for_strength(
    scheduler: Scheduler, timesteps: Tensor, steps: int, strength: float, resume: ResumePoint | None = None
) -> Tensor:
    """Return the last share `strength` of the `timesteps` that `steps` steps go through, and begin there.

    Raises `InvalidValue` if no step is left.
    """
    begin = (steps - min(int(steps * strength), steps)) * scheduler.order
    left = timesteps[begin:]
    if not len(left):
        raise InvalidValue(f"strength {strength} leaves none of the {steps} steps; raise one of the two.")
    return begun(scheduler, left, begin, resume)


def timesteps_from(
    scheduler: Scheduler, timesteps: Tensor, denoising_start: float, resume: ResumePoint | None = None
) -> Tensor:
    """Return the `timesteps` after the share `denoising_start` of the trained ones, and begin there."""
    left = int((timesteps < trained_timestep(scheduler, denoising_start)).sum())
    # A second-order scheduler has every timestep but the first twice: an even rest would begin in the middle of one.
    if scheduler.order == 2 and left % 2 == 0:
        left += 1
    begin = max(len(timesteps) - left, 0)
    return begun(scheduler, timesteps[begin:], begin, resume)


def timesteps_until(scheduler: Scheduler, timesteps: Tensor, denoising_end: float) -> Tensor:
    """Return the `timesteps` before the share `denoising_end` of the trained ones."""
    return timesteps[: int((timesteps >= trained_timestep(scheduler, denoising_end)).sum())]


def trained_timestep(scheduler: Scheduler, share: float) -> int:
    """Return the timestep that is left when the share `share` of the trained ones is done."""
    trained = scheduler.config.num_train_timesteps
    return round(trained - share * trained)


def begun(scheduler: Scheduler, timesteps: Tensor, begin: int, resume: ResumePoint | None) -> Tensor:
    """Tell the scheduler that the run begins at the place `begin` of its schedule; returns `timesteps`."""
    if resume is None:
        scheduler.set_begin_index(begin)
    return timesteps


def remaining(timesteps: Tensor, resume: ResumePoint | None) -> list[tuple[int, Tensor]]:
    """Return the numbers and timesteps of the steps to do: all, or those from `resume` on; none after the last.

    Raises `InvalidValue` if there is no such step.
    """
    first = 0 if resume is None else resume.index
    if not 0 <= first <= len(timesteps):
        raise InvalidValue(f"a run of {len(timesteps)} steps cannot go on from step {first}; choose an earlier one.")
    return list(enumerate(timesteps))[first:]


def step_options(scheduler: Scheduler, **offered: Any) -> dict[str, Any]:
    """Return those of `offered` that the scheduler's `step` takes."""
    return {name: value for name, value in offered.items() if name in scheduler.step_options}
