"""What the next picture will be made of: the one truth that prompt, model and scheduler panels show and change."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Generic, Literal, TypeVar, overload

from PySide6.QtCore import QObject, Signal

from app.services.styles import Style, with_styles
from app.state.recipe_fields import OURS, more_fields, prompt_with_loras
from engine.catalog import EMBEDDED_MODEL, LIMITS, ModelInfo, find_scheduler, scheduler_entry
from engine.errors import KnownError, UnknownName
from engine.messages import GenerateRequest, Recipe
from engine.switches import OFF, Switches

T = TypeVar("T")
What = Literal["everything", "prompt", "seed"]

# A random seed has as many digits as one can read out; the field takes all up to 2**64 - 1.
RANDOM_SEEDS = 2**32


class Field(Generic[T]):
    """A value of the state that says when it changes."""

    def __init__(self, default: T) -> None:
        self.default = default
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, state: None, owner: type) -> Field[T]: ...
    @overload
    def __get__(self, state: GenerationState, owner: type) -> T: ...
    def __get__(self, state: GenerationState | None, owner: type) -> Field[T] | T:
        return self if state is None else state.values.get(self.name, self.default)

    def __set__(self, state: GenerationState, value: T) -> None:
        state.set(self.name, value)


class _Follower(QObject):
    """Shows a value as long as its owner lives: a plain function would outlive the widgets it fills."""

    def __init__(self, state: GenerationState, name: str, show: Callable[[Any], None], owner: QObject) -> None:
        super().__init__(owner)
        self._state, self._name, self._show = state, name, show

    def follow(self, changed: str) -> None:
        if changed == self._name:
            self._show(getattr(self._state, changed))


class GenerationState(QObject):
    """The values of the next request.

    `count` pictures are made a press. `styles` are names of `known_styles`, whose fragments join the prompts in the
    request. `memory_plan` is that of the picture whose recipe was taken over, until its size or model is left. Unless
    `seed_locked`, every press draws a new seed. `info` is what the model's files say, None while it
    is not known, and for good where the model is `refused`.

    Signals:
        changed(str): the value of this name is another one.
        info_changed(object): the `ModelInfo` of the chosen model, or None.
        applied(object): a `Recipe` was taken over.
    """

    changed = Signal(str)
    info_changed = Signal(object)
    applied = Signal(object)

    prompt = Field("")
    negative_prompt = Field("")
    prompt_syntax = Field("a1111")
    styles: Field[tuple[str, ...]] = Field(())
    model = Field(EMBEDDED_MODEL)
    vae = Field("")
    dtype = Field("float32")
    device = Field("auto")
    scheduler = Field("dpmsolver++")
    sigma_schedule = Field("default")
    steps = Field(20)
    guidance_scale = Field(7.0)
    guidance_rescale = Field(0.0)
    seed = Field(0)
    seed_locked = Field(False)
    width = Field(512)
    height = Field(512)
    count = Field(1)
    clip_skip: Field[int | None] = Field(None)
    init_image = Field("")
    mask_image = Field("")
    strength = Field(0.75)
    hires_scale = Field(1.0)
    hires_steps = Field(0)
    hires_strength = Field(0.5)
    switches: Field[Switches] = Field(OFF)
    memory_plan = Field("")
    folder = Field("")
    name = Field("{date}-{time}-{seed}")
    previews = Field(True)
    record = Field(True)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.values: dict[str, Any] = {"seed": secrets.randbelow(RANDOM_SEEDS)}
        self.known_styles: dict[str, Style] = {}
        self._info: ModelInfo | None = None
        self.refused = False
        self._last_seed: int | None = None
        self._adopt = True

    # ------------------------------------------------------------------------------------------------ values

    def set(self, name: str, value: Any) -> None:
        """Give the field `name` another value."""
        if getattr(self, name) == value:
            return
        self.values[name] = value
        if name == "model":
            self._info, self.refused = None, False
            self.info_changed.emit(None)
        self.changed.emit(name)
        if name in _PLANNED:
            self.memory_plan = ""

    def default(self, name: str) -> Any:
        """What `name` is reset to: what the model does best with, else the program's own default."""
        if self._info is not None and name in _FROM_MODEL:
            return getattr(self._info, name)
        if name == "seed":
            return secrets.randbelow(RANDOM_SEEDS)
        return FIELDS[name].default

    def reset(self, name: str) -> None:
        """Give `name` its default."""
        self.set(name, self.default(name))

    def bind(self, name: str, owner: QObject, show: Callable[[Any], None]) -> None:
        """Call `show` with the value of `name` now and whenever it changes, as long as `owner` lives."""

        show(getattr(self, name))
        self.changed.connect(_Follower(self, name, show, owner).follow)

    # ------------------------------------------------------------------------------------------------ model

    @property
    def info(self) -> ModelInfo | None:
        """What the chosen model's files say."""
        return self._info

    def choose_model(self, location: str, *, adopt: bool = True) -> None:
        """Make pictures with the model at `location`; with `adopt` also with the settings it does best with."""
        self._adopt = adopt
        self.model = location

    def set_info(self, location: str, info: ModelInfo) -> None:
        """Take note of what the files of the model at `location` say, unless another one was chosen meanwhile."""
        if location != self.model:
            return
        self._info, self.refused = info, False
        adopt, self._adopt = self._adopt, False
        if adopt:
            for name in _FROM_MODEL:
                self.set(name, getattr(info, name))
        self.info_changed.emit(info)

    def refuse(self) -> None:
        """Take note that the chosen model cannot be used."""
        self._info, self.refused = None, True
        self.info_changed.emit(None)

    # ------------------------------------------------------------------------------------------------ seed

    @property
    def last_seed(self) -> int | None:
        """The seed of the last press, None before the first."""
        return self._last_seed

    def draw_seed(self) -> None:
        """Choose a seed by chance."""
        self.seed = secrets.randbelow(RANDOM_SEEDS)

    def reuse_seed(self) -> None:
        """Take the seed of the last press again, and keep it."""
        if self._last_seed is not None:
            self.seed = self._last_seed
            self.seed_locked = True

    # ------------------------------------------------------------------------------------------------ requests

    def request(self) -> GenerateRequest:
        """The job that would start now.

        Raises:
            InvalidValue: a value cannot be; the sentence says which and what can.
        """
        styles = [self.known_styles[name] for name in self.styles if name in self.known_styles]
        prompt, negative = with_styles(self.prompt, self.negative_prompt, styles)
        if self._info is not None:
            self._info.check_scheduler(self.scheduler, self.sigma_schedule)
            self._info.check_size(self.width, self.height)
        values: dict[str, Any] = {name: getattr(self, name) for name in FIELDS if name not in _NOT_IN_REQUEST}
        values["prompt"], values["negative_prompt"] = prompt, negative
        return GenerateRequest(**values)

    def press(self) -> GenerateRequest:
        """The job of one press on Generate: `request`, with a new seed unless that is locked; `InvalidValue` alike."""
        if not self.seed_locked and self._last_seed is not None:
            self.draw_seed()
        request = self.request()
        self._last_seed = request.seed
        return request

    def apply(self, recipe: Recipe, what: What = "everything") -> list[str]:
        """Take over what `recipe` says; returns a sentence for each part that could not be.

        A model or scheduler that this program does not know leaves the chosen one in place.
        """
        left: list[str] = []
        if what in {"everything", "prompt"}:
            self.styles = ()
            self.prompt = prompt_with_loras(recipe) if what == "everything" else recipe.prompt
            self.negative_prompt = recipe.negative_prompt
        if what in {"everything", "seed"} and recipe.seed is not None:
            self.seed, self.seed_locked = recipe.seed, True
        if what == "everything":
            self._apply_model(recipe)
            left = [*self._apply_scheduler(recipe), *self._apply_numbers(recipe), *self._apply_more(recipe)]
            self.applied.emit(recipe)
        return left

    def _apply_model(self, recipe: Recipe) -> None:
        if recipe.model and recipe.model != self.model:
            self.choose_model(recipe.model, adopt=False)

    def _apply_scheduler(self, recipe: Recipe) -> list[str]:
        if recipe.scheduler is None:
            return []
        schedule = recipe.sigma_schedule or "default"
        try:
            entry = scheduler_entry(recipe.scheduler)
        except UnknownName:
            try:
                entry, found = find_scheduler(recipe.scheduler)
            except UnknownName as error:
                return [str(error)]
            schedule = recipe.sigma_schedule or found
        self.scheduler = entry.name
        self.sigma_schedule = schedule if schedule in entry.sigma_schedules else "default"
        return []

    def _apply_numbers(self, recipe: Recipe) -> list[str]:
        left: list[str] = []
        for name in ("steps", "guidance_scale", "guidance_rescale", "width", "height"):
            value = getattr(recipe, name)
            if value is None:
                continue
            try:
                LIMITS[name].check(value)
            except KnownError as error:
                left.append(str(error))
                continue
            self.set(name, value)
        self.clip_skip = recipe.clip_skip
        return left

    def _apply_more(self, recipe: Recipe) -> list[str]:
        """Take over what only some pictures have; a picture of ours that does not say them was made without them."""
        found, unread = more_fields(dict(recipe.extras))
        ours = (recipe.program or "").startswith(OURS)
        for name in _MORE:
            if name in found:
                self.set(name, found[name])
            elif ours:
                self.set(name, FIELDS[name].default)
        return [f"The recipe's value for {name} cannot be read." for name in unread if name in _MORE]

    # ------------------------------------------------------------------------------------------------ between runs

    def to_json(self) -> dict[str, Any]:
        """What the next start begins with."""
        return {name: getattr(self, name) for name in FIELDS if name not in _NOT_KEPT}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `to_json` gave; values of a wrong kind are passed over."""
        for name, value in saved.items():
            field = FIELDS.get(name)
            if field is None or name in _NOT_KEPT:
                continue
            if name == "styles":
                self.styles = tuple(filter(_is_text, value)) if isinstance(value, list) else ()
            elif _kind_fits(name, field.default, value) and (name not in LIMITS or _within(name, value)):
                self.set(name, value)
        # A choice of last time is not replaced by what the model does best with.
        self._adopt = "steps" not in saved


FIELDS: dict[str, Field[Any]] = {
    name: field for name, field in vars(GenerationState).items() if isinstance(field, Field)
}
_NOT_IN_REQUEST = {"styles", "seed_locked"}
# The start picture before its mask, which belongs to it.
_MORE = (
    *("prompt_syntax", "vae", "init_image", "mask_image", "strength", "hires_scale", "hires_steps", "hires_strength"),
    *("switches", "memory_plan"),
)
# What a memory plan was chosen for.
_PLANNED = {"model", "vae", "dtype", "device", "width", "height", "hires_scale", "init_image"}
_NOT_KEPT = {"folder", "name", "previews", "record", "device", "dtype", "mask_image", "switches", "memory_plan"}
_FROM_MODEL = ("scheduler", "sigma_schedule", "steps", "guidance_scale", "guidance_rescale", "width", "height")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _kind_fits(name: str, default: object, value: object) -> bool:
    if name == "clip_skip":
        return value is None or isinstance(value, int)
    return isinstance(value, type(default)) or (isinstance(default, float) and isinstance(value, int))


def _within(name: str, value: Any) -> bool:
    if value is None:
        return True
    try:
        LIMITS[name].check(value)
    except KnownError:
        return name == "prompt" and isinstance(value, str)
    return True
