"""What the names and shapes of tensors say of the networks in a file: prefixes, widths, precision. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from engine.formats.header import ITEM_SIZES, Stored
from engine.loading.families import GUIDANCE_EMBEDDINGS, TEXT_PREFIXES, UNET_PREFIXES

Layout = Literal[
    "original", "diffusers", "transformers", "open_clip", "folder", "kohya", "lycoris", "peft", "a1111", ""
]
Tensors = Mapping[str, Stored]

DTYPE_WORDS: Mapping[str, str] = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}


def precision_of(tensors: Tensors) -> str:
    """The precision that nearly all of the weights have, or the mixture, the largest share first."""
    shares: dict[str, int] = {}
    scaled = False
    for name, stored in tensors.items():
        scaled = scaled or name.endswith((".scale_weight", ".weight_scale", "scaled_fp8"))
        if stored.dtype not in ITEM_SIZES or stored.dtype in DTYPE_WORDS:
            count = 1
            for length in stored.shape:
                count *= length
            word = DTYPE_WORDS.get(stored.dtype, stored.dtype)
            shares[word] = shares.get(word, 0) + count
    total = sum(shares.values())
    if not total:
        return ""
    ordered = sorted(shares, key=lambda word: -shares[word])
    # A hundredth in another precision, such as norms beside quantised layers, does not make a mixture.
    words = [word for word in ordered if shares[word] * 100 > total]
    words = [f"{word} scaled" if scaled and word.startswith("float8") else word for word in words]
    return words[0] if len(words) == 1 else f"mixed: {', '.join(words)}"


def find_prefix(tensors: Tensors, prefixes: tuple[str, ...], names: tuple[str, ...]) -> str | None:
    """The first of `prefixes` under which all `names` stand."""
    return next((prefix for prefix in prefixes if all(prefix + name in tensors for name in names)), None)


def text_encoders(tensors: Tensors) -> dict[str, str]:
    """Prefix and layout of each text encoder in the file."""
    found: dict[str, str] = {}
    for prefix, layout in TEXT_PREFIXES.items():
        if layout == "open_clip":
            if (
                f"{prefix}token_embedding.weight" in tensors
                and f"{prefix}transformer.resblocks.0.ln_1.weight" in tensors
            ):
                found[prefix] = layout
        elif any(f"{prefix}{inner}embeddings.token_embedding.weight" in tensors for inner in ("text_model.", "")):
            found[prefix] = layout
    if not found and "token_embedding.weight" in tensors and "transformer.resblocks.0.ln_1.weight" in tensors:
        found[""] = "open_clip"
    return found


@dataclass(frozen=True, slots=True)
class UNetFacts:
    """The shapes that tell one U-Net from another.

    Attributes:
        prefix, layout: where its tensors stand, and in whose words.
        channels, latents: what its first layer takes, and its last one gives.
        context: numbers of a token of the prompt; `added`: numbers beside the prompt.
        classes: whether it has a class embedding; `consistency`: an embedding of the guidance.
    """

    prefix: str
    layout: Layout
    channels: int
    latents: int
    context: int
    added: int
    classes: bool
    consistency: bool


def unet_facts(tensors: Tensors) -> UNetFacts | None:
    """The shapes of the U-Net in the file; None where there is none."""
    prefix = find_prefix(tensors, UNET_PREFIXES, ("input_blocks.0.0.weight", "time_embed.0.weight", "out.2.weight"))
    layout: Layout = "original"
    names = ("input_blocks.0.0.weight", "label_emb.0.0.weight", "label_emb.weight", "out.2.weight")
    if prefix is None:
        prefix = find_prefix(
            tensors, UNET_PREFIXES, ("conv_in.weight", "time_embedding.linear_1.weight", "conv_out.weight")
        )
        layout = "diffusers"
        names = (
            "conv_in.weight",
            "add_embedding.linear_1.weight",
            "class_embedding.weight",
            "conv_out.weight",
        )
    if prefix is None:
        return None
    first, last = tensors[prefix + names[0]], tensors[prefix + names[3]]
    added = tensors.get(prefix + names[1])
    context = next(
        (s.shape[1] for name, s in tensors.items() if name.endswith("attn2.to_k.weight") and len(s.shape) == 2), 0
    )
    if len(first.shape) != 4 or not last.shape or not context:
        return None
    return UNetFacts(
        prefix,
        layout,
        first.shape[1],
        last.shape[0],
        context,
        added.shape[1] if added is not None and len(added.shape) == 2 else 0,
        prefix + names[2] in tensors,
        any(prefix + name in tensors for name in GUIDANCE_EMBEDDINGS),
    )
