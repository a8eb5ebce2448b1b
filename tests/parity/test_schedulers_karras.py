"""DDIM's relatives, multistep and two-stage samplers on noise levels, and preconditioned models, against Diffusers."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.parity.scheduler_runs import SINGLE, Beside, Options, error, name_of, pairs, singles
from tests.parity.test_schedulers import (
    BETAS,
    CLIP,
    GRIDS,
    PREDICTION,
    SHAPES,
    SPACING,
    STEPS,
    THRESHOLD,
    ZERO_SNR,
)

# Of the reference's own making: torch tensors handed to numpy in an old way, Brownian motions asked for levels that
# rounding put beyond their ends, and a deprecated name of an option.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Should have t.*but got:UserWarning:torchsde"),
    pytest.mark.filterwarnings("ignore:.*set_alpha_to_zero. argument is deprecated:FutureWarning"),
]

TWO_STAGE: dict[str, Any] = BETAS | SPACING | GRIDS | {"prediction_type": ["v_prediction"]}
SEED: Options = {"noise_sampler_seed": 5}
EDM: dict[str, Any] = {
    "sigma": [{"sigma_min": 0.01, "sigma_max": 40.0}],
    "sigma_data": [1.0],
    "sigma_schedule": ["karras", "exponential"],
    "rho": [3.0],
    "prediction_type": ["epsilon", "v_prediction"],
    "final_sigmas_type": ["sigma_min"],
}

OPTIONS: dict[str, dict[str, Any]] = {
    "DDIMInverseScheduler": BETAS
    | CLIP
    | {
        "timestep_spacing": ["trailing", {"timestep_spacing": "leading", "steps_offset": 1}],
        "prediction_type": ["v_prediction", {"prediction_type": "sample", "set_alpha_to_one": False}],
        "set_alpha_to_one": [False],
        "set_alpha_to_zero": [False],
    }
    | ZERO_SNR,
    "DDIMParallelScheduler": BETAS | SPACING | THRESHOLD | CLIP | PREDICTION | ZERO_SNR | {"set_alpha_to_one": [False]},
    "DDPMParallelScheduler": BETAS
    | SPACING
    | THRESHOLD
    | CLIP
    | PREDICTION
    | ZERO_SNR
    | {"variance_type": ["fixed_small_log", "fixed_large", "learned", "learned_range"]},
    "LMSDiscreteScheduler": BETAS | SPACING | GRIDS | PREDICTION,
    "HeunDiscreteScheduler": TWO_STAGE
    | PREDICTION
    | CLIP
    | {"clip_sample": [True, {"clip_sample": True, "clip_sample_range": 0.5}]}
    | {"beta_schedule": ["scaled_linear", "squaredcos_cap_v2", "exp"]},
    "KDPM2DiscreteScheduler": TWO_STAGE,
    "KDPM2AncestralDiscreteScheduler": TWO_STAGE,
    "DPMSolverSDEScheduler": TWO_STAGE,
    "EDMEulerScheduler": EDM,
    "EDMDPMSolverMultistepScheduler": EDM
    | THRESHOLD
    | {
        "solver_order": [1, 3],
        "algorithm_type": [
            "sde-dpmsolver++",
            {"algorithm_type": "deis", "final_sigmas_type": "sigma_min"},
        ],
        "solver_type": ["heun", "logrho"],
        "lower_order_final": [False],
        "euler_at_final": [True],
    },
    "CosineDPMSolverMultistepScheduler": {
        "sigma": [{"sigma_min": 0.25, "sigma_max": 80.0}],
        "sigma_data": [0.5],
        "sigma_schedule": ["karras"],
        "rho": [3.0],
        "prediction_type": ["epsilon"],
        "solver_order": [1],
        "solver_type": ["heun", "bh2"],
        "lower_order_final": [False],
        "euler_at_final": [True],
    },
}


def is_sensible(name: str, config: Options, steps: int) -> bool:
    """Whether the reference can run `config`; what it gets wrong is in test_schedulers_corrected_karras.py."""
    zero_snr = config.get("rescale_betas_zero_snr")
    prediction = config.get("prediction_type", "epsilon")
    sde = config.get("algorithm_type") == "sde-dpmsolver++"
    betas = config.get("beta_schedule")
    schedule = config.get("sigma_schedule", "exponential" if name.startswith("Cosine") else "karras")
    excluded = (
        # A zero terminal SNR holds no signal: dividing by it, epsilon predicts an infinite clean sample.
        zero_snr and prediction == "epsilon",
        # Its only level is the lowest.
        name.startswith(("EDM", "Cosine")) and schedule == "exponential" and steps == 1,
        # No such branch; and the root of less than zero, where rounding puts the last level above the one before.
        sde and (config.get("solver_order") == 3 or config.get("final_sigmas_type") == "sigma_min"),
        # The root of less than zero, where rounding leaves nothing of a long step's sigma_down.
        name.startswith("KDPM2Ancestral")
        and ("trained_betas" in config or betas == "squaredcos_cap_v2")
        and (steps < 8 or config.get("use_beta_sigmas")),
        # A level of 20,000 leaves float32 two digits after the point: which of the two is nearer is chance.
        name.startswith("KDPM2") and betas == "squaredcos_cap_v2" and prediction == "v_prediction",
        # Its quadrature is of float32, and 1e-6 off where levels nearly coincide.
        name.startswith("LMS") and config.get("use_beta_sigmas") and prediction != "epsilon",
        # Heun's weights where that level is repeated are 0 / 0, those of order 3 too.
        (config.get("solver_type") == "heun" or config.get("solver_order") == 3)
        and config.get("final_sigmas_type") == "sigma_min",
    )
    return not any(excluded)


def cases(make: Any) -> list[Any]:
    """Return the parameters of all sensible configurations that `make` gives, each with its class."""
    return [
        pytest.param(name, config, id=f"{name}-{name_of(config)}"[:150])
        for name, choices in OPTIONS.items()
        for config in make(choices)
        if is_sensible(name, config, 25)
    ]


def check(name: str, config: Options, steps: int, shape: tuple[int, ...], begin: int = 0, **call: Any) -> None:
    """Run `steps` steps from place `begin` beside the reference."""
    if not is_sensible(name, config, steps):
        return
    beside = Beside(name, config | (SEED if name == "DPMSolverSDEScheduler" else {}), **call)
    beside.set_timesteps(steps)
    learned = config.get("variance_type") in ("learned", "learned_range")
    beside.run(shape, begin, 2 if learned else 1)


@pytest.mark.parametrize(("name", "config"), cases(singles))
def test_each_option(name: str, config: Options) -> None:
    for k, steps in enumerate((1, 2, 7)):
        check(name, config, steps, SHAPES[k % 2])


@pytest.mark.parametrize("name", list(OPTIONS))
def test_longer_runs(name: str) -> None:
    check(name, {}, 25, SHAPES[0])
    if name not in ("DPMSolverSDEScheduler", "LMSDiscreteScheduler"):  # the reference takes seconds
        check(name, {}, 50, SHAPES[1])


@pytest.mark.campaign
@pytest.mark.parametrize(("name", "config"), cases(singles))
def test_each_option_at_length(name: str, config: Options) -> None:
    for k, steps in enumerate((25, 50)):
        check(name, config, steps, SHAPES[k % 2])


@pytest.mark.campaign
@pytest.mark.parametrize(("name", "config"), cases(pairs))
def test_two_options_together(name: str, config: Options) -> None:
    for k, steps in enumerate(STEPS):
        check(name, config, steps, SHAPES[k % 2])


@pytest.mark.parametrize("name", sorted(set(OPTIONS) - {"DDIMInverseScheduler", "LMSDiscreteScheduler"}))
@pytest.mark.parametrize("steps", [2, 7, 25])
def test_start_in_the_middle(name: str, steps: int) -> None:
    calls = 2 if name.startswith(("Heun", "KDPM2", "DPMSolverSDE")) else 1
    check(name, {}, steps, SHAPES[0], begin=steps // 2 * calls)
    trailing: Options = {} if "EDM" in name or "Cosine" in name else {"timestep_spacing": "trailing"}
    check(name, trailing, steps, SHAPES[1], begin=(steps - 1) * calls)


@pytest.mark.parametrize("call", [{"eta": 0.6}, {"eta": 1.0, "use_clipped_model_output": True}], ids=str)
def test_parallel_ddim_with_noise(call: dict[str, Any]) -> None:
    check("DDIMParallelScheduler", {}, 7, SHAPES[0], **call)


@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_orders_of_the_linear_multistep_method(order: int) -> None:
    for k, steps in enumerate((2, 9)):
        check("LMSDiscreteScheduler", {}, steps, SHAPES[k % 2], order=order)


@pytest.mark.parametrize("call", [{"s_churn": 4.0}, {"s_churn": 30.0, "s_tmin": 0.1, "s_tmax": 20.0, "s_noise": 1.01}])
def test_edm_euler_with_churn(call: dict[str, Any]) -> None:
    for k, steps in enumerate((1, 7, 25)):
        check("EDMEulerScheduler", {}, steps, SHAPES[k % 2], **call)


def test_scaled_brownian_noise() -> None:
    check("DPMSolverSDEScheduler", {}, 7, SHAPES[0], s_noise=0.7)


@pytest.mark.parametrize("name", ["HeunDiscreteScheduler", "KDPM2DiscreteScheduler", "DPMSolverSDEScheduler"])
def test_a_run_on_the_lower_trained_timesteps(name: str) -> None:
    beside = Beside(name, SEED if name == "DPMSolverSDEScheduler" else {})
    beside.set_timesteps(6, num_train_timesteps=700)
    beside.run(SHAPES[0])


def test_heun_on_its_own_timesteps() -> None:
    beside = Beside("HeunDiscreteScheduler", {})
    beside.set_timesteps(timesteps=[960, 600, 320, 40])
    beside.run(SHAPES[0])


@pytest.mark.parametrize("config", [{}, {"final_sigmas_type": "sigma_min", "sigma_data": 1.0}], ids=str)
def test_edm_euler_on_fractions_of_the_way(config: Options) -> None:
    """Published video pipelines give `sigmas` so."""
    beside = Beside("EDMEulerScheduler", config)
    beside.set_timesteps(sigmas=torch.tensor([0.0, 0.1, 0.35, 0.8, 1.0], dtype=torch.float64))
    beside.run(SHAPES[0])


def test_edm_euler_with_a_clean_sample_known_before() -> None:
    beside = Beside("EDMEulerScheduler", {})
    beside.set_timesteps(3)
    x, clean = 80 * torch.randn(2, *SHAPES[0], generator=torch.Generator().manual_seed(5))
    results: list[torch.Tensor] = []
    for scheduler in (beside.ours[0], beside.reference[0]):
        timestep = scheduler.timesteps[0]
        scheduler.scale_model_input(x, timestep)
        results.append(scheduler.step(x, timestep, x, pred_original_sample=clean).prev_sample)
    assert error(*results) <= SINGLE


@pytest.mark.parametrize("generators", ["one", "one for each image"])
def test_brownian_noise_from_generators(generators: str) -> None:
    beside = Beside("CosineDPMSolverMultistepScheduler", {})
    beside.set_timesteps(6)
    x = beside.start(SHAPES[0])
    if generators == "one for each image":
        beside.generators = [[torch.Generator().manual_seed(seed) for seed in range(3)] for _ in range(4)]
    for place in range(6):
        x = beside.step(place, torch.randn(SHAPES[0], generator=beside.draw), x)


@pytest.mark.parametrize("name", ["DDIMParallelScheduler", "DDPMParallelScheduler"])
@pytest.mark.parametrize("options", [{}, {"clip_sample": False}, {"thresholding": True}], ids=str)
@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
def test_many_timesteps_of_one_run_at_once(name: str, options: Options, prediction_type: str) -> None:
    beside = Beside(name, options | {"prediction_type": prediction_type})
    beside.set_timesteps(20)
    draw = torch.Generator().manual_seed(7)
    x, output = torch.randn(2, 20, 3, 5, 4, generator=draw)
    clipped = {"use_clipped_model_output": True} if name.startswith("DDIM") and options == {} else {}
    results = [
        scheduler.batch_step_no_noise(output.to(dtype), scheduler.timesteps, x.to(dtype), **clipped)
        for dtype, scheduler in zip([torch.float32, torch.float64] * 2, beside.all, strict=True)
    ]
    beside.compare(results[0], results[1], results[2], results[3], beside.label)
    assert [result.dtype for result in results[:2]] == [torch.float32, torch.float64]


@pytest.mark.parametrize(
    "name", ["LMSDiscreteScheduler", "HeunDiscreteScheduler", "KDPM2DiscreteScheduler", "EDMEulerScheduler"]
)
def test_noise_at_several_timesteps_of_the_run(name: str) -> None:
    beside = Beside(name, {})
    beside.set_timesteps(9)
    draw = torch.Generator().manual_seed(3)
    clean, noise = torch.randn(2, 3, 3, 5, 2, generator=draw)
    times = beside.reference[0].timesteps[[0, 4, 8]]
    ours, reference = (one.add_noise(clean, noise, times) for one in (beside.ours[0], beside.reference[0]))
    torch.testing.assert_close(ours, reference)
