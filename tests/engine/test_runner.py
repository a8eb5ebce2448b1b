"""Requests become events and files: whole, in order, the same each time, and nothing more."""

from __future__ import annotations

import shutil
import threading
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from engine.cancel import cancellable
from engine.errors import InvalidValue
from engine.messages import (
    Event,
    GenerateRequest,
    ImageDone,
    JobCancelled,
    JobDone,
    JobFailed,
    JobStarted,
    ModelLoaded,
    ModelLoading,
    StepDone,
)
from engine.metadata import read_recipe
from engine.pipelines.base import DiffusionPipeline
from engine.runner import Runner, run
from tests.fixtures.requests import small_request

E = TypeVar("E", bound=Event)


@pytest.fixture
def request_(tiny_sd_folder: Path, tmp_path: Path) -> GenerateRequest:
    """Three steps of a tiny model into an empty folder."""
    return small_request(tiny_sd_folder, tmp_path, previews=True, job_id="job")


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    """One runner for all tests, which keeps the model loaded."""
    runner = Runner()
    yield runner
    runner.release()


def names(folder: Path) -> list[str]:
    """The files in `folder`, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


def only(events: list[Event], kind: type[E]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


def test_the_order_of_events(request_: GenerateRequest) -> None:
    kinds = [type(event) for event in run(replace(request_, count=2))]
    picture = [StepDone, StepDone, StepDone, ImageDone]
    assert kinds == [JobStarted, ModelLoading, ModelLoaded, *picture, *picture, JobDone]


def test_steps_tell_progress_and_show_the_picture(runner: Runner, request_: GenerateRequest) -> None:
    list(runner.run(replace(request_, steps=1, name="first")))
    runner._loaded.previews.wait()  # pyright: ignore[reportPrivateUsage, reportOptionalMemberAccess]
    steps = only(list(runner.run(request_)), StepDone)
    assert [(step.image, step.index, step.total, step.job_id) for step in steps] == [(0, i, 3, "job") for i in range(3)]
    assert [step.timestep for step in steps] == sorted((step.timestep for step in steps), reverse=True)
    for step in steps:
        assert step.seconds > 0
        assert step.preview is not None
        assert len(step.preview.pixels) == 3 * step.preview.width * step.preview.height
    assert steps[0].preview != steps[-1].preview


def test_no_previews_when_not_asked_for(runner: Runner, request_: GenerateRequest) -> None:
    steps = only(list(runner.run(replace(request_, previews=False))), StepDone)
    assert [step.preview for step in steps] == [None] * 3


def test_the_picture_is_the_pipelines_own(runner: Runner, request_: GenerateRequest, tiny_sd_folder: Path) -> None:
    (done,) = only(
        list(
            runner.run(
                replace(request_, prompt_syntax="plain", negative_prompt="blue", guidance_rescale=0.5, clip_skip=1)
            )
        ),
        ImageDone,
    )
    expected = DiffusionPipeline.from_pretrained(tiny_sd_folder)(  # pyright: ignore[reportCallIssue]
        "a red apple",
        negative_prompt="blue",
        num_inference_steps=3,
        guidance_scale=5.0,
        guidance_rescale=0.5,
        clip_skip=1,
        generator=torch.Generator().manual_seed(7),
    ).images[0]
    with Image.open(done.path) as image:
        assert np.array_equal(np.asarray(image), np.asarray(expected))
    assert (done.thumbnail.width, done.thumbnail.height) == (32, 32)
    assert done.thumbnail.pixels == expected.tobytes()


def test_each_picture_can_be_made_again_alone(runner: Runner, request_: GenerateRequest) -> None:
    both = only(list(runner.run(replace(request_, count=2))), ImageDone)
    assert [Path(done.path).name for done in both] == ["apple.png", "apple-2.png"]
    again = only(list(runner.run(replace(request_, seed=8, name="again"))), ImageDone)[0]
    assert Path(again.path).read_bytes() == Path(both[1].path).read_bytes()
    assert Path(both[0].path).read_bytes() != Path(both[1].path).read_bytes()


def test_the_file_holds_the_recipe(runner: Runner, request_: GenerateRequest) -> None:
    (done,) = only(list(runner.run(replace(request_, scheduler="euler", sigma_schedule="karras"))), ImageDone)
    recipe = read_recipe(Path(done.path))
    assert recipe == done.recipe
    assert (recipe.prompt, recipe.seed, recipe.steps, recipe.scheduler) == ("a red apple", 7, 3, "euler")
    assert (recipe.sigma_schedule, recipe.model_name, recipe.device, recipe.dtype) == (
        "karras",
        "tiny",
        "cpu",
        "float32",
    )


def test_the_scheduler_of_one_job_leaves_no_trace_in_the_next(runner: Runner, request_: GenerateRequest) -> None:
    pictures: list[bytes] = []
    for scheduler, sigmas in (("ddim", "default"), ("euler", "karras"), ("ddpm", "default"), ("ddim", "default")):
        job = replace(request_, scheduler=scheduler, sigma_schedule=sigmas, on_existing="replace")
        (done,) = only(list(runner.run(job)), ImageDone)
        pictures.append(done.thumbnail.pixels)
    assert pictures[0] == pictures[3]
    assert len(set(pictures)) == 3


def test_the_model_stays_until_another_is_asked_for(request_: GenerateRequest, tmp_path: Path) -> None:
    runner = Runner()
    copy = shutil.copytree(request_.model, tmp_path / "copy")
    loads = [
        len(only(list(runner.run(job)), ModelLoaded))
        for job in (
            request_,
            replace(request_, steps=1),
            replace(request_, dtype="bfloat16"),
            replace(request_, model=str(copy)),
        )
    ]
    assert loads == [1, 0, 1, 1]
    runner.release()
    assert len(only(list(runner.run(request_)), ModelLoaded)) == 1


def test_two_models_are_never_in_memory_at_once(request_: GenerateRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Runner()
    list(runner.run(replace(request_, steps=1)))
    old = weakref.ref(runner._loaded.pipeline.unet)  # pyright: ignore[reportPrivateUsage, reportOptionalMemberAccess]
    gone: list[bool] = []
    load = DiffusionPipeline.from_pretrained

    def watched(*arguments: object, **options: object) -> object:
        gone.append(old() is None)
        return load(*arguments, **options)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(DiffusionPipeline, "from_pretrained", watched)
    list(runner.run(replace(request_, steps=1, dtype="bfloat16")))
    assert gone == [True]


def test_a_model_that_changed_on_disk_is_loaded_again(request_: GenerateRequest, tmp_path: Path) -> None:
    copy = shutil.copytree(request_.model, tmp_path / "copy")
    runner, job = Runner(), replace(request_, model=str(copy), steps=1)
    first = only(list(runner.run(job)), ImageDone)[0]
    config = copy / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace("0.012", "0.02"))
    events = list(runner.run(job))
    assert len(only(events, ModelLoaded)) == 1
    assert only(events, ImageDone)[0].recipe.model_fingerprint != first.recipe.model_fingerprint


def test_cancel_between_steps(runner: Runner, request_: GenerateRequest, tmp_path: Path) -> None:
    cancel, events = threading.Event(), []
    for event in runner.run(replace(request_, count=2), cancel):
        events.append(event)
        if isinstance(event, StepDone) and (event.image, event.index) == (1, 1):
            cancel.set()
    assert isinstance(events[-1], JobCancelled)
    assert len(only(events, StepDone)) == 5
    assert names(tmp_path) == ["apple.png"]  # announced before, complete, and it stays


def test_cancel_inside_a_step_and_inside_the_decoder(request_: GenerateRequest, tmp_path: Path) -> None:
    runner = Runner()
    list(runner.run(replace(request_, steps=1, name="warm")))
    pipeline = runner._loaded.pipeline  # pyright: ignore[reportPrivateUsage, reportOptionalMemberAccess]
    for part in (pipeline.text_encoder, pipeline.unet.mid_block, pipeline.vae.decoder.mid_block):
        cancel = threading.Event()
        handle = part.register_forward_pre_hook(lambda *_args, cancel=cancel: cancel.set())
        events = list(runner.run(replace(request_, prompt=type(part).__name__), cancel))
        handle.remove()
        assert isinstance(events[-1], JobCancelled)
        assert not only(events, ImageDone)
        assert not any(module._forward_pre_hooks for module in pipeline.unet.modules())
    assert names(tmp_path) == ["warm.png"]
    assert isinstance(list(runner.run(request_))[-1], JobDone)  # the pipeline is as good as before


def test_a_job_that_nobody_follows_any_more_leaves_no_hooks(request_: GenerateRequest, tmp_path: Path) -> None:
    runner = Runner()
    job = runner.run(request_)
    for event in job:
        if isinstance(event, StepDone):
            break
    job.close()  # pyright: ignore[reportAttributeAccessIssue]
    pipeline = runner._loaded.pipeline  # pyright: ignore[reportPrivateUsage, reportOptionalMemberAccess]
    assert not any(module._forward_pre_hooks for module in pipeline.unet.modules())
    assert names(tmp_path) == []
    with cancellable([pipeline.unet], threading.Event()):
        assert isinstance(list(runner.run(request_))[-1], JobDone)


def failure(job: GenerateRequest) -> JobFailed:
    last = list(run(job))[-1]
    assert isinstance(last, JobFailed)
    return last


def test_wrong_input_is_one_sentence(request_: GenerateRequest, tmp_path: Path) -> None:
    cases = {
        "does not exist": replace(request_, model=str(tmp_path / "none")),
        "multiple of 2": replace(request_, width=33),
        "folder": replace(request_, folder=str(tmp_path / "none")),
        "'cuda:77' is not present": replace(request_, device="cuda:77"),
        "clip_skip": replace(request_, clip_skip=11),
        "name pattern": replace(request_, name="{colour}"),
    }
    for words, job in cases.items():
        failed = failure(job)
        assert words in failed.message
        assert failed.wrong_input
        assert failed.report == ""
        assert "\n" not in failed.message
    assert names(tmp_path) == []


def test_damaged_models_are_named(request_: GenerateRequest, tmp_path: Path) -> None:
    weights = "unet/diffusion_pytorch_model.safetensors"

    def damaged(name: str) -> Path:
        return shutil.copytree(request_.model, tmp_path / name)

    cut, foreign, missing = damaged("cut"), damaged("foreign"), damaged("missing")
    (cut / weights).write_bytes((cut / weights).read_bytes()[:-100])
    shutil.copy(foreign / "vae/diffusion_pytorch_model.safetensors", foreign / weights)
    (missing / weights).unlink()
    for folder in (cut, foreign, missing):
        failed = failure(replace(request_, model=str(folder)))
        assert failed.wrong_input
        assert str(folder) in failed.message
    assert not list(tmp_path.glob("*.png"))


def test_steps_that_overflow_are_no_black_picture(request_: GenerateRequest, tmp_path: Path) -> None:
    folder = shutil.copytree(request_.model, tmp_path / "huge")
    weights = folder / "unet/diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    save_file(tensors | {"conv_out.weight": tensors["conv_out.weight"] * 1e38}, weights)
    failed = failure(replace(request_, model=str(folder)))
    assert "overflowed at guidance 5 in float32; take a lower guidance" in failed.message
    assert failed.wrong_input
    assert names(tmp_path) == ["huge"]


def test_existing_files_are_safe(runner: Runner, request_: GenerateRequest, tmp_path: Path) -> None:
    (tmp_path / "apple.png").write_bytes(b"precious")
    last = list(runner.run(replace(request_, on_existing="fail")))[-1]
    assert isinstance(last, JobFailed)
    assert "exists already" in last.message
    (done,) = only(list(runner.run(request_)), ImageDone)
    assert Path(done.path).name == "apple-2.png"
    assert (tmp_path / "apple.png").read_bytes() == b"precious"
    (done,) = only(list(runner.run(replace(request_, on_existing="replace"))), ImageDone)
    assert read_recipe(Path(done.path)) == done.recipe


def test_a_fault_of_ours_ends_one_job_with_a_report(
    request_: GenerateRequest, caplog: pytest.LogCaptureFixture
) -> None:
    runner = Runner()
    list(runner.run(replace(request_, steps=1, name="warm")))

    def broken(*_args: object) -> None:
        raise ZeroDivisionError("division by zero")

    unet = runner._loaded.pipeline.unet  # pyright: ignore[reportPrivateUsage, reportOptionalMemberAccess]
    handle = unet.register_forward_pre_hook(broken)
    failed = list(runner.run(request_))[-1]
    handle.remove()
    assert isinstance(failed, JobFailed)
    assert (failed.kind, failed.message, failed.wrong_input) == ("ZeroDivisionError", "division by zero", False)
    assert "Traceback" in failed.report
    assert "a job failed" in caplog.text
    assert isinstance(list(runner.run(request_))[-1], JobDone)


def test_too_little_memory_is_explained(request_: GenerateRequest) -> None:
    runner = Runner()
    list(runner.run(replace(request_, steps=1, name="warm")))
    unet = runner._loaded.pipeline.unet  # pyright: ignore[reportPrivateUsage, reportOptionalMemberAccess]
    handle = unet.register_forward_pre_hook(lambda *_args: torch.empty(2**55))
    failed = list(runner.run(request_))[-1]
    handle.remove()
    assert isinstance(failed, JobFailed)
    assert failed.kind == "OutOfMemory"
    assert "smaller size" in failed.message


def test_half_precision(runner: Runner, request_: GenerateRequest) -> None:
    (done,) = only(list(runner.run(replace(request_, dtype="bfloat16"))), ImageDone)
    assert done.recipe.dtype == "bfloat16"


def test_a_request_is_checked_when_it_is_made(request_: GenerateRequest) -> None:
    with pytest.raises(InvalidValue):
        replace(request_, steps=0)
