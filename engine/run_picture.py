"""One picture of a job: its passes, step by step, with cancelling, previews and records."""

from __future__ import annotations

import inspect
import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from engine.cancel import cancellable
from engine.device_queue import Mark, copied, steps_behind
from engine.errors import BugError, Cancelled, InvalidValue
from engine.heap import return_memory, tensors_apart, trim_heap
from engine.memory import PLANS, MemoryPlan
from engine.messages import Bitmap, EngineSettings, Event, GenerateRequest, Notice, StepDone
from engine.models.exact import Win, without
from engine.pipelines.step import ResumePoint, Step
from engine.run_memory import apply_plan
from engine.run_model import Loaded
from engine.run_passes import FIRST, SECOND, Pass, images_of, passes_of
from engine.run_prompt import Prompted, conditions, read_prompt
from engine.run_record import Branch, Recorder, begin, store_of
from engine.run_switches import apply_switches, found_meanwhile

if TYPE_CHECKING:
    from PIL.Image import Image

OVERFLOWED = "The autoencoder overflows in float16, so it works in float32 until the model is loaded again."


@dataclass(frozen=True)
class Job:
    """What all pictures of a job have in common, as long as the memory suffices for `plan`.

    Attributes:
        frugal: the system has refused memory before, so that no freed memory is kept.
    """

    loaded: Loaded
    request: GenerateRequest
    cancel: threading.Event
    settings: EngineSettings
    plan: MemoryPlan
    frugal: bool = False

    def let_work(self, *groups: str) -> None:
        """Have the parts of these groups in memory, and out of it what the plan says."""
        self.loaded.residency.let_work(self.plan, *groups)


class Making:
    """The making of picture `image` of a job, in one attempt or, where the memory does not suffice, in two.

    Attributes:
        prompted: the texts that made it.
    """

    def __init__(self, image: int) -> None:
        self.image = image
        self.prompted: Prompted | None = None
        self._told = False  # what switches cannot do here
        self._picture: _Picture | None = None

    @property
    def phase(self) -> str:
        """What it is at: "encoding", "denoising" or "decoding"."""
        return "encoding" if self._picture is None else self._picture.phase

    def attempt(self, job: Job) -> Generator[Event, None, Image]:
        """Make the picture, yielding its steps; what a former attempt has done of them stays done."""
        request, loaded = job.request, job.loaded
        seed = request.seed + self.image
        apply_plan(loaded.pipeline, job.plan)
        told = apply_switches(loaded.pipeline, loaded.final, request.switches, loaded.device, job.plan)
        if told and self.image == 0 and not self._told:
            self._told = True
            yield Notice(job_id=request.job_id, message=told)
        with cancellable(loaded.modules, job.cancel, loaded.device), _frugally(job):
            _look(job)
            if self._picture is None or not self._picture.has_latents:
                self._picture = None
                job.let_work("text")
                prompted = read_prompt(loaded, request, seed, job.settings, lambda: job.let_work("text", "denoiser"))
                for notice in prompted.notices if self.image == 0 and self.prompted is None else ():
                    yield Notice(job_id=request.job_id, message=notice)
                self.prompted = prompted
                branch = yield from _branch(job)
                self._picture = _Picture(job, self.image, seed, prompted, branch)
            picture = yield from self._picture.make(job)
            found = found_meanwhile(loaded.pipeline) if request.switches.compiled else ""
            if found and self.image == 0 and not self._told:
                yield Notice(job_id=request.job_id, message=found)
            return picture


class _Picture:
    """The making of one picture, which is in one `phase` after the other."""

    def __init__(self, job: Job, image: int, seed: int, prompted: Prompted, branch: Branch | None) -> None:
        self.job, self.image, self.seed, self.prompted, self.branch = job, image, seed, prompted, branch
        store = store_of(job.settings) if job.request.record else None
        self.recorder = Recorder(store, replace(job.request, seed=seed, count=1)) if store else None
        self.generator = torch.Generator("cpu").manual_seed(seed)
        self.passes = passes_of(job.loaded, job.request)
        self.lengths = [one.length(job.loaded, job.request) for one in self.passes]
        self.phase = "encoding"
        self._begun = self._branch_pass()
        self._picture: Image | None = None  # of the pass before
        self._latents: torch.Tensor | None = None  # kept until the picture is a file: a decoder may run out of memory

    @property
    def has_latents(self) -> bool:
        """Whether the steps of a pass are done, and only its decoder has to work again."""
        return self._latents is not None

    def make(self, job: Job) -> Generator[Event, None, Image]:
        self.job = job
        planned = {} if self.has_latents else self._encoded()
        try:
            for one in self.passes[self._begun :]:
                if self._latents is None:
                    self._enter("denoising")
                    self._latents = yield from self._run(one, self._picture, planned[one.number])
                self._enter("decoding")
                picture = yield from self._decode(one)
                if one is self.passes[-1]:
                    return picture
                self._picture, self._latents, self._begun = picture, None, self._begun + 1
                planned = planned or self._encoded()
        finally:
            if self.recorder is not None:
                self.recorder.write()
        raise BugError("a picture without a pass")

    def _enter(self, phase: str) -> None:
        self.phase = phase
        if phase == "decoding":
            # What the steps let go of is kept, and the decoder needs most of all. A GPU's is used by the decoder, too.
            resident = self.job.loaded.device.type != "cpu" and not self.job.plan.in_turn
            trim_heap() if resident else return_memory()

    def _encoded(self) -> dict[int, Any]:
        """Encode the prompts of all passes that are to come, at once where the text encoders leave afterwards."""
        request, loaded = self.job.request, self.job.loaded
        planned: dict[int, Any] = {}
        self.job.let_work("text", *self._adapted)
        for one in self.passes[self._begun :]:
            before = request.steps if one.number == SECOND else 0
            ahead = self.job.plan.text_released
            planned[one.number] = conditions(
                loaded, request, self.prompted, self.job.settings, one.steps, before, ahead=ahead
            )
        return planned

    @property
    def _adapted(self) -> tuple[str, ...]:
        """The denoiser where it has adapters, which it would lose by leaving before its last step."""
        return ("denoiser",) if self.prompted.adapters else ()

    def _branch_pass(self) -> int:
        return SECOND if self.branch is not None and self.branch.state.first else FIRST

    def _run(self, one: Pass, picture: Image | None, planned: Any) -> Generator[Event, None, torch.Tensor]:
        job, request, loaded = self.job, self.job.request, self.job.loaded
        resume: ResumePoint | None = None
        starts = ("denoiser", "vae") if one.strength is not None else ("denoiser",)
        job.let_work(*starts)
        scheduler, _ = one.scheduler(loaded, request)
        if self.branch is not None and one.number == self._branch_pass():
            scheduler, self.generator, start = begin(
                self.branch, request, self.seed, lambda of: one.scheduler(loaded, of), loaded.device
            )
            resume = start.resume
            if start.notice:
                yield Notice(job_id=request.job_id, message=start.notice)
        one.pipeline.scheduler = scheduler
        arguments, unknown = self._arguments(one, picture, resume, planned)
        if unknown:
            yield Notice(job_id=request.job_id, message=unknown)
        steps: Generator[Step, None, Any] = one.pipeline.steps(**arguments)
        # What a GPU is at is told when it has the next step to do: it never waits for Python, nor Python far behind it.
        untold: deque[Callable[[], StepDone]] = deque()
        with self._kept_memory(), closing(steps):
            while True:
                _look(job)
                began = Mark(loaded.device)
                try:
                    step = next(steps)
                except StopIteration as end:
                    yield from (tell() for tell in untold)
                    return _sound(end.value.images, request, loaded.key.dtype)
                job.let_work("denoiser")
                untold.append(self._telling(one, step, began))
                if len(untold) > steps_behind(loaded.device):
                    yield untold.popleft()()

    def _decode(self, one: Pass) -> Generator[Event, None, Image]:
        before = one.pipeline.vae.dtype
        picture = self._decoded(one)
        if one.pipeline.vae.dtype != before:
            yield Notice(job_id=self.job.request.job_id, message=OVERFLOWED)
        return picture

    def _kept_memory(self) -> AbstractContextManager[None]:
        """Keep no freed memory between the steps under plans for little of it; decoders give back what they kept."""
        return nullcontext() if self.job.plan == PLANS[0] else without(Win.KEPT_MEMORY)

    def _decoded(self, one: Pass) -> Image:
        if self._latents is None:
            raise BugError("nothing to decode")
        _look(self.job)
        if one is not self.passes[-1]:
            self.job.let_work("vae", *self._adapted)
            return one.pipeline.decode(self._latents).images[0]
        final = self.job.loaded.final
        self.job.let_work(*([] if final.modules else ["vae"]))
        with cancellable(final.modules, self.job.cancel, self.job.loaded.device):
            return final.decode(one.pipeline, self._latents).images[0]

    def _telling(self, one: Pass, step: Step, began: Mark) -> Callable[[], StepDone]:
        """Keep what there is to tell of `step`, and return what waits for it and tells it."""
        request, recorder, device = self.job.request, self.recorder, self.job.loaded.device
        made = Mark(device)
        first = sum(self.lengths[: one.number])
        if recorder is not None:
            recorder.take(step, first + step.index, first, one.pipeline.scheduler, self.generator)
        index, timestep = first + step.index, copied(step.timestep)
        preview = self._preview(step) if request.previews else None
        shown = Mark(device)

        def tell() -> StepDone:
            shown.wait()
            return StepDone(
                job_id=request.job_id,
                image=self.image,
                index=index,
                total=sum(self.lengths),
                timestep=float(timestep),
                seconds=made.seconds_since(began),
                preview=None if preview is None else preview(),
                record="" if recorder is None else recorder.key,
            )

        return tell

    def _preview(self, step: Step) -> Callable[[], Bitmap | None]:
        return self.job.loaded.previews(_clean(step), fine=self.job.settings.fine_previews)

    def _arguments(
        self, one: Pass, picture: Image | None, resume: ResumePoint | None, planned: Any
    ) -> tuple[dict[str, Any], str]:
        """Return what the pipeline is called with, and a sentence on what it does not take."""
        request = self.job.request
        accepted = inspect.signature(type(one.pipeline).__call__).parameters
        values: dict[str, Any] = {
            "num_inference_steps": one.steps,
            "guidance_scale": request.guidance_scale,
            "generator": self.generator,
            "output_type": "latent",
            "width": one.width,
            "height": one.height,
        }
        if request.guidance_rescale:
            values["guidance_rescale"] = request.guidance_rescale
        if planned is None:
            values |= {"prompt": self.prompted.prompt, "clip_skip": request.clip_skip}
            values |= {"negative_prompt": self.prompted.negative or None}
        if one.strength is not None:
            values["strength"] = one.strength
            values |= images_of(request, one, picture)
        unknown = "guidance_rescale" in values and "guidance_rescale" not in accepted
        told = "This kind of run knows no guidance rescale; it is left out." if unknown and self.image == 0 else ""
        values = {name: value for name, value in values.items() if name in accepted}
        return values | {"conditioning": planned, "resume": resume, "switches": request.switches}, told


@contextmanager
def _frugally(job: Job) -> Generator[None]:
    """Give all that is freed back at once where the job is frugal."""
    if not job.frugal:
        yield
        return
    with without(Win.KEPT_MEMORY), tensors_apart():
        yield


def _look(job: Job) -> None:
    if job.cancel.is_set():
        raise Cancelled


def _sound(latents: torch.Tensor, request: GenerateRequest, dtype: str) -> torch.Tensor:
    """Give the latents back, unless they are no numbers any more: of those the decoder makes a black picture."""
    if not latents.isfinite().all():
        raise InvalidValue(
            f"The steps overflowed at guidance {request.guidance_scale:g} in {dtype}; take a lower guidance, float32 "
            "or another scheduler."
        )
    return latents


def _clean(step: Step) -> torch.Tensor:
    """What the model takes the finished picture to be; PNDM does not say, and its samples come close to it."""
    return step.latents if step.pred_original_sample is None else step.pred_original_sample


# ---------------------------------------------------------------------------------------------------- branches


def _branch(job: Job) -> Generator[Event, None, Branch | None]:
    """Find the state that the job starts from, making the steps up to it again where it is gone."""
    start = job.request.start
    if start is None:
        return None
    store = store_of(job.settings)
    if store is None:
        raise InvalidValue("No steps are kept, so that there is none to branch from; switch the records on.")
    origin = store.request(start.record)
    state = store.get(start.record, start.step)
    if state is None:
        yield Notice(job_id=job.request.job_id, message="The state of that step is gone; the steps are made again.")
        yield from _replay(job, origin, start.record, start.step)
        state = store.get(start.record, start.step)
    if state is None:
        raise InvalidValue(f"The picture has no step {start.step + 1} to branch from; choose an earlier one.")
    return Branch(state, origin)


def _replay(job: Job, origin: GenerateRequest, key: str, last: int) -> Generator[Event, None, None]:
    """Make the steps of `origin` up to number `last` again, and keep them under the same key."""
    store = store_of(job.settings)
    again = replace(job, request=replace(origin, record=True, previews=False))
    prompted = read_prompt(job.loaded, origin, origin.seed, job.settings, lambda: job.let_work("text", "denoiser"))
    branch = yield from _branch(again)
    picture = _Picture(again, 0, origin.seed, prompted, branch)
    if store is not None:
        picture.recorder = Recorder(store, origin, key)
    with closing(picture.make(again)) as events:
        for event in events:
            if isinstance(event, StepDone) and event.index >= last:
                break
    # The adapters of the origin are off again, those of the branch on.
    read_prompt(job.loaded, job.request, job.request.seed, job.settings, lambda: job.let_work("text", "denoiser"))
