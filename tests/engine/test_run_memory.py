"""Memory plans at work: the same pictures, parts that leave and come back, a decoder that fails and loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from engine.device import resolve_precision
from engine.errors import InvalidValue
from engine.memory import GRAPHS, MODES, PLANS, cheapest
from engine.messages import (
    EngineSettings,
    Event,
    GenerateRequest,
    ImageDone,
    JobDone,
    JobFailed,
    Notice,
    StepDone,
)
from engine.models.autoencoder_kl import AutoencoderKL
from engine.models.unet_2d_condition import UNet2DConditionModel
from engine.run_memory import _container_limit, outlook  # pyright: ignore[reportPrivateUsage]
from engine.runner import Runner
from engine.switches import Switches
from tests.fixtures.requests import small_request

E = TypeVar("E", bound=Event)
FULL = "[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: not enough memory"


@pytest.fixture
def request_(tiny_sd_folder: Path, tmp_path: Path) -> GenerateRequest:
    return small_request(tiny_sd_folder, tmp_path, prompt="a red (apple:1.2)", job_id="job")


@pytest.fixture
def runner() -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.release()


def play(runner: Runner, request: GenerateRequest) -> list[Event]:
    events = list(runner.run(request))
    assert isinstance(events[-1], JobDone), events[-1]
    return events


def only(events: list[Event], kind: type[E]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


def pixels(events: list[Event]) -> list[np.ndarray]:
    found: list[np.ndarray] = []
    for done in only(events, ImageDone):
        with Image.open(done.path) as image:
            found.append(np.asarray(image).copy())
    return found


def away(runner: Runner) -> set[str]:
    """The parts whose weights are not in memory."""
    parts = runner._loaded.pipeline.components  # pyright: ignore[reportPrivateUsage, reportOptionalMemberAccess]
    networks = {name: part for name, part in parts.items() if isinstance(part, torch.nn.Module)}
    return {name for name, part in networks.items() if next(part.parameters()).is_meta}


def adapter(folder: Path, unet: UNet2DConditionModel) -> None:
    """Write a LoRA for one attention layer of `unet`."""
    name = next(name for name, _ in unet.named_modules() if name.endswith("attn1.to_q"))
    wide = unet.get_submodule(name).weight.shape  # pyright: ignore[reportAttributeAccessIssue]
    draw = torch.Generator().manual_seed(0)
    tensors = {
        f"unet.{name}.lora_A.weight": torch.randn(2, wide[1], generator=draw),
        f"unet.{name}.lora_B.weight": torch.randn(wide[0], 2, generator=draw),
    }
    save_file(tensors, folder / "style.safetensors")


@pytest.mark.parametrize("task", ["text", "plain", "image to image", "second pass", "adapter"])
def test_every_mode_makes_the_same_pictures(
    runner: Runner, request_: GenerateRequest, tmp_path: Path, task: str
) -> None:
    Image.radial_gradient("L").convert("RGB").save(tmp_path / "start.png")
    changes: dict[str, Any] = {
        "text": {},
        "plain": {"prompt_syntax": "plain", "prompt": "an apple"},
        "image to image": {"init_image": str(tmp_path / "start.png"), "strength": 0.7},
        "second pass": {"hires_scale": 2.0, "hires_strength": 0.7},
        "adapter": {"prompt": "an apple <lora:style:0.8>", "hires_scale": 2.0},
    }[task]
    play(runner, replace(request_, steps=1))
    adapter(tmp_path, runner._loaded.pipeline.unet)  # pyright: ignore[reportPrivateUsage, reportOptionalMemberAccess]
    request = replace(request_, count=2, **changes)
    made: dict[str, list[np.ndarray]] = {}
    for mode in ("fast", "balanced", "low", "fast"):
        runner.configure(EngineSettings(memory_mode=mode, adapters=(str(tmp_path),)))
        pictures = pixels(play(runner, request))
        expected = made.setdefault(mode, pictures)
        assert all(np.array_equal(a, b) for a, b in zip(pictures, expected, strict=True))
        gone = {"low": {"text_encoder", "unet"}, "balanced": {"text_encoder"}, "fast": set[str]()}[mode]
        assert away(runner) == gone
    for mode in ("balanced", "low"):
        # Attention head by head rounds differently.
        differences = [np.abs(a.astype(int) - b).max() for a, b in zip(made[mode], made["fast"], strict=True)]
        assert max(differences) <= (1 if mode == "low" else 0)
    if task == "adapter":
        runner.configure(EngineSettings(memory_mode="low"))
        without = pixels(play(runner, replace(request, prompt="an apple")))
        assert not np.array_equal(without[0], made["low"][0])


@pytest.mark.parametrize(("mode", "size", "plan"), [("balanced", (576, 32), "tiles"), ("low", (32, 32), "in pieces")])
def test_the_plan_that_a_picture_was_made_under_makes_it_again(
    runner: Runner, request_: GenerateRequest, mode: str, size: tuple[int, int], plan: str
) -> None:
    request = replace(request_, width=size[0], height=size[1], steps=1)
    runner.configure(EngineSettings(memory_mode=mode))
    events = play(runner, request)
    first = only(events, ImageDone)[0].recipe
    assert dict(first.extras) == {"memory_plan": plan}
    runner.configure(EngineSettings(memory_mode="fast"))
    whole = play(runner, request)
    assert only(whole, ImageDone)[0].recipe.extras == ()
    again = play(runner, replace(request, memory_plan=plan))
    assert np.array_equal(pixels(again)[0], pixels(events)[0])
    assert only(again, ImageDone)[0].recipe.extras == first.extras
    if plan == "tiles":
        assert not np.array_equal(pixels(whole)[0], pixels(events)[0])  # else the test would say nothing


def test_a_model_that_is_loaded_under_a_small_plan_never_has_two_parts(
    request_: GenerateRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine import run_model

    read, seen = run_model.read_part, []
    runner = Runner(EngineSettings(memory_mode="low"))

    def watched(key: Any, dtype: torch.dtype, name: str) -> torch.nn.Module:
        if runner._loaded is not None:  # pyright: ignore[reportPrivateUsage]
            seen.append((name, away(runner)))
        return read(key, dtype, name)

    monkeypatch.setattr(run_model, "read_part", watched)
    play(runner, request_)
    parts = {"text_encoder", "unet", "vae"}
    assert seen == [("text_encoder", parts), ("unet", parts), ("vae", parts)]


def test_a_decoder_out_of_memory_works_again_in_tiles_on_the_same_latents(
    runner: Runner, request_: GenerateRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode, tiled = AutoencoderKL.decode, []

    def short_of_memory(self: Any, *arguments: Any, **options: Any) -> Any:
        tiled.append(self.use_tiling)
        if not self.use_tiling:
            raise RuntimeError(FULL)
        return decode(self, *arguments, **options)

    expected = pixels(play(runner, request_))
    monkeypatch.setattr(AutoencoderKL, "decode", short_of_memory)
    events = play(runner, replace(request_, count=2))
    assert np.array_equal(pixels(events)[0], expected[0])
    assert [(step.image, step.index) for step in only(events, StepDone)] == [(i, n) for i in (0, 1) for n in range(3)]
    (notice,) = only(events, Notice)
    assert notice.message == "There was not enough memory: trying again with the picture decoded in tiles."
    assert tiled == [False, True, True]


def test_latents_are_kept_until_the_picture_is_written(
    runner: Runner, request_: GenerateRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine import runner as module

    encode, calls = module.encode_png, []

    def short_of_memory(*arguments: Any) -> bytes:
        calls.append(1)
        if len(calls) == 1:
            raise MemoryError
        return encode(*arguments)

    monkeypatch.setattr(module, "encode_png", short_of_memory)
    events = play(runner, request_)
    assert len(only(events, StepDone)) == 3
    assert len(only(events, ImageDone)) == 1


def test_steps_out_of_memory_are_tried_once_more_and_then_said(
    runner: Runner, request_: GenerateRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, left = UNet2DConditionModel.forward, [1]

    def short_of_memory(self: Any, *arguments: Any, **options: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise RuntimeError(FULL)
        return forward(self, *arguments, **options)

    expected = pixels(play(runner, request_))
    monkeypatch.setattr(UNet2DConditionModel, "forward", short_of_memory)
    left[0] = 1
    events = play(runner, request_)
    assert "without the text encoder" in only(events, Notice)[0].message
    assert np.array_equal(pixels(events)[0], expected[0])
    left[0] = 2
    events = play(runner, request_)
    assert len(only(events, Notice)) == 2
    assert "one part of the model at a time" in only(events, Notice)[1].message
    assert np.array_equal(pixels(events)[0], expected[0])
    left[0] = len(PLANS)
    failed = list(runner.run(request_))
    assert isinstance(failed[-1], JobFailed)
    assert (failed[-1].kind, failed[-1].report) == ("OutOfMemory", "")
    assert [notice.message for notice in only(failed, Notice)] == [PLANS[1].words, PLANS[3].words, PLANS[-1].words]
    left[0] = 0
    assert np.array_equal(pixels(play(runner, request_))[0], expected[0])


def test_a_device_that_is_lost_gets_its_model_anew(
    runner: Runner, request_: GenerateRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, left = UNet2DConditionModel.forward, [1]

    def lost(self: Any, *arguments: Any, **options: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise RuntimeError("CUDA error: unspecified launch failure")
        return forward(self, *arguments, **options)

    expected = pixels(play(runner, request_))
    monkeypatch.setattr(UNet2DConditionModel, "forward", lost)
    events = play(runner, request_)
    assert "loaded again" in only(events, Notice)[0].message
    assert np.array_equal(pixels(events)[0], expected[0])
    left[0] = 2
    failed = list(runner.run(request_))
    assert isinstance(failed[-1], JobFailed)
    assert (failed[-1].kind, failed[-1].report) == ("DeviceUnavailable", "")
    assert failed[-1].message == (
        "The device no longer answers (CUDA error: unspecified launch failure); close Sfumato and start it again. The "
        "queue is kept."
    )
    assert np.array_equal(pixels(play(runner, request_))[0], expected[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
@pytest.mark.parametrize("plan", [plan.name for plan in PLANS])
def test_on_a_gpu_every_plan_makes_the_same_picture(
    runner: Runner, request_: GenerateRequest, monkeypatch: pytest.MonkeyPatch, plan: str
) -> None:
    from engine import memory, run_memory

    job = replace(request_, device="cuda", count=2)
    expected = pixels(play(runner, job))
    runner.release()
    monkeypatch.setitem(memory.MODES, "low", plan)
    assert run_memory.MODES is memory.MODES
    runner.configure(EngineSettings(memory_mode="low"))
    for one, other in zip(pixels(play(runner, job)), expected, strict=True):
        assert np.abs(one.astype(int) - other.astype(int)).max() <= 1


def test_the_outlook_names_plan_and_need(request_: GenerateRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine import run_memory

    seen = outlook(request_, "auto")
    assert (seen.plan, seen.fits, seen.device, seen.dtype) == (PLANS[0], True, "cpu", "float32")
    for mode, name in MODES.items():
        assert outlook(request_, mode).plan.name == name
    large = replace(request_, width=2048, height=2048)
    whole, tiled = (outlook(large, mode).needed for mode in ("fast", "balanced"))
    assert tiled < whole
    monkeypatch.setattr(run_memory, "available_bytes", lambda _device: (whole + tiled) // 2)
    chosen = outlook(large, "auto")
    assert chosen.plan == cheapest(chosen.estimate, chosen.available) != PLANS[0]
    assert (chosen.fits, outlook(large, "fast").fits) == (True, False)


@pytest.mark.parametrize(
    ("switches", "changes", "graphs"),
    [
        (Switches(), {}, 0),
        (Switches(compiled=True), {}, 1),
        (Switches(compiled=True), {"hires_scale": 2.0}, 2),
        (Switches(compiled=True, guidance_until=0.5), {}, 2),
        (Switches(compiled=True, guidance_until=0.5), {"guidance_scale": 1.0}, 1),
        (Switches(compiled=True, guidance_until=0.5), {"hires_scale": 2.0}, GRAPHS),
        (Switches(compiled=True, deep_cache=2), {}, 0),
        (Switches(compiled=True, token_merging=0.25), {}, 0),
    ],
)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_graphs_of_steps_count_on_a_gpu(
    request_: GenerateRequest,
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    switches: Switches,
    changes: dict[str, float],
    graphs: int,
) -> None:
    monkeypatch.setattr("engine.device.resolve_device", lambda _name: torch.device(device))
    monkeypatch.setattr("engine.run_memory.available_bytes", lambda _device: 2**40)
    request = replace(request_, dtype="float32", switches=switches, **{"guidance_scale": 5.0, **changes})
    found = outlook(request, "auto").estimate
    assert found.graphs == (graphs * found.denoising if device == "cuda" else 0)


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    assert _container_limit(tmp_path) == ()
    (tmp_path / "memory.current").write_text("300\n")
    (tmp_path / "memory.stat").write_text("anon 100\ninactive_file 150\n")
    (tmp_path / "memory.max").write_text("1000\n")
    assert _container_limit(tmp_path) == (850,)
    (tmp_path / "memory.max").write_text("max\n")
    assert _container_limit(tmp_path) == ()


def test_the_precision_that_suits_device_and_file(runner: Runner, request_: GenerateRequest) -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert resolve_precision("auto", cpu, lambda: "float16") == "float32"
    assert resolve_precision("auto", cuda, lambda: "float16") == "float16"
    assert resolve_precision("bfloat16", cuda, lambda: "float16") == "bfloat16"
    with pytest.raises(InvalidValue, match="'half'"):
        resolve_precision("half", cpu, lambda: "float16")
    (done,) = only(play(runner, replace(request_, dtype="auto")), ImageDone)
    assert done.recipe.dtype == "float32"
