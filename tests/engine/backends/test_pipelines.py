"""Pipelines make the same pictures with the networks of a back end, know nothing of it, and are left at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import engine
from engine.backends.parts import Backend, BackendUNet, Computed
from engine.cancel import cancellable
from engine.errors import Cancelled, InvalidValue
from tests.fixtures.stable_diffusion import Size, stable_diffusion

Pair = tuple[Any, Any]


def nothing() -> None:
    pass


def pictures(pipeline: Any, **arguments: Any) -> np.ndarray[Any, Any]:
    generator = torch.Generator().manual_seed(3)
    return pipeline("a red apple", num_inference_steps=3, output_type="np", generator=generator, **arguments).images


def same(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    return one.shape == other.shape and float(np.abs(one - other).max()) <= 1e-3


@pytest.mark.parametrize(
    "arguments",
    [{"height": 32, "width": 48}, {"guidance_scale": 1.0}, {"num_images_per_prompt": 2}, {"clip_skip": 1}],
    ids=str,
)
def test_the_same_picture(pair: Pair, arguments: dict[str, Any]) -> None:
    pipeline, there = pair
    assert same(pictures(pipeline, **arguments), pictures(there, **arguments))
    assert (there.device, there.dtype) == (pipeline.device, pipeline.dtype)


@pytest.mark.parametrize("task", ["Img2Img", "Inpaint"])
def test_starting_from_a_picture(pair: Pair, task: str) -> None:
    kind = getattr(engine, type(pair[0]).__name__.replace("Pipeline", f"{task}Pipeline"))
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    mask = Image.fromarray(np.tri(32, 32, dtype=np.uint8) * 255)
    given: dict[str, Any] = {"image": Image.fromarray(noise), "strength": 0.7}
    if task == "Inpaint":
        given |= {"mask_image": mask, "height": 32, "width": 32}
    original, there = (kind.from_pipe(one) for one in pair)
    for one in (original, there):
        one.set_progress_bar_config(disable=True)
    assert same(pictures(original, **given), pictures(there, **given))


def test_tiles(pairs: Callable[[bool], Pair]) -> None:
    pair = pairs(False)
    assert pair[0].vae.tile_latent_min_size == pair[1].vae.tile_latent_min_size
    size = {"height": 96, "width": 64}
    for pipe in pair:
        pipe.enable_vae_tiling()
    try:
        assert same(pictures(pair[0], **size), pictures(pair[1], **size))
    finally:
        for pipe in pair:
            pipe.disable_vae_tiling()


def test_words_of_ones_own_and_masked_words(pairs: Callable[[bool], Pair]) -> None:
    from engine.prompts import encode, plan

    words = {"zylph": {"text_encoder": torch.randn(2, 16, generator=torch.Generator().manual_seed(0))}}
    planned = plan("a zylph (apple)0.5 on a table", "", "compel", 2)
    one, other = (encode(pipe, planned, None, None, words)(0, 2) for pipe in pairs(False))
    torch.testing.assert_close(other.positive[0][0], one.positive[0][0], rtol=0, atol=1e-4)


def test_what_the_graph_does_not_have_is_said(backend: Backend) -> None:
    pipeline = stable_diffusion()
    unet = backend.part("unet", pipeline.unet, nothing)
    assert isinstance(unet, BackendUNet)
    sample, tokens = torch.zeros(1, 4, 8, 8), torch.zeros(1, 5, 16)
    with pytest.raises(InvalidValue, match="without a ControlNet; choose the back end torch"):
        unet(sample, 1, tokens, down_block_additional_residuals=[], mid_block_additional_residual=sample)
    with pytest.raises(InvalidValue, match="without a T2I-Adapter"):
        unet(sample, 1, tokens, down_intrablock_additional_residuals=[sample])
    with pytest.raises(InvalidValue, match="without attention masks"):
        unet(sample, 1, tokens, encoder_attention_mask=torch.ones(1, 5))
    with pytest.raises(InvalidValue, match="without cross_attention_kwargs"):
        unet(sample, 1, tokens, cross_attention_kwargs={"scale": 0.5})
    with pytest.raises(InvalidValue, match="without DeepCache"):
        unet(sample, 1, tokens, deep_cache=object())
    with pytest.raises(InvalidValue, match="Token merging works with the back end torch only"):
        unet.set_token_merging(0.5)
    with pytest.raises(InvalidValue, match="needs encoder_hidden_states"):
        unet(sample, 1, None)


# Large enough that a step takes longer than the time between two looks at the flag.
LARGE = Size(unet=(64, 128))


def test_cancelled_inside_a_step_and_whole_afterwards(backend: Backend) -> None:
    there = backend.part("unet", stable_diffusion(LARGE).unet, nothing)
    inputs = torch.randn(1, 4, 48, 48), 500, torch.randn(1, 20, 16)
    cancel = threading.Event()
    with torch.no_grad():
        expected = there(*inputs).sample
        timer = threading.Timer(0.1, cancel.set)
        with pytest.raises(Cancelled), cancellable([there], cancel):
            timer.start()
            while True:
                there(*inputs)
        # Neither is the model broken, nor does the flag stay.
        torch.testing.assert_close(there(*inputs).sample, expected, rtol=1e-5, atol=1e-5)


def test_a_step_that_runs_is_ended(backend: Backend) -> None:
    """The flag is set once the computation runs: what is left of it is not computed."""
    there: Any = backend.part("unet", stable_diffusion(LARGE).unet, nothing)
    inputs = torch.randn(1, 4, 48, 48), 500, torch.randn(1, 20, 16)
    looks: list[int] = []

    def leave_at_the_second() -> None:
        looks.append(1)
        if len(looks) == 2:  # the first is before it starts
            raise Cancelled

    with torch.no_grad():
        there(*inputs)
        there.between_pieces = leave_at_the_second
        with pytest.raises(Cancelled):
            there(*inputs)
    assert len(looks) == 2


def test_released_and_back(backend: Backend) -> None:
    unet = stable_diffusion().unet
    there = backend.part("unet", unet, nothing)
    assert isinstance(there, Computed)
    inputs = torch.randn(1, 4, 8, 8), 500, torch.randn(1, 20, 16)
    with torch.no_grad():
        before = there(*inputs).sample
        there.release()
        assert torch.equal(there(*inputs).sample, before)
