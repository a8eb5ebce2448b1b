"""Flow matching, consistency, unCLIP, continuous-time, score and token schedulers against Diffusers, step by step."""

from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch
from diffusers.schedulers import deprecated
from torch import Tensor

import engine.schedulers
from engine.schedulers.noise_schedules import empirical_mu, resolution_mu
from tests.parity.scheduler_runs import DOUBLE, SINGLE, Beside, Options, error, name_of, pairs, singles

STEPS = (1, 2, 7, 25, 50)
SHAPES = ((3, 3, 5, 7), (1, 3, 9, 4))

SHIFTS: dict[str, Any] = {
    "shift": [3.0, 0.5],
    "use_dynamic_shifting": [
        {"use_dynamic_shifting": True},
        {"use_dynamic_shifting": True, "time_shift_type": "linear"},
    ],
    "shift_terminal": [0.1],
}
GRIDS: dict[str, Any] = {
    "grid": [{"use_karras_sigmas": True}, {"use_exponential_sigmas": True}, {"use_beta_sigmas": True}]
}
OPTIONS: dict[str, dict[str, Any]] = {
    "FlowMatchEulerDiscreteScheduler": SHIFTS
    | GRIDS
    | {"invert_sigmas": [True], "stochastic_sampling": [True], "num_train_timesteps": [400]},
    "FlowMatchLCMScheduler": SHIFTS | GRIDS | {"num_train_timesteps": [400]},
    "FlowMatchHeunDiscreteScheduler": {"shift": [3.0, 0.5], "num_train_timesteps": [400]},
    "CMStochasticIterativeScheduler": {
        "num_train_timesteps": [120],
        "sigma_min": [{"sigma_min": 0.01, "sigma_max": 20.0}],
        "sigma_data": [0.9],
        "s_noise": [1.1],
        "rho": [5.0],
        "clip_denoised": [False],
    },
    "UnCLIPScheduler": {
        "num_train_timesteps": [300],
        "variance_type": ["learned_range"],
        "clip_sample": [False, {"clip_sample_range": 0.5}, {"clip_sample_range": 5.0}],
        "prediction_type": ["sample"],
    },
    "SCMScheduler": {"sigma_data": [0.8]},
    "DDPMWuerstchenScheduler": {"scaler": [0.7, 2.0], "s": [0.02]},
}


class EveryWay(Beside):
    """What the steps of these classes are given beyond the usual."""

    def places(self) -> int:
        # The last time of these two is where the run ends.
        ends = self.reference[0].__class__.__name__ in ("SCMScheduler", "DDPMWuerstchenScheduler")
        return len(self.reference[0].timesteps) - ends

    def timestep(self, scheduler: Any, place: int, x: Tensor) -> Any:
        timestep = scheduler.timesteps[place]
        return timestep.expand(len(x)) if isinstance(scheduler, diffusers.DDPMWuerstchenScheduler) else timestep

    def step(self, place: int, model_output: Tensor, x: Tensor) -> Tensor:
        if isinstance(self.reference[0], diffusers.UnCLIPScheduler):
            following = self.reference[0].timesteps[place + 1 :]
            self.call = {"prev_timestep": int(following[0])} if len(following) else {}
        return super().step(place, model_output, x)


def is_sensible(name: str, config: Options) -> bool:
    """Whether the reference can run `config`; what it gets wrong is in test_schedulers_corrected_own_ways.py."""
    return not (config.get("invert_sigmas") and config.get("stochastic_sampling"))


def cases(make: Any) -> list[Any]:
    """Return the parameters of all sensible configurations that `make` gives, each with its class."""
    return [
        pytest.param(name, config, id=f"{name}-{name_of(config)}"[:150])
        for name, choices in OPTIONS.items()
        for config in make(choices)
        if is_sensible(name, config)
    ]


def run_of(config: Options, name: str, steps: int) -> dict[str, Any]:
    """Return the arguments of `set_timesteps`."""
    given: dict[str, Any] = {"num_inference_steps": steps}
    if config.get("use_dynamic_shifting"):
        given["mu"] = 0.9
    if name == "SCMScheduler" and steps != 2:
        given["intermediate_timesteps"] = None
    return given


def check(name: str, config: Options, steps: int, shape: tuple[int, ...], begin: int = 0, **call: Any) -> None:
    """Run `steps` steps from place `begin` beside the reference."""
    if steps == 1 and (name == "UnCLIPScheduler" or config.get("shift_terminal")):
        return  # a division by zero, see test_schedulers_corrected_own_ways.py
    beside = EveryWay(name, config, **call)
    beside.set_timesteps(**run_of(config, name, steps))
    beside.run(shape, begin, 2 if config.get("variance_type") == "learned_range" else 1)


@pytest.mark.parametrize(("name", "config"), cases(singles))
def test_each_option(name: str, config: Options) -> None:
    for k, steps in enumerate(STEPS):
        if steps <= 40 or name != "CMStochasticIterativeScheduler":
            check(name, config, steps, SHAPES[k % 2])


@pytest.mark.parametrize(("name", "config"), cases(pairs))
def test_two_options_together(name: str, config: Options) -> None:
    check(name, config, 5, (1, 3, 4, 3))


@pytest.mark.campaign
@pytest.mark.parametrize(("name", "config"), cases(pairs))
def test_two_options_together_at_every_length(name: str, config: Options) -> None:
    for k, steps in enumerate(STEPS):
        if steps <= 40 or name != "CMStochasticIterativeScheduler":
            check(name, config, steps, SHAPES[k % 2])


@pytest.mark.parametrize("name", ["FlowMatchEulerDiscreteScheduler", "FlowMatchLCMScheduler"])
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_start_in_the_middle(name: str, shift: float) -> None:
    for steps in (2, 7, 25):
        check(name, {"shift": shift}, steps, SHAPES[0], begin=steps // 2)
        check(name, {"shift": shift}, steps, SHAPES[1], begin=steps - 1)


def test_other_starts_in_the_middle() -> None:
    # Of Heun's timesteps every second one begins a step.
    check("FlowMatchHeunDiscreteScheduler", {"shift": 3.0}, 7, SHAPES[0], begin=6)
    check("CMStochasticIterativeScheduler", {}, 7, SHAPES[0], begin=3)
    check("UnCLIPScheduler", {}, 7, SHAPES[0], begin=3)


@pytest.mark.parametrize(
    ("name", "config", "given"),
    [
        ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}, {"sigmas": [1.0, 0.7, 0.31, 0.05]}),
        ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}, {"timesteps": [1000.0, 640.5, 90.0]}),
        ("FlowMatchEulerDiscreteScheduler", {}, {"sigmas": [0.9, 0.4], "timesteps": [900.0, 333.0]}),
        ("FlowMatchEulerDiscreteScheduler", {"use_dynamic_shifting": True}, {"sigmas": [1.0, 0.6, 0.2], "mu": 0.73}),
        ("FlowMatchEulerDiscreteScheduler", {"use_dynamic_shifting": True, "shift_terminal": 0.1}, {
            "num_inference_steps": 4, "sigmas": [1.0, 0.75, 0.5, 0.25], "mu": 1.3,
        }),
        ("FlowMatchEulerDiscreteScheduler", {"invert_sigmas": True}, {"sigmas": [1.0, 0.9, 0.5, 0.1]}),
        ("FlowMatchEulerDiscreteScheduler", {}, {"num_inference_steps": 4, "mu": 0.5}),
        ("FlowMatchLCMScheduler", {"shift": 2.0}, {"sigmas": [1.0, 0.5, 0.2]}),
        ("CMStochasticIterativeScheduler", {}, {"timesteps": [22, 0]}),
        ("CMStochasticIterativeScheduler", {}, {"timesteps": [39, 30, 12, 1]}),
        ("SCMScheduler", {}, {"num_inference_steps": 2, "intermediate_timesteps": 1.0}),
        ("SCMScheduler", {}, {"num_inference_steps": 5, "max_timesteps": 1.2, "intermediate_timesteps": None}),
        ("SCMScheduler", {}, {
            "num_inference_steps": 3, "timesteps": [1.5, 1.1, 0.3, 0.0], "max_timesteps": None,
            "intermediate_timesteps": None,
        }),
        ("DDPMWuerstchenScheduler", {}, {"timesteps": [1.0, 0.66, 0.3, 0.0]}),
        ("DDPMWuerstchenScheduler", {"scaler": 1.5}, {"timesteps": [0.9, 0.5, 0.2]}),
    ],
    ids=str,
)  # fmt: skip
def test_own_schedules(name: str, config: Options, given: dict[str, Any]) -> None:
    beside = EveryWay(name, config)
    beside.set_timesteps(**given)
    beside.run(SHAPES[0])


def test_the_whole_chain_of_unclip_needs_no_set_timesteps() -> None:
    beside = Beside("UnCLIPScheduler", {"num_train_timesteps": 30})
    assert torch.equal(beside.ours[0].timesteps, beside.reference[0].timesteps)
    beside.run(SHAPES[1])


def test_variances_of_unclip() -> None:
    for config in ({}, {"variance_type": "learned_range"}):
        ours, theirs = engine.schedulers.UnCLIPScheduler(**config), diffusers.UnCLIPScheduler(**config)
        for t, prev_timestep in ((1, None), (487, None), (999, None), (999, 500), (40, 20)):
            given = {"predicted_variance": 0.5} if config else {}
            mine, truth = (float(one._get_variance(t, prev_timestep, **given)) for one in (ours, theirs))
            assert mine == pytest.approx(truth, rel=2e-6)


@pytest.mark.parametrize("call", [{"s_churn": 4.0}, {"s_churn": 30.0, "s_tmin": 0.1, "s_tmax": 0.9, "s_noise": 1.01}])
@pytest.mark.parametrize("steps", [2, 7, 25])
def test_flow_heun_with_churn(call: dict[str, Any], steps: int) -> None:
    """The predicted clean sample is compared in the corrected tests: the reference has none."""
    check("FlowMatchHeunDiscreteScheduler", {"shift": 3.0}, steps, SHAPES[0], **call)


@pytest.mark.parametrize("name", ["FlowMatchEulerDiscreteScheduler", "FlowMatchLCMScheduler"])
def test_a_changed_shift(name: str) -> None:
    beside = EveryWay(name, {"shift": 2.0})
    for scheduler in beside.all:
        scheduler.set_shift(5.0)
    beside.set_timesteps(9)
    assert beside.ours[0].shift == 5.0
    beside.run(SHAPES[1])


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic", "area", "nearest-exact"])
def test_flow_lcm_that_grows(mode: str) -> None:
    beside = EveryWay("FlowMatchLCMScheduler", {"scale_factors": [1.0, 1.5, 2.0], "upscale_mode": mode})
    beside.set_timesteps(4)
    x = beside.start((2, 3, 4, 6))
    for place in range(4):
        x = beside.step(place, torch.randn(x.shape, generator=beside.draw), x)
    assert x.shape == (2, 3, 8, 12)


@pytest.mark.parametrize("config", [{}, {"shift": 3.0}], ids=str)
def test_flow_with_a_timestep_for_each_token(config: Options) -> None:
    """Tokens at a level of the run, between two and at none; as video pipelines give it, `model_output` is -v."""
    times = torch.tensor([[1000.0, 500.0, 0.0, 730.25], [12.5, 999.0, 1000.0, 3.0]])
    beside = Beside("FlowMatchEulerDiscreteScheduler", config, per_token_timesteps=times)
    beside.set_timesteps(6)
    x, output = torch.randn(2, 2, 4, 5, generator=torch.Generator().manual_seed(0))
    results: list[Tensor] = []
    for scheduler in beside.all:
        out = scheduler.step(output, scheduler.timesteps[0], x, per_token_timesteps=times)
        assert scheduler.step_index == 1
        results.append(out.prev_sample)
    assert error(results[0], results[2]) <= SINGLE


def test_trained_levels_of_flows() -> None:
    for name in ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler", "FlowMatchLCMScheduler"):
        beside = Beside(name, {"shift": 3.0})
        ours, theirs = beside.ours[0], beside.reference[0]
        assert torch.equal(ours.timesteps, theirs.timesteps)
        assert torch.equal(ours.sigmas, theirs.sigmas)
        assert (ours.sigma_min, ours.sigma_max) == (theirs.sigma_min, theirs.sigma_max)


def test_noise_of_flows_at_several_timesteps_of_the_run() -> None:
    clean, noise = torch.randn(2, 3, 3, 5, 2, generator=torch.Generator().manual_seed(3))
    for name in ("FlowMatchEulerDiscreteScheduler", "FlowMatchLCMScheduler"):
        beside = Beside(name, {"shift": 3.0})
        beside.set_timesteps(9)
        times = beside.reference[0].timesteps[[0, 4, 8]]
        ours, truth = (one.scale_noise(clean, times, noise) for one in (beside.ours[0], beside.reference[0]))
        torch.testing.assert_close(ours, truth)


def test_noise_at_several_timesteps() -> None:
    clean, noise = torch.randn(2, 3, 3, 5, 2, generator=torch.Generator().manual_seed(3))
    for name, times in (
        ("UnCLIPScheduler", torch.tensor([0, 500, 999])),
        ("DDPMWuerstchenScheduler", torch.tensor([0.1, 0.55, 1.0])),
        ("ScoreSdeVeScheduler", torch.tensor([0, 100, 1999])),
    ):
        beside = Beside(name, {})
        ours, truth = (one.add_noise(clean, noise, times) for one in (beside.ours[0], beside.reference[0]))
        torch.testing.assert_close(ours, truth)


def test_shifts_for_a_resolution() -> None:
    from diffusers.pipelines.flux.pipeline_flux import calculate_shift
    from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu

    scheduler = engine.schedulers.FlowMatchEulerDiscreteScheduler(max_shift=1.3)
    for tokens in (256, 1024, 4096, 4300, 4301, 9000):
        assert resolution_mu(tokens) == pytest.approx(calculate_shift(tokens), rel=1e-12)
        assert scheduler.mu_of(tokens) == pytest.approx(calculate_shift(tokens, max_shift=1.3), rel=1e-12)
        for steps in (4, 28, 200):
            assert empirical_mu(tokens, steps) == pytest.approx(compute_empirical_mu(tokens, steps), rel=1e-12)


def agree(ours: Any, theirs: Any, dtype: torch.dtype) -> None:
    """Compare tensors of one precision."""
    for mine, truth in zip(ours, theirs, strict=True):
        assert error(mine, truth) <= (SINGLE if dtype == torch.float32 else DOUBLE)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("config", [{}, {"snr": 0.3, "sigma_max": 50.0}, {"sampling_eps": 0.01}], ids=str)
def test_score_sde_ve(config: Options, dtype: torch.dtype) -> None:
    for k, steps in enumerate(STEPS):
        pair = [module.ScoreSdeVeScheduler(**config) for module in (engine.schedulers, diffusers)]
        draw = torch.Generator().manual_seed(0)
        generators = [torch.Generator().manual_seed(1) for _ in pair]
        for scheduler in pair:
            scheduler.set_timesteps(steps)
            scheduler.set_sigmas(steps)
        ours, theirs = pair
        assert torch.equal(ours.timesteps, theirs.timesteps)
        torch.testing.assert_close(ours.sigmas, theirs.sigmas, rtol=1e-6, atol=0)
        torch.testing.assert_close(ours.discrete_sigmas, theirs.discrete_sigmas, rtol=1e-7, atol=0)
        assert ours.init_noise_sigma == theirs.init_noise_sigma
        x = torch.randn(SHAPES[k % 2], generator=draw, dtype=dtype) * ours.init_noise_sigma
        for timestep in theirs.timesteps:
            score = -torch.randn(x.shape, generator=draw, dtype=dtype)
            for arguments in ((score, x), (score, timestep, x)):
                results = [
                    (one.step_correct if len(arguments) == 2 else one.step_pred)(
                        *arguments, generator=generator, return_dict=False
                    )
                    for one, generator in zip(pair, generators, strict=True)
                ]
                agree(*results, dtype)
                x = results[1][0]


def test_score_sde_ve_as_diffusers_own_tests_call_it() -> None:
    """Levels first and times later leave the sigmas of the trained times, and a new scheduler steps at once."""
    pair = [module.ScoreSdeVeScheduler() for module in (engine.schedulers, diffusers)]
    x = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    for t in (0, 0.1, 0.5, 0.75, 1):
        results = [
            one.step_pred(0.1 * x, t, x, generator=torch.Generator().manual_seed(1), return_dict=False) for one in pair
        ]
        agree(*results, torch.float32)
    for scheduler in pair:
        scheduler.set_sigmas(3)
        scheduler.set_timesteps(3)
    torch.testing.assert_close(pair[0].sigmas, pair[1].sigmas, rtol=1e-6, atol=0)
    assert torch.equal(pair[0].discrete_sigmas, pair[1].discrete_sigmas)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("config", [{}, {"beta_min": 0.3, "beta_max": 12.0, "sampling_eps": 0.01}], ids=str)
def test_score_sde_vp(config: Options, dtype: torch.dtype) -> None:
    for k, steps in enumerate(STEPS):
        pair = [module.ScoreSdeVpScheduler(**config) for module in (engine.schedulers, deprecated)]
        draw = torch.Generator().manual_seed(0)
        generators = [torch.Generator().manual_seed(1) for _ in pair]
        for scheduler in pair:
            scheduler.set_timesteps(steps)
        assert torch.equal(pair[0].timesteps, pair[1].timesteps)
        x = torch.randn(SHAPES[k % 2], generator=draw, dtype=dtype)
        for place, timestep in enumerate(pair[1].timesteps):
            eps = torch.randn(x.shape, generator=draw, dtype=dtype)
            t = timestep.expand(len(x)) if place % 2 else timestep
            results = [one.step_pred(eps, x, t, generator=g) for one, g in zip(pair, generators, strict=True)]
            agree(*results, dtype)
            x = results[1][0]


@pytest.mark.parametrize(
    "config", [{}, {"sigma_min": 0.01, "sigma_max": 7.0, "s_noise": 1.0, "s_churn": 3.0, "s_min": 0.1}], ids=str
)
def test_karras_ve(config: Options) -> None:
    for k, steps in enumerate((2, 7, 25, 50)):
        beside = Beside("KarrasVeScheduler", config)
        for scheduler in beside.all:
            scheduler.set_timesteps(steps)
        ours, reference = beside.ours[0], beside.reference[0]
        assert torch.equal(ours.timesteps, reference.timesteps)
        torch.testing.assert_close(ours.schedule, reference.schedule, rtol=1e-6, atol=0)
        x = beside.start(SHAPES[k % 2])
        for t in reference.timesteps:
            x = karras_ve_step(beside, x, reference.schedule[t], reference.schedule[t - 1] if t > 0 else 0)


def karras_ve_step(beside: Beside, x: Tensor, level: Any, following: Any) -> Tensor:
    """Do the three parts of a step on all four schedulers, compare each, and return the reference's sample."""
    dtypes = (torch.float32, torch.float64) * 2

    def compared(results: list[Any]) -> Any:
        for values in zip(*results, strict=True):
            beside.compare(*values, where=f"{beside.label} at level {level}")
        return results[2]

    four = list(zip(beside.all, beside.generators, dtypes, strict=True))
    x_hat, level_hat = compared([one.add_noise_to_input(x.to(dtype), level, g) for one, g, dtype in four])
    score = -torch.randn(x.shape, generator=beside.draw)
    x, d, _ = compared(
        [tuple(one.step(score.to(dtype), level_hat, following, x_hat.to(dtype)).values()) for one, _, dtype in four]
    )
    if isinstance(following, Tensor):
        score = -torch.randn(x.shape, generator=beside.draw)
        results: list[Any] = []
        for one, _, dtype in four:
            at, to, slope = (value.to(dtype) for value in (x_hat, x, d))
            out = one.step_correct(score.to(dtype), level_hat, following, at, to, slope)
            results.append(tuple(out.values()))
        x = compared(results)[0]
    return x


@pytest.mark.parametrize("config", [{}, {"num_train_timesteps": 30, "alpha_cum_start": 0.99, "gamma_cum_start": 1e-3}])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_vq_diffusion(config: Options, dtype: torch.dtype) -> None:
    classes = 13
    pair = [module.VQDiffusionScheduler(classes, **config) for module in (engine.schedulers, diffusers)]
    assert torch.equal(pair[0].timesteps, pair[1].timesteps)
    for steps in (None, 1, 2, 7, 25):
        if steps:
            for scheduler in pair:
                scheduler.set_timesteps(steps)
            assert torch.equal(pair[0].timesteps, pair[1].timesteps)
        draw = torch.Generator().manual_seed(0)
        generators = [torch.Generator().manual_seed(1) for _ in pair]
        x = torch.randint(0, classes, (3, 17), generator=draw)
        x[:, :5] = classes - 1
        for timestep in pair[1].timesteps:
            output = (3 * torch.randn(3, classes - 1, 17, generator=draw, dtype=dtype)).log_softmax(1)
            if timestep > 0:
                agree(*([one.q_posterior(output, x, timestep)] for one in pair), torch.float64)
            steps_of = [one.step(output, timestep, x, g) for one, g in zip(pair, generators, strict=True)]
            assert torch.equal(steps_of[0].prev_sample, steps_of[1].prev_sample)
            assert torch.equal(steps_of[0].pred_original_sample, output.argmax(1))
            x = steps_of[1].prev_sample


@pytest.mark.parametrize("masking_schedule", ["cosine", "linear"])
@pytest.mark.parametrize("temperature", [(2, 0), 1.5, [4.0, 0.5]], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_amused(masking_schedule: str, temperature: Any, dtype: torch.dtype) -> None:
    mask = 11
    pair = [module.AmusedScheduler(mask, masking_schedule) for module in (engine.schedulers, diffusers)]
    for steps in (1, 2, 7, 25):
        for scheduler in pair:
            scheduler.set_timesteps(steps, temperature)
        assert torch.equal(pair[0].timesteps, pair[1].timesteps)
        assert torch.equal(pair[0].temperatures, pair[1].temperatures)
        draw = torch.Generator().manual_seed(0)
        generators = [torch.Generator().manual_seed(1) for _ in pair]
        x = torch.full((3, 4, 6), mask)
        for timestep in pair[1].timesteps:
            output = 3 * torch.randn(3, mask, 4, 6, generator=draw, dtype=dtype)
            call = {"starting_mask_ratio": 0.7} if steps == 7 else {}
            results = [
                one.step(output, timestep, x, generator=g, return_dict=False, **call)
                for one, g in zip(pair, generators, strict=True)
            ]
            assert all(torch.equal(mine, truth) for mine, truth in zip(*results, strict=True))
            x = results[1][0]
            noisy = [one.add_noise(results[1][1], timestep, g) for one, g in zip(pair, generators, strict=True)]
            assert torch.equal(*noisy)
        assert (x != mask).all()


@pytest.mark.parametrize("name", ["FlowMatchLCMScheduler", "UnCLIPScheduler", "DDPMWuerstchenScheduler"])
def test_one_generator_for_each_image(name: str) -> None:
    beside = EveryWay(name, {})
    beside.set_timesteps(4)
    x = beside.start(SHAPES[0])
    beside.generators = [[torch.Generator().manual_seed(seed) for seed in range(3)] for _ in range(4)]
    for place in range(4):
        x = beside.step(place, torch.randn(SHAPES[0], generator=beside.draw), x)


# One call that draws noise, of ours and of the reference's.
DRAWING: dict[str, Any] = {
    "SCMScheduler": lambda one, x, generator: one.step(0.5 * x, one.timesteps[0], x, generator),
    "DDPMWuerstchenScheduler": lambda one, x, generator: one.step(0.5 * x, one.timesteps[:1].expand(2), x, generator),
    "ScoreSdeVeScheduler": lambda one, x, generator: one.step_correct(-0.5 * x, x, generator),
    "ScoreSdeVpScheduler": lambda one, x, generator: one.step_pred(0.5 * x, x, torch.tensor(0.5), generator),
    "KarrasVeScheduler": lambda one, x, generator: one.add_noise_to_input(x, 1.0, generator),
}


@pytest.mark.parametrize("name", list(DRAWING))
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_the_noise_of_a_step(name: str, dtype: torch.dtype) -> None:
    """What two seeds change is the noise alone, drawn in the same precision as the reference draws it."""
    differences: list[Tensor] = []
    for library in (engine.schedulers, diffusers if hasattr(diffusers, name) else deprecated):
        scheduler = getattr(library, name)()
        scheduler.set_timesteps(2)
        x = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)).to(dtype)
        first, second = (DRAWING[name](scheduler, x, torch.Generator().manual_seed(seed)) for seed in (1, 2))
        sample = 0 if isinstance(first, tuple) else "prev_sample"
        differences.append(first[sample].double() - second[sample].double())
    ours, reference = differences
    # Other numbers would differ by as much as they are, and the same in float32 tables by 1e-6 at most.
    bound = max(1e-6, 10 * torch.finfo(dtype).eps) * float(reference.abs().max())
    torch.testing.assert_close(ours, reference, rtol=0, atol=bound)
