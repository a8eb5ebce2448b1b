"""Noise is drawn as the reference draws it: the same numbers from the same seed, in every precision.

The step by step comparisons give float64 runs the noise of float32 ones (`OneArithmetic`); here each draws its own.
"""

from __future__ import annotations

import inspect
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

import engine.schedulers
from engine._exports import SCHEDULERS
from engine.schedulers.base import SchedulerMixin

# These step in other ways, or draw all noise of a run at once, and are compared in their own tests.
OTHERS = {
    "AmusedScheduler",
    "CosineDPMSolverMultistepScheduler",
    "DDPMWuerstchenScheduler",
    "DPMSolverSDEScheduler",
    "RePaintScheduler",
    "ScoreSdeVeScheduler",
    "ScoreSdeVpScheduler",
    "VQDiffusionScheduler",
}
TOLERANCE = {torch.float16: 1e-2, torch.float32: 1e-5, torch.float64: 1e-6}


def draws(name: str) -> bool:
    """Whether the class has a `step` that draws noise."""
    step = getattr(getattr(engine.schedulers, name), "step", None)
    return step is not None and "generator" in inspect.signature(step).parameters


DRAWING = [name for name in sorted(set(SCHEDULERS) - OTHERS) if draws(name)]


def two_steps(scheduler: SchedulerMixin | Any, seed: int, dtype: torch.dtype) -> Tensor:
    """Return the sample after the first two calls of a run."""
    scheduler.set_timesteps(2 if "SCM" in type(scheduler).__name__ else 5)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)).to(dtype)
    for timestep in scheduler.timesteps[:2]:
        if "timestep" in inspect.signature(getattr(scheduler, "scale_model_input", scheduler.step)).parameters:
            getattr(scheduler, "scale_model_input", lambda sample, _timestep: sample)(x, timestep)
        x = scheduler.step(0.5 * x, timestep, x, generator=generator).prev_sample
    return x.double()


# The reference's own: deprecations, and torch tensors handed to numpy in an old way.
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:__array_(_ impl|wrap__ must):DeprecationWarning")
@pytest.mark.parametrize("name", DRAWING)
@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
def test_the_noise_of_a_step(name: str, dtype: torch.dtype) -> None:
    """What two seeds change is the noise alone, whatever the arithmetic."""
    ours, reference = (
        two_steps(getattr(library, name)(), 1, dtype) - two_steps(getattr(library, name)(), 2, dtype)
        for library in (engine.schedulers, diffusers)
    )
    torch.testing.assert_close(ours, reference, rtol=0, atol=TOLERANCE[dtype] * float(reference.abs().max()))
