"""Precisions of single parts: what each takes, how near its pictures are, and what happens where one overflows."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from engine.errors import MissingDependency
from engine.loading.adapters import AdapterStack, AdapterUse
from engine.memory import estimate
from engine.messages import Event, GenerateRequest, ImageDone, ModelLoaded, Notice
from engine.models import float8
from engine.models.convolution import Conv2d
from engine.models.float8 import Float8Conv2d, Float8Linear, keep_in_float8
from engine.models.int8 import keep_in_int8
from engine.pipelines.base import DiffusionPipeline
from engine.run_picture import OVERFLOWED
from engine.run_precision import held_bytes
from engine.runner import Runner
from engine.switches import Switches
from tests.engine.test_runner_adapters import an_adapter
from tests.fixtures.requests import small_request

BFLOAT16 = torch.bfloat16


@pytest.fixture
def request_(tiny_sd_folder: Path, tmp_path: Path) -> GenerateRequest:
    """Three steps of a tiny model into an empty folder."""
    return small_request(tiny_sd_folder, tmp_path, guidance_scale=3.0)


@pytest.fixture
def runner() -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.release()


def play(runner: Runner, request: GenerateRequest, **switches: Any) -> list[Event]:
    events = list(runner.run(replace(request, switches=Switches(**switches))))
    assert any(isinstance(event, ImageDone) for event in events), events[-1]
    return events


def pixels(events: list[Event]) -> np.ndarray[Any, Any]:
    done = next(event for event in events if isinstance(event, ImageDone))
    with Image.open(done.path) as image:
        return np.asarray(image).astype(int)


def held(events: list[Event]) -> dict[str, int]:
    return dict(next(event for event in events if isinstance(event, ModelLoaded)).held)


# ---------------------------------------------------------------------------------------------------- layers


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(64, 48), (5, 64)),
        (nn.Linear(64, 48, bias=False), (5, 64)),
        (Conv2d(8, 12, 3, padding=1), (2, 8, 6, 6)),
        (Conv2d(8, 12, 3, stride=2, padding=1), (2, 8, 6, 6)),
    ],
    ids=str,
)
def test_a_float8_layer_computes_nearly_the_same(layer: nn.Module, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        layer.weight.mul_(0.001)  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
        x = torch.randn(shape)
        packed = Float8Linear(layer) if isinstance(layer, nn.Linear) else Float8Conv2d(layer)  # pyright: ignore[reportArgumentType]
        expected = layer(x)
        # Three bits after the point: a sixteenth at most of each weight, and errors that cancel out.
        assert (packed(x) - expected).norm() < 0.04 * expected.norm()
        assert (packed(x) - expected).norm() > 0
        assert torch.equal(packed.plain(torch.float32)(x), packed(x))
        unscaled = layer.weight.to(torch.float8_e4m3fn).float()  # pyright: ignore[reportAttributeAccessIssue]
        assert (unscaled - layer.weight).norm() > 5 * (packed.weight_in(torch.float32) - layer.weight).norm()  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("dtype", [torch.float32, BFLOAT16, torch.float16], ids=str)
def test_every_8_bit_float_is_widened_to_itself(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(float8, "PIECE", 512)  # some rows at a time
    layer = Float8Linear(nn.Linear(256, 5))
    codes = torch.arange(256, dtype=torch.uint8).view(torch.float8_e4m3fn)
    layer.codes, layer.scale = codes.repeat(5, 1), torch.tensor([1.0, 0.1, 1e-3, 1e-5, 3.0])[:, None]
    exact = codes.double() * layer.scale.double()
    numbers = codes.double().isfinite()  # the two that are none are no weights either
    found = layer.weight_in(dtype)
    assert found.dtype == dtype
    assert torch.equal(found[:, numbers], exact.float().to(dtype)[:, numbers])


def test_a_change_of_precision_leaves_the_eight_bits_alone() -> None:
    layer = Float8Linear(nn.Linear(8, 8))
    codes, scale = layer.codes.clone(), layer.scale.clone()
    layer.to(BFLOAT16)
    assert layer.bias is not None
    assert layer.bias.dtype == BFLOAT16
    assert torch.equal(layer.codes.view(torch.uint8), codes.view(torch.uint8))
    assert torch.equal(layer.scale, scale)


def test_a_float8_network_takes_a_byte_a_weight(tiny_sd_folder: Path) -> None:
    pipeline: Any = DiffusionPipeline.from_pretrained(tiny_sd_folder)
    unet = pipeline.unet
    linear = sum(m.weight.numel() for m in unet.modules() if isinstance(m, nn.Linear | nn.Conv2d))
    ends = unet.conv_in.weight.numel() + unet.conv_out.weight.numel()
    total = sum(parameter.numel() for parameter in unet.parameters())
    outputs = sum(
        m.weight.shape[0]
        for name, m in unet.named_modules()
        if isinstance(m, nn.Linear | nn.Conv2d) and name not in {"conv_in", "conv_out"}
    )
    keep_in_float8(unet, BFLOAT16)
    assert held_bytes(unet) == (linear - ends) + 2 * (total - linear + ends) + 4 * outputs
    assert unet.dtype == BFLOAT16


# ---------------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("part", ["unet", "text", "vae"])
def test_a_part_in_bfloat16_takes_half(runner: Runner, request_: GenerateRequest, part: str) -> None:
    name = {"unet": "unet", "text": "text_encoder", "vae": "vae"}[part]
    whole = play(runner, request_)
    half = play(runner, request_, **{f"{part}_precision": "bfloat16"})
    assert held(half) == held(whole) | {name: held(whole)[name] // 2}
    difference = np.abs(pixels(half) - pixels(whole))
    assert 0 < difference.mean() < 4
    assert np.array_equal(pixels(play(runner, request_)), pixels(whole))


def test_a_float8_unet_makes_nearly_the_same_picture(runner: Runner, request_: GenerateRequest) -> None:
    whole = play(runner, request_)
    small = play(runner, request_, unet_precision="float8")
    assert held(small)["unet"] < 0.4 * held(whole)["unet"]
    assert 0 < np.abs(pixels(small) - pixels(whole)).mean() < 12
    again = play(runner, request_, unet_precision="float8")
    assert np.array_equal(pixels(again), pixels(small))


def test_an_int8_unet_makes_nearly_the_same_picture(runner: Runner, request_: GenerateRequest) -> None:
    whole = play(runner, request_)
    small = play(runner, request_, unet_precision="int8")
    assert held(small)["unet"] < held(whole)["unet"] // 2
    assert 0 < np.abs(pixels(small) - pixels(whole)).mean() < 8


def test_int8_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchao.quantization", None)
    with pytest.raises(MissingDependency, match="pip install torchao"):
        keep_in_int8(nn.Linear(4, 4), BFLOAT16)


def test_an_autoencoder_that_overflows_in_float16_goes_on_in_float32(
    runner: Runner, request_: GenerateRequest, tmp_path: Path
) -> None:
    folder = tmp_path / "models" / "large"
    shutil.copytree(request_.model, folder)
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    weights["decoder.conv_in.weight"] *= 2e4  # the norms after it bring that back
    save_file(weights, path)
    request = replace(request_, model=str(folder), name="large")
    in_float32 = play(runner, request)
    events = play(runner, replace(request, count=2), vae_precision="float16")
    told = [event.message for event in events if isinstance(event, Notice)]
    assert told == [OVERFLOWED]  # once
    assert np.abs(pixels(events) - pixels(in_float32)).mean() < 1


# ---------------------------------------------------------------------------------------------------- beside them


@pytest.mark.parametrize("precision", ["float8", "int8"])
def test_an_adapter_goes_onto_packed_weights_and_leaves_no_trace(
    tiny_sd_folder: Path, tmp_path: Path, precision: str
) -> None:
    pipeline: Any = DiffusionPipeline.from_pretrained(tiny_sd_folder)
    (keep_in_float8 if precision == "float8" else keep_in_int8)(pipeline.unet, BFLOAT16)
    path = tmp_path / "style.safetensors"
    save_file(an_adapter(tiny_sd_folder, 0.5), path)
    sample = torch.ones(1, 4, 8, 8, dtype=BFLOAT16)
    prompt = torch.ones(1, 3, pipeline.unet.config.cross_attention_dim, dtype=BFLOAT16)

    def predicted() -> torch.Tensor:
        with torch.no_grad():
            return pipeline.unet(sample, 5, prompt).sample

    before = predicted()
    stack = AdapterStack(pipeline)
    stack.set([AdapterUse(path)])
    assert stack.report == ()
    assert not torch.equal(predicted(), before)
    stack.clear()
    assert torch.equal(predicted(), before)


def test_the_estimate_knows_of_the_precisions(request_: GenerateRequest) -> None:
    def weights(**switches: Any) -> dict[str, int]:
        return dict(estimate(replace(request_, switches=Switches(**switches))).weights)

    whole = weights()
    assert weights(unet_precision="bfloat16") == whole | {"denoiser": whole["denoiser"] // 2}
    assert weights(vae_precision="bfloat16") == whole | {"vae": whole["vae"] // 2}
    assert weights(text_precision="bfloat16") == whole | {"text": whole["text"] // 2}
    packed = weights(unet_precision="float8")["denoiser"]
    assert 0.25 * whole["denoiser"] < packed < 0.3 * whole["denoiser"]
    assert packed < weights(unet_precision="int8")["denoiser"] < 0.5 * whole["denoiser"]
