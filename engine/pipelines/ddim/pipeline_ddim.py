"""Unconditional images in few steps: "Denoising Diffusion Implicit Models", https://arxiv.org/abs/2010.02502."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, cast

import torch

from engine.errors import InvalidValue
from engine.images import check_output_type, postprocess
from engine.models.time_embeddings import TimeEmbeddings
from engine.pipelines.base import DiffusionPipeline, ImagePipelineOutput
from engine.pipelines.ddpm.pipeline_ddpm import image_shape
from engine.pipelines.schedule import Scheduler, prepare_schedule
from engine.pipelines.step import Step
from engine.rng import Generators, randn_tensor
from engine.schedulers.ddim import DDIMScheduler

if TYPE_CHECKING:
    from engine.models.unet_2d import UNet2DModel


class DDIMPipeline(DiffusionPipeline):
    """Draws images like those that `unet` was trained on; any scheduler given is turned into DDIM."""

    unet: UNet2DModel
    scheduler: DDIMScheduler

    def __init__(self, unet: UNet2DModel, scheduler: Scheduler) -> None:
        self.register_modules(unet=unet, scheduler=DDIMScheduler.from_config(scheduler.config))

    def __call__(
        self,
        batch_size: int = 1,
        generator: Generators = None,
        eta: float = 0.0,
        num_inference_steps: int = 50,
        use_clipped_model_output: bool | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
    ) -> ImagePipelineOutput | tuple[Any, ...]:
        """Return `batch_size` images; the arguments are those of `steps`."""
        steps = self.steps(batch_size, generator, eta, num_inference_steps, use_clipped_model_output, output_type)
        output = self._drain(steps)
        return output if return_dict else output.to_tuple()

    def steps(
        self,
        batch_size: int = 1,
        generator: Generators = None,
        eta: float = 0.0,
        num_inference_steps: int = 50,
        use_clipped_model_output: bool | None = None,
        output_type: str = "pil",
    ) -> Generator[Step, None, ImagePipelineOutput]:
        """Yield each step of the way from noise to images; the generator's return value holds the images.

        `eta` is the paper's: 0 is deterministic, 1 is DDPM. `use_clipped_model_output` derives the noise from the
        clipped clean sample. `output_type`: "pil", "np" or "pt". Raises `InvalidValue` for what does not fit.
        """
        check_output_type(output_type)
        if not 0.0 <= eta <= 1.0:
            raise InvalidValue(f"eta cannot be {eta}; it goes from 0 (deterministic) to 1 (as much noise as DDPM).")
        shape = image_shape(self.unet, batch_size)
        options = {"eta": eta, "use_clipped_model_output": bool(use_clipped_model_output), "generator": generator}
        return self._denoise(shape, num_inference_steps, options, output_type)

    @torch.no_grad()
    def _denoise(
        self, shape: tuple[int, ...], num_inference_steps: int, options: dict[str, Any], output_type: str
    ) -> Generator[Step, None, ImagePipelineOutput]:
        image = randn_tensor(shape, options["generator"], self.device, self.unet.dtype)
        scheduler = cast("Scheduler", self.scheduler)
        timesteps = prepare_schedule(scheduler, num_inference_steps, self.device)
        self._interrupt = False
        times = TimeEmbeddings(timesteps)
        for index, timestep in enumerate(timesteps):
            if self._interrupt:
                break
            noise = self.unet(image, timestep, step_time=times.at(index)).sample
            less_noisy = scheduler.step(noise, timestep, image, **options)
            step = Step(index, len(timesteps), timestep, less_noisy.prev_sample, less_noisy.pred_original_sample)
            yield step
            image = step.latents
        return ImagePipelineOutput(postprocess(image, output_type))
