"""Recipes of Easy Diffusion: each setting a text of its own, or all as one JSON object in the EXIF comment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.messages import Recipe
from engine.metadata.values import Extras, real, schedulers, stem, text, whole

_MODEL = "use_stable_diffusion_model"
# What its text files, and some versions' pictures, call the settings.
_OTHER_NAMES = {
    "stable_diffusion_model": _MODEL,
    "sampler": "sampler_name",
    "steps": "num_inference_steps",
    "clip_skip": "clip_skip",
    "vae_model": "use_vae_model",
    "lora_model": "use_lora_model",
}
_TAKEN = (
    "prompt", "negative_prompt", _MODEL, "num_inference_steps", "guidance_scale", "seed", "width", "height",
    "sampler_name", "use_vae_model", "use_lora_model", "lora_alpha",
)  # fmt: skip


def plain_names(content: Mapping[str, Any]) -> dict[str, Any]:
    """The settings under the names that the program uses inside."""
    lowered = {key.strip().lower().replace(" ", "_"): value for key, value in content.items()}
    return {_OTHER_NAMES.get(key, key): value for key, value in lowered.items()}


def is_easy_diffusion(content: Mapping[str, Any]) -> bool:
    """Whether `content` holds such settings."""
    names = plain_names(content).keys()
    return "prompt" in names and (_MODEL in names or {"num_inference_steps", "sampler_name", "seed"} <= names)


def read_easy_diffusion(content: Mapping[str, Any]) -> Recipe:
    """The recipe in the settings `content`."""
    settings = plain_names(content)
    extras = Extras()
    loras, weights = _listed(settings.get("use_lora_model")), _listed(settings.get("lora_alpha"))
    for number, name in enumerate(loras):
        extras.add_lora(name, weights[number] if number < len(weights) else 1.0)
    extras.add("VAE", stem(settings.get("use_vae_model")))
    skipped = settings.get("clip_skip") in (True, "True", "true")
    extras.add_rest(settings, *_TAKEN, "clip_skip")
    return Recipe(
        prompt=text(settings.get("prompt")),
        negative_prompt=text(settings.get("negative_prompt")),
        model_name=stem(settings.get(_MODEL)),
        steps=whole(settings.get("num_inference_steps")),
        guidance_scale=real(settings.get("guidance_scale")),
        seed=whole(settings.get("seed")),
        width=whole(settings.get("width")),
        height=whole(settings.get("height")),
        clip_skip=1 if skipped else None,
        program="Easy Diffusion",
        extras=extras.pairs,
        **schedulers(settings.get("sampler_name")),
    )


def _listed(value: Any) -> list[Any]:
    if value in (None, "", "None"):
        return []
    return list(value) if isinstance(value, list) else [value]
