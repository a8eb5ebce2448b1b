"""The passes of a request, from noise or a picture and once more at a larger size, and the pictures they begin from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import BadFile, InvalidValue, KnownError, MissingFile
from engine.messages import GenerateRequest
from engine.pipelines.auto import TASKS, for_task
from engine.queries import make_scheduler
from engine.run_model import Loaded

if TYPE_CHECKING:
    from PIL.Image import Image

FIRST, SECOND = 0, 1


@dataclass(frozen=True)
class Pass:
    """One way from noise to a picture.

    Attributes:
        number: FIRST, or SECOND for the one at a larger size.
        pipeline: the pipeline that does it.
        steps: what is asked of the scheduler.
        strength: share of them that is done, None for all.
        width, height: of the picture.
    """

    number: int
    pipeline: Any
    steps: int
    strength: float | None
    width: int
    height: int

    def scheduler(self, loaded: Loaded, request: GenerateRequest) -> tuple[Any, int]:
        """Return the prepared scheduler of `request`, and how many of its timesteps are left out."""
        steps, strength = _steps_of(request, self.number)
        scheduler = make_scheduler(request.scheduler, request.sigma_schedule, loaded.scheduler_config)
        scheduler.set_timesteps(steps, device=loaded.device)
        share = 1.0 if strength is None or self.strength is None else strength
        return scheduler, (steps - min(int(steps * share), steps)) * scheduler.order

    def length(self, loaded: Loaded, request: GenerateRequest) -> int:
        """Return how many steps it takes in fact."""
        scheduler, skipped = self.scheduler(loaded, request)
        return len(scheduler.timesteps) - skipped


def _steps_of(request: GenerateRequest, number: int) -> tuple[int, float | None]:
    if number == FIRST:
        return request.steps, request.strength if request.init_image else None
    return request.hires_steps or request.steps, request.hires_strength


def passes_of(loaded: Loaded, request: GenerateRequest) -> list[Pass]:
    """The ways that `request` goes, in order.

    Raises:
        KnownError: the model cannot do what is asked, or a mask has no picture.
    """
    task = "text-to-image"
    if request.mask_image:
        if not request.init_image:
            raise InvalidValue("A mask needs the picture that it belongs to; choose a picture to start from.")
        task = "inpaint"
    elif request.init_image:
        task = _own_task(loaded.pipeline) or "image-to-image"
    steps, strength = _steps_of(request, FIRST)
    pipeline = for_task(loaded.pipeline, task)
    passes = [Pass(FIRST, pipeline, steps, strength, request.width, request.height)]
    if request.hires_scale > 1:
        multiple = loaded.info.size_multiple
        sides = [max(round(side * request.hires_scale / multiple), 1) * multiple for side in _sides(request)]
        steps, strength = _steps_of(request, SECOND)
        larger = for_task(loaded.pipeline, "image-to-image")
        passes.append(Pass(SECOND, larger, steps, strength, sides[0], sides[1]))
    return passes


def _sides(request: GenerateRequest) -> tuple[int, int]:
    return request.width, request.height


def _own_task(pipeline: Any) -> str | None:
    """The task of a model that can do nothing else with a picture: editing, upscaling."""
    name = type(pipeline).__name__
    own = (task for tasks in TASKS.values() for task, known in tasks.items() if known == name)
    return next((task for task in own if task in {"edit", "upscale"}), None)


def images_of(request: GenerateRequest, one: Pass, picture: Image | None) -> dict[str, Any]:
    """The pictures that a pass begins from, by the pipeline's names for them; `picture` is that of the pass before.

    Raises:
        KnownError: a file is missing or no picture.
    """
    from PIL import Image as pillow  # noqa: N813

    size = (one.width, one.height)
    if one.number == SECOND:
        if picture is None:  # the run goes on inside this pass, from its latents
            return {"image": pillow.new("RGB", size)}
        return {"image": picture.resize(size, pillow.Resampling.LANCZOS)}
    images = {"image": _read(request.init_image, "RGB", size)}
    if request.mask_image:
        images["mask_image"] = _read(request.mask_image, "L", size)
    return images


def _read(path: str, mode: str, size: tuple[int, int]) -> Image:
    """Return the picture at `path`, its middle cut to the aspect ratio of `size` and scaled."""
    from PIL import Image as pillow  # noqa: N813
    from PIL import ImageOps, UnidentifiedImageError

    try:
        with pillow.open(Path(path).expanduser()) as image:
            upright = ImageOps.exif_transpose(image)
            return ImageOps.fit(_flattened(upright).convert(mode), size, pillow.Resampling.LANCZOS)
    except FileNotFoundError as error:
        raise MissingFile(f"The picture {path} does not exist; choose another one.") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        if isinstance(error, KnownError):
            raise
        raise BadFile(f"The picture {path} cannot be read ({error}); choose another one.") from error


def _flattened(image: Image) -> Image:
    """Put what is transparent on white."""
    from PIL import Image as pillow  # noqa: N813

    if "A" not in image.getbands() and "transparency" not in image.info:
        return image
    rgba = image.convert("RGBA")
    return pillow.alpha_composite(pillow.new("RGBA", rgba.size, "white"), rgba)
