"""Sfumato's engine: pipelines, models and schedulers for diffusion, importable without a display.

Every public class is an attribute of this package; its module is imported when the name is first used, so
`import engine` loads no torch.
"""

from __future__ import annotations

from engine._exports import CONFIGURATION, MODELS, PIPELINES, SCHEDULERS, lazy

__version__ = "0.1.0"
__getattr__, __dir__ = lazy(__name__, {**CONFIGURATION, **SCHEDULERS, **MODELS, **PIPELINES})
