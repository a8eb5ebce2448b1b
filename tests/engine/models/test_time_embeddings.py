"""Time embeddings of all steps at once: the numbers of each step alone, made once for as long as nothing changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.models import time_embeddings
from engine.models.compilation import compile_blocks, undo_compiling
from engine.models.exact import Win, without
from engine.models.time_embeddings import STEPS, TimeEmbeddings
from engine.models.unet_2d import UNet2DModel
from engine.models.unet_2d_condition import UNet2DConditionModel
from tests.fixtures.small_unet import SMALL_UNET
from tests.fixtures.stable_diffusion import stable_diffusion

TOLERANCE = 1e-5
LATER = {
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
}
XL = {"addition_embed_type": "text_time", "addition_time_embed_dim": 4, "projection_class_embeddings_input_dim": 32}
K_BLOCKS = {
    "block_out_channels": (32, 64),
    "down_block_types": ("KDownBlock2D", "KCrossAttnDownBlock2D"),
    "up_block_types": ("KCrossAttnUpBlock2D", "KUpBlock2D"),
    "mid_block_type": None,
    "attention_head_dim": 16,
    "resnet_time_scale_shift": "scale_shift",
    "time_embedding_type": "fourier",
    "conv_in_kernel": 1,
    "conv_out_kernel": 1,
    "time_cond_proj_dim": 6,
}
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "a prompt that comes in later": LATER,
    "scale and shift": {"resnet_time_scale_shift": "scale_shift"},
    "residual blocks that halve": {"down_block_types": ("ResnetDownsampleBlock2D", "CrossAttnDownBlock2D")},
    "an activation of the time": {"time_embedding_act_fn": "silu"},
    "classes": {"num_class_embeds": 9},
    "classes beside the time": {"num_class_embeds": 9, "class_embeddings_concat": True},
    "guidance embedding": {"time_cond_proj_dim": 6},
    "sizes and a pooled prompt": XL,
    "K blocks": K_BLOCKS,
}


def network_of(kind: str) -> tuple[UNet2DConditionModel, dict[str, Any]]:
    torch.manual_seed(0)
    options = KINDS[kind]
    network = UNet2DConditionModel(**SMALL_UNET | options).eval()
    sample = torch.randn(1, 4, 8, 8)
    call: dict[str, Any] = {"sample": torch.cat([sample, sample]), "encoder_hidden_states": torch.randn(2, 7, 24)}
    if "num_class_embeds" in options:
        call["class_labels"] = torch.tensor([3, 8])
    if "time_cond_proj_dim" in options:
        call["timestep_cond"] = torch.randn(2, 6)
    if "addition_embed_type" in options:
        call["added_cond_kwargs"] = {"text_embeds": torch.randn(2, 8), "time_ids": torch.rand(2, 6) * 64}
    return network, call


def unconditional() -> tuple[UNet2DModel, dict[str, Any]]:
    torch.manual_seed(0)
    network = UNet2DModel(
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
        time_embedding_type="fourier",
        num_class_embeds=5,
    ).eval()
    return network, {"sample": torch.randn(2, 3, 16, 16), "class_labels": torch.tensor([1, 4])}


def distance(result: Tensor, expected: Tensor) -> float:
    return ((result - expected).abs().max() / expected.abs().max()).item()


def calls_of(network: nn.Module, *endings: str) -> list[int]:
    """A list that grows with each call of a module whose name ends so."""
    calls: list[int] = []
    for name, module in network.named_modules():
        if name.endswith(endings):
            module.register_forward_hook(lambda *_: calls.append(1))
    return calls


@pytest.mark.parametrize("kind", [*KINDS, "unconditional"])
@torch.no_grad()
def test_every_step_is_what_it_is_alone(kind: str) -> None:
    network, call = unconditional() if kind == "unconditional" else network_of(kind)
    timesteps = torch.linspace(900, 1, STEPS + 6)
    times = TimeEmbeddings(timesteps)
    for index in (0, 1, STEPS - 1, STEPS, STEPS + 5, 2):
        with without(Win.TIME_EMBEDDINGS):
            expected = network(timestep=timesteps[index], **call, step_time=times.at(index)).sample
        assert torch.equal(expected, network(timestep=timesteps[index], **call).sample)
        result = network(timestep=timesteps[index], **call, step_time=times.at(index)).sample
        assert distance(result, expected) <= TOLERANCE


@pytest.mark.parametrize("kind", ["plain", "sizes and a pooled prompt"])
@torch.no_grad()
def test_a_run_that_goes_on_computes_with_the_same_numbers(kind: str) -> None:
    network, call = network_of(kind)
    timesteps = torch.linspace(900, 1, STEPS + 20)
    whole = TimeEmbeddings(timesteps)
    for index in (0, 5, STEPS + 3, STEPS + 11):
        of_whole = network(timestep=timesteps[index], **call, step_time=whole.at(index)).sample
        alone = TimeEmbeddings(timesteps).at(index)
        assert torch.equal(network(timestep=timesteps[index], **call, step_time=alone).sample, of_whole)


@torch.no_grad()
def test_they_are_made_once_for_as_long_as_nothing_changes() -> None:
    network, call = network_of("sizes and a pooled prompt")
    projected, embedded = calls_of(network, "time_emb_proj"), calls_of(network, "time_embedding")
    timesteps = torch.linspace(900, 1, STEPS + 20)
    times = TimeEmbeddings(timesteps)

    def made(index: int = 3) -> tuple[int, int]:
        projected.clear()
        embedded.clear()
        result = network(timestep=timesteps[index], **call, step_time=times.at(index)).sample
        count = len(embedded), len(projected)
        assert distance(result, network(timestep=timesteps[index], **call).sample) <= TOLERANCE
        return count

    blocks = sum(name.endswith("time_emb_proj") for name, _ in network.named_modules())
    assert blocks > 3
    assert (made(0), made(1), made(STEPS - 1)) == ((1, blocks), (0, 0), (0, 0))
    assert (made(STEPS), made(STEPS + 1), made(0), made(1)) == ((1, blocks), (0, 0), (1, blocks), (0, 0))
    added = call["added_cond_kwargs"]
    # The same numbers in another tensor change nothing; others do, and so does writing.
    added["time_ids"] = added["time_ids"].clone()
    assert made() == (0, 0)
    added["time_ids"] = added["time_ids"] + 1
    assert (made(), made()) == ((1, blocks), (0, 0))
    added["text_embeds"].mul_(2)
    assert (made(), made()) == ((1, blocks), (0, 0))
    # Weights written to, and replaced as an adapter does it.
    one: Any = network.get_submodule("mid_block.resnets.0.time_emb_proj")
    one.weight.mul_(2)
    assert (made(), made()) == ((0, 1), (0, 0))
    one.weight = nn.Parameter(one.weight * 2)
    assert (made(), made()) == ((0, 1), (0, 0))
    network.add_embedding.linear_2.weight.mul_(2)  # pyright: ignore[reportOptionalMemberAccess]
    assert (made(), made()) == ((1, blocks), (0, 0))
    # Without guidance there are fewer rows.
    call |= {name: call[name][1:] for name in ("sample", "encoder_hidden_states")}
    call["added_cond_kwargs"] = {name: tensor[1:] for name, tensor in added.items()}
    assert (made(), made()) == ((1, blocks), (0, 0))


def test_with_gradients_each_step_is_embedded_alone() -> None:
    network, call = network_of("plain")
    embedded = calls_of(network, "time_embedding")
    times = TimeEmbeddings(torch.tensor([9, 5, 1]))
    for index in range(3):
        network(timestep=9, **call, step_time=times.at(index)).sample.sum().backward()
    assert len(embedded) == 3
    weight = network.time_embedding.linear_1.weight
    assert weight.grad is not None
    assert weight.grad.abs().max() > 0


def test_under_inference_mode_what_is_told_is_read_each_time() -> None:
    network, call = network_of("classes")
    times = TimeEmbeddings(torch.tensor([9, 5, 1]))
    with torch.inference_mode():
        call["class_labels"] = call["class_labels"] + 0
        first = network(timestep=5, **call, step_time=times.at(1)).sample
        call["class_labels"].zero_()
        assert not torch.equal(network(timestep=5, **call, step_time=times.at(1)).sample, first)


@torch.no_grad()
def test_compiled_blocks_are_given_tensors() -> None:
    network, call = network_of("plain")
    times = TimeEmbeddings(torch.tensor([9, 5, 1]))
    embedded = calls_of(network, "time_embedding")
    expected = network(timestep=5, **call, step_time=times.at(1)).sample
    compile_blocks(network, torch.device("cuda"), backend="eager")
    for _ in range(2):
        assert distance(network(timestep=5, **call, step_time=times.at(1)).sample, expected) <= TOLERANCE
    assert len(embedded) == 3
    undo_compiling(network)
    assert torch.equal(network(timestep=5, **call, step_time=times.at(1)).sample, expected)
    assert len(embedded) == 3


def test_a_run_embeds_its_steps_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = stable_diffusion()
    pipeline.set_progress_bar_config(disable=True)
    embedded, projected = calls_of(pipeline.unet, "time_embedding"), calls_of(pipeline.unet, "time_emb_proj")
    blocks = sum(name.endswith("time_emb_proj") for name, _ in pipeline.unet.named_modules())

    def counted(run: Callable[[], object]) -> tuple[int, int]:
        embedded.clear()
        projected.clear()
        run()
        return len(embedded), len(projected)

    def run() -> object:
        return pipeline("an owl", num_inference_steps=4, output_type="latent")

    assert counted(run) == (1, blocks)
    monkeypatch.setattr(time_embeddings, "STEPS", 3)
    assert counted(run) == (2, 2 * blocks)
