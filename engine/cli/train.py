"""`sfumato train`: a model of one's own from captioned images."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.interrupt import cancel_on_interrupt
from engine.cli.values import duration, number_option, whole_number_option
from engine.errors import InvalidValue
from engine.files import read_json
from engine.messages import event_name

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from engine.training.events import Event

STOPPED = 130


def text_to_image(
    images: Annotated[
        Path | None, typer.Argument(help="Folder or list of captioned images.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for checkpoints, pictures and the model.")] = None,
    settings: Annotated[
        Path | None, typer.Option(metavar="FILE", help="All settings as JSON; other options win over it.")
    ] = None,
    resolution: Annotated[int | None, whole_number_option("Side of the images in pixels.")] = None,
    text_encoder: Annotated[Path | None, typer.Option(metavar="FOLDER", help="A trained text encoder.")] = None,
    tokenizer: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Its tokenizer.")] = None,
    sentences: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Or phrases to distil one from.")] = None,
    vae: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="A trained autoencoder; else one is trained.")
    ] = None,
    max_minutes: Annotated[float | None, number_option("Time limit of the whole training.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, no, bf16 or fp16.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    threads: Annotated[int | None, whole_number_option("CPU threads; 0 for what PyTorch chooses.")] = None,
    seed: Annotated[int | None, whole_number_option("Seed of everything random.")] = None,
    dtype: Annotated[str | None, typer.Option(help="Precision of the saved model: float32, float16, bfloat16.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON for each event, for machines.")] = False,
) -> int:
    """Train a text-to-image model; run it again to go on where it was stopped, Ctrl+C stops with a checkpoint."""
    options = {
        "images": images,
        "out": out,
        "resolution": resolution,
        "text_encoder": text_encoder,
        "tokenizer": tokenizer,
        "sentences": sentences,
        "vae": vae,
        "max_minutes": max_minutes,
        "precision": precision,
        "device": device,
        "threads": threads,
        "seed": seed,
        "dtype": dtype,
    }
    given = {
        key: str(value) if isinstance(value, Path) else value for key, value in options.items() if value is not None
    }
    values = (read_json(settings) if settings is not None else {}) | given
    for key, remedy in (("images", "name their folder"), ("out", "name a folder with --out")):
        if key not in values:
            raise InvalidValue(f"The training needs to know {key}; {remedy}, or give it in the file of --settings.")
    return _train(values, as_json=as_json)


def _train(values: dict[str, Any], *, as_json: bool) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from engine.training.events import Done
    from engine.training.text_to_image import TextToImageSettings, train_text_to_image

    chosen = TextToImageSettings.from_dict(values)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
    bar = Progress(*columns, console=Console(stderr=True), redirect_stdout=False, disable=as_json)
    task = bar.add_task("Starting", total=None, pace="")
    last: Event | None = None
    with cancel_on_interrupt(watched=True) as interrupt, bar:
        for event in train_text_to_image(chosen, interrupt.cancel):
            last = event
            if as_json:
                print(json.dumps(_as_json(event)), flush=True)
            else:
                _show(event, bar, task)
    if isinstance(last, Done) and last.reason == "interrupted":
        print("sfumato: stopped with a checkpoint; run the same command again to go on.", file=sys.stderr)
        return STOPPED
    if isinstance(last, Done) and not as_json:
        print(last.folder)
    return 0


def _show(event: Event, bar: Bar, task: TaskID) -> None:
    from engine.training.events import CheckpointSaved, Done, ImageSaved, Measured, Prepared, Progress, Started

    stage = event.stage.replace("_", " ").capitalize()
    match event:
        case Progress():
            pace = f"loss {event.loss:.4f}, {event.seconds_per_step:.2f} s/step, {duration(event.seconds_left)} left"
            bar.update(task, description=stage, completed=event.step, total=event.total, pace=pace)
        case Prepared():
            bar.update(task, description=event.text, completed=event.done, total=event.total, pace="")
        case Started():
            bar.console.print(event.text, highlight=False, markup=False)
        case Measured():
            figures = ", ".join(f"{name} {value:.4g}" for name, value in event.figures.items())
            bar.console.print(f"{stage} after {event.step} steps: {figures}", highlight=False, markup=False)
        case ImageSaved() | CheckpointSaved():
            bar.console.print(f"Saved {event.path}", highlight=False, markup=False)
        case Done():
            bar.console.print(f"{stage}: {duration(event.seconds)}, in {event.folder}", highlight=False, markup=False)
        case _:
            pass


def _as_json(event: Event) -> dict[str, Any]:
    values = {key: str(value) if isinstance(value, Path) else value for key, value in dataclasses.asdict(event).items()}
    return {"event": event_name(event), **values}
