"""From options to a complete request: options win over the picture of `--from`, that over the model's defaults."""

from __future__ import annotations

import json
import re
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from engine.catalog import EMBEDDED_MODEL, ModelInfo, find_scheduler, model_folder
from engine.cli.info import recipe_of
from engine.errors import InvalidValue, KnownError, MissingFile
from engine.messages import MEMORY_PLANS, EngineSettings, GenerateRequest, OnExisting, PromptSyntax, Recipe
from engine.metadata.fingerprint import fingerprint
from engine.pictures import picture_path
from engine.queries import model_info
from engine.switches import Switches

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
    init_image: Path | None = None
    mask: Path | None = None
    strength: float | None = None
    hires_scale: float | None = None
    hires_steps: int | None = None
    hires_strength: float | None = None
    vae: Path | None = None
    prompt_syntax: str | None = None
    loras: tuple[str, ...] = ()
    switches: Mapping[str, Any] = field(default_factory=dict[str, Any])


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
    had = dict(recipe.extras)
    return GenerateRequest(
        prompt=_with_tags(_first(options.prompt, recipe.prompt), options.loras),
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
        prompt_syntax=_syntax(options.prompt_syntax or had.get("prompt_syntax", "a1111"), options.loras),
        init_image=_file(options.init_image, "picture", had.get("init_image", "")),
        mask_image=_file(options.mask, "mask", had.get("mask_image", "")),
        vae=_file(options.vae, "VAE", had.get("vae", "")),
        strength=_first(options.strength, _number(had, "strength"), 0.75),
        hires_scale=_first(options.hires_scale, _number(had, "hires_scale"), 1.0),
        hires_steps=int(_first(options.hires_steps, _number(had, "hires_steps"), 0)),
        hires_strength=_first(options.hires_strength, _number(had, "hires_strength"), 0.5),
        switches=_switches(options.switches, had.get("switches", "{}")),
        memory_plan=_memory_plan(had.get("memory_plan", "")),
    )


def adapter_tag(option: str) -> tuple[str, Path]:
    """What `--lora FILE[:STRENGTH]` puts into the prompt, and the folder that the file is in.

    Raises:
        MissingFile: there is no such file.
        InvalidValue: its name or the strength cannot stand in a prompt.
    """
    strength = "1"
    path = Path(option).expanduser()
    if not path.exists() and ":" in option:
        name, strength = option.rsplit(":", 1)
        path = Path(name).expanduser()
    if not path.is_file():
        raise MissingFile(f"The adapter {option!r} does not exist; give --lora a file, as in style.safetensors:0.8.")
    if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)", strength) is None:
        raise InvalidValue(f"The strength {strength!r} of --lora {option!r} is no number; give one, as in 0.8.")
    if re.search(r"[<>:]", path.stem):
        raise InvalidValue(f"The adapter name {path.stem!r} cannot stand in a prompt; rename the file.")
    return f"<lora:{path.stem}:{strength}>", path.parent


def _with_tags(prompt: str, loras: tuple[str, ...]) -> str:
    """The prompt with a tag for each adapter that it does not name already, as the prompt of a picture may."""
    tags = [adapter_tag(lora)[0] for lora in loras]
    return prompt + "".join(tag for tag in tags if f"{tag.rsplit(':', 1)[0]}:" not in prompt)


def engine_settings(options: Options) -> EngineSettings:
    """Where the engine looks for what the options name."""
    return EngineSettings(adapters=tuple(dict.fromkeys(str(adapter_tag(lora)[1]) for lora in options.loras)))


def _syntax(name: str, loras: tuple[str, ...]) -> PromptSyntax:
    if name not in get_args(PromptSyntax):
        raise InvalidValue(f"The prompt syntax {name!r} is unknown; choose one of {', '.join(get_args(PromptSyntax))}.")
    if name == "plain" and loras:
        raise InvalidValue("The plain prompt syntax knows no adapters; leave --lora out, or choose a1111.")
    return cast("PromptSyntax", name)


def _file(path: Path | None, what: str, otherwise: str) -> str:
    """The file that was named, else the one that the picture was made with; both must be there."""
    if path is None and not otherwise:
        return ""
    file = (path or Path(otherwise)).expanduser()
    if not file.exists():
        raise MissingFile(f"The {what} {file} does not exist; check the path.")
    return str(file)


def _number(values: dict[str, str], name: str) -> float | None:
    try:
        return float(values[name]) if name in values else None
    except ValueError as error:
        raise InvalidValue(f"The picture's {name} is {values[name]!r}, which is no number; give it anew.") from error


def _switches(given: Mapping[str, Any], had: str) -> Switches:
    """The switches of the picture that is made again, `had`, with those that were given in their place."""
    try:
        before: Any = json.loads(had)
    except (ValueError, RecursionError) as error:
        raise InvalidValue(
            f"The picture's switches are {had[:80]!r}, which cannot be read; leave --from out."
        ) from error
    if given.get("final_autoencoder"):
        _file(Path(given["final_autoencoder"]), "final autoencoder", "")
    chosen = {name: value for name, value in given.items() if value is not None}
    return Switches.from_json({**Switches.from_json(before).to_json(), **chosen})


def _memory_plan(had: str) -> str:
    if had not in ("", *MEMORY_PLANS):
        raise InvalidValue(f"The picture's memory plan is {had[:80]!r}, which is unknown; leave --from out.")
    return had


def targets(request: GenerateRequest) -> list[Path]:
    """The files that the request is going to write."""
    now = datetime.now()
    return [picture_path(request, image, now) for image in range(request.count)]


def _first(*values: T | None) -> T:
    return next(value for value in values if value is not None)


def _model(options: Options, recipe: Recipe) -> ModelInfo:
    if options.model is not None:
        if not options.model.strip():
            raise InvalidValue("The name of the model is empty; give a folder, a file or a name with --model.")
        folder = Path(options.model).expanduser()
        return model_info(options.model if not folder.exists() else str(folder))
    if options.image is not None and recipe.model is None:
        raise InvalidValue(
            f"The picture {options.image} was made by the model {recipe.model_name or 'of another program'!r} and does "
            "not say where that is; name its folder with --model."
        )
    folder = model_folder(recipe.model or EMBEDDED_MODEL)
    if recipe.model is not None and not folder.exists():
        raise MissingFile(f"The model {recipe.model} that made the picture is not there; name its folder with --model.")
    if recipe.model_fingerprint not in {None, fingerprint(folder)}:
        print(f"sfumato: the model {recipe.model} has changed since; the picture will differ.", file=sys.stderr)
    return model_info(str(folder))


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
