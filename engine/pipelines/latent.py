"""`LatentPipeline`: what all pipelines share that denoise latents towards a prompt, beside their loops."""

from __future__ import annotations

import functools
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, cast

import torch
from torch import Tensor

from engine.errors import InvalidValue
from engine.guidance import guidance_scale_embedding
from engine.images import OUTPUT_TYPES, check_output_type
from engine.models.deep_cache import DeepCache
from engine.models.exact import memory_kept
from engine.pipelines.base import DiffusionPipeline, from_older
from engine.pipelines.call import bind_steps
from engine.pipelines.conditions import ConditionPlan, images_of
from engine.pipelines.latents import latent_channels, vae_scale
from engine.pipelines.schedule import Scheduler
from engine.pipelines.step import ResumePoint, Step
from engine.rng import Generators
from engine.switches import OFF, Switches


@dataclass(frozen=True, eq=False, kw_only=True)
class Settings:
    """What every such run has; the `__call__` of the pipelines describes the fields.

    `conditioning` gives the conditions of each step, in place of the prompts; `resume` says where the run goes on;
    `switches` may leave out parts of what the UNet does.
    """

    prompt: str | Sequence[str] | None
    negative_prompt: str | Sequence[str] | None = None
    prompt_embeds: Tensor | None = None
    negative_prompt_embeds: Tensor | None = None
    num_inference_steps: int
    timesteps: Sequence[int] | None = None
    sigmas: Sequence[float] | None = None
    guidance_scale: float
    num_images_per_prompt: int = 1
    eta: float = 0.0
    generator: Generators
    output_type: str
    cross_attention_kwargs: dict[str, Any] | None = None
    clip_skip: int | None = None
    conditioning: ConditionPlan | None = None
    resume: ResumePoint | None = None
    switches: Switches = OFF

    @functools.cached_property
    def deep_cache(self) -> DeepCache | None:
        """What the UNet's deep layers made, kept for some steps; None where it always works whole."""
        every = self.switches.deep_cache
        return DeepCache.resumed(every, {} if self.resume is None else self.resume.carried) if every > 1 else None

    @property
    def images(self) -> int:
        """The number of images."""
        return self.prompt_count * self.num_images_per_prompt

    @property
    def prompt_count(self) -> int:
        """The number of prompts; that of the conditions where there are no prompts."""
        if isinstance(self.prompt, str):
            return 1
        if self.prompt is not None:
            return len(self.prompt)
        if self.prompt_embeds is not None:
            return len(self.prompt_embeds)
        return 1 if self.conditioning is None else images_of(self.conditioning, self.num_inference_steps)


SettingsT = TypeVar("SettingsT", bound=Settings)


class LatentPipeline(DiffusionPipeline, Generic[SettingsT]):
    """Base of the pipelines that denoise latents with a UNet.

    A subclass writes its arguments down in `__call__`, has a dataclass of them in `_settings_type`, and its loop in
    `_denoise`.
    """

    _settings_type: ClassVar[type[Settings]]
    _output_types: ClassVar[Sequence[str]] = (*OUTPUT_TYPES, "latent")

    vae: Any
    unet: Any
    scheduler: Scheduler
    _guidance_scale: float = 7.5
    _num_timesteps: int = 0

    @property
    def vae_scale_factor(self) -> int:
        """Pixels of the picture along one latent pixel."""
        return vae_scale(self.components["vae"])

    @property
    def latent_channels(self) -> int:
        """Channels of the latents."""
        return latent_channels(self.components["vae"])

    @property
    def guidance_scale(self) -> float:
        """The guidance scale of this run; a callback may change it by assigning `_guidance_scale`."""
        return self._guidance_scale

    @property
    def num_timesteps(self) -> int:
        """The number of steps of this run, for callbacks."""
        return self._num_timesteps

    @property
    def do_classifier_free_guidance(self) -> bool:
        """Whether the UNet runs on the negative prompt too: not for models that are told the scale instead."""
        return self._guidance_scale > 1 and self.unet.config.time_cond_proj_dim is None

    # ------------------------------------------------------------------------------------------------ running

    def steps(self, *args: Any, **arguments: Any) -> Generator[Step, None, Any]:
        """Yield each step of the way from noise to picture; the generator's return value is the output.

        Takes the arguments of `__call__` but those of callbacks, and three more: `conditioning`, which gives the
        `engine.guidance.Conditions` of a step from its number and the number of steps and takes the place of the
        prompts; `resume`, a `ResumePoint` from which the run goes on, with the scheduler as it is; and `switches`
        (`engine.switches`), of which the loop minds those on guidance and DeepCache. Closing the generator ends the
        run, and nothing is decoded.
        """
        call = cast("Any", type(self)).__call__
        settings = bind_steps(call, args, arguments, {"conditioning": None, "resume": None, "switches": OFF})
        return self._start(cast("SettingsT", self._settings_type(**settings)))

    @torch.no_grad()
    def decode(self, latents: Tensor, output_type: str = "pil") -> Any:
        """Return the output of a run that ended with `latents`, as with `output_type="latent"`."""
        with memory_kept():
            return cast("Any", self)._output(latents, output_type)

    def _call(self, arguments: dict[str, Any]) -> Any:
        """Run all steps with the arguments of `__call__` and return the result."""
        return_dict = arguments.pop("return_dict")
        callback = arguments.pop("callback_on_step_end")
        names = arguments.pop("callback_on_step_end_tensor_inputs")
        older, every = arguments.pop("callback"), arguments.pop("callback_steps")
        self._check_callback(names)
        if older is not None:
            callback = from_older(older, every, callback)
        settings = cast("SettingsT", self._settings_type(**arguments))
        output = self._drain(self._start(settings), callback, names)
        return output if return_dict else self._as_tuple(output)

    def _as_tuple(self, output: Any) -> tuple[Any, ...]:
        return (output.images,)

    def _start(self, settings: SettingsT) -> Generator[Step, None, Any]:
        self._check(settings)
        return self._carrying(self._denoise(settings), settings.deep_cache)

    def _carrying(self, steps: Generator[Step, None, Any], cache: DeepCache | None) -> Generator[Step, None, Any]:
        """Yield `steps`, each with what `cache` keeps for the next ones."""
        with memory_kept(), closing(steps):
            while True:
                try:
                    step = next(steps)
                except StopIteration as end:
                    return end.value
                if cache is not None:
                    step.carried = {**step.carried, **cache.state()}
                yield step

    def _check(self, settings: SettingsT) -> None:
        """Raise `InvalidValue` for settings that do not fit, before anything is computed."""
        self._require("unet", "scheduler", *(() if settings.output_type == "latent" else ("vae",)))
        check_output_type(settings.output_type, self._output_types)
        if settings.num_images_per_prompt < 1:
            raise InvalidValue(f"num_images_per_prompt cannot be {settings.num_images_per_prompt}; take at least 1.")

    def _check_guided_throughout(self, settings: SettingsT) -> None:
        switches = settings.switches
        if (switches.guidance_from, switches.guidance_until) != (OFF.guidance_from, OFF.guidance_until):
            raise InvalidValue(
                f"{type(self).__name__} is guided by a picture, too, at every step; let guidance last from "
                f"{OFF.guidance_from} to {OFF.guidance_until}."
            )

    def _denoise(self, settings: SettingsT) -> Generator[Step, None, Any]:
        """Yield the steps: the loop."""
        raise NotImplementedError

    def _begin(self, guidance_scale: float) -> None:
        self._guidance_scale = guidance_scale
        self._interrupt = False

    # ------------------------------------------------------------------------------------------------ sizes

    def _side(self, name: str, pixels: int | None, default: int | None) -> int:
        """Return `pixels`, or `default` latent pixels, as latent pixels."""
        scale = self.vae_scale_factor
        if pixels is not None:
            if pixels < scale or pixels % scale:
                raise InvalidValue(f"{name} cannot be {pixels}; it must be a positive multiple of {scale}.")
            return pixels // scale
        if default is None:
            raise InvalidValue(f"the UNet's configuration has no sample_size; give the {name}.")
        return default

    def _latent_size(self, height: int | None, width: int | None, given: Tensor | None = None) -> tuple[int, int]:
        """Return height and width of the latents: those asked for, else those of `given`, else the UNet's own."""
        default = self.unet.config.sample_size
        if isinstance(default, int):
            default = (default, default)
        if given is not None and given.ndim == 4:
            default = given.shape[2:]
        rows, columns = (None, None) if default is None else default
        return self._side("height", height, rows), self._side("width", width, columns)

    def _guidance_embedding(self, images: int) -> Tensor | None:
        """Return what a model distilled from guided ones is told of the guidance scale; None for others."""
        size = self.unet.config.time_cond_proj_dim
        if size is None:
            return None
        scales = torch.full((images,), self._guidance_scale - 1)
        return guidance_scale_embedding(scales, size).to(self.device, self.unet.dtype)
