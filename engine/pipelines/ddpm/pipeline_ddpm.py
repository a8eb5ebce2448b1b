"""Unconditional images: "Denoising Diffusion Probabilistic Models", https://arxiv.org/abs/2006.11239, algorithm 2."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import torch

from engine.errors import InvalidValue
from engine.images import check_output_type, postprocess
from engine.models.time_embeddings import TimeEmbeddings
from engine.pipelines.base import DiffusionPipeline, ImagePipelineOutput
from engine.pipelines.schedule import Scheduler, prepare_schedule, step_options
from engine.pipelines.step import Step
from engine.rng import Generators, randn_tensor

if TYPE_CHECKING:
    from engine.models.unet_2d import UNet2DModel


class DDPMPipeline(DiffusionPipeline):
    """Draws images like those that `unet` was trained on."""

    unet: UNet2DModel
    scheduler: Scheduler

    def __init__(self, unet: UNet2DModel, scheduler: Scheduler) -> None:
        self.register_modules(unet=unet, scheduler=scheduler)

    def __call__(
        self,
        batch_size: int = 1,
        generator: Generators = None,
        num_inference_steps: int = 1000,
        output_type: str = "pil",
        return_dict: bool = True,
    ) -> ImagePipelineOutput | tuple[Any, ...]:
        """Return `batch_size` images; the arguments are those of `steps`."""
        output = self._drain(self.steps(batch_size, generator, num_inference_steps, output_type))
        return output if return_dict else output.to_tuple()

    def steps(
        self,
        batch_size: int = 1,
        generator: Generators = None,
        num_inference_steps: int = 1000,
        output_type: str = "pil",
    ) -> Generator[Step, None, ImagePipelineOutput]:
        """Yield each step of the way from noise to images; the generator's return value holds the images.

        `output_type`: "pil", "np" or "pt". Raises `InvalidValue` for arguments that do not fit.
        """
        check_output_type(output_type)
        shape = image_shape(self.unet, batch_size)
        return self._denoise(shape, generator, num_inference_steps, output_type)

    @torch.no_grad()
    def _denoise(
        self, shape: tuple[int, ...], generator: Generators, num_inference_steps: int, output_type: str
    ) -> Generator[Step, None, ImagePipelineOutput]:
        image = randn_tensor(shape, generator, self.device, self.unet.dtype)
        timesteps = prepare_schedule(self.scheduler, num_inference_steps, self.device)
        options = step_options(self.scheduler, generator=generator)
        self._interrupt = False
        times = TimeEmbeddings(timesteps)
        for index, timestep in enumerate(timesteps):
            if self._interrupt:
                break
            model_input = self.scheduler.scale_model_input(image, timestep)
            noise = self.unet(model_input, timestep, step_time=times.at(index)).sample
            less_noisy = self.scheduler.step(noise, timestep, image, **options)
            step = Step(index, len(timesteps), timestep, less_noisy.prev_sample, less_noisy.pred_original_sample)
            yield step
            image = step.latents
        return ImagePipelineOutput(postprocess(image, output_type))


def image_shape(unet: UNet2DModel, batch_size: int) -> tuple[int, ...]:
    """Return the shape (batch, channels, height, width) of the images that `unet` was trained on."""
    size = unet.config.sample_size
    if size is None:
        raise InvalidValue("the UNet's configuration has no sample_size, so the size of its images is not known.")
    if batch_size < 1:
        raise InvalidValue(f"batch_size cannot be {batch_size}; it must be at least 1.")
    height, width = (size, size) if isinstance(size, int) else size
    return batch_size, unet.config.in_channels, height, width
