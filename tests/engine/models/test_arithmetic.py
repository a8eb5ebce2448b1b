"""Narrow weights on a processor without instructions for them: computed with in float32."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import Tensor, nn

from engine import cancel
from engine.cancel import cancellable
from engine.models import arithmetic, linear
from engine.models.arithmetic import computes_wider, is_quick
from engine.models.attention import Attention
from engine.models.convolution import Conv2d
from engine.models.exact import Win, without
from engine.models.int8 import keep_in_int8
from engine.models.linear import Linear
from engine.models.unet_2d_condition import UNet2DConditionModel

NARROW = [torch.bfloat16, torch.float16]


@pytest.fixture(params=NARROW, ids=str)
def dtype(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.dtype:
    """A precision, on a processor without instructions for it."""
    monkeypatch.setattr(arithmetic, "is_quick", lambda _dtype: False)
    return request.param


def distance(value: Tensor, truth: Tensor) -> float:
    return ((value.double() - truth.double()).abs().max() / truth.double().abs().max()).item()


@pytest.mark.parametrize(
    "layer",
    [
        Linear(96, 40),
        Linear(96, 40, bias=False),
        Conv2d(96, 40, 3, padding=1),
        Conv2d(96, 40, 1, bias=False),
        Conv2d(96, 40, 3, stride=2, padding=1),
        Conv2d(256, 256, 3, padding=1),
    ],
    ids=str,
)
@torch.no_grad()
def test_a_layer_is_rounded_once(layer: nn.Module, dtype: torch.dtype) -> None:
    """The result is the exact one of these weights and this input, rounded to the precision."""
    layer = layer.to(dtype)
    width = layer.weight.shape[1]
    x = (torch.randn(2, 30, width) if isinstance(layer, Linear) else torch.randn(2, width, 9, 11)).to(dtype)
    result = layer(x)
    assert result.dtype == dtype
    assert layer.weight.dtype == dtype
    truth = type(layer).forward(layer.double(), x.double())
    assert distance(result, truth) <= torch.finfo(dtype).eps / 2 + 1e-6


@torch.no_grad()
def test_a_unet(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(cross_attention_dim=64, block_out_channels=(32, 64, 64, 64)).to(dtype).eval()
    latents, prompt = torch.randn(1, 4, 16, 16).to(dtype), torch.randn(1, 7, 64).to(dtype)

    def predicted() -> Tensor:
        return unet(latents, 500, prompt, return_dict=False)[0]

    wide = predicted()
    assert wide.dtype == dtype
    with without(Win.WIDER):
        plain = predicted()
    unet, latents, prompt = unet.double(), latents.double(), prompt.double()
    assert distance(wide, predicted()) <= 1.1 * distance(plain, predicted())
    assert not torch.equal(wide, plain)


@torch.no_grad()
def test_a_long_convolution_is_still_done_in_pieces(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancel, "PIECE_OPERATIONS", 1e6)
    conv, x = Conv2d(32, 32, 3, padding=1).to(dtype), torch.randn(1, 32, 64, 64).to(dtype)
    whole = conv(x)
    with cancellable([conv], threading.Event()):
        assert distance(conv(x), whole) <= torch.finfo(dtype).eps


def test_where_it_is_left_alone(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients, autocast, float32 and processors with instructions."""
    x = torch.zeros(1, dtype=dtype)
    assert not computes_wider(x)
    with torch.no_grad():
        assert computes_wider(x)
        assert not computes_wider(x.float())
        with torch.autocast("cpu", torch.bfloat16):
            assert not computes_wider(x)
        monkeypatch.setattr(arithmetic, "is_quick", lambda _dtype: True)
        assert not computes_wider(x)


@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() != "AVX2", reason="about processors with AVX2 alone")
@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_the_processor_is_asked(dtype: torch.dtype) -> None:
    assert not is_quick(dtype)


@torch.no_grad()
def test_an_attention_is_computed_in_float32(dtype: torch.dtype) -> None:
    attention = Attention(32, heads=4, dim_head=8).to(dtype)
    x, mask = torch.randn(2, 9, 32).to(dtype), torch.zeros(2, 9, dtype=dtype).masked_fill(torch.rand(2, 9) < 0.3, -1e4)
    result = attention(x, attention_mask=mask)
    assert result.dtype == dtype
    with without(Win.WIDER):
        plain = attention(x, attention_mask=mask)
    truth = attention.double()(x.double(), attention_mask=mask.double())
    assert distance(result, truth) <= max(1.1 * distance(plain, truth), torch.finfo(dtype).eps)


@torch.no_grad()
@pytest.mark.parametrize("bias", [True, False])
def test_a_large_weight_is_widened_in_pieces(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch, bias: bool) -> None:
    layer, x = Linear(96, 41, bias=bias).to(dtype), torch.randn(2, 30, 96).to(dtype)
    whole = layer(x)
    monkeypatch.setattr(linear, "WIDENED_NUMBERS", 96 * 8)
    assert distance(layer(x), whole) <= torch.finfo(dtype).eps


@torch.no_grad()
def test_a_large_weight_of_int8_is_widened_in_pieces(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the embedded model, but every larger one has such layers."""
    pytest.importorskip("torchao")
    layer = nn.Sequential(Linear(96, 41))
    keep_in_int8(layer, dtype)
    x = torch.randn(2, 30, 96).to(dtype)
    whole = layer(x)
    monkeypatch.setattr(linear, "WIDENED_NUMBERS", 96 * 8)
    assert distance(layer(x), whole) <= torch.finfo(dtype).eps


def named(cpu: str, *, matrix_units: bool) -> dict[str, object]:
    return {"cpu_name": cpu, "amx_bf16": matrix_units}


@pytest.mark.parametrize(
    ("processor", "quick"),
    [
        (named("Intel Xeon", matrix_units=False), False),
        (named("Intel Xeon", matrix_units=True), True),
        (named("AMD EPYC", matrix_units=False), True),
        ({}, True),
    ],
)
def test_bfloat16_is_not_quick_by_intel_vector_instructions(
    monkeypatch: pytest.MonkeyPatch, processor: dict[str, object], quick: bool
) -> None:
    """On a processor that has instructions for it; none without any."""
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: processor, raising=False)
    is_quick.cache_clear()
    assert is_quick(torch.bfloat16) == quick
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    is_quick.cache_clear()
    assert not is_quick(torch.bfloat16)
    is_quick.cache_clear()
