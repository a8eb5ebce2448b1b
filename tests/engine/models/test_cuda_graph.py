"""Calls of a network that become graphs: which do, when they are recorded anew, and that each gives its own result.

A stand-in for the card records on the processor; where there is a GPU, its own recording is tested, too.
"""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from engine.cancel import cancellable
from engine.errors import Cancelled
from engine.memory import GRAPHS, PLANS, MemoryPlan
from engine.models.cuda_graph import RecordedCalls, failed_recording, record_calls, undo_recording
from engine.models.deep_cache import DeepCache
from engine.models.prompt_keys import PromptKeys
from engine.models.time_embeddings import TimeEmbeddings
from engine.models.unet_2d_condition import UNet2DConditionModel
from engine.pipelines.base import DiffusionPipeline
from engine.run_switches import FinalDecoder, apply_switches
from engine.switches import Switches
from tests.fixtures.small_unet import SMALL_UNET

UNET = SMALL_UNET | {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 4,
    "projection_class_embeddings_input_dim": 32,
}
on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


class Operations(TorchDispatchMode):
    """Keeps every operation on tensors that is asked for, with the tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.kept.append((func, args, kwargs or {}, result))
        return result


class StandIn:
    """Records as a card does: operations with the memory that they read and write, and nothing of Python's."""

    def __init__(self) -> None:
        self.recorded = self.runs = 0
        self.devices: list[torch.device] = []

    def on(self, device: torch.device) -> StandIn:
        self.devices.append(device)
        return self

    def first(self, run: Callable[[], Tensor]) -> Tensor:
        return run()

    def record(self, run: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        self.recorded += 1
        with Operations() as operations:
            result = run()
        result.fill_(torch.nan)

        def again() -> None:
            self.runs += 1
            for func, args, kwargs, before in operations.kept:
                for one, now in zip(tensors_of(before), tensors_of(func(*args, **kwargs)), strict=True):
                    # Views, and what is written in place, lie where they lay.
                    if one.data_ptr() != now.data_ptr():
                        one.copy_(now)

        return result, again


def tensors_of(results: Any) -> list[Tensor]:
    several = results if isinstance(results, tuple | list) else (results,)
    return [one for one in several if isinstance(one, Tensor)]


def network_and_call(rows: int = 2) -> tuple[UNet2DConditionModel, Callable[..., dict[str, Any]]]:
    torch.manual_seed(0)
    network = UNet2DConditionModel(**UNET).eval().requires_grad_(False)

    def call(seed: int, rows: int = rows, side: int = 8) -> dict[str, Any]:
        generator = torch.Generator().manual_seed(seed)

        def drawn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator)

        return {
            "sample": drawn(rows, 4, side, side),
            "timestep": torch.tensor(100.0 * seed),
            "encoder_hidden_states": drawn(rows, 7, 24),
            "added_cond_kwargs": {"text_embeds": drawn(rows, 8), "time_ids": drawn(rows, 6).abs() * 64},
        }

    return network, call


@torch.no_grad()
def test_each_call_gives_its_own_result() -> None:
    network, call = network_and_call()
    expected = [network(**call(seed)).sample for seed in range(1, 6)]
    card = StandIn()
    record_calls(network, card.on)
    results = [network(**call(seed)).sample for seed in range(1, 6)]
    assert all(torch.equal(*pair) for pair in zip(results, expected, strict=True))
    # The first is computed as written, the second recorded.
    assert (card.recorded, card.runs) == (1, 4)
    assert torch.equal(network(**call(2), return_dict=False)[0], expected[1])
    # Numbers in place of a tensor have one graph, not one each.
    for seed in (1, 2, 3, 4):
        assert torch.equal(network(**call(seed) | {"timestep": 100.0 * seed}).sample, expected[seed - 1])
    assert (card.recorded, card.runs) == (2, 8)
    undo_recording(network)
    assert torch.equal(network(**call(1)).sample, expected[0])
    assert card.runs == 8
    assert "forward" not in vars(network)


@torch.no_grad()
def test_each_shape_has_a_graph_and_few_are_kept() -> None:
    network, call = network_and_call()
    card = StandIn()
    record_calls(network, card.on)
    sides = (8, 12, 16)
    for side in sides:
        for seed in (1, 2, 3):
            network(**call(seed, side=side))
    assert card.recorded == len(sides) > GRAPHS
    recorder = cast("RecordedCalls", vars(network)["forward"])
    assert len(recorder._graphs) == GRAPHS  # pyright: ignore[reportPrivateUsage]
    network(**call(1, side=12))
    network(**call(1, side=16, rows=2))
    assert card.recorded == 3
    for seed in (1, 2):
        network(**call(seed, side=8))
    assert card.recorded == 4


@torch.no_grad()
def test_weights_that_lie_elsewhere_are_recorded_anew() -> None:
    network, call = network_and_call()
    card = StandIn()
    record_calls(network, card.on)
    for seed in (1, 2):
        network(**call(seed))
    network.conv_in.weight.mul_(2)  # in place: the graph reads what is there
    undone = network(**call(3)).sample
    assert card.recorded == 1
    network.conv_in.weight = nn.Parameter(network.conv_in.weight * 3, requires_grad=False)
    results = [network(**call(3)).sample for _ in range(2)]
    assert card.recorded == 2
    undo_recording(network)
    assert all(torch.equal(result, network(**call(3)).sample) for result in results)
    assert not torch.equal(undone, results[0])


@torch.no_grad()
def test_it_is_the_device_of_the_inputs_that_records() -> None:
    """A network that a smaller plan sent away comes back after the switches were set."""
    network, call = network_and_call()
    weights = network.state_dict()
    expected = [network(**call(seed)).sample for seed in (1, 2, 3)]
    card = StandIn()
    network.to("meta")
    record_calls(network, card.on)
    assert not card.devices
    network.load_state_dict(weights, assign=True)
    assert all(torch.equal(network(**call(seed)).sample, one) for seed, one in enumerate(expected, 1))
    assert card.devices == [torch.device("cpu")]
    assert (card.recorded, card.runs) == (1, 2)


@torch.no_grad()
def test_what_runs_keep_stays_outside() -> None:
    network, call = network_and_call()
    card = StandIn()
    expected = [network(**call(seed)).sample for seed in (1, 2, 3)]
    record_calls(network, card.on)
    for _ in range(2):
        keys, times = PromptKeys(), TimeEmbeddings(torch.tensor([1.0, 2.0, 3.0]))
        for index, seed in enumerate((1, 2, 3)):
            result = network(**call(seed), prompt_keys=keys, step_time=times.at(index)).sample
            assert torch.equal(result, expected[index])
        assert len(keys) == 0
    assert (card.recorded, card.runs) == (1, 5)


def test_deep_cache_and_gradients_go_without() -> None:
    network, call = network_and_call()
    card = StandIn()
    record_calls(network, card.on)
    network.requires_grad_(True)
    for seed in (1, 2):
        network(**call(seed)).sample.sum().backward()
    with torch.no_grad():
        cache = DeepCache(2)
        for seed in (1, 2):
            network(**call(seed), deep_cache=cache)
    assert (cache.whole_calls, cache.short_calls) == (1, 1)
    assert card.recorded == 0


@torch.no_grad()
def test_what_is_recorded_stays_so() -> None:
    network, call = network_and_call()
    card = StandIn()
    for _ in range(3):
        record_calls(network, card.on)
        network(**call(1))
    assert (card.recorded, card.runs) == (1, 2)


@torch.no_grad()
def test_graphs_go_with_the_recording() -> None:
    network, call = network_and_call()
    record_calls(network, StandIn().on)
    for _ in range(2):
        network(**call(1))
    recorder = vars(network)["forward"]
    graphs = [weakref.ref(graph) for graph in recorder._graphs.values()]
    del recorder
    assert all(graph() is not None for graph in graphs)
    undo_recording(network)
    gc.collect()
    assert [graph() for graph in graphs] == [None]


@torch.no_grad()
def test_a_run_short_of_memory_goes_on_without_and_the_next_tries_again() -> None:
    network, call = network_and_call()
    expected = network(**call(1)).sample
    short = [True]

    class Full(StandIn):
        def record(self, run: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
            if short[0]:
                self.recorded += 1
                raise torch.OutOfMemoryError
            return super().record(run)

    card = Full()
    record_calls(network, card.on)
    first, second = PromptKeys(), PromptKeys()
    for _ in range(4):
        torch.testing.assert_close(network(**call(1), prompt_keys=first).sample, expected, atol=1e-5, rtol=1e-4)
    assert (card.recorded, card.runs) == (1, 0)
    short[0] = False
    for _ in range(3):
        torch.testing.assert_close(network(**call(1), prompt_keys=second).sample, expected, atol=1e-5, rtol=1e-4)
    assert (card.recorded, card.runs) == (2, 2)
    assert failed_recording(network) == ""


@torch.no_grad()
def test_a_cancel_while_recording_leaves_nothing_half_done() -> None:
    network, call = network_and_call()
    expected = network(**call(1)).sample
    card = StandIn()
    record_calls(network, card.on)
    network(**call(1))
    cancel = threading.Event()
    with cancellable([network], cancel):
        cancel.set()
        with pytest.raises(Cancelled):
            network(**call(1))
    for _ in range(2):
        assert torch.equal(network(**call(1)).sample, expected)
    assert failed_recording(network) == ""


@pytest.mark.parametrize(
    ("switches", "plan", "recorded"),
    [
        (Switches(compiled=True), PLANS[0], True),
        (Switches(compiled=True), PLANS[1], False),
        (Switches(compiled=True, token_merging=0.3), PLANS[0], False),
        (Switches(compiled=True, deep_cache=3), PLANS[0], False),
        (Switches(), PLANS[0], False),
    ],
    ids=["all has room", "all has not", "merged tokens", "DeepCache", "off"],
)
def test_runs_record_where_all_has_room(
    switches: Switches, plan: MemoryPlan, recorded: bool, tiny_sd_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.run_switches.compiler_problem", lambda _device: "no compiler here")
    pipeline: Any = DiffusionPipeline.from_pretrained(tiny_sd_folder)
    record_calls(pipeline.unet, StandIn().on)
    if recorded:
        undo_recording(pipeline.unet)
    told = apply_switches(pipeline, FinalDecoder(), switches, torch.device("cuda"), plan)
    assert ("no compiler here" in told) == switches.compiled
    assert isinstance(vars(pipeline.unet).get("forward"), RecordedCalls) == recorded


@torch.no_grad()
def test_where_nothing_can_be_recorded_the_network_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    network, call = network_and_call()
    expected = network(**call(1)).sample
    tried: list[int] = []

    class Failing(StandIn):
        def record(self, run: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
            del run
            tried.append(1)
            raise RuntimeError("operation not permitted when stream is capturing\nmore")

    record_calls(network, Failing().on)
    for _ in range(4):
        assert torch.equal(network(**call(1)).sample, expected)
    assert len(tried) == 1
    assert failed_recording(network) == "operation not permitted when stream is capturing"
    assert "no CUDA graph could be recorded" in caplog.text


def test_a_picture_is_the_same(tiny_sd_folder: Path) -> None:
    pipeline: Any = DiffusionPipeline.from_pretrained(tiny_sd_folder)
    pipeline.set_progress_bar_config(disable=True)

    def picture(prompt: str) -> Tensor:
        generator = torch.Generator().manual_seed(3)
        return pipeline(prompt, num_inference_steps=4, generator=generator, output_type="latent").images

    expected = picture("an owl"), picture("a fox")
    card = StandIn()
    record_calls(pipeline.unet, card.on)
    for prompt, latents in zip(("an owl", "a fox"), expected, strict=True):
        torch.testing.assert_close(picture(prompt), latents, atol=1e-4, rtol=1e-4)
    assert (card.recorded, card.runs) == (1, 7)


@on_gpu
@torch.no_grad()
def test_a_card_gives_each_call_its_own_result() -> None:
    network, call = network_and_call()
    network.to("cuda")

    def there(seed: int) -> dict[str, Any]:
        given = call(seed)
        added = {name: tensor.to("cuda") for name, tensor in given.pop("added_cond_kwargs").items()}
        return {name: tensor.to("cuda") for name, tensor in given.items()} | {"added_cond_kwargs": added}

    expected = [network(**there(seed)).sample for seed in range(1, 6)]
    record_calls(network)
    for seed, one in enumerate(expected, 1):
        torch.testing.assert_close(network(**there(seed)).sample, one, atol=1e-4, rtol=1e-4)
    assert failed_recording(network) == ""
    # Weights elsewhere: another graph, after the only one has gone.
    network.conv_in.weight = nn.Parameter(network.conv_in.weight * 2, requires_grad=False)
    again = [network(**there(1)).sample for _ in range(3)]
    undo_recording(network)
    for result in again:
        torch.testing.assert_close(result, network(**there(1)).sample, atol=1e-4, rtol=1e-4)
    record_calls(network)
