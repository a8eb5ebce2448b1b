"""Requests cannot be made with values that no picture can have, and events speak JSON."""

from __future__ import annotations

import json
import pickle
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from engine.errors import InvalidValue, UnknownName
from engine.messages import Bitmap, GenerateRequest, ImageDone, JobFailed, Recipe, StepDone

REQUEST = GenerateRequest(
    prompt="a red apple",
    model="/models/x",
    scheduler="ddim",
    steps=20,
    guidance_scale=5.0,
    seed=1,
    width=128,
    height=128,
    folder="/pictures",
)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": 0}, "number of steps 0 is out of range"),
        ({"steps": 1001}, "from 1 to 1000"),
        ({"steps": 2.5}, "must be a whole number, not 2.5"),
        ({"steps": True}, "not True"),
        ({"guidance_scale": float("nan")}, "guidance nan is out of range"),
        ({"guidance_scale": -1.0}, "guidance -1.0"),
        ({"guidance_rescale": 1.5}, "guidance rescale 1.5"),
        ({"seed": -1}, "seed -1"),
        ({"seed": 2**64}, "seed 18446744073709551616"),
        ({"seed": 2**64 - 1, "count": 2}, "seed 18446744073709551616"),
        ({"count": 0}, "number of pictures 0"),
        ({"width": 8}, "width 8"),
        ({"height": 100_000}, "height 100000"),
        ({"clip_skip": 0}, "skipped text encoder layers 0"),
        ({"device": "gpu"}, "device 'gpu' is unknown"),
        ({"dtype": "int8"}, "precision 'int8' is unknown"),
        ({"prompt": "x" * 20_001}, "20,001 characters"),
        ({"prompt": "x\0"}, "not text"),
        ({"negative_prompt": "\udcff"}, "negative prompt"),
        ({"sigma_schedule": "karras"}, "ddim has no sigma schedule 'karras'"),
    ],
)
def test_a_wrong_value_is_named_with_its_remedy(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidValue, match=r"[;,].* |choose") as caught:
        replace(REQUEST, **changes)
    assert words in str(caught.value)


def test_an_unknown_scheduler_lists_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="'foo' is unknown; choose one of ddim, euler"):
        replace(REQUEST, scheduler="foo")


def test_messages_are_frozen_and_travel() -> None:
    with pytest.raises(FrozenInstanceError):
        REQUEST.seed = 2  # pyright: ignore[reportAttributeAccessIssue]
    assert pickle.loads(pickle.dumps(REQUEST)) == REQUEST  # noqa: S301 - our own bytes
    assert hash(REQUEST) == hash(replace(REQUEST))


def test_events_as_json() -> None:
    bitmap = Bitmap(1, 1, b"abc")
    step = StepDone(job_id="j", image=0, index=1, total=4, timestep=750.0, seconds=0.5, preview=bitmap)
    assert step.to_json() == {
        "event": "step_done", "job_id": "j", "image": 0, "index": 1, "total": 4, "timestep": 750.0, "seconds": 0.5,
        "record": "",
    }  # fmt: skip
    done = ImageDone(
        job_id="j", image=0, path="/p.png", thumbnail=bitmap, recipe=Recipe(prompt="x", seed=0), seconds=1.0
    )
    assert json.loads(json.dumps(done.to_json()))["recipe"] == {"prompt": "x", "negative_prompt": "", "seed": 0}


def test_a_known_failure_carries_its_sentence() -> None:
    failed = JobFailed.known("j", InvalidValue("too big; choose less"), wrong_input=True)
    assert (failed.kind, failed.message, failed.report) == ("InvalidValue", "too big; choose less", "")
