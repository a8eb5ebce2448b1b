"""Every scheduler against Diffusers, step by step: all options alone and in pairs, in float32 and float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.parity.scheduler_runs import Beside, Options, name_of, pairs, singles

# Of the reference's own making: it deprecates two solvers, and hands torch tensors to numpy in an old way.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*algorithm_types? dpmsolver and sde-dpmsolver.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*algorithm_type s?d?e?-?dpmsolver is deprecated.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

STEPS = (1, 2, 7, 25, 50)
SHAPES = ((3, 3, 5, 7), (1, 3, 9, 4))

BETAS: dict[str, Any] = {
    "beta_schedule": ["scaled_linear", "squaredcos_cap_v2"],
    "beta_start": [{"beta_start": 0.00085, "beta_end": 0.012}],
    "trained_betas": [[0.0001 + 0.00002 * i for i in range(1000)]],
}
SPACING: dict[str, Any] = {
    "timestep_spacing": ["linspace", "trailing", {"timestep_spacing": "leading", "steps_offset": 1}],
}
THRESHOLD: dict[str, Any] = {
    "thresholding": [{"thresholding": True}, {"thresholding": True, "sample_max_value": 2.5}],
    "dynamic_thresholding_ratio": [{"thresholding": True, "dynamic_thresholding_ratio": 0.8, "sample_max_value": 1.5}],
}
CLIP: dict[str, Any] = {"clip_sample": [False, {"clip_sample_range": 0.5}]}
PREDICTION: dict[str, Any] = {"prediction_type": ["sample", "v_prediction"]}
ZERO_SNR: dict[str, Any] = {
    "rescale_betas_zero_snr": [{"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}],
}
GRIDS: dict[str, Any] = {
    "grid": [{"use_karras_sigmas": True}, {"use_exponential_sigmas": True}, {"use_beta_sigmas": True}]
}
FINAL: dict[str, Any] = {"final_sigmas_type": ["sigma_min"]}

OPTIONS: dict[str, dict[str, Any]] = {
    "DDPMScheduler": BETAS
    | SPACING
    | THRESHOLD
    | CLIP
    | PREDICTION
    | ZERO_SNR
    | {
        "variance_type": ["fixed_small_log", "fixed_large", "learned", "learned_range"],
        "beta_schedule": ["scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace"],
    },
    "DDIMScheduler": BETAS | SPACING | THRESHOLD | CLIP | PREDICTION | ZERO_SNR | {"set_alpha_to_one": [False]},
    "PNDMScheduler": BETAS
    | SPACING
    | {"prediction_type": ["v_prediction"], "skip_prk_steps": [True], "set_alpha_to_one": [True]},
    "EulerDiscreteScheduler": BETAS
    | SPACING
    | PREDICTION
    | ZERO_SNR
    | GRIDS
    | FINAL
    | {
        "interpolation_type": ["log_linear"],
        "sigma_min": [{"sigma_min": 0.05, "sigma_max": 11.0}],
        "timestep_type": [{"timestep_type": "continuous", "prediction_type": "v_prediction"}],
    },
    "EulerAncestralDiscreteScheduler": BETAS | SPACING | {"prediction_type": ["v_prediction"]} | ZERO_SNR,
    "DPMSolverMultistepScheduler": BETAS
    | SPACING
    | THRESHOLD
    | PREDICTION
    | ZERO_SNR
    | {
        "grid": [
            *GRIDS["grid"],
            {"use_lu_lambdas": True},
            {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0},
        ],
        "final_sigmas_type": ["sigma_min"],
        "solver_order": [1, 3],
        "algorithm_type": [
            {"algorithm_type": "deis", "final_sigmas_type": "sigma_min"},
            "sde-dpmsolver++",
            {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"},
            {"algorithm_type": "sde-dpmsolver", "final_sigmas_type": "sigma_min"},
        ],
        "solver_type": ["heun", "logrho", "bh2"],
        "lower_order_final": [False],
        "euler_at_final": [True],
        "lambda_min_clipped": [-5.1],
        "variance_type": ["learned", "learned_range", "fixed_small"],
    },
}


def is_sensible(name: str, config: Options) -> bool:
    """Whether the reference can run `config`; what it gets wrong is in test_schedulers_corrected.py."""
    sde = str(config.get("algorithm_type", "")).startswith("sde")
    on_noise = config.get("algorithm_type") in ("dpmsolver", "sde-dpmsolver", "deis")
    prediction = config.get("prediction_type", "epsilon")
    excluded = (
        sde and config.get("solver_order") == 3,
        on_noise and (config["final_sigmas_type"] == "zero" or prediction == "flow_prediction"),
        # The reference takes a predicted variance off epsilon only.
        name.startswith("DPMSolver") and "variance_type" in config and prediction != "epsilon",
        # A zero terminal SNR holds no signal: dividing by it, epsilon predicts an infinite clean sample.
        config.get("rescale_betas_zero_snr") and prediction == "epsilon" and name.startswith("DD"),
        # alpha_t / alpha_s, 4096 at zero terminal SNR, times a sample is a float32 product even in its float64 run.
        on_noise and config.get("rescale_betas_zero_snr"),
        # h = 0 where the lowest level is repeated: Heun's weights are 0 / 0 in the reference.
        config.get("solver_type") == "heun" and config.get("final_sigmas_type") == "sigma_min" and has_grid(config),
    )
    return not any(excluded)


def has_grid(config: Options) -> bool:
    """Whether `config` names a grid of levels."""
    return any(config.get(key) for key in ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"))


def cases(make: Any) -> list[Any]:
    """Return the parameters of all sensible configurations that `make` gives, each with its class."""
    return [
        pytest.param(name, config, id=f"{name}-{name_of(config)}"[:150])
        for name, choices in OPTIONS.items()
        for config in make(choices)
        if is_sensible(name, config)
    ]


def check(name: str, config: Options, steps: int, shape: tuple[int, ...], begin: int = 0, **call: Any) -> None:
    """Run `steps` steps from place `begin` beside the reference."""
    if name == "PNDMScheduler" and not config.get("skip_prk_steps") and steps < 4:
        return  # refused, see test_schedulers_corrected.py
    beside = Beside(name, config, **call)
    beside.set_timesteps(steps)
    learned = config.get("variance_type") in ("learned", "learned_range")
    beside.run(shape, begin, 2 if learned else 1)


@pytest.mark.parametrize(("name", "config"), cases(singles))
def test_each_option(name: str, config: Options) -> None:
    for k, steps in enumerate(STEPS):
        check(name, config, steps, SHAPES[k % 2])


@pytest.mark.parametrize(("name", "config"), cases(pairs))
def test_two_options_together(name: str, config: Options) -> None:
    check(name, config, 5, (1, 3, 4, 3))


@pytest.mark.campaign
@pytest.mark.parametrize(("name", "config"), cases(pairs))
def test_two_options_together_at_every_length(name: str, config: Options) -> None:
    for k, steps in enumerate(STEPS):
        check(name, config, steps, SHAPES[k % 2])
        check(name, config, steps, SHAPES[(k + 1) % 2], begin=steps // 3)


@pytest.mark.parametrize("name", list(OPTIONS))
@pytest.mark.parametrize("steps", [2, 7, 25])
def test_start_in_the_middle(name: str, steps: int) -> None:
    config: Options = {"skip_prk_steps": True} if name == "PNDMScheduler" else {}
    check(name, config, steps, SHAPES[0], begin=steps // 2)
    check(name, config | {"timestep_spacing": "trailing"}, steps, SHAPES[1], begin=steps - 1)


@pytest.mark.parametrize("call", [{"eta": 0.6}, {"eta": 1.0, "use_clipped_model_output": True}], ids=str)
@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
def test_ddim_with_noise(call: dict[str, Any], prediction_type: str) -> None:
    for k, steps in enumerate(STEPS):
        check("DDIMScheduler", {"prediction_type": prediction_type}, steps, SHAPES[k % 2], **call)


def test_ddim_with_its_own_variance_noise() -> None:
    noise = torch.randn(SHAPES[0], generator=torch.Generator().manual_seed(5))
    check("DDIMScheduler", {}, 7, SHAPES[0], eta=0.8, variance_noise=noise)


def test_dpm_solver_with_its_own_variance_noise() -> None:
    noise = torch.randn(SHAPES[0], generator=torch.Generator().manual_seed(5))
    check("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}, 7, SHAPES[0], variance_noise=noise)


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("call", [{"s_churn": 4.0}, {"s_churn": 30.0, "s_tmin": 0.1, "s_tmax": 20.0, "s_noise": 1.01}])
def test_euler_with_churn(call: dict[str, Any], prediction_type: str) -> None:
    for k, steps in enumerate(STEPS):
        check("EulerDiscreteScheduler", {"prediction_type": prediction_type}, steps, SHAPES[k % 2], **call)


def test_euler_ancestral_on_long_steps() -> None:
    """The two roots that share a long step between eps and fresh noise have to round as the reference's do."""
    betas = [0.0001 + 0.00002 * i for i in range(1000)]
    config = {"trained_betas": betas, "timestep_spacing": "trailing", "prediction_type": "v_prediction"}
    for k, steps in enumerate(STEPS):
        check("EulerAncestralDiscreteScheduler", config, steps, SHAPES[k % 2])


@pytest.mark.parametrize(
    ("name", "config", "given"),
    [
        ("DDPMScheduler", {}, {"timesteps": [900, 500, 120, 3, 0]}),
        ("DDPMScheduler", {"variance_type": "fixed_large"}, {"timesteps": [999]}),
        ("EulerDiscreteScheduler", {}, {"timesteps": [950, 700, 333, 10]}),
        ("EulerDiscreteScheduler", {"final_sigmas_type": "sigma_min"}, {"timesteps": [950.5, 7.25]}),
        ("EulerDiscreteScheduler", {"use_karras_sigmas": True}, {"sigmas": [14.6, 6.3, 3.8, 0.9, 0.11, 0.0]}),
        (
            "EulerDiscreteScheduler",
            {"timestep_type": "continuous", "prediction_type": "v_prediction"},
            {"sigmas": [700.0, 54.5, 15.9, 1.8, 0.03, 0.0]},
        ),
        ("DPMSolverMultistepScheduler", {}, {"timesteps": [999, 845, 730, 587, 443, 310, 193, 116, 53, 13]}),
        ("DPMSolverMultistepScheduler", {"solver_order": 3}, {"timesteps": [800, 400]}),
    ],
    ids=str,
)
def test_own_timesteps_and_sigmas(name: str, config: Options, given: dict[str, Any]) -> None:
    beside = Beside(name, config)
    beside.set_timesteps(**given)
    beside.run(SHAPES[0])


def test_flow_shift_given_as_mu() -> None:
    config = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "use_dynamic_shifting": True}
    beside = Beside("DPMSolverMultistepScheduler", config)
    beside.set_timesteps(7, mu=0.8)
    beside.run(SHAPES[0])


def test_the_whole_chain_of_ddpm_needs_no_set_timesteps() -> None:
    beside = Beside("DDPMScheduler", {"num_train_timesteps": 30})
    assert torch.equal(beside.ours[0].timesteps, beside.reference[0].timesteps)
    beside.run(SHAPES[1])


@pytest.mark.parametrize("name", ["DDPMScheduler", "DDIMScheduler"])
def test_velocity_and_noise_at_several_timesteps(name: str) -> None:
    beside = Beside(name, {"beta_schedule": "scaled_linear"})
    draw = torch.Generator().manual_seed(3)
    clean, noise = torch.randn(2, 4, 3, 5, 2, generator=draw)
    times = torch.tensor([0, 17, 600, 999])
    for method in ("add_noise", "get_velocity"):
        ours, reference = (getattr(one, method)(clean, noise, times) for one in (beside.ours[0], beside.reference[0]))
        torch.testing.assert_close(ours, reference)


@pytest.mark.parametrize(
    "name", ["EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "DPMSolverMultistepScheduler"]
)
def test_noise_at_several_timesteps_of_the_run(name: str) -> None:
    beside = Beside(name, {})
    beside.set_timesteps(9)
    draw = torch.Generator().manual_seed(3)
    clean, noise = torch.randn(2, 3, 3, 5, 2, generator=draw)
    times = beside.reference[0].timesteps[[0, 4, 8]]
    ours, reference = (one.add_noise(clean, noise, times) for one in (beside.ours[0], beside.reference[0]))
    torch.testing.assert_close(ours, reference)


@pytest.mark.parametrize("name", ["DDPMScheduler", "EulerAncestralDiscreteScheduler"])
def test_one_generator_for_each_image(name: str) -> None:
    beside = Beside(name, {})
    beside.set_timesteps(4)
    x = beside.start(SHAPES[0])
    beside.generators = [[torch.Generator().manual_seed(seed) for seed in range(3)] for _ in range(4)]
    for place in range(4):
        x = beside.step(place, torch.randn(SHAPES[0], generator=beside.draw), x)
