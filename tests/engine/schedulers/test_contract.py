"""What every scheduler keeps, whatever its algorithm: one suite that all of them go through."""

from __future__ import annotations

import copy
import inspect
import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import engine.schedulers
from engine._exports import SCHEDULERS
from engine.errors import CallOrder, ConfigError, InvalidValue, KnownError
from engine.schedulers.base import SchedulerMixin, SchedulerOutput
from engine.schedulers.sigma_schedule import SigmaScheduler

CLASSES = sorted(set(SCHEDULERS) - {"SchedulerMixin"})
SHAPE = (2, 3, 5, 4)
every_class = pytest.mark.parametrize("name", CLASSES)


def make(name: str, **config: Any) -> Any:
    """Return a scheduler of the class `name`."""
    return getattr(engine.schedulers, name)(**config)


def draws_noise(scheduler: Any) -> bool:
    """Whether `step` can draw noise."""
    return "generator" in inspect.signature(scheduler.step).parameters


def model(x: Tensor, timestep: Any) -> Tensor:
    """Stand in for a network: smooth, different at every timestep, of the sample's type."""
    return (0.5 * x + 0.1 * torch.sin(3 * x + float(timestep) / 100)).to(x.dtype)


def run(
    scheduler: Any, steps: int = 6, seed: int = 0, dtype: torch.dtype = torch.float32, begin: int = 0
) -> list[Tensor]:
    """Return the samples of a whole run."""
    scheduler.set_timesteps(steps)
    return go_on(scheduler, begin, start(scheduler, seed, dtype), torch.Generator().manual_seed(seed))


def start(scheduler: Any, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the noise that a run starts from."""
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed + 100))
    return (noise * scheduler.init_noise_sigma).to(dtype)


def go_on(scheduler: Any, begin: int, x: Tensor, generator: torch.Generator) -> list[Tensor]:
    """Return the samples from place `begin` to the end."""
    noise = {"generator": generator} if draws_noise(scheduler) else {}
    samples: list[Tensor] = []
    for timestep in scheduler.timesteps[begin:]:
        scaled = scheduler.scale_model_input(x, timestep)
        x = scheduler.step(model(scaled, timestep), timestep, x, **noise).prev_sample
        samples.append(x)
    return samples


def same(ours: list[Tensor], others: list[Tensor]) -> bool:
    """Whether two runs are equal to the last bit."""
    return len(ours) == len(others) and all(torch.equal(a, b) for a, b in zip(ours, others, strict=True))


@every_class
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_shape_and_dtype_are_kept(name: str, dtype: torch.dtype) -> None:
    scheduler = make(name)
    scheduler.set_timesteps(6)
    x = start(scheduler, dtype=dtype)
    for timestep in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, timestep)
        assert (scaled.shape, scaled.dtype) == (SHAPE, dtype)
        out = scheduler.step(model(scaled, timestep), timestep, x)
        for tensor in (out.prev_sample, out.pred_original_sample):
            assert (tensor.shape, tensor.dtype) == (SHAPE, dtype)
            assert tensor.isfinite().all()
        x = out.prev_sample


@every_class
def test_same_seed_same_result(name: str) -> None:
    assert same(run(make(name), seed=3), run(make(name), seed=3))
    assert not same(run(make(name), seed=3), run(make(name), seed=4))


@every_class
def test_a_second_run_and_a_deep_copy_are_as_good_as_new(name: str) -> None:
    scheduler = make(name)
    run(scheduler, steps=9, seed=1)
    used = copy.deepcopy(scheduler)
    fresh = run(make(name))
    assert same(run(scheduler), fresh)
    assert same(run(used), fresh)


@every_class
def test_a_deep_copy_in_the_middle_goes_on_the_same(name: str) -> None:
    scheduler = make(name)
    scheduler.set_timesteps(6)
    x = start(scheduler)
    for timestep in scheduler.timesteps[:3]:
        x = scheduler.step(model(scheduler.scale_model_input(x, timestep), timestep), timestep, x).prev_sample
    twin = copy.deepcopy(scheduler)
    results = [go_on(one, 3, x, torch.Generator().manual_seed(7)) for one in (scheduler, twin)]
    assert same(*results)


@every_class
def test_save_and_load(name: str, tmp_path: Path) -> None:
    scheduler = make(name, beta_schedule="scaled_linear", num_train_timesteps=800, trained_betas=None)
    scheduler.save_pretrained(tmp_path)
    loaded = type(scheduler).from_pretrained(tmp_path)
    assert loaded.config == scheduler.config
    assert same(run(loaded), run(scheduler))
    written = json.loads((tmp_path / "scheduler_config.json").read_text())
    assert written["_class_name"] == name
    assert [path.name for path in tmp_path.iterdir()] == ["scheduler_config.json"]


@every_class
def test_trained_betas_as_array_come_back(name: str, tmp_path: Path) -> None:
    import numpy as np

    scheduler = make(name, trained_betas=np.linspace(0.001, 0.03, 100), num_train_timesteps=100)
    scheduler.save_pretrained(tmp_path)
    assert torch.equal(type(scheduler).from_pretrained(tmp_path).betas, scheduler.betas)


@every_class
def test_step_before_set_timesteps_says_what_to_call(name: str) -> None:
    scheduler = make(name)
    x = torch.zeros(SHAPE)
    if name == "DDPMScheduler":
        # Algorithm 2 of the paper is all trained timesteps, and a new scheduler is laid out on them.
        assert scheduler.step(x, 999, x).prev_sample.shape == SHAPE
        return
    with pytest.raises(CallOrder, match="set_timesteps"):
        scheduler.step(x, scheduler.timesteps[0], x)


@every_class
def test_step_before_scale_model_input_says_what_to_call(name: str) -> None:
    scheduler = make(name)
    scheduler.set_timesteps(4)
    x = torch.zeros(SHAPE)
    if torch.equal(scheduler.scale_model_input(x + 1, scheduler.timesteps[0]), x + 1):
        return  # this class scales nothing, so that there is no order to keep
    scheduler.set_timesteps(4)
    with pytest.raises(CallOrder, match="scale_model_input"):
        scheduler.step(x, scheduler.timesteps[0], x)


@every_class
def test_a_step_too_many_says_what_to_call(name: str) -> None:
    scheduler = make(name)
    run(scheduler)
    x = torch.zeros(SHAPE)
    if not isinstance(scheduler, SigmaScheduler):
        # These know their place from the timestep alone, and may do a step again.
        assert scheduler.step(x, scheduler.timesteps[-1], x).prev_sample.shape == SHAPE
        return
    with pytest.raises(CallOrder, match="set_timesteps"):
        scheduler.step(x, scheduler.timesteps[-1], x)


@every_class
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_train_timesteps", 0),
        ("num_train_timesteps", 10.5),
        ("beta_start", -0.1),
        ("beta_start", "small"),
        ("beta_schedule", "quadratic"),
        ("timestep_spacing", "logarithmic"),
        ("prediction_type", "noise"),
        ("steps_offset", -1),
        ("dynamic_thresholding_ratio", 1.5),
        ("solver_order", 4),
        ("algorithm_type", "euler"),
        ("final_sigmas_type", "none"),
        ("use_karras_sigmas", "yes"),
        ("variance_type", "huge"),
        ("sigma_min", -1.0),
        ("flow_shift", 0.0),
    ],
)
def test_wrong_configuration_value(name: str, key: str, value: Any) -> None:
    if key not in inspect.signature(getattr(engine.schedulers, name)).parameters:
        with pytest.raises(ConfigError, match=key):
            make(name, **{key: value})
        return
    with pytest.raises(KnownError) as caught:
        make(name, **{key: value})
    assert isinstance(caught.value, ValueError)
    assert key in str(caught.value)
    assert str(value) in str(caught.value)


@every_class
def test_two_grids_at_once_are_refused(name: str) -> None:
    grids = [key for key in inspect.signature(getattr(engine.schedulers, name)).parameters if "_sigmas" in key]
    grids = [key for key in grids if key.startswith("use_")]
    for one, other in zip(grids, grids[1:], strict=False):
        with pytest.raises(InvalidValue, match=f"{one} and {other}"):
            make(name, **{one: True, other: True})


@every_class
@pytest.mark.parametrize("steps", [0, -3, 1001, None])
def test_wrong_number_of_steps(name: str, steps: Any) -> None:
    scheduler = make(name)
    with pytest.raises(InvalidValue, match=str(steps)):
        scheduler.set_timesteps(steps)


@every_class
def test_wrong_timesteps(name: str) -> None:
    scheduler = make(name)
    if "timesteps" not in inspect.signature(scheduler.set_timesteps).parameters:
        return
    for wrong in ([1, 5, 9], [10, 10, 3], [1000, 5], [7, -1], []):
        with pytest.raises(InvalidValue, match="timesteps"):
            scheduler.set_timesteps(timesteps=wrong)
    with pytest.raises(InvalidValue, match="4"):
        scheduler.set_timesteps(4, timesteps=[9, 3])


@every_class
def test_swapping_keeps_what_both_understand(name: str, caplog: pytest.LogCaptureFixture) -> None:
    scheduler = make(name, beta_end=0.013, beta_schedule="scaled_linear", steps_offset=1)
    assert len(scheduler.compatibles) >= len(CLASSES)
    for other_class in scheduler.compatibles:
        other: Any = other_class.from_config(scheduler.config)
        assert (other.config.beta_end, other.config.beta_schedule, other.config.steps_offset) == (
            0.013,
            "scaled_linear",
            1,
        )
        # What was only a default of the first class is the default of the second.
        expected = inspect.signature(other_class).parameters["timestep_spacing"].default
        assert other.config.timestep_spacing == expected
        back = type(scheduler).from_config(other.config)
        assert back.config == scheduler.config
    with caplog.at_level(logging.INFO):
        type(scheduler).from_config(dict(scheduler.config) | {"unheard_of": 3})
    assert "unheard_of" in caplog.text
    with pytest.raises(ConfigError, match="unheard_of"):
        type(scheduler).from_config(scheduler.config, unheard_of=3)


@every_class
def test_outputs_are_tuples_and_dicts_too(name: str) -> None:
    results: list[Any] = []
    for return_dict in (True, False):
        scheduler = make(name)
        scheduler.set_timesteps(4)
        x = start(scheduler)
        timestep = scheduler.timesteps[0]
        noise = {"generator": torch.Generator().manual_seed(0)} if draws_noise(scheduler) else {}
        output = model(scheduler.scale_model_input(x, timestep), timestep)
        results.append(scheduler.step(output, timestep, x, return_dict=return_dict, **noise))
    out, pair = results
    assert isinstance(out, SchedulerOutput)
    assert isinstance(out, dict)
    assert type(pair) is tuple
    for value, key in zip(pair, ("prev_sample", "pred_original_sample"), strict=True):
        assert torch.equal(value, out[key])
        assert torch.equal(value, getattr(out, key))


@every_class
def test_the_specification_s_name_for_set_timesteps(name: str) -> None:
    one, other = make(name), make(name)
    one.set_timesteps(5)
    other.set_num_inference_steps(num_inference_steps=5)
    assert torch.equal(one.timesteps, other.timesteps)
    assert one.num_inference_steps == other.num_inference_steps == 5


@every_class
def test_no_step_reads_from_the_device(name: str) -> None:
    """A meta tensor has no value: any transfer to the CPU inside a step would raise."""
    configs: list[dict[str, Any]] = [{}, {"timestep_spacing": "trailing", "prediction_type": "v_prediction"}]
    for key in ("thresholding", "skip_prk_steps", "use_karras_sigmas"):
        if key in inspect.signature(getattr(engine.schedulers, name)).parameters:
            configs.append({key: True})
    for config in configs:
        scheduler = make(name, **config)
        scheduler.set_timesteps(6, device="meta")
        x = torch.empty(SHAPE, device="meta")
        for timestep in scheduler.timesteps:
            scaled = scheduler.scale_model_input(x, timestep)
            noise = {"generator": torch.Generator().manual_seed(0)} if draws_noise(scheduler) else {}
            x = scheduler.step(0.5 * scaled, timestep, x, **noise).prev_sample
        assert x.device.type == "meta"


@every_class
def test_a_run_may_start_in_the_middle(name: str) -> None:
    """By the place, by the element of `timesteps` and by its value: the same run."""
    config = {"skip_prk_steps": True} if name == "PNDMScheduler" else {}
    runs: list[list[Tensor]] = []
    for way in ("place", "element", "value"):
        scheduler = make(name, **config)
        scheduler.set_timesteps(8)
        x = 0.3 * start(scheduler)
        if way == "place":
            scheduler.set_begin_index(5)
        if way == "value":
            scheduler.timesteps = scheduler.timesteps.clone()
        runs.append(go_on(scheduler, 5, x, torch.Generator().manual_seed(1)))
    assert same(runs[0], runs[1])
    assert same(runs[0], runs[2])


@every_class
def test_a_timestep_of_another_run_is_refused(name: str) -> None:
    scheduler = make(name)
    scheduler.set_timesteps(8)
    x = torch.zeros(SHAPE)
    if not isinstance(scheduler, SigmaScheduler):
        assert scheduler.scale_model_input(x, 3) is x
        return
    with pytest.raises(InvalidValue, match=r"123\.5"):
        scheduler.step(x, torch.tensor(123.5), scheduler.scale_model_input(x, torch.tensor(123.5)))


@every_class
def test_add_noise_at_the_end_and_at_the_start_of_the_schedule(name: str) -> None:
    scheduler = make(name)
    scheduler.set_timesteps(10)
    clean, noise = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    nearly_clean = scheduler.add_noise(clean, noise, scheduler.timesteps[-1:].repeat(2))
    noisy = scheduler.add_noise(clean, noise, scheduler.timesteps[[0, 0]])
    assert (nearly_clean - clean).abs().mean() < 0.3
    assert torch.corrcoef(torch.stack([noisy.flatten(), noise.flatten()]))[0, 1] > 0.9


@every_class
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_configuration_descends_to_the_clean_sample(name: str, data: st.DataObject) -> None:
    """A model that knows the clean sample: no NaN, no timestep twice where it must not be, and the run ends there."""
    parameters = inspect.signature(getattr(engine.schedulers, name)).parameters
    options: dict[str, Any] = {
        "num_train_timesteps": st.integers(40, 1000),
        "beta_schedule": st.sampled_from(["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace"]),
        "timestep_spacing": st.sampled_from(["linspace", "leading", "trailing"]),
        "rescale_betas_zero_snr": st.booleans(),
        "grid": st.sampled_from(["none", "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"]),
        "solver_order": st.sampled_from([1, 2, 3]),
        "algorithm_type": st.sampled_from(["dpmsolver++", "dpmsolver", "sde-dpmsolver++", "sde-dpmsolver"]),
        "solver_type": st.sampled_from(["midpoint", "heun"]),
        "lower_order_final": st.booleans(),
        "skip_prk_steps": st.booleans(),
        "variance_type": st.sampled_from(["fixed_small", "fixed_small_log"]),
    }
    config = {key: data.draw(values, label=key) for key, values in options.items() if key in parameters}
    if "use_karras_sigmas" in parameters and (grid := data.draw(options["grid"], label="grid")) != "none":
        config[grid] = True
    if config.get("algorithm_type") in ("dpmsolver", "sde-dpmsolver"):
        # Solvers on the noise scale samples by alpha_t / alpha_s: float32 runs out of digits where that is thousands.
        config |= {"rescale_betas_zero_snr": False, "beta_schedule": "linear"}
    knows_clean = name != "PNDMScheduler"
    config["prediction_type"] = "sample" if knows_clean else "epsilon"
    scheduler = make(name, **config, **({"clip_sample": False} if "clip_sample" in parameters else {}))
    steps = data.draw(st.integers(4, 30), label="steps")
    scheduler.set_timesteps(steps)
    if name not in ("PNDMScheduler",) and not isinstance(scheduler, SigmaScheduler):
        assert (scheduler.timesteps.diff() < 0).all()
        assert len(scheduler.timesteps) == steps
    if isinstance(scheduler, SigmaScheduler):
        assert (scheduler.sigmas.diff() < 0).all()
        assert len(scheduler.sigmas) == len(scheduler.timesteps) + 1 == steps + 1
    assert scheduler.timesteps.min() >= 0
    clean = torch.rand(SHAPE, generator=torch.Generator().manual_seed(1)) - 0.5
    x = start(scheduler)
    out: Any = None
    for timestep in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, timestep)
        out = scheduler.step(clean if knows_clean else 0.9 * scaled, timestep, x)
        x = out.prev_sample
        assert x.isfinite().all()
    if knows_clean:
        torch.testing.assert_close(out.pred_original_sample, clean, rtol=0, atol=1e-4)
        # The trained levels begin with a little noise; zero is reached where the schedule has it.
        spread = float((1 - scheduler.alphas_cumprod[0]) ** 0.5)
        assert (x - clean).abs().max() <= 6 * spread


def test_every_class_is_a_scheduler_of_the_mixin() -> None:
    for name in CLASSES:
        scheduler = make(name)
        assert isinstance(scheduler, SchedulerMixin)
        assert type(scheduler) in scheduler.compatibles
        assert len(scheduler) == 1000
