"""Settings of a training run: frozen dataclasses, checked when made, written as JSON beside the result."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self, get_type_hints

from engine.annotations import describe, fits
from engine.errors import ConfigError
from engine.files import read_json, to_json, write_atomic

Precision = Literal["auto", "no", "bf16", "fp16"]
Device = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base: values are checked against the annotations; to and from JSON."""

    def __post_init__(self) -> None:
        for key, hint in _hints(type(self)).items():
            value = getattr(self, key)
            if not fits(value, hint):
                raise ConfigError(f"{type(self).__name__}: {key} cannot be {value!r}; it must be {describe(hint)}.")
        self.check()

    def check(self) -> None:
        """Raise `ConfigError` for values out of range; subclasses add theirs."""

    def require(self, key: str, condition: bool, what: str) -> None:
        """Raise `ConfigError` naming `key` and its value unless `condition`; `what` completes "it must be"."""
        if not condition:
            raise ConfigError(f"{type(self).__name__}: {key} cannot be {getattr(self, key)!r}; it must be {what}.")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make the settings; raises `ConfigError` for an unknown or missing name or a wrong value."""
        fields = dataclasses.fields(cls)
        known = {field.name for field in fields}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigError(f"{cls.__name__} has no setting {unknown[0]!r}; it has {', '.join(sorted(known))}.")
        absent = dataclasses.MISSING
        required = (field.name for field in fields if field.default is absent and field.default_factory is absent)
        missing = [name for name in required if name not in values]
        if missing:
            raise ConfigError(f"{cls.__name__} needs a value for {missing[0]!r}.")
        return cls(**values)

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read the settings from a JSON file."""
        return cls.from_dict(read_json(Path(path)))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON has them."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(self).items()
        }

    def save(self, path: str | Path) -> None:
        """Write the settings as JSON."""
        write_atomic(Path(path), to_json(self.to_dict()).encode())


@cache
def _hints(cls: type[Settings]) -> dict[str, Any]:
    return get_type_hints(cls)


@dataclass(frozen=True, kw_only=True)
class StageSettings(Settings):
    """What every trainer needs.

    Attributes:
        out: the folder that gets checkpoint, pictures and result.
        steps: optimiser steps.
        max_minutes: wall-clock limit of the stage, over all its resumed parts. The learning rate falls with
            whichever of steps and minutes is further on, so a run that ends by time has decayed too.
        batch_size: samples per process and accumulated part.
        warmup_steps: over these the learning rate rises from zero.
        decay_share: over this last share of the run it falls along a cosine to zero.
        ema_decay: the largest decay of the moving average of the weights; early on it is (1 + n) / (10 + n).
        precision: `bf16` and `fp16` compute under autocast with float32 weights; `fp16` needs a GPU. `auto` is `bf16`
            where the device has instructions for it, otherwise `no`: without them a step takes many times as long.
        device: `auto` takes an accelerator where there is one; several GPUs are taken when `accelerate launch` or
            `torchrun` starts one process for each.
        threads: CPU threads; 0 leaves what PyTorch chose.
        log_steps, sample_minutes, checkpoint_minutes: how often to report, draw samples, and save.
    """

    out: str
    steps: int
    max_minutes: float | None = None
    batch_size: int = 64
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    decay_share: float = 0.3
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    ema_decay: float = 0.9995
    precision: Precision = "auto"
    device: Device = "auto"
    threads: int = 0
    seed: int = 0
    log_steps: int = 50
    sample_minutes: float = 5.0
    checkpoint_minutes: float = 5.0

    def check(self) -> None:
        for key in ("steps", "batch_size", "log_steps"):
            self.require(key, getattr(self, key) >= 1, "1 or more")
        for key in ("warmup_steps", "threads", "seed", "weight_decay"):
            self.require(key, getattr(self, key) >= 0, "0 or more")
        for key in ("learning_rate", "max_grad_norm", "sample_minutes", "checkpoint_minutes"):
            self.require(key, getattr(self, key) > 0, "more than 0")
        self.require("max_minutes", self.max_minutes is None or self.max_minutes > 0, "more than 0, or null")
        self.require("decay_share", 0 <= self.decay_share <= 1, "between 0 and 1")
        self.require("ema_decay", 0 <= self.ema_decay < 1, "at least 0 and less than 1")
        self.require("out", self.out != "", "the path of a folder")
