"""Where solvers, distilled samplers and RePaint of Diffusers 0.42.1 crash or err: the evidence, the right thing."""

from __future__ import annotations

import math
import re
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

import engine.schedulers as ours
from engine.errors import ConfigError, InvalidValue

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*algorithm_types? dpmsolver and sde-dpmsolver.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*algorithm_types=dpmsolver` is deprecated.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

SHAPE = (2, 3, 5, 4)
FLOW: dict[str, Any] = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}


def noise(seed: int, *shape: int) -> Tensor:
    """Return standard normal numbers in float64."""
    return torch.randn(*(shape or SHAPE), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pair(name: str, steps: int | None = None, **config: Any) -> tuple[Any, Any]:
    """Return the scheduler of Diffusers and ours, laid out on `steps`."""
    both = getattr(diffusers, name)(**config), getattr(ours, name)(**config)
    for scheduler in both:
        if steps is not None:
            scheduler.set_timesteps(steps)
    return both


def run(scheduler: Any, x: Tensor) -> list[Tensor]:
    """Return the samples of a run whose predictions are random."""
    samples = [x]
    for place, timestep in enumerate(scheduler.timesteps):
        samples.append(scheduler.step(noise(place), timestep, samples[-1]).prev_sample)
    return samples


# UniPC


@pytest.mark.parametrize(
    "config", [{"solver_type": "bh1"}, {"predict_x0": False}, {"lower_order_final": False}], ids=str
)
@pytest.mark.parametrize("steps", [3, 20])
def test_unipc_ends_at_the_clean_sample_whatever_the_method(config: dict[str, Any], steps: int) -> None:
    """At sigma = 0 the reference divides by 0 or multiplies it by infinity; the step's limit is the clean sample."""
    theirs, mine = pair("UniPCMultistepScheduler", steps, **config)
    assert not run(theirs, noise(99))[-1].isfinite().any()
    samples = run(mine, noise(99))
    assert all(x.isfinite().all() for x in samples)
    x_0 = mine.model_outputs[-1]
    if not mine.predict_x0:
        x_0 = (mine.last_sample - float(mine._sigma[-2]) * x_0) / float(mine._alpha[-2])
    torch.testing.assert_close(samples[-1], x_0, rtol=1e-9, atol=1e-9)


def test_unipc_of_order_three_ends_at_the_clean_sample() -> None:
    """With `lower_order_final=False` the reference fails to solve for rho there, as all r_k are 0."""
    theirs, mine = pair("UniPCMultistepScheduler", 20, solver_order=3, lower_order_final=False)
    with pytest.raises(RuntimeError, match="singular"):
        run(theirs, noise(99))
    assert torch.equal(run(mine, noise(99))[-1], mine.model_outputs[-1])


def test_unipc_s_last_step_is_the_limit_of_steps_to_lower_and_lower_levels() -> None:
    """The same run ended at ever smaller sigma_t, in first order, approaches ours at zero."""
    x_s, eps = noise(0), noise(1)
    scheduler: Any = ours.UniPCMultistepScheduler(predict_x0=False)
    scheduler.set_timesteps(1)
    end = scheduler.step(eps, scheduler.timesteps[0], x_s).prev_sample
    alpha, sigma = float(scheduler._alpha[0]), float(scheduler._sigma[0])
    far: list[float] = []
    for sigma_t in (1e-1, 1e-2, 1e-3):
        alpha_t = math.sqrt(1 - sigma_t**2)
        h = math.log(alpha_t / sigma_t) - math.log(alpha / sigma)
        far.append(float((alpha_t / alpha * x_s - sigma_t * math.expm1(h) * eps - end).abs().max()))
    assert far[0] > 5 * far[1] > 25 * far[2]


@pytest.mark.parametrize("config", [{"solver_type": "bh1"}, {"solver_order": 3}, {"predict_x0": False}], ids=str)
def test_unipc_leaves_the_sample_at_a_repeated_level_as_it_is(config: dict[str, Any]) -> None:
    """A grid that ends at its lowest level again has h = 0: the reference divides 0 by 0 where it solves for rho."""
    grid = {"use_karras_sigmas": True, "final_sigmas_type": "sigma_min", "lower_order_final": False}
    theirs, mine = pair("UniPCMultistepScheduler", 20, **(grid | config))
    assert mine.sigmas[-1] == mine.sigmas[-2] == theirs.sigmas[-1]
    last = run(mine, noise(99))[-1]
    assert torch.equal(last, mine.last_sample)
    if config.get("solver_order") == 3:
        assert run(theirs, noise(99))[-1].isnan().all()


def test_unipc_takes_sigmas_as_a_list() -> None:
    """Documented as a list, in the reference it must be an array."""
    theirs, mine = pair("UniPCMultistepScheduler", **FLOW)
    with pytest.raises(TypeError):
        theirs.set_timesteps(sigmas=[0.9, 0.5, 0.1])
    mine.set_timesteps(sigmas=[0.9, 0.5, 0.1])
    torch.testing.assert_close(mine.sigmas, torch.tensor([0.9, 0.5, 0.1, 0.0]))


def test_unipc_of_one_step_cannot_reach_two_levels() -> None:
    """Stretched so that the last level is `shift_terminal`, the only one, 1, becomes 0 / 0 in the reference."""
    theirs, mine = pair("UniPCMultistepScheduler", shift_terminal=0.1, **FLOW)
    with pytest.warns(RuntimeWarning, match="invalid value"):
        theirs.set_timesteps(1)
    assert theirs.sigmas[0].isnan()
    mine.set_timesteps(1)
    assert mine.timesteps.tolist() == [999]


def test_unipc_says_what_it_cannot_take() -> None:
    _, flow = pair("UniPCMultistepScheduler", **FLOW)
    for wrong in ([0.1, 0.9], [1.5, 0.5], [], [0.5, 0.0]):
        with pytest.raises(InvalidValue, match="sigmas"):
            flow.set_timesteps(sigmas=wrong)
    with pytest.raises(InvalidValue, match="not both"):
        flow.set_timesteps(3, sigmas=[0.9, 0.5, 0.1])
    with pytest.raises(InvalidValue, match="use_flow_sigmas"):
        ours.UniPCMultistepScheduler().set_timesteps(sigmas=[0.9, 0.1])
    with pytest.raises(InvalidValue, match="use_dynamic_shifting"):
        flow.set_timesteps(3, mu=0.5)
    with pytest.raises(InvalidValue, match="use_dynamic_shifting"):
        ours.UniPCMultistepScheduler(use_dynamic_shifting=True, **FLOW).set_timesteps(3)
    with pytest.raises(InvalidValue, match="shift_terminal"):
        ours.UniPCMultistepScheduler(shift_terminal=0.1)
    with pytest.raises(InvalidValue, match="solver_order cannot be 0"):
        ours.UniPCMultistepScheduler(solver_order=0)


# DPM-Solver, inverse and singlestep


@pytest.mark.parametrize("algorithm_type", ["sde-dpmsolver", "sde-dpmsolver++"])
def test_the_reverse_sde_cannot_be_walked_upwards(algorithm_type: str) -> None:
    """Its noise would have the variance 1 - e^-2h < 0: the reference's first sample is NaN."""
    scheduler = diffusers.DPMSolverMultistepInverseScheduler(algorithm_type=algorithm_type)
    scheduler.set_timesteps(5)
    assert scheduler.step(noise(0), scheduler.timesteps[0], noise(1)).prev_sample.isnan().all()
    with pytest.raises(ConfigError, match=re.escape(f"algorithm_type cannot be '{algorithm_type}'")):
        ours.DPMSolverMultistepInverseScheduler(algorithm_type=algorithm_type)


def test_the_inverse_of_a_flow_goes_upwards() -> None:
    """The reference's levels descend, as if it denoised."""
    theirs, mine = pair("DPMSolverMultistepInverseScheduler", 8, flow_shift=3.0, **FLOW)
    assert (theirs.sigmas.diff()[:-1] < 0).all()
    assert torch.equal(mine.sigmas[:-1], theirs.sigmas[:-1].flip(0))
    assert torch.equal(mine.timesteps, theirs.timesteps.flip(0))
    assert mine.sigmas[-1] == mine.sigmas[-2]


def test_timesteps_that_are_done_once_take_their_levels_with_them() -> None:
    """The reference drops repeated timesteps but not their levels, and all that follow have the level of another."""
    theirs, mine = pair(
        "DPMSolverMultistepInverseScheduler", 100, use_karras_sigmas=True, beta_schedule="scaled_linear"
    )
    assert torch.equal(mine.timesteps, theirs.timesteps)
    assert len(mine.timesteps) < 100
    assert (len(mine.sigmas), len(theirs.sigmas)) == (len(mine.timesteps) + 1, 101)
    trained = ((1 - mine.alphas_cumprod) / mine.alphas_cumprod) ** 0.5
    assert ((mine.sigmas[:-1] / trained[mine.timesteps] - 1).abs() < 0.11).all()
    assert ((theirs.sigmas[: len(mine.timesteps)] / trained[mine.timesteps] - 1).abs() > 0.2).any()


def test_an_inversion_begins_at_its_first_level() -> None:
    """Of two equal first timesteps the reference takes the second, and runs out of levels at the end."""
    theirs, mine = pair(
        "DPMSolverMultistepInverseScheduler", 25, use_exponential_sigmas=True, beta_schedule="scaled_linear"
    )
    assert mine.timesteps[0] == mine.timesteps[1] == 0
    with pytest.raises(IndexError):
        run(theirs, noise(0))
    assert len(run(mine, noise(0))) == 26
    assert mine.step_index == 25


@pytest.mark.parametrize("solver_order", [1, 2, 3])
def test_inversion_and_sampling_are_each_other_s_inverse(solver_order: int) -> None:
    """Up and down again with an exact score of Gaussian data gives back where it began, the better the more steps."""

    def eps(scheduler: Any, timestep: Tensor, x: Tensor) -> Tensor:
        # Data of variance 4: the noise that is in x on average.
        a = scheduler.alphas_cumprod[timestep.long()].double()
        return (1 - a).sqrt() * x / (4 * a + 1 - a)

    far: list[float] = []
    for steps in (25, 100):
        x = start = 2 * noise(0)
        for name in ("DPMSolverMultistepInverseScheduler", "DPMSolverMultistepScheduler"):
            scheduler: Any = getattr(ours, name)(solver_order=solver_order)
            scheduler.set_timesteps(steps)
            for timestep in scheduler.timesteps:
                x = scheduler.step(eps(scheduler, timestep, x), timestep, x).prev_sample
        far.append(float((x - start).abs().max()))
    assert far[1] < 0.4 * far[0]
    assert far[1] < 0.2


def test_singlestep_on_noise_may_end_at_zero() -> None:
    """The reference refuses; the step's limit exists: the clean sample."""
    config: dict[str, Any] = {"algorithm_type": "dpmsolver", "solver_order": 3}
    with pytest.raises(ValueError, match="final_sigmas_type"):
        diffusers.DPMSolverSinglestepScheduler(**config)
    scheduler: Any = ours.DPMSolverSinglestepScheduler(**config)
    scheduler.set_timesteps(8)
    x, out = noise(99), None
    for place, timestep in enumerate(scheduler.timesteps):
        out = scheduler.step(noise(place), timestep, x)
        x = out.prev_sample
    assert torch.equal(x, out.pred_original_sample)
    assert x.isfinite().all()


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("DPMSolverSinglestepScheduler", {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}),
        ("SASolverScheduler", {"algorithm_type": "noise_prediction"}),
    ],
)
def test_thresholding_of_solvers_on_noise(name: str, config: dict[str, Any]) -> None:
    """The reference looks a timestep of None up and fails; x_0 must be bounded, and eps belong to it."""
    theirs, mine = pair(name, 5, thresholding=True, **config)
    x, eps = noise(0), noise(1)
    with pytest.raises(RuntimeError):
        theirs.step(eps, theirs.timesteps[0], x)
    x_0 = mine.step(eps, mine.timesteps[0], x).pred_original_sample
    assert x_0.abs().max() <= 1
    torch.testing.assert_close(
        mine.model_outputs[-1], (x - float(mine._alpha[0]) * x_0) / float(mine._sigma[0]), rtol=1e-6, atol=1e-6
    )


def test_a_singlestep_scheduler_is_as_new_for_another_number_of_steps() -> None:
    """The reference turns `lower_order_final` on in its own configuration where it helps, and keeps it on."""
    config: dict[str, Any] = {"solver_order": 2, "final_sigmas_type": "sigma_min"}
    used, fresh = pair("DPMSolverSinglestepScheduler", **config), pair("DPMSolverSinglestepScheduler", **config)
    for scheduler in used:
        scheduler.set_timesteps(7)
    for scheduler in (*used, *fresh):
        scheduler.set_timesteps(6)
    assert used[0].order_list != fresh[0].order_list
    assert used[1].order_list == fresh[1].order_list == fresh[0].order_list
    assert used[1].config == fresh[1].config


@pytest.mark.parametrize(("order", "steps"), [(2, 1), (3, 1), (3, 2)])
def test_fewer_singlesteps_than_a_group(order: int, steps: int) -> None:
    """The list of orders begins like any other; in the reference it is empty or ends in an error, as configured."""
    scheduler: Any = ours.DPMSolverSinglestepScheduler(solver_order=order, final_sigmas_type="sigma_min")
    scheduler.set_timesteps(steps)
    assert scheduler.order_list == list(range(1, steps + 1))
    assert run(scheduler, noise(0))[-1].isfinite().all()


@pytest.mark.parametrize("solver_order", [2, 3])
def test_singlestep_sde_with_a_prediction_that_does_not_change_is_exact(solver_order: int) -> None:
    """x_0 = 1 everywhere: the mean of x_t must be alpha_t + (sigma_t / sigma_s) e^-h (x_s - alpha_s)."""
    scheduler: Any = ours.DPMSolverSinglestepScheduler(
        solver_order=solver_order, algorithm_type="sde-dpmsolver++", solver_type="heun", prediction_type="sample"
    )
    scheduler.set_timesteps(6)
    x, one = noise(0), torch.ones(SHAPE, dtype=torch.float64)
    start = x
    for place, timestep in enumerate(scheduler.timesteps[:solver_order]):
        generator = torch.Generator().manual_seed(place)
        x = scheduler.step(one, timestep, x, generator=generator).prev_sample
    z = torch.randn(SHAPE, generator=torch.Generator().manual_seed(solver_order - 1), dtype=torch.float64)
    (alpha_s, sigma_s), (alpha, sigma) = (
        (float(scheduler._alpha[i]), float(scheduler._sigma[i])) for i in (0, solver_order)
    )
    h = math.log(alpha / sigma) - math.log(alpha_s / sigma_s)
    mean = alpha + sigma / sigma_s * math.exp(-h) * (start - alpha_s)
    torch.testing.assert_close(x, mean + sigma * math.sqrt(-math.expm1(-2 * h)) * z, rtol=1e-5, atol=1e-5)


def test_third_order_of_the_singlestep_sde_weighs_the_curvature_with_the_right_sign() -> None:
    """phi_2 vanishes with h; in the reference it is near -1, its constant 1/2 having the other sign.

    A clean sample x_0 = lambda^2 has an exact mean: x_t = (sigma_t / sigma_s) e^-h x_s plus the integral of
    2 alpha_t e^(-2 (lambda_t - l)) l^2 over l from lambda_s to lambda_t.
    """
    config: dict[str, Any] = {"algorithm_type": "sde-dpmsolver++", "solver_type": "heun", "prediction_type": "sample"}
    config |= {"solver_order": 3, "final_sigmas_type": "sigma_min", "use_karras_sigmas": True}
    far: list[float] = []
    for scheduler in pair("DPMSolverSinglestepScheduler", 60, **config):
        levels = scheduler.sigmas.double()
        alphas, lambdas = 1 / (1 + levels**2).sqrt(), -levels.log()
        x = torch.zeros(4, 1, 64, 64, dtype=torch.float64)
        for place in range(3):
            clean = torch.full_like(x, float(lambdas[place]) ** 2)
            generator = torch.Generator().manual_seed(0)
            x = scheduler.step(clean, scheduler.timesteps[place], x, generator=generator).prev_sample
        h = float(lambdas[3] - lambdas[0])
        z = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        mean = x - float(levels[3] * alphas[3]) * math.sqrt(-math.expm1(-2 * h)) * z
        grid = torch.linspace(float(lambdas[0]), float(lambdas[3]), 2001, dtype=torch.float64)
        exact = torch.trapezoid(2 * alphas[3] * torch.exp(-2 * (lambdas[3] - grid)) * grid**2, grid)
        far.append(float((mean - exact).abs().max()))
    assert far[1] < 0.02 * far[0]


# SA-Solver


@pytest.mark.parametrize("algorithm_type", ["data_prediction", "noise_prediction"])
def test_sa_solver_of_order_four_keeps_its_digits(algorithm_type: str) -> None:
    """Moments of nearby levels nearly cancel: the reference's float32 is 1e-3 from its own formula in float64."""
    config: dict[str, Any] = {"algorithm_type": algorithm_type, "predictor_order": 4, "corrector_order": 4}
    theirs, mine = pair("SASolverScheduler", 50, **config)
    precise, _ = pair("SASolverScheduler", 50, **config)
    precise.sigmas = precise.sigmas.double()
    far = [0.0, 0.0]
    x = noise(99)
    for place, timestep in enumerate(mine.timesteps):
        output = noise(place)
        steps = [
            one.step(output, timestep, x, generator=torch.Generator().manual_seed(place)).prev_sample
            for one in (theirs, mine, precise)
        ]
        largest = steps[2].abs().max()
        far = [max(worst, float((steps[k] - steps[2]).abs().max() / largest)) for k, worst in enumerate(far)]
        x = steps[2]
    assert far[0] > 1e-3
    assert far[1] < 1e-9


def test_sa_solver_adds_the_noise_of_its_own_levels() -> None:
    """The reference adds that of the trained timestep which is nearest to a level of the grid."""
    theirs, mine = pair("SASolverScheduler", 7, use_karras_sigmas=True)
    clean, eps = noise(0), noise(1)
    for place in range(7):
        mine.set_begin_index(place)
        sigma = float(mine.sigmas[place])
        exact = (clean + sigma * eps) / (1 + sigma**2) ** 0.5
        times = mine.timesteps[place : place + 1].repeat(len(clean))
        assert (mine.add_noise(clean, eps, times) - exact).abs().max() < 1e-6
    far = [
        float((theirs.add_noise(clean, eps, t.repeat(len(clean))) - (clean + s * eps) / (1 + s**2) ** 0.5).abs().max())
        for t, s in zip(mine.timesteps, mine.sigmas.tolist(), strict=False)
    ]
    assert max(far) > 1e-3


def test_sa_solver_takes_a_predicted_variance_off_its_noise() -> None:
    """The reference draws noise for the variance too, and cannot add it."""
    theirs, mine = pair("SASolverScheduler", 5, variance_type="learned_range")
    plain: Any = ours.SASolverScheduler()
    plain.set_timesteps(5)
    x, output = noise(0), noise(1, 2, 6, 5, 4)
    with pytest.raises(RuntimeError):
        theirs.step(output, theirs.timesteps[0], x)
    results = [
        one.step(out, one.timesteps[0], x, generator=torch.Generator().manual_seed(2)).prev_sample
        for one, out in ((mine, output), (plain, output[:, :3]))
    ]
    assert torch.equal(*results)


def test_objects_in_a_configuration_are_not_saved_in_silence(tmp_path: Any) -> None:
    for scheduler, key in (
        (ours.SASolverScheduler(tau_func=lambda t: 0.5), "tau_func"),
        (ours.UniPCMultistepScheduler(solver_p=ours.DDIMScheduler()), "solver_p"),
    ):
        with pytest.raises(InvalidValue, match=f"{key}=.*from_pretrained"):
            scheduler.save_pretrained(tmp_path)
    assert not list(tmp_path.iterdir())


# Distilled models and RePaint


def test_lcm_ends_at_its_clean_sample_at_any_strength() -> None:
    """With own timesteps and a strength the reference counts those it left out, and makes the last sample noisy."""
    theirs, mine = diffusers.LCMScheduler(), ours.LCMScheduler()
    ends: list[bool] = []
    for scheduler in (theirs, mine):
        scheduler.set_timesteps(timesteps=[999, 699, 499, 19], strength=0.5)
        assert scheduler.timesteps.tolist() == [499, 19]
        x, out = noise(0), None
        for timestep in scheduler.timesteps:
            out = scheduler.step(noise(1), timestep, x)
            x = out.prev_sample
        ends.append(torch.equal(x, out.denoised))
    assert ends == [False, True]


def test_distilled_models_say_what_they_cannot_take(caplog: pytest.LogCaptureFixture) -> None:
    for scheduler in (ours.LCMScheduler(), ours.TCDScheduler()):
        for wrong, text in (
            ({"num_inference_steps": 51}, "51"),
            ({"num_inference_steps": 20, "strength": 0.3}, "15 distilled"),
            ({"num_inference_steps": 4, "strength": 0.0}, "strength"),
            ({"timesteps": [999, 499], "strength": 0.2}, "strength=0.2"),
        ):
            with pytest.raises(InvalidValue, match=text):
                scheduler.set_timesteps(**wrong)
        scheduler.set_timesteps(timesteps=[999, 500])
        assert "500" in caplog.text
        caplog.clear()
    with pytest.raises(InvalidValue, match="original_inference_steps cannot be 1001"):
        ours.LCMScheduler().set_timesteps(4, original_inference_steps=1001)
    tcd = ours.TCDScheduler()
    tcd.set_timesteps(4)
    with pytest.raises(InvalidValue, match=r"eta cannot be 1\.5"):
        tcd.step(noise(0), tcd.timesteps[0], noise(1), eta=1.5)


def test_repaint_refuses_more_steps_than_were_trained() -> None:
    """The reference takes fewer in silence."""
    theirs, mine = diffusers.RePaintScheduler(), ours.RePaintScheduler()
    theirs.set_timesteps(2000)
    assert theirs.num_inference_steps == 1000
    for wrong in ((2000,), (0,), (10, 0, 3), (10, 3, 0)):
        with pytest.raises(InvalidValue):
            mine.set_timesteps(*wrong)
    mine.set_timesteps(10)
    with pytest.raises(InvalidValue, match="cannot be undone"):
        mine.undo_step(noise(0), 950)


def test_repaint_keeps_the_known_part_and_adds_noise_for_training() -> None:
    """Painted with a model that knows nothing, the known part is the picture; the reference has no `add_noise`."""
    picture, x = noise(0), noise(1)
    mask = torch.zeros(SHAPE, dtype=torch.float64)
    mask[..., :2] = 1
    scheduler = ours.RePaintScheduler(eta=1.0)
    scheduler.set_timesteps(10, jump_length=3, jump_n_sample=2)
    last = scheduler.timesteps[0] + 1
    for timestep in scheduler.timesteps:
        if timestep < last:
            x = scheduler.step(noise(2), timestep, x, picture, mask)[0]
        else:
            x = scheduler.undo_step(x, last)
        last = timestep
    torch.testing.assert_close(x[..., :2], picture[..., :2])
    ddpm = ours.DDPMScheduler()
    times = torch.tensor([3, 800])
    assert torch.equal(scheduler.add_noise(picture, x, times), ddpm.add_noise(picture, x, times))
    with pytest.raises(NotImplementedError):
        diffusers.RePaintScheduler().add_noise(picture, x, times)
