"""Noise is drawn as the reference draws it: the same numbers from the same seed, in every precision."""

from __future__ import annotations

import inspect

import diffusers
import pytest
import torch

import engine.schedulers
from engine._exports import SCHEDULERS

# Wrong in the reference, and told in their own tests, or not to be called with these arguments.
OTHERS = {"SchedulerMixin"}
DRAWING = [
    name
    for name in sorted(set(SCHEDULERS) - OTHERS)
    if "step" in vars(getattr(engine.schedulers, name))
    and "generator" in inspect.signature(getattr(engine.schedulers, name).step).parameters
]


# The reference's own: deprecations, and torch tensors handed to numpy in an old way.
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("name", DRAWING)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_the_noise_of_a_step(name: str, dtype: torch.dtype) -> None:
    """What two seeds change is the noise alone, whatever the arithmetic."""
    differences: list[torch.Tensor] = []
    for library in (engine.schedulers, diffusers):
        results: list[torch.Tensor] = []
        for seed in (1, 2):
            scheduler = getattr(library, name)()
            scheduler.set_timesteps(5)
            x = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)).to(dtype)
            timestep = scheduler.timesteps[1]
            scheduler.set_begin_index(1) if hasattr(scheduler, "set_begin_index") else None
            scheduler.scale_model_input(x, timestep)
            generator = torch.Generator().manual_seed(seed)
            results.append(scheduler.step(0.5 * x, timestep, x, generator=generator).prev_sample.double())
        differences.append(results[0] - results[1])
    ours, reference = differences
    torch.testing.assert_close(ours, reference, rtol=0, atol=float(reference.abs().max()) * 10 * torch.finfo(dtype).eps)
