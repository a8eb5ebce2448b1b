"""Blocks that come to the device in turn compute what they compute in memory, and only two of them are ever there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.models.float8 import keep_in_float8
from engine.models.resnet import ResnetBlock2D
from engine.models.streaming import StreamedBlocks, blocks_of
from engine.models.unet_2d_condition import UNet2DConditionModel

CPU = torch.device("cpu")
NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=NO_GPU)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Where blocks work; on a GPU copies and work go on at the same time."""
    return torch.device(request.param)


def unet() -> UNet2DConditionModel:
    """A small one with all kinds of blocks, and random weights."""
    torch.manual_seed(0)
    return UNet2DConditionModel(
        block_out_channels=(32, 64),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16,
        norm_num_groups=8,
        attention_head_dim=4,
        sample_size=16,
    ).eval()


def streaming(network: nn.Module, device: torch.device) -> StreamedBlocks:
    streamed = StreamedBlocks(network, device)
    streamed.begin()
    return streamed


@torch.no_grad()
def predicted(network: UNet2DConditionModel, seed: int = 1) -> Tensor:
    generator, device = torch.Generator().manual_seed(seed), network.conv_in.weight.device
    sample, tokens = (torch.randn(shape, generator=generator).to(device) for shape in ((2, 4, 16, 16), (2, 5, 16)))
    return network(sample, 7, tokens, return_dict=False)[0]


def plain_bytes(network: nn.Module) -> int:
    return sum(parameter.nbytes for parameter in network.parameters())


class TestStreamedBlocks:
    def test_the_same_numbers_call_after_call(self, device: torch.device) -> None:
        network: Any = unet().to(device)
        expected = [predicted(network, seed) for seed in range(6)]
        streamed = streaming(network.to(CPU), device)
        assert all(torch.equal(predicted(network, seed), expected[seed]) for seed in range(6))
        streamed.end()
        assert torch.equal(predicted(network.to(device), 0), expected[0])

    def test_two_places_and_what_lies_between_the_blocks(self) -> None:
        network = unet()
        streamed = streaming(network, CPU)
        largest = max(sum(tensor.nbytes for tensor in block.parameters()) for block in blocks_of(network))
        inside = sum(sum(tensor.nbytes for tensor in block.parameters()) for block in blocks_of(network))
        rest = plain_bytes(network) - inside
        assert 2 * largest + rest <= streamed.held < 2.2 * largest + rest
        assert streamed.held < 0.5 * plain_bytes(network)

    def test_from_the_second_call_on_each_block_is_there_before_it_is_wanted(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        network = unet()
        streamed = streaming(network, CPU)
        lane: Any = vars(streamed)["_lane"]
        inside: list[nn.Module] = []
        copied: list[bool] = []
        copy = lane.copy
        monkeypatch.setattr(lane, "copy", lambda *of: (copied.append(bool(inside)), copy(*of)))
        for block in blocks_of(network):
            block.register_forward_pre_hook(lambda module, _inputs: inside.append(module))
        predicted(network)
        predicted(network)  # the first block comes after the last one of the call before
        copied.clear()
        predicted(network)
        assert len(copied) == len(list(blocks_of(network)))

    def test_weights_of_a_block_lie_in_a_place_only_while_it_works(self) -> None:
        network = unet()
        streamed = streaming(network, CPU)
        places = [place.memory for place in vars(streamed)["_places"]]
        seen: list[bool] = []

        def in_a_place(tensor: Tensor) -> bool:
            return any(memory.data_ptr() <= tensor.data_ptr() < memory.data_ptr() + memory.nbytes for memory in places)

        blocks = list(blocks_of(network))
        for block in blocks:
            block.register_forward_pre_hook(
                lambda module, _inputs: seen.append(all(in_a_place(tensor) for tensor in module.parameters()))
            )
        predicted(network)
        assert seen
        assert all(seen)
        assert not any(in_a_place(tensor) for block in blocks for tensor in block.parameters())

    def test_it_begins_again_with_what_was_gathered(
        self, device: torch.device, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("engine.models.streaming.SLAB", 2**16)  # many pieces of memory
        network = unet().to(device)
        expected = predicted(network)
        streamed = streaming(network.to(CPU), device)
        assert any(len(block.runs) > 1 for block in vars(streamed)["_blocks"].values())
        for _ in range(2):
            assert torch.equal(predicted(network), expected)
            streamed.end()
            assert not streamed.works
            network.to(CPU)
            assert streamed.is_whole
            streamed.begin()
        assert torch.equal(predicted(network), expected)

    def test_an_error_inside_a_block_does_no_harm_to_the_next_call(self, device: torch.device) -> None:
        network: Any = unet().to(device)
        expected = predicted(network)
        streamed = streaming(network.to(CPU), device)
        predicted(network)
        block = network.up_blocks[0].resnets[1]
        assert isinstance(block, ResnetBlock2D)
        for module in (block.conv1, block):  # inside it, and before it begins

            def fail(_module: nn.Module, _inputs: Any) -> None:
                raise KeyboardInterrupt

            handle = module.register_forward_pre_hook(fail)
            with pytest.raises(KeyboardInterrupt):
                predicted(network)
            handle.remove()
            assert torch.equal(predicted(network), expected)
        streamed.end()
        assert torch.equal(predicted(network.to(device)), expected)

    def test_another_weight_in_its_place_is_noticed(self) -> None:
        network: Any = unet()
        streamed = streaming(network, CPU)
        assert streamed.is_whole
        block: Any = network.mid_block.resnets[0]
        block.conv1.weight = nn.Parameter(2 * block.conv1.weight)
        assert not streamed.is_whole
        streamed.end()
        packed: Any = unet()
        keep_in_float8(packed, torch.float32)
        streamed = streaming(packed, CPU)
        block = packed.mid_block.resnets[0]
        block.time_emb_proj = block.time_emb_proj.plain(torch.float32)
        assert not streamed.is_whole
        expected = predicted(network)
        again = streaming(network, CPU)
        assert torch.equal(predicted(network), expected)
        assert again.is_whole

    def test_packed_weights_come_and_go_as_they_are(self) -> None:
        network = unet()
        keep_in_float8(network, torch.float32)
        expected = predicted(network)
        streamed = streaming(network, CPU)
        assert torch.equal(predicted(network), expected)
        assert torch.equal(predicted(network), expected)
        assert streamed.held < 0.6 * streaming(unet(), CPU).held
