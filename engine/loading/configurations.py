"""The configurations that a checkpoint in one file lacks: those of its family (`resources/configs`). No torch here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from engine.errors import UnknownName
from engine.resources_path import resource

FAMILIES = ("stable-diffusion", "stable-diffusion-2", "stable-diffusion-xl", "stable-diffusion-xl-refiner")
# Our word -> the scheduler's.
PREDICTION_TYPES: Mapping[str, str] = {"epsilon": "epsilon", "v": "v_prediction"}
PREDICTIONS = tuple(PREDICTION_TYPES)


def family_configuration(family: str, variant: str = "", prediction: str = "") -> dict[str, Any]:
    """The pipeline class, its values, and the configuration of each part of this kind of model.

    Raises `UnknownName` for a family, variant or prediction that is not shipped; the text lists those that are.
    """
    if family == "lcm":  # a family of its own where tasks are chosen; its networks are those of Stable Diffusion
        family, variant = "stable-diffusion", variant or "lcm"
    if family not in FAMILIES:
        raise UnknownName(f"The family {family!r} is unknown; choose one of {', '.join(FAMILIES)}.")
    content = json.loads(resource("configs", f"{family}.json").read_text(encoding="utf-8"))
    variants, predictions = content.pop("variants"), content.pop("predictions")
    if variant and variant not in variants:
        known = ", ".join(variants) or "none"
        raise UnknownName(f"The family {family} has no variant {variant!r}; it has {known}.")
    check_prediction(prediction)
    for changes in (predictions.get(prediction), variants.get(variant)):
        content = _merged(content, changes or {})
    return content


def check_prediction(prediction: str) -> None:
    """Raise `UnknownName` unless `prediction` is one of `PREDICTIONS`, or "" for what the file says."""
    if prediction and prediction not in PREDICTIONS:
        raise UnknownName(f"The prediction {prediction!r} is unknown; choose one of {', '.join(PREDICTIONS)}.")


def _merged(content: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(content)
    for key, value in changes.items():
        old = merged.get(key)
        # Another class has settings of its own.
        other = isinstance(value, dict) and cast("dict[str, Any]", value).get("_class_name", "") not in (
            "",
            cast("dict[str, Any]", old or {}).get("_class_name"),
        )
        both = isinstance(old, dict) and isinstance(value, dict) and not other
        merged[key] = _merged(cast("dict[str, Any]", old), cast("dict[str, Any]", value)) if both else value
    return merged
