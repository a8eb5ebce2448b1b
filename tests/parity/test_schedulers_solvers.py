"""Solvers along the log-SNR, and samplers of distilled and inpainting models, against Diffusers step by step."""

from __future__ import annotations

import inspect
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from torch import Tensor

import engine.schedulers
from tests.parity.scheduler_runs import Beside, Options, error, name_of, pairs, singles
from tests.parity.test_schedulers import (
    BETAS,
    CLIP,
    FINAL,
    GRIDS,
    PREDICTION,
    SHAPES,
    SPACING,
    STEPS,
    THRESHOLD,
    ZERO_SNR,
)

# Of the reference's own making: it deprecates a solver, and hands torch tensors to numpy in an old way.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*algorithm_types=dpmsolver` is deprecated.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*algorithm_types? dpmsolver and sde-dpmsolver.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
]

LIBRARIES = (engine.schedulers, diffusers)
FLOW: Options = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}
WITH_FLOW: dict[str, Any] = {"grid": [*GRIDS["grid"], FLOW]}
ON_NOISE: Options = {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}
VARIANCE: dict[str, Any] = {"variance_type": ["learned", "learned_range"]}
SOLVER = BETAS | THRESHOLD | PREDICTION
DISTILLED = BETAS | CLIP | THRESHOLD | PREDICTION | ZERO_SNR | {"set_alpha_to_one": [False]}
DISTILLED |= {"beta_schedule": ["linear", "squaredcos_cap_v2"], "original_inference_steps": [100]}

OPTIONS: dict[str, dict[str, Any]] = {
    "DPMSolverMultistepInverseScheduler": SOLVER
    | SPACING
    | GRIDS
    | VARIANCE
    | {
        "solver_order": [1, 3],
        "algorithm_type": ["dpmsolver", "deis"],
        "solver_type": ["heun", "logrho"],
        "lower_order_final": [False],
        "euler_at_final": [True],
        "lambda_min_clipped": [-5.1],
    },
    "DPMSolverSinglestepScheduler": SOLVER
    | WITH_FLOW
    | FINAL
    | VARIANCE
    | {
        "solver_order": [1, 3],
        "algorithm_type": [{"algorithm_type": "deis", "final_sigmas_type": "sigma_min"}, "sde-dpmsolver++", ON_NOISE],
        "solver_type": ["heun", "bh2"],
        "lower_order_final": [True],
        "lambda_min_clipped": [-5.1],
    },
    "DEISMultistepScheduler": SOLVER
    | SPACING
    | WITH_FLOW
    | {
        "solver_order": [1, 3],
        "algorithm_type": ["dpmsolver++"],
        "solver_type": ["heun"],
        "lower_order_final": [False],
    },
    "UniPCMultistepScheduler": SOLVER
    | SPACING
    | FINAL
    | ZERO_SNR
    | {
        "grid": [
            *WITH_FLOW["grid"],
            FLOW | {"shift_terminal": 0.1},
            FLOW | {"use_karras_sigmas": True, "sigma_min": 0.01, "sigma_max": 200.0},
            {"use_karras_sigmas": True, "sigma_min": 0.05, "sigma_max": 11.0},
        ],
        "solver_order": [1, 3, 4],
        "predict_x0": [{"predict_x0": False, "final_sigmas_type": "sigma_min"}],
        "solver_type": ["midpoint", {"solver_type": "bh1", "final_sigmas_type": "sigma_min"}],
        "lower_order_final": [{"lower_order_final": False, "final_sigmas_type": "sigma_min"}],
        "disable_corrector": [[0, 1, 3]],
    },
    "SASolverScheduler": SOLVER
    | SPACING
    | WITH_FLOW
    | VARIANCE
    | {
        "predictor_order": [1, 3, 4],
        "corrector_order": [1, 3, 4],
        "algorithm_type": ["noise_prediction"],
        "tau_func": [lambda t: 0, lambda t: 1, lambda t: float(t) / 1000],
        "lower_order_final": [False],
        "lambda_min_clipped": [-5.1],
    },
    "IPNDMScheduler": {"num_train_timesteps": [100]},
    "LCMScheduler": DISTILLED | {"timestep_scaling": [3.0]},
    "TCDScheduler": DISTILLED,
}


def is_sensible(name: str, config: Options) -> bool:
    """Whether the reference can run `config`; what it gets wrong is in test_schedulers_corrected_solvers.py."""
    on_noise = config.get("algorithm_type") in ("dpmsolver", "noise_prediction") or config.get("predict_x0") is False
    prediction = config.get("prediction_type", "epsilon")
    heun = config.get("solver_type") == "heun"
    repeats_level = name.endswith("InverseScheduler") and (
        has_grid(config) or config.get("timestep_spacing") == "trailing"
    )
    excluded = (
        config.get("algorithm_type") == "sde-dpmsolver++" and config.get("solver_order") == 3 and heun,
        on_noise and (prediction == "flow_prediction" or config.get("final_sigmas_type") == "zero"),
        # It looks a timestep of None up, and fails.
        on_noise and config.get("thresholding") and name.startswith(("SASolver", "DPMSolverSinglestep")),
        # It takes a predicted variance off epsilon only; the SA-Solver draws noise for the variance too, and fails.
        "variance_type" in config and (prediction != "epsilon" or name.startswith("SASolver")),
        # h = 0 where a level is repeated: Heun's weights are 0 / 0, those of order 3 and of bh1 too.
        heun and has_grid(config) and config.get("final_sigmas_type") == "sigma_min",
        repeats_level and (heun or config.get("solver_order") == 3),
        name.startswith("UniPC") and has_grid(config) and config.get("final_sigmas_type") == "sigma_min",
        # The first of these levels are so close that the reference's powers of lambda cancel in float64 too.
        config.get("use_beta_sigmas") and 4 in (config.get("predictor_order"), config.get("corrector_order")),
        # A zero terminal SNR holds no signal: dividing by it, epsilon predicts an infinite clean sample.
        config.get("rescale_betas_zero_snr") and prediction == "epsilon",
        # alpha_t / alpha_s, thousands there, times a sample is a float32 product even in its float64 run.
        on_noise and (config.get("rescale_betas_zero_snr") or config.get("beta_schedule") == "squaredcos_cap_v2"),
        # A distilled model is what it is; TCD does not bound x_0.
        config.get("thresholding") and "clip_sample" in config,
    )
    return not any(excluded)


def has_grid(config: Options) -> bool:
    """Whether `config` names a grid of levels."""
    return any(config.get(f"use_{kind}_sigmas") for kind in ("karras", "exponential", "beta", "flow"))


def cases(make: Any) -> list[Any]:
    """Return the parameters of all sensible configurations that `make` gives, each with its class."""
    return [
        pytest.param(name, config, id=f"{name}-{name_of(config)}"[:150])
        for name, choices in OPTIONS.items()
        for config in make(choices)
        if is_sensible(name, config)
    ]


class PreciseBeside(Beside):
    """Runs beside a reference whose float64 run has its tables in float64 too.

    The SA-Solver integrates polynomials in powers of lambda, of which high orders nearly cancel: in float32 it is up to
    3e-3 away from its own formula (test_schedulers_corrected_solvers.py).
    """

    def set_timesteps(self, *args: Any, **kwargs: Any) -> None:
        super().set_timesteps(*args, **kwargs)
        self.reference[1].sigmas = self.reference[1].sigmas.double()

    def noisy(self, scheduler: Any, clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """Return `clean` with the noise of the level at which the run begins.

        The reference's own method takes the trained level that is nearest: see
        test_sa_solver_adds_the_noise_of_its_own_levels.
        """
        if scheduler is not self.reference[0]:
            return super().noisy(scheduler, clean, noise, times)
        alpha, sigma = scheduler._sigma_to_alpha_sigma_t(scheduler.sigmas[scheduler.begin_index])
        return alpha * clean + sigma * noise

    def compare(self, ours32: Tensor, ours64: Tensor, reference32: Tensor, reference64: Tensor, where: str) -> None:
        assert error(ours64, reference64) <= 1e-9, f"{where}: {error(ours64, reference64):.1e} in float64"
        if error(ours32, reference32) > 1e-5:
            assert error(ours32, reference64) <= error(reference32, reference64), where


def loses_its_place(name: str, config: Options, steps: int, begin: int) -> bool:
    """Whether timesteps of the reference's inverse scheduler repeat.

    It leaves repeated ones out but keeps their levels, and where those of a grid repeat it begins at the second: see
    test_timesteps_that_are_done_once_take_their_levels_with_them and test_an_inversion_begins_at_its_first_level.
    """
    if not (name.endswith("InverseScheduler") and has_grid(config)):
        return False
    scheduler = getattr(diffusers, name)(**config)
    scheduler.set_timesteps(steps)
    timesteps = scheduler.timesteps
    return len(timesteps) < steps or int((timesteps == timesteps[begin]).sum()) > 1


def check(name: str, config: Options, steps: int, shape: tuple[int, ...], begin: int = 0, **call: Any) -> None:
    """Run `steps` steps from place `begin` beside the reference."""
    if loses_its_place(name, config, steps, begin):
        return
    if steps == 1 and config.get("shift_terminal"):
        return  # 0 / 0, see test_unipc_of_one_step_cannot_reach_two_levels
    beside = (PreciseBeside if name == "SASolverScheduler" else Beside)(name, config, **call)
    beside.set_timesteps(steps)
    beside.run(shape, begin, 2 if config.get("variance_type") in ("learned", "learned_range") else 1)


@pytest.mark.parametrize(("name", "config"), cases(singles))
def test_each_option(name: str, config: Options) -> None:
    # From 15 steps on, orders are not lowered at the end.
    check(name, config, 7, SHAPES[0])
    check(name, config, 16, SHAPES[1])


@pytest.mark.parametrize("name", list(OPTIONS))
@pytest.mark.parametrize("steps", STEPS)
def test_every_length(name: str, steps: int) -> None:
    if name == "IPNDMScheduler" and steps == 1:
        return  # zero, see test_a_single_step_of_ipndm
    check(name, {}, steps, SHAPES[0])
    check(name, {}, steps, SHAPES[1], begin=0 if name == "IPNDMScheduler" else steps // 2)


@pytest.mark.campaign
@pytest.mark.parametrize(("name", "config"), cases(pairs))
def test_two_options_together(name: str, config: Options) -> None:
    for k, steps in enumerate(STEPS):
        check(name, config, steps, SHAPES[k % 2])
        if name != "IPNDMScheduler":
            check(name, config, steps, SHAPES[(k + 1) % 2], begin=steps // 3)


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("lower_order_final", [True, False])
@pytest.mark.parametrize("final_sigmas_type", ["zero", "sigma_min"])
def test_every_order_of_a_singlestep_run(order: int, lower_order_final: bool, final_sigmas_type: str) -> None:
    config: Options = {"solver_order": order, "lower_order_final": lower_order_final}
    config["final_sigmas_type"] = final_sigmas_type
    for steps in range(1, 9):
        # Too few steps for a whole group: the reference's list of orders is empty.
        if steps >= order or lower_order_final or steps % order:
            check("DPMSolverSinglestepScheduler", config, steps, SHAPES[1])


@pytest.mark.parametrize("eta", [0.0, 0.7, 1.0])
def test_tcd_at_every_eta(eta: float) -> None:
    for steps in (1, 4, 50):
        check("TCDScheduler", {}, steps, SHAPES[0], eta=eta)


@pytest.mark.parametrize(
    ("name", "config", "given"),
    [
        ("DPMSolverSinglestepScheduler", {}, {"timesteps": [999, 845, 730, 587, 443, 310, 193, 116, 53, 13]}),
        ("DPMSolverSinglestepScheduler", {"solver_order": 3}, {"timesteps": [800, 400]}),
        ("DPMSolverSinglestepScheduler", FLOW | {"use_dynamic_shifting": True}, {"num_inference_steps": 7, "mu": 0.8}),
        ("DEISMultistepScheduler", FLOW | {"use_dynamic_shifting": True}, {"num_inference_steps": 20, "mu": 0.8}),
        ("UniPCMultistepScheduler", FLOW, {"sigmas": np.array([0.9, 0.6, 0.25, 0.1])}),
        ("UniPCMultistepScheduler", FLOW | {"use_dynamic_shifting": True}, {"num_inference_steps": 7, "mu": 0.8}),
        (
            "UniPCMultistepScheduler",
            FLOW | {"use_dynamic_shifting": True, "time_shift_type": "linear"},
            {"num_inference_steps": 7, "mu": 1.8},
        ),
        ("LCMScheduler", {}, {"timesteps": [999, 699, 499, 19]}),
        ("LCMScheduler", {}, {"num_inference_steps": 4, "strength": 0.6}),
        ("LCMScheduler", {}, {"num_inference_steps": 8, "original_inference_steps": 40}),
        ("TCDScheduler", {}, {"timesteps": [999, 699, 499, 19]}),
        ("TCDScheduler", {}, {"num_inference_steps": 4, "strength": 0.6}),
        ("TCDScheduler", {}, {"num_inference_steps": 7, "original_inference_steps": 40}),
        ("IPNDMScheduler", {"trained_betas": [1.0, 0.8, 0.5, 0.3, 0.1, 0.0]}, {"num_inference_steps": 5}),
    ],
    ids=str,
)
def test_own_schedules(name: str, config: Options, given: dict[str, Any]) -> None:
    beside = Beside(name, config)
    beside.set_timesteps(**given)
    beside.run(SHAPES[0])


def test_another_scheduler_as_the_predictor_of_unipc() -> None:
    x = torch.randn(SHAPES[0], generator=torch.Generator().manual_seed(0))
    runs: list[list[Tensor]] = []
    for library in LIBRARIES:
        scheduler: Any = library.UniPCMultistepScheduler(solver_p=library.DDIMScheduler())
        scheduler.set_timesteps(7)
        runs.append([x])
        for place, timestep in enumerate(scheduler.timesteps):
            output = torch.randn(SHAPES[0], generator=torch.Generator().manual_seed(place))
            runs[-1].append(scheduler.step(output, timestep, runs[-1][-1]).prev_sample)
    for ours, reference in zip(*runs, strict=True):
        torch.testing.assert_close(ours, reference, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "key"), [("LCMScheduler", "denoised"), ("TCDScheduler", "pred_noised_sample")])
def test_the_other_output_of_distilled_models(name: str, key: str) -> None:
    x, output = torch.randn(2, *SHAPES[0], generator=torch.Generator().manual_seed(0))
    values: list[Tensor] = []
    for library in LIBRARIES:
        scheduler: Any = getattr(library, name)()
        scheduler.set_timesteps(4)
        generator = torch.Generator().manual_seed(1)
        values.append(getattr(scheduler.step(output, scheduler.timesteps[1], x, generator=generator), key))
    torch.testing.assert_close(*values)


@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
@pytest.mark.parametrize(
    ("config", "steps", "jump_length", "jump_n_sample"),
    [
        ({}, 12, 3, 2),
        ({"clip_sample": False, "beta_schedule": "scaled_linear"}, 7, 10, 10),
        ({"beta_schedule": "sigmoid"}, 50, 10, 3),
    ],
)
def test_repaint(eta: float, config: Options, steps: int, jump_length: int, jump_n_sample: int) -> None:
    draw = torch.Generator().manual_seed(0)
    picture, x = torch.randn(2, *SHAPES[0], generator=draw)
    mask = (torch.rand(3, 1, 5, 7, generator=draw) > 0.5).float()
    all_four: list[Any] = [library.RePaintScheduler(eta=eta, **config) for library in LIBRARIES for _ in range(2)]
    for scheduler in all_four:
        scheduler.set_timesteps(steps, jump_length, jump_n_sample)
    assert torch.equal(all_four[0].timesteps, all_four[2].timesteps)
    generators = [torch.Generator().manual_seed(1) for _ in range(4)]
    last = all_four[0].timesteps[0] + 1
    for timestep in all_four[0].timesteps:
        output = torch.randn(SHAPES[0], generator=draw)
        results: list[tuple[Tensor, ...]] = []
        for k, (scheduler, generator) in enumerate(zip(all_four, generators, strict=True)):
            dtype = torch.float64 if k % 2 else torch.float32
            if timestep < last:
                rest = (picture.to(dtype), mask.to(dtype), generator)
                results.append(scheduler.step(output.to(dtype), timestep, x.to(dtype), *rest).to_tuple())
            else:
                results.append((scheduler.undo_step(x.to(dtype), last, generator),))
        for ours32, ours64, reference32, reference64 in zip(*results, strict=True):
            assert error(ours32, reference32) <= 1e-5
            assert error(ours64, reference64) <= 1e-6
        x, last = results[2][0], timestep


def test_a_single_step_of_ipndm() -> None:
    """At t = 1 there is no signal to divide by: the step only shrinks x, here to nothing; x_0 is -v all the same."""
    x, v = torch.randn(2, *SHAPES[0], generator=torch.Generator().manual_seed(0))
    results: list[Any] = []
    for library in LIBRARIES:
        scheduler: Any = library.IPNDMScheduler()
        scheduler.set_timesteps(1)
        results.append(scheduler.step(v, scheduler.timesteps[0], x))
    assert not results[0].prev_sample.any()
    assert not results[1].prev_sample.any()
    assert torch.equal(results[0].pred_original_sample, -v)


def test_the_signatures_are_those_of_the_reference() -> None:
    for name in (*OPTIONS, "RePaintScheduler"):
        ours, reference = getattr(engine.schedulers, name), getattr(diffusers, name)
        for method in ("__init__", "set_timesteps", "step"):
            parameters = [
                {key: p.default for key, p in inspect.signature(getattr(one, method)).parameters.items()}
                for one in (ours, reference)
            ]
            assert list(parameters[0]) == list(parameters[1]), (name, method)
            assert parameters[0] == parameters[1], (name, method)
