"""What the terminal shows while a job runs: progress on stderr, paths of finished pictures on stdout."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from engine.cli.values import duration
from engine.messages import (
    Event,
    GenerateRequest,
    ImageDone,
    JobCancelled,
    JobStarted,
    ModelLoaded,
    ModelLoading,
    StepDone,
)
from engine.switches import SAME, Precisions


class Display:
    """A progress bar with the time a step takes and the time left; `quiet` shows errors only."""

    def __init__(self, request: GenerateRequest, *, quiet: bool) -> None:
        self._request = request
        self._quiet = quiet
        self._paths: list[str] = []
        self._step_seconds: list[float] = []
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}"),
            console=Console(stderr=True),
            redirect_stdout=False,
            disable=quiet,
        )
        self._task = self._progress.add_task("Starting", total=None, pace="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        for path in self._paths:
            print(path, flush=True)

    def show(self, event: Event) -> None:
        """Bring the bar up to date."""
        request, task = self._request, self._task
        match event:
            case JobStarted():
                self._progress.update(task, total=request.count * request.steps)
            case ModelLoading():
                self._progress.update(task, description="Loading the model")
            case ModelLoaded():
                if any(precision != SAME for precision in Precisions.of(SAME, request.switches)):
                    self.tell(
                        "the model holds " + ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in event.held)
                    )
                self._progress.update(task, description="Reading the prompt")
            case StepDone():
                self._step_seconds.append(event.seconds)
                # Some schedulers take more steps than were asked for; the event knows.
                total, done = request.count * event.total, event.image * event.total + event.index + 1
                self._progress.update(task, total=total, completed=done, pace=self._pace(total - done))
                last = event.index + 1 == event.total
                self._describe(event.image, "Decoding" if last else "Denoising")
            case ImageDone():
                self._describe(event.image, "Done")
            case JobCancelled():
                self._progress.update(task, description="Cancelled", pace="")
            case _:
                pass

    def announce(self, path: str) -> None:
        """Print the path of a finished picture: at once to a pipe, below the bar in a terminal."""
        if self._quiet:
            return
        if sys.stdout.isatty():
            self._paths.append(path)
        else:
            print(path, flush=True)

    def tell(self, message: str) -> None:
        """Print a sentence on the running job above the bar."""
        if not self._quiet:
            self._progress.console.print(f"sfumato: {message}", markup=False, highlight=False)

    def fail(self, message: str) -> None:
        """Print the error below the bar."""
        self._progress.stop()
        print(f"sfumato: {message}", file=sys.stderr)

    def _describe(self, image: int, what: str) -> None:
        of = f" {image + 1}/{self._request.count}" if self._request.count > 1 else ""
        self._progress.update(self._task, description=f"{what}{of}")

    def _pace(self, steps_left: int) -> str:
        # The first step also reads the prompt and warms up; as soon as there are others it says nothing about them.
        times = self._step_seconds[1:] or self._step_seconds
        pace = sum(times) / len(times)
        return f"{pace:.2f} s/step, {duration(pace * steps_left)} left"
