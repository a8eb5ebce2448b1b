"""Where Diffusers 0.42.1's flow, consistency, unCLIP and score schedulers crash or are wrong: evidence, right thing."""

from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch
from diffusers.schedulers import deprecated
from torch import Tensor

import engine.schedulers as ours
from engine.errors import CallOrder, InvalidValue

SHAPE = (2, 3, 5, 4)
LIBRARIES = (diffusers, ours)


def noise(seed: int, *shape: int) -> Tensor:
    """Return standard normal numbers."""
    return torch.randn(*(shape or SHAPE), generator=torch.Generator().manual_seed(seed))


def pair(name: str, *args: Any, **config: Any) -> tuple[Any, Any]:
    """Return the scheduler of Diffusers and ours."""
    theirs, mine = (getattr(library, name)(*args, **config) for library in LIBRARIES)
    return theirs, mine


def whole_run(scheduler: Any, clean: Tensor, eps: Tensor) -> Tensor:
    """Return where a model that knows the clean sample leads: its velocity is that of the straight path."""
    sign = -1 if scheduler.config.get("invert_sigmas") else 1
    x = eps
    for place, timestep in enumerate(scheduler.timesteps):
        left = abs(scheduler.sigmas[-1] - scheduler.sigmas[place])
        x = scheduler.step(sign * (x - clean) / left, timestep, x, generator=torch.Generator().manual_seed(place))[0]
    return x


def test_flow_heun_noises_a_batch_at_its_own_timesteps() -> None:
    """The reference compares the schedule with the batch, and keeps the place it found as the run's."""
    theirs, mine = pair("FlowMatchHeunDiscreteScheduler", shift=3.0)
    clean, eps = noise(0), noise(1)
    for scheduler in (theirs, mine):
        scheduler.set_timesteps(5)
    with pytest.raises(RuntimeError, match="must match the size"):
        theirs.scale_noise(clean, theirs.timesteps[[1, 3]], eps)
    theirs.scale_noise(clean, theirs.timesteps[1], eps)
    assert theirs.step_index == 2

    places = [1, 3]
    level = mine.timesteps[places].reshape(2, 1, 1, 1) / 1000
    truth = level * eps + (1 - level) * clean
    for times in (mine.timesteps[places], mine.timesteps[places].clone(), mine.timesteps[[2, 4]]):
        torch.testing.assert_close(mine.scale_noise(clean, times, eps), truth)
    assert mine.step_index is None
    for place, timestep in enumerate(mine.timesteps):
        level = mine.timesteps[place] / 1000
        torch.testing.assert_close(mine.scale_noise(clean, timestep, eps), level * eps + (1 - level) * clean)


def test_a_run_of_flow_heun_does_not_start_with_the_end_of_a_step() -> None:
    """Told the place of the first of two equal timesteps, the reference is out of step with its levels for ever."""
    samples: list[list[Tensor]] = []
    for scheduler in pair("FlowMatchHeunDiscreteScheduler"):
        scheduler.set_timesteps(4)
        scheduler.set_begin_index(1)
        x, clean = noise(0), noise(1)
        seen: list[Tensor] = []
        for timestep in scheduler.timesteps[2:]:
            x = scheduler.step((x - clean) / (timestep / 1000), timestep, x).prev_sample
            seen.append(x)
        samples.append(seen)
    theirs, mine = samples
    # The first step of the reference goes from a level to itself; the velocity is constant, and ours ends at the clean.
    assert torch.equal(theirs[0], noise(0))
    torch.testing.assert_close(mine[-1], noise(1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["FlowMatchEulerDiscreteScheduler", "FlowMatchLCMScheduler"])
def test_an_inverted_flow_ends_at_the_clean_sample_with_fresh_noise_too(name: str) -> None:
    """Inverted levels ascend to 1, the clean sample; the reference takes them for shares of noise, and ends there."""
    config: dict[str, Any] = {"invert_sigmas": True}
    if "Euler" in name:
        config["stochastic_sampling"] = True
    clean, eps = noise(0), noise(1)
    ends: list[Tensor] = []
    for scheduler in pair(name, **config):
        scheduler.set_timesteps(6)
        ends.append(whole_run(scheduler, clean, eps))
    assert torch.equal(ends[0], noise(5))  # the noise of the last of six steps
    torch.testing.assert_close(ends[1], clean, rtol=0, atol=1e-5)
    # The plain run gives the same picture as ours.
    plain = ours.FlowMatchEulerDiscreteScheduler(stochastic_sampling=True)
    plain.set_timesteps(6)
    torch.testing.assert_close(whole_run(plain, clean, eps), ends[1], rtol=0, atol=1e-5)


def test_an_inverted_flow_is_noised_by_how_far_the_end_is() -> None:
    """Where the run starts, sigma is 0 and the sample noise; the reference returns the clean one."""
    theirs, mine = pair("FlowMatchEulerDiscreteScheduler", invert_sigmas=True)
    clean, eps = noise(0), noise(1)
    for scheduler in (theirs, mine):
        scheduler.set_timesteps(6)
    first = theirs.timesteps[[0, 0]]
    assert torch.equal(theirs.scale_noise(clean, first, eps), clean)
    assert torch.equal(mine.scale_noise(clean, first, eps), eps)


def test_tokens_with_their_own_timesteps_can_be_sampled_with_fresh_noise() -> None:
    """Given -v, which its deterministic branch expects, the reference's stochastic one moves away from the clean."""
    theirs, mine = pair("FlowMatchEulerDiscreteScheduler", stochastic_sampling=True)
    clean, eps = noise(0, 2, 4, 5), noise(1, 2, 4, 5)
    times = torch.full((2, 4), 3.0)
    level = times[..., None] / 1000
    x = level * eps + (1 - level) * clean
    for scheduler in (theirs, mine):
        scheduler.set_timesteps(6)
    outputs = [one.step(clean - eps, one.timesteps[0], x, per_token_timesteps=times)[0] for one in (theirs, mine)]
    # From 0.003 there is no lower level in the run but 0.001 or 0: all but the clean sample.
    assert (outputs[1] - clean).abs().max() < 0.01
    assert (outputs[0] - clean).abs().max() > 1.5 * (outputs[1] - clean).abs().max()
    plain = ours.FlowMatchEulerDiscreteScheduler()
    plain.set_timesteps(6)
    out = plain.step(clean - eps, plain.timesteps[0], x, per_token_timesteps=times)
    torch.testing.assert_close(out.pred_original_sample, clean, rtol=0, atol=1e-5)


def test_per_token_steps_keep_the_type_of_the_sample() -> None:
    x = noise(0, 2, 4, 5).half()
    times = torch.full((2, 4), 500.0)
    for scheduler, dtype in zip(pair("FlowMatchEulerDiscreteScheduler"), (torch.float32, torch.float16), strict=True):
        scheduler.set_timesteps(3)
        out = scheduler.step(x, scheduler.timesteps[0], x, per_token_timesteps=times)
        assert out.prev_sample.dtype == dtype


def test_one_step_of_a_flow_with_a_terminal_shift() -> None:
    """There is one level, at once the first and the last; the reference divides its signal, 0, by itself."""
    theirs, mine = pair("FlowMatchEulerDiscreteScheduler", shift_terminal=0.1)
    with pytest.warns(RuntimeWarning, match="invalid value"):
        theirs.set_timesteps(1)
    mine.set_timesteps(1)
    assert theirs.sigmas[0].isnan()
    assert mine.sigmas.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("name", ["FlowMatchEulerDiscreteScheduler", "FlowMatchLCMScheduler"])
def test_schedules_of_flows_that_do_not_descend_are_refused(name: str) -> None:
    theirs, mine = pair(name)
    theirs.set_timesteps(sigmas=[0.2, 0.9])
    with pytest.raises(InvalidValue, match=r"0\.2, 0\.9"):
        mine.set_timesteps(sigmas=[0.2, 0.9])
    with pytest.raises(TypeError):
        theirs.set_timesteps()
    with pytest.raises(InvalidValue, match="None"):
        mine.set_timesteps()


@pytest.mark.parametrize("sigma_min", [0.009, 0.018, 0.021])
def test_consistency_sampling_ends_with_a_number_whatever_the_lowest_level(sigma_min: float) -> None:
    """sigma^2 - sigma_min^2 is below 0 by float32's rounding for a quarter of all sigma_min: NaN in the reference."""
    finite: list[bool] = []
    for scheduler in pair("CMStochasticIterativeScheduler", sigma_min=sigma_min):
        scheduler.set_timesteps(3)
        x = 80 * noise(0)
        for timestep in scheduler.timesteps:
            scheduler.scale_model_input(x, timestep)
            x = scheduler.step(noise(1), timestep, x).prev_sample
        finite.append(bool(x.isfinite().all()))
    assert finite == [False, True]


def test_consistency_sampling_says_what_to_call() -> None:
    """The reference logs a warning and goes on to a wrong picture."""
    theirs, mine = pair("CMStochasticIterativeScheduler")
    for scheduler in (theirs, mine):
        scheduler.set_timesteps(3)
    theirs.step(noise(0), theirs.timesteps[0], noise(1))
    with pytest.raises(CallOrder, match="scale_model_input"):
        mine.step(noise(0), mine.timesteps[0], noise(1))


def test_one_step_of_unclip_goes_from_noise_to_the_clean_sample() -> None:
    theirs, mine = pair("UnCLIPScheduler", prediction_type="sample", clip_sample=False)
    with pytest.raises(ZeroDivisionError):
        theirs.set_timesteps(1)
    mine.set_timesteps(1)
    assert mine.timesteps.tolist() == [999]
    out = mine.step(noise(0), mine.timesteps[0], noise(1), generator=torch.Generator().manual_seed(2))
    assert torch.equal(out.pred_original_sample, noise(0))
    torch.testing.assert_close(out.prev_sample, noise(0), rtol=0, atol=1e-5)


def test_unclip_names_a_missing_variance() -> None:
    x = noise(0)
    theirs, mine = pair("UnCLIPScheduler", variance_type="learned_range")
    with pytest.raises(TypeError):
        theirs.step(x, 500, x)
    with pytest.raises(InvalidValue, match="6 output channels, not 3"):
        mine.step(x, 500, x)


def test_the_end_of_a_run_is_no_step() -> None:
    """The last time of these is where the run ends; the reference fails with an IndexError."""
    x = noise(0)
    theirs, mine = pair("SCMScheduler")
    for scheduler in (theirs, mine):
        scheduler.set_timesteps(2)
    with pytest.raises(IndexError):
        theirs.step(x, theirs.timesteps[-1], x)
    with pytest.raises(CallOrder, match="set_timesteps"):
        mine.step(x, mine.timesteps[-1], x)
    theirs, mine = pair("DDPMWuerstchenScheduler")
    for scheduler in (theirs, mine):
        scheduler.set_timesteps(2)
    with pytest.raises(IndexError):
        theirs.step(x, theirs.timesteps[-1:].expand(2), x)
    with pytest.raises(CallOrder, match="set_timesteps"):
        mine.step(x, mine.timesteps[-1:].expand(2), x)


def test_wuerstchen_takes_one_time_for_the_batch_and_has_a_length() -> None:
    x = noise(0)
    theirs, mine = pair("DDPMWuerstchenScheduler")
    for scheduler in (theirs, mine):
        scheduler.set_timesteps(4)
    with pytest.raises(IndexError):
        theirs.step(x, theirs.timesteps[1], x)
    with pytest.raises(AttributeError):
        len(theirs)
    results = [
        mine.step(noise(1), t, x, generator=torch.Generator().manual_seed(2)).prev_sample
        for t in (mine.timesteps[1], mine.timesteps[1].expand(2), mine.timesteps[1].repeat(2), 0.75)
    ]
    assert all(torch.equal(result, results[0]) for result in results)
    assert len(mine) == 5
    times = mine.timesteps[1].expand(2)
    assert torch.equal(mine.previous_timestep(times), mine.timesteps[2].expand(2))
    assert torch.equal(mine.previous_timestep(times), theirs.previous_timestep(times))


def test_levels_of_another_run_are_not_taken() -> None:
    """Without `set_sigmas` the reference looks the times of 10 steps up in the first 10 of the 2000 trained levels."""
    theirs, mine = pair("ScoreSdeVeScheduler")
    for scheduler in (theirs, mine):
        scheduler.set_timesteps(10)
    assert (len(theirs.timesteps), len(theirs.discrete_sigmas)) == (10, 2000)
    assert len(mine.discrete_sigmas) == len(mine.sigmas) == 10
    x = noise(0)
    # The reference starts at the ninth level of 2000, of sigma 0.0107, instead of the highest.
    out = theirs.step_pred(-x, theirs.timesteps[0], 1348 * x)
    torch.testing.assert_close(out.prev_sample, 1348 * x, rtol=0, atol=0.01)
    out = mine.step_pred(-x / 1348, mine.timesteps[0], 1348 * x)
    torch.testing.assert_close(out.pred_original_sample, torch.zeros(SHAPE), rtol=0, atol=1e-2)
    mine.set_sigmas(7)
    with pytest.raises(CallOrder, match=r"set_sigmas\(10\)"):
        mine.step_pred(x, mine.timesteps[0], x)


def test_score_sde_vp_says_what_to_call() -> None:
    x = noise(0)
    theirs, mine = deprecated.ScoreSdeVpScheduler(), ours.ScoreSdeVpScheduler()
    for scheduler, kind in ((theirs, ValueError), (mine, CallOrder)):
        with pytest.raises(kind, match="set_timesteps"):
            scheduler.step_pred(x, x, torch.tensor(0.5))


def test_one_step_of_karras_ve() -> None:
    """The reference divides 0 by 0."""
    theirs, mine = pair("KarrasVeScheduler")
    for scheduler in (theirs, mine):
        scheduler.set_timesteps(1)
    assert theirs.schedule.isnan().all()
    assert mine.schedule.tolist() == [100.0**2]


def test_levels_of_karras_ve_are_the_paper_s_times() -> None:
    """Table 1 has sigma = sqrt(t_i); the reference takes t_i for sigma, as published results did, and so do we."""
    theirs, mine = pair("KarrasVeScheduler", sigma_min=0.02, sigma_max=100)
    for scheduler in (theirs, mine):
        scheduler.set_timesteps(5)
        assert scheduler.schedule[-1].item() == pytest.approx(100**2)
        assert scheduler.schedule[0].item() == pytest.approx(0.02**2)
        assert scheduler.init_noise_sigma == 100


def test_vq_diffusion_of_probabilities_that_do_not_add_up_is_refused() -> None:
    """Where alpha + gamma passes 1 the rest is negative; the reference has NaN in its tables."""
    config = {"alpha_cum_start": 0.9, "gamma_cum_start": 0.2}
    theirs = diffusers.VQDiffusionScheduler(5, **config)
    assert theirs.log_cumprod_bt.isnan().any()
    with pytest.raises(InvalidValue, match="alpha_cum_start"):
        ours.VQDiffusionScheduler(5, **config)
