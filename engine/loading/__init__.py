"""Foreign file formats: what a file is (`detect`), and how it is loaded, converted and saved.

`import engine.loading` imports no torch; names are resolved on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine._exports import lazy

if TYPE_CHECKING:
    from engine.loading.detection import Detected, detect

__all__ = ["Detected", "detect"]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "Detected": "engine.loading.detection",
        "detect": "engine.loading.detection",
    },
)
