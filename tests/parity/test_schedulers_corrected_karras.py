"""Where Diffusers 0.42.1 crashes or is wrong in DDIM's relatives, two-stage, Brownian and preconditioned samplers."""

from __future__ import annotations

import copy
import importlib
import math
import sys
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

import engine.schedulers as ours
from engine.errors import CallOrder, InvalidValue, MissingDependency
from engine.schedulers.brownian import BrownianTree

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Should have t.*but got:UserWarning:torchsde"),
]

SHAPE = (2, 3, 5, 4)


def noise(seed: int, *shape: int) -> Tensor:
    """Return standard normal numbers in float64."""
    return torch.randn(*(shape or SHAPE), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pair(name: str, **config: Any) -> tuple[Any, Any]:
    """Return the scheduler of Diffusers and ours."""
    return getattr(diffusers, name)(**config), getattr(ours, name)(**config)


def whole_run(scheduler: Any, x: Tensor, begin: int = 0, **call: Any) -> Tensor:
    """Return the end of a run with random model outputs."""
    for place, timestep in enumerate(scheduler.timesteps[begin:]):
        scheduler.scale_model_input(x, timestep)
        x = scheduler.step(noise(place, *x.shape), timestep, x, **call).prev_sample
    return x


def test_inverse_ddim_of_a_clean_sample_prediction_is_finite() -> None:
    """At the first step alpha_bar_s = 1: the reference divides x_s - x_0 by 0. The model was asked at t, so eps is
    what it sees at t."""
    theirs, mine = pair("DDIMInverseScheduler", prediction_type="sample", clip_sample=False)
    x, clean = noise(0), noise(1)
    results: list[Tensor] = []
    for scheduler in (theirs, mine):
        scheduler.set_timesteps(10)
        results.append(scheduler.step(clean, int(scheduler.timesteps[0]), x).prev_sample)
    assert not results[0].isfinite().any()
    alpha_bar = mine.alphas_cumprod[0].double()
    eps = (x - alpha_bar.sqrt() * clean) / (1 - alpha_bar).sqrt()
    torch.testing.assert_close(results[1], alpha_bar.sqrt() * clean + (1 - alpha_bar).sqrt() * eps, rtol=1e-6, atol=0)


def test_inverse_ddim_takes_the_spacing_of_any_configuration() -> None:
    """The reference refuses "linspace", which the DDIM that it inverts has."""
    theirs, mine = pair("DDIMInverseScheduler", timestep_spacing="linspace")
    with pytest.raises(ValueError, match="linspace is not supported"):
        theirs.set_timesteps(5)
    mine.set_timesteps(5)
    forward = ours.DDIMScheduler(timestep_spacing="linspace")
    forward.set_timesteps(5)
    assert torch.equal(mine.timesteps, forward.timesteps.flip(0))


def test_inverse_ddim_undoes_ddim() -> None:
    """With the same epsilon at both ends the two are each other's inverse."""
    config = {"clip_sample": False, "set_alpha_to_one": False}
    forward, inverse = ours.DDIMScheduler(**config), ours.DDIMInverseScheduler(**config)
    x, eps = noise(0), noise(1)
    for scheduler in (forward, inverse):
        scheduler.set_timesteps(10)
    noisy = x
    for timestep in inverse.timesteps:
        noisy = inverse.step(eps, timestep, noisy).prev_sample
    back: Any = noisy
    for timestep in forward.timesteps:
        back = forward.step(eps, timestep, back).prev_sample
    torch.testing.assert_close(back, x, rtol=1e-5, atol=1e-5)


def test_parallel_ddim_ends_where_the_configuration_says() -> None:
    """The reference's batch ends at alpha_bar = 1 whatever `set_alpha_to_one`, and its `step` does not."""
    theirs, mine = pair("DDIMParallelScheduler", set_alpha_to_one=False, clip_sample=False)
    x, output = noise(0), noise(1)
    for scheduler, agree in ((theirs, False), (mine, True)):
        scheduler.set_timesteps(10)
        timestep = scheduler.timesteps[-1]
        batch = scheduler.batch_step_no_noise(output, timestep.repeat(2), x)
        one = scheduler.step(output, timestep, x).prev_sample
        assert torch.allclose(batch, one, rtol=1e-6, atol=1e-6) is agree


def test_parallel_ddim_names_an_eta_that_it_cannot_take() -> None:
    """The reference's assertion has no text."""
    theirs, mine = pair("DDIMParallelScheduler")
    for scheduler, error in ((theirs, AssertionError), (mine, InvalidValue)):
        scheduler.set_timesteps(10)
        with pytest.raises(error):
            scheduler.batch_step_no_noise(noise(0), scheduler.timesteps[:2], noise(1), eta=0.5)


@pytest.mark.parametrize("spacing", ["linspace", "trailing"])
def test_parallel_ddpm_goes_to_the_next_timestep_of_its_schedule(spacing: str) -> None:
    """The reference's batch goes T // n below t, its `step` to the next timestep of the schedule."""
    theirs, mine = pair("DDPMParallelScheduler", timestep_spacing=spacing, clip_sample=False)
    x, output = noise(0, 7, 3, 4, 4), noise(1, 7, 3, 4, 4)
    for scheduler, agree in ((theirs, False), (mine, True)):
        scheduler.set_timesteps(7)
        batch = scheduler.batch_step_no_noise(output, scheduler.timesteps, x)
        ones: list[Tensor] = []
        for k, timestep in enumerate(scheduler.timesteps):
            with_noise = [
                scheduler.step(
                    sign * output[k : k + 1], timestep, sign * x[k : k + 1], torch.Generator().manual_seed(k)
                )
                for sign in (1, -1)
            ]
            # The mean is odd in its arguments, and the same noise cancels.
            ones.append((with_noise[0].prev_sample - with_noise[1].prev_sample) / 2)
        assert torch.allclose(batch, torch.cat(ones), rtol=1e-6, atol=1e-6) is agree


def test_linear_multistep_started_in_the_middle_crosses_the_whole_step() -> None:
    """The reference takes the coefficients of four derivatives and has one: c_0 alone is not the step's length."""
    theirs, mine = pair("LMSDiscreteScheduler")
    x = torch.zeros(SHAPE, dtype=torch.float64)
    lengths: list[float] = []
    for scheduler in (theirs, mine):
        scheduler.set_timesteps(10)
        scheduler.set_begin_index(5)
        timestep = scheduler.timesteps[5]
        scheduler.scale_model_input(x, timestep)
        lengths.append(float(scheduler.step(torch.ones_like(x), timestep, x).prev_sample[0, 0, 0, 0]))
    step = float(mine.sigmas[6] - mine.sigmas[5])
    assert lengths[1] == pytest.approx(step, rel=1e-6)
    assert lengths[0] / step > 1.3


def test_coefficients_of_the_linear_multistep_method_are_exact() -> None:
    """A derivative that is a cubic of the level is integrated exactly; the reference's quadrature is of float32."""
    mine: Any = ours.LMSDiscreteScheduler(use_karras_sigmas=True)
    mine.set_timesteps(12)
    for i in range(3, 12):
        c = mine._coefficients(i, 4)
        start, end = float(mine.sigmas[i]), float(mine.sigmas[i + 1])
        for power in range(4):
            value = sum(c[k] * float(mine.sigmas[i - k]) ** power for k in range(4))
            exact = (end ** (power + 1) - start ** (power + 1)) / (power + 1)
            assert value == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("name", ["KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler", "DPMSolverSDEScheduler"])
def test_two_stage_samplers_take_clean_sample_predictions(name: str) -> None:
    """Not implemented in the reference; they must be the steps of the epsilon that belongs to the same clean sample."""
    theirs, mine = pair(name, prediction_type="sample")
    other = getattr(ours, name)(prediction_type="epsilon")
    x = start = 10 * noise(0)
    for scheduler in (theirs, mine, other):
        scheduler.set_timesteps(5)
    theirs.scale_model_input(x, theirs.timesteps[0])
    with pytest.raises(NotImplementedError):
        theirs.step(x, theirs.timesteps[0], x)
    generators = [torch.Generator().manual_seed(3) for _ in range(2)]
    x_other = start
    for place, timestep in enumerate(mine.timesteps):
        clean = noise(place)
        mine.scale_model_input(x, timestep)
        other.scale_model_input(x_other, timestep)
        eps = (x_other - clean) / float(mine._called_at[place])
        call = [{"generator": g} if name != "KDPM2DiscreteScheduler" else {} for g in generators]
        x = mine.step(clean, timestep, x, **call[0]).prev_sample
        x_other = other.step(eps, timestep, x_other, **call[1]).prev_sample
        torch.testing.assert_close(x, x_other, rtol=1e-4, atol=1e-4)


def test_ancestral_midpoint_survives_long_steps() -> None:
    """sigma_down^2 as a difference may be less than zero: the reference's timesteps and samples are NaN."""
    theirs, mine = pair("KDPM2AncestralDiscreteScheduler", beta_schedule="squaredcos_cap_v2")
    for scheduler, finite in ((theirs, False), (mine, True)):
        scheduler.set_timesteps(2)
        assert bool(scheduler.timesteps.isfinite().all()) is finite
        x = 20000 * noise(0)
        assert bool(whole_run(scheduler, x, generator=torch.Generator().manual_seed(1)).isfinite().all()) is finite
    assert float(mine._targets[0]) == pytest.approx(float(mine.sigmas[1]) ** 2 / float(mine.sigmas[0]), rel=1e-5)


@pytest.mark.parametrize("name", ["HeunDiscreteScheduler", "KDPM2DiscreteScheduler", "DPMSolverSDEScheduler"])
def test_a_run_cannot_start_with_the_second_call_of_a_step(name: str) -> None:
    """The reference takes it for a first one, from the level of the step's end to itself or beyond."""
    theirs, mine = pair(name)
    x = noise(0)
    for scheduler in (theirs, mine):
        scheduler.set_timesteps(6)
        scheduler.set_begin_index(3)
        scheduler.scale_model_input(x, scheduler.timesteps[3])
    theirs.step(x, theirs.timesteps[3], x)
    with pytest.raises(CallOrder, match="place 3 .* second call"):
        mine.step(x, mine.timesteps[3], x)


@pytest.mark.parametrize("name", ["KDPM2DiscreteScheduler", "DPMSolverSDEScheduler"])
def test_noise_of_a_second_call_is_of_its_own_level(name: str) -> None:
    """The reference adds the noise of the level at the step's end to a sample for the timestep halfway."""
    theirs, mine = pair(name)
    clean = torch.zeros(1, 1, 1, 1, dtype=torch.float64)
    levels: list[float] = []
    for scheduler in (theirs, mine):
        scheduler.set_timesteps(6)
        levels.append(float(scheduler.add_noise(clean, clean + 1, scheduler.timesteps[3:4])))
    ends = float(mine.sigmas[2]), float(mine.sigmas[3])
    assert levels[0] == pytest.approx(ends[1])
    assert levels[1] == pytest.approx(math.sqrt(ends[0] * ends[1]), rel=1e-5)


def test_brownian_noise_follows_the_generator_where_the_configuration_has_no_seed() -> None:
    """The reference's step takes no generator: a run without `noise_sampler_seed` cannot be repeated."""
    theirs, mine = pair("DPMSolverSDEScheduler")
    x = 10 * noise(0)
    theirs.set_timesteps(4)
    with pytest.raises(TypeError, match="generator"):
        whole_run(theirs, x, generator=torch.Generator().manual_seed(4))
    ends: list[Tensor] = []
    for seed in (4, 4, 5):
        mine.set_timesteps(4)
        ends.append(whole_run(mine, x, generator=torch.Generator().manual_seed(seed)))
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])
    seeded = ours.DPMSolverSDEScheduler(noise_sampler_seed=4)
    seeded.set_timesteps(4)
    assert torch.equal(whole_run(seeded, x, generator=torch.Generator().manual_seed(9)), ends[0])


def test_one_generator_for_each_image_of_a_brownian_run() -> None:
    """An image does not depend on its neighbours in the batch."""
    mine: Any = ours.DPMSolverSDEScheduler()
    x = 10 * noise(0, 1, 3, 5, 4)
    mine.set_timesteps(4)
    alone = whole_run(mine, x, generator=[torch.Generator().manual_seed(7)])
    mine.set_timesteps(4)
    generators = [torch.Generator().manual_seed(seed) for seed in (7, 8)]
    x_both = torch.cat([x, x])
    for place, timestep in enumerate(mine.timesteps):
        mine.scale_model_input(x_both, timestep)
        output = noise(place, 1, 3, 5, 4).repeat(2, 1, 1, 1)
        x_both = mine.step(output, timestep, x_both, generator=generators).prev_sample
    torch.testing.assert_close(x_both[:1], alone, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(x_both[1:], alone)
    mine.set_timesteps(4)
    with pytest.raises(InvalidValue, match="3 generators"):
        whole_run(mine, x_both, generator=[torch.Generator()] * 3)


def test_brownian_increments_add_up_and_are_copied() -> None:
    tree = BrownianTree((40000,), torch.float64, 0.03, 14.0, seed=3)
    steps = [14.0, 9.5, 2.25, 0.5, 0.03]
    parts = [tree.normal(high, low) * math.sqrt(high - low) for high, low in zip(steps[:-1], steps[1:], strict=True)]
    whole = tree.normal(14.0, 0.03) * math.sqrt(14.0 - 0.03)
    torch.testing.assert_close(torch.stack(parts).sum(0), whole, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(tree.normal(0.5, 9.5), -tree.normal(9.5, 0.5))
    covariance = torch.corrcoef(torch.stack(parts))
    torch.testing.assert_close(covariance, torch.eye(4, dtype=torch.float64), rtol=0, atol=0.03)
    assert float(tree.normal(9.5, 0.5).std()) == pytest.approx(1, abs=0.02)
    assert torch.equal(copy.deepcopy(tree).normal(3.0, 1.0), tree.normal(3.0, 1.0))
    assert not tree.normal(2.0, 2.0 + 1e-9).any()


def test_without_torchsde_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    schedulers = [ours.DPMSolverSDEScheduler(), ours.CosineDPMSolverMultistepScheduler()]
    # None makes the import fail as if it were not there.
    monkeypatch.setitem(sys.modules, "torchsde", None)
    for scheduler in schedulers:
        with pytest.raises(MissingDependency, match="pip install torchsde"):
            scheduler.set_timesteps(4)
    monkeypatch.undo()
    assert importlib.import_module("torchsde")


@pytest.mark.parametrize(
    "name", ["EDMEulerScheduler", "EDMDPMSolverMultistepScheduler", "CosineDPMSolverMultistepScheduler"]
)
def test_one_step_of_an_exponential_schedule_starts_at_the_highest_level(name: str) -> None:
    """The reference's only level is the lowest, for noise of the highest."""
    theirs, mine = pair(name, sigma_schedule="exponential", sigma_min=0.01, sigma_max=50.0)
    for scheduler, level in ((theirs, 0.01), (mine, 50.0)):
        scheduler.set_timesteps(1)
        assert scheduler.sigmas.tolist() == pytest.approx([level, 0])


@pytest.mark.parametrize(
    "name", ["EDMEulerScheduler", "EDMDPMSolverMultistepScheduler", "CosineDPMSolverMultistepScheduler"]
)
def test_preconditioned_schedulers_take_clean_sample_predictions(name: str) -> None:
    """An allowed value in the reference's configuration, refused in its step; F of the same x_0 must step alike."""
    theirs, mine = pair(name, prediction_type="sample")
    plain = getattr(ours, name)(prediction_type="epsilon")
    x, clean = 10 * noise(0), noise(1)
    for scheduler in (theirs, mine, plain):
        scheduler.set_timesteps(5)
        scheduler.scale_model_input(x, scheduler.timesteps[0])
    with pytest.raises(ValueError, match="sample is not supported"):
        theirs.step(clean, theirs.timesteps[0], x, generator=torch.Generator().manual_seed(0))
    sigma, s = float(mine.sigmas[0]), mine.config.sigma_data
    f = (clean - s**2 / (sigma**2 + s**2) * x) / (sigma * s / math.sqrt(sigma**2 + s**2))
    results = [
        scheduler.step(output, scheduler.timesteps[0], x, generator=torch.Generator().manual_seed(0)).prev_sample
        for scheduler, output in ((mine, clean), (plain, f))
    ]
    torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-4)


def test_edm_euler_takes_sigmas_as_its_documentation_says() -> None:
    """The reference takes them for fractions of the way, and fails for a list."""
    theirs, mine = pair("EDMEulerScheduler")
    levels = [60.0, 8.0, 0.7, 0.03]
    with pytest.raises(AttributeError):
        theirs.set_timesteps(sigmas=levels)
    theirs.set_timesteps(sigmas=torch.tensor(levels))
    assert theirs.sigmas[0].abs() > 1e6 or theirs.sigmas.isnan().any()
    mine.set_timesteps(sigmas=levels)
    assert mine.sigmas.tolist() == pytest.approx([*levels, 0])
    assert mine.num_inference_steps == 4
    for wrong in ([3.0, 5.0], [5.0, 0.0], [0.2, 0.1, 0.5], [], [0.5, 0.5]):
        with pytest.raises(InvalidValue, match="sigmas cannot be"):
            mine.set_timesteps(sigmas=wrong)
    for both in ({}, {"num_inference_steps": 3, "sigmas": levels}):
        with pytest.raises(InvalidValue, match="exactly one"):
            mine.set_timesteps(**both)
    exponential = ours.EDMEulerScheduler(sigma_schedule="exponential")
    exponential.set_timesteps(sigmas=[0.0, 0.5, 1.0])
    assert exponential.sigmas.tolist() == pytest.approx([80, math.sqrt(80 * 0.002), 0.002, 0], rel=1e-5)


@pytest.mark.parametrize("name", ["EDMDPMSolverMultistepScheduler", "CosineDPMSolverMultistepScheduler"])
def test_noise_has_an_order_three_for_preconditioned_models(name: str) -> None:
    """The reference has no such branch (TypeError, UnboundLocalError)."""
    config = {"solver_order": 3} | ({"algorithm_type": "sde-dpmsolver++"} if name.startswith("EDM") else {})
    theirs, mine = pair(name, **config)
    x = 10 * noise(0)
    for scheduler in (theirs, mine):
        scheduler.set_timesteps(20)
    with pytest.raises((TypeError, UnboundLocalError)):
        whole_run(theirs, x, generator=torch.Generator().manual_seed(0))
    assert whole_run(mine, x, generator=torch.Generator().manual_seed(0)).isfinite().all()


@pytest.mark.parametrize("name", ["EDMDPMSolverMultistepScheduler", "CosineDPMSolverMultistepScheduler"])
def test_a_last_level_that_rounding_put_above_the_one_before_leaves_the_sample(name: str) -> None:
    """The reference takes the root of less than zero, or halves the empty interval for ever (RecursionError)."""
    config = {"final_sigmas_type": "sigma_min"}
    if name.startswith("EDM"):
        config |= {"algorithm_type": "sde-dpmsolver++", "sigma_min": 0.3}
    theirs, mine = pair(name, **config)
    x = 10 * noise(0)
    for scheduler in (theirs, mine):
        scheduler.set_timesteps(10)
        assert 0 <= scheduler.sigmas[-1] - scheduler.sigmas[-2] < 1e-6
    if name.startswith("EDM"):
        assert whole_run(theirs, x, generator=torch.Generator().manual_seed(0)).isnan().all()
    else:
        with pytest.raises(RecursionError):
            whole_run(theirs, x, generator=torch.Generator().manual_seed(0))
    before = x
    for place, timestep in enumerate(mine.timesteps):
        mine.scale_model_input(x, timestep)
        before, x = x, mine.step(noise(place), timestep, x, generator=torch.Generator().manual_seed(0)).prev_sample
    assert torch.equal(x, before)
    assert x.isfinite().all()


def test_preconditioned_multistep_may_take_a_sibling_s_method_and_end_at_zero() -> None:
    """The reference replaces "deis" by "dpmsolver++" and then refuses the end that "dpmsolver++" has."""
    with pytest.raises(ValueError, match="final_sigmas_type"):
        diffusers.EDMDPMSolverMultistepScheduler(algorithm_type="deis")
    ends: list[Tensor] = []
    for algorithm_type in ("deis", "dpmsolver++"):
        scheduler = ours.EDMDPMSolverMultistepScheduler(algorithm_type=algorithm_type)
        scheduler.set_timesteps(6)
        ends.append(whole_run(scheduler, 10 * noise(0)))
    assert torch.equal(*ends)


def test_levels_of_a_preconditioned_model_are_checked() -> None:
    for wrong in ({"sigma_min": 3.0, "sigma_max": 2.0}, {"sigma_data": 0.0}, {"rho": -1.0}, {"sigma_min": -0.1}):
        with pytest.raises(InvalidValue, match=next(iter(wrong))):
            ours.EDMEulerScheduler(**wrong)
