"""One prompt and one seed through many schedulers, as one picture."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.catalog import ModelInfo
from engine.cli.interrupt import Interrupt, cancel_on_interrupt
from engine.cli.schedulers import Choice, fitting
from engine.errors import KnownError
from engine.messages import GenerateRequest, ImageDone, JobCancelled, JobFailed
from engine.pictures import check_target
from engine.queries import model_info
from engine.runner import Runner
from engine.warmup import start_importing_torch

COLUMNS = 6


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What all pictures have in common; `steps` and `guidance` are the scheduler's and the model's own if None."""

    prompt: str
    model: str
    seed: int
    steps: int | None
    guidance: float | None
    out: Path
    overwrite: bool


def compare_schedulers(chosen: Sequence[Choice], comparison: Comparison, *, everything: bool) -> int:
    """Write a sheet of pictures, labelled; of `everything`, those schedulers that fit the model. Returns the exit code.

    A scheduler that fails is told on stderr and left out of the sheet.

    Raises:
        KnownError: the model cannot be read, or the sheet not be written.
    """
    check_target(comparison.out, "replace" if comparison.overwrite else "fail")
    info = model_info(comparison.model)
    choices = fitting(chosen, info.prediction) if everything else list(chosen)
    for entry, sigma_schedule in choices:
        info.check_scheduler(entry.name, sigma_schedule)
    start_importing_torch()
    with cancel_on_interrupt() as interrupt, tempfile.TemporaryDirectory() as pictures:
        code, made = _make(choices, comparison, info, Path(pictures), interrupt)
        if made:
            _write_sheet(made, comparison.out)
            print(comparison.out)
    return code


def _make(
    choices: Sequence[Choice], comparison: Comparison, info: ModelInfo, folder: Path, interrupt: Interrupt
) -> tuple[int, dict[str, Path]]:
    """Make a picture with every choice; returns the exit code, and label -> file."""
    runner = Runner()
    code = 0
    made: dict[str, Path] = {}
    for i, (entry, sigma_schedule) in enumerate(choices):
        label = entry.display_name(sigma_schedule)
        print(f"{i + 1}/{len(choices)} {label}", file=sys.stderr, flush=True)
        for event in runner.run(_request((entry, sigma_schedule), comparison, info, folder), interrupt.cancel):
            interrupt.notice(event)
            match event:
                case ImageDone(path=path):
                    made[label] = Path(path)
                case JobCancelled():
                    return 130, {}
                case JobFailed(message=message, report=""):
                    print(f"sfumato: {label}: {message}", file=sys.stderr)
                    code = 1
                case JobFailed(message=message, report=report):
                    print(f"{report}Sfumato failed ({message}); please report the text above.", file=sys.stderr)
                    return 1, {}
                case _:
                    pass
    return code, made


def _request(choice: Choice, comparison: Comparison, info: ModelInfo, folder: Path) -> GenerateRequest:
    entry, sigma_schedule = choice
    return GenerateRequest(
        prompt=comparison.prompt,
        model=str(info.folder),
        scheduler=entry.name,
        sigma_schedule=sigma_schedule,
        steps=entry.steps[0] if comparison.steps is None else comparison.steps,
        guidance_scale=info.guidance_scale if comparison.guidance is None else comparison.guidance,
        guidance_rescale=info.guidance_rescale,
        seed=comparison.seed,
        width=info.width,
        height=info.height,
        folder=str(folder),
        name="{seed}",
        previews=False,
    )


def _write_sheet(made: dict[str, Path], out: Path) -> None:
    from PIL import Image

    from engine.plots import image_grid, save_image

    images: list[Image.Image] = []
    for path in made.values():
        with Image.open(path) as image:
            images.append(image.convert("RGB"))
    try:
        save_image(image_grid(images, min(COLUMNS, len(images)), labels=list(made)), out)
    except OSError as error:
        raise KnownError(
            f"The file {out} cannot be written ({error.strerror}); choose another one with --out."
        ) from error
