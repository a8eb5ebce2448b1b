"""Sample grids and the pipeline they are drawn with: the same that users get."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from engine.models.unet_2d_condition import UNet2DConditionModel
from engine.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from engine.plots import image_grid, save_image
from engine.training.cache import Encoders

BATCH = 16


def make_pipeline(encoders: Encoders, unet: UNet2DConditionModel, scheduler: Any) -> StableDiffusionPipeline:
    """Return the pipeline of these parts, without a safety checker."""
    pipeline = StableDiffusionPipeline(encoders.vae, encoders.text_encoder, encoders.tokenizer, unet, scheduler)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@torch.no_grad()
def save_samples(
    pipeline: StableDiffusionPipeline, prompts: Sequence[str], path: Path, steps: int, guidance: float
) -> None:
    """Draw `prompts`, image i with the seed i, and save them as a grid with the prompts under them."""
    images: list[Any] = []
    for start in range(0, len(prompts), BATCH):
        part = list(prompts[start : start + BATCH])
        generators = [torch.Generator().manual_seed(start + i) for i in range(len(part))]
        result = pipeline(part, num_inference_steps=steps, guidance_scale=guidance, generator=generators)
        images += result.images  # pyright: ignore[reportAttributeAccessIssue]
    save_image(image_grid(images, columns=min(4, len(images)), labels=prompts), path)
