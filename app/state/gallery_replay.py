"""Making a picture once more from its recipe, and counting the pixels that differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from app.i18n import isolated
from app.state.gallery import GalleryState
from app.state.queue import QueueState
from app.state.recipe_fields import more_fields
from engine.catalog import scheduler_entry
from engine.errors import BadFile, InvalidValue, KnownError, MissingFile
from engine.messages import GenerateRequest, ImageDone, Recipe

_NEEDED = ("model", "scheduler", "steps", "guidance_scale", "seed", "width", "height")


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a picture differs from the one made again: so many of its pixels; `again` is the new file, "" if the same."""

    differing: int
    pixels: int
    again: str = ""


class Replay(QObject):
    """Replays one picture at a time through the queue.

    Signals:
        changed(bool): whether a replay is under way.
        finished(str, Comparison): the picture at this path was made again.
        failed(str): a sentence that says why it was not.
    """

    changed = Signal(bool)
    finished = Signal(str, object)
    failed = Signal(str)

    def __init__(self, gallery: GalleryState, queue: QueueState, folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._gallery = gallery
        self._queue = queue
        self._folder = folder
        self._job = ""
        self._preparing = False
        self._path = Path()
        queue.picture_ready.connect(self._made)
        queue.job_changed.connect(self._job_changed)
        queue.jobs_changed.connect(self._jobs_changed)

    @classmethod
    def of(cls, gallery: GalleryState, queue: QueueState) -> Replay:
        """The one that goes with `gallery`: a replay outlives the window, which another language makes anew."""
        found = (child for child in gallery.children() if isinstance(child, cls))
        return next(found, None) or cls(gallery, queue, gallery.replays, gallery)

    @property
    def running(self) -> bool:
        """Whether a replay is under way."""
        return self._preparing or bool(self._job)

    def start(self, path: Path, recipe: Recipe, *, device: str = "cpu") -> None:
        """Make the picture at `path` again; `failed` says where its recipe is not enough for that."""
        if self.running:
            return
        self._path, self._preparing = path, True
        folder = self._folder
        words = self.tr("The folder {folder} cannot be written to ({reason}); allow that, then replay.")

        def prepare() -> GenerateRequest:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                for old in folder.glob("*.png"):
                    old.unlink(missing_ok=True)
            except OSError as error:
                raise KnownError(words.format(folder=isolated(folder), reason=error.strerror)) from error
            return replay_request(recipe, folder, device)

        self._gallery.run(prepare, self._prepared, self._give_up)
        self.changed.emit(True)

    def _prepared(self, request: GenerateRequest) -> None:
        self._preparing = False
        self._job = self._queue.add(request)
        self._gallery.ignore_job(self._job)

    def _made(self, picture: ImageDone) -> None:
        if picture.job_id != self._job:
            return
        again = Path(picture.path)
        path = self._path
        self._gallery.run(lambda: compare(path, again), self._compared, self._give_up)

    def _compared(self, comparison: Comparison) -> None:
        self._end()
        self.finished.emit(str(self._path), comparison)

    def _jobs_changed(self) -> None:
        self._job_changed(self._job)

    def _job_changed(self, job_id: str) -> None:
        if not self._job or job_id != self._job:
            return
        job = self._queue.job(job_id)
        if job is None or job.status == "cancelled":
            self._give_up(self.tr("The replay was cancelled."))
        elif job.status == "failed":
            self._give_up(job.message)

    def _give_up(self, message: str) -> None:
        self._end()
        self.failed.emit(message)

    def _end(self) -> None:
        self._job, self._preparing = "", False
        self.changed.emit(False)


def replay_request(recipe: Recipe, folder: Path, device: str = "cpu") -> GenerateRequest:
    """The job that makes the picture of `recipe` again, in `folder`.

    Raises:
        InvalidValue: the recipe does not say enough, or names something that is not here.
    """
    missing = [name.replace("_", " ") for name in _NEEDED if getattr(recipe, name) in {None, ""}]
    if missing == ["model"] and recipe.model_name:
        raise InvalidValue(
            f"This picture was made with {recipe.model_name} in another program, which does not say where that model "
            "is; use its recipe, then choose the model."
        )
    if missing:
        raise InvalidValue(f"The recipe does not say the {' or the '.join(missing)}, so it cannot be replayed.")
    values: dict[str, Any] = {name: getattr(recipe, name) for name in _NEEDED}
    values["scheduler"] = scheduler_entry(str(recipe.scheduler)).name
    return GenerateRequest(
        **values,
        **_more(dict(recipe.extras)),
        prompt=recipe.prompt,
        negative_prompt=recipe.negative_prompt,
        sigma_schedule=recipe.sigma_schedule or "default",
        guidance_rescale=recipe.guidance_rescale or 0.0,
        clip_skip=recipe.clip_skip,
        device=recipe.device or device,
        dtype=recipe.dtype or "float32",
        folder=str(folder),
        name="{seed}-replay",
        previews=True,
    )


def _more(extras: dict[str, str]) -> dict[str, Any]:
    found, unread = more_fields(extras)
    for name in unread:
        raise InvalidValue(
            f"The recipe has {extras[name][:80]!r} for its {name.replace('_', ' ')}, which cannot be read, so "
            "it cannot be replayed."
        )
    for name in ("init_image", "mask_image"):
        if name in found and not Path(found[name]).is_file():
            raise MissingFile(
                f"This picture was made from {found[name]}, which is not there any more; put it back, then replay."
            )
    return found


def compare(first: Path, second: Path) -> Comparison:
    """Count the pixels in which two pictures differ; the second file is deleted where there are none.

    Raises:
        BadFile: one of them cannot be read.
    """
    from PIL import Image, ImageChops

    try:
        with Image.open(first) as one, Image.open(second) as other:
            if one.size != other.size:
                return Comparison(one.width * one.height, one.width * one.height, str(second))
            difference = ImageChops.difference(one.convert("RGB"), other.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise BadFile(f"The picture {first} cannot be compared ({error}); it is damaged or gone.") from error
    red, green, blue = difference.split()
    largest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    pixels = largest.width * largest.height
    differing = pixels - largest.histogram()[0]
    if not differing:
        second.unlink(missing_ok=True)
    return Comparison(differing, pixels, str(second) if differing else "")
