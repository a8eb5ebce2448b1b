"""What the states need of each other and of the engine's client, so that none imports the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from engine.messages import GenerateRequest, ImageDone

T = TypeVar("T")


class Engine(Protocol):
    """What queue and run need of `app.engine_client.EngineClient`: its signals, and the door to engine and pool."""

    job_started: Any
    job_loading: Any
    job_loaded: Any
    step_done: Any
    image_done: Any
    job_done: Any
    job_cancelled: Any
    job_failed: Any
    notice: Any

    def submit(self, request: GenerateRequest) -> Any: ...
    def cancel(self, job_id: str) -> Any: ...
    def query(
        self,
        kind: str,
        work: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[Exception], None] | None = None,
    ) -> Any: ...

    def every_prompt(
        self,
        template: str,
        folder: Path,
        limit: int,
        done: Callable[[list[str]], None],
        failed: Callable[[Exception], None] | None = None,
    ) -> Any: ...


class Gallery(Protocol):
    """What the queue needs of `app.state.gallery.GalleryState`: `added` is emitted once the picture's row is there."""

    added: Any

    def add(self, picture: ImageDone) -> Any: ...
