"""The pure functions behind the schedules: what their papers say of them."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InvalidValue, MissingDependency
from engine.schedulers import noise_schedules
from engine.schedulers.noise_schedules import (
    beta_sigmas,
    beta_table,
    clean_sample,
    dynamic_threshold,
    exponential_sigmas,
    flow_sigmas,
    karras_sigmas,
    lu_sigmas,
    predicted_noise,
    rescale_zero_terminal_snr,
    sigma_table,
    sigma_to_t,
    spaced_timesteps,
)

SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace")
GRIDS = (karras_sigmas, exponential_sigmas, beta_sigmas, lu_sigmas)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_betas_destroy_the_signal_little_by_little(schedule: noise_schedules.BetaSchedule) -> None:
    alphas_bar = torch.cumprod(1 - beta_table(schedule, 0.0001, 0.02, 1000), dim=0)
    assert (alphas_bar.diff() < 0).all()
    assert alphas_bar[0] > 0.97
    assert alphas_bar[-1] < 0.04


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_zero_terminal_snr_ends_in_pure_noise_and_starts_as_before(schedule: noise_schedules.BetaSchedule) -> None:
    betas = beta_table(schedule, 0.0001, 0.02, 1000)
    rescaled = torch.cumprod(1 - rescale_zero_terminal_snr(betas), dim=0)
    assert rescaled[-1] == 0
    assert rescaled[0] == pytest.approx(float(1 - betas[0]), rel=1e-6)


@settings(deadline=None)  # the first call imports scipy
@given(low=st.floats(0.001, 1), ratio=st.floats(1.5, 1e4), n=st.integers(2, 60))
def test_grids_descend_between_their_ends(low: float, ratio: float, n: int) -> None:
    for grid in GRIDS:
        levels = grid(low, low * ratio, n)
        assert len(levels) == n
        assert (np.diff(levels) < 0).all()
        np.testing.assert_allclose(levels[[0, -1]], [low * ratio, low], rtol=1e-5)


def test_grids_are_even_where_they_say() -> None:
    even = {
        karras_sigmas: lambda sigmas: sigmas ** (1 / 7),
        exponential_sigmas: np.log,
        lu_sigmas: np.log,
    }
    for grid, scale in even.items():
        np.testing.assert_allclose(np.diff(np.diff(scale(grid(0.03, 14.6, 9)))), 0, atol=1e-12)


def test_a_shifted_flow_is_the_same_flow_at_another_resolution() -> None:
    plain, shifted = flow_sigmas(1000, 8, 1.0), flow_sigmas(1000, 8, 3.0)
    np.testing.assert_allclose(plain, np.linspace(0.999, 0, 9)[:-1], rtol=1e-12)
    # The ratio of noise to signal grows by the shift.
    np.testing.assert_allclose(shifted / (1 - shifted), 3 * plain / (1 - plain), rtol=1e-9)


@given(places=st.lists(st.floats(0, 999), min_size=1, max_size=20))
def test_timesteps_of_levels_turn_back_into_levels(places: list[float]) -> None:
    sigmas = sigma_table(torch.cumprod(1 - beta_table("scaled_linear", 0.00085, 0.012, 1000), dim=0)).astype(np.float64)
    levels = np.exp(np.interp(places, np.arange(1000), np.log(sigmas)))
    np.testing.assert_allclose(sigma_to_t(levels, np.log(sigmas)), places, atol=1e-6)


def test_levels_beyond_the_trained_ones_get_the_ends() -> None:
    log_sigmas = np.log(np.array([0.1, 1.0, 10.0]))
    np.testing.assert_allclose(sigma_to_t(np.array([0.0, 0.05, 1.0, 99.0]), log_sigmas), [0, 0, 1, 2])


@given(n=st.integers(1, 200), steps=st.integers(200, 1200))
def test_spacings_stay_inside_and_descend(n: int, steps: int) -> None:
    for spacing in ("linspace", "leading", "trailing"):
        times = spaced_timesteps(spacing, steps, n)
        assert len(times) == n
        assert times.min() >= 0
        assert times.max() <= steps - 1
        assert (np.diff(times.round()) < 0).all() or spacing == "linspace"


def test_more_leading_timesteps_than_there_are() -> None:
    with pytest.raises(InvalidValue, match="12 leading timesteps do not fit below 10"):
        spaced_timesteps("leading", 10, 12)


@pytest.mark.parametrize("prediction", ["epsilon", "sample", "v_prediction", "flow_prediction"])
@given(angle=st.floats(0.05, 1.5))
def test_predictions_give_back_the_sample_and_its_noise(prediction: noise_schedules.Prediction, angle: float) -> None:
    x_0, eps = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    alpha, sigma = float(np.cos(angle)), float(np.sin(angle))
    if prediction == "flow_prediction":
        alpha = 1 - sigma
    x = alpha * x_0 + sigma * eps
    output = {
        "epsilon": eps,
        "sample": x_0,
        "v_prediction": alpha * eps - sigma * x_0,
        "flow_prediction": eps - x_0,
    }[prediction]
    torch.testing.assert_close(clean_sample(prediction, output, x, alpha, sigma), x_0)
    torch.testing.assert_close(predicted_noise(prediction, output, x, alpha, sigma), eps)


def test_dynamic_threshold_bounds_each_image_by_its_own_quantile() -> None:
    images = torch.stack([torch.linspace(-0.5, 0.5, 101), torch.linspace(-4, 4, 101)])
    bounded = dynamic_threshold(images, 0.9, 10.0)
    assert torch.equal(bounded[0], images[0])
    assert bounded[1].abs().max() == 1
    torch.testing.assert_close(bounded[1][55], images[1][55] / images[1].abs().quantile(0.9))
    assert dynamic_threshold(images.half(), 0.9, 10.0).dtype == torch.float16


def test_beta_sigmas_without_scipy_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(MissingDependency, match="pip install scipy"):
        beta_sigmas(0.1, 10.0, 5)
