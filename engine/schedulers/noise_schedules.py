"""Noise schedules as pure functions: betas, their rescaling, timestep spacings and grids of noise levels.

Symbols: beta_t is the variance that step t adds, alpha_t = 1 - beta_t, alpha_bar_t the product of all alpha up to t.
A sample x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps has the noise level
sigma_t = sqrt((1 - alpha_bar_t) / alpha_bar_t) relative to its signal, and log-SNR lambda_t = -log sigma_t.
Tables are float32, as those that published models were trained with.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from engine.errors import InvalidValue, MissingDependency

BetaSchedule = Literal["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace", "exp"]
Spacing = Literal["linspace", "leading", "trailing"]
Prediction = Literal["epsilon", "sample", "v_prediction", "flow_prediction"]
VarianceType = Literal["fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log", "learned", "learned_range"]
FloatArray = npt.NDArray[np.floating[Any]]

# Stands for the infinite noise level of a zero terminal SNR, where sigma would divide by zero.
SMALLEST_ALPHA_BAR = 2.0**-24


def beta_table(schedule: BetaSchedule, beta_start: float, beta_end: float, num_train_timesteps: int) -> torch.Tensor:
    """Return beta_t for t = 0 ... T - 1, float32 of shape (T,).

    `linear` is that of DDPM (https://arxiv.org/abs/2006.11239, section 4), `scaled_linear` (linear in sqrt(beta)) that
    of latent diffusion, `squaredcos_cap_v2` the cosine of https://arxiv.org/abs/2102.09672, equation 17, `sigmoid`
    that of GeoDiff (https://arxiv.org/abs/2203.02923), `laplace` that of https://arxiv.org/abs/2407.03297, `exp` has an
    exponential alpha_bar. The cosine, `laplace` and `exp` ignore `beta_start` and `beta_end`.
    """
    if schedule == "linear":
        return torch.linspace(beta_start, beta_end, num_train_timesteps, dtype=torch.float32)
    if schedule == "scaled_linear":
        return torch.linspace(beta_start**0.5, beta_end**0.5, num_train_timesteps, dtype=torch.float32) ** 2
    if schedule == "sigmoid":
        ramp = torch.linspace(-6, 6, num_train_timesteps, dtype=torch.float32)
        return torch.sigmoid(ramp) * (beta_end - beta_start) + beta_start
    alpha_bars = {"squaredcos_cap_v2": cosine_alpha_bar, "laplace": laplace_alpha_bar, "exp": exponential_alpha_bar}
    return betas_of(alpha_bars[schedule], num_train_timesteps)


def cosine_alpha_bar(u: float) -> float:
    """Return alpha_bar at the fraction `u` of the way: cos^2(pi/2 (u + s) / (1 + s)) with s = 0.008."""
    return math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2


def laplace_alpha_bar(u: float) -> float:
    """Return the signal's share at the fraction `u` of the way, of a log-SNR that is Laplace distributed."""
    log_snr = -0.5 * math.copysign(1, 0.5 - u) * math.log(1 - 2 * abs(0.5 - u) + 1e-6)
    snr = math.exp(log_snr)
    return math.sqrt(snr / (1 + snr))


def exponential_alpha_bar(u: float) -> float:
    """Return alpha_bar at the fraction `u` of the way: e^(-12 u)."""
    return math.exp(-12 * u)


def betas_of(alpha_bar: Callable[[float], float], num_train_timesteps: int, max_beta: float = 0.999) -> torch.Tensor:
    """Return the betas whose cumulative product is the function `alpha_bar` on [0, 1], none above `max_beta`."""
    steps = num_train_timesteps
    betas = [min(1 - alpha_bar((i + 1) / steps) / alpha_bar(i / steps), max_beta) for i in range(steps)]
    return torch.tensor(betas, dtype=torch.float32)


def rescale_zero_terminal_snr(betas: torch.Tensor) -> torch.Tensor:
    """Return betas of the same shape whose last alpha_bar is 0 (https://arxiv.org/abs/2305.08891, algorithm 1).

    sqrt(alpha_bar) is shifted so that it ends at 0 and scaled so that it starts where it did.
    """
    signal = torch.cumprod(1.0 - betas, dim=0).sqrt()
    first, last = signal[0].clone(), signal[-1].clone()
    alphas_bar = ((signal - last) * (first / (first - last))) ** 2
    alphas = torch.cat([alphas_bar[:1], alphas_bar[1:] / alphas_bar[:-1]])
    return 1 - alphas


@functools.lru_cache(maxsize=4096)
def root(x: np.float32) -> np.float32:
    """Return sqrt(x) as torch rounds it.

    Published samples were made with torch's root, which on many CPUs is not always the nearest float32 to the true one
    (with MKL's SSE4.2 code for a fifth of all numbers), while numpy's is: hundreds of steps would show the difference.
    """
    return np.float32(torch.tensor(x).sqrt().item())


def sigma_table(alphas_cumprod: torch.Tensor) -> npt.NDArray[np.float32]:
    """Return sigma_t = sqrt((1 - alpha_bar_t) / alpha_bar_t), ascending, shape (T,)."""
    return (((1 - alphas_cumprod) / alphas_cumprod) ** 0.5).numpy()


def spaced_timesteps(
    spacing: Spacing, num_train_timesteps: int, n: int, steps_offset: int = 0, top: int | None = None
) -> npt.NDArray[np.float64]:
    """Return `n` descending timesteps below `top` (all, if not given), float64 of shape (n,).

    `linspace` (not rounded) takes both ends, `leading` starts at `steps_offset`, `trailing` ends at the last
    (https://arxiv.org/abs/2305.08891, table 2). Below a lower `top`, `trailing` gives fewer.
    """
    top = num_train_timesteps if top is None else top
    if spacing == "linspace":
        return np.linspace(0, top - 1, n)[::-1].copy()
    if spacing == "leading":
        if n > top:
            raise InvalidValue(
                f"{n} leading timesteps do not fit below {top}; take fewer steps or another timestep_spacing."
            )
        return (np.arange(n) * (top // n))[::-1].astype(np.float64) + steps_offset
    # The reference's arange gains an element for 62 of the first 1000 counts (61, 103, ...): a timestep -1.
    return np.round(np.arange(top, 0, -num_train_timesteps / n)[:n]) - 1


def karras_sigmas(sigma_min: float, sigma_max: float, n: int, rho: float = 7.0) -> FloatArray:
    """Return `n` descending noise levels, evenly spaced in sigma^(1/rho) (https://arxiv.org/abs/2206.00364, eq. 5)."""
    return karras_levels(np.linspace(0, 1, n), sigma_min, sigma_max, rho)


def karras_levels(ramp: Any, sigma_min: float, sigma_max: float, rho: float) -> Any:
    """Return the noise levels at the fractions `ramp` (array or tensor) of the way from `sigma_max` to `sigma_min`."""
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return (high + ramp * (low - high)) ** rho


def exponential_sigmas(sigma_min: float, sigma_max: float, n: int) -> FloatArray:
    """Return `n` descending noise levels, evenly spaced in log sigma."""
    return np.exp(np.linspace(math.log(sigma_max), math.log(sigma_min), n))


def beta_sigmas(sigma_min: float, sigma_max: float, n: int, alpha: float = 0.6, beta: float = 0.6) -> FloatArray:
    """Return `n` descending noise levels at the quantiles of a beta distribution (https://arxiv.org/abs/2407.12173)."""
    try:
        stats = importlib.import_module("scipy.stats")
    except ImportError as error:
        raise MissingDependency("Beta sigmas need scipy: install it with `pip install scipy`.") from error
    quantiles = stats.beta.ppf(1 - np.linspace(0, 1, n), alpha, beta)
    return sigma_min + quantiles * (sigma_max - sigma_min)


def lu_sigmas(sigma_min: float, sigma_max: float, n: int) -> FloatArray:
    """Return `n` descending noise levels, evenly spaced in the log-SNR lambda = -log sigma.

    The grid of DPM-Solver (https://arxiv.org/abs/2206.00927, section 3.3).
    """
    # The trained levels are float32, and so are their logarithms in the reference: timesteps are rounded from this.
    start, stop = float(np.log(np.float32(sigma_max))), float(np.log(np.float32(sigma_min)))
    return np.exp(start + np.linspace(0, 1, n) * (stop - start))


def flow_sigmas(num_train_timesteps: int, n: int, shift: float) -> FloatArray:
    """Return `n` descending noise levels of a rectified flow in (0, 1), shifted towards noise.

    sigma' = s sigma / (1 + (s - 1) sigma) with shift s (https://arxiv.org/abs/2403.03206, equation 23).
    """
    sigmas = 1.0 - np.linspace(1, 1 / num_train_timesteps, n + 1)
    return shift_sigmas(sigmas, shift)[::-1][:-1].copy()


def shift_sigmas(sigmas: FloatArray, shift: float) -> FloatArray:
    """Return s sigma / (1 + (s - 1) sigma) for shift s (https://arxiv.org/abs/2403.03206, equation 23)."""
    return shift * sigmas / (1 + (shift - 1) * sigmas)


def stretch_to_terminal(sigmas: FloatArray, terminal: float) -> FloatArray:
    """Return descending levels of a flow, stretched from 1 so that the last is `terminal`; 1 stays where it is."""
    signal = 1 - sigmas
    return sigmas if signal[-1] == 0 else 1 - signal / (signal[-1] / (1 - terminal))


def resolution_mu(
    image_seq_len: int,
    base_seq_len: int = 256,
    max_seq_len: int = 4096,
    base_shift: float = 0.5,
    max_shift: float = 1.15,
) -> float:
    """Return mu = log(shift) of a flow for an image of `image_seq_len` tokens: the line through both (length, shift).

    More tokens need more noise to hide a picture (https://arxiv.org/abs/2403.03206, section 5.3.2).
    """
    slope = (max_shift - base_shift) / (max_seq_len - base_seq_len)
    return base_shift + slope * (image_seq_len - base_seq_len)


def empirical_mu(image_seq_len: int, num_inference_steps: int) -> float:
    """Return mu = log(shift) of a flow as fitted for FLUX.2 to the number of tokens and of steps.

    Linear in the tokens at 10 and at 200 steps, and linear in the steps between them; beyond 4300 tokens that of 200
    steps (https://github.com/black-forest-labs/flux2, sampling).
    """
    at_200 = 0.00016927 * image_seq_len + 0.45666666
    if image_seq_len > 4300:
        return at_200
    at_10 = 8.73809524e-05 * image_seq_len + 1.89833333
    return at_200 + (at_200 - at_10) / 190 * (num_inference_steps - 200)


def sigma_to_t(
    sigmas: FloatArray, log_sigmas: FloatArray, precision: type[np.floating[Any]] = np.float64
) -> npt.NDArray[Any]:
    """Return the (fractional) timesteps of noise levels `sigmas`, linear in log sigma between the trained levels.

    `sigmas` has shape (n,), `log_sigmas`, of the trained levels, (T,). Levels outside get the first or last timestep.
    `precision` is that of the last sum.
    """
    levels = np.log(np.maximum(sigmas, 1e-10))
    last = len(log_sigmas) - 1
    # The last trained level not above each. No binary search: a zero terminal SNR may leave the table's end unsorted.
    reached = levels[:, None] >= log_sigmas
    low = np.where(reached.any(1), last - reached[:, ::-1].argmax(1), 0).clip(max=last - 1)
    w = np.clip((log_sigmas[low] - levels) / (log_sigmas[low] - log_sigmas[low + 1]), 0, 1)
    return (1 - w) * low.astype(precision) + w * (low + 1).astype(precision)


def dynamic_threshold(sample: torch.Tensor, ratio: float, max_value: float) -> torch.Tensor:
    """Return `sample` (batch, ...) clipped to its own quantile s and divided by it.

    Dynamic thresholding, https://arxiv.org/abs/2205.11487, section 2.3: s is the quantile `ratio` of |sample| of each
    image, at least 1 and at most `max_value`.
    """
    # quantile does not exist in half precision.
    flat = sample.flatten(1).to(torch.promote_types(sample.dtype, torch.float32))
    s = torch.quantile(flat.abs(), ratio, dim=1).clamp(1, max_value).unsqueeze(1)
    return (flat.clamp(-s, s) / s).reshape(sample.shape).to(sample.dtype)


def clean_sample(
    prediction: Prediction, model_output: torch.Tensor, sample: torch.Tensor, alpha: float, sigma: float
) -> torch.Tensor:
    """Return x_0 that `model_output` predicts for x_t = alpha x_0 + sigma eps, all of the same shape.

    epsilon: model_output = eps. v_prediction: alpha eps - sigma x_0 (https://arxiv.org/abs/2202.00512, appendix D).
    flow_prediction: eps - x_0, where alpha = 1 - sigma. sample: x_0 itself.
    """
    # torch.sub(a, b, alpha=c) is a - c b in one pass over the memory.
    if prediction == "epsilon":
        signal = torch.sub(sample, model_output, alpha=sigma)
        # With a zero terminal SNR there is no signal in x_T, and epsilon says nothing of x_0: any bound will do.
        return signal if alpha == 1 else signal / (alpha or SMALLEST_ALPHA_BAR**0.5)
    if prediction == "v_prediction":
        return torch.sub(alpha * sample, model_output, alpha=sigma)
    if prediction == "flow_prediction":
        return torch.sub(sample, model_output, alpha=sigma)
    return model_output


def predicted_noise(
    prediction: Prediction, model_output: torch.Tensor, sample: torch.Tensor, alpha: float, sigma: float
) -> torch.Tensor:
    """Return eps that `model_output` predicts for x_t = alpha x_0 + sigma eps, all of the same shape."""
    if prediction == "epsilon":
        return model_output
    if prediction == "v_prediction":
        return torch.add(sigma * sample, model_output, alpha=alpha)
    if prediction == "flow_prediction":
        return torch.add(sample, model_output, alpha=alpha)
    return torch.sub(sample, model_output, alpha=alpha) / sigma


def batch_predictions(
    prediction: Prediction, model_output: torch.Tensor, sample: torch.Tensor, alpha: torch.Tensor, sigma: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `clean_sample` and `predicted_noise` for alpha and sigma of each image, of shape (batch, 1, ...)."""
    if prediction == "epsilon":
        return (sample - sigma * model_output) / alpha.clamp(min=SMALLEST_ALPHA_BAR**0.5), model_output
    if prediction == "v_prediction":
        return alpha * sample - sigma * model_output, alpha * model_output + sigma * sample
    if prediction == "flow_prediction":
        return sample - sigma * model_output, sample + alpha * model_output
    return model_output, (sample - alpha * model_output) / sigma


def checked_steps(num_inference_steps: int | None, num_train_timesteps: int) -> int:
    """Return `num_inference_steps`, or raise `InvalidValue` unless it is between 1 and `num_train_timesteps`."""
    if num_inference_steps is None or not 1 <= num_inference_steps <= num_train_timesteps:
        raise InvalidValue(
            f"num_inference_steps cannot be {num_inference_steps}; "
            f"a model of {num_train_timesteps} trained timesteps takes from 1 to as many steps."
        )
    return num_inference_steps


def checked_timesteps(timesteps: Sequence[float], num_train_timesteps: int) -> npt.NDArray[np.float64]:
    """Return `timesteps` as an array, or raise `InvalidValue` unless they descend from below `num_train_timesteps`."""
    table = np.asarray(timesteps, dtype=np.float64)
    if table.ndim != 1 or not len(table):
        raise InvalidValue(f"timesteps cannot be {timesteps!r}; give a list with at least one timestep.")
    if np.any(np.diff(table) >= 0):
        raise InvalidValue(f"timesteps cannot be {list(timesteps)}; they must descend, each one less than the last.")
    if table[0] >= num_train_timesteps or table[-1] < 0:
        raise InvalidValue(
            f"timesteps must lie between {num_train_timesteps - 1} and 0, not {table[0]:g} ... {table[-1]:g}."
        )
    return table
