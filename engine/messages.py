"""What goes to the engine and what comes back: frozen, made of plain values, safe to hand from thread to thread.

A `GenerateRequest` is complete: with the model's files it determines the picture. A job answers with events in this
order: `JobStarted`, `ModelLoading` and `ModelLoaded` (only when another model has to be loaded), for each picture its
`StepDone`s and one `ImageDone`, and at the end exactly one of `JobDone`, `JobCancelled` and `JobFailed`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self, get_args

from engine.catalog import LIMITS, scheduler_entry
from engine.errors import InvalidValue
from engine.switches import OFF, Switches

DTYPES = ("float32", "float16", "bfloat16")
MEMORY_MODES = ("auto", "fast", "balanced", "low")
# The names of `engine.memory.PLANS`.
MEMORY_PLANS = ("resident", "text", "tiles", "in turn", "streamed", "in pieces")
OnExisting = Literal["rename", "replace", "fail"]
PromptSyntax = Literal["a1111", "compel", "plain"]
_LIMITED = (
    *("steps", "guidance_scale", "guidance_rescale", "width", "height", "count", "seed"),
    *("strength", "hires_scale", "hires_steps", "hires_strength"),
)
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


@dataclass(frozen=True, slots=True)
class BranchPoint:
    """The state after step `step` (from 0) that is kept under the key `record`: a run goes on from there."""

    record: str
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRequest:
    """One job: a prompt, everything else that makes its pictures, and where they go.

    Picture `i` of `count` has the seed `seed + i` and is made on its own, so that each can be made again alone.
    `model` is a folder or a file, `vae` one that replaces its autoencoder; `scheduler`, `sigma_schedule` are names of
    `engine.catalog`; `clip_skip` counts skipped last layers of the text encoder. `name` is the file name without
    `.png`, in which `{seed}`, `{date}`, `{time}` and `{prompt}` are filled in; `on_existing` says what to do when the
    file is there already.

    `init_image` makes it image to image, by `strength` (1 keeps nothing of it); `mask_image`, white where it is
    made anew, makes it inpainting. A `hires_scale` above 1 adds a second pass at that many times the size, of
    `hires_steps` steps (0: as many as `steps`) and `hires_strength`. With `record` the state after each step is kept;
    `start` goes on from such a state. The precision "auto" is float32 on a CPU, elsewhere what the file has. `switches`
    make it faster or smaller, and the picture a little different. `memory_plan` ("" for none) names the plan whose
    rounding it has, as a recipe says it: tiles are decoded as tiles again, however much memory there is.

    Raises:
        InvalidValue: a value is outside its limits (`engine.catalog.LIMITS`); nothing is corrected silently.
    """

    prompt: str
    model: str
    scheduler: str
    steps: int
    guidance_scale: float
    seed: int
    width: int
    height: int
    folder: str
    negative_prompt: str = ""
    sigma_schedule: str = "default"
    guidance_rescale: float = 0.0
    clip_skip: int | None = None
    count: int = 1
    device: str = "cpu"
    dtype: str = "float32"
    name: str = "{date}-{time}-{seed}"
    on_existing: OnExisting = "rename"
    previews: bool = True
    job_id: str = ""
    prompt_syntax: PromptSyntax = "a1111"
    vae: str = ""
    init_image: str = ""
    mask_image: str = ""
    strength: float = 0.75
    hires_scale: float = 1.0
    hires_steps: int = 0
    hires_strength: float = 0.5
    record: bool = False
    start: BranchPoint | None = None
    switches: Switches = OFF
    memory_plan: str = ""

    def __post_init__(self) -> None:
        _check_text("prompt", self.prompt)
        _check_text("negative prompt", self.negative_prompt)
        for field in _LIMITED:
            LIMITS[field].check(getattr(self, field))
        if self.clip_skip is not None:
            LIMITS["clip_skip"].check(self.clip_skip)
        LIMITS["seed"].check(self.seed + self.count - 1)
        scheduler_entry(self.scheduler).check_sigma_schedule(self.sigma_schedule)
        if _DEVICE.fullmatch(self.device) is None:
            raise InvalidValue(f"The device {self.device!r} is unknown; choose auto, cpu, cuda, cuda:N or mps.")
        if self.dtype not in ("auto", *DTYPES):
            raise InvalidValue(f"The precision {self.dtype!r} is unknown; choose auto or one of {', '.join(DTYPES)}.")
        if self.prompt_syntax not in get_args(PromptSyntax):
            known = ", ".join(get_args(PromptSyntax))
            raise InvalidValue(f"The prompt syntax {self.prompt_syntax!r} is unknown; choose one of {known}.")
        if self.memory_plan not in ("", *MEMORY_PLANS):
            raise InvalidValue(
                f"The memory plan {self.memory_plan!r} is unknown; choose one of {', '.join(MEMORY_PLANS)}."
            )

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Self:
        """The request of plain values, as JSON has them; names that are not known here are passed over.

        Raises:
            InvalidValue: a value is no longer allowed.
            TypeError: one has the wrong type, or one that is needed is missing.
        """
        known = {field.name for field in fields(cls)}
        given = {name: value for name, value in values.items() if name in known}
        if given.get("start") is not None:
            given["start"] = BranchPoint(**given["start"])
        if "switches" in given:
            given["switches"] = Switches.from_json(given["switches"])
        return cls(**given)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """What the engine is told once and not with every job; nothing of it changes what a picture shows.

    `records` is the folder of the kept steps (None keeps none), of at most `records_bytes`; `wildcards`, `adapters` and
    `embeddings` are folders in which names of prompts are looked up. After `idle_seconds` without a job the model is
    released; 0 never does.

    `memory_mode` chooses the plan (`engine.memory`): the quickest that fits ("auto"), everything in memory ("fast"),
    the text encoder released and large pictures decoded in tiles ("balanced"), or the one that needs least ("low").
    `fine_previews` shows steps through a tiny autoencoder where the model has one beside it or in the folders
    `autoencoders`.

    Raises:
        InvalidValue: there is no such memory mode.
    """

    records: str | None = None
    records_bytes: int = 2 * 2**30
    wildcards: str | None = None
    adapters: tuple[str, ...] = ()
    embeddings: tuple[str, ...] = ()
    idle_seconds: float = 0.0
    memory_mode: str = "auto"
    fine_previews: bool = False
    autoencoders: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.memory_mode not in MEMORY_MODES:
            known = ", ".join(MEMORY_MODES)
            raise InvalidValue(f"The memory mode {self.memory_mode!r} is unknown; choose one of {known}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What made one picture, as far as its file tells; None where it does not.

    `scheduler` and `sigma_schedule` are names of `engine.catalog` where the file's name for them is known, else the
    file's own words. `model_fingerprint` tells versions of a model apart. `extras` keeps what has no place here.
    """

    prompt: str = ""
    negative_prompt: str = ""
    model: str | None = None
    model_name: str | None = None
    model_fingerprint: str | None = None
    scheduler: str | None = None
    sigma_schedule: str | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    guidance_rescale: float | None = None
    seed: int | None = None
    width: int | None = None
    height: int | None = None
    clip_skip: int | None = None
    device: str | None = None
    dtype: str | None = None
    program: str | None = None
    extras: tuple[tuple[str, str], ...] = ()

    @classmethod
    def known_keys(cls) -> tuple[str, ...]:
        """The names of the fields, in their order."""
        return tuple(field.name for field in fields(cls))


@dataclass(frozen=True, slots=True)
class Bitmap:
    """A small picture as bytes: `height` rows of `width` pixels, 8-bit RGB, no padding."""

    width: int
    height: int
    pixels: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to the job `job_id`."""

    job_id: str

    def to_json(self) -> dict[str, Any]:
        """The event as JSON values under its name in `event`, without the pixels of its bitmaps."""
        content: dict[str, Any] = {"event": event_name(self)}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Recipe):
                value = {
                    key: getattr(value, key) for key in Recipe.known_keys() if getattr(value, key) not in {None, ()}
                }
            if value is not None and not isinstance(value, Bitmap):
                content[field.name] = value
        return content


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStarted(Event):
    """The engine took the job up; `count` pictures of `steps` steps will follow."""

    count: int
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLoading(Event):
    """The model in the folder `model` is being loaded."""

    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLoaded(Event):
    """The model is ready on `device` in precision `dtype`, after `seconds`; `held`: the bytes of its parts by name."""

    model: str
    device: str
    dtype: str
    seconds: float
    held: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone(Event):
    """Step `index` of `total` of picture `image` (both from 0) took `seconds`; `preview` shows the predicted image.

    `record` is the key of the state kept after this step, "" where none is.
    """

    image: int
    index: int
    total: int
    timestep: float
    seconds: float
    preview: Bitmap | None = None
    record: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDone(Event):
    """Picture `image` (from 0) is a complete file at `path`."""

    image: int
    path: str
    thumbnail: Bitmap
    recipe: Recipe
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Event):
    """Something the user should know while the job goes on, such as that less memory is tried."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReleased(Event):
    """The model in the folder or file `model` was let go of, and its memory returned."""

    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReady(Event):
    """The engine can begin at once: its libraries are loaded. Belongs to no job."""

    job_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDone(Event):
    """All pictures of the job are made, in `seconds` altogether."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCancelled(Event):
    """The job was left on request; pictures announced before stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailed(Event):
    """The job ended with an error.

    `kind` is the name of the error's class. A known error's `message` is for the user and `report` is empty; for any
    other error `report` holds the traceback. `wrong_input` says that the request or the model's files are at fault.
    """

    kind: str
    message: str
    report: str = ""
    wrong_input: bool = False

    @classmethod
    def known(cls, job_id: str, error: Exception, *, wrong_input: bool) -> Self:
        """The event for an error whose text is meant for the user."""
        return cls(job_id=job_id, kind=type(error).__name__, message=str(error), wrong_input=wrong_input)


def event_name(event: object) -> str:
    """The name of an event for machines: `StepDone` is "step_done"."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()


def _check_text(what: str, text: str) -> None:
    if len(text) > LIMITS["prompt"].maximum:
        raise InvalidValue(
            f"The {what} has {len(text):,} characters; at most {LIMITS['prompt'].maximum:,} are taken, so shorten it."
        )
    if "\0" in text or not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise InvalidValue(f"The {what} {text[:40]!r} holds bytes that are not text; type it again.")
