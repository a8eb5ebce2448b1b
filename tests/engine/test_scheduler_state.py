"""The stored state of a scheduler: every entry of the catalogue goes on from it to the bit, whatever its model."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.catalog import SCHEDULERS, SchedulerEntry
from engine.errors import BadFile
from engine.queries import make_scheduler
from engine.scheduler_state import capture, restore
from tests.engine.schedulers import test_contract as usual
from tests.engine.schedulers import test_contract_own_ways as own

STEPS = 6


def make(entry: SchedulerEntry, sigmas: str = "default") -> Any:
    """Return the scheduler as a run has it: made, and laid out."""
    scheduler = make_scheduler(entry.name, sigmas, own.ARGUMENTS.get(entry.class_name, {}))
    if entry.class_name == "RePaintScheduler":
        scheduler.set_timesteps(STEPS, jump_length=2, jump_n_sample=2)
    elif entry.class_name in own.STEPS:
        scheduler.set_timesteps(STEPS)
    else:
        usual.lay_out(scheduler, STEPS)
    return scheduler


def first_sample(scheduler: Any) -> Tensor:
    """Return what a run starts from."""
    name = type(scheduler).__name__
    return own.first_sample(scheduler) if name in own.STEPS else usual.start(scheduler)


def step(scheduler: Any, place: int, x: Tensor, generator: torch.Generator) -> Tensor:
    """Return the sample after the step at `place`."""
    name = type(scheduler).__name__
    if name in own.STEPS:
        return own.STEPS[name](scheduler, place, x, generator)
    timestep = scheduler.timesteps[place]
    if name == "RePaintScheduler":
        before = scheduler.timesteps[place - 1]
        if place and timestep > before:
            return scheduler.undo_step(x, before, generator)
        left = torch.ones_like(x[..., :2])
        mask = torch.cat([left, torch.zeros_like(x[..., 2:])], dim=-1)
        return scheduler.step(usual.model(x, timestep), timestep, x, mask / 2, mask, generator).prev_sample
    noise = {"generator": generator} if usual.draws_noise(scheduler) else {}
    scaled = scheduler.scale_model_input(x, timestep) if hasattr(scheduler, "scale_model_input") else x
    return scheduler.step(usual.model(scaled, timestep), timestep, x, **noise).prev_sample


@pytest.mark.parametrize(
    ("entry", "sigmas"),
    [(entry, sigmas) for entry in SCHEDULERS for sigmas in entry.sigma_schedules],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_restored_state_goes_on_to_the_bit(entry: SchedulerEntry, sigmas: str) -> None:
    scheduler, generator = make(entry, sigmas), torch.Generator().manual_seed(5)
    x, length = first_sample(scheduler), len(usual.calls(scheduler))
    kept: list[tuple[str, dict[str, Tensor], Tensor]] = []
    samples: list[Tensor] = []
    for place in range(length):
        x = step(scheduler, place, x, generator)
        state, tensors = capture(scheduler)
        kept.append((json.dumps(state), tensors, generator.get_state()))
        samples.append(x)
    for begin in range(1, length):
        fresh, again = make(entry, sigmas), torch.Generator().manual_seed(6)
        state, tensors, noise = kept[begin - 1]
        restore(fresh, json.loads(state), tensors)
        again.set_state(noise)
        x = samples[begin - 1]
        for place in range(begin, length):
            x = step(fresh, place, x, again)
            assert torch.equal(x, samples[place]), (begin, place)


def test_a_damaged_state_says_so() -> None:
    entry = SCHEDULERS[0]
    scheduler = make(entry)
    state, tensors = capture(scheduler)
    named = next(name for name, value in state.items() if isinstance(value, dict) and value["kind"] == "tensor")
    for damaged in ({named: {"kind": "unheard of"}}, {named: {"kind": "tensor", "name": "99", "cpu": True}}):
        with pytest.raises(BadFile, match="make the picture again"):
            restore(make(entry), {**state, **damaged}, tensors)
