"""The model that ships: a plain Stable Diffusion folder, small, and the same picture here as in Diffusers."""

from __future__ import annotations

import json
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from engine import StableDiffusionPipeline
from engine.catalog import read_model
from engine.preview import FILE_NAME, read_preview
from engine.resources_path import resource
from tests.fixtures import reference_pipelines as reference
from tests.fixtures.reference_pipelines import generator

reference.quiet()
# The reference hands tensors to numpy, which numpy 2 does not like.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

PROMPT = "red apple, 3d icon"


@pytest.fixture(scope="module")
def folder() -> Path:
    return resource("models", "sfumato-icons")


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> StableDiffusionPipeline:
    pipeline = StableDiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def test_it_is_small_and_half_precision(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 40_000_000
    for path in folder.rglob("*.safetensors"):
        with safe_open(path, "np") as weights:
            assert {weights.get_slice(key).get_dtype() for key in weights.keys()} == {"F16"}, path  # noqa: SIM118


def test_it_says_where_it_comes_from(folder: Path) -> None:
    card = (folder / "README.md").read_text(encoding="utf-8")
    sources = json.loads((folder / "SOURCES.json").read_text(encoding="utf-8"))
    for package in sources["packages"]:
        assert f"`{package['name']}` {package['version']}" in card
        assert package["licence"] in (folder / "LICENSES.md").read_text(encoding="utf-8")
    assert "@" not in card.replace("`@", ""), "a figure of the card was not filled in"


def test_its_defaults_are_those_of_the_card(folder: Path) -> None:
    info = read_model(folder)
    assert (info.width, info.height, info.size_multiple) == (128, 128, 16)
    assert f"{info.steps} steps, guidance {info.guidance_scale:g}" in (folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("seed", "size", "guidance"), [(1, (128, 128), 5.0), (2, (96, 160), 1.0)])
def test_diffusers_makes_the_same_picture(
    folder: Path, pipeline: StableDiffusionPipeline, seed: int, size: tuple[int, int], guidance: float
) -> None:
    theirs = diffusers.StableDiffusionPipeline.from_pretrained(folder)
    theirs.set_progress_bar_config(disable=True)
    options = {"height": size[0], "width": size[1], "guidance_scale": guidance, "num_inference_steps": 20}
    expected = theirs(PROMPT, generator=generator(seed), output_type="np", **options).images
    given = pipeline(PROMPT, generator=generator(seed), output_type="np", **options).images
    assert given.shape == expected.shape == (1, *size, 3)
    assert np.abs(given - expected).max() < 1e-3


def test_its_picture_is_the_one_we_looked_at(pipeline: StableDiffusionPipeline, root: Path) -> None:
    golden = np.asarray(Image.open(root / "tests" / "golden" / "red-apple.png")).astype(int)
    image = pipeline(PROMPT, num_inference_steps=20, guidance_scale=5.0, generator=generator(1)).images[0]
    # Kernels of other processors round otherwise; what a person sees stays.
    assert np.abs(np.asarray(image).astype(int) - golden).max() <= 8


def test_the_preview_resembles_the_picture(folder: Path, pipeline: StableDiffusionPipeline) -> None:
    options = {"num_inference_steps": 20, "guidance_scale": 5.0, "generator": generator(1)}
    latents = pipeline(PROMPT, output_type="latent", **options).images
    with torch.no_grad():
        picture = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample.clamp(-1, 1)
    shown = read_preview(folder / "vae" / FILE_NAME, pipeline.latent_channels)(latents)
    pixels = torch.frombuffer(bytearray(shown.pixels), dtype=torch.uint8).reshape(shown.height, shown.width, 3)
    small = torch.nn.functional.interpolate(picture, (shown.height, shown.width), mode="area")[0].movedim(0, -1)
    correlation = torch.corrcoef(torch.stack([pixels.flatten().float(), small.flatten()]))[0, 1]
    assert correlation > 0.8
