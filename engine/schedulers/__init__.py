"""Schedulers: each turns a model's output into the less noisy sample; one algorithm a file."""

from __future__ import annotations

from engine._exports import SCHEDULERS, lazy

__getattr__, __dir__ = lazy(__name__, SCHEDULERS)
