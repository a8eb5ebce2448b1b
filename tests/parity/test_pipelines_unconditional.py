"""`DDPMPipeline` and `DDIMPipeline` against Diffusers: the final picture from the same generator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

import engine
from engine.errors import InvalidValue
from engine.schedulers.ddim import DDIMScheduler
from tests.fixtures import reference_pipelines as reference
from tests.fixtures.reference_pipelines import TOLERANCE, generator

reference.quiet()


def pair(
    folder: Path, name: str, scheduler: str, unet: dict[str, Any] | None = None, **options: Any
) -> tuple[Any, engine.DiffusionPipeline]:
    """Return the reference's pipeline and ours, loaded from what it saved."""
    network = reference.unconditional_unet(**(unet or {}))
    theirs = getattr(diffusers, name)(unet=network, scheduler=getattr(diffusers, scheduler)(**options))
    theirs.set_progress_bar_config(disable=True)
    return theirs, engine.DiffusionPipeline.from_pretrained(reference.saved(theirs, folder))


def difference(ours: Any, theirs: Any) -> float:
    return float(np.abs(np.asarray(ours) - np.asarray(theirs)).max())


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_ddpm(tmp_path: Path, prediction_type: str, batch_size: int) -> None:
    theirs, ours = pair(tmp_path, "DDPMPipeline", "DDPMScheduler", prediction_type=prediction_type)
    assert type(ours) is engine.DDPMPipeline
    options: dict[str, Any] = {"batch_size": batch_size, "num_inference_steps": 5, "output_type": "np"}
    wanted = theirs(generator=generator(), **options).images
    assert wanted.shape == (batch_size, 10, 12, 3)
    assert difference(ours(generator=generator(), **options).images, wanted) <= TOLERANCE
    assert difference(ours(generator=generator(6), **options).images, wanted) > 100 * TOLERANCE


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize(
    ("eta", "use_clipped_model_output", "batch_size"), [(0.0, None, 1), (0.5, True, 3), (1.0, False, 1)]
)
def test_ddim(
    tmp_path: Path, prediction_type: str, eta: float, use_clipped_model_output: bool | None, batch_size: int
) -> None:
    theirs, ours = pair(tmp_path, "DDIMPipeline", "DDIMScheduler", prediction_type=prediction_type)
    options: dict[str, Any] = {
        "batch_size": batch_size,
        "eta": eta,
        "use_clipped_model_output": use_clipped_model_output,
        "num_inference_steps": 5,
        "output_type": "np",
    }
    wanted = theirs(generator=generator(), **options).images
    assert difference(ours(generator=generator(), **options).images, wanted) <= TOLERANCE


def test_ddim_pipeline_turns_any_scheduler_into_ddim(tmp_path: Path) -> None:
    theirs, ours = pair(tmp_path, "DDPMPipeline", "DDPMScheduler", beta_schedule="squaredcos_cap_v2")
    converted = engine.DDIMPipeline.from_pipe(ours)
    assert type(converted.scheduler) is DDIMScheduler
    assert converted.unet is ours.unet
    wanted = diffusers.DDIMPipeline(**theirs.components)
    wanted.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": 4, "output_type": "np"}
    same = converted(generator=generator(), **options).images
    assert difference(same, wanted(generator=generator(), **options).images) <= TOLERANCE


def test_a_generator_for_each_image(tmp_path: Path) -> None:
    """Three pictures of three generators are those that each makes alone."""
    theirs, ours = pair(tmp_path, "DDIMPipeline", "DDIMScheduler")
    options = {"num_inference_steps": 3, "output_type": "np", "eta": 1.0}
    seeds = (1, 2, 3)
    wanted = theirs(batch_size=3, generator=[generator(seed) for seed in seeds], **options).images
    got = ours(batch_size=3, generator=[generator(seed) for seed in seeds], **options).images
    assert difference(got, wanted) <= TOLERANCE
    alone = np.concatenate([ours(generator=generator(seed), **options).images for seed in seeds])
    assert difference(got, alone) <= TOLERANCE
    with pytest.raises(InvalidValue, match="2 generators do not fit 3 images"):
        ours(batch_size=3, generator=[generator(), generator()], **options)


def test_output_types(tmp_path: Path) -> None:
    theirs, ours = pair(tmp_path, "DDPMPipeline", "DDPMScheduler", unet={"in_channels": 1, "out_channels": 1})
    for output_type in ("pil", "np", "pt"):
        options = {"num_inference_steps": 2, "output_type": output_type, "batch_size": 2}
        wanted = theirs(generator=generator(), **options)
        got = ours(generator=generator(), **options)
        assert type(got.images) is type(wanted.images)
        for mine, their in zip(got.images, wanted.images, strict=True):
            assert difference(mine, their) <= TOLERANCE
    assert got[0] is got.images
    assert ours(num_inference_steps=1, output_type="pil").images[0].mode == "L"
    (images,) = ours(num_inference_steps=1, return_dict=False)
    assert len(images) == 1


def test_steps_can_be_watched_changed_and_left(tmp_path: Path) -> None:
    _, ours = pair(tmp_path, "DDPMPipeline", "DDPMScheduler")
    steps = ours.steps(generator=generator(), num_inference_steps=4, output_type="pt")
    seen = []
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            result = end.value
            break
        seen.append((step.index, step.total, int(step.timestep)))
        assert step.pred_original_sample.shape == step.latents.shape
        if step.index == 3:
            step.latents = torch.full_like(step.latents, 0.5)
    assert seen == [(0, 4, 750), (1, 4, 500), (2, 4, 250), (3, 4, 0)]
    assert torch.equal(result.images, torch.full((1, 3, 10, 12), 0.75))
    left = ours.steps(num_inference_steps=4)
    next(left)
    left.close()
    with pytest.raises(StopIteration):
        next(left)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"output_type": "jpeg"}, "output_type cannot be 'jpeg'.*'pil'"),
        ({"batch_size": 0}, "batch_size cannot be 0"),
        ({"eta": 1.5}, "eta cannot be 1.5"),
        ({"num_inference_steps": 0}, "num_inference_steps"),
    ],
)
def test_wrong_arguments(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    _, ours = pair(tmp_path, "DDIMPipeline", "DDIMScheduler")
    with pytest.raises(InvalidValue, match=words):
        ours(**options)


def test_a_unet_without_a_size(tmp_path: Path) -> None:
    _, ours = pair(tmp_path, "DDPMPipeline", "DDPMScheduler", unet={"sample_size": None})
    with pytest.raises(InvalidValue, match="sample_size"):
        ours(num_inference_steps=1)
