"""The pipeline of a task: one family's classes over the same parts, whichever class they came in.

A class is found by its name: families and their tasks are the table `TASKS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

from engine._exports import PIPELINES
from engine.errors import InvalidValue, MissingFile, UnknownName
from engine.files import read_json
from engine.pipelines.base import DiffusionPipeline
from engine.pipelines.parts import INDEX_NAME

Task = Literal["text-to-image", "image-to-image", "inpaint", "edit", "upscale"]

TASKS: Mapping[str, Mapping[str, str]] = {
    "stable-diffusion": {
        "text-to-image": "StableDiffusionPipeline",
        "image-to-image": "StableDiffusionImg2ImgPipeline",
        "inpaint": "StableDiffusionInpaintPipeline",
        "edit": "StableDiffusionInstructPix2PixPipeline",
    },
    "stable-diffusion-xl": {
        "text-to-image": "StableDiffusionXLPipeline",
        "image-to-image": "StableDiffusionXLImg2ImgPipeline",
        "inpaint": "StableDiffusionXLInpaintPipeline",
        "edit": "StableDiffusionXLInstructPix2PixPipeline",
    },
    "lcm": {
        "text-to-image": "LatentConsistencyModelPipeline",
        "image-to-image": "LatentConsistencyModelImg2ImgPipeline",
    },
    "stable-diffusion-depth": {"image-to-image": "StableDiffusionDepth2ImgPipeline"},
    "stable-diffusion-x4-upscaler": {"upscale": "StableDiffusionUpscalePipeline"},
    "stable-diffusion-latent-upscaler": {"upscale": "StableDiffusionLatentUpscalePipeline"},
}
# Input channels of the UNets, as multiples of the latents' channels and ones more, that a task can be done with.
_CHANNELS: Mapping[str, tuple[tuple[int, int], ...]] = {
    "text-to-image": ((1, 0),),
    "image-to-image": ((1, 0), (1, 1)),
    "inpaint": ((1, 0), (2, 1)),
    "edit": ((2, 0),),
}


def pipeline_class_for(class_name: str, task: str) -> type[DiffusionPipeline]:
    """Return the class that does `task` in the family of the pipeline class `class_name`.

    Raises `UnknownName` for a class or a task that is not known, and for a task that the family has no class for.
    """
    family = next((tasks for tasks in TASKS.values() if class_name in tasks.values()), None)
    if family is None:
        known = ", ".join(name for tasks in TASKS.values() for name in tasks.values())
        raise UnknownName(f"there are no tasks for {class_name}; they are known for {known}.")
    if task not in {each for tasks in TASKS.values() for each in tasks}:
        raise UnknownName(f"there is no task {task!r}; choose text-to-image, image-to-image, inpaint, edit or upscale.")
    if task not in family:
        raise UnknownName(f"{class_name} has no class for {task}; its models do {', '.join(family)}.")
    return getattr(importlib.import_module(PIPELINES[family[task]]), family[task])


def for_task(pipeline: DiffusionPipeline, task: str, **changes: Any) -> DiffusionPipeline:
    """Return a pipeline for `task` over the parts of `pipeline`, with `changes`; nothing is copied.

    Raises `UnknownName` as `pipeline_class_for`, and `InvalidValue` where the UNet was not trained for the task.
    """
    cls = pipeline_class_for(type(pipeline).__name__, task)
    _check_channels(pipeline, task)
    return pipeline if type(pipeline) is cls and not changes else cls.from_pipe(pipeline, **changes)


def _check_channels(pipeline: DiffusionPipeline, task: str) -> None:
    unet, vae = pipeline.components.get("unet"), pipeline.components.get("vae")
    if unet is None or vae is None or task not in _CHANNELS:
        return
    channels, latent = unet.config.in_channels, vae.config.get("latent_channels", 4)
    wanted = [times * latent + more for times, more in _CHANNELS[task]]
    if channels not in wanted:
        raise InvalidValue(
            f"this model's UNet has {channels} input channels; {task} takes {' or '.join(map(str, wanted))}, so choose "
            "another model or task."
        )


class _AutoPipeline:
    """Base of the three: chooses the class for its task."""

    _task: ClassVar[str]

    def __init__(self, *_args: Any, **_parts: Any) -> None:
        raise InvalidValue(
            f"{type(self).__name__} is made with {type(self).__name__}.from_pretrained(folder) or .from_pipe(pipeline)."
        )

    @classmethod
    def from_pretrained(cls, folder: str | Path, **options: Any) -> DiffusionPipeline:
        """Load the pipeline in `folder` as the class for this task; the arguments are those of `DiffusionPipeline`."""
        path = Path(folder)
        if not path.is_dir():
            raise MissingFile(f"{folder} is not a folder; a pipeline is loaded from a local folder with {INDEX_NAME}.")
        class_name = str(read_json(path / INDEX_NAME).get("_class_name"))
        return cast("Any", pipeline_class_for(class_name, cls._task)).from_pretrained(path, **options)

    @classmethod
    def from_pipe(cls, pipeline: DiffusionPipeline, **changes: Any) -> DiffusionPipeline:
        """Make the pipeline for this task over the parts of another one; nothing is copied."""
        return pipeline_class_for(type(pipeline).__name__, cls._task).from_pipe(pipeline, **changes)


class AutoPipelineForText2Image(_AutoPipeline):
    """Text to image with whatever family a folder or pipeline is of."""

    _task = "text-to-image"


class AutoPipelineForImage2Image(_AutoPipeline):
    """Image to image with whatever family a folder or pipeline is of."""

    _task = "image-to-image"


class AutoPipelineForInpainting(_AutoPipeline):
    """Inpainting with whatever family a folder or pipeline is of."""

    _task = "inpaint"
