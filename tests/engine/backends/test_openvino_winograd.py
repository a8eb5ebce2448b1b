"""Convolutions of OpenVINO models by fewer multiplications: which are rewritten, and that they stay the same."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.backends import packages
from engine.backends.export import write_openvino
from engine.backends.graphs import Inputs, graphs_of
from engine.backends.openvino_session import OpenVinoSession, computes_in
from engine.backends.openvino_winograd import form_for, rewrite_convolutions
from engine.errors import Cancelled
from engine.models.convolution import WINOGRAD_CHANNELS, WINOGRAD_THREADS
from engine.models.exact import Win, without
from engine.models.unet_2d_condition import UNet2DConditionModel
from engine.models.winograd import TILES_OF_2, TILES_OF_4, Form

pytestmark = pytest.mark.usefixtures("few_threads")

WIDE = WINOGRAD_CHANNELS
ANY = -1


def model_of(shape: list[int], kernel: np.ndarray[Any, Any], stride: int = 1, pads: tuple[int, int] = (1, 1)) -> Any:
    """One convolution of an image of `shape`."""
    op, openvino = packages.openvino_operations(), packages.openvino()
    image = op.parameter(shape, np.float32)
    result = op.convolution(image, kernel, [stride] * 2, [pads[0]] * 2, [pads[1]] * 2, [1, 1])
    return openvino.Model([result], [image])


def kernel_of(out_channels: int = WIDE, channels: int = WIDE, side: int = 3) -> np.ndarray[Any, Any]:
    values = np.random.default_rng(0).standard_normal((out_channels, channels, side, side))
    return (values / np.sqrt(channels * side**2)).astype(np.float32)


def operations(model: Any) -> list[str]:
    return [node.get_type_name() for node in model.get_ops()]


@pytest.mark.parametrize(
    ("form", "height", "width"),
    [
        *((TILES_OF_4, *size) for size in ((40, 40), (41, 42), (39, 43), (80, 20))),
        *((TILES_OF_2, *size) for size in ((20, 20), (19, 21))),
    ],
)
@pytest.mark.parametrize("batch", [1, ANY])
def test_what_is_rewritten_computes_the_same(form: Form, height: int, width: int, batch: int, tmp_path: Path) -> None:
    kernel = kernel_of(WIDE + 8)
    model = model_of([batch, WIDE, height, width], kernel)
    terms = rewrite_convolutions(model, tmp_path, nothing)
    assert terms is not None
    terms.file.close()  # what is mapped of it stays
    number = kernel[0, 0].size
    assert terms.added == kernel.nbytes * (len(form.kernel_terms) ** 2 - number) // number
    assert "Convolution" not in operations(model)
    openvino = packages.openvino()
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for pictures in (1, 2) if batch == ANY else (batch,):
        image = torch.randn(pictures, WIDE, height, width, generator=torch.Generator().manual_seed(1))
        exact = torch.nn.functional.conv2d(image.double(), torch.from_numpy(kernel).double(), padding=1)
        result = torch.from_numpy(compiled([image.numpy()])[0])
        assert result.shape == exact.shape
        assert ((result - exact).abs().max() / exact.abs().max()).item() <= 1e-5


@pytest.mark.parametrize(
    "model",
    [
        lambda: model_of([1, WIDE, 18, 18], kernel_of()),  # 81 tiles
        lambda: model_of([1, 8, 64, 64], kernel_of(WIDE, 8)),
        lambda: model_of([1, WIDE, 64, 64], kernel_of(), stride=2),
        lambda: model_of([1, WIDE, 64, 64], kernel_of(), pads=(0, 2)),
        lambda: model_of([1, WIDE, 64, 64], kernel_of(side=1)),
        lambda: model_of([1, WIDE, ANY, 64], kernel_of()),
    ],
    ids=["few tiles", "few channels", "stride", "padding", "1x1", "unknown height"],
)
def test_others_are_left_as_they_are(model: Callable[[], Any], tmp_path: Path) -> None:
    made = model()
    assert rewrite_convolutions(made, tmp_path, nothing) is None
    assert "Convolution" in operations(made)


def test_the_largest_tiles_of_which_there_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = (320, 320)
    assert form_for(2, (64, 64), wide) is form_for(1, (37, 40), wide) is TILES_OF_4
    assert form_for(2, (16, 16), wide) is form_for(1, (20, 20), wide) is TILES_OF_2
    assert form_for(2, (8, 8), wide) is form_for(2, (64, 64), (320, 8)) is None
    with without(Win.LARGER_TILES):
        assert form_for(2, (64, 64), wide) is TILES_OF_2
    with without(Win.LARGER_TILES, Win.WINOGRAD):
        assert form_for(2, (64, 64), wide) is None
    monkeypatch.setattr(torch, "get_num_threads", lambda: WINOGRAD_THREADS + 1)
    assert form_for(2, (64, 64), wide) is None


@pytest.mark.skipif(sys.platform != "linux", reason="bounds the size of files")
def test_a_disk_that_takes_no_more_leaves_convolutions_as_they_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import resource
    import signal

    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    model = model_of([1, WIDE, 64, 64], kernel_of())
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    try:
        assert rewrite_convolutions(model, tmp_path, nothing) is None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert "File too large" in caplog.text
    assert rewrite_convolutions(model, tmp_path / "missing", nothing) is None
    assert "Convolution" in operations(model)
    assert not list(tmp_path.iterdir())


def test_cancel_while_terms_are_written_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    model = model_of([1, WIDE, 64, 64], kernel_of())

    with pytest.raises(Cancelled):
        rewrite_convolutions(model, tmp_path, leave)
    assert "Convolution" in operations(model)
    assert not list(tmp_path.iterdir())


@torch.no_grad()
def test_a_session_of_fixed_sizes_computes_with_them(tmp_path: Path) -> None:
    """... also when the batch changes, unless memory is short; no file stays behind."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(WIDE, WIDE),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=8,
        attention_head_dim=4,
    ).eval()
    (graph,) = graphs_of("unet", unet)
    path = write_openvino(graph, tmp_path)
    files = sorted(tmp_path.iterdir())
    fixed, plain = (OpenVinoSession(path, "float32", fixed=fixed) for fixed in (True, False))

    def inputs(batch: int) -> Inputs:
        generator = torch.Generator().manual_seed(batch)
        return {
            "sample": torch.randn(batch, 4, 32, 32, generator=generator),
            "timestep": torch.full((batch,), 500.0),
            "encoder_hidden_states": torch.randn(batch, 7, 8, generator=generator),
        }

    with without():
        (direct,) = fixed.run(inputs(2), nothing)
    assert fixed.weight_bytes == plain.weight_bytes
    fixed.release()
    for batch in (2, 1, 2):
        (given,) = fixed.run(inputs(batch), nothing)
        wanted = graph(*inputs(batch).values())
        assert ((given - wanted).abs().max() / wanted.abs().max()).item() <= 1e-5
        assert fixed.weight_bytes > 1.5 * plain.weight_bytes
    assert not torch.equal(given, direct)  # another way of computing
    fixed.set_faster_convolutions(False)
    (again,) = fixed.run(inputs(2), nothing)
    assert torch.equal(again, direct)
    assert fixed.weight_bytes == plain.weight_bytes
    fixed.set_faster_convolutions(True)
    (again,) = fixed.run(inputs(2), nothing)
    assert fixed.weight_bytes > 1.5 * plain.weight_bytes
    with pytest.raises(Cancelled):
        fixed.run(inputs(1), leave)
    assert fixed.weight_bytes == plain.weight_bytes  # the file goes with what was half made
    assert sorted(tmp_path.iterdir()) == files


def nothing() -> None:
    pass


def leave() -> None:
    raise Cancelled


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precisions_are_computed_directly(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums of terms would lose digits there that they do not have."""
    rewritten: list[Any] = []
    monkeypatch.setattr("engine.backends.openvino_session.rewrite_convolutions", lambda *given: rewritten.append(given))
    openvino = packages.openvino()
    path = tmp_path / "model.xml"
    model = model_of([1, WIDE, 40, 40], kernel_of())
    model.inputs[0].get_tensor().set_names({"image"})
    openvino.save_model(model, str(path), compress_to_fp16=False)
    OpenVinoSession(path, precision, fixed=True).run({"image": torch.zeros(1, WIDE, 40, 40)}, nothing)
    assert bool(rewritten) == (computes_in(precision) == "float32")
