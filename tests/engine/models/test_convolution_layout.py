"""Kernels on a GPU: laid out with the channels last, and nothing else about them changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.models import convolution
from engine.models.convolution import Conv2d
from engine.models.streaming import StreamedBlocks
from engine.models.unet_2d_condition import UNet2DConditionModel
from tests.fixtures.small_unet import small_unet


def kernels(network: UNet2DConditionModel) -> list[Tensor]:
    return [m.weight for m in network.modules() if isinstance(m, Conv2d) and m.kernel_size == (3, 3)]


def test_a_processor_keeps_them_as_the_file_has_them() -> None:
    network, _ = small_unet()
    network.to(torch.bfloat16).to("cpu")
    assert all(weight.is_contiguous() for weight in kernels(network))


@pytest.fixture
def laid_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU."""
    monkeypatch.setattr(convolution, "reads_channels_last", lambda _dtype, _device: True)


@pytest.mark.usefixtures("laid_out")
@torch.no_grad()
def test_laid_out_they_give_the_same_and_are_saved_as_ever(tmp_path: Path) -> None:
    network, call = small_unet()
    expected = network(**call).sample
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    parameters = list(network.parameters())
    network.to("cpu")
    assert all(one is other for one, other in zip(network.parameters(), parameters, strict=True))
    assert kernels(network)
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in kernels(network))
    assert not any(weight.is_contiguous() for weight in kernels(network))
    torch.testing.assert_close(network(**call).sample, expected, atol=1e-5, rtol=1e-5)
    network.save_pretrained(tmp_path)
    again = UNet2DConditionModel.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(tensor, before[name]) for name, tensor in again.items())


@pytest.mark.parametrize(
    ("dtype", "device", "capability", "expected"),
    [
        (torch.float16, "cuda", (8, 0), True),
        (torch.bfloat16, "cuda:1", (9, 0), True),
        (torch.float32, "cuda", (8, 0), False),
        (torch.float16, "cuda", (6, 1), False),
        (torch.float16, "mps", (8, 0), False),
        (torch.bfloat16, "cpu", (8, 0), False),
    ],
)
def test_which_cards_read_them_so(
    dtype: torch.dtype, device: str, capability: tuple[int, int], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)
    assert convolution.reads_channels_last(dtype, torch.device(device)) == expected


def test_they_lie_as_before_where_they_are_read_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = Conv2d(4, 6, 3), Conv2d(4, 6, 1)
    as_made = [layer.weight.stride() for layer in layers]
    narrow = {torch.bfloat16}
    monkeypatch.setattr(convolution, "reads_channels_last", lambda dtype, _device: dtype in narrow)
    for layer in layers:
        layer.to(torch.bfloat16)
    assert [layer.weight.stride() for layer in layers] == [(36, 1, 12, 4), (4, 1, 4, 4)]
    for layer in layers:
        layer.to(torch.float32)
    assert [layer.weight.stride() for layer in layers] == as_made
    # What somebody else has laid out is left so.
    layers[0].to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    assert layers[0].weight.stride() == (36, 1, 12, 4)
    layers[0].to(torch.float64)
    assert layers[0].weight.stride() == (36, 1, 12, 4)


@pytest.mark.usefixtures("laid_out")
@pytest.mark.parametrize("before", [True, False], ids=["laid out before", "laid out as they are gathered"])
@torch.no_grad()
def test_laid_out_they_come_and_go_with_their_blocks(before: bool) -> None:
    network, call = small_unet()
    expected = network(**call).sample
    if before:
        network.to("cpu")
    streamed = StreamedBlocks(network, torch.device("cpu"))
    streamed.begin()
    torch.testing.assert_close(network(**call).sample, expected, atol=1e-5, rtol=1e-5)
    streamed.end()
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in kernels(network))
