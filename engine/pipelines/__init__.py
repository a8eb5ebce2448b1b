"""Pipelines: each one a whole way from a prompt to a picture, with its denoising loop written out."""

from __future__ import annotations

from engine._exports import PIPELINES, lazy

__getattr__, __dir__ = lazy(__name__, PIPELINES)
