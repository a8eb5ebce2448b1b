"""What a folder holds, from its configurations and the header of its largest weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import KnownError, MissingFile
from engine.files import read_json
from engine.formats.read import WEIGHT_SUFFIXES, read_header
from engine.loading.detection import Detected, detect_header
from engine.loading.families import LABELS, LATENT_CHANNELS, PIPELINES, VARIANTS
from engine.loading.header_facts import precision_of

INDEX_NAME = "model_index.json"
_NETWORKS = ("unet", "vae", "text_encoder", "text_encoder_2")
_CLASSES = {
    "UNet2DConditionModel": "unet",
    "AutoencoderKL": "vae",
    "CLIPTextModel": "text_encoder",
    "CLIPTextModelWithProjection": "text_encoder",
    "ControlNetModel": "controlnet",
}


def detect_folder(path: Path) -> Detected:
    """What the folder `path` is: a pipeline, one network, or an adapter.

    Raises:
        MissingFile: it holds no model.
        BadFile: a configuration or header in it cannot be read.
    """
    if (path / INDEX_NAME).is_file():
        return _pipeline(path, read_json(path / INDEX_NAME))
    weights = _weights(path)
    if weights is None:
        raise MissingFile(f"The folder {path} holds no model: neither {INDEX_NAME} nor weights; check the path.")
    found = detect_header(read_header(weights))
    kind = found.kind
    if (path / "config.json").is_file():
        config = read_json(path / "config.json")
        name = config.get("_class_name") or next(iter(config.get("architectures") or ()), None)
        kind = _CLASSES.get(str(name), kind)
    return replace(found, path=path, kind=kind, layout="folder")


def _weights(folder: Path) -> Path | None:
    """The largest file of weights of the folder: of a model in several variants any of them tells the same."""
    if not folder.is_dir():
        return None
    files = [path for path in folder.iterdir() if path.suffix.lower() in WEIGHT_SUFFIXES and path.is_file()]
    # Safetensors first: no pickle has to be looked into then.
    return max(files, key=lambda path: (path.suffix == ".safetensors", path.stat().st_size), default=None)


def _pipeline(path: Path, index: dict[str, Any]) -> Detected:
    name = str(index.get("_class_name"))
    parts = tuple(part for part in _NETWORKS if isinstance(index.get(part), list) and index[part][0])
    weights = _weights(path / "unet") or _weights(path / "transformer")
    precision, metadata = "", {}
    if weights is not None:
        header = read_header(weights)
        precision, metadata = precision_of(header.tensors), header.metadata
    if name not in PIPELINES:
        return Detected(
            path=path,
            kind="checkpoint",
            layout="folder",
            precision=precision,
            metadata=metadata,
            parts=parts,
            supported=False,
            reason=f"Its {INDEX_NAME} names a {name}, which is not supported yet.",
        )
    family, variant = PIPELINES[name]
    unet = _optional(path / "unet" / "config.json")
    scheduler = _optional(path / "scheduler" / "scheduler_config.json")
    family = _family(family, unet, index)
    beside = unet.get("in_channels", LATENT_CHANNELS) - unet.get("out_channels", LATENT_CHANNELS)
    distilled = "lcm" if unet.get("time_cond_proj_dim") else ""
    prediction = {"v_prediction": "v", "epsilon": "epsilon"}.get(scheduler.get("prediction_type", "epsilon"), "")
    return Detected(
        path=path,
        kind="checkpoint",
        family=family,
        variant=variant or VARIANTS.get(beside, "") or distilled,
        prediction=prediction,
        zero_snr=bool(scheduler.get("rescale_betas_zero_snr")),
        precision=precision,
        layout="folder",
        parts=parts,
        metadata=metadata,
        supported=family in LABELS,
        reason=f"Its {INDEX_NAME} names a {name}.",
    )


def _family(named: str, unet: dict[str, Any], index: dict[str, Any]) -> str:
    if named == "stable-diffusion" and unet.get("cross_attention_dim") == 1024:
        return "stable-diffusion-2"
    first = index.get("text_encoder")
    without_first = not (isinstance(first, list) and first and first[0])
    if named == "stable-diffusion-xl" and (index.get("requires_aesthetics_score") or without_first):
        return "stable-diffusion-xl-refiner"
    return named


def _optional(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except KnownError:
        # Whoever loads the folder says what is wrong with it; here it only tells less.
        return {}
