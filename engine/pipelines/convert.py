"""Models from one form into another: a folder into one file and back, in another precision."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.errors import InvalidValue
from engine.files import write_json
from engine.formats.read import read_header
from engine.loading.families import LABELS
from engine.loading.keymaps.checkpoint import TEXT_PLACES, original_tensors
from engine.loading.own_configuration import CARD_NAME, INDEX_NAME, KEY, read_own, to_text
from engine.pipelines.base import DiffusionPipeline
from engine.pipelines.single_file import load_pipeline
from engine.weights import write_safetensors

PRECISIONS: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float8_e4m3fn": torch.float8_e4m3fn,
    "float8_e5m2": torch.float8_e5m2,
}
# https://github.com/Stability-AI/ModelSpec
_ARCHITECTURES: Mapping[str, str] = {
    "stable-diffusion": "stable-diffusion-v1",
    "stable-diffusion-2": "stable-diffusion-v2-512",
    "stable-diffusion-xl": "stable-diffusion-xl-v1-base",
    "stable-diffusion-xl-refiner": "stable-diffusion-xl-v1-refiner",
}
TITLE = "modelspec.title"
_IMPLEMENTATION = "https://github.com/Stability-AI/generative-models"
_NETWORKS = ("unet", "vae", "text_encoder", "text_encoder_2")
# Parts without weights, which the header of a file brings along.
_SMALL_PARTS = ("scheduler", "low_res_scheduler", "tokenizer", "tokenizer_2")


def convert_model(
    source: Path | str,
    target: Path | str,
    precision: str = "float16",
    *,
    title: str = "",
    **options: Any,
) -> Path:
    """Write the model at `source` as `target`: one file if its name ends in `.safetensors`, else a folder.

    `precision` is one of `PRECISIONS`; 8-bit floats are for files only, and keep norms, biases and the autoencoder in
    float16. `options` are those of `load_pipeline`. The target appears when it is whole.

    Raises `InvalidValue` for a precision that is unknown, or a target that is there already.
    """
    source, target = Path(source), Path(target)
    if precision not in PRECISIONS:
        raise InvalidValue(f"The precision {precision!r} is unknown; choose one of {', '.join(PRECISIONS)}.")
    if target.exists():
        raise InvalidValue(f"{target} is there already; choose another name, or move it away.")
    dtype = PRECISIONS[precision]
    loaded = torch.float16 if dtype.itemsize == 1 else dtype
    metadata = {} if source.is_dir() else read_header(source).metadata
    card = _card(source, metadata)
    pipeline = load_pipeline(source, dtype=loaded, keep_packed=False, **options)
    if target.suffix == ".safetensors":
        title = title or metadata.get(TITLE) or source.stem
        save_single_file(pipeline, target, dtype, title=title, metadata=metadata, card=card)
    elif dtype.itemsize == 1:
        raise InvalidValue(f"A folder cannot be in {precision}; choose float16, or a target that ends in .safetensors.")
    else:
        save_folder(pipeline, target, card)
    return target


def _card(source: Path, metadata: Mapping[str, str]) -> str:
    """What the model's own card says (`sfumato.json`: name, best settings), "" without one."""
    path = source / CARD_NAME
    if path.is_file():
        return path.read_text(encoding="utf-8")
    return (read_own(metadata) or {}).get(CARD_NAME, "")


def save_folder(pipeline: DiffusionPipeline, target: Path, card: str = "") -> None:
    """Write the pipeline, and its `card` if it has one, as a folder, which appears when it is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
    try:
        pipeline.save_pretrained(temporary)
        if card:
            (temporary / CARD_NAME).write_text(card, encoding="utf-8")
        temporary.chmod(0o755)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def save_single_file(
    pipeline: DiffusionPipeline,
    target: Path,
    dtype: torch.dtype | None = None,
    *,
    title: str = "",
    metadata: Mapping[str, str] | None = None,
    card: str = "",
) -> None:
    """Write the networks of `pipeline` into one safetensors file of the original layout.

    Its header has `metadata`, what modelspec asks for, and the configurations of all parts, so that the way back leads
    to the same pipeline. `card` is the text of `sfumato.json`.
    """
    family = _family(pipeline)
    parts: dict[str, Mapping[str, Tensor]] = {
        name: part.state_dict()
        for name in _NETWORKS
        if isinstance(part := pipeline.components.get(name), nn.Module)
        and (name in ("unet", "vae") or name in TEXT_PLACES[family])
    }
    tensors = original_tensors(family, parts)
    if _prediction(pipeline) == "v":
        tensors["v_pred"] = torch.zeros(0)
    if pipeline.scheduler.config.get("rescale_betas_zero_snr"):  # pyright: ignore[reportAttributeAccessIssue]
        tensors["ztsnr"] = torch.zeros(0)
    layout = {name: (_stored_as(name, tensor, dtype), tuple(tensor.shape)) for name, tensor in tensors.items()}
    texts = {**(metadata or {}), **_metadata(pipeline, family, title), KEY: _configurations(pipeline, card)}
    # The hash is that of other tensors.
    for key in ("format", "modelspec.hash_sha256"):
        texts.pop(key, None)
    write_safetensors(target, layout, lambda name: _cast(tensors[name], layout[name][0]), texts)


def _configurations(pipeline: DiffusionPipeline, card: str) -> str:
    """The text of the header that says how the parts are made; what is neither network nor small is left out."""
    with tempfile.TemporaryDirectory(prefix="sfumato-") as temporary:
        folder = Path(temporary)
        index = dict(pipeline.config)
        for name, part in pipeline.components.items():
            if part is not None and name in _NETWORKS:
                part.save_config(folder / name)
            elif part is not None and name in _SMALL_PARTS:
                part.save_pretrained(folder / name)
            else:
                index[name] = [None, None]
        write_json(folder / INDEX_NAME, index)
        if card:
            (folder / CARD_NAME).write_text(card, encoding="utf-8")
        return to_text(folder)


def _stored_as(name: str, tensor: Tensor, dtype: torch.dtype | None) -> torch.dtype:
    if dtype is None or not tensor.is_floating_point():
        return tensor.dtype
    if dtype.itemsize > 1:
        return dtype
    small = tensor.ndim < 2 or name.startswith("first_stage_model.") or "embedding" in name
    return torch.float16 if small else dtype


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    # Beyond its range an 8-bit float is not a number.
    limit = torch.finfo(dtype).max if dtype.is_floating_point and dtype.itemsize == 1 else None
    return tensor.to(dtype) if limit is None else tensor.float().clamp(-limit, limit).to(dtype)


def _family(pipeline: DiffusionPipeline) -> str:
    unet: Any = pipeline.components.get("unet")
    if unet is None:
        raise InvalidValue(
            f"{type(pipeline).__name__} has no U-Net; only models of the Stable Diffusion kind are saved so."
        )
    if "text_encoder_2" in pipeline.components:
        return (
            "stable-diffusion-xl"
            if pipeline.components.get("text_encoder") is not None
            else "stable-diffusion-xl-refiner"
        )
    encoder: Any = pipeline.components.get("text_encoder")
    open_clip = encoder is not None and encoder.config.get("hidden_act") == "gelu"
    return "stable-diffusion-2" if open_clip or unet.config.cross_attention_dim == 1024 else "stable-diffusion"


def _prediction(pipeline: DiffusionPipeline) -> str:
    kind = pipeline.components["scheduler"].config.get("prediction_type", "epsilon")
    return "v" if kind == "v_prediction" else str(kind)


def _metadata(pipeline: DiffusionPipeline, family: str, title: str) -> dict[str, str]:
    unet: Any = pipeline.components["unet"]
    vae: Any = pipeline.components.get("vae")
    prediction, side = _prediction(pipeline), unet.config.sample_size
    scale = 8 if vae is None else 2 ** (len(vae.config.block_out_channels) - 1)
    architecture = _ARCHITECTURES[family]
    if family == "stable-diffusion-2" and prediction == "v":
        architecture = "stable-diffusion-v2-768-v"
    metadata = {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": architecture,
        "modelspec.implementation": _IMPLEMENTATION,
        TITLE: title or LABELS[family],
        "modelspec.date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "modelspec.prediction_type": prediction,
    }
    if isinstance(side, int):
        metadata["modelspec.resolution"] = f"{side * scale}x{side * scale}"
    return metadata
