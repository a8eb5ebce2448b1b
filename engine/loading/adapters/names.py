"""Names in adapter files: which module of the model a key is for, and what it holds for it.

Four ways of writing are read. kohya's sd-scripts and OneTrainer write the module's path with underscores,
`lora_unet_down_blocks_0_..._to_q.lora_down.weight`, for SDXL also with the original names of the blocks,
`lora_unet_input_blocks_4_1_...`. Diffusers and PEFT write the path itself, `unet.down_blocks.0...to_q.lora_A.weight`,
and older ones `...attn1.processor.to_q_lora.down.weight`. LyCORIS writes either, as `lycoris_...`. Others keep the path
in a checkpoint, `diffusion_model.input_blocks.4.1...`. Paths are compared with underscores for dots.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from engine.loading.keymaps import unet as unet_names

UNET, FIRST, SECOND = "unet", "text_encoder", "text_encoder_2"

# Prefix of a key (underscores for dots) -> the part of the pipeline; the longest that fits counts.
PREFIXES: Mapping[str, tuple[str, ...]] = {
    UNET: (
        "lora_unet_",
        "lycoris_unet_",
        "oft_unet_",
        "unet_",
        "model_diffusion_model_",
        "diffusion_model_",
        "base_model_model_unet_",
        "base_model_model_",
        "lycoris_",
        "",
    ),
    FIRST: (
        "lora_te_",
        "lora_te1_",
        "lycoris_te_",
        "lycoris_te1_",
        "lycoris_text_encoder_",
        "oft_te_",
        "oft_te1_",
        "text_encoder_",
        "text_encoder_1_",
        "te_",
        "te1_",
        "clip_l_transformer_",
        "clip_l_",
        "text_encoders_clip_l_transformer_",
        "cond_stage_model_transformer_",
        "conditioner_embedders_0_transformer_",
        "base_model_model_text_encoder_",
        "base_model_model_",
        "",
    ),
    SECOND: (
        "lora_te2_",
        "lycoris_te2_",
        "lycoris_text_encoder_2_",
        "oft_te2_",
        "text_encoder_2_",
        "te2_",
        "clip_g_transformer_",
        "clip_g_",
        "text_encoders_clip_g_transformer_",
        "base_model_model_text_encoder_2_",
    ),
}

# Ends of keys -> what they hold. The first that fits counts, so longer ones come before their own ends.
_ENDS: tuple[tuple[str, str], ...] = (
    (r"\.lora_down\.weight", "down"),
    (r"\.lora_up\.weight", "up"),
    (r"\.lora_mid\.weight", "mid"),
    (r"\.lora_A(?:\.[^.]+)?\.weight", "down"),
    (r"\.lora_B(?:\.[^.]+)?\.weight", "up"),
    (r"\.lora_B(?:\.[^.]+)?\.bias", "up_bias"),
    (r"\.lora(?:_linear_layer|_conv2d_layer)?\.down\.weight", "down"),
    (r"\.lora(?:_linear_layer|_conv2d_layer)?\.up\.weight", "up"),
    (r"\.lora_embedding_A(?:\.[^.]+)?", "embedding_down"),
    (r"\.lora_embedding_B(?:\.[^.]+)?", "embedding_up"),
    (r"\.lora_magnitude_vector(?:\.[^.]+)?(?:\.weight)?", "row_magnitude"),
    (r"\.dora_scale", "magnitude"),
    (r"\.alpha", "alpha"),
    (r"\.scalar", "scalar"),
    (r"\.hada_w1_a(?:\.[^.]+)?", "hada_w1_a"),
    (r"\.hada_w1_b(?:\.[^.]+)?", "hada_w1_b"),
    (r"\.hada_w2_a(?:\.[^.]+)?", "hada_w2_a"),
    (r"\.hada_w2_b(?:\.[^.]+)?", "hada_w2_b"),
    (r"\.hada_t1(?:\.[^.]+)?", "hada_t1"),
    (r"\.hada_t2(?:\.[^.]+)?", "hada_t2"),
    (r"\.lokr_w1_a(?:\.[^.]+)?", "lokr_w1_a"),
    (r"\.lokr_w1_b(?:\.[^.]+)?", "lokr_w1_b"),
    (r"\.lokr_w2_a(?:\.[^.]+)?", "lokr_w2_a"),
    (r"\.lokr_w2_b(?:\.[^.]+)?", "lokr_w2_b"),
    (r"\.lokr_t2(?:\.[^.]+)?", "lokr_t2"),
    (r"\.lokr_w1(?:\.[^.]+)?", "lokr_w1"),
    (r"\.lokr_w2(?:\.[^.]+)?", "lokr_w2"),
    (r"\.oft_blocks", "oft_blocks"),
    (r"\.oft_R(?:\.[^.]+)?\.weight", "oft_R"),
    (r"\.rescale", "rescale"),
    (r"\.diff_b", "diff_b"),
    (r"\.diff", "diff"),
    (r"\.w_norm", "diff"),
    (r"\.b_norm", "diff_b"),
)
_END = re.compile("(.+?)(?:" + "|".join(f"({pattern})" for pattern, _ in _ENDS) + ")$")
_OLD_PROCESSOR = re.compile(r"(.+?)(?:\.processor)?\.(to_[qkv]|to_out)_lora\.(down|up)\.weight")
# What old files call the projections of the text encoder.
_OLD_TEXT = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"}


class Target(NamedTuple):
    """A module of a pipeline: the part's name, and the module's path in it."""

    part: str
    module: str


@dataclass(frozen=True)
class Names:
    """The modules of a pipeline under all names that files give them."""

    by_part: Mapping[str, Mapping[str, str]]
    prefixes: tuple[tuple[str, str], ...]

    def find(self, path: str) -> Target | None:
        """Return the module that `path`, the beginning of a key, is for."""
        plain = path.replace(".", "_")
        for prefix, part in self.prefixes:
            if plain.startswith(prefix):
                module = self.by_part[part].get(plain[len(prefix) :])
                if module is not None:
                    return Target(part, module)
        return None


def collect_names(parts: Mapping[str, Iterable[str]]) -> Names:
    """Return the names of `parts`: for each part of a pipeline (unet, text_encoder, ...) the names of its weights."""
    by_part = {part: dict(_aliases(part, list(weights))) for part, weights in parts.items()}
    prefixes = [(prefix, part) for part in by_part for prefix in PREFIXES.get(part, ())]
    return Names(by_part, tuple(sorted(prefixes, key=lambda pair: -len(pair[0]))))


def _aliases(part: str, weights: list[str]) -> Iterable[tuple[str, str]]:
    """Yield the names of modules with underscores, and their paths."""
    originals = unet_names.to_original(weights) if part == UNET else {}
    for weight in weights:
        module = weight.rpartition(".")[0]
        if part == UNET:
            yield _underscored(originals.get(weight, weight).rpartition(".")[0]), module
        else:
            # transformers 5 names modules without the prefix, and so do files made with it.
            yield _underscored(module.removeprefix("text_model.")), module
        yield _underscored(module), module


def _underscored(path: str) -> str:
    return path.replace(".", "_")


def split_key(key: str) -> tuple[tuple[str, ...], str] | None:
    """Return the paths that the module of `key` may have, and what the key holds; None for an unknown end."""
    old = _OLD_PROCESSOR.fullmatch(key)
    if old is not None:
        of_unet = f"{old[1]}.to_out.0" if old[2] == "to_out" else f"{old[1]}.{old[2]}"
        return (of_unet, f"{old[1]}.{_OLD_TEXT[old[2]]}"), old[3]
    match = _END.fullmatch(key)
    if match is None:
        return None
    index = next(number for number, group in enumerate(match.groups()[1:]) if group is not None)
    return (match[1],), _ENDS[index][1]
