"""Networks: each file one network, made of the building blocks beside it."""

from __future__ import annotations

from engine._exports import MODELS, lazy

__getattr__, __dir__ = lazy(__name__, MODELS)
