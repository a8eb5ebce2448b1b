"""Schedulers for preconditioned models, on configurations at random: finite, descending, ending at the clean sample."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import engine.schedulers

NAMES = ["CosineDPMSolverMultistepScheduler", "EDMDPMSolverMultistepScheduler", "EDMEulerScheduler"]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_configuration_descends_to_the_clean_sample(name: str, data: st.DataObject) -> None:
    options: dict[str, Any] = {
        "sigma_min": st.floats(1e-3, 0.5),
        "sigma_max": st.floats(1.0, 500.0),
        "sigma_data": st.floats(0.1, 2.0),
        "sigma_schedule": st.sampled_from(["karras", "exponential"]),
        "rho": st.floats(1.0, 12.0),
        "prediction_type": st.sampled_from(["epsilon", "v_prediction", "sample"]),
        "final_sigmas_type": st.sampled_from(["zero", "sigma_min"]),
        "solver_order": st.sampled_from([1, 2, 3]),
        "algorithm_type": st.sampled_from(["dpmsolver++", "sde-dpmsolver++"]),
        "solver_type": st.sampled_from(["midpoint", "heun"]),
        "lower_order_final": st.booleans(),
        "euler_at_final": st.booleans(),
    }
    scheduler_class = getattr(engine.schedulers, name)
    parameters = inspect.signature(scheduler_class).parameters
    config = {key: data.draw(values, label=key) for key, values in options.items() if key in parameters}
    scheduler = scheduler_class(**config)
    steps = data.draw(st.integers(1, 25), label="steps")
    scheduler.set_timesteps(steps)
    assert len(scheduler.timesteps) == steps
    assert (scheduler.timesteps.diff() < 0).all()
    assert (scheduler.sigmas[:-1].diff() < 0).all()
    assert scheduler.sigmas[-1] < scheduler.sigmas[-2] + 1e-6 * config["sigma_max"]

    generator = torch.Generator().manual_seed(0)
    clean, eps = torch.randn(2, 1, 3, 4, 4, generator=generator)
    x = clean + config["sigma_max"] * eps
    for place, timestep in enumerate(scheduler.timesteps):
        scaled = scheduler.scale_model_input(x, timestep)
        # F of a model that knows the clean sample.
        sigma, s = float(scheduler.sigmas[place]), config["sigma_data"]
        f = (clean * (sigma**2 + s**2) ** 0.5 - s**2 * scaled) / (sigma * s)
        output = {"epsilon": f, "v_prediction": -f, "sample": clean}[config["prediction_type"]]
        out = scheduler.step(output, timestep, x, generator=generator)
        x = out.prev_sample
        assert x.isfinite().all()
        torch.testing.assert_close(out.pred_original_sample, clean, rtol=1e-3, atol=1e-3)
    end = float(scheduler.sigmas[-1])
    assert (x - clean).abs().max() <= 6 * end + 1e-3
