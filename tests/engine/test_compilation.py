"""Compiled blocks: the same pictures, one compilation for all blocks alike, cancel between them, and no compiler."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engine.cancel import cancellable
from engine.errors import Cancelled
from engine.messages import ImageDone, Notice
from engine.models.attention import BasicTransformerBlock
from engine.models.compilation import (
    compile_blocks,
    compiler_problem,
    failed_compiling,
    is_region,
    undo_compiling,
)
from engine.models.resnet import ResnetBlock2D
from engine.pipelines.base import DiffusionPipeline
from engine.run_memory import is_out_of_memory
from engine.runner import Runner
from engine.switches import Switches
from tests.fixtures.requests import small_request

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
# torch's compiler uses parts of torch that are to go.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
needs_compiler = pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler here")


@pytest.fixture
def unet(tiny_sd_folder: Path) -> Iterator[Any]:
    """A tiny network."""
    pipeline: Any = DiffusionPipeline.from_pretrained(tiny_sd_folder)
    yield pipeline.unet
    torch.compiler.reset()


def predict(unet: Any, value: float = 1.0) -> torch.Tensor:
    prompt = torch.ones(1, 3, unet.config.cross_attention_dim)
    with torch.no_grad():
        return unet(torch.full((1, 4, 8, 8), value), 5, prompt).sample


@needs_compiler
@pytest.mark.campaign
def test_compiled_blocks_give_the_same(unet: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    plain = predict(unet)
    compile_blocks(unet, CPU)
    torch.testing.assert_close(predict(unet), plain, atol=1e-5, rtol=1e-4)
    assert any((tmp_path / "compiled").iterdir())


def test_regions_share_their_code_and_can_be_undone(unet: Any) -> None:
    """With a backend that only reads the code: compiling it takes minutes on a processor."""
    plain, state = predict(unet), list(unet.state_dict())
    compile_blocks(unet, CUDA, backend="eager")
    regions = [module for module in unet.modules() if is_region(module)]
    assert len(regions) > 2
    assert list(unet.state_dict()) == state
    torch._dynamo.utils.counters.clear()  # pyright: ignore[reportPrivateImportUsage]
    torch.testing.assert_close(predict(unet), plain, atol=1e-5, rtol=1e-4)
    counters = torch._dynamo.utils.counters  # pyright: ignore[reportPrivateImportUsage]
    compiled = counters["stats"]["unique_graphs"]
    assert 0 < compiled < len(regions)  # blocks of one size share their code
    # The hooks of cancelling stay outside: nothing is compiled anew for them.
    cancel = threading.Event()
    with cancellable([unet], cancel):
        predict(unet, 2.0)
        assert counters["stats"]["unique_graphs"] == compiled
        looked: list[int] = []
        last = regions[-1].register_forward_pre_hook(lambda _module, _inputs: looked.append(1))
        first = regions[0].register_forward_pre_hook(lambda _module, _inputs: cancel.set())
        with pytest.raises(Cancelled):
            predict(unet)
        assert looked == []
        last.remove()
        first.remove()
    undo_compiling(unet)
    assert not any(is_region(module) for module in unet.modules())
    assert torch.equal(predict(unet), plain)


def test_on_a_processor_residual_blocks_stay_as_they_are_written(unet: Any) -> None:
    compile_blocks(unet, CPU, backend="eager")
    blocks = [module for module in unet.modules() if isinstance(module, ResnetBlock2D | BasicTransformerBlock)]
    assert {type(block) for block in blocks if is_region(block)} == {BasicTransformerBlock}
    assert {type(block) for block in blocks if not is_region(block)} == {ResnetBlock2D}


def broken(_graph: Any, _inputs: Any) -> Any:
    raise ValueError("no such instruction")


def short_of_memory(_graph: Any, _inputs: Any) -> Any:
    raise RuntimeError("CUDA out of memory")


def test_a_block_that_cannot_be_compiled_runs_as_it_is_written(unet: Any) -> None:
    plain = predict(unet)
    compile_blocks(unet, CUDA, backend=broken)
    assert torch.equal(predict(unet), plain)
    assert "no such instruction" in failed_compiling(unet)
    assert not any(is_region(module) for module in unet.modules())


def test_a_compiler_short_of_memory_is_not_taken_for_a_broken_one(unet: Any) -> None:
    compile_blocks(unet, CUDA, backend=short_of_memory)
    with pytest.raises(RuntimeError, match="out of memory") as raised:
        predict(unet)
    assert is_out_of_memory(raised.value)
    assert failed_compiling(unet) == ""
    undo_compiling(unet)


def test_without_a_compiler_the_picture_is_made_and_the_user_told(
    tiny_sd_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch._inductor import config

    monkeypatch.setattr(config.cpp, "cxx", (str(tmp_path / "no-compiler"),))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    compiler_problem.cache_clear()
    torch.compiler.reset()
    request = small_request(tiny_sd_folder, tmp_path, steps=2, switches=Switches(compiled=True))
    runner = Runner()
    try:
        events = list(runner.run(replace(request, count=2)))
        plain = list(runner.run(replace(request, switches=Switches())))
    finally:
        runner.release()
        compiler_problem.cache_clear()
        torch.compiler.reset()
    notices = [event.message for event in events if isinstance(event, Notice)]
    assert len(notices) == 1
    assert "Nothing can be compiled here" in notices[0]
    assert "compiler" in notices[0].lower().replace("compiled here", "")
    (first, _), (other,) = ([e.path for e in each if isinstance(e, ImageDone)] for each in (events, plain))
    with Image.open(first) as one, Image.open(other) as two:
        assert np.array_equal(np.asarray(one), np.asarray(two))
