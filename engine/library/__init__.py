"""The model library: an index of models where they lie, and downloads. No torch here.

`import engine.library` is cheap; names are resolved on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine._exports import lazy

if TYPE_CHECKING:
    from engine.library.download import Downloads
    from engine.library.library import Library, free_bytes
    from engine.library.service import LibraryService

__all__ = ["Downloads", "Library", "LibraryService", "free_bytes"]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "Downloads": "engine.library.download",
        "Library": "engine.library.library",
        "LibraryService": "engine.library.service",
        "free_bytes": "engine.library.library",
    },
)
