"""Diffusion of data whose score is known in closed form, and runs of schedulers on it with that score as the model.

The data are one-dimensional: a mixture of Gaussians with weights w_k, means m_k and deviations c_k. With
x = alpha x_0 + sigma eps the density of x is the mixture of N(alpha m_k, alpha^2 c_k^2 + sigma^2), and the probability
flow, being monotone in one dimension, keeps every quantile: that is the exact solution, at any levels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

import engine.schedulers
from engine.schedulers.log_snr_schedule import LogSnrScheduler
from engine.schedulers.noise_schedules import karras_sigmas
from engine.schedulers.sigma_schedule import SigmaScheduler

# A level: alpha and sigma of x = alpha x_0 + sigma eps.
Level = tuple[float, float]
HIGH, LOW = 10.0, 0.1  # the two noise levels sigma / alpha that the interior runs go between


@dataclass(frozen=True)
class Mixture:
    """A mixture of Gaussians: `weights`, `means` and `deviations`, float64 of shape (components,)."""

    weights: Tensor
    means: Tensor
    deviations: Tensor

    def clean(self, x: Tensor, level: Level) -> Tensor:
        """Return E[x_0 | x] at `level`, like `x` (any shape): what a perfect model predicts."""
        alpha, sigma = level
        variance = alpha**2 * self.deviations**2 + sigma**2
        off = x.unsqueeze(-1) - alpha * self.means
        shares = (self.weights.log() - off**2 / (2 * variance) - variance.log() / 2).softmax(-1)
        return (shares * (self.means + alpha * self.deviations**2 / variance * off)).sum(-1)

    def cumulative(self, x: Tensor, level: Level) -> Tensor:
        """Return the probability of less than `x` at `level`."""
        alpha, sigma = level
        spread = (alpha**2 * self.deviations**2 + sigma**2) ** 0.5
        return (self.weights * torch.special.ndtr((x.unsqueeze(-1) - alpha * self.means) / spread)).sum(-1)

    def quantile(self, probability: Tensor, level: Level) -> Tensor:
        """Return the x whose `cumulative` at `level` is `probability`, by bisection to the last bit."""
        low, high = torch.full_like(probability, -100.0), torch.full_like(probability, 100.0)
        for _ in range(70):
            middle = (low + high) / 2
            below = self.cumulative(middle, level) < probability
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return (low + high) / 2


def _table(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


# Two of each kind, so that both ends of a run count: the wide ones bend the flow at HIGH, where runs start up, the
# narrow ones at LOW, where the last step is. A flow that is straight there hides an error of lower order for very long.
DATA = {
    "wide Gaussian": Mixture(_table(1.0), _table(2.0), _table(5.0)),
    "wide mixture": Mixture(_table(0.3, 0.45, 0.25), _table(-8.0, 1.5, 9.0), _table(2.5, 3.5, 2.0)),
    "narrow Gaussian": Mixture(_table(1.0), _table(0.4), _table(0.2)),
    "narrow mixture": Mixture(_table(0.3, 0.45, 0.25), _table(-0.5, 0.1, 0.55), _table(0.12, 0.15, 0.1)),
}
# One to paint: three shapes of the size of real latents, not as sharp as the narrow ones.
PICTURES = Mixture(_table(0.3, 0.45, 0.25), _table(-1.2, 0.3, 1.3), _table(0.3, 0.4, 0.25))
PROBABILITIES = torch.linspace(0.03, 0.97, 48, dtype=torch.float64)


def trained_betas(n: int, stride: int = 1) -> list[float]:
    """Return betas whose trained levels are a smooth grid: every `stride`th of them is one of `n` from LOW to HIGH.

    Every refinement has a table of its own, so that its timesteps are whole and no level lies between trained ones.
    """
    inside = (n - 1) * stride + 1
    # The grid goes on beyond HIGH for the timesteps that a stride leaves at the end.
    rho = 5.0
    low, high = LOW ** (1 / rho), HIGH ** (1 / rho)
    u = np.arange(inside + stride - 1) / (inside - 1)
    levels = (low + u * (high - low)) ** rho
    alphas_bar = 1 / (1 + levels**2)
    return (1 - alphas_bar / np.concatenate([[1.0], alphas_bar[:-1]])).tolist()


def grid(n: int) -> list[float]:
    """Return `n` levels from HIGH to LOW, the same smooth grid."""
    return karras_sigmas(LOW, HIGH, n, 5.0).tolist()


@dataclass
class Run:
    """A scheduler laid out on its levels, and how to go through it.

    `level` tells alpha and sigma of the sample at the place of a call; `calls` is how many calls there are until the
    level `end`; `prediction` is what the model is to predict; `options` go to `step`.
    """

    scheduler: Any
    level: Callable[[int], Level]
    calls: int
    end: Level
    prediction: str = "epsilon"
    options: dict[str, Any] = field(default_factory=dict[str, Any])

    def solve(self, data: Mixture | Plane, x: Tensor) -> Tensor:
        """Return what the run makes of `x` (batch, ...), a sample at the first level, with the score of `data`."""
        for place in range(self.calls):
            timestep = self.scheduler.timesteps[place]
            self.scheduler.scale_model_input(x, timestep)  # this model takes x itself, but some classes insist
            alpha, sigma = self.level(place)
            clean = data.clean(x, (alpha, sigma))
            noise = (x - alpha * clean) / sigma
            outputs = {"epsilon": noise, "sample": clean, "v": alpha * noise - sigma * clean, "flow": noise - clean}
            output = outputs[self.prediction]
            x = self.scheduler.step(output, timestep, x, **self.options).prev_sample
        return x

    def error(self, data: Mixture) -> float:
        """Return the root mean square distance from the exact solution, over quantiles of the start."""
        x = self.solve(data, data.quantile(PROBABILITIES, self.level(0)).reshape(1, 1, -1, 1))
        return float((x.flatten() - data.quantile(PROBABILITIES, self.end)).square().mean().sqrt())


def signal_and_noise(alpha_bar: float) -> Level:
    """Return the level of a variance-preserving sample."""
    return alpha_bar**0.5, (1 - alpha_bar) ** 0.5


def preserving(s: float) -> Level:
    """Return the level of a variance-preserving sample whose sigma / alpha is `s`."""
    return 1 / (1 + s**2) ** 0.5, s / (1 + s**2) ** 0.5


def make(name: str, n: int, trained: int, betas: list[float], config: dict[str, Any]) -> Any:
    """Return the scheduler of class `name` with its own trained levels, laid out on `n` steps."""
    scheduler = getattr(engine.schedulers, name)(trained_betas=betas, num_train_timesteps=trained, **config)
    scheduler.set_timesteps(n)
    return scheduler


def discrete(name: str, n: int, **config: Any) -> Run:
    """Return a run of DDIM and its like over `n` levels."""
    scheduler = make(name, n, n, trained_betas(n), {"clip_sample": False} | config)
    alphas_bar = scheduler.alphas_cumprod.double().tolist()
    return Run(scheduler, lambda i: signal_and_noise(alphas_bar[n - 1 - i]), n - 1, signal_and_noise(alphas_bar[0]))


def pndm(name: str, n: int, **config: Any) -> Run:
    """Return a run of PNDM over `n` levels: one call more without Runge-Kutta, with it nine for the first three."""
    stride = 1 if config["skip_prk_steps"] else 2
    trained = n * stride
    scheduler = make(name, n, trained, trained_betas(n, stride), config)
    alphas_bar = scheduler.alphas_cumprod.double().tolist()
    times = scheduler.timesteps.tolist()
    return Run(
        scheduler, lambda i: signal_and_noise(alphas_bar[times[i]]), len(times) - 1, signal_and_noise(alphas_bar[0])
    )


def exploding(name: str, n: int, options: dict[str, Any] | None = None, **config: Any) -> Run:
    """Return a run of Euler and its like, on samples x_0 + sigma eps, over `n` levels."""
    scheduler = make(name, n, n, trained_betas(n), {"timestep_spacing": "linspace"} | config)
    levels = getattr(scheduler, "_call_sigmas", scheduler.sigmas.numpy()).astype(float).tolist()
    calls = (n - 1) * scheduler.order
    return Run(scheduler, lambda i: (1.0, levels[i]), calls, (1.0, levels[calls]), options=options or {})


def log_snr(name: str, n: int, **config: Any) -> Run:
    """Return a run of an exponential integrator over `n` steps, the last step included."""
    scheduler = make(name, n, n + 1, trained_betas(n + 1), {"timestep_spacing": "linspace"} | config)
    levels = scheduler.sigmas.double().tolist()
    return Run(scheduler, lambda i: preserving(levels[i]), n, preserving(levels[n]))


def singlestep(name: str, n: int, **config: Any) -> Run:
    """Return a run of the single-step solver, which knows one spacing only."""
    scheduler = getattr(engine.schedulers, name)(
        trained_betas=trained_betas(n + 1), num_train_timesteps=n + 1, **config
    )
    scheduler.set_timesteps(n)
    levels = scheduler.sigmas.double().tolist()
    return Run(scheduler, lambda i: preserving(levels[i]), n, preserving(levels[n]))


def edm(name: str, n: int, **config: Any) -> Run:
    """Return a run of a scheduler with the preconditioning of EDM over `n` levels, between its own ends."""
    ends = {"sigma_min": LOW, "sigma_max": HIGH, "rho": 5.0, "final_sigmas_type": "sigma_min"}
    scheduler = getattr(engine.schedulers, name)(prediction_type="sample", **ends, **config)
    scheduler.set_timesteps(n)
    levels = scheduler.sigmas.double().tolist()
    return Run(scheduler, lambda i: (1.0, levels[i]), n - 1, (1.0, levels[n - 1]), "sample")


def flow(name: str, n: int, **config: Any) -> Run:
    """Return a run of a flow, x = (1 - s) x_0 + s eps, over `n` levels: the grid, else those of the class."""
    scheduler = getattr(engine.schedulers, name)(**config)
    if "sigmas" in scheduler.schedule_options:
        scheduler.set_timesteps(sigmas=[s / (1 + s) for s in grid(n)])
    else:
        scheduler.set_timesteps(n)
    levels = scheduler.sigmas.double().tolist()
    calls = (n - 1) * scheduler.order
    return Run(scheduler, lambda i: (1 - levels[i], levels[i]), calls, (1 - levels[calls], levels[calls]), "flow")


def continuous(name: str, n: int, **config: Any) -> Run:
    """Return a run of the scheduler of continuous time, which is given the sigma of every level, over `n` steps."""
    levels = [preserving(s) for s in grid(n + 1)]
    scheduler = getattr(engine.schedulers, name)(trained_betas=[sigma for _, sigma in levels], **config)
    scheduler.set_timesteps(n)
    return Run(scheduler, lambda i: levels[i], n, levels[n], "v")


class KarrasVeRun(Run):
    """The three parts of that class's step, run in turn; without churn its levels stay as they are."""

    def solve(self, data: Mixture | Plane, x: Tensor) -> Tensor:
        """Return what the run makes of `x` (batch, ...)."""
        for place in range(self.calls):
            start, end = self.level(place)[1], self.level(place + 1)[1]
            out = self.scheduler.step(self.network(data, x, start), start, end, x)
            x = self.scheduler.step_correct(
                self.network(data, out.prev_sample, end), start, end, x, out.prev_sample, out.derivative
            ).prev_sample
        return x

    def network(self, data: Mixture | Plane, x: Tensor, sigma: float) -> Tensor:
        """Return F, of which x_0 = x + sigma F."""
        return (data.clean(x, (1.0, sigma)) - x) / sigma


def karras_ve(name: str, n: int) -> Run:
    """Return a run over `n` levels."""
    # This class's levels are the squares of its settings.
    scheduler = getattr(engine.schedulers, name)(sigma_min=LOW**0.5, sigma_max=HIGH**0.5, s_churn=0.0)
    scheduler.set_timesteps(n)
    levels = [scheduler.schedule[t].item() for t in scheduler.timesteps]
    return KarrasVeRun(scheduler, lambda i: (1.0, levels[i]), n - 1, (1.0, levels[n - 1]))


# Those of Stable Diffusion: levels from 14.6 to 0.03, and at the end the clean sample.
STABLE_DIFFUSION = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}


def whole(name: str, n: int, **config: Any) -> Run:
    """Return a run of `n` steps over the full range of Stable Diffusion, start-up, last step and all."""
    scheduler = getattr(engine.schedulers, name)(**STABLE_DIFFUSION, **config)
    scheduler.set_timesteps(n)
    times, calls = scheduler.timesteps.tolist(), len(scheduler.timesteps)
    if isinstance(scheduler, SigmaScheduler):
        table = getattr(scheduler, "_call_sigmas", scheduler.sigmas.numpy()).astype(float).tolist()
        form = preserving if isinstance(scheduler, LogSnrScheduler) else lambda s: (1.0, s)
        return Run(scheduler, lambda i: form(table[i]), calls, form(float(scheduler.sigmas[-1])))
    alphas_bar = scheduler.alphas_cumprod.double().tolist()
    end = signal_and_noise(float(scheduler.final_alpha_cumprod))
    return Run(scheduler, lambda i: signal_and_noise(alphas_bar[times[i]]), calls, end)


@dataclass(frozen=True)
class Plane:
    """Gaussian data in two dimensions, the channels: `mean` (2,) and `covariance` (2, 2), float64."""

    mean: Tensor
    covariance: Tensor

    def at(self, level: Level) -> tuple[Tensor, Tensor]:
        """Return mean and covariance of x at `level`."""
        alpha, sigma = level
        return alpha * self.mean, alpha**2 * self.covariance + sigma**2 * torch.eye(2, dtype=torch.float64)

    def clean(self, x: Tensor, level: Level) -> Tensor:
        """Return E[x_0 | x] at `level` for `x` (1, 2, n, 1)."""
        mean, covariance = self.at(level)
        gain = level[0] * self.covariance @ torch.linalg.inv(covariance)
        return ((x[0, :, :, 0].T - mean) @ gain.T + self.mean).T.reshape(x.shape)

    def draw(self, level: Level, n: int) -> Tensor:
        """Return `n` samples at `level`, (1, 2, n, 1), whose mean and covariance are exactly those."""
        mean, covariance = self.at(level)
        z = torch.randn(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        z = z - z.mean(0)
        white = z @ torch.linalg.inv(torch.linalg.cholesky(z.T.cov(correction=0))).T
        return (white @ torch.linalg.cholesky(covariance).T + mean).T.reshape(1, 2, n, 1)

    def distance(self, x: Tensor, level: Level) -> tuple[float, float]:
        """Return how far mean and covariance of `x` (1, 2, n, 1) are from those at `level`, relative to them."""
        mean, covariance = self.at(level)
        points = x[0, :, :, 0]
        off_mean = (points.mean(1) - mean).norm() / covariance.trace().sqrt()
        return float(off_mean), float((points.cov(correction=0) - covariance).norm() / covariance.norm())


PLANE = Plane(_table(0.8, -0.4), torch.tensor([[0.5, 0.3], [0.3, 0.4]], dtype=torch.float64))
