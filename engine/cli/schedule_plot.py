"""Noise level and timestep of schedulers over their steps, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import schedulers
from engine.catalog import SchedulerEntry
from engine.cli.schedulers import Choice, fitting
from engine.errors import InvalidValue
from engine.pictures import check_target
from engine.plots import line_plot, save_image, stack

if TYPE_CHECKING:
    import torch

# Those of Stable Diffusion, on which users' habits rest.
BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
Points = list[tuple[float, float]]


def plot_schedules(chosen: Sequence[Choice], path: Path, steps: int, *, overwrite: bool, everything: bool) -> None:
    """Draw sigma (logarithmic) and timestep of every choice; of `everything`, those that usual models can use.

    Raises:
        KnownError: the file cannot be written, or a scheduler has no such schedule.
    """
    check_target(path, "replace" if overwrite else "fail")
    choices = fitting(chosen, "epsilon") if everything else chosen
    sigmas: dict[str, Points] = {}
    timesteps: dict[str, Points] = {}
    for entry, sigma_schedule in choices:
        label = entry.display_name(sigma_schedule)
        timesteps[label], sigmas[label] = schedule(entry, sigma_schedule, steps)
    levels = line_plot(sigmas, f"Noise level sigma, {steps} steps", "step", log_y=True)
    times = line_plot(timesteps, f"Timestep, {steps} steps", "step")
    save_image(stack([levels, times]), path)


def schedule(entry: SchedulerEntry, sigma_schedule: str, steps: int) -> tuple[Points, Points]:
    """Timesteps and noise levels (relative to the signal) over the steps, a step of several calls at its parts."""
    made: Any = getattr(schedulers, entry.class_name)
    keys = set(made.config_keys())
    changes = {key: value for key, value in BETAS.items() if key in keys} | entry.config_changes(sigma_schedule)
    scheduler = made(**changes)
    scheduler.set_timesteps(steps)
    times: torch.Tensor = scheduler.timesteps
    if times.ndim != 1 or not len(times):
        raise InvalidValue(f"The scheduler {entry.name} has no plain schedule to draw; choose another one.")
    places = [steps * i / len(times) for i in range(len(times))]
    return list(zip(places, times.tolist(), strict=True)), list(zip(places, _levels(scheduler), strict=False))


def _levels(scheduler: Any) -> list[float]:
    """The noise level at every timestep; none where the scheduler knows no such thing."""
    if hasattr(scheduler, "sigmas"):
        return scheduler.sigmas.tolist()
    if hasattr(scheduler, "alphas_cumprod"):
        alphas_bar = scheduler.alphas_cumprod[scheduler.timesteps.long()]
        return ((1 - alphas_bar) / alphas_bar).sqrt().tolist()
    return []
