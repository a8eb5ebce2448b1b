"""What the tests of the back ends share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from engine.backends.parts import Backend
from engine.pipelines.base import DiffusionPipeline
from tests.fixtures.stable_diffusion import stable_diffusion, stable_diffusion_xl

Pair = tuple[Any, Any]


def nothing() -> None:
    """Look at no flag."""


def with_backend(pipeline: DiffusionPipeline, backend: Backend) -> DiffusionPipeline:
    """A pipeline of the same class with the networks of a back end."""
    parts = {
        name: backend.part(name, part, nothing)
        for name, part in pipeline.components.items()
        if isinstance(part, torch.nn.Module)
    }
    return type(pipeline).from_pipe(pipeline, **parts)


@pytest.fixture(scope="module", params=["openvino", "onnx"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each back end in float32."""
    return Backend(request.param, "float32")


@pytest.fixture(scope="module")
def pairs(backend: Backend) -> Callable[[bool], Pair]:
    """A tiny Stable Diffusion, XL or not, in torch and in the back end; made once, compiled once."""
    made: dict[bool, Pair] = {}

    def pair(xl: bool) -> Pair:
        if xl not in made:
            pipeline = stable_diffusion_xl() if xl else stable_diffusion()
            made[xl] = pipeline, with_backend(pipeline, backend)
            for one in made[xl]:
                one.set_progress_bar_config(disable=True)
        return made[xl]

    return pair


@pytest.fixture(params=[False, True], ids=["SD", "XL"])
def pair(request: pytest.FixtureRequest, pairs: Callable[[bool], Pair]) -> Pair:
    """Both pipelines of a kind: in torch, and in the back end."""
    return pairs(request.param)
