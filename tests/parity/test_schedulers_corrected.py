"""Where Diffusers 0.42.1 crashes or is wrong: the evidence, and the right thing."""

from __future__ import annotations

import math
import warnings
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

import engine.schedulers as ours
from engine.errors import InvalidValue

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*algorithm_types? dpmsolver and sde-dpmsolver.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

SHAPE = (2, 3, 5, 4)


def noise(seed: int, *shape: int) -> Tensor:
    """Return standard normal numbers in float64."""
    return torch.randn(*(shape or SHAPE), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def reference(name: str, **config: Any) -> Any:
    """Return the scheduler of Diffusers."""
    return getattr(diffusers, name)(**config)


def test_trailing_spacing_has_as_many_timesteps_as_asked_for() -> None:
    """Rounding lengthens numpy's arange: at 61 steps the reference has 62 timesteps, of which the last is -1."""
    for name in ("DDPMScheduler", "DDIMScheduler", "EulerDiscreteScheduler", "DPMSolverMultistepScheduler"):
        theirs, mine = reference(name, timestep_spacing="trailing"), getattr(ours, name)(timestep_spacing="trailing")
        theirs.set_timesteps(61)
        mine.set_timesteps(61)
        assert (len(theirs.timesteps), theirs.timesteps[-1]) == (62, -1)
        assert torch.equal(mine.timesteps, theirs.timesteps[:61])
    for steps in range(1, 1001):
        mine.set_timesteps(steps)
        assert len(mine.timesteps) == steps
        assert mine.timesteps[-1] >= 0


def test_ddpm_fixed_large_log_is_a_deviation_not_a_logarithm() -> None:
    """The reference takes the root of the variance's logarithm, which is negative: NaN."""
    x, output = noise(0), noise(1)
    results: list[Tensor] = []
    for scheduler in (reference("DDPMScheduler", variance_type="fixed_large_log"),) + tuple(
        ours.DDPMScheduler(variance_type=kind) for kind in ("fixed_large_log", "fixed_large")
    ):
        scheduler.set_timesteps(10)
        generator = torch.Generator().manual_seed(2)
        results.append(scheduler.step(output, scheduler.timesteps[0], x, generator=generator).prev_sample)
    assert results[0].isnan().all()
    assert torch.equal(results[1], results[2])


@pytest.mark.parametrize("name", ["DDPMScheduler", "DDIMScheduler"])
def test_epsilon_at_zero_terminal_snr_is_finite(name: str) -> None:
    """The reference divides by alpha = 0, and its sample is NaN for ever after."""
    config = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing", "clip_sample": False}
    finite: list[bool] = []
    for scheduler in (reference(name, **config), getattr(ours, name)(**config)):
        scheduler.set_timesteps(4)
        x = noise(0)
        for timestep in scheduler.timesteps:
            x = scheduler.step(noise(1), timestep, x).prev_sample
        finite.append(bool(x.isfinite().all()))
    assert finite == [False, True]


@pytest.mark.parametrize(
    ("config", "steps"),
    [
        ({"rescale_betas_zero_snr": True, "beta_schedule": "scaled_linear"}, 20),
        ({"beta_schedule": "squaredcos_cap_v2"}, 5),
    ],
    ids=["no signal", "next to none"],
)
def test_ddim_draws_all_noise_anew_where_there_is_no_signal(config: dict[str, Any], steps: int) -> None:
    """The rest for eps, 1 - alpha_bar_s - std^2, is zero then and rounds below it on many processors: NaN elsewhere."""
    config |= {"timestep_spacing": "trailing", "prediction_type": "v_prediction", "clip_sample": False}
    x, z = noise(0), noise(2)
    mine: Any = ours.DDIMScheduler(**config)
    results: list[Any] = []
    for scheduler in (reference("DDIMScheduler", **config), mine):
        scheduler.set_timesteps(steps)
        results.append(scheduler.step(noise(1), scheduler.timesteps[0], x, eta=1.0, variance_noise=z))
    alpha_bar = float(mine.alphas_cumprod[999 - 1000 // steps])
    expected = alpha_bar**0.5 * results[1].pred_original_sample + (1 - alpha_bar) ** 0.5 * z
    # On the others it rounds above zero, by the last bits of float32, of which the root is taken.
    torch.testing.assert_close(results[1].prev_sample, expected, rtol=0, atol=2e-3)
    if not results[0].prev_sample.isnan().any():
        torch.testing.assert_close(results[0].prev_sample, results[1].prev_sample, rtol=1e-6, atol=1e-6)


def test_euler_ancestral_survives_long_steps() -> None:
    """sigma_down^2 as a difference may be less than zero: the reference's samples are NaN."""
    config = {"beta_schedule": "squaredcos_cap_v2", "timestep_spacing": "trailing"}
    theirs, mine = (
        reference("EulerAncestralDiscreteScheduler", **config),
        ours.EulerAncestralDiscreteScheduler(**config),
    )
    x = 20000 * noise(0)
    results: list[Tensor] = []
    for scheduler in (theirs, mine):
        scheduler.set_timesteps(3)
        timestep = scheduler.timesteps[0]
        scheduler.scale_model_input(x, timestep)
        results.append(scheduler.step(noise(1), timestep, x, generator=torch.Generator().manual_seed(2)).prev_sample)
    high, low = (float(sigma) for sigma in mine.sigmas[:2])
    down, up = low**2 / high, low * (1 - (low / high) ** 2) ** 0.5
    drawn = torch.randn(SHAPE, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert results[0].isnan().all()
    expected = x + (down - high) * noise(1) + up * drawn
    torch.testing.assert_close(results[1], expected, rtol=1e-5, atol=1e-3)


def test_pndm_refuses_too_few_steps_for_runge_kutta_in_a_sentence() -> None:
    """The reference fails inside numpy."""
    for steps in (1, 2):
        with pytest.raises(ValueError, match="broadcast"):
            reference("PNDMScheduler").set_timesteps(steps)
    for steps in (1, 2, 3):
        with pytest.raises(InvalidValue, match=f"`num_inference_steps` must be >= 4.*{steps}.*skip_prk_steps"):
            ours.PNDMScheduler().set_timesteps(steps)


def test_euler_ancestral_takes_sample_predictions() -> None:
    """Not implemented in the reference; it must be the step of the epsilon that belongs to the same clean sample."""
    x, clean = 10 * noise(0), noise(1)
    theirs = reference("EulerAncestralDiscreteScheduler", prediction_type="sample")
    theirs.set_timesteps(10)
    theirs.scale_model_input(x, theirs.timesteps[0])
    with pytest.raises(NotImplementedError):
        theirs.step(clean, theirs.timesteps[0], x)
    results: list[Tensor] = []
    for prediction_type in ("sample", "epsilon"):
        scheduler = ours.EulerAncestralDiscreteScheduler(prediction_type=prediction_type)
        scheduler.set_timesteps(10)
        timestep = scheduler.timesteps[0]
        scheduler.scale_model_input(x, timestep)
        output = clean if prediction_type == "sample" else (x - clean) / scheduler.sigmas[0].double()
        results.append(scheduler.step(output, timestep, x, generator=torch.Generator().manual_seed(3)).prev_sample)
    torch.testing.assert_close(results[0], results[1], rtol=1e-9, atol=1e-9)


def test_euler_velocity_is_of_its_own_timestep() -> None:
    """The reference looks the place in the (descending) schedule up in the (ascending) table of alphas."""
    clean, eps = noise(0), noise(1)
    theirs, mine = reference("EulerDiscreteScheduler"), ours.EulerDiscreteScheduler()
    ddpm = ours.DDPMScheduler()
    times = torch.tensor([30.0, 900.0])
    truth = ddpm.get_velocity(clean, eps, times.long())
    torch.testing.assert_close(mine.get_velocity(clean, eps, times), truth, rtol=1e-5, atol=1e-5)
    # At timestep 30 it takes alpha_bar of timestep 969.
    torch.testing.assert_close(
        theirs.get_velocity(clean, eps, times), ddpm.get_velocity(clean, eps, 999 - times.long())
    )


@pytest.mark.parametrize("algorithm_type", ["dpmsolver", "sde-dpmsolver"])
@pytest.mark.parametrize("solver_order", [1, 2, 3])
def test_solvers_on_noise_may_end_at_zero(algorithm_type: str, solver_order: int) -> None:
    """The reference refuses; the step's limit exists: the clean sample."""
    config = {"algorithm_type": algorithm_type, "final_sigmas_type": "zero", "solver_order": solver_order}
    with pytest.raises(ValueError, match="final_sigmas_type"):
        reference("DPMSolverMultistepScheduler", **config)
    scheduler: Any = ours.DPMSolverMultistepScheduler(**config)
    scheduler.set_timesteps(8)
    x = noise(0)
    out: Any = None
    for place, timestep in enumerate(scheduler.timesteps):
        out = scheduler.step(noise(place), timestep, x)
        x = out.prev_sample
    assert torch.equal(x, out.pred_original_sample)
    assert x.isfinite().all()


@pytest.mark.parametrize("solver_type", ["midpoint", "heun"])
def test_sde_solver_on_noise_has_an_order_three(solver_type: str) -> None:
    """The reference has no such branch (UnboundLocalError); where the curvature is zero it must be Heun's order two."""
    config = {
        "algorithm_type": "sde-dpmsolver",
        "final_sigmas_type": "sigma_min",
        "use_lu_lambdas": True,
        "lower_order_final": False,
    }
    theirs = reference("DPMSolverMultistepScheduler", solver_order=3, solver_type=solver_type, **config)
    third: Any = ours.DPMSolverMultistepScheduler(solver_order=3, solver_type=solver_type, **config)
    second: Any = ours.DPMSolverMultistepScheduler(solver_order=2, solver_type="heun", **config)
    x = noise(0)
    for scheduler in (theirs, third, second):
        scheduler.set_timesteps(6)
    for place in range(5):
        # The grid is even in lambda, so that these predictions lie on a line.
        eps, z = noise(1) + place * noise(2), noise(10 + place)
        results = [one.step(eps, one.timesteps[place], x, variance_noise=z).prev_sample for one in (third, second)]
        if place >= 2:
            torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-4)
        if place < 2:
            theirs.step(eps, theirs.timesteps[place], x, variance_noise=z)
        elif place == 2:
            with pytest.raises(UnboundLocalError):
                theirs.step(eps, theirs.timesteps[place], x, variance_noise=z)
        x = results[0]


def test_third_order_of_the_sde_on_clean_samples_weighs_the_curvature_with_the_right_sign() -> None:
    """phi_2 must vanish with h; in the reference it is 1 too little, as its constant 1/2 has the other sign.

    A clean sample x_0 = lambda^2 has an exact mean: x_t = (sigma_t / sigma_s) e^-h x_s plus the integral of
    2 alpha_t e^(-2 (lambda_t - l)) x_0(l) over l from lambda_s to lambda_t. Order 3 must be nearer to it than order 2.
    """

    def far_from_exact(make: Any, solver_order: int) -> float:
        scheduler = make(
            algorithm_type="sde-dpmsolver++",
            solver_order=solver_order,
            solver_type="heun",
            prediction_type="sample",
            use_lu_lambdas=True,
            lower_order_final=False,
            final_sigmas_type="sigma_min",
        )
        scheduler.set_timesteps(40)
        levels = scheduler.sigmas.double().tolist()
        alphas = [1 / math.sqrt(1 + level**2) for level in levels]
        lambdas = [-math.log(level) for level in levels]
        x = exact = torch.zeros(1, 1, 1, 1, dtype=torch.float64)
        worst = 0.0
        for place in range(20):
            clean = torch.full_like(x, lambdas[place] ** 2)
            x = scheduler.step(clean, scheduler.timesteps[place], x, variance_noise=torch.zeros_like(x)).prev_sample
            start, end = lambdas[place], lambdas[place + 1]
            grid = torch.linspace(start, end, 2001, dtype=torch.float64)
            weight = 2 * alphas[place + 1] * torch.exp(-2 * (end - grid))
            shrink = levels[place + 1] * alphas[place + 1] / (levels[place] * alphas[place]) * math.exp(start - end)
            exact = shrink * exact + torch.trapezoid(weight * grid**2, grid)
            worst = max(worst, float((x - exact).abs()))
        return worst

    mine = [far_from_exact(ours.DPMSolverMultistepScheduler, order) for order in (2, 3)]
    theirs = [far_from_exact(diffusers.DPMSolverMultistepScheduler, order) for order in (2, 3)]
    assert mine[1] < mine[0]
    assert theirs[0] == pytest.approx(mine[0], rel=1e-3)
    assert theirs[1] > 2 * theirs[0]


def test_a_repeated_level_leaves_the_sample_as_it_is() -> None:
    """A grid ends at the lowest level, and `sigma_min` repeats it: h = 0, where Heun's weights are 0 / 0."""
    config = {
        "use_karras_sigmas": True,
        "final_sigmas_type": "sigma_min",
        "solver_type": "heun",
        "lower_order_final": False,
    }
    theirs = reference("DPMSolverMultistepScheduler", **config)
    mine: Any = ours.DPMSolverMultistepScheduler(**config)
    last: list[Tensor] = []
    for scheduler in (theirs, mine):
        scheduler.set_timesteps(20)
        assert scheduler.sigmas[-1] == scheduler.sigmas[-2]
        x = before = noise(0)
        for place, timestep in enumerate(scheduler.timesteps):
            before, x = x, scheduler.step(noise(place), timestep, x).prev_sample
        last.append(x)
    assert last[0].isnan().all()
    assert torch.equal(last[1], before)


def test_a_run_whose_first_timesteps_are_equal_starts_at_the_first() -> None:
    """Rounded timesteps of a grid repeat; the reference takes a repeated one for the second and runs out of levels."""
    config = {"use_karras_sigmas": True, "beta_schedule": "squaredcos_cap_v2"}
    theirs = reference("DPMSolverMultistepScheduler", **config)
    mine: Any = ours.DPMSolverMultistepScheduler(**config)
    placed: Any = ours.DPMSolverMultistepScheduler(**config)
    for scheduler in (theirs, mine, placed):
        scheduler.set_timesteps(7)
        assert scheduler.timesteps[0] == scheduler.timesteps[1]
    placed.set_begin_index(0)

    def whole_run(scheduler: Any) -> Tensor:
        x = noise(0)
        for place, timestep in enumerate(scheduler.timesteps):
            x = scheduler.step(noise(place), timestep, x).prev_sample
        return x

    with pytest.raises(IndexError):
        whole_run(theirs)
    assert torch.equal(whole_run(mine), whole_run(placed))


def test_a_predicted_variance_is_taken_off_latents_of_four_channels() -> None:
    """The reference keeps three channels, whatever the sample has."""
    x, output = noise(0, 1, 4, 5, 5), noise(1, 1, 8, 5, 5)
    theirs = reference("DPMSolverMultistepScheduler", variance_type="learned_range")
    mine: Any = ours.DPMSolverMultistepScheduler(variance_type="learned_range")
    plain: Any = ours.DPMSolverMultistepScheduler()
    for scheduler in (theirs, mine, plain):
        scheduler.set_timesteps(5)
    with pytest.raises(RuntimeError):
        theirs.step(output, theirs.timesteps[0], x)
    results = [
        scheduler.step(prediction, scheduler.timesteps[0], x).prev_sample
        for scheduler, prediction in ((mine, output), (plain, output[:, :4]))
    ]
    assert torch.equal(*results)


def test_ddpm_names_a_missing_variance() -> None:
    """The reference fails with a TypeError on None."""
    x = noise(0)
    theirs, mine = (one(variance_type="learned_range") for one in (diffusers.DDPMScheduler, ours.DDPMScheduler))
    with pytest.raises(TypeError):
        theirs.step(x, 500, x)
    with pytest.raises(InvalidValue, match="6 output channels, not 3"):
        mine.step(x, 500, x)


def test_float64_stays_float64_in_solvers_on_noise() -> None:
    """alpha_t / alpha_s times the sample is a float32 product in the reference, and nearly cancels with the rest."""
    config = {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min", "prediction_type": "v_prediction"}
    x, v = (noise(seed).float().double() for seed in (0, 1))
    theirs, mine = (one(**config) for one in (diffusers.DPMSolverMultistepScheduler, ours.DPMSolverMultistepScheduler))
    steps: list[Tensor] = []
    for scheduler in (theirs, mine):
        scheduler.set_timesteps(1)
        steps.append(scheduler.step(v, scheduler.timesteps[0], x).prev_sample)
    alpha, sigma = (table[0].double() for table in mine._alpha_and_sigma(mine.sigmas))
    last_alpha, last_sigma = (table[1].double() for table in mine._alpha_and_sigma(mine.sigmas))
    eps = alpha * v + sigma * x
    exact = last_alpha / alpha * (x - sigma * eps) + last_sigma * eps
    assert (steps[1] - exact).abs().max() <= (steps[0] - exact).abs().max()


def test_the_reference_warns_where_ours_says_what_to_call(caplog: pytest.LogCaptureFixture) -> None:
    """Without `scale_model_input` the reference logs a warning and goes on to a wrong picture."""
    theirs = reference("EulerDiscreteScheduler")
    theirs.set_timesteps(5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        theirs.step(noise(0), theirs.timesteps[0], noise(1))
    mine = ours.EulerDiscreteScheduler()
    mine.set_timesteps(5)
    with pytest.raises(RuntimeError, match="scale_model_input"):
        mine.step(noise(0), mine.timesteps[0], noise(1))
