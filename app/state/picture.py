"""A finished picture as the canvas knows it: its file, what made it, and the steps in which it formed. No Qt."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from engine.errors import KnownError
from engine.messages import Bitmap, GenerateRequest, Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FormedStep:
    """One step of how a picture formed: its index and the preview then."""

    index: int
    preview: Bitmap


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture on the canvas: its file, what made it, and the steps in which it formed, as far as known.

    `request` is the one that makes exactly this picture (count 1, its own seed); None for a file of another day.
    `records` are the keys of the states kept of its steps, by the step's index: a branch can start from these.
    """

    path: str
    recipe: Recipe
    request: GenerateRequest | None = None
    steps: tuple[FormedStep, ...] = ()
    records: Mapping[int, str] = field(default_factory=dict[int, str])
    total: int = 0
    thumbnail: Bitmap | None = None

    @property
    def size_in_memory(self) -> int:
        """Bytes of the previews."""
        return sum(len(step.preview.pixels) for step in self.steps)


def request_of(recipe: Recipe, like: GenerateRequest) -> GenerateRequest:
    """`like` with what the recipe of a picture says, as far as it can be."""
    names = ("prompt", "negative_prompt", "seed", "width", "height", "steps", "guidance_scale", "clip_skip")
    values = {name: value for name in names if (value := getattr(recipe, name)) not in {None, ""}}
    try:
        return replace(like, **values, count=1)
    except KnownError as error:
        # Values of another program, of a kind that cannot be made here.
        log.info("a recipe was not taken over: %s", error)
        return like
