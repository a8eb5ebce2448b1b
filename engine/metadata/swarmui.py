"""Recipes of SwarmUI: a JSON object with `sui_image_params`, under `parameters` or in the EXIF comment."""

from __future__ import annotations

from typing import Any

from engine.messages import Recipe
from engine.metadata.values import Extras, entries, part, real, schedulers, stem, text, whole

_TAKEN = (
    "prompt", "negativeprompt", "model", "seed", "steps", "cfgscale", "width", "height", "sampler", "scheduler",
    "loras", "loraweights", "vae", "swarm_version", "clipstopatlayer", "aspectratio",
)  # fmt: skip


def read_swarmui(content: dict[str, Any]) -> Recipe:
    """The recipe in `content`, whose `sui_image_params` holds the settings."""
    settings = part(content, "sui_image_params")
    extras = Extras()
    weights = _listed(settings.get("loraweights"))
    for number, name in enumerate(_listed(settings.get("loras"))):
        extras.add_lora(name, weights[number] if number < len(weights) else 1.0)
    extras.add("VAE", stem(settings.get("vae")))
    for model in entries(content.get("sui_models")):
        if isinstance(model, dict) and model.get("param") == "model":
            extras.add("Model hash", model.get("hash"))
    found = schedulers(settings.get("sampler"), settings.get("scheduler"))
    extras.add_schedule(found, settings.get("scheduler"))
    extras.add_rest(settings, *_TAKEN)
    extras.add_rest(part(content, "sui_extra_data"))
    layer = real(settings.get("clipstopatlayer"))
    return Recipe(
        prompt=text(settings.get("prompt")),
        negative_prompt=text(settings.get("negativeprompt")),
        model_name=stem(settings.get("model")),
        steps=whole(settings.get("steps")),
        guidance_scale=real(settings.get("cfgscale")),
        seed=whole(settings.get("seed")),
        width=whole(settings.get("width")),
        height=whole(settings.get("height")),
        clip_skip=int(-layer) - 1 if layer is not None and layer < -1 else None,
        program=f"SwarmUI {text(settings.get('swarm_version'))}".strip(),
        extras=extras.pairs,
        **found,
    )


def _listed(value: Any) -> list[Any]:
    """A list, which older versions wrote as one text with commas."""
    if isinstance(value, str):
        return [piece.strip() for piece in value.split(",") if piece.strip()]
    return entries(value)
