"""Adapters: files that change a loaded model's weights (LoRA and its relatives), applied and taken off at will.

`AdapterStack(pipeline).set([AdapterUse(path, 0.8, 0.8)])`; `find_adapters` finds files by name and needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine._exports import lazy

if TYPE_CHECKING:
    from engine.loading.adapters.find import find_adapters, find_files
    from engine.loading.adapters.stack import AdapterStack, AdapterUse, Unplaced, clear_part

__all__ = ["AdapterStack", "AdapterUse", "Unplaced", "clear_part", "find_adapters", "find_files"]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "AdapterStack": "engine.loading.adapters.stack",
        "AdapterUse": "engine.loading.adapters.stack",
        "Unplaced": "engine.loading.adapters.stack",
        "clear_part": "engine.loading.adapters.stack",
        "find_adapters": "engine.loading.adapters.find",
        "find_files": "engine.loading.adapters.find",
    },
)
