"""What a training run reports while it goes: frozen events, standard library only.

Every trainer is a generator of these; the command line prints them and the window shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Stage = Literal["data", "text_encoder", "autoencoder", "text_alignment", "unet", "export"]
StopReason = Literal["steps", "time", "interrupted"]


@dataclass(frozen=True)
class Event:
    """Something happened in a training run.

    Attributes:
        stage: the part of the run that reports it.
        step: optimiser steps done in that stage.
    """

    stage: Stage
    step: int


@dataclass(frozen=True)
class Started(Event):
    """A stage begins, or goes on at `step` from a checkpoint; `text` says with what, in one sentence."""

    text: str


@dataclass(frozen=True)
class Prepared(Event):
    """Data were read or encoded: `done` of `total` items, `text` says which."""

    text: str
    done: int
    total: int


@dataclass(frozen=True)
class Progress(Event):
    """Some steps were made.

    Attributes:
        total: steps of the stage, when nothing else ends it first.
        loss: mean loss of the steps since the last report.
        learning_rate: of the last of them.
        seconds_per_step: wall clock, over those steps.
        seconds_left: expected wall clock until the stage ends, time limit included.
    """

    total: int
    loss: float
    learning_rate: float
    seconds_per_step: float
    seconds_left: float


@dataclass(frozen=True)
class Measured(Event):
    """Figures on held-out data, such as `{"psnr": 27.1}`."""

    figures: Mapping[str, float]


@dataclass(frozen=True)
class ImageSaved(Event):
    """A picture of the run was written: a loss curve, a grid of samples or of reconstructions."""

    kind: Literal["loss", "samples", "reconstructions"]
    path: Path


@dataclass(frozen=True)
class CheckpointSaved(Event):
    """The run can be resumed from `path`, exactly as it would have gone on."""

    path: Path


@dataclass(frozen=True)
class Done(Event):
    """A stage ended; `folder` holds its result.

    Attributes:
        reason: all steps made, time limit reached, or interrupted (a checkpoint was saved, no result written).
        seconds: wall clock of the stage, earlier parts of a resumed run included.
        figures: the last measured figures.
    """

    folder: Path
    reason: StopReason
    seconds: float
    figures: Mapping[str, float] = field(default_factory=dict[str, float])
