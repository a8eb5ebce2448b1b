"""Decoding in tiles: no seam that an eye could find, and a very large picture in little memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from engine.catalog import EMBEDDED_MODEL, model_folder
from engine.memory import PLANS, TILE
from engine.models.autoencoder_kl import AutoencoderKL
from engine.pipelines.base import DiffusionPipeline
from engine.run_memory import apply_plan

TILED = next(plan for plan in PLANS if plan.tiled)


@pytest.fixture(scope="module")
def pipeline() -> Any:
    return DiffusionPipeline.from_pretrained(model_folder(EMBEDDED_MODEL))


@pytest.fixture(scope="module")
def vae(pipeline: Any) -> AutoencoderKL:
    return pipeline.vae


@pytest.fixture(scope="module")
@torch.no_grad()
def latents(vae: AutoencoderKL) -> Tensor:
    """Those of a picture of the model, one and a quarter tiles wide."""
    with Image.open(model_folder(EMBEDDED_MODEL) / "sample.png") as image:
        wide = image.convert("RGB").resize((640, 365)).crop((0, 0, 640, 256))
    pixels = torch.from_numpy(np.asarray(wide).copy()).permute(2, 0, 1)[None] / 127.5 - 1
    return vae.encode(pixels).latent_dist.mode()


@torch.no_grad()
def decoded(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """The picture in levels of 8 bits."""
    return vae.decode(latents).sample[0] * 127.5


def steps(error: Tensor) -> Tensor:
    """How much `error` (3, height, width) changes from each column to the next, in levels."""
    return error.diff(dim=-1).abs().mean(dim=(0, 1))


def test_tiles_leave_no_seam(pipeline: Any, vae: AutoencoderKL, latents: Tensor) -> None:
    apply_plan(pipeline, PLANS[0])
    whole = decoded(vae, latents)
    apply_plan(pipeline, TILED)
    assert (vae.use_tiling, vae.use_slicing, vae.tile_sample_min_size) == (True, True, TILE)
    blend = int(TILE * vae.tile_overlap_factor)
    soft = steps(decoded(vae, latents) - whole)
    vae.tile_overlap_factor = 0.0
    hard = steps(decoded(vae, latents) - whole)
    vae.tile_overlap_factor = 0.25
    apply_plan(pipeline, PLANS[0])
    assert torch.equal(decoded(vae, latents), whole)
    # Where a tile begins and where it has taken over, the error changes as anywhere, and by less than a level.
    usual = soft.quantile(0.9)
    for column in (TILE - blend - 1, TILE - blend, TILE - 1, TILE):
        assert soft[column] <= usual
        assert soft[column] < 1
    # Tiles side by side are a seam that this measure finds.
    assert hard[TILE - 1] > 5 * usual


LARGE = """
import torch
from pathlib import Path
from engine.images import postprocess
from engine.memory import TILE
from engine.models.autoencoder_kl import AutoencoderKL
from tests.engine.memory_child import status

vae = AutoencoderKL(
    down_block_types=("DownEncoderBlock2D",) * 4,
    up_block_types=("UpDecoderBlock2D",) * 4,
    block_out_channels=(128, 256, 512, 512),
    layers_per_block=2,
    sample_size=TILE,
).eval()
vae.enable_tiling()
with torch.no_grad():
    (picture,) = postprocess(vae.decode(torch.randn(1, 4, 512, 512)).sample, "pil")
assert picture.size == (4096, 4096)
print(status("VmHWM"))
"""


@pytest.mark.campaign
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_4096_pixels_are_decoded_in_6_gb() -> None:
    """The autoencoder of Stable Diffusion 1 at its true size; hours on two cores."""
    root = Path(__file__).resolve().parents[3]
    child = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=False, cwd=root)
    assert child.returncode == 0, child.stderr
    assert int(child.stdout) < 6 * 2**30
