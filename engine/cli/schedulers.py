"""`sfumato schedulers`: what there is, what its steps are, and what the same picture becomes with each."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from engine.catalog import EMBEDDED_MODEL, PREDICTIONS, SCHEDULERS, SchedulerEntry, find_scheduler
from engine.cli.values import number_option, whole_number_option

# A scheduler and the sigma schedule to use it with.
Choice = tuple[SchedulerEntry, str]


def schedulers(
    names: Annotated[
        list[str] | None, typer.Argument(help="By any program's name, as in 'DPM++ 2M Karras'; all if none is given.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Draw noise level and timestep over the steps into this file.")
    ] = None,
    compare: Annotated[
        str | None, typer.Option(metavar="PROMPT", help="Make the same picture with each that fits the model.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="PNG", help="The file of --compare.")] = Path("schedulers.png"),
    steps: Annotated[int | None, whole_number_option("Steps of --plot and --compare.")] = None,
    seed: Annotated[int, whole_number_option("Starting noise of --compare.")] = 1,
    guidance: Annotated[float | None, number_option("How closely --compare follows the prompt.")] = None,
    model: Annotated[str, typer.Option(metavar="FOLDER", help="The model of --compare.")] = EMBEDDED_MODEL,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of --out or --plot.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON for each scheduler, for machines.")] = False,
) -> int:
    """List the schedulers, draw their schedules, or compare their pictures."""
    chosen = [find_scheduler(name) for name in names or ()] or [(entry, "default") for entry in SCHEDULERS]
    if compare is not None:
        from engine.cli.compare import Comparison, compare_schedulers

        comparison = Comparison(
            prompt=compare, model=model, seed=seed, steps=steps, guidance=guidance, out=out, overwrite=overwrite
        )
        return compare_schedulers(chosen, comparison, everything=not names)
    if plot is not None:
        from engine.cli.schedule_plot import plot_schedules

        plot_schedules(chosen, plot, steps or 20, overwrite=overwrite, everything=not names)
        print(plot)
    elif as_json:
        for entry, _ in chosen:
            print(json.dumps(_facts(entry)))
    elif names:
        print("\n\n".join("\n".join(_details(*choice)) for choice in chosen))
    else:
        _print_table()
    return 0


def _facts(entry: SchedulerEntry) -> dict[str, object]:
    return {
        "event": "scheduler",
        "name": entry.name,
        "label": entry.label,
        "class": entry.class_name,
        "changes": dict(entry.changes),
        "a1111": entry.a1111,
        "comfyui": entry.comfyui,
        "invokeai": entry.invokeai,
        "advice": entry.advice,
        "steps": entry.steps,
        "calls_per_step": entry.calls_per_step,
        "deterministic": entry.deterministic,
        "predictions": entry.predictions,
        "task": entry.task,
        "sigma_schedules": entry.sigma_schedules,
    }


def _details(entry: SchedulerEntry, sigma_schedule: str) -> Iterator[str]:
    yield f"{entry.display_name(sigma_schedule)}: {entry.advice}"
    yield f"  name: {entry.name}"
    for program, known in (("A1111", (entry.a1111,)), ("ComfyUI", entry.comfyui), ("InvokeAI", entry.invokeai)):
        if any(known):
            yield f"  {program}: {', '.join(str(name) for name in known)}"
    changes = ", ".join(f"{key}={value!r}" for key, value in entry.config_changes(sigma_schedule).items())
    yield f"  Diffusers: {entry.class_name}({changes})"
    yield f"  steps: {entry.steps[0]} to {entry.steps[1]}, with {_calls(entry)} each"
    yield f"  noise: {'only at the start' if entry.deterministic else 'fresh at every step'}"
    yield f"  made for: {entry.task}, with models that predict"
    for prediction in entry.predictions:
        yield f"    {prediction}, {PREDICTIONS[prediction]}"
    yield f"  sigmas: {', '.join(entry.sigma_schedules)}"


def _calls(entry: SchedulerEntry) -> str:
    return "one call of the model" if entry.calls_per_step == 1 else f"{entry.calls_per_step} calls of the model"


def _print_table() -> None:
    from rich.console import Console
    from rich.table import Table

    # A pipe has no width; its reader wants whole lines.
    console = Console(width=None if sys.stdout.isatty() else 200)
    table = Table("Scheduler", "--scheduler", "Steps", "Calls", "Noise", "Models", "When to use it", box=None)
    for entry in SCHEDULERS:
        table.add_row(
            entry.label,
            entry.name,
            f"{entry.steps[0]}-{entry.steps[1]}",
            str(entry.calls_per_step),
            "at the start" if entry.deterministic else "every step",
            ", ".join(entry.predictions) if entry.task == "text to image" else entry.task,
            entry.advice,
        )
    console.print(table)


def fitting(chosen: Sequence[Choice], prediction: str) -> list[Choice]:
    """Those of `chosen` that make pictures from words with a model that predicts `prediction`."""
    return [
        (entry, sigma_schedule)
        for entry, sigma_schedule in chosen
        if entry.task == "text to image" and prediction in entry.predictions
    ]
