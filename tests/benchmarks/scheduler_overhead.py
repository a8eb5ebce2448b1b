"""What one `step` of each scheduler costs, beside the reference's, for a latent of 4x64x64 float32 on one CPU core.

The two take turns in short runs, so that whatever else the machine does meets both; printed is each one's best run in
microseconds a step, the ratio ours / reference of every class, and the median of the ratios.

    python -m tests.benchmarks.scheduler_overhead [--steps 25] [--rounds 15] [NAME ...]
"""

from __future__ import annotations

import argparse
import inspect
import statistics
import warnings
from collections.abc import Callable
from time import perf_counter
from typing import Any

import diffusers
import torch
from diffusers.schedulers import deprecated

import engine.schedulers
from engine._exports import SCHEDULERS
from tests.benchmarks.results import Figure, Keeper, add_results_option

SHAPE = (1, 4, 64, 64)
CONFIGS: dict[str, dict[str, Any]] = {
    "AmusedScheduler": {"mask_token_id": 16},
    "VQDiffusionScheduler": {"num_vec_classes": 17},
}
Step = Callable[[Any, torch.Tensor, torch.Tensor, torch.Tensor], object]


def plain_step(scheduler: Any, timestep: torch.Tensor, x: torch.Tensor, output: torch.Tensor) -> object:
    """Do the step that nearly all classes have."""
    return scheduler.step(output, timestep, x)


# The classes whose step takes something else.
STEPS: dict[str, Step] = {
    "DDPMWuerstchenScheduler": lambda scheduler, timestep, x, output: scheduler.step(output, timestep[None], x),
    "KarrasVeScheduler": lambda scheduler, timestep, x, output: scheduler.step(output, 2.0, 1.5, x),
    "RePaintScheduler": lambda scheduler, timestep, x, output: scheduler.step(output, timestep, x, x, x),
    "ScoreSdeVeScheduler": lambda scheduler, timestep, x, output: scheduler.step_pred(output, timestep, x),
    "ScoreSdeVpScheduler": lambda scheduler, timestep, x, output: scheduler.step_pred(output, x, timestep),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="classes; all, if none is given")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--rounds", type=int, default=15)
    add_results_option(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    diffusers.logging.set_verbosity_error()
    names = options.names or sorted(set(SCHEDULERS) - {"SchedulerMixin"})
    print(f"{'microseconds a step':34} {'ours':>8} {'reference':>10} {'ratio':>6}")
    ratios: list[float] = []
    for name in names:
        ours, reference = (1e6 * seconds for seconds in _seconds(name, options.steps, options.rounds))
        ratios.append(ours / reference)
        print(f"{name:34} {ours:8.1f} {reference:10.1f} {ratios[-1]:6.2f}", flush=True)
    # One value a class: each is the ratio of its best runs.
    figure = Figure("One step of a scheduler, 64x64 latents: to Diffusers", tuple(ratios), counted="classes")
    Keeper(options.results).keep([figure])
    print(f"median of the ratios over {len(ratios)} classes: {statistics.median(ratios):.2f}")


def _seconds(name: str, steps: int, rounds: int) -> tuple[float, float]:
    """Return the seconds that a step of ours and of the reference takes in its best run."""
    libraries = (engine.schedulers, diffusers if hasattr(diffusers, name) else deprecated)
    makers = [getattr(library, name) for library in libraries]
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        for k in (0, 1) if turn % 2 else (1, 0):
            # A new one every time: some of the reference's keep their noise for a second run.
            seconds = _run(makers[k](**CONFIGS.get(name, {})), STEPS.get(name, plain_step), steps)
            if turn:  # the first run warms up
                times[k].append(seconds)
    return min(times[0]), min(times[1])


def _run(scheduler: Any, step: Step, steps: int) -> float:
    """Return the seconds that a step takes, as the mean of one run."""
    # For SCM, 1.3 is the place in the middle of two steps, and no other number takes one.
    scheduler.set_timesteps(
        steps, **{"intermediate_timesteps": None} if type(scheduler).__name__ == "SCMScheduler" else {}
    )
    if hasattr(scheduler, "set_sigmas"):
        scheduler.set_sigmas(steps)
    x, output = _sample_and_output(scheduler)
    timesteps = list(scheduler.timesteps[: 2 * steps])  # an entry for every model call; RePaint has thousands
    if type(scheduler).__name__ in ("DDPMWuerstchenScheduler", "SCMScheduler"):
        timesteps.pop()  # the last is where the run ends
    scale = getattr(scheduler, "scale_model_input", None)
    if scale is not None and "timestep" in inspect.signature(scale).parameters:
        scheduler.scale_model_input(x, timesteps[0])
    began = perf_counter()
    for timestep in timesteps:
        step(scheduler, timestep, x, output)
    return (perf_counter() - began) / len(timesteps)


def _sample_and_output(scheduler: Any) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    if type(scheduler).__name__ == "AmusedScheduler":
        return torch.full((1, 32, 32), 16), torch.randn(1, 16, 32, 32, generator=generator)
    if type(scheduler).__name__ == "VQDiffusionScheduler":
        classes = scheduler.config.num_vec_classes
        x = torch.randint(0, classes, (1, 1024), generator=generator)
        return x, torch.randn(1, classes - 1, 1024, generator=generator).log_softmax(1)
    return torch.randn(SHAPE, generator=generator), torch.randn(SHAPE, generator=generator)


if __name__ == "__main__":
    main()
