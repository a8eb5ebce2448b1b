"""`model_info`: what a model is and the settings it does best with, folder or file, from headers alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from engine.catalog import FAST, ModelInfo, family_of, fast_kind, find_scheduler, info_of, read_model, tasks_of
from engine.errors import UnknownName
from engine.formats.read import read_header
from engine.loading.configurations import PREDICTION_TYPES, check_prediction, family_configuration
from engine.loading.detection import Detected, as_said, detect, own_texts
from engine.loading.own_configuration import CARD_NAME, INDEX_NAME, Texts, json_of
from engine.loading.user_type import UserType, read_user_type

_SCHEDULER = "scheduler/scheduler_config.json"


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
    found = as_said(found, UserType(family or None, variant, prediction or None))
    own = own_texts(read_header(path), found)
    if own is not None:
        return _of_own(path, found, own, prediction or read_user_type(path).prediction)
    return _of_file(path, found)


def scheduler_of(location: Path) -> dict[str, Any]:
    """The configuration of the scheduler that the file at `location` comes with; errors as of `model_info`."""
    found = detect(location)
    own = own_texts(read_header(location), found)
    if own is not None:
        return json_of(own, _SCHEDULER) | _prediction_type(read_user_type(location).prediction)
    return family_configuration(found.family, found.variant, found.prediction)["scheduler"]


def _prediction_type(prediction: str | None) -> dict[str, str]:
    check_prediction(prediction or "")
    return {"prediction_type": PREDICTION_TYPES[prediction]} if prediction else {}


def _of_own(path: Path, found: Detected, own: Texts, prediction: str | None) -> ModelInfo:
    """What the configurations in the file's own header say."""
    return info_of(
        path,
        index=json_of(own, INDEX_NAME),
        card={"name": found.metadata.get("modelspec.title") or path.stem, **json_of(own, CARD_NAME)},
        vae=json_of(own, "vae/config.json"),
        unet=json_of(own, "unet/config.json"),
        scheduler=json_of(own, _SCHEDULER) | _prediction_type(prediction),
    )


def _of_file(path: Path, found: Detected) -> ModelInfo:
    content = family_configuration(found.family, found.variant, found.prediction)
    index = {"_class_name": content["pipeline"], **content["values"]}
    entry, kind = family_of(content["pipeline"], index, content["unet"])
    name = found.metadata.get("modelspec.title") or path.stem
    scheduler, sigma_schedule = find_scheduler(content["scheduler"]["_class_name"])
    fast = fast_kind(f"{path.stem} {name}", content["scheduler"]) if entry.name != "lcm" else ""
    steps, guidance = FAST.get(fast, (entry.steps, entry.guidance_scale))
    multiple = 2 ** (len(content["vae"]["block_out_channels"]) - 1)
    side = content["unet"]["sample_size"] * multiple
    width, height = _resolution(found.metadata, multiple) or (side, side)
    return ModelInfo(
        folder=path.resolve(),
        name=name,
        family=entry,
        width=width,
        height=height,
        size_multiple=multiple,
        prediction="v" if content["scheduler"].get("prediction_type") == "v_prediction" else "epsilon",
        scheduler=scheduler.name,
        sigma_schedule=sigma_schedule,
        steps=steps,
        guidance_scale=guidance,
        guidance_rescale=0.7 if found.zero_snr and not fast else 0.0,
        variant=kind,
        tasks=tasks_of(entry, kind),
        fast=fast,
    )


def _resolution(metadata: Any, multiple: int) -> tuple[int, int] | None:
    match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", metadata.get("modelspec.resolution", ""))
    if match is None or any(int(side) % multiple for side in match.groups()):
        return None
    return int(match[1]), int(match[2])
