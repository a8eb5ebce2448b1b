"""The small parts of a run: settings, clock, learning rate, moving average, kernels, checkpoints, pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn
from torch.nn import functional

from engine.errors import BadFile, ConfigError, DeviceUnavailable, WeightsMismatch
from engine.plots import image_grid
from engine.training import session
from engine.training.checkpoint import (
    check_settings,
    load_checkpoint,
    load_optimizer_state,
    optimizer_state,
    save_checkpoint,
)
from engine.training.clock import Clock
from engine.training.config import StageSettings
from engine.training.cpu_kernels import FastOnCpu, GroupNormFunction, plain_attention
from engine.training.ema import Ema
from engine.training.optimisation import learning_rate, make_optimizer
from engine.training.plots import save_loss_curve
from engine.training.session import make_accelerator, step_seed


def settings(**changes: object) -> StageSettings:
    return StageSettings.from_dict({"out": "run", "steps": 100} | changes)


@dataclass
class Hand:
    """The hand of a clock that is moved by the test."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


# ---- settings


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"steps": 0}, "steps cannot be 0; it must be 1 or more"),
        ({"steps": "many"}, "steps cannot be 'many'; it must be a whole number"),
        ({"batch_size": True}, "batch_size cannot be True"),
        ({"learning_rate": 0.0}, "learning_rate cannot be 0.0; it must be more than 0"),
        ({"device": "tpu"}, "device cannot be 'tpu'; it must be one of"),
        ({"precision": "fp8"}, 'precision cannot be \'fp8\'; it must be one of "auto", "no", "bf16", "fp16"'),
        ({"ema_decay": 1.0}, "ema_decay cannot be 1.0"),
        ({"decay_share": 2.0}, "decay_share cannot be 2.0"),
        ({"max_minutes": -1.0}, "max_minutes cannot be -1.0"),
        ({"out": ""}, "out cannot be ''"),
        ({"stepz": 3}, "StageSettings has no setting 'stepz'"),
    ],
)
def test_a_wrong_setting_is_named(changes: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        settings(**changes)
    assert text in str(raised.value)


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(ConfigError, match="needs a value for 'steps'"):
        StageSettings.from_dict({"out": "run"})


def test_settings_survive_a_file(tmp_path: Path) -> None:
    made = settings(max_minutes=2.5, seed=3)
    made.save(tmp_path / "settings.json")
    assert StageSettings.from_file(tmp_path / "settings.json") == made


def test_a_device_that_is_not_there_is_refused() -> None:
    if torch.cuda.is_available():
        assert make_accelerator(settings(device="cuda", precision="no")).device.type == "cuda"
    else:
        with pytest.raises(DeviceUnavailable, match="'cuda' is not present"):
            make_accelerator(settings(device="cuda"))


def test_half_precision_is_refused_on_a_cpu() -> None:
    with pytest.raises(ConfigError, match="precision cannot be 'fp16' on a CPU; choose 'bf16' or 'no'"):
        make_accelerator(settings(device="cpu", precision="fp16"))


@pytest.mark.parametrize(("present", "precision"), [(True, "bf16"), (False, "no")])
def test_training_computes_in_what_the_processor_has(
    monkeypatch: pytest.MonkeyPatch, present: bool, precision: str
) -> None:
    monkeypatch.setattr(session, "is_quick", lambda _dtype: present)
    assert make_accelerator(settings(device="cpu")).mixed_precision == precision
    assert make_accelerator(settings(device="cpu", precision="bf16")).mixed_precision == "bf16"


# ---- clock and learning rate


def test_the_clock_ends_by_steps_or_by_time_whichever_is_first() -> None:
    hand = Hand()
    clock = Clock(settings(steps=10, max_minutes=1.0), now=hand)
    for _ in range(4):
        hand.seconds += 6
        clock.tick()
    assert clock.seconds_per_step == 6
    assert clock.seconds_left == 36
    assert clock.fraction == pytest.approx(0.4)
    assert clock.running()
    hand.seconds = 60
    assert not clock.running()
    assert clock.reason == "time"
    done = Clock(settings(steps=4), step=4, now=hand)
    assert not done.running()
    assert done.reason == "steps"


def test_a_resumed_clock_counts_earlier_seconds() -> None:
    hand = Hand(1000.0)
    clock = Clock(settings(max_minutes=10.0), step=5, seconds=540.0, now=hand)
    assert clock.fraction == pytest.approx(0.9)
    hand.seconds += 30
    assert clock.seconds == 570


def test_things_are_due_every_so_many_minutes_each_by_itself() -> None:
    hand = Hand()
    clock = Clock(settings(), now=hand)
    assert not clock.due("samples", 1)
    hand.seconds = 61
    assert clock.due("samples", 1)
    assert clock.due("checkpoint", 1)
    hand.seconds = 100
    assert not clock.due("samples", 1)
    hand.seconds = 121
    assert clock.due("samples", 1)


def test_the_learning_rate_rises_stays_and_falls_to_zero() -> None:
    run = settings(learning_rate=2.0, warmup_steps=10, decay_share=0.5)
    assert learning_rate(run, 0, 0.0) == pytest.approx(0.2)
    assert learning_rate(run, 9, 0.09) == pytest.approx(2.0)
    assert learning_rate(run, 50, 0.5) == pytest.approx(2.0)
    assert learning_rate(run, 75, 0.75) == pytest.approx(1.0)
    assert learning_rate(run, 100, 1.0) == pytest.approx(0.0)
    constant = settings(learning_rate=2.0, warmup_steps=0, decay_share=0.0)
    assert learning_rate(constant, 0, 0.0) == learning_rate(constant, 99, 1.0) == 2.0


def test_weight_decay_spares_biases_and_norms() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
    decayed, spared = make_optimizer(module.parameters(), settings(weight_decay=0.3)).param_groups
    assert decayed["weight_decay"] == 0.3
    assert [tuple(weight.shape) for weight in decayed["params"]] == [(4, 3)]
    assert spared["weight_decay"] == 0.0
    assert len(spared["params"]) == 3


# ---- moving average


@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=30), st.floats(0, 0.99))
def test_the_average_follows_its_formula(values: list[float], max_decay: float) -> None:
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, 1.0)
    ema = Ema(module, max_decay)
    expected = 1.0
    for n, value in enumerate(values):
        nn.init.constant_(module.weight, value)
        ema.update(module)
        decay = min(max_decay, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * value
    assert ema.model.weight.item() == pytest.approx(expected, abs=1e-4)
    assert ema.updates == len(values)
    assert not ema.model.weight.requires_grad
    assert module.weight.item() == values[-1]


# ---- kernels


@pytest.mark.parametrize("mask", ["none", "causal", "boolean", "additive"])
def test_plain_attention_is_attention(mask: str) -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, 5, 4) for _ in range(3))
    options: dict[str, object] = {"is_causal": mask == "causal"}
    if mask == "boolean":
        options["attn_mask"] = torch.ones(5, 5, dtype=torch.bool).tril(1)
    if mask == "additive":
        options["attn_mask"] = torch.randn(2, 1, 5, 5)
    expected = functional.scaled_dot_product_attention(query, key, value, **options)
    assert torch.allclose(plain_attention(query, key, value, **options), expected, atol=1e-6)
    with FastOnCpu():
        inside = functional.scaled_dot_product_attention(query, key, value, **options)
    assert torch.equal(inside, plain_attention(query, key, value, **options))


@pytest.mark.parametrize(("channels", "groups"), [(8, 2), (12, 12), (6, 1)])
def test_the_group_norms_gradients_are_those_of_the_built_in_one(channels: int, groups: int) -> None:
    torch.manual_seed(0)
    x = (torch.randn(3, channels, 5, 4) * 3 + 1).contiguous(memory_format=torch.channels_last)
    weight, bias, dy = torch.randn(channels), torch.randn(channels), torch.randn(3, channels, 5, 4)
    results: list[list[torch.Tensor]] = []
    for norm in (GroupNormFunction.apply, functional.group_norm):
        inputs = [tensor.clone().requires_grad_() for tensor in (x, weight, bias)]
        y = norm(inputs[0], groups, inputs[1], inputs[2], 1e-5)
        y.backward(dy)
        results.append([y.detach(), *(tensor.grad for tensor in inputs if tensor.grad is not None)])
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5 * float(theirs.abs().max()))


def test_the_context_replaces_the_group_norm_of_modules_in_bfloat16() -> None:
    x = torch.randn(2, 16, 6, 6, dtype=torch.bfloat16, requires_grad=True)
    norm = nn.GroupNorm(4, 16)
    with FastOnCpu(), torch.autocast("cpu", torch.bfloat16):
        inside = norm(x)
    assert "GroupNormFunction" in type(inside.grad_fn).__name__
    with torch.autocast("cpu", torch.bfloat16):
        assert "GroupNormFunction" not in type(norm(x).grad_fn).__name__


# ---- checkpoints


def test_a_checkpoint_gives_back_what_it_got(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save_checkpoint(path, {"step": 3, "weights": {"w": torch.arange(3)}})
    content = load_checkpoint(path)
    assert content["step"] == 3
    assert torch.equal(content["weights"]["w"], torch.arange(3))
    assert [file.name for file in tmp_path.iterdir()] == ["a.pt"]


def test_other_files_are_no_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(b"no checkpoint")
    with pytest.raises(BadFile, match="is damaged or no checkpoint"):
        load_checkpoint(path)
    torch.save({"format": 99}, path)
    with pytest.raises(BadFile, match="is not a checkpoint of format 2"):
        load_checkpoint(path)
    save_checkpoint(path, {"step": 1})
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(BadFile, match="is damaged"):
        load_checkpoint(path)


def test_the_optimiser_knows_parameters_by_name_wherever_they_stand(tmp_path: Path) -> None:
    def network(*names: str) -> torch.nn.ModuleDict:
        return torch.nn.ModuleDict({name: torch.nn.Linear(2, 2) for name in names})

    first, second = network("a", "b"), network("b", "a")
    optimizers = [torch.optim.AdamW(module.parameters()) for module in (first, second)]
    for number, weight in enumerate(first.parameters()):
        weight.grad = torch.full_like(weight, number + 1.0)
    optimizers[0].step()
    state = optimizer_state(first, optimizers[0])
    load_optimizer_state(second, optimizers[1], state, tmp_path / "x.pt")
    given = optimizer_state(second, optimizers[1])
    assert list(given) == ["b.weight", "b.bias", "a.weight", "a.bias"]
    assert all(torch.equal(given[name]["exp_avg"], state[name]["exp_avg"]) for name in state)
    other = network("a", "c")
    with pytest.raises(WeightsMismatch, match=r"x.pt remembers nothing of c.weight"):
        load_optimizer_state(other, torch.optim.AdamW(other.parameters()), state, tmp_path / "x.pt")


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (str(tmp_path / "sprung"),)

    torch.save({"format": 1, "trap": Trap()}, tmp_path / "a.pt")
    with pytest.raises(BadFile, match="is damaged or no checkpoint"):
        load_checkpoint(tmp_path / "a.pt")
    assert not (tmp_path / "sprung").exists()


def test_changed_settings_are_refused_unless_they_may_change() -> None:
    saved = {"seed": 0, "steps": 10}
    check_settings(Path("a.pt"), saved, {"seed": 0, "steps": 20}, frozenset({"steps"}))
    with pytest.raises(ConfigError, match=r"a\.pt was made with seed = 0, and now it is 1; set it back"):
        check_settings(Path("a.pt"), saved, {"seed": 1, "steps": 10}, frozenset({"steps"}))


def test_step_seeds_differ_by_run_step_and_process() -> None:
    seeds = {step_seed(run, step, process) for run in range(3) for step in range(50) for process in range(4)}
    assert len(seeds) == 600
    assert step_seed(1, 2, 3) == step_seed(1, 2, 3)


# ---- pictures


def test_the_loss_curve_is_drawn_falling(tmp_path: Path) -> None:
    save_loss_curve([math.exp(-i / 300) for i in range(2000)], tmp_path / "loss.png", "unet")
    with Image.open(tmp_path / "loss.png") as file:
        image = file.convert("RGB")
    dark = [(x, y) for x in range(image.width) for y in range(image.height) if image.getpixel((x, y)) == (31, 95, 191)]
    left = [y for x, y in dark if x < 200]
    right = [y for x, y in dark if x > 700]
    assert max(left) < min(right)


def test_odd_losses_do_not_break_the_curve(tmp_path: Path) -> None:
    for losses in ([], [0.5], [1.0, math.nan, 2.0], [1.0, math.inf], [0.0, 0.0]):
        save_loss_curve(losses, tmp_path / "loss.png")
        with Image.open(tmp_path / "loss.png") as image:
            assert image.size == (900, 420)


def test_a_grid_has_its_images_in_rows() -> None:
    images = [Image.new("RGB", (10, 8), color) for color in ("red", "green", "blue")]
    grid = image_grid(images, columns=2, gap=2)
    assert grid.size == (2 * 12 + 2, 2 * 10 + 2)
    assert grid.getpixel((3, 3)) == (255, 0, 0)
    assert grid.getpixel((15, 3)) == (0, 128, 0)
    assert grid.getpixel((3, 13)) == (0, 0, 255)
