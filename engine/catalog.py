"""What a front end may list without loading anything heavy: schedulers, families of models, limits of values.

The schedulers themselves are the table of `engine.scheduler_entries`. Also what a model's folder says about itself
(`read_model`). Nothing here imports torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.annotations import describe, fits
from engine.errors import ConfigError, InvalidValue, MissingFile, UnknownName
from engine.files import read_json
from engine.resources_path import resource
from engine.scheduler_entries import PREDICTIONS, SCHEDULERS, SIGMA_FLAGS, SIGMA_SCHEDULES, SchedulerEntry

__all__ = [
    "EMBEDDED_MODEL",
    "FAMILIES",
    "FAST",
    "LIMITS",
    "PREDICTIONS",
    "SCHEDULERS",
    "SIGMA_SCHEDULES",
    "Family",
    "Limit",
    "ModelInfo",
    "SchedulerEntry",
    "family_of",
    "fast_kind",
    "find_scheduler",
    "model_folder",
    "read_model",
    "scheduler_entry",
    "tasks_of",
]

EMBEDDED_MODEL = "sfumato-icons"


@dataclass(frozen=True, slots=True)
class Limit:
    """The smallest and largest value that the setting `name` can have, both included."""

    name: str
    minimum: float
    maximum: float
    whole: bool = True

    def check(self, value: object) -> None:
        """Raise `InvalidValue` unless `value` is a number within the limits, and whole where that is needed."""
        accepted = int if self.whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, accepted):
            raise InvalidValue(f"The {self.name} must be a {'whole ' if self.whole else ''}number, not {value!r}.")
        if not self.minimum <= value <= self.maximum:  # also false for NaN
            raise InvalidValue(
                f"The {self.name} {value} is out of range; choose a value from {self.minimum} to {self.maximum}."
            )


LIMITS: Mapping[str, Limit] = {
    "prompt": Limit("length of the prompt", 0, 20_000),
    "steps": Limit("number of steps", 1, 1000),
    "guidance_scale": Limit("guidance", 0, 100, whole=False),
    "guidance_rescale": Limit("guidance rescale", 0, 1, whole=False),
    "width": Limit("width", 16, 8192),
    "height": Limit("height", 16, 8192),
    "count": Limit("number of pictures", 1, 10_000),
    "seed": Limit("seed", 0, 2**64 - 1),
    "clip_skip": Limit("number of skipped text encoder layers", 1, 11),
    "strength": Limit("strength", 0, 1, whole=False),
    "hires_scale": Limit("scale of the second pass", 1, 8, whole=False),
    "hires_steps": Limit("number of steps of the second pass", 0, 1000),
    "hires_strength": Limit("strength of the second pass", 0, 1, whole=False),
}

_SIGMA_WORDS = {"karras": "karras", "k": "karras", "exponential": "exponential", "beta": "beta"}
_BY_NAME = {entry.name: entry for entry in SCHEDULERS}


def scheduler_entry(name: str) -> SchedulerEntry:
    """The scheduler with exactly this name; `UnknownName` lists the names there are."""
    if name not in _BY_NAME:
        raise UnknownName(f"The scheduler {name!r} is unknown; choose one of {', '.join(_BY_NAME)}.")
    return _BY_NAME[name]


def find_scheduler(name: str) -> tuple[SchedulerEntry, str]:
    """The scheduler and sigma schedule that any program's `name` means, as in "DPM++ 2M Karras" or "dpmpp_2m_k".

    Raises:
        UnknownName: no program calls a scheduler of ours so.
    """
    words = [word for word in re.split(r"[\s_\-]+", name.strip().lower()) if word not in {"", "scheduler"}]
    entry = _ALIASES.get(_plain(name))
    if entry is not None:
        return entry, "default"
    sigma_schedule = _SIGMA_WORDS.get(words[-1]) if words else None
    entry = _ALIASES.get("".join(words[:-1]))
    if sigma_schedule is not None and entry is not None and sigma_schedule in entry.sigma_schedules:
        return entry, sigma_schedule
    raise UnknownName(f"The scheduler {name!r} is unknown; choose one of {', '.join(_BY_NAME)}.")


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-]+", "", name.lower())


_ALIASES = {
    _plain(alias): entry
    for entry in reversed(SCHEDULERS)
    for alias in (entry.class_name, entry.label, *entry.names, entry.name)
}


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of model.

    `pipeline` is the class that its folders usually name, `others` those that they may name too; `tasks` are those of
    `engine.pipelines.auto` that a model of its can do. `steps` and `guidance_scale` are what suits most of them.
    """

    name: str
    label: str
    pipeline: str
    others: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ("text-to-image", "image-to-image", "inpaint")
    steps: int = 30
    guidance_scale: float = 7.5


_SD = "StableDiffusion"
_OTHERS = tuple(f"{_SD}{name}Pipeline" for name in ("Img2Img", "Inpaint", "InstructPix2Pix", "Depth2Img"))
_OTHERS_XL = tuple(f"{_SD}XL{name}Pipeline" for name in ("Img2Img", "Inpaint", "InstructPix2Pix"))
FAMILIES: tuple[Family, ...] = (
    Family("stable-diffusion", "Stable Diffusion", f"{_SD}Pipeline", _OTHERS),
    Family("stable-diffusion-2", "Stable Diffusion 2", f"{_SD}Pipeline", _OTHERS),
    Family("stable-diffusion-xl", "Stable Diffusion XL", f"{_SD}XLPipeline", _OTHERS_XL, guidance_scale=6.0),
    Family(
        "stable-diffusion-xl-refiner",
        "Stable Diffusion XL refiner",
        f"{_SD}XLImg2ImgPipeline",
        tasks=("image-to-image",),
        guidance_scale=6.0,
    ),
    Family(
        "lcm",
        "Latent consistency model",
        "LatentConsistencyModelPipeline",
        ("LatentConsistencyModelImg2ImgPipeline",),
        ("text-to-image", "image-to-image"),
        steps=4,
        guidance_scale=8.5,
    ),
    Family(
        "stable-diffusion-x4-upscaler",
        "Stable Diffusion upscaler, four times",
        f"{_SD}UpscalePipeline",
        tasks=("upscale",),
        steps=50,
        guidance_scale=9.0,
    ),
    Family(
        "stable-diffusion-latent-upscaler",
        "Stable Diffusion upscaler, twice",
        f"{_SD}LatentUpscalePipeline",
        tasks=("upscale",),
        steps=20,
        guidance_scale=1.0,
    ),
)
_FAMILY = {family.name: family for family in FAMILIES}

# What a UNet was trained for besides its family's tasks, by its input channels beyond those of the latents.
_VARIANTS: Mapping[int, str] = {4: "edit", 5: "inpaint", 1: "depth"}
_VARIANT_TASKS: Mapping[str, tuple[str, ...]] = {
    "edit": ("edit",),
    "inpaint": ("inpaint",),
    "depth": ("image-to-image",),
}
# Models that were distilled to few steps: a word in their name, then steps and guidance.
FAST: Mapping[str, tuple[int, float]] = {
    "lcm": (6, 1.0),
    "lightning": (8, 1.0),
    "hyper": (8, 1.0),
    "turbo": (4, 1.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What a model's folder says about itself: its family, and the settings it does best with.

    `prediction` is what the model predicts, in words of `PREDICTIONS`. `variant` is what it was trained for ("base",
    "inpaint", "edit", "depth", "upscale" or "refiner"), `tasks` what it can do; `fast` names the way it was distilled
    to few steps ("turbo", "lightning", "lcm" or "hyper"), if it was.
    """

    folder: Path
    name: str
    family: Family
    width: int
    height: int
    size_multiple: int
    prediction: str
    scheduler: str
    sigma_schedule: str
    steps: int
    guidance_scale: float
    guidance_rescale: float
    variant: str = "base"
    tasks: tuple[str, ...] = ("text-to-image", "image-to-image", "inpaint")
    fast: str = ""

    @property
    def location(self) -> str:
        """What `model_folder` finds this model by again: its name if embedded, else its path, without the home folder.

        It is written into pictures, which may be shown to others.
        """
        if self.folder == _embedded_folder():
            return EMBEDDED_MODEL
        home = Path.home()
        return f"~/{self.folder.relative_to(home).as_posix()}" if self.folder.is_relative_to(home) else str(self.folder)

    def check_scheduler(self, name: str, sigma_schedule: str) -> None:
        """Raise `InvalidValue` for a scheduler, or a sigma schedule of it, that this model cannot be sampled with."""
        entry = scheduler_entry(name)
        entry.check_prediction(self.prediction)
        entry.check_sigma_schedule(sigma_schedule)

    def check_size(self, width: int, height: int) -> None:
        """Raise `InvalidValue` for a picture whose sides this model cannot make."""
        for side, value in (("width", width), ("height", height)):
            LIMITS[side].check(value)
            if value % self.size_multiple:
                below = max(value // self.size_multiple, 1) * self.size_multiple
                raise InvalidValue(
                    f"The {side} {value} is no multiple of {self.size_multiple}, which the model {self.name} needs; "
                    f"choose {below} or {below + self.size_multiple}."
                )


def model_folder(location: str) -> Path:
    """The folder of the model at `location`: the name of the embedded model, or a path (`~` is the home folder)."""
    if location != EMBEDDED_MODEL:
        return Path(location).expanduser()
    folder = _embedded_folder()
    if not folder.is_dir():
        raise MissingFile(
            f"The embedded model {EMBEDDED_MODEL} is missing; install Sfumato again, or name another model."
        )
    return folder


def _embedded_folder() -> Path:
    return resource() / "models" / EMBEDDED_MODEL


def read_model(folder: Path) -> ModelInfo:
    """Read what can be known of the model in `folder` without its weights.

    Defaults come from `sfumato.json` in the folder (keys `name`, `size` or `width` and `height`, `steps`,
    `guidance`, `guidance_rescale`, `scheduler`, `sigma_schedule`), else from the parts' own configurations.

    Raises:
        MissingFile: there is no such folder, or a part is missing from it.
        BadFile, ConfigError: a file of it cannot be read, or has a value that it cannot have.
        UnknownName: the folder holds a kind of model that is not known here.
    """
    if not folder.is_dir():
        raise MissingFile(f"The model folder {folder} does not exist; check the path given with --model.")
    card_path = folder / "sfumato.json"
    return info_of(
        folder,
        index=read_json(folder / "model_index.json"),
        card=read_json(card_path) if card_path.exists() else {},
        vae=read_json(folder / "vae" / "config.json"),
        unet=read_json(folder / "unet" / "config.json"),
        scheduler=read_json(folder / "scheduler" / "scheduler_config.json"),
    )


# What is computed here with values that no class has checked yet, and what they may be.
_COMPUTED_WITH: dict[str, dict[str, Any]] = {
    "vae": {"block_out_channels": tuple[int, ...] | None, "latent_channels": int},
    "unet": {"sample_size": int | tuple[int, int] | None, "in_channels": int},
    "scheduler": {"prediction_type": str},
}


def info_of(
    location: Path,
    *,
    index: dict[str, Any],
    card: dict[str, Any],
    vae: dict[str, Any],
    unet: dict[str, Any],
    scheduler: dict[str, Any],
) -> ModelInfo:
    """What the configurations of the model at `location` say, and its `card` before them; errors as of `read_model`."""
    class_name = index.get("_class_name")
    if not any(class_name in (family.pipeline, *family.others) for family in FAMILIES):
        known = ", ".join(dict.fromkeys(name for family in FAMILIES for name in (family.pipeline, *family.others)))
        raise UnknownName(
            f"The model in {location} is of the kind {class_name!r}; choose one of a known kind: {known}."
        )
    for part, config in (("vae", vae), ("unet", unet), ("scheduler", scheduler)):
        for key, hint in _COMPUTED_WITH[part].items():
            if key in config and not fits(config[key], hint):
                raise ConfigError(
                    f"{location / part} is configured with {key} {config[key]!r}; it must be {describe(hint)}."
                )
    try:
        return _model_info(location.resolve(), index, card, vae, unet, scheduler)
    except InvalidValue as error:
        raise ConfigError(f"{location / 'sfumato.json'} has a wrong value: {error}") from error


def _model_info(
    folder: Path,
    index: dict[str, Any],
    card: dict[str, Any],
    vae: dict[str, Any],
    unet: dict[str, Any],
    scheduler_config: dict[str, Any],
) -> ModelInfo:
    multiple = 2 ** (len(vae.get("block_out_channels", ())) - 1) if vae.get("block_out_channels") else 8
    sample_size = unet.get("sample_size") or 64
    sides = sample_size if isinstance(sample_size, list) else [sample_size, sample_size]
    height, width = (int(side) * multiple for side in sides)
    family, variant = family_of(str(index.get("_class_name")), index, unet, int(vae.get("latent_channels", 4)))
    fast = fast_kind(str(card.get("name", folder.name)), scheduler_config) if family.name != "lcm" else ""
    steps, guidance = FAST.get(fast, (family.steps, family.guidance_scale))
    zero_snr = bool(scheduler_config.get("rescale_betas_zero_snr"))
    scheduler, sigma_schedule = _own_scheduler(scheduler_config)
    if "scheduler" in card:
        entry, sigma_schedule = find_scheduler(str(card["scheduler"]))
        scheduler = entry.name
    info = ModelInfo(
        folder=folder,
        name=str(card.get("name", folder.name)),
        family=family,
        width=card.get("width", card.get("size", width)),
        height=card.get("height", card.get("size", height)),
        size_multiple=multiple,
        prediction=_PREDICTION_TYPES.get(scheduler_config.get("prediction_type", "epsilon"), "epsilon"),
        scheduler=scheduler,
        sigma_schedule=str(card.get("sigma_schedule", sigma_schedule)),
        steps=card.get("steps", steps),
        guidance_scale=card.get("guidance", guidance),
        # https://arxiv.org/abs/2305.08891, section 3.4: what models that start without any signal need.
        guidance_rescale=card.get("guidance_rescale", 0.7 if zero_snr and not fast else 0.0),
        variant=variant,
        tasks=tasks_of(family, variant),
        fast=fast,
    )
    for key in ("steps", "guidance_scale", "guidance_rescale"):
        LIMITS[key].check(getattr(info, key))
    info.check_size(info.width, info.height)
    info.check_scheduler(info.scheduler, info.sigma_schedule)
    return info


def family_of(
    class_name: str, index: Mapping[str, Any], unet: Mapping[str, Any], latent_channels: int = 4
) -> tuple[Family, str]:
    """The family and variant of a folder that names `class_name`, by what `index` and the UNet's configuration say."""
    if class_name.startswith("LatentConsistency"):
        return _FAMILY["lcm"], "base"
    if class_name in (_FAMILY["stable-diffusion-x4-upscaler"].pipeline, f"{_SD}LatentUpscalePipeline"):
        four = class_name == _FAMILY["stable-diffusion-x4-upscaler"].pipeline
        return _FAMILY["stable-diffusion-x4-upscaler" if four else "stable-diffusion-latent-upscaler"], "upscale"
    variant = _VARIANTS.get(int(unet.get("in_channels", latent_channels)) - latent_channels, "base")
    if class_name.startswith(f"{_SD}XL"):
        if index.get("requires_aesthetics_score"):
            return _FAMILY["stable-diffusion-xl-refiner"], "refiner"
        return _FAMILY["stable-diffusion-xl"], variant
    # The second version has another text encoder, 1024 wide.
    second = unet.get("cross_attention_dim") == 1024
    return _FAMILY["stable-diffusion-2" if second else "stable-diffusion"], variant


def tasks_of(family: Family, variant: str) -> tuple[str, ...]:
    """What a model of `family`, trained as `variant`, can do."""
    return _VARIANT_TASKS.get(variant, family.tasks)


def fast_kind(name: str, scheduler: Mapping[str, Any]) -> str:
    """How the model `name`, which brings the configuration of `scheduler`, was distilled to few steps; "" if not."""
    for kind in FAST:
        if re.search(rf"(?<![a-z]){kind}(?![a-z])", name.lower()):
            return kind
    class_name = str(scheduler.get("_class_name"))
    if class_name == "LCMScheduler":
        return "lcm"
    if class_name == "TCDScheduler":
        return "hyper"
    # Turbo models are published with an Euler scheduler that starts at the very last timestep.
    euler = class_name in ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler")
    trailing = scheduler.get("timestep_spacing") == "trailing" and not scheduler.get("rescale_betas_zero_snr")
    return "turbo" if euler and trailing and scheduler.get("prediction_type", "epsilon") == "epsilon" else ""


# `prediction_type` in words of `PREDICTIONS`; a model of the clean sample is sampled like one of the noise.
_PREDICTION_TYPES = {"v_prediction": "v", "flow_prediction": "flow"}


def _own_scheduler(config: dict[str, Any]) -> tuple[str, str]:
    """The catalogue's names for the scheduler that a model brings; DDIM for one that is not listed here."""
    flags = (name for name, flag in SIGMA_FLAGS.items() if config.get(flag))
    sigma_schedule = next(flags, "default")
    same_class = [entry for entry in SCHEDULERS if entry.class_name == config.get("_class_name")]
    same = [
        entry for entry in same_class if all(config.get(key, value) == value for key, value in entry.changes.items())
    ]
    # A setting that no entry has still leaves the class, which is nearer than another one.
    for entry in same or same_class:
        return entry.name, sigma_schedule if sigma_schedule in entry.sigma_schedules else "default"
    return "ddim", "default"
