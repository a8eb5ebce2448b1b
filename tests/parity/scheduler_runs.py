"""Runs of a scheduler beside the reference's, in both precisions at once, step by step from the same samples."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import diffusers
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

import engine.schedulers

Options = dict[str, Any]

# Largest difference over largest value, per step. The reference's tables are float32, hence 1e-6 in float64.
SINGLE, DOUBLE = 1e-5, 1e-6


def singles(choices: Mapping[str, Sequence[Any]]) -> Iterator[Options]:
    """Yield the default and every option alone; an option that is a dict stands for the keys in it."""
    yield {}
    for key, values in choices.items():
        for value in values:
            yield _merged(key, value)


def pairs(choices: Mapping[str, Sequence[Any]]) -> Iterator[Options]:
    """Yield every combination of values of two options."""
    for (key, values), (other, others) in itertools.combinations(choices.items(), 2):
        for value, another in itertools.product(values, others):
            yield _merged(key, value) | _merged(other, another)


def _merged(key: str, value: Any) -> Options:
    return dict(value) if isinstance(value, dict) else {key: value}


def name_of(options: Options) -> str:
    """Return a test id that tells the options, the same in every process."""
    return ",".join(f"{key}={getattr(value, '__name__', value)}" for key, value in options.items()) or "default"


def error(value: Tensor, truth: Tensor) -> float:
    """Return the largest difference over the largest value."""
    return float((value.double() - truth.double()).abs().max() / truth.double().abs().max())


class OneArithmetic(TorchFunctionMode):
    """Makes a float64 run comparable: noise is drawn in float32 and widened, and no float64 sample is rounded.

    In float64 other noise would be drawn; and the solvers of the reference turn every sample into float32 before they
    multiply it, which alone puts their float64 run 1.3e-5 away from its formula where alpha_t / alpha_s is large.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.is_double = dtype == torch.float64

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.is_double and func is torch.Tensor.to and args[0].dtype == torch.float64 and torch.float32 in args[1:]:
            return args[0]
        if func is torch.randn and kwargs.get("dtype") == torch.float64:
            return func(*args, **kwargs | {"dtype": torch.float32}).double()
        return func(*args, **kwargs)


class Beside:
    """Our scheduler and the reference's, each in float32 and float64, all given the same float32 numbers."""

    def __init__(self, name: str, config: Options, **call: Any) -> None:
        self.ours = [getattr(engine.schedulers, name)(**config) for _ in range(2)]
        self.reference = [getattr(diffusers, name)(**config) for _ in range(2)]
        self.call = call
        self.label = f"{name} {config} {call}"

    @property
    def all(self) -> list[Any]:
        """The four schedulers."""
        return self.ours + self.reference

    def set_timesteps(self, *args: Any, **kwargs: Any) -> None:
        """Lay out the run on all of them, and compare timesteps (exactly) and levels."""
        for scheduler in self.all:
            scheduler.set_timesteps(*args, **kwargs)
        ours, reference = self.ours[0], self.reference[0]
        assert torch.equal(ours.timesteps, reference.timesteps), self.label
        assert ours.timesteps.dtype == reference.timesteps.dtype, self.label
        if hasattr(reference, "sigmas"):
            torch.testing.assert_close(ours.sigmas, reference.sigmas, rtol=1e-7, atol=0)

    def start(self, shape: Sequence[int], begin: int = 0, seed: int = 0) -> Tensor:
        """Return the noisy sample at place `begin`, after comparing `add_noise` and `init_noise_sigma`."""
        self.draw = torch.Generator().manual_seed(seed)
        self.generators = [torch.Generator().manual_seed(seed + 1) for _ in range(4)]
        for scheduler in self.all:
            # Where timesteps occur twice, the reference starts at the second unless it is told the place.
            if hasattr(scheduler, "set_begin_index"):
                scheduler.set_begin_index(begin)
        # Where the reference has no such number (flows), noise is of variance 1.
        first = float(getattr(self.reference[0], "init_noise_sigma", 1.0))
        assert abs(float(self.ours[0].init_noise_sigma) / first - 1) < 1e-6
        noise = torch.randn(tuple(shape), generator=self.draw)
        if begin == 0:
            return noise * first
        clean = torch.randn(tuple(shape), generator=self.draw)
        times = self.reference[0].timesteps[begin : begin + 1].repeat(shape[0])
        ours, noisy = (self.noisy(one, clean, noise, times) for one in (self.ours[0], self.reference[0]))
        assert error(ours, noisy) <= SINGLE, self.label
        return noisy

    def noisy(self, scheduler: Any, clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """Return `clean` with the noise of `times`."""
        if hasattr(self.reference[0], "scale_noise"):
            return scheduler.scale_noise(clean, times, noise)
        return scheduler.add_noise(clean, noise, times)

    def places(self) -> int:
        """Return the number of model calls of the run."""
        return len(self.reference[0].timesteps)

    def timestep(self, scheduler: Any, place: int, x: Tensor) -> Any:
        """Return what `step` is given as the timestep at `place`."""
        return scheduler.timesteps[place]

    def run(self, shape: Sequence[int], begin: int = 0, outputs_per_channel: int = 1) -> None:
        """Go through the schedule with random model outputs and compare every step."""
        x = self.start(shape, begin)
        wide = (shape[0], shape[1] * outputs_per_channel, *shape[2:])
        for place in range(begin, self.places()):
            model_output = torch.randn(wide, generator=self.draw)
            if outputs_per_channel == 2:
                # A variance is positive, and the interpolation of `learned_range` lies in [-1, 1].
                model_output[:, shape[1] :] = model_output[:, shape[1] :].sigmoid()
            x = self.step(place, model_output, x)

    def step(self, place: int, model_output: Tensor, x: Tensor) -> Tensor:
        """Do the step at `place` on all four, compare, and return the reference's float32 result."""
        results: list[Any] = []
        for k, scheduler in enumerate(self.all):
            dtype = torch.float64 if k % 2 else torch.float32
            timestep = self.timestep(scheduler, place, x)
            scaled = None
            if hasattr(self.reference[0], "scale_model_input"):
                scaled = scheduler.scale_model_input(x.to(dtype), timestep)
            call = dict(self.call)
            if "generator" in inspect.signature(scheduler.step).parameters and "variance_noise" not in call:
                call["generator"] = self.generators[k]
            with OneArithmetic(dtype):
                out = scheduler.step(model_output.to(dtype), timestep, x.to(dtype), **call)
            assert out.prev_sample.dtype == dtype
            results.append((scaled, out.prev_sample, out.get("pred_original_sample")))
        for ours32, ours64, reference32, reference64 in zip(*results, strict=True):
            if reference32 is not None:
                self.compare(ours32, ours64, reference32, reference64, f"{self.label} at place {place}")
        return results[2][1]

    def compare(self, ours32: Tensor, ours64: Tensor, reference32: Tensor, reference64: Tensor, where: str) -> None:
        """Compare one tensor in both precisions."""
        assert error(ours64, reference64) <= DOUBLE, f"{where}: {error(ours64, reference64):.1e} in float64"
        if error(ours32, reference32) > SINGLE:
            # The reference's own float32 is that far from its float64; ours must not be further.
            assert error(ours32, reference64) <= error(reference32, reference64), where
