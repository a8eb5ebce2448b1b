"""`model_info`: what a model is and the settings it does best with, folder or file, from headers alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from engine.catalog import FAMILIES, ModelInfo, find_scheduler, read_model
from engine.errors import UnknownName
from engine.loading.configurations import family_configuration
from engine.loading.detection import Detected, detect

# Words in names of models that were distilled to few steps: steps, guidance, scheduler.
_FAST: tuple[tuple[str, int, float, str], ...] = (
    (r"lcm", 6, 1.0, "lcm"),
    (r"lightning", 8, 1.0, "euler"),
    (r"hyper", 8, 1.0, "euler"),
    (r"turbo", 4, 1.0, "euler"),
)


def model_info(
    location: Path | str, family: str | None = None, variant: str | None = None, prediction: str | None = None
) -> ModelInfo:
    """What the folder or file at `location` says of itself; the user's word for its type counts against that.

    Raises:
        MissingFile, BadFile, ConfigError: nothing is there, or it is damaged.
        UnknownName: it is of no kind that can be run; the text says why.
    """
    path = Path(location).expanduser()
    if path.is_dir():
        return read_model(path)
    found = detect(path)
    if not family and (found.kind not in ("checkpoint", "unet") or not found.supported):
        raise UnknownName(f"{path} cannot be run as a model. {found.reason}")
    return _of_file(
        path,
        found,
        family or found.family,
        found.variant if variant is None else variant,
        prediction or found.prediction,
    )


def _of_file(path: Path, found: Detected, family: str, variant: str, prediction: str) -> ModelInfo:
    content = family_configuration(family, variant, prediction)
    scheduler, sigma_schedule = find_scheduler(content["scheduler"]["_class_name"])
    name = found.metadata.get("modelspec.title") or path.stem
    steps, guidance, own = _settings(f"{path.stem} {name}".lower(), variant)
    if own:
        scheduler, sigma_schedule = find_scheduler(own)
    multiple = 2 ** (len(content["vae"]["block_out_channels"]) - 1)
    side = content["unet"]["sample_size"] * multiple
    width, height = _resolution(found.metadata, multiple) or (side, side)
    return ModelInfo(
        folder=path.resolve(),
        name=name,
        family=_family(family, content["pipeline"]),
        width=width,
        height=height,
        size_multiple=multiple,
        prediction="v" if content["scheduler"].get("prediction_type") == "v_prediction" else "epsilon",
        scheduler=scheduler.name,
        sigma_schedule=sigma_schedule,
        steps=steps,
        guidance_scale=guidance,
        guidance_rescale=0.7 if found.zero_snr else 0.0,
    )


def _family(family: str, pipeline: str) -> Any:
    """The catalogue's entry: by the name of the family, else by its pipeline."""
    for entry in FAMILIES:
        if entry.name == family:
            return entry
    for entry in FAMILIES:
        if entry.pipeline == pipeline:
            return entry
    raise UnknownName(f"Models of the family {family} cannot be run yet.")


def _settings(words: str, variant: str) -> tuple[int, float, str]:
    for pattern, steps, guidance, scheduler in _FAST:
        if re.search(rf"(?<![a-z]){pattern}", words) or variant == pattern:
            return steps, guidance, scheduler
    return 30, 7.5, ""


def _resolution(metadata: Any, multiple: int) -> tuple[int, int] | None:
    match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", metadata.get("modelspec.resolution", ""))
    if match is None or any(int(side) % multiple for side in match.groups()):
        return None
    return int(match[1]), int(match[2])
