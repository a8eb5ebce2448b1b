"""Recipes of InvokeAI: `invokeai_metadata` of version 3 and later, `sd-metadata` and `Dream` of the ones before."""

from __future__ import annotations

import re
from typing import Any

from engine.messages import Recipe
from engine.metadata.values import (
    Extras,
    SchedulerFields,
    entries,
    needed_object,
    part,
    real,
    schedulers,
    stem,
    text,
    whole,
)

_TAKEN = (
    "positive_prompt", "negative_prompt", "model", "loras", "scheduler", "steps", "seed", "width", "height",
    "cfg_scale", "guidance", "cfg_rescale_multiplier", "clip_skip", "vae", "app_version", "rand_device",
    "generation_mode",
)  # fmt: skip
_NEGATIVE = re.compile(r"\[([^\[\]]*)\]")
_DREAM = re.compile(r'\s*"((?:\\.|[^"\\])*)"(.*)', re.DOTALL)
_DREAM_OPTION = re.compile(r"-([A-Za-z])\s*(\S+)")


def read_invokeai(source: str) -> Recipe:
    """The recipe in `invokeai_metadata`; `BadFile` where it cannot be read."""
    content = needed_object(source, "InvokeAI")
    extras = Extras()
    for entry in entries(content.get("loras")):
        if isinstance(entry, dict):
            extras.add_lora(_model_name(entry.get("model") or entry.get("lora")), entry.get("weight", 1.0))
    extras.add("VAE", _model_name(content.get("vae")))
    extras.add("Mode", content.get("generation_mode"))
    extras.add_rest(content, *_TAKEN)
    guidance = content.get("cfg_scale")
    return Recipe(
        prompt=text(content.get("positive_prompt")),
        negative_prompt=text(content.get("negative_prompt")),
        model_name=_model_name(content.get("model")),
        steps=whole(content.get("steps")),
        guidance_scale=real(guidance if guidance is not None else content.get("guidance")),
        guidance_rescale=real(content.get("cfg_rescale_multiplier")),
        seed=whole(content.get("seed")),
        width=whole(content.get("width")),
        height=whole(content.get("height")),
        clip_skip=whole(content.get("clip_skip")) or None,
        device="cpu" if content.get("rand_device") == "cpu" else None,
        program=f"InvokeAI {text(content.get('app_version'))}".strip(),
        extras=extras.pairs,
        **schedulers(content.get("scheduler")),
    )


def _model_name(model: Any) -> str | None:
    """The name in any of the forms in which versions write a model: a text, or an object with the name in some key."""
    if isinstance(model, dict):
        model = model.get("name") or model.get("model_name") or model.get("base_model")
    return stem(model)


def read_sd_metadata(source: str) -> Recipe:
    """The recipe in `sd-metadata`; `BadFile` where it cannot be read."""
    content = needed_object(source, "InvokeAI")
    image = part(content, "image")
    prompt, negative = _split(_prompt(image.get("prompt")))
    extras = Extras()
    extras.add("Model hash", content.get("model_hash"))
    extras.add_rest(
        image, "prompt", "sampler", "steps", "cfg_scale", "seed", "width", "height", "type", "threshold", "perlin"
    )
    return Recipe(
        prompt=prompt,
        negative_prompt=negative,
        model_name=stem(content.get("model_weights")),
        steps=whole(image.get("steps")),
        guidance_scale=real(image.get("cfg_scale")),
        seed=whole(image.get("seed")),
        width=whole(image.get("width")),
        height=whole(image.get("height")),
        program=f"InvokeAI {text(content.get('app_version'))}".strip(),
        extras=extras.pairs,
        **_k_scheduler(image.get("sampler")),
    )


def read_dream(source: str) -> Recipe | None:
    """The recipe in `Dream`, the command that made the picture: `"a cat" -s 50 -S 42 -W 512 -H 512 -C 7.5 -A k_lms`."""
    if (match := _DREAM.match(source)) is None:
        return None
    prompt, negative = _split(match[1].replace('\\"', '"'))
    options = dict(_DREAM_OPTION.findall(match[2]))
    return Recipe(
        prompt=prompt,
        negative_prompt=negative,
        steps=whole(options.get("s")),
        seed=whole(options.get("S")),
        width=whole(options.get("W")),
        height=whole(options.get("H")),
        guidance_scale=real(options.get("C")),
        program="InvokeAI",
        **_k_scheduler(options.get("A")),
    )


def _prompt(prompt: Any) -> str:
    if isinstance(prompt, list):
        return ", ".join(text(entry.get("prompt")) for entry in prompt if isinstance(entry, dict))
    return text(prompt)


def _split(prompt: str) -> tuple[str, str]:
    """These versions keep what is not wanted in square brackets inside the prompt."""
    negative = ", ".join(found.strip() for found in _NEGATIVE.findall(prompt))
    return re.sub(r"\s{2,}", " ", _NEGATIVE.sub("", prompt)).strip(" ,"), negative


def _k_scheduler(sampler: Any) -> SchedulerFields:
    # `k_` stood in front of the names for the library the samplers came from; the catalogue has them without.
    return schedulers(text(sampler).removeprefix("k_"))
