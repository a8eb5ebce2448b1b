"""A whole model in the original layout: every tensor of its networks under the name that it has in one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from engine.errors import WeightsMismatch
from engine.loading.keymaps import clip, unet, vae

# Family -> prefix and layout of each text encoder.
TEXT_PLACES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "stable-diffusion": {"text_encoder": ("cond_stage_model.transformer.", "transformers")},
    "stable-diffusion-2": {"text_encoder": ("cond_stage_model.model.", "open_clip")},
    "stable-diffusion-xl": {
        "text_encoder": ("conditioner.embedders.0.transformer.", "transformers"),
        "text_encoder_2": ("conditioner.embedders.1.model.", "open_clip"),
    },
    "stable-diffusion-xl-refiner": {"text_encoder_2": ("conditioner.embedders.0.model.", "open_clip")},
}
Tensors = Mapping[str, Tensor]


def original_tensors(family: str, parts: Mapping[str, Tensors]) -> dict[str, Tensor]:
    """The tensors of `parts` (state dicts by part) under their original names, joined and turned where that has them.

    Raises `WeightsMismatch` for a tensor without a place there.
    """
    named: dict[str, Tensor] = {}
    for part, tensors in parts.items():
        if part == "unet":
            named |= _renamed("model.diffusion_model.", tensors, unet.to_original)
        elif part == "vae":
            named |= _autoencoder(tensors)
        else:
            prefix, layout = TEXT_PLACES[family][part]
            own = _open_clip(tensors) if layout == "open_clip" else tensors
            named |= {prefix + name: tensor for name, tensor in own.items()}
    return named


def _renamed(prefix: str, tensors: Tensors, names: Callable[[Tensors], dict[str, str]]) -> dict[str, Tensor]:
    table = names(tensors)
    lost = next((name for name in tensors if name not in table), None)
    if lost is not None:
        raise WeightsMismatch(f"{lost} has no place in the original layout, so this model stays a folder.")
    return {prefix + table[name]: tensor for name, tensor in tensors.items()}


def _autoencoder(tensors: Tensors) -> dict[str, Tensor]:
    named = _renamed("first_stage_model.", tensors, vae.to_original)
    return {
        name: tensor[:, :, None, None] if name.endswith(vae.POINTWISE) and tensor.ndim == 2 else tensor
        for name, tensor in named.items()
    }


def _open_clip(tensors: Tensors) -> dict[str, Tensor]:
    named: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name == "text_projection.weight":
            named["text_projection"] = tensor.t().contiguous()
        elif (new := clip.to_open_clip(name)) is not None:
            named[new] = tensor
        elif ".self_attn.q_proj." in name:
            layer, kind = name.split(".")[3], name.rpartition(".")[2]
            rows = [tensors[name.replace(".q_proj.", f".{part}.")] for part in clip.FUSED]
            named[f"transformer.resblocks.{layer}.attn.in_proj_{kind}"] = torch.cat(rows)
        elif ".self_attn." not in name:
            raise WeightsMismatch(f"{name} has no place in the original layout, so this model stays a folder.")
    return named
