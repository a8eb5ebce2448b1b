"""What every scheduler keeps, whatever its algorithm: one suite that all of them go through."""

from __future__ import annotations

import copy
import inspect
import json
import logging
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import engine.schedulers
from engine._exports import SCHEDULERS
from engine.annotations import fits
from engine.errors import CallOrder, ConfigError, InvalidValue, KnownError
from engine.schedulers.base import SchedulerMixin, SchedulerOutput
from engine.schedulers.distilled_schedule import DistilledScheduler
from engine.schedulers.flow_schedule import FlowScheduler
from engine.schedulers.sigma_schedule import SigmaRun, SigmaScheduler

# Their samples are tokens, or their steps are called otherwise: test_contract_own_ways.py.
OTHER_WAYS = {"AmusedScheduler", "KarrasVeScheduler", "RePaintScheduler", "ScoreSdeVeScheduler", "VQDiffusionScheduler"}
CLASSES = sorted(set(SCHEDULERS) - {"SchedulerMixin"} - OTHER_WAYS)
# A new one is laid out on all trained timesteps, and needs no set_timesteps.
LAID_OUT = ("DDPMParallelScheduler", "DDPMScheduler", "UnCLIPScheduler")
# The last of their timesteps is where the run ends.
ENDS_LISTED = ("DDPMWuerstchenScheduler", "SCMScheduler")
# A run on a grid of levels ends at its lowest again, not at zero.
ENDS_ON_GRID = ("DEISMultistepScheduler", "SASolverScheduler")
# They go from the clean sample to noise.
ASCENDING = ("DDIMInverseScheduler", "DPMSolverMultistepInverseScheduler")
SHAPE = (2, 3, 5, 4)
every_class = pytest.mark.parametrize("name", CLASSES)


def make(name: str, **config: Any) -> Any:
    """Return a scheduler of the class `name`."""
    return getattr(engine.schedulers, name)(**config)


def known(name: str, **config: Any) -> dict[str, Any]:
    """Return the keys of `config` that the class `name` has."""
    parameters = inspect.signature(getattr(engine.schedulers, name)).parameters
    return {key: value for key, value in config.items() if key in parameters}


TRAINED = [name for name in CLASSES if known(name, beta_start=0.1)]


def lay_out(scheduler: Any, steps: int, **options: Any) -> None:
    """Call `set_timesteps`, with what the class asks for at most numbers of steps."""
    if "intermediate_timesteps" in inspect.signature(scheduler.set_timesteps).parameters:
        options["intermediate_timesteps"] = None
    scheduler.set_timesteps(num_inference_steps=steps, **options)


def calls(scheduler: Any) -> Tensor:
    """Return the timesteps at which the model is called."""
    return scheduler.timesteps[:-1] if type(scheduler).__name__ in ENDS_LISTED else scheduler.timesteps


def counts_steps(scheduler: Any) -> bool:
    """Whether the scheduler goes from place to place; the others know their place from the timestep alone."""
    kinds = (SigmaRun, FlowScheduler, DistilledScheduler)
    return isinstance(scheduler, kinds) or type(scheduler).__name__ in ("IPNDMScheduler", "SCMScheduler")


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
    lay_out(scheduler, steps)
    return go_on(scheduler, begin, start(scheduler, seed, dtype), torch.Generator().manual_seed(seed))


def start(scheduler: Any, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the noise that a run starts from."""
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed + 100))
    return (noise * scheduler.init_noise_sigma).to(dtype)


def go_on(scheduler: Any, begin: int, x: Tensor, generator: torch.Generator) -> list[Tensor]:
    """Return the samples from place `begin` to the end."""
    noise = {"generator": generator} if draws_noise(scheduler) else {}
    samples: list[Tensor] = []
    for timestep in calls(scheduler)[begin:]:
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
    lay_out(scheduler, 6)
    x = start(scheduler, dtype=dtype)
    for timestep in calls(scheduler):
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
    lay_out(scheduler, 6)
    x = start(scheduler)
    for timestep in scheduler.timesteps[:3]:
        x = scheduler.step(model(scheduler.scale_model_input(x, timestep), timestep), timestep, x).prev_sample
    twin = copy.deepcopy(scheduler)
    results = [go_on(one, 3, x, torch.Generator().manual_seed(7)) for one in (scheduler, twin)]
    assert same(*results)


@every_class
def test_save_and_load(name: str, tmp_path: Path) -> None:
    config = known(name, beta_schedule="scaled_linear", num_train_timesteps=800, trained_betas=None)
    scheduler = make(name, **config if "beta_start" in known(name, beta_start=0.1) else {})
    scheduler.save_pretrained(tmp_path)
    loaded = type(scheduler).from_pretrained(tmp_path)
    assert loaded.config == scheduler.config
    assert same(run(loaded), run(scheduler))
    written = json.loads((tmp_path / "scheduler_config.json").read_text())
    assert written["_class_name"] == name
    assert [path.name for path in tmp_path.iterdir()] == ["scheduler_config.json"]


@pytest.mark.parametrize("name", TRAINED)
def test_trained_betas_as_array_come_back(name: str, tmp_path: Path) -> None:
    import numpy as np

    scheduler = make(name, trained_betas=np.linspace(0.001, 0.03, 100), num_train_timesteps=100)
    scheduler.save_pretrained(tmp_path)
    assert torch.equal(type(scheduler).from_pretrained(tmp_path).betas, scheduler.betas)


@every_class
def test_step_before_set_timesteps_says_what_to_call(name: str) -> None:
    scheduler = make(name)
    x = torch.zeros(SHAPE)
    if name in LAID_OUT:
        # Algorithm 2 of the paper is all trained timesteps, and a new scheduler is laid out on them.
        assert scheduler.step(x, 999, x).prev_sample.shape == SHAPE
        return
    with pytest.raises(CallOrder, match="set_timesteps"):
        scheduler.step(x, scheduler.timesteps[0], x)


@every_class
def test_step_before_scale_model_input_says_what_to_call(name: str) -> None:
    scheduler = make(name)
    lay_out(scheduler, 4)
    x = torch.zeros(SHAPE)
    if torch.equal(scheduler.scale_model_input(x + 1, scheduler.timesteps[0]), x + 1):
        return  # this class scales nothing, so that there is no order to keep
    lay_out(scheduler, 4)
    with pytest.raises(CallOrder, match="scale_model_input"):
        scheduler.step(x, scheduler.timesteps[0], x)


@every_class
def test_a_step_too_many_says_what_to_call(name: str) -> None:
    scheduler = make(name)
    run(scheduler)
    x = torch.zeros(SHAPE)
    if not counts_steps(scheduler):
        # These know their place from the timestep alone, and may do a step again.
        assert scheduler.step(x, calls(scheduler)[-1], x).prev_sample.shape == SHAPE
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
        ("solver_order", 0),
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
@pytest.mark.parametrize("steps", [0, -3, "too many", None])
def test_wrong_number_of_steps(name: str, steps: Any) -> None:
    scheduler = make(name)
    if steps == "too many":
        if "num_train_timesteps" not in scheduler.config:
            return  # a model of continuous time takes as many as one likes
        steps = len(scheduler) + 1
    with pytest.raises(InvalidValue, match=str(steps)):
        scheduler.set_timesteps(steps)


@every_class
def test_wrong_timesteps(name: str) -> None:
    scheduler = make(name)
    if "timesteps" not in inspect.signature(scheduler.set_timesteps).parameters or name == "SCMScheduler":
        return
    # A flow starts at T itself, the others at T - 1.
    beyond = 1001 if isinstance(scheduler, FlowScheduler) else 1000
    for wrong in ([1, 5, 9], [10, 10, 3], [beyond, 5], [7, -1], []):
        with pytest.raises(InvalidValue, match="timesteps"):
            scheduler.set_timesteps(timesteps=wrong)
    with pytest.raises(InvalidValue, match="4"):
        scheduler.set_timesteps(4, timesteps=[9, 3])


@every_class
def test_swapping_keeps_what_both_understand(name: str, caplog: pytest.LogCaptureFixture) -> None:
    config = known(name, beta_end=0.013, beta_schedule="scaled_linear", steps_offset=1, shift=3.0)
    if "beta_end" not in config:
        config.pop("beta_schedule", None)
    scheduler = make(name, **config)
    assert type(scheduler) in scheduler.compatibles
    for other_class in scheduler.compatibles:
        other: Any = other_class.from_config(scheduler.config)
        shared = known(other_class.__name__, **config)
        assert {key: other.config[key] for key in shared} == shared
        # What was only a default of the first class is the default of the second.
        defaults = inspect.signature(other_class).parameters
        assert all(value == defaults[key].default for key, value in other.config.items() if key not in shared)
        if shared == config:
            assert type(scheduler).from_config(other.config).config == scheduler.config
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
        lay_out(scheduler, 4)
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
    lay_out(one, 5)
    others_way = {"intermediate_timesteps": None} if name == "SCMScheduler" else {}
    other.set_num_inference_steps(num_inference_steps=5, **others_way)
    assert torch.equal(one.timesteps, other.timesteps)
    assert one.num_inference_steps == other.num_inference_steps == 5


@every_class
def test_no_step_reads_from_the_device(name: str) -> None:
    """A meta tensor has no value: any transfer to the CPU inside a step would raise."""
    configs: list[dict[str, Any]] = [{}]
    if name in TRAINED:
        configs.append(known(name, timestep_spacing="trailing", prediction_type="v_prediction"))
    for key in ("thresholding", "skip_prk_steps", "use_karras_sigmas", "stochastic_sampling", "invert_sigmas"):
        if key in inspect.signature(getattr(engine.schedulers, name)).parameters:
            configs.append({key: True})
    for config in configs:
        scheduler = make(name, **config)
        lay_out(scheduler, 6, device="meta")
        x = torch.empty(SHAPE, device="meta")
        for timestep in calls(scheduler):
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
        lay_out(scheduler, 8)
        x = 0.3 * start(scheduler)
        if way == "place":
            scheduler.set_begin_index(6)
        if way == "value":
            scheduler.timesteps = scheduler.timesteps.clone()
        runs.append(go_on(scheduler, 6, x, torch.Generator().manual_seed(1)))
    assert same(runs[0], runs[1])
    assert same(runs[0], runs[2])


@every_class
def test_a_timestep_of_another_run_is_refused(name: str) -> None:
    scheduler = make(name)
    lay_out(scheduler, 8)
    x = torch.zeros(SHAPE)
    if not counts_steps(scheduler):
        assert scheduler.scale_model_input(x, 3) is x
        return
    with pytest.raises(InvalidValue, match=r"123\.5"):
        scheduler.step(x, torch.tensor(123.5), scheduler.scale_model_input(x, torch.tensor(123.5)))


@every_class
def test_add_noise_at_the_end_and_at_the_start_of_the_schedule(name: str) -> None:
    scheduler = make(name)
    lay_out(scheduler, 10)
    clean, noise = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    ends = scheduler.timesteps[[-1, -1]], scheduler.timesteps[[0, 0]]
    ends = ends[::-1] if name in ASCENDING else ends
    if isinstance(scheduler, FlowScheduler):
        nearly_clean, noisy = (scheduler.scale_noise(clean, times, noise) for times in ends)
    elif hasattr(scheduler, "add_noise"):
        nearly_clean, noisy = (scheduler.add_noise(clean, noise, times) for times in ends)
    else:
        return
    assert (nearly_clean - clean).abs().mean() < 0.3
    assert torch.corrcoef(torch.stack([noisy.flatten(), noise.flatten()]))[0, 1] > 0.9


@pytest.mark.parametrize("name", [name for name in TRAINED if name not in ASCENDING])
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
    hints = get_type_hints(getattr(engine.schedulers, name).__init__)
    for key in ("algorithm_type", "solver_type", "variance_type"):
        if key in parameters:
            options[key] = options[key].filter(lambda value, hint=hints[key]: fits(value, hint))
    if name in ENDS_ON_GRID:
        options.pop("algorithm_type")  # what these know is not among the choices
    config = {key: data.draw(values, label=key) for key, values in options.items() if key in parameters}
    if "original_inference_steps" in parameters:
        config["num_train_timesteps"] = 1000  # of which the configured 50 are distilled
    if "use_karras_sigmas" in parameters and (grid := data.draw(options["grid"], label="grid")) != "none":
        config[grid] = True
    if name == "DEISMultistepScheduler" or config.get("algorithm_type") in ("dpmsolver", "sde-dpmsolver"):
        # Solvers on the noise scale samples by alpha_t / alpha_s: float32 runs out of digits where that is thousands.
        config |= known(name, rescale_betas_zero_snr=False, beta_schedule="linear")
    if name == "SASolverScheduler":
        config["lower_order_final"] = True  # else its last step mixes the noise between the last levels into the sample
    knows_clean = name != "PNDMScheduler"
    config["prediction_type"] = "sample" if knows_clean else "epsilon"
    scheduler = make(name, **config, **({"clip_sample": False} if "clip_sample" in parameters else {}))
    steps = data.draw(st.integers(4, 30), label="steps")
    scheduler.set_timesteps(steps)
    if name not in ("PNDMScheduler",) and not isinstance(scheduler, SigmaScheduler):
        assert (scheduler.timesteps.diff() < 0).all()
        assert len(scheduler.timesteps) == steps
    if isinstance(scheduler, SigmaScheduler):
        # Two calls a step have a level twice.
        levels = scheduler.sigmas.unique_consecutive()
        assert (levels.diff() < 0).all()
        assert len(levels) == steps + (0 if name in ENDS_ON_GRID and scheduler.sigmas[-2] == levels[-1] else 1)
        assert len(scheduler.timesteps) == scheduler.order * steps - (scheduler.order - 1)
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
        # DDIM's stride is T // n whatever the spacing: where n does not divide T, "trailing" ends before the end.
        ends_early = name.startswith("DDIM") and config["timestep_spacing"] == "trailing" and len(scheduler) % steps
        # Of few trained timesteps the last is not all noise, and a sample of it that is lies many deviations out.
        assert ends_early or (x - clean).abs().max() <= 12 * spread


def test_every_class_is_a_scheduler_of_the_mixin() -> None:
    for name in CLASSES:
        scheduler = make(name)
        assert isinstance(scheduler, SchedulerMixin)
        assert type(scheduler) in scheduler.compatibles
        trained = inspect.signature(type(scheduler)).parameters.get("num_train_timesteps")
        assert len(scheduler) == (trained.default if trained else len(scheduler.timesteps))
