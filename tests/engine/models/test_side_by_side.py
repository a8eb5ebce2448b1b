"""Queries, keys and values by one product: the same numbers, where the three lie side by side and nobody minds."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.models import side_by_side
from engine.models.attention import Attention
from engine.models.exact import Win, without
from engine.models.float8 import keep_in_float8
from engine.models.layout import lay_out
from engine.models.streaming import StreamedBlocks
from engine.models.unet_2d_condition import UNet2DConditionModel
from tests.fixtures.small_unet import small_unet

TOLERANCE = 1e-6


@pytest.fixture(autouse=True)
def here_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be so on a CPU, too."""
    monkeypatch.setattr(side_by_side, "DEVICES", frozenset({"cpu"}))


def attention(**options: Any) -> Attention:
    torch.manual_seed(0)
    return Attention(64, heads=4, dim_head=16, **options).eval()


def products(run: Any) -> list[int]:
    """The rows of the weight of each linear product."""
    rows: list[int] = []
    plain = F.linear

    def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        rows.append(len(weight))
        return plain(x, weight, bias)

    with mock.patch.object(F, "linear", linear):
        run()
    return rows


def distance(result: Tensor, expected: Tensor) -> float:
    return ((result - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@torch.no_grad()
def test_one_product_gives_what_three_give(bias: bool, dtype: torch.dtype) -> None:
    layer = attention(bias=bias).to(dtype)
    tokens = torch.randn(2, 9, 64, dtype=dtype)
    with without(Win.SIDE_BY_SIDE):
        expected = layer(tokens)
        assert products(lambda: layer(tokens)) == [64, 64, 64, 64]
    assert products(lambda: layer(tokens)) == [192, 64]
    assert distance(layer(tokens), expected) <= TOLERANCE


@torch.no_grad()
def test_an_image_is_attended_to_as_ever() -> None:
    layer = attention(norm_num_groups=8, bias=True, residual_connection=True).to("cpu")
    image = torch.randn(2, 64, 3, 5)
    with without(Win.SIDE_BY_SIDE):
        expected = layer(image)
    assert products(lambda: layer(image))[0] == 192
    assert distance(layer(image), expected) <= TOLERANCE


@torch.no_grad()
def test_weights_are_those_of_before_and_take_no_more_memory() -> None:
    layer = attention(bias=True)
    before = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    parameters = dict(layer.named_parameters())
    layer.to("cpu")
    assert dict(layer.named_parameters()) == parameters
    assert all(parameters[name] is one for name, one in layer.named_parameters())
    assert {name: tensor.tolist() for name, tensor in layer.state_dict().items()} == {
        name: tensor.tolist() for name, tensor in before.items()
    }
    memory = {one.weight.untyped_storage().data_ptr() for one in (layer.to_q, layer.to_k, layer.to_v)}
    assert len(memory) == 1
    assert layer.to_q.weight.untyped_storage().nbytes() == 3 * layer.to_q.weight.nbytes
    # Moved again, they stay where they are.
    layer.to("cpu")
    assert {layer.to_v.weight.untyped_storage().data_ptr()} == memory


@torch.no_grad()
def test_what_is_written_into_a_layer_counts() -> None:
    layer = attention().to("cpu")
    tokens = torch.randn(1, 5, 64)
    layer(tokens)
    layer.to_v.weight.mul_(3)
    with without(Win.SIDE_BY_SIDE):
        expected = layer(tokens)
    assert products(lambda: layer(tokens))[0] == 192
    assert distance(layer(tokens), expected) <= TOLERANCE


@pytest.mark.parametrize(("part", "name", "shape"), [("to_k", "weight", (64, 64)), ("to_v", "bias", (64,))])
@torch.no_grad()
def test_a_layer_that_gets_another_weight_or_bias_is_asked_alone(part: str, name: str, shape: tuple[int, ...]) -> None:
    layer = attention(bias=name == "bias").to("cpu")
    tokens = torch.randn(1, 5, 64)
    assert products(lambda: layer(tokens)) == [192, 64]
    setattr(layer.get_submodule(part), name, nn.Parameter(torch.randn(shape)))
    with without(Win.SIDE_BY_SIDE):
        expected = layer(tokens)
    assert products(lambda: layer(tokens)) == [64, 64, 64, 64]
    assert torch.equal(layer(tokens), expected)
    layer.to("cpu")
    assert products(lambda: layer(tokens)) == [192, 64]
    assert distance(layer(tokens), expected) <= TOLERANCE


@torch.no_grad()
def test_layers_of_several_precisions_keep_them() -> None:
    layer = attention()
    layer.to_k.to(torch.float64)
    layer.lay_out()
    assert [one.weight.dtype for one in (layer.to_q, layer.to_k)] == [torch.float32, torch.float64]


@torch.no_grad()
def test_who_listens_to_one_layer_hears_it() -> None:
    layer = attention().to("cpu")
    heard: list[Tensor] = []
    handle = layer.to_k.register_forward_hook(lambda _module, _inputs, output: heard.append(output))
    tokens = torch.randn(1, 5, 64)
    layer(tokens)
    assert len(heard) == 1
    handle.remove()
    assert products(lambda: layer(tokens)) == [192, 64]


@torch.no_grad()
def test_neighbours_in_one_piece_are_one_and_neighbours_by_chance_are_not() -> None:
    layer = attention()
    tokens = torch.randn(1, 5, 64)
    # In the middle of something larger, as blocks have it that come and go.
    memory = torch.randn(5, 64, 64)
    for one, part in zip((layer.to_q, layer.to_k, layer.to_v), memory[1:4], strict=True):
        one.weight.data = part
    with without(Win.SIDE_BY_SIDE):
        expected = layer(tokens)
    assert products(lambda: layer(tokens)) == [192, 64]
    assert distance(layer(tokens), expected) <= TOLERANCE
    # Not in their order.
    layer.to_q.weight.data, layer.to_k.weight.data = memory[2], memory[1]
    assert products(lambda: layer(tokens)) == [64, 64, 64, 64]
    # Neighbours, each in a piece of its own.
    numbers = bytearray(3 * layer.to_q.weight.nbytes)
    for place, one in enumerate((layer.to_q, layer.to_k, layer.to_v)):
        offset = place * one.weight.nbytes
        one.weight.data = torch.frombuffer(numbers, dtype=torch.float32, count=64 * 64, offset=offset).view(64, 64)
    assert layer.to_k.weight.data_ptr() == layer.to_q.weight.data_ptr() + layer.to_q.weight.nbytes
    assert products(lambda: layer(tokens)) == [64, 64, 64, 64]


def test_with_gradients_each_layer_is_asked_alone() -> None:
    layer = attention().to("cpu")
    tokens = torch.randn(1, 5, 64)
    assert products(lambda: layer(tokens).sum().backward()) == [64, 64, 64, 64]
    assert all(one.weight.grad is not None for one in (layer.to_q, layer.to_k, layer.to_v))


@torch.no_grad()
def test_a_unet_predicts_the_same_and_is_saved_as_ever(tmp_path: Path) -> None:
    network, call = small_unet()
    expected = network(**call).sample
    network.to("cpu")
    joined = [rows for rows in products(lambda: network(**call)) if rows % 48 == 0 and rows != 192]
    assert joined
    assert distance(network(**call).sample, expected) <= 1e-5
    network.save_pretrained(tmp_path)
    again = UNet2DConditionModel.from_pretrained(tmp_path)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in network.state_dict().items())


@torch.no_grad()
def test_an_adapter_and_its_end_leave_them_side_by_side() -> None:
    network, _ = small_unet()
    network.to("cpu")
    block: Any = network.get_submodule("down_blocks.0.attentions.0.transformer_blocks.0.attn1")
    tokens = torch.randn(1, 5, 16)
    block.to_q.weight = nn.Parameter(torch.randn(16, 16), requires_grad=False)
    assert products(lambda: block(tokens)) == [16] * 4
    lay_out(network)
    assert products(lambda: block(tokens)) == [48, 16]


@torch.no_grad()
def test_weights_in_eight_bits_stay_what_they_are() -> None:
    network, call = small_unet()
    keep_in_float8(network, torch.float32)
    with without(Win.SIDE_BY_SIDE):
        expected = network(**call).sample
    network.to("cpu")
    assert torch.equal(network(**call).sample, expected)


@torch.no_grad()
def test_blocks_that_come_and_go_keep_to_it() -> None:
    network, call = small_unet()
    with without(Win.SIDE_BY_SIDE):
        expected = network(**call).sample
    streamed = StreamedBlocks(network, torch.device("cpu"))
    streamed.begin()
    assert [rows for rows in products(lambda: network(**call)) if rows in (48, 96)]
    assert distance(network(**call).sample, expected) <= 1e-5
    streamed.end()
    assert distance(network(**call).sample, expected) <= 1e-5
