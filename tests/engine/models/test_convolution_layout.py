"""Kernels on a GPU: laid out with the channels last, and nothing else about them changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.models import convolution
from engine.models.convolution import Conv2d
from engine.models.streaming import StreamedBlocks
from engine.models.unet_2d_condition import UNet2DConditionModel

UNET: dict[str, Any] = {
    "block_out_channels": (16, 32),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 24,
    "norm_num_groups": 8,
    "attention_head_dim": 4,
    "layers_per_block": 1,
}


def network_and_call() -> tuple[UNet2DConditionModel, dict[str, Any]]:
    torch.manual_seed(0)
    network = UNet2DConditionModel(**UNET).eval()
    return network, {
        "sample": torch.randn(2, 4, 8, 8),
        "timestep": 431,
        "encoder_hidden_states": torch.randn(2, 7, 24),
    }


def kernels(network: UNet2DConditionModel) -> list[Tensor]:
    return [m.weight for m in network.modules() if isinstance(m, Conv2d) and m.kernel_size == (3, 3)]


def test_a_processor_keeps_them_as_the_file_has_them() -> None:
    network, _ = network_and_call()
    network.to(torch.bfloat16).to("cpu")
    assert all(weight.is_contiguous() for weight in kernels(network))


@pytest.fixture
def laid_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU."""
    monkeypatch.setattr(convolution, "reads_channels_last", lambda _weight: True)


@pytest.mark.usefixtures("laid_out")
@torch.no_grad()
def test_laid_out_they_give_the_same_and_are_saved_as_ever(tmp_path: Path) -> None:
    network, call = network_and_call()
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


@pytest.mark.usefixtures("laid_out")
@torch.no_grad()
def test_laid_out_they_come_and_go_with_their_blocks() -> None:
    network, call = network_and_call()
    expected = network(**call).sample
    network.to("cpu")
    streamed = StreamedBlocks(network, torch.device("cpu"))
    streamed.begin()
    torch.testing.assert_close(network(**call).sample, expected, atol=1e-5, rtol=1e-5)
    streamed.end()
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in kernels(network))
