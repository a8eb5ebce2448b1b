"""The tensors of each network of a file under the names of Diffusers, wherever the file has them.

Nothing is copied: an entry says where the bytes lie, be it as a part of a joined matrix, or with rows for columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from engine.errors import WeightsMismatch
from engine.formats.header import Header
from engine.loading.families import UNET_PREFIXES, VAE_PREFIXES
from engine.loading.keymaps import clip, unet, vae
from engine.weights import Entry

Entries = dict[str, Entry]

_UNET_ROOTS = (
    "input_blocks.",
    "middle_block.",
    "output_blocks.",
    "time_embed.",
    "time_embedding.",
    "label_emb.",
    "out.",
)
_UNET_NEW = (
    "down_blocks.",
    "mid_block.",
    "up_blocks.",
    "time_embedding.",
    "add_embedding.",
    "class_embedding.",
    "conv_",
)
_VAE_ROOTS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")


def under(entries: Mapping[str, Entry], prefix: str) -> Entries:
    """The entries whose names begin with `prefix`, without it."""
    return {name[len(prefix) :]: entry for name, entry in entries.items() if name.startswith(prefix)}


def with_scales(entries: Mapping[str, Entry]) -> Entries:
    """The entries with the numbers that scale 8-bit floats attached to what they scale.

    They are `x.scale_weight` or `x.weight_scale` beside `x.weight`; those for inputs, and marks, are left out.
    """
    scaled: Entries = {}
    for name, entry in entries.items():
        stem = name.removesuffix(".weight")
        scale = None
        if stem != name:
            scale = entries.get(f"{stem}.scale_weight") or entries.get(f"{stem}.weight_scale")
        if not name.endswith(
            (".scale_weight", ".weight_scale", ".scale_input", ".input_scale", ".comfy_quant", "scaled_fp8")
        ):
            scaled[name] = entry if scale is None else replace(entry, scale=scale)
    return scaled


def unet_entries(entries: Mapping[str, Entry]) -> Entries:
    """The U-Net's entries, from a file in either layout; raises `WeightsMismatch` for a name without a place."""
    for prefix in UNET_PREFIXES:
        own = under(entries, prefix) if prefix else dict(entries)
        if "conv_in.weight" in own and "time_embedding.linear_1.weight" in own:
            return {name: entry for name, entry in own.items() if name.startswith(_UNET_NEW)}
        if "input_blocks.0.0.weight" in own and "out.2.weight" in own:
            names = unet.to_diffusers(own)
            lost = next((name for name in own if name not in names and name.startswith(_UNET_ROOTS)), None)
            if lost is not None:
                raise WeightsMismatch(f"{own[lost].path} holds {prefix}{lost}, which no U-Net of a known family has.")
            return {new: own[name] for name, new in names.items()}
    return {}


def vae_entries(entries: Mapping[str, Entry]) -> Entries:
    """The autoencoder's entries, from a file in either layout."""
    for prefix in VAE_PREFIXES:
        own = under(entries, prefix) if prefix else dict(entries)
        if "encoder.conv_in.weight" not in own or "decoder.conv_in.weight" not in own:
            continue
        if "encoder.down_blocks.0.resnets.0.norm1.weight" in own:
            return {_early(name): entry for name, entry in own.items() if name.startswith(_VAE_ROOTS)}
        return {new: own[name] for name, new in vae.to_diffusers(own).items()}
    return {}


def _early(name: str) -> str:
    for old, new in (("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")):
        name = name.replace(f".attentions.0.{old}.", f".attentions.0.{new}.")
    return name


def text_entries(entries: Mapping[str, Entry], prefix: str, layout: str) -> Entries:
    """The entries of the text encoder under `prefix`, in names of transformers."""
    own = under(entries, prefix) if prefix else dict(entries)
    return _from_open_clip(own) if layout == "open_clip" else _from_transformers(own)


def _from_transformers(own: Entries) -> Entries:
    bare = ("embeddings.", "encoder.", "final_layer_norm.")
    named = {clip.PREFIX + name if name.startswith(bare) else name: entry for name, entry in own.items()}
    return {
        name: entry
        for name, entry in named.items()
        if name.startswith((clip.PREFIX, "text_projection.")) and not name.endswith("embeddings.position_ids")
    }


def _from_open_clip(own: Entries) -> Entries:
    named: Entries = {}
    for name, entry in own.items():
        parts = clip.fused_names(name)
        if parts is not None:
            named |= dict(zip(parts, thirds(entry), strict=True))
        elif name in clip.PROJECTION:
            # A parameter in the original, turned over; a layer in files of later programs.
            turned = name == "text_projection"
            shape = entry.shape[::-1] if turned else entry.shape
            named["text_projection.weight"] = replace(entry, shape=shape, transposed=turned)
        elif (new := clip.to_transformers(name)) is not None:
            named[new] = entry
    return named


def thirds(entry: Entry) -> tuple[Entry, Entry, Entry]:
    """The three equal parts of a matrix, by rows."""
    rows, size = entry.shape[0] // 3, (entry.end - entry.start) // 3
    if entry.shape[0] % 3:
        raise WeightsMismatch(f"{entry.path}: {entry.key} has {entry.shape[0]} rows, which are not three equal parts.")
    first, second, third = (
        replace(
            entry,
            shape=(rows, *entry.shape[1:]),
            start=entry.start + part * size,
            end=entry.start + (part + 1) * size,
        )
        for part in range(3)
    )
    return first, second, third


def without_last_layer(entries: Entries) -> Entries:
    """The text encoder without its last layer, which Stable Diffusion 2 does not run."""
    layers = {int(name.split(".")[3]) for name in entries if name.startswith("text_model.encoder.layers.")}
    last = f"text_model.encoder.layers.{max(layers, default=0)}."
    return {name: entry for name, entry in entries.items() if not name.startswith(last)}


def is_open_clip_original(header: Header, prefix: str) -> bool:
    """Whether the encoder is complete, as OpenCLIP has it: then its last layer is still there."""
    return f"{prefix}text_projection" in header.tensors or f"{prefix}text_projection.weight" in header.tensors
