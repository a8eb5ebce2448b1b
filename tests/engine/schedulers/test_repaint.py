"""What every scheduler keeps, of the one whose step needs a picture and a mask."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.errors import CallOrder, ConfigError, InvalidValue
from engine.schedulers import RePaintScheduler

SHAPE = (2, 3, 5, 4)


def run(scheduler: Any, seed: int = 0, dtype: torch.dtype = torch.float32, device: str = "cpu") -> list[Tensor]:
    """Return the samples of a short run with jumps."""
    scheduler.set_timesteps(6, jump_length=2, jump_n_sample=2, device=device)
    draw = torch.Generator().manual_seed(seed)
    picture, x = torch.randn(2, *SHAPE, generator=draw).to(device, dtype)
    mask = (torch.rand(SHAPE, generator=draw) > 0.5).to(device, dtype)
    table, samples = scheduler.timesteps, [x]
    # Where the run goes up is known from the places alone, and read from no device.
    places = [int(t) for t in scheduler._timetable]
    for place, timestep in enumerate(table):
        if place and places[place] > places[place - 1]:
            x = scheduler.undo_step(x, table[place - 1], draw)
        else:
            out = scheduler.step(0.5 * x, timestep, x, picture, mask, generator=draw)
            assert out.pred_original_sample.shape == SHAPE
            assert out.pred_original_sample.dtype == dtype
            x = out.prev_sample
        assert (x.shape, x.dtype) == (SHAPE, dtype)
        samples.append(x)
    return samples


def same(ours: list[Tensor], others: list[Tensor]) -> bool:
    """Whether two runs are equal to the last bit."""
    return all(torch.equal(a, b) for a, b in zip(ours, others, strict=True))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_shape_and_dtype_are_kept(dtype: torch.dtype) -> None:
    assert all(x.isfinite().all() for x in run(RePaintScheduler(eta=1.0), dtype=dtype))


def test_same_seed_same_result_and_runs_leave_no_trace() -> None:
    scheduler = RePaintScheduler(eta=0.5)
    first = run(scheduler)
    assert same(run(copy.deepcopy(scheduler)), first)
    assert same(run(scheduler), first)
    assert not same(run(scheduler, seed=1), first)


def test_save_and_load(tmp_path: Path) -> None:
    scheduler = RePaintScheduler(eta=0.3, clip_sample=False, num_train_timesteps=800)
    scheduler.save_pretrained(tmp_path)
    loaded = RePaintScheduler.from_pretrained(tmp_path)
    assert loaded.config == scheduler.config
    assert same(run(loaded), run(scheduler))
    assert json.loads((tmp_path / "scheduler_config.json").read_text())["_class_name"] == "RePaintScheduler"


def test_what_to_call_first_and_what_it_cannot_take() -> None:
    x = torch.zeros(SHAPE)
    for call in (
        lambda: RePaintScheduler().step(x, 500, x, x, x),
        lambda: RePaintScheduler().undo_step(x, 500),
    ):
        with pytest.raises(CallOrder, match="set_timesteps"):
            call()
    with pytest.raises(InvalidValue, match=r"eta cannot be 1\.5"):
        RePaintScheduler(eta=1.5)
    with pytest.raises(ConfigError, match="beta_schedule"):
        RePaintScheduler(beta_schedule="quadratic")  # pyright: ignore[reportArgumentType]
    for steps in (0, 1001):
        with pytest.raises(InvalidValue, match=str(steps)):
            RePaintScheduler().set_timesteps(steps)


def test_outputs_are_tuples_too() -> None:
    scheduler = RePaintScheduler()
    scheduler.set_timesteps(10)
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    call = (x, scheduler.timesteps[0], x, x, torch.ones(SHAPE))
    out = scheduler.step(*call, generator=torch.Generator().manual_seed(0))
    pair = scheduler.step(*call, generator=torch.Generator().manual_seed(0), return_dict=False)
    assert type(pair) is tuple
    assert same(list(pair), list(out.to_tuple()))  # pyright: ignore[reportAttributeAccessIssue]


def test_no_step_reads_from_the_device() -> None:
    """A meta tensor has no value: any transfer to the CPU inside a step would raise."""
    assert run(RePaintScheduler(eta=1.0), device="meta")[-1].device.type == "meta"
