"""Which kernels are for images of which size: against the images that a network is seen to convolve."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.catalog import EMBEDDED_MODEL, model_folder
from engine.models.resnet import ResnetBlock2D
from engine.models.streaming import StreamedBlocks, blocks_of
from engine.pipelines.convert import save_single_file
from engine.run_kernels import block_numbers, residual_kernels
from engine.run_memory import _streamed_bytes  # pyright: ignore[reportPrivateUsage]
from engine.switches import Switches
from tests.fixtures.requests import small_request
from tests.fixtures.stable_diffusion import Size, stable_diffusion

SIDE = 32


def seen(unet: torch.nn.Module) -> list[tuple[int, tuple[int, int]]]:
    """(times halved, (out_channels, channels)) of every convolution in a residual block, in one call of `unet`."""
    found: list[tuple[int, tuple[int, int]]] = []

    def note(layer: Any, given: tuple[torch.Tensor, ...], _: object) -> None:
        found.append(((SIDE // given[0].shape[-1]).bit_length() - 1, (layer.out_channels, layer.in_channels)))

    for block in unet.modules():
        if isinstance(block, ResnetBlock2D):
            for layer in (block.conv1, block.conv2):
                layer.register_forward_hook(note)
    with torch.no_grad():
        unet(torch.randn(1, 4, SIDE, SIDE), 1, torch.randn(1, 3, unet.cross_attention_dims[0]))
    return sorted(found)


@pytest.mark.parametrize("single_file", [False, True])
@pytest.mark.parametrize("widths", [(16, 32), (8, 16, 32, 32)])
def test_levels_are_those_of_the_images(widths: tuple[int, ...], single_file: bool, tmp_path: Path) -> None:
    pipeline = stable_diffusion(Size(unet=widths))
    if single_file:
        location = tmp_path / "model.safetensors"
        save_single_file(pipeline, location)
    else:
        location = tmp_path / "model"
        pipeline.save_pretrained(location)
    assert sorted(residual_kernels(location)) == seen(pipeline.unet)


@pytest.mark.parametrize("single_file", [False, True])
def test_blocks_are_those_that_come_one_by_one(single_file: bool, tmp_path: Path) -> None:
    pipeline = stable_diffusion(Size(unet=(16, 32, 64)))
    location = tmp_path / ("model.safetensors" if single_file else "model")
    if single_file:
        save_single_file(pipeline, location)
    else:
        pipeline.save_pretrained(location)
    unet = pipeline.unet
    expected = sorted(sum(one.numel() for one in block.parameters()) for block in blocks_of(unet))
    found = block_numbers(location)
    between = found.pop("")
    assert sorted(found.values()) == expected
    assert between == sum(one.numel() for one in unet.parameters()) - sum(expected)
    request = small_request(location, tmp_path)
    weights = sum(one.nbytes for one in unet.parameters())
    estimated = _streamed_bytes(request, weights)
    streamed = StreamedBlocks(unet, torch.device("cpu"))
    streamed.begin()
    assert estimated == pytest.approx(streamed.held, rel=0.05)
    assert _streamed_bytes(replace(request, switches=Switches(unet_precision="int8")), weights) == weights
    assert estimated < 0.6 * weights


def test_the_embedded_model_has_one_level() -> None:
    kernels = residual_kernels(model_folder(EMBEDDED_MODEL))
    assert {level for level, _ in kernels} == {0}
    assert len(kernels) == 2 * 5
