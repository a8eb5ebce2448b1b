"""Classes chosen by task and by folder, as Diffusers' AutoPipelines choose them, over shared parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import pytest

import engine
from engine._exports import PIPELINES
from engine.catalog import FAMILIES
from engine.errors import InvalidValue, MissingFile, UnknownName
from engine.pipelines.auto import TASKS, for_task
from tests.fixtures import reference_families as families
from tests.fixtures import reference_pipelines as reference
from tests.fixtures.reference_families import difference, mask, picture
from tests.fixtures.reference_pipelines import TOLERANCE, generator

reference.quiet()

AUTO = {
    "text-to-image": "AutoPipelineForText2Image",
    "image-to-image": "AutoPipelineForImage2Image",
    "inpaint": "AutoPipelineForInpainting",
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {
        "stable-diffusion": families.stable_diffusion("StableDiffusionPipeline"),
        "stable-diffusion-xl": families.stable_diffusion_xl(),
        "lcm": families.stable_diffusion("LatentConsistencyModelPipeline", time_cond_proj_dim=32),
    }
    made["lcm"].scheduler = diffusers.LCMScheduler(**reference.scheduler_config())
    return {name: reference.saved(pipeline, tmp_path_factory.mktemp("model")) for name, pipeline in made.items()}


@pytest.mark.parametrize("family", ["stable-diffusion", "stable-diffusion-xl", "lcm"])
def test_the_same_class_as_the_reference(folders: dict[str, Path], family: str) -> None:
    whole = engine.DiffusionPipeline.from_pretrained(folders[family])
    for task, name in AUTO.items():
        if task not in TASKS[family]:
            continue
        wanted = getattr(diffusers, name).from_pretrained(folders[family])
        loaded = getattr(engine, name).from_pretrained(folders[family])
        shared = getattr(engine, name).from_pipe(whole)
        assert type(loaded).__name__ == type(shared).__name__ == type(wanted).__name__ == TASKS[family][task]
        assert shared.unet is whole.unet
        assert shared.vae is whole.vae
        assert for_task(whole, task).unet is whole.unet
        back = for_task(shared, "text-to-image")
        assert type(back) is type(whole)
        assert back.config == whole.config


def test_one_model_does_three_tasks(folders: dict[str, Path]) -> None:
    """Each like the reference's pipeline made of the same folder."""
    theirs = diffusers.AutoPipelineForText2Image.from_pretrained(folders["stable-diffusion"])
    ours: Any = engine.DiffusionPipeline.from_pretrained(folders["stable-diffusion"])
    options: dict[str, Any] = {"prompt": "a cat", "num_inference_steps": 3, "output_type": "np"}
    for task, more in (
        ("text-to-image", {}),
        ("image-to-image", {"image": picture(), "strength": 0.8}),
        ("inpaint", {"image": picture(), "mask_image": mask()}),
    ):
        reference_pipeline = getattr(diffusers, AUTO[task]).from_pipe(theirs)
        reference_pipeline.set_progress_bar_config(disable=True)
        pipeline: Any = for_task(ours, task)
        expected = reference_pipeline(generator=generator(), **options, **more).images
        assert difference(pipeline(generator=generator(), **options, **more).images, expected) <= TOLERANCE


def test_what_has_no_class(folders: dict[str, Path], tmp_path: Path) -> None:
    lcm = engine.DiffusionPipeline.from_pretrained(folders["lcm"])
    with pytest.raises(UnknownName, match="has no class for inpaint; its models do text-to-image, image-to-image"):
        for_task(lcm, "inpaint")
    with pytest.raises(UnknownName, match="there is no task 'paint'"):
        for_task(lcm, "paint")
    with pytest.raises(UnknownName, match="no tasks for DDPMPipeline"):
        for_task(engine.DDPMPipeline(None, engine.DDPMScheduler()), "inpaint")  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidValue, match="UNet has 4 input channels; edit takes 8"):
        for_task(engine.DiffusionPipeline.from_pretrained(folders["stable-diffusion"]), "edit")
    with pytest.raises(InvalidValue, match=r"made with AutoPipelineForInpainting.from_pretrained\(folder\)"):
        engine.AutoPipelineForInpainting()
    with pytest.raises(MissingFile, match="is not a folder"):
        engine.AutoPipelineForInpainting.from_pretrained(tmp_path / "none")


def test_every_class_of_the_catalogue_exists() -> None:
    named = {name for family in FAMILIES for name in (family.pipeline, *family.others)}
    assert named == {name for tasks in TASKS.values() for name in tasks.values()}
    assert named <= set(PIPELINES)
    for name in PIPELINES:
        assert getattr(engine, name).__name__ == name


@pytest.mark.parametrize("name", sorted(name for tasks in TASKS.values() for name in tasks.values()))
def test_arguments_are_those_of_the_reference(name: str) -> None:
    """Names, order and defaults of `__call__`, without those of image prompt adapters."""
    import inspect

    ours = {key: entry.default for key, entry in inspect.signature(getattr(engine, name).__call__).parameters.items()}
    theirs = inspect.signature(getattr(diffusers, name).__call__).parameters
    wanted = {key: entry.default for key, entry in theirs.items() if not key.startswith(("ip_adapter", "kwargs"))}
    assert [key for key in ours if key in wanted] == list(wanted)
    assert set(ours) - set(wanted) <= {
        "callback",
        "callback_steps",
        "callback_on_step_end",
        "callback_on_step_end_tensor_inputs",
    }
    for key, default in wanted.items():
        assert ours[key] == (tuple(default) if isinstance(default, list) else default), key


def test_switches_of_the_autoencoder(folders: dict[str, Path]) -> None:
    pipeline: Any = engine.DiffusionPipeline.from_pretrained(folders["stable-diffusion"], low_cpu_mem_usage=False)
    pipeline.enable_vae_slicing()
    pipeline.enable_vae_tiling()
    assert (pipeline.vae.use_slicing, pipeline.vae.use_tiling) == (True, True)
    pipeline.disable_vae_slicing()
    pipeline.disable_vae_tiling()
    assert (pipeline.vae.use_slicing, pipeline.vae.use_tiling) == (False, False)
    with pytest.raises(InvalidValue, match="has no autoencoder with tiling"):
        engine.StableDiffusionPipeline.from_pipe(pipeline, vae=None).enable_vae_tiling()
