"""From options to a complete request: options win over the picture of `--from`, that over the model's defaults."""

from __future__ import annotations

import re
import secrets
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from engine.catalog import EMBEDDED_MODEL, ModelInfo, find_scheduler, model_folder, read_model
from engine.cli.info import recipe_of
from engine.errors import InvalidValue, KnownError, MissingFile
from engine.messages import GenerateRequest, OnExisting, Recipe
from engine.metadata.fingerprint import fingerprint
from engine.pictures import picture_path

T = TypeVar("T")
DEFAULT_NAME = "{date}-{time}-{seed}"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was given on the command line; None for what was not."""

    prompt: str | None = None
    out: Path | None = None
    steps: int | None = None
    scheduler: str | None = None
    sigmas: str | None = None
    seed: int | None = None
    size: str | None = None
    guidance: float | None = None
    guidance_rescale: float | None = None
    negative: str | None = None
    count: int = 1
    model: str | None = None
    device: str | None = None
    dtype: str | None = None
    clip_skip: int | None = None
    image: Path | None = None
    overwrite: bool = False
    previews: bool = False


def build_request(options: Options) -> GenerateRequest:
    """The request that `options` mean; imports no torch.

    Raises:
        KnownError: any of them is wrong, or a file they name.
    """
    if options.prompt is None and options.image is None:
        raise InvalidValue("There is no prompt; say what to show, as in: sfumato generate 'a red apple, 3d icon'.")
    recipe = recipe_of(options.image) if options.image is not None else Recipe()
    info = _model(options, recipe)
    width, height = _size(options.size, recipe, info)
    info.check_size(width, height)
    scheduler, sigma_schedule = _scheduler(options, recipe, info)
    info.check_scheduler(scheduler, sigma_schedule)
    folder, name, on_existing = _destination(options)
    return GenerateRequest(
        prompt=_first(options.prompt, recipe.prompt),
        negative_prompt=_first(options.negative, recipe.negative_prompt),
        model=str(info.folder),
        scheduler=scheduler,
        sigma_schedule=sigma_schedule,
        steps=_first(options.steps, recipe.steps, info.steps),
        guidance_scale=_first(options.guidance, recipe.guidance_scale, info.guidance_scale),
        guidance_rescale=_first(options.guidance_rescale, recipe.guidance_rescale, info.guidance_rescale),
        seed=_first(options.seed, recipe.seed, secrets.randbelow(2**32)),
        width=width,
        height=height,
        clip_skip=options.clip_skip if options.clip_skip is not None else recipe.clip_skip,
        count=options.count,
        device=_first(options.device, recipe.device, "cpu"),
        dtype=_first(options.dtype, recipe.dtype, "float32"),
        folder=str(folder),
        name=name,
        on_existing=on_existing,
        previews=options.previews,
    )


def targets(request: GenerateRequest) -> list[Path]:
    """The files that the request is going to write."""
    now = datetime.now()
    return [picture_path(request, image, now) for image in range(request.count)]


def _first(*values: T | None) -> T:
    return next(value for value in values if value is not None)


def _model(options: Options, recipe: Recipe) -> ModelInfo:
    if options.model is not None:
        folder = Path(options.model).expanduser()
        return read_model(model_folder(options.model) if not folder.exists() else folder)
    if options.image is not None and recipe.model is None:
        raise InvalidValue(
            f"The picture {options.image} was made by the model {recipe.model_name or 'of another program'!r} and does "
            "not say where that is; name its folder with --model."
        )
    folder = model_folder(recipe.model or EMBEDDED_MODEL)
    if recipe.model is not None and not folder.is_dir():
        raise MissingFile(f"The model {recipe.model} that made the picture is not there; name its folder with --model.")
    if recipe.model_fingerprint not in {None, fingerprint(folder)}:
        print(f"sfumato: the model {recipe.model} has changed since; the picture will differ.", file=sys.stderr)
    return read_model(folder)


def _size(size: str | None, recipe: Recipe, info: ModelInfo) -> tuple[int, int]:
    if size is None:
        return _first(recipe.width, info.width), _first(recipe.height, info.height)
    sides = re.fullmatch(r"(\d{1,6})(?:[x×](\d{1,6}))?", size.strip().lower())
    if sides is None:
        raise InvalidValue(
            f"The size {size!r} is not understood; give a side as in 128, or width and height as in 128x96."
        )
    return int(sides[1]), int(sides[2] or sides[1])


def _scheduler(options: Options, recipe: Recipe, info: ModelInfo) -> tuple[str, str]:
    """Names for scheduler and sigma schedule; a schedule that came with another scheduler is not carried over."""
    if options.scheduler is not None:
        entry, sigma_schedule = find_scheduler(options.scheduler)
        name = entry.name
    elif recipe.scheduler is not None:
        entry, implied = find_scheduler(recipe.scheduler)
        name, sigma_schedule = entry.name, recipe.sigma_schedule or implied
    else:
        name, sigma_schedule = info.scheduler, info.sigma_schedule
    return name, options.sigmas if options.sigmas is not None else sigma_schedule


def _destination(options: Options) -> tuple[Path, str, OnExisting]:
    """The folder, the name pattern without its ending, and what to do when the file is there."""
    if options.out is None:
        return _pictures_folder(), DEFAULT_NAME, "rename"
    if options.out.is_dir():
        return options.out, DEFAULT_NAME, "rename"
    if options.out.suffix != ".png":
        raise InvalidValue(f"The file name {str(options.out)!r} does not end with .png; pictures are written as PNG.")
    return options.out.parent, options.out.stem, "replace" if options.overwrite else "fail"


def _pictures_folder() -> Path:
    from platformdirs import user_pictures_path

    folder = user_pictures_path() / "Sfumato"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KnownError(
            f"The folder {folder} cannot be made ({error.strerror}); choose another one with --out."
        ) from error
    return folder
