"""The exact wins: each changes rounding and nothing else, is taken where it should be, and stays out elsewhere."""

from __future__ import annotations

import threading
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.cancel import cancellable
from engine.errors import Cancelled
from engine.models import attention, convolution, doubling, winograd
from engine.models.autoencoder_kl import AutoencoderKL
from engine.models.convolution import Conv2d
from engine.models.deep_cache import DeepCache
from engine.models.exact import Win, is_on, without
from engine.models.in_place import activated, added
from engine.models.prompt_keys import PromptKeys
from engine.models.time_embeddings import TimeEmbeddings
from engine.models.unet_2d import UNet2DModel
from engine.models.unet_2d_condition import UNet2DConditionModel
from tests.fixtures.stable_diffusion import stable_diffusion

# Largest difference over largest value, and of a picture in [0, 1].
TOLERANCE, PICTURE_TOLERANCE = 1e-5, 1e-3
UNET: dict[str, Any] = {
    "block_out_channels": (16, 32, 32),
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 24,
    "norm_num_groups": 8,
    "attention_head_dim": 4,
    "layers_per_block": 1,
}
SIZES = [(16, 16), (20, 12), (13, 21)]


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every way whatever the size, in many pieces."""
    least = ("WINOGRAD_TILES", "WINOGRAD_CHANNELS", "LARGER_TILES_CHANNELS", "DOUBLED_TILES", "DOUBLED_CHANNELS")
    for name in (*least, "SMALL_CHANNELS"):
        monkeypatch.setattr(convolution, name, 1)
    monkeypatch.setattr(convolution, "WINOGRAD_THREADS", 1000)
    monkeypatch.setattr(winograd, "STRIP_NUMBERS", 2**14)
    monkeypatch.setattr(winograd, "KERNEL_NUMBERS", 2**12)
    monkeypatch.setattr(attention, "PIECE_NUMBERS", 2**11)


def distance(result: Tensor, expected: Tensor) -> float:
    return ((result - expected).abs().max() / expected.abs().max()).item()


def only(win: Win) -> Any:
    return without(*(other for other in Win if other is not win))


def unet_call(size: tuple[int, int]) -> tuple[UNet2DConditionModel, dict[str, Any]]:
    torch.manual_seed(0)
    network = UNet2DConditionModel(**UNET).eval()
    return network, {
        "sample": torch.randn(2, 4, *size),
        "timestep": 431,
        "encoder_hidden_states": torch.randn(2, 7, 24),
    }


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("win", [*Win, None], ids=str)
@pytest.mark.usefixtures("everywhere")
@torch.no_grad()
def test_a_unet_predicts_the_same(win: Win | None, size: tuple[int, int]) -> None:
    network, call = unet_call(size)
    with without():
        expected = network(**call).sample
    with without() if win is None else only(win):
        keys, times = PromptKeys(), TimeEmbeddings(torch.tensor([600, 431]))
        results = [network(**call, prompt_keys=keys, step_time=times.at(1)).sample for _ in range(2)]
    for result in (*results, network(**call, prompt_keys=PromptKeys()).sample):
        assert distance(result, expected) <= TOLERANCE
        assert result.is_contiguous()


@pytest.mark.usefixtures("everywhere")
@torch.no_grad()
def test_an_unconditional_unet_predicts_the_same() -> None:
    torch.manual_seed(0)
    network = UNet2DModel(
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
    ).eval()
    sample = torch.randn(2, 3, 16, 16)
    with without():
        expected = network(sample, 7).sample
    result = network(sample, 7).sample
    assert distance(result, expected) <= TOLERANCE
    assert result.is_contiguous()


@pytest.mark.parametrize("win", [*Win, None], ids=str)
@pytest.mark.usefixtures("everywhere")
@torch.no_grad()
def test_an_autoencoder_gives_the_same(win: Win | None) -> None:
    torch.manual_seed(0)
    network = AutoencoderKL(
        block_out_channels=(16, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        norm_num_groups=8,
    ).eval()
    image, latents = torch.randn(1, 3, 36, 52), torch.randn(2, 4, 9, 13)
    with without():
        moments, decoded = network.encode(image).latent_dist.mode(), network.decode(latents).sample
    with without() if win is None else only(win):
        assert distance(network.encode(image).latent_dist.mode(), moments) <= TOLERANCE
        assert distance(network.decode(latents).sample, decoded) <= TOLERANCE
    assert distance(network.decode(latents).sample, decoded) <= TOLERANCE


@pytest.mark.parametrize("win", [*Win, None], ids=str)
@pytest.mark.usefixtures("everywhere")
def test_a_picture_is_the_same(win: Win | None) -> None:
    pipeline = stable_diffusion()
    pipeline.set_progress_bar_config(disable=True)

    def picture() -> Any:
        generator = torch.Generator().manual_seed(3)
        return pipeline("an owl", num_inference_steps=4, generator=generator, output_type="np").images

    with without():
        expected = picture()
    with without() if win is None else only(win):
        assert np.abs(picture() - expected).max() <= PICTURE_TOLERANCE
    assert np.abs(picture() - expected).max() <= PICTURE_TOLERANCE


# ---------------------------------------------------------------------------------------------------- convolutions


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size", [(8, 8), (9, 7), (1, 5), (30, 2)], ids=str)
@pytest.mark.usefixtures("everywhere")
@torch.no_grad()
def test_every_way_of_convolving_gives_the_convolution(
    size: tuple[int, int], bias: bool, layout: torch.memory_format
) -> None:
    conv = Conv2d(24, 40, 3, padding=1, bias=bias)
    image = torch.randn(2, 24, *size).contiguous(memory_format=layout)
    weight, added = conv.weight.double(), None if conv.bias is None else conv.bias.double()
    expected = torch.nn.functional.conv2d(image.double(), weight, added, padding=1)
    doubled = torch.nn.functional.interpolate(image.double(), scale_factor=2.0, mode="nearest")
    expected_doubled = torch.nn.functional.conv2d(doubled, weight, added, padding=1)
    for win, tolerance in ((Win.WINOGRAD, 1e-6), (Win.SMALL_IMAGES, 1e-6), (Win.LARGER_TILES, 4e-6)):
        with only(win):
            assert distance(conv(image), expected) <= tolerance
            assert distance(conv.doubled(image), expected_doubled) <= tolerance
    with only(Win.DOUBLING):
        assert distance(conv.doubled(image), expected_doubled) <= 1e-6
    assert distance(doubling.convolve_doubled(image, conv.weight, conv.bias), expected_doubled) <= 1e-6


@pytest.mark.parametrize(
    "conv",
    [
        Conv2d(8, 8, 3, padding=1, stride=2),
        Conv2d(8, 8, 3),
        Conv2d(8, 8, 1),
        Conv2d(8, 8, 3, padding=1, groups=2),
        Conv2d(8, 8, 3, padding=1, padding_mode="reflect"),
        Conv2d(8, 8, 3, padding=1).double(),
        Conv2d(8, 8, 3, padding=1).bfloat16(),
    ],
    ids=repr,
)
@pytest.mark.usefixtures("everywhere")
@torch.no_grad()
def test_other_convolutions_are_left_to_pytorch(conv: Conv2d) -> None:
    image = torch.randn(1, 8, 16, 16, dtype=conv.weight.dtype)
    with without(Win.WIDER):
        assert torch.equal(conv(image), nn.Conv2d.forward(conv, image))


@pytest.mark.usefixtures("everywhere")
def test_gradients_are_those_of_pytorch() -> None:
    conv, plain = Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
    plain.load_state_dict(conv.state_dict())
    image = torch.randn(1, 8, 16, 16)
    for layer in (conv, plain):
        layer(image).square().sum().backward()
    assert conv.weight.grad is not None
    assert plain.weight.grad is not None
    assert torch.equal(conv.weight.grad, plain.weight.grad)


@pytest.mark.parametrize("activation", [nn.SiLU(), nn.Mish(), nn.ReLU(), nn.GELU()], ids=repr)
def test_what_is_written_over_is_the_same_to_the_bit_and_only_without_gradients(activation: nn.Module) -> None:
    image, other = torch.randn(2, 4, 5, 5), torch.randn(2, 4, 1, 1)
    expected, total = activation(image), image + other
    with torch.no_grad():
        assert torch.equal(activated(activation, given := image.clone()), expected)
        assert torch.equal(given, image) == isinstance(activation, nn.GELU)
        assert added(given := image.clone(), other) is given
        assert torch.equal(given, total)
        # Nothing is rounded that the plain sum would not round.
        assert added(image.bfloat16(), other).dtype == torch.float32
        with without(Win.IN_PLACE):
            assert added(given := image.clone(), other) is not given
    with torch.enable_grad():
        assert torch.equal(activated(activation, given := image.clone()), expected)
        assert added(given, other) is not given
        assert torch.equal(given, image)


@pytest.mark.usefixtures("everywhere")
@torch.no_grad()
def test_under_autocast_the_precision_is_that_of_autocast() -> None:
    conv, image = Conv2d(8, 8, 3, padding=1), torch.randn(1, 8, 16, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert conv(image).dtype == conv.doubled(image).dtype == torch.bfloat16


@pytest.mark.parametrize("doubled", [False, True])
@pytest.mark.usefixtures("everywhere")
@torch.no_grad()
def test_cancel_between_the_strips_of_one_convolution(doubled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    conv, cancel, done = Conv2d(24, 40, 3, padding=1), threading.Event(), []
    run = conv.doubled if doubled else conv
    image = torch.randn(1, 24, 64, 64)
    whole = run(image)
    multiply = torch.bmm

    def counted(*given: Tensor) -> Tensor:
        done.append(1)
        if len(done) == 2:
            cancel.set()
        return multiply(*given)

    with cancellable([conv], threading.Event()):
        assert torch.equal(run(image), whole)
    monkeypatch.setattr("engine.models.winograd.torch.bmm", counted)
    with pytest.raises(Cancelled), cancellable([conv], cancel):
        run(image)
    assert len(done) == 2
    assert not {"between_pieces", "direct", "forward"} & set(vars(conv))


# ---------------------------------------------------------------------------------------------------- equal halves


def rows_seen(network: UNet2DConditionModel) -> dict[str, int]:
    """The rows that the first layers of `network` get at its next call."""
    seen: dict[str, int] = {}
    stage = cast("Any", network.down_blocks[0])
    block = stage.attentions[0].transformer_blocks[0]
    for name, layer in {"residual": stage.resnets[0].conv1, "self": block.attn1, "prompt": block.attn2}.items():
        layer.register_forward_pre_hook(lambda _, given, name=name: seen.update({name: len(given[0])}))
    return seen


@pytest.mark.parametrize("pictures", [1, 3])
@pytest.mark.parametrize("more", [{}, {"only_cross_attention": True}, {"use_linear_projection": True}], ids=str)
@torch.no_grad()
def test_what_equal_halves_share_is_computed_once(more: dict[str, Any], pictures: int) -> None:
    torch.manual_seed(0)
    network = UNet2DConditionModel(**UNET, **more).eval()
    latents, prompts = torch.randn(pictures, 4, 16, 24), torch.randn(2 * pictures, 7, 24)
    twice = torch.cat([latents] * 2)
    with without(Win.SHARED_HALVES):
        expected = network(twice, 431, prompts).sample
    seen = rows_seen(network)
    assert distance(network(twice, 431, prompts).sample, expected) <= TOLERANCE
    assert seen == {
        "residual": pictures,
        "self": 2 * pictures if more == {"only_cross_attention": True} else pictures,
        "prompt": 2 * pictures,
    }


@torch.no_grad()
def test_halves_that_differ_in_anything_are_computed_apart() -> None:
    network, call = unet_call((16, 24))
    alike = call | {"sample": torch.cat([call["sample"][:1]] * 2)}
    rows = [
        torch.randn(2, *shape)
        for shape in ((16, 16, 24), (16, 16, 24), (16, 8, 12), (32, 8, 12), (32, 4, 6), (32, 4, 6))
    ]
    others = {
        "latents": call,
        "timesteps": alike | {"timestep": torch.tensor([431, 430])},
        "adapter": alike | {"down_intrablock_additional_residuals": [rows[0]]},
        "control": alike | {"down_block_additional_residuals": rows, "mid_block_additional_residual": rows[-1]},
    }
    for name, given in others.items():
        seen = rows_seen(network)
        network(**given)
        assert set(seen.values()) == {2}, name
    seen = rows_seen(network)
    with torch.enable_grad():
        network(**alike)
    assert set(seen.values()) == {2}
    cache = DeepCache(2)
    whole = [network(**alike, deep_cache=cache).sample for _ in range(2)]
    with without(Win.SHARED_HALVES):
        cache = DeepCache(2)
        expected = [network(**alike, deep_cache=cache).sample for _ in range(2)]
    for one, other in zip(whole, expected, strict=True):
        assert distance(one, other) <= TOLERANCE


# ---------------------------------------------------------------------------------------------------- the prompt's keys


def count_calls(network: nn.Module, ending: str) -> list[int]:
    calls: list[int] = []
    for name, module in network.named_modules():
        if name.endswith(ending):
            module.register_forward_hook(lambda *_: calls.append(1))
    return calls


@torch.no_grad()
def test_keys_are_made_once_for_as_long_as_prompt_and_weights_are_the_same() -> None:
    network, call = unet_call((8, 8))
    calls, keys = count_calls(network, "attn2.to_k"), PromptKeys()
    network(**call)
    layers = len(calls)
    assert layers > 1

    def made() -> int:
        calls.clear()
        result = network(**call, prompt_keys=keys).sample
        count = len(calls)
        assert torch.equal(result, network(**call).sample)
        return count

    assert (made(), made(), len(keys)) == (layers, 0, layers)
    assert keys.nbytes > 0
    # Another tensor, even with the same numbers.
    call["encoder_hidden_states"] = call["encoder_hidden_states"].clone()
    assert (made(), made()) == (layers, 0)
    # Written to.
    call["encoder_hidden_states"].mul_(2)
    assert (made(), made()) == (layers, 0)
    # Weights written to, and replaced as an adapter does it.
    changed = network.get_submodule("down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_v")
    changed.weight.mul_(2)
    assert (made(), made()) == (1, 0)
    changed.weight = nn.Parameter(changed.weight * 2)
    assert (made(), made()) == (1, 0)


def test_with_gradients_no_keys_are_kept() -> None:
    network, call = unet_call((8, 8))
    keys = PromptKeys()
    network(**call, prompt_keys=keys).sample.sum().backward()
    assert len(keys) == 0


def test_under_inference_mode_keys_of_its_own_tensors_are_made_anew() -> None:
    network, call = unet_call((8, 8))
    keys = PromptKeys()
    with torch.inference_mode():
        call["encoder_hidden_states"] = call["encoder_hidden_states"] * 2
        first = network(**call, prompt_keys=keys).sample
        call["encoder_hidden_states"].mul_(2)
        assert not torch.equal(network(**call, prompt_keys=keys).sample, first)


def test_a_run_makes_the_keys_once() -> None:
    pipeline = stable_diffusion()
    pipeline.set_progress_bar_config(disable=True)
    calls = count_calls(pipeline.unet, "attn2.to_k")
    pipeline("an owl", num_inference_steps=1, output_type="latent")
    once = len(calls)
    pipeline("an owl", num_inference_steps=3, output_type="latent")
    assert len(calls) == 2 * once


# ---------------------------------------------------------------------------------------------------- the flag


@pytest.mark.filterwarnings("ignore:.torch.jit.trace:DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.usefixtures("everywhere")
@torch.no_grad()
def test_an_exporter_sees_a_network_without_strips() -> None:
    network, call = unet_call((16, 16))
    network.requires_grad_(False)
    given = call["sample"], call["encoder_hidden_states"]

    def predict(sample: Tensor, tokens: Tensor) -> Tensor:
        return network(sample, 431, tokens, return_dict=False)[0]

    with without():
        expected = predict(*given)
    traced: Any = torch.jit.trace(predict, given)
    assert "aten::bmm" not in {node.kind() for node in traced.graph.nodes()}
    # Images that are doubled are convolved in another way there, too (`doubling`).
    assert distance(traced(*given), expected) <= 1e-5


def test_what_is_off_is_on_again() -> None:
    with pytest.raises(KeyError), without(Win.WINOGRAD):
        with without(Win.DOUBLING):
            assert not is_on(Win.WINOGRAD)
            assert not is_on(Win.DOUBLING)
        assert is_on(Win.DOUBLING)
        raise KeyError
    assert all(is_on(win) for win in Win)


class _Asks(nn.Module):
    """Adds one where a way of computing faster is on, else two."""

    def forward(self, x: Tensor) -> Tensor:
        return x + (1 if is_on(Win.DOUBLING) else 2)


def test_exporting_reads_the_plain_path() -> None:
    x = torch.zeros(2)
    assert torch.equal(_Asks()(x), x + 1)
    exported = torch.export.export(_Asks(), (x,), strict=False)
    assert torch.equal(exported.module()(x), x + 2)
