"""Going on from a stored step: the same picture to the bit, or another one from where the first one stood."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from engine.catalog import EMBEDDED_MODEL, SCHEDULERS, model_folder, read_model
from engine.errors import BadFile, InvalidValue
from engine.messages import (
    BranchPoint,
    EngineSettings,
    Event,
    GenerateRequest,
    ImageDone,
    JobDone,
    JobFailed,
    Notice,
    StepDone,
)
from engine.models.deep_cache import FEATURES
from engine.records import RecordStore, StepState
from engine.run_record import coefficients
from engine.runner import Runner
from engine.switches import Switches

E = TypeVar("E", bound=Event)
STEPS = 5
EMBEDDED = read_model(model_folder(EMBEDDED_MODEL))
# Every entry that the embedded model can be sampled with; those of other models are in test_scheduler_state.py.
RUNS = [
    # Spacings change the levels, not what a state is made of: all of them are for the long run.
    pytest.param(entry.name, sigmas, marks=() if sigmas == "default" else pytest.mark.campaign)
    for entry in SCHEDULERS
    if entry.task == "text to image" and EMBEDDED.prediction in entry.predictions
    for sigmas in entry.sigma_schedules
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("branching")


@pytest.fixture(scope="module")
def runner(folder: Path) -> Runner:
    return Runner(EngineSettings(records=str(folder / "records")))


@pytest.fixture
def request_(tiny_sd_folder: Path, folder: Path) -> GenerateRequest:
    return GenerateRequest(
        prompt="a red apple",
        negative_prompt="blue",
        model=str(tiny_sd_folder),
        scheduler="ddim",
        steps=STEPS,
        guidance_scale=4.0,
        seed=11,
        width=32,
        height=32,
        folder=str(folder),
        name="picture",
        on_existing="replace",
        previews=False,
        record=True,
        job_id="job",
    )


def play(runner: Runner, request: GenerateRequest) -> list[Event]:
    events = list(runner.run(request))
    assert isinstance(events[-1], JobDone), events[-1]
    return events


def only(events: list[Event], kind: type[E]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


def pixels(events: list[Event]) -> np.ndarray:
    with Image.open(only(events, ImageDone)[0].path) as image:
        return np.asarray(image).copy()


@pytest.fixture(scope="module")
def embedded_runner(folder: Path) -> Runner:
    return Runner(EngineSettings(records=str(folder / "records")))


@pytest.mark.parametrize(("scheduler", "sigmas"), RUNS)
def test_nothing_changed_gives_the_same_picture(
    embedded_runner: Runner, request_: GenerateRequest, scheduler: str, sigmas: str
) -> None:
    """With the embedded model, after every step but the last."""
    runner = embedded_runner
    request = replace(
        request_,
        model=EMBEDDED_MODEL,
        width=EMBEDDED.width,
        height=EMBEDDED.height,
        scheduler=scheduler,
        sigma_schedule=sigmas,
    )
    whole = play(runner, request)
    steps, expected = only(whole, StepDone), pixels(whole)
    assert len(steps) >= STEPS
    for step in range(len(steps) - 1):
        branch = play(runner, replace(request, record=False, start=BranchPoint(steps[0].record, step)))
        assert np.array_equal(pixels(branch), expected), step
        assert [done.index for done in only(branch, StepDone)] == list(range(step + 1, len(steps)))
        assert [done.timestep for done in only(branch, StepDone)] == [done.timestep for done in steps[step + 1 :]]
        assert only(branch, Notice) == []


@pytest.mark.parametrize("task", ["image to image", "inpainting", "second pass"])
def test_the_same_picture_in_other_tasks(runner: Runner, request_: GenerateRequest, task: str, folder: Path) -> None:
    Image.new("RGB", (48, 32), "orange").save(folder / "start.png")
    mask = Image.new("L", (48, 32))
    mask.paste(255, (10, 0, 40, 32))
    mask.save(folder / "mask.png")
    changes = {
        "image to image": {"init_image": str(folder / "start.png"), "strength": 0.8},
        "inpainting": {"init_image": str(folder / "start.png"), "mask_image": str(folder / "mask.png")},
        "second pass": {"hires_scale": 1.5, "hires_strength": 0.7},
    }[task]
    request = replace(request_, scheduler="euler-a", **changes)
    whole = play(runner, request)
    steps, expected = only(whole, StepDone), pixels(whole)
    assert [step.index for step in steps] == list(range(steps[0].total))
    for step in range(len(steps)):
        branch = play(runner, replace(request, record=False, start=BranchPoint(steps[0].record, step)))
        assert np.array_equal(pixels(branch), expected), step


SWITCHES = [
    Switches(deep_cache=3),
    Switches(deep_cache=2),
    Switches(deep_cache=5),
    Switches(deep_cache=3, guidance_from=0.2, guidance_until=0.6),
    Switches(guidance_from=0.2, guidance_until=0.6),
    Switches(token_merging=0.5),
    Switches(unet_precision="float8", deep_cache=3),
]


@pytest.mark.parametrize(
    ("scheduler", "switches"),
    [
        pytest.param(
            scheduler,
            switches,
            id=f"{scheduler} {switches.to_json()}",
            marks=() if scheduler == "euler-a" or switches is SWITCHES[0] else pytest.mark.campaign,
        )
        for scheduler in ("euler-a", "heun", "dpmsolver++")
        for switches in SWITCHES
    ],
)
def test_the_same_picture_with_switches(
    runner: Runner, request_: GenerateRequest, scheduler: str, switches: Switches
) -> None:
    """Whatever is kept from step to step is kept in the record, too."""
    request = replace(request_, scheduler=scheduler, steps=8, switches=switches)
    whole = play(runner, request)
    steps, expected = only(whole, StepDone), pixels(whole)
    for step in range(len(steps) - 1):
        branch = play(runner, replace(request, record=False, start=BranchPoint(steps[0].record, step)))
        assert np.array_equal(pixels(branch), expected), step


def test_steps_share_what_deep_layers_made(runner: Runner, request_: GenerateRequest, folder: Path) -> None:
    """One whole call in three: of nine steps three are whole, and two after each need what it made."""
    request = replace(request_, steps=9, switches=Switches(deep_cache=3))
    record = only(play(runner, request), StepDone)[0].record
    with safe_open(folder / "records" / f"{record}.safetensors", framework="pt") as file:
        kept = [name for name in file.keys() if name.endswith(FEATURES)]  # noqa: SIM118 - no mapping
    assert len(kept) == 3
    states = [RecordStore(folder / "records", 10**9).get(record, step) for step in range(9)]
    assert [state is not None and FEATURES in state.carried for state in states] == [True, True, False] * 3


def test_a_branch_with_another_prompt_begins_whole(runner: Runner, request_: GenerateRequest) -> None:
    """What deep layers made of the first prompt is not used for the second."""
    request = replace(request_, switches=Switches(deep_cache=5))
    start = BranchPoint(only(play(runner, request), StepDone)[0].record, 2)
    branches = [
        pixels(play(runner, replace(request, prompt="a boat", switches=Switches(deep_cache=every), start=start)))
        for every in (5, 4)
    ]
    # Two steps are left: a whole one and a short one with either interval, but short and whole ones if it went on.
    assert np.array_equal(branches[0], branches[1])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ddim", "euler"),
        ("euler", "dpmsolver++"),
        ("dpmsolver++", "heun"),
        ("heun", "ddim"),
        ("lcm", "dpm2"),
        ("pndm", "unipc"),
    ],
)
def test_another_scheduler_goes_on_at_the_nearest_level(
    runner: Runner, request_: GenerateRequest, before: str, after: str
) -> None:
    first = replace(request_, scheduler=before)
    record = only(play(runner, first), StepDone)[0].record
    events = play(runner, replace(first, scheduler=after, steps=12, start=BranchPoint(record, 2)))
    (notice,) = only(events, Notice)
    assert "noise level" in notice.message
    steps = only(events, StepDone)
    assert 0 < steps[0].index < steps[0].total
    # What was formed stays: the picture is nearer to the first one than one of another seed is.
    assert len(steps) == steps[0].total - steps[0].index


def test_levels_meet(runner: Runner, request_: GenerateRequest) -> None:
    """The latents of one scheduler, scaled, are those of another at the same level: a and b of x = a x_0 + b n."""
    from engine.queries import make_scheduler

    config = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1}
    for name in ("ddim", "euler", "dpmsolver++", "heun"):
        scheduler = make_scheduler(name, "default", config)
        scheduler.set_timesteps(10)
        levels = [coefficients(scheduler, place)[1] for place in range(len(scheduler.timesteps))]
        assert levels == sorted(levels, reverse=True)
        assert coefficients(scheduler, len(scheduler.timesteps)) == (1.0, 0.0)
        assert scheduler.begin_index is None
        assert (coefficients(scheduler, 0)[0] == 1.0) == (name in {"euler", "heun"})


def test_other_prompt_guidance_or_seed_changes_the_rest(runner: Runner, request_: GenerateRequest) -> None:
    whole = play(runner, request_)
    start = BranchPoint(only(whole, StepDone)[0].record, 2)
    for change in ({"prompt": "a boat"}, {"guidance_scale": 9.0}, {"seed": 12}):
        branch = play(runner, replace(request_, start=start, **change))
        assert not np.array_equal(pixels(branch), pixels(whole)) or only(branch, StepDone)[0].index == 3


def test_where_the_state_is_gone_the_steps_are_made_again(
    runner: Runner, request_: GenerateRequest, folder: Path
) -> None:
    request = replace(request_, scheduler="ddpm")
    whole = play(runner, request)
    expected, record = pixels(whole), only(whole, StepDone)[0].record
    (folder / "records" / f"{record}.safetensors").unlink()
    branch = play(runner, replace(request, start=BranchPoint(record, 3)))
    assert np.array_equal(pixels(branch), expected)
    assert "made again" in only(branch, Notice)[0].message
    assert [step.index for step in only(branch, StepDone)] == [4]
    # A branch of a branch, whose state is gone too.
    second = only(branch, StepDone)[0].record
    (folder / "records" / f"{second}.safetensors").unlink()
    again = play(runner, replace(request, start=BranchPoint(second, 4)))
    assert np.array_equal(pixels(again), expected)


def test_a_branch_from_nowhere_says_so(runner: Runner, request_: GenerateRequest) -> None:
    failed = list(runner.run(replace(request_, start=BranchPoint("nothing", 1))))[-1]
    assert isinstance(failed, JobFailed)
    assert (failed.report, "no longer stored" in failed.message) == ("", True)
    record = only(play(runner, request_), StepDone)[0].record
    failed = list(runner.run(replace(request_, start=BranchPoint(record, STEPS))))[-1]
    assert isinstance(failed, JobFailed)
    assert "no step 6" in failed.message
    failed = list(Runner().run(replace(request_, start=BranchPoint(record, 1))))[-1]
    assert isinstance(failed, JobFailed)
    assert "switch the records on" in failed.message


# ---------------------------------------------------------------------------------------------------- the store


def state(index: int) -> StepState:
    latents = torch.full((1, 4, 8, 8), float(index))
    return StepState(
        index, 0, latents, None, {"n": index, "x": float("inf")}, {"0": latents + 1}, torch.zeros(3).byte()
    )


def test_the_store_gives_back_what_it_took(tmp_path: Path, request_: GenerateRequest) -> None:
    store = RecordStore(tmp_path / "records", 10**9)
    request = replace(request_, start=BranchPoint("a", 3), clip_skip=2)
    store.put("key", request, [state(0), state(4)])
    got = store.get("key", 4)
    assert got is not None
    assert torch.equal(got.latents, torch.full((1, 4, 8, 8), 4.0))
    assert (got.scheduler, got.clean) == ({"n": 4, "x": float("inf")}, None)
    assert torch.equal(got.scheduler_tensors["0"], got.latents + 1)
    assert store.get("key", 1) is None
    assert store.get("other", 0) is None
    assert store.request("key") == request
    with pytest.raises(BadFile, match="no longer stored"):
        store.request("other")
    with pytest.raises(InvalidValue):
        store.get("../key", 0)


def test_the_oldest_go_first_and_their_requests_stay(tmp_path: Path, request_: GenerateRequest) -> None:
    import os

    store = RecordStore(tmp_path, 10**9)
    for number in range(5):
        store.put(f"key{number}", request_, [state(0)])
        for path in tmp_path.glob(f"key{number}.*"):
            os.utime(path, (number, number))
    size = (tmp_path / "key0.safetensors").stat().st_size
    store.limit_bytes = store.bytes_used - size - 1
    store.trim()
    assert [store.get(f"key{number}", 0) is not None for number in range(5)] == [False, False, True, True, True]
    assert store.request("key0") == request_
    store.limit_bytes = 0
    store.put("last", request_, [state(0)])
    assert store.get("last", 0) is not None
    assert {path.stem for path in tmp_path.iterdir()} == {"last"}


def test_a_damaged_record_counts_as_gone(tmp_path: Path, request_: GenerateRequest) -> None:
    store = RecordStore(tmp_path, 10**9)
    store.put("key", request_, [state(0)])
    path = tmp_path / "key.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    assert store.get("key", 0) is None
    assert not path.exists()
