"""What all schedulers share: loading and saving, the place in the schedule, and the two ways to add noise.

A scheduler holds a table of timesteps (`timesteps`, on the device) and knows the same table on the CPU, so that
`step` does its scalar arithmetic there and never waits for the device.
"""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch

from engine.config import ConfigMixin
from engine.errors import CallOrder, InvalidValue
from engine.output import Output
from engine.rng import Generators, moved, randn_tensor
from engine.schedulers import noise_schedules
from engine.schedulers.noise_schedules import dynamic_threshold

Device = str | torch.device | None
Timestep = int | float | torch.Tensor

# The family that a model trained on T discrete noise levels can be sampled with, in any mixture.
DISCRETE_FAMILY = (
    "DDIMScheduler",
    "DDPMScheduler",
    "PNDMScheduler",
    "LMSDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "DEISMultistepScheduler",
    "UniPCMultistepScheduler",
    "DPMSolverSDEScheduler",
    "EDMEulerScheduler",
)

# What the numbers of a configuration may be, whichever class has them.
RANGES: dict[str, tuple[float, float]] = {
    "num_train_timesteps": (1, 1_000_000),
    "beta_start": (0, 1),
    "beta_end": (0, 1),
    "steps_offset": (0, 1_000_000),
    "clip_sample_range": (0, float("inf")),
    "dynamic_thresholding_ratio": (0, 1),
    "sample_max_value": (0, float("inf")),
    "sigma_min": (1e-10, float("inf")),
    "sigma_max": (1e-10, float("inf")),
    "flow_shift": (1e-10, float("inf")),
    "shift": (1e-10, float("inf")),
    "shift_terminal": (0, 1 - 1e-6),
    "sigma_data": (1e-10, float("inf")),
    "rho": (1e-10, float("inf")),
    "sampling_eps": (1e-10, 1),
    "beta_min": (0, float("inf")),
    "scaler": (1e-10, float("inf")),
}


@dataclass
class SchedulerOutput(Output):
    """What `step` gives: the less noisy sample and the clean sample that the model predicts, both shaped alike."""

    prev_sample: torch.Tensor
    pred_original_sample: torch.Tensor | None = None


StepResult = SchedulerOutput | tuple[torch.Tensor, ...]


class SchedulerMixin(ConfigMixin):
    """Base of all schedulers.

    Attributes:
        order: model calls that one step costs.
        timesteps: what the model is given at each step, on the device.
        num_inference_steps: number of steps, None before `set_timesteps`.
        init_noise_sigma: standard deviation of the noise that sampling starts from.
        step_index: the place in the schedule, None before the first step of a run.
        begin_index: where a run starts, if `set_begin_index` said so.
        step_options: what `step` takes beyond model output, timestep and sample ("eta", "generator", ...).
        schedule_options: schedules of one's own that `set_timesteps` takes ("timesteps", "sigmas").
    """

    config_name: ClassVar[str] = "scheduler_config.json"
    order: ClassVar[int] = 1
    step_options: ClassVar[frozenset[str]] = frozenset()
    schedule_options: ClassVar[frozenset[str]] = frozenset()
    _compatibles: ClassVar[Sequence[str]] = DISCRETE_FAMILY

    timesteps: torch.Tensor
    init_noise_sigma: float = 1.0
    num_inference_steps: int | None = None
    _step_index: int | None = None
    _begin_index: int | None = None
    _timetable: list[float]

    @classmethod
    def from_pretrained(cls, folder: str | Path, subfolder: str | None = None, **changes: Any) -> Self:
        """Make a scheduler from `scheduler_config.json` in `folder`, whatever class wrote it, with `changes`."""
        return cls.from_config_file(folder, subfolder, **changes)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `scheduler_config.json` into `folder`."""
        self.save_config(folder)

    @property
    def compatibles(self) -> list[type[SchedulerMixin]]:
        """The classes that can be made from this scheduler's configuration, its own class included."""
        package = importlib.import_module("engine.schedulers")
        names = dict.fromkeys([*self._compatibles, type(self).__name__])
        return [getattr(package, name) for name in names if hasattr(package, name)]

    def __len__(self) -> int:
        # A model of continuous time has no number of trained timesteps.
        return self.config.get("num_train_timesteps", len(self._timetable))

    @property
    def step_index(self) -> int | None:
        """The place in the schedule that the next `step` starts from."""
        return self._step_index

    @property
    def begin_index(self) -> int | None:
        """The place in the schedule where a run starts, if it was set."""
        return self._begin_index

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Start the run at this place of the schedule, as image to image does."""
        self._begin_index = begin_index

    @abstractmethod
    def set_timesteps(self, num_inference_steps: int, device: Device = None) -> None:
        """Lay out a schedule of `num_inference_steps` steps; every run starts with this call."""

    def set_num_inference_steps(self, *args: Any, **kwargs: Any) -> None:
        """Another name of `set_timesteps`."""
        self.set_timesteps(*args, **kwargs)

    def _check_ranges(self) -> None:
        """Raise `InvalidValue` for a number of the configuration that lies outside its `RANGES`."""
        for key, (low, high) in RANGES.items():
            if (value := self.config.get(key)) is not None and not low <= value <= high:
                raise InvalidValue(f"{key} cannot be {value}; it must lie between {low:g} and {high:g}.")

    def _start_run(self, timesteps: npt.NDArray[Any], device: Device) -> None:
        """Take `timesteps` (steps,) as the schedule and go to its beginning."""
        self._timetable = timesteps.tolist()
        self.timesteps = torch.from_numpy(timesteps).to(device)
        self._step_index = None
        self._begin_index = None

    def scale_model_input(self, sample: torch.Tensor, timestep: Timestep | None = None) -> torch.Tensor:
        """Return `sample` as it is: most models are trained on the sample that the scheduler steps."""
        return sample

    def _require_timesteps(self) -> None:
        if self.num_inference_steps is None:
            raise CallOrder(f"{type(self).__name__}: call set_timesteps(num_inference_steps) before step.")

    def _timestep_value(self, timestep: Timestep) -> int:
        """Return `timestep` as a whole number."""
        if isinstance(timestep, torch.Tensor) and timestep.device.type != "cpu":
            place = self._place_of_view(timestep)
            return int(timestep if place is None else self._timetable[place])
        return int(timestep)

    def _place_of_view(self, timestep: Timestep, table: torch.Tensor | None = None) -> int | None:
        """Return the place of `timestep` if it is an element of `table` (of `self.timesteps`) itself, else None.

        Pipelines pass elements of `timesteps`: those are views of its memory, so that where they lie tells which they
        are without reading them back from the device.
        """
        if not isinstance(timestep, torch.Tensor) or timestep.ndim:
            return None
        table = self.timesteps if table is None else table
        if timestep.untyped_storage().data_ptr() != table.untyped_storage().data_ptr():
            return None
        place = int(timestep.storage_offset()) - int(table.storage_offset())
        return place if 0 <= place < len(table) else None

    def index_for_timestep(self, timestep: Timestep, schedule_timesteps: torch.Tensor | None = None) -> int:
        """Return the place of `timestep` in the schedule.

        A value that occurs twice means its second place, so that a run which starts in the middle skips no noise level
        (an element of `timesteps` itself means exactly its own place). Raises `InvalidValue` for any other value.
        """
        if schedule_timesteps is None and (place := self._place_of_view(timestep)) is not None:
            return place
        table = self._timetable if schedule_timesteps is None else schedule_timesteps.tolist()
        value = timestep.item() if isinstance(timestep, torch.Tensor) else timestep
        if value not in table:
            raise InvalidValue(f"timestep {value} is not in the schedule; pass one of scheduler.timesteps.")
        place = table.index(value)
        return table.index(value, place + 1) if value in table[place + 1 :] else place

    def _current_index(self, timestep: Timestep) -> int:
        """Return the place of the step to do now: the begin index or that of `timestep` in a new run, else counted."""
        if self._step_index is None:
            begin = self._begin_index
            self._step_index = self.index_for_timestep(timestep) if begin is None else begin
        if self._step_index >= len(self._timetable):
            raise CallOrder(
                f"{type(self).__name__}: all {len(self._timetable)} steps are done; call set_timesteps for another run."
            )
        return self._step_index

    def _output(self, prev: torch.Tensor, clean: torch.Tensor, return_dict: bool) -> StepResult:
        """Return what `step` gives, as an output or as a tuple with prev_sample first."""
        return SchedulerOutput(prev, clean) if return_dict else (prev, clean)


class DiscreteScheduler(SchedulerMixin):
    """A scheduler on T trained noise levels: betas, alphas_cumprod and what follows from them.

    Samples are x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps.

    Attributes:
        betas, alphas, alphas_cumprod: float32 of shape (T,), on the CPU.
        final_alpha_cumprod: alpha_bar after the last step, 1 for the clean sample.
    """

    betas: torch.Tensor
    alphas: torch.Tensor
    alphas_cumprod: torch.Tensor
    final_alpha_cumprod: torch.Tensor
    # alphas_cumprod in numpy: its float32 scalars are quick, and round as the reference's do.
    _alphas_bar: npt.NDArray[np.float32]

    def _make_betas(self) -> None:
        """Make the tables that the configuration names, and the schedule of all trained timesteps."""
        config = self.config
        self._check_ranges()
        steps = config.num_train_timesteps
        # The cosine needs no ends, and a class that knows no other schedule does not have them.
        start, end = config.get("beta_start", 0.0), config.get("beta_end", 0.0)
        if (trained_betas := config.get("trained_betas")) is not None:
            self.betas = torch.as_tensor(np.asarray(trained_betas, dtype=np.float32))
        else:
            self.betas = noise_schedules.beta_table(config.beta_schedule, start, end, steps)
        if not bool((self.betas > 0).all()):
            raise InvalidValue(
                f"betas must be more than 0, but beta_start={start}, beta_end={end} and "
                f"beta_schedule={config.beta_schedule!r} give {self.betas.min():g} ... {self.betas.max():g}."
            )
        if config.get("rescale_betas_zero_snr"):
            self.betas = noise_schedules.rescale_zero_terminal_snr(self.betas)
        self.alphas = 1.0 - self.betas
        self.alphas_cumprod = torch.cumprod(self.alphas, dim=0)
        self.final_alpha_cumprod = torch.tensor(1.0)
        self._alphas_bar = self.alphas_cumprod.numpy()
        self._start_run(np.arange(steps)[::-1].copy(), None)

    def _alpha_bar(self, t: int) -> np.float32:
        """Return alpha_bar_t; a `t` below 0 is the end of the run."""
        return self._alphas_bar[t] if t >= 0 else np.float32(self.final_alpha_cumprod.item())

    def _bounded(self, x_0: torch.Tensor) -> torch.Tensor:
        """Return `x_0` (batch, ...) thresholded or clipped, as configured."""
        config = self.config
        if config.get("thresholding"):
            return dynamic_threshold(x_0, config.dynamic_thresholding_ratio, config.sample_max_value)
        return x_0.clamp(-config.clip_sample_range, config.clip_sample_range) if config.get("clip_sample") else x_0

    def _start_trained_run(self, timesteps: npt.NDArray[Any], device: Device) -> None:
        """Take `timesteps`, of which each is a trained one, as the schedule and go to its beginning."""
        last = len(self.alphas_cumprod) - 1
        if timesteps[0] > last:
            raise InvalidValue(
                f"The schedule starts at timestep {timesteps[0]:g}, beyond the last trained one, {last}; "
                f"take fewer steps, or a steps_offset less than {self.config.get('steps_offset', 0)}."
            )
        self.num_inference_steps = len(timesteps)
        self._start_run(timesteps.astype(np.int64), device)

    def add_noise(self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Return x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps.

        `original_samples` and `noise`: (batch, ...); `timesteps`: whole numbers of shape (batch,) or ().
        """
        signal, spread = self._signal_and_noise(timesteps, original_samples)
        return signal * original_samples + spread * noise

    def get_velocity(self, sample: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Return v = sqrt(alpha_bar_t) eps - sqrt(1 - alpha_bar_t) x_0 (https://arxiv.org/abs/2202.00512, section 4).

        `sample` (the clean one) and `noise`: (batch, ...); `timesteps`: whole numbers of shape (batch,) or ().
        """
        signal, spread = self._signal_and_noise(timesteps, sample)
        return signal * noise - spread * sample

    def _signal_and_noise(self, timesteps: torch.Tensor, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return sqrt(alpha_bar_t) and sqrt(1 - alpha_bar_t), with dtype, device and number of dimensions of `like`."""
        alphas_bar = moved(self.alphas_cumprod.to(like.dtype), like.device)[moved(timesteps, like.device)]
        return broadcast(alphas_bar**0.5, like), broadcast((1 - alphas_bar) ** 0.5, like)


def broadcast(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return `values` (batch,) with as many dimensions as `like`, so that they multiply image by image."""
    return values.reshape((-1,) + (1,) * (like.ndim - 1))


def noise_like(sample: torch.Tensor, generator: Generators = None, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Return standard normal noise of the shape and device of `sample`, as `randn_tensor` draws it."""
    return randn_tensor(sample.shape, generator, sample.device, dtype or sample.dtype)


def full_precision(sample: torch.Tensor) -> torch.Tensor:
    """Return half precision samples as float32 for arithmetic, all others as they are."""
    return sample.float() if sample.dtype in (torch.float16, torch.bfloat16) else sample


def highest_precision(sample: torch.Tensor) -> torch.Tensor:
    """Return `sample` as float64 (float32 on MPS, which has no other), for sums whose terms nearly cancel."""
    return sample.float() if sample.device.type == "mps" else sample.double()


def weighted_sum(weights: Iterable[float], tensors: Iterable[torch.Tensor]) -> torch.Tensor:
    """Return the sum of tensors of one shape and type, each times its weight, in one pass over the memory for each."""
    (weight, tensor), *others = zip(weights, tensors, strict=True)
    total = tensor * weight
    for weight, tensor in others:
        total.add_(tensor, alpha=weight)
    return total
