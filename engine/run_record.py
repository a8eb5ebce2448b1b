"""Keeping the state of each step of a picture, and going on from one that was kept."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.device_queue import Mark, copied
from engine.messages import EngineSettings, GenerateRequest
from engine.models.deep_cache import FEATURES, PLACE
from engine.pipelines.step import ResumePoint, Step
from engine.records import RecordStore, StepState
from engine.scheduler_state import capture, restore


def store_of(settings: EngineSettings) -> RecordStore | None:
    """Where records are kept; None where they are not."""
    return RecordStore(Path(settings.records), settings.records_bytes) if settings.records else None


class Recorder:
    """Takes the state after each step of one picture, and writes them all in one go.

    Attributes:
        key: the name of the record.
    """

    def __init__(self, store: RecordStore, request: GenerateRequest, key: str = "") -> None:
        self.key = key or secrets.token_hex(12)
        self._store = store
        self._request = request
        self._states: list[StepState] = []
        self._mark = Mark(torch.device("cpu"))  # behind the last of the copies
        self._carried: dict[str, tuple[Tensor, Tensor]] = {}

    def take(self, step: Step, index: int, first: int, scheduler: Any, generator: torch.Generator) -> None:
        """Keep where the run stands after `step`, which is number `index` of the picture."""
        state, tensors = capture(scheduler)
        self._states.append(
            StepState(
                index=index,
                first=first,
                latents=copied(step.latents),
                clean=None if step.pred_original_sample is None else copied(step.pred_original_sample),
                scheduler=state,
                scheduler_tensors=tensors,
                generator=generator.get_state(),
                carried=self._copies(step.carried),
            )
        )
        self._mark = Mark(step.latents.device)

    def _copies(self, carried: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Copies of `carried`; of a tensor that was so at the step before, the copy that was made then."""
        before = self._carried
        self._carried = {
            name: before[name] if name in before and before[name][0] is tensor else (tensor, copied(tensor))
            for name, tensor in carried.items()
        }
        return {name: copy for name, (_, copy) in self._carried.items()}

    def write(self) -> None:
        """Put the states on the disk; `KnownError` where that fails."""
        if self._states:
            self._mark.wait()
            self._store.put(self.key, self._request, self._states)
            self._states, self._carried = [], {}


# ---------------------------------------------------------------------------------------------------- going on


@dataclass(frozen=True, eq=False)
class Branch:
    """A kept state, and the request of the picture that it is of."""

    state: StepState
    origin: GenerateRequest


@dataclass(frozen=True, eq=False)
class Start:
    """How a pass begins in the middle: where, and what the user should know about it."""

    resume: ResumePoint
    notice: str = ""


# Gives the prepared scheduler of the pass that a request means, and how many of its timesteps the pass leaves out.
Make = Callable[[GenerateRequest], tuple[Any, int]]


def begin(
    branch: Branch, request: GenerateRequest, seed: int, make: Make, device: torch.device
) -> tuple[Any, torch.Generator, Start]:
    """Return the scheduler, the source of noise and the place from which `request` goes on.

    With the scheduler, its spacing and the number of steps of the origin everything is as it was; else the latents go
    on at the nearest noise level of the new schedule. Another seed draws the noise still in the latents anew.
    """
    origin, state = branch.origin, branch.state
    (scheduler, skipped), generator = make(request), torch.Generator("cpu").manual_seed(seed)
    index, latents, notice = state.index - state.first + 1, state.latents, ""
    if _same_run(origin, request):
        restore(scheduler, state.scheduler, state.scheduler_tensors, device)
    else:
        before, left_out = make(origin)
        place, factor, notice = _nearest(before, index + left_out, scheduler, skipped)
        index, latents = place - skipped, latents * factor
    if seed == origin.seed:
        generator.set_state(state.generator)
    elif state.clean is not None:
        latents = _with_new_noise(state.clean, make(request)[0], index + skipped, generator)
    carried = state.carried
    if seed != origin.seed or not _same_network_calls(origin, request):
        # What deep layers made of another prompt or by another model is no use: the first call is whole.
        carried = {name: tensor for name, tensor in carried.items() if name not in (FEATURES, PLACE)}
    resume = ResumePoint(index=index, latents=latents.to(device), carried=_on(carried, device))
    return scheduler, generator, Start(resume, notice)


def _same_run(origin: GenerateRequest, request: GenerateRequest) -> bool:
    names = ("scheduler", "sigma_schedule", "steps", "strength", "hires_steps", "hires_strength")
    return all(getattr(origin, name) == getattr(request, name) for name in names)


def _same_network_calls(origin: GenerateRequest, request: GenerateRequest) -> bool:
    names = ("model", "dtype", "device", "prompt", "negative_prompt", "prompt_syntax", "clip_skip", "guidance_scale")
    return _same_run(origin, request) and all(
        getattr(origin, name) == getattr(request, name) for name in (*names, "guidance_rescale", "switches")
    )


def _on(tensors: Any, device: torch.device) -> dict[str, Tensor]:
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def _nearest(before: Any, place: int, after: Any, first: int) -> tuple[int, float, str]:
    """Find the place, from `first` on, of the schedule `after` whose noise is nearest to that of `before` at `place`.

    Schedulers differ in how much of the clean sample is in x = a x_0 + b n: the factor scales latents to the new a.
    """
    signal, level = coefficients(before, place)
    # A second-order scheduler begins its steps at every other call.
    places = range(first, len(after.timesteps), after.order)
    found = {at: coefficients(after, at) for at in places}
    nearest = min(found, key=lambda at: abs(math.log(found[at][1] + 1e-4) - math.log(level + 1e-4)))
    after.set_begin_index(nearest)
    notice = (
        f"The steps go on at noise level {found[nearest][1]:.3g}, the nearest of this scheduler to {level:.3g}: "
        f"step {nearest + 1} of {len(after.timesteps)}."
    )
    return nearest, found[nearest][0] / signal, notice


def coefficients(scheduler: Any, place: int) -> tuple[float, float]:
    """Return the factor a of the clean sample in the latents before the step `place`, and their noise level b / a.

    `scheduler` has its timesteps and no place yet.
    """
    if place >= len(scheduler.timesteps):
        return 1.0, 0.0
    one, none = torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1)
    timestep = scheduler.timesteps[place]
    index = scheduler.begin_index
    scheduler.set_begin_index(place)
    if hasattr(scheduler, "scale_noise"):
        signal = scheduler.scale_noise(one, timestep.reshape(1), none)
        spread = scheduler.scale_noise(none, timestep.reshape(1), one)
    else:
        at = timestep.reshape(1)
        signal, spread = scheduler.add_noise(one, none, at), scheduler.add_noise(none, one, at)
    vars(scheduler)["_begin_index"] = index
    return max(float(signal), 1e-6), float(spread) / max(float(signal), 1e-6)


def _with_new_noise(clean: Tensor, scheduler: Any, place: int, generator: torch.Generator) -> Tensor:
    """Return `clean` with new noise of the level at `place` of `scheduler`."""
    signal, level = coefficients(scheduler, place)
    noise = torch.randn(clean.shape, generator=generator, dtype=clean.dtype)
    return signal * clean + signal * level * noise
