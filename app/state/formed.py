"""How pictures formed: the previews and records of the one that forms, and of those that are finished."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from app.services.step_store import KeptSteps
from app.state.picture import FormedStep, Picture
from engine.messages import StepDone

# A picture of a thousand steps would keep 50 MB of previews; so many are as many as a scrubber's pixels can tell apart.
PREVIEWS_KEPT = 240
# Of all finished pictures together; those of others are read from the disk.
HISTORY_BYTES = 4 * 2**20


class Forming:
    """What is known of the picture that forms.

    Attributes:
        steps: every n-th preview and the last; of long runs fewer, but evenly spaced.
        records: the keys of the kept states, by the step's index.
        seconds: what its steps took so far.
    """

    def __init__(self) -> None:
        self.steps: list[FormedStep] = []
        self.records: dict[int, str] = {}
        self.seconds = 0.0
        self._every = 1

    def add(self, event: StepDone) -> None:
        """A step is done."""
        self.seconds += event.seconds
        if event.record:
            self.records[event.index] = event.record
        if event.preview is not None:
            self._keep(FormedStep(event.index, event.preview), last=event.index + 1 == event.total)

    def _keep(self, step: FormedStep, *, last: bool) -> None:
        if step.index % self._every == 0 or last:
            self.steps.append(step)
        if len(self.steps) > PREVIEWS_KEPT:
            self._every *= 2
            self.steps = [kept for kept in self.steps if kept.index % self._every == 0 or (last and kept is step)]


class PictureMemory:
    """Finished pictures with their steps, the newest `HISTORY_BYTES` of them."""

    def __init__(self) -> None:
        self._pictures: OrderedDict[str, Picture] = OrderedDict()

    def get(self, path: str) -> Picture | None:
        """The picture in this file, if it is remembered."""
        return self._pictures.get(path)

    def put(self, picture: Picture) -> None:
        """Remember `picture`; the oldest are forgotten where there is no room."""
        self._pictures[picture.path] = picture
        used = sum(kept.size_in_memory for kept in self._pictures.values())
        while used > HISTORY_BYTES and len(self._pictures) > 1:
            used -= self._pictures.popitem(last=False)[1].size_in_memory


def steps_to_keep(picture: Picture) -> KeptSteps | None:
    """What goes to the disk, so that the picture can be scrubbed and branched from another day too."""
    if picture.request is None or not picture.steps:
        return None
    previews = [(step.index, step.preview) for step in picture.steps]
    return KeptSteps(picture.request, previews, picture.records, picture.total)


def with_steps(picture: Picture, kept: KeptSteps) -> Picture | None:
    """`picture` with the steps that came from the disk; None where the seed says that they are another picture's."""
    if picture.recipe.seed not in {None, kept.request.seed}:
        return None
    steps = tuple(FormedStep(index, preview) for index, preview in kept.previews)
    return replace(picture, request=kept.request, steps=steps, records=kept.records, total=kept.total)
