"""Every solver reaches the order that theory gives it, on data whose probability flow is known exactly.

The interior runs go from the noise level 10 to 0.1 over refinements of one smooth grid, with the score at the exact
level of every call. The order is that of the slowest of four problems: an order of convergence is a promise for all.

Why the orders are what they are (h is the length of a step; one step with an error of h^(p+1) leaves that at the end, a
run of such steps leaves h^p):

- DDIM, Euler, DPM-Solver and DEIS of order 1: the slope at the start of a step for all of it.
- Heun, DPM2, single-step DPM-Solver: no history, hence no start-up; the order of their formula.
- PNDM: its formula weighs evenly spaced slopes, while levels are not even, which costs h^3 a step.
- LMS, DPM-Solver multistep, DEIS, IPNDM of any order above 1: the first step is of order 1 and leaves h^2.
- DPM-Solver multistep of order 3 also weighs the second difference by half of the exact integral, as in the reference.
- UniPC of order p: the corrector lifts it to p + 1; its first step, corrected, leaves h^3; a last step of order 1, with
  `lower_order_final`, leaves h^2.
- DEIS of order 3 has no claim: its float32 coefficients, the reference's, cancel from some 30 steps on, and the error
  on the wide mixture rises again (1.1e-2, 2.2e-3, 3.7e-3 at 24, 48, 96 steps).
- SA-Solver without noise: order of the corrector, with the same last step; at order 2 its simplified M_1 leaves h^3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from engine._exports import SCHEDULERS
from tests.engine.schedulers.exact_flows import (
    DATA,
    PICTURES,
    PLANE,
    Run,
    continuous,
    discrete,
    edm,
    exploding,
    flow,
    karras_ve,
    log_snr,
    pndm,
    singlestep,
    whole,
)


@dataclass(frozen=True)
class Claim:
    """A solver, the order claimed of it, and the numbers of levels between which it is measured."""

    scheduler: str
    run: Callable[..., Run]
    order: float
    why: str
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    between: tuple[int, int] = (96, 192)

    def __str__(self) -> str:
        settings = ", ".join(f"{key}={value}" for key, value in self.config.items() if not callable(value))
        return f"{self.scheduler.removesuffix('Scheduler')}({settings})"

    def measured(self) -> dict[str, float]:
        """Return the order on each of the problems."""
        coarse, fine = self.between
        orders: dict[str, float] = {}
        for name, data in DATA.items():
            errors = [self.run(self.scheduler, n, **self.config).error(data) for n in (coarse, fine)]
            orders[name] = math.log2(errors[0] / errors[1]) / math.log2(fine / coarse)
        return orders


class NoNoise:
    """The `tau_func` of the probability flow; its name in a test's id is the same in every process."""

    def __call__(self, _timestep: float) -> float:
        return 0.0

    def __repr__(self) -> str:
        return "no noise"


TO_LOWEST = {"final_sigmas_type": "sigma_min"}
FULL_ORDER = {"lower_order_final": False}
DPM, SINGLE, UNIPC = "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler", "UniPCMultistepScheduler"
SA = {"tau_func": NoNoise()}
SA_FOUR = {"predictor_order": 3, "corrector_order": 4}

CLAIMS = [
    Claim("DDIMScheduler", discrete, 1, "one slope"),
    Claim("DDIMParallelScheduler", discrete, 1, "one slope"),
    Claim("EulerDiscreteScheduler", exploding, 1, "one slope"),
    Claim("EDMEulerScheduler", edm, 1, "one slope"),
    Claim("FlowMatchEulerDiscreteScheduler", flow, 1, "one slope"),
    Claim("PNDMScheduler", pndm, 2, "even weights on uneven levels", {"skip_prk_steps": True}),
    Claim("PNDMScheduler", pndm, 2, "even weights on uneven levels", {"skip_prk_steps": False}),
    Claim("IPNDMScheduler", continuous, 2, "first step of order 1"),
    Claim("HeunDiscreteScheduler", exploding, 2, "two slopes, no history"),
    Claim("KarrasVeScheduler", karras_ve, 2, "two slopes, no history"),
    Claim("FlowMatchHeunDiscreteScheduler", flow, 2, "two slopes, no history"),
    Claim("KDPM2DiscreteScheduler", exploding, 2, "slope at the middle, no history"),
    Claim("LMSDiscreteScheduler", exploding, 2, "four slopes, but a first step of order 1"),
    Claim("EDMDPMSolverMultistepScheduler", edm, 2, "order 2 from the second step on"),
    Claim("EDMDPMSolverMultistepScheduler", edm, 2, "first step of order 1", {"solver_order": 3}),
    Claim(DPM, log_snr, 1, "one prediction", TO_LOWEST | {"solver_order": 1}),
    Claim(DPM, log_snr, 2, "order 2 from the second step on", TO_LOWEST),
    Claim(DPM, log_snr, 2, "order 2 from the second step on", TO_LOWEST | {"solver_type": "heun"}),
    Claim(DPM, log_snr, 2, "order 2 from the second step on", TO_LOWEST | {"algorithm_type": "dpmsolver"}),
    Claim(DPM, log_snr, 2, "first step of order 1; half of D_2", TO_LOWEST | {"solver_order": 3}),
    Claim(DPM, log_snr, 2, "the same", TO_LOWEST | {"solver_order": 3, "algorithm_type": "dpmsolver"}),
    Claim(SINGLE, singlestep, 2, "no history", TO_LOWEST),
    Claim(SINGLE, singlestep, 2, "no history", TO_LOWEST | {"solver_type": "heun"}),
    Claim(SINGLE, singlestep, 2, "no history", TO_LOWEST | {"algorithm_type": "dpmsolver"}),
    Claim(SINGLE, singlestep, 3, "no history", TO_LOWEST | {"solver_order": 3, "solver_type": "heun"}, (36, 72)),
    Claim("DEISMultistepScheduler", log_snr, 1, "one slope", {"solver_order": 1}),
    Claim("DEISMultistepScheduler", log_snr, 2, "order 2 from the second step on", between=(24, 48)),
    Claim(UNIPC, log_snr, 2, "last step of order 1", TO_LOWEST),
    Claim(UNIPC, log_snr, 2, "last step of order 1", TO_LOWEST | {"solver_order": 3}, (48, 96)),
    Claim(UNIPC, log_snr, 2, "corrected order 1", TO_LOWEST | FULL_ORDER | {"solver_order": 1}),
    Claim(UNIPC, log_snr, 3, "corrected order 2", TO_LOWEST | FULL_ORDER),
    Claim(UNIPC, log_snr, 3, "corrected order 2", TO_LOWEST | FULL_ORDER | {"solver_type": "bh1"}),
    Claim(UNIPC, log_snr, 3, "first step leaves h^3", TO_LOWEST | FULL_ORDER | {"solver_order": 3}, (48, 96)),
    Claim("SASolverScheduler", log_snr, 1, "order 1", SA | {"predictor_order": 1, "corrector_order": 1}),
    Claim("SASolverScheduler", log_snr, 2, "corrector of order 2", SA),
    Claim(
        "SASolverScheduler",
        log_snr,
        2,
        "last step of order 1",
        SA | {"predictor_order": 3, "corrector_order": 4},
        (48, 96),
    ),
]
EXPORTED = [claim for claim in CLAIMS if claim.scheduler in SCHEDULERS]


@pytest.mark.parametrize("claim", EXPORTED, ids=str)
def test_order(claim: Claim) -> None:
    orders = claim.measured()
    assert abs(min(orders.values()) - claim.order) <= 0.3, f"{claim} claims {claim.order} ({claim.why}): {orders}"


# Of higher order than Euler; each beats it at 20 steps of the full range.
BETTER: list[tuple[str, dict[str, Any]]] = [
    ("PNDMScheduler", {"skip_prk_steps": True}),
    ("PNDMScheduler", {"skip_prk_steps": False}),
    ("HeunDiscreteScheduler", {}),
    ("KDPM2DiscreteScheduler", {}),
    ("LMSDiscreteScheduler", {}),
    (DPM, {}),
    (DPM, {"solver_order": 3}),
    (DPM, {"solver_type": "heun"}),
    (DPM, {"use_karras_sigmas": True}),
    (SINGLE, {}),
    (SINGLE, {"solver_order": 3}),
    ("DEISMultistepScheduler", {}),
    (UNIPC, {}),
    (UNIPC, {"solver_type": "bh1"}),
    (UNIPC, {"solver_order": 3}),
    ("SASolverScheduler", SA),
]
SLOW: list[tuple[str, dict[str, Any]]] = [
    ("EulerDiscreteScheduler", {}),
    ("DDIMScheduler", {"clip_sample": False}),
    ("DDIMParallelScheduler", {"clip_sample": False}),
]


@pytest.mark.parametrize(("name", "config"), [case for case in BETTER + SLOW if case[0] in SCHEDULERS], ids=str)
def test_the_full_range(name: str, config: dict[str, Any]) -> None:
    """From the first timestep to the clean sample: start-up, last step and whole timesteps, as users get them."""
    errors = [whole(name, n, **config).error(PICTURES) for n in (10, 20, 40)]
    assert errors[0] > errors[1] > errors[2]
    euler = whole("EulerDiscreteScheduler", 20).error(PICTURES)
    if (name, config) in BETTER:
        assert errors[1] < 0.8 * euler
    else:
        assert errors[1] < 1.1 * euler


FIRST_ORDER, SECOND_ORDER = 0.15, 0.05  # of the covariance, at 100 steps
SDE = {"algorithm_type": "sde-dpmsolver++"}
STOCHASTIC: list[tuple[str, dict[str, Any], dict[str, Any], float]] = [
    ("DDPMScheduler", {"clip_sample": False}, {}, FIRST_ORDER),
    ("DDPMScheduler", {"clip_sample": False, "variance_type": "fixed_large"}, {}, FIRST_ORDER),
    ("DDPMParallelScheduler", {"clip_sample": False}, {}, FIRST_ORDER),
    ("DDIMScheduler", {"clip_sample": False}, {"eta": 0.5}, FIRST_ORDER),
    ("DDIMScheduler", {"clip_sample": False}, {"eta": 1.0}, FIRST_ORDER),
    ("EulerDiscreteScheduler", {}, {"s_churn": 20.0}, FIRST_ORDER),
    ("EulerAncestralDiscreteScheduler", {}, {}, FIRST_ORDER),
    ("KDPM2AncestralDiscreteScheduler", {}, {}, SECOND_ORDER),
    ("DPMSolverSDEScheduler", {}, {}, SECOND_ORDER),
    (DPM, SDE, {}, SECOND_ORDER),
    (DPM, SDE | {"solver_type": "heun"}, {}, SECOND_ORDER),
    (DPM, SDE | {"solver_order": 3}, {}, SECOND_ORDER),
    (DPM, {"algorithm_type": "sde-dpmsolver"}, {}, SECOND_ORDER),
    ("SASolverScheduler", {}, {}, SECOND_ORDER),
]


@pytest.mark.parametrize(
    ("name", "config", "options", "tolerance"), [case for case in STOCHASTIC if case[0] in SCHEDULERS], ids=str
)
def test_mean_and_covariance(name: str, config: dict[str, Any], options: dict[str, Any], tolerance: float) -> None:
    """Fresh noise at every step keeps the distribution: of a correlated Gaussian, started with its exact moments."""
    run = whole(name, 100, **config)
    run.options = {**options, "generator": torch.Generator().manual_seed(1)}
    samples = 4000 if name == "DPMSolverSDEScheduler" else 20_000  # a Brownian tree takes its time
    off_mean, off_covariance = PLANE.distance(run.solve(PLANE, PLANE.draw(run.level(0), samples)), run.end)
    assert off_mean <= 0.05
    assert off_covariance <= tolerance
