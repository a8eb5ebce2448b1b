"""Convolutions of OpenVINO models by fewer multiplications: which are rewritten, and that they stay the same."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.backends import openvino_winograd, packages
from engine.backends.export import write_openvino
from engine.backends.graphs import Inputs, graphs_of
from engine.backends.openvino_session import OpenVinoSession, computes_in
from engine.backends.openvino_winograd import added_bytes, pays, rewrite_convolutions
from engine.models.convolution import WINOGRAD_CHANNELS, WINOGRAD_THREADS
from engine.models.exact import Win, without
from engine.models.unet_2d_condition import UNet2DConditionModel

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


@pytest.mark.parametrize(("height", "width"), [(40, 40), (41, 42), (39, 43), (80, 20)])
@pytest.mark.parametrize("batch", [1, 3, ANY])
def test_what_is_rewritten_computes_the_same(height: int, width: int, batch: int, tmp_path: Path) -> None:
    kernel = kernel_of(WIDE + 8)
    model = model_of([batch, WIDE, height, width], kernel)
    before = added_bytes_of(model, tmp_path)
    assert before == kernel.nbytes * 3
    assert "Convolution" not in operations(model)
    openvino = packages.openvino()
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for pictures in (1, 2) if batch == ANY else (batch,):
        image = torch.randn(pictures, WIDE, height, width, generator=torch.Generator().manual_seed(1))
        exact = torch.nn.functional.conv2d(image.double(), torch.from_numpy(kernel).double(), padding=1)
        result = torch.from_numpy(compiled([image.numpy()])[0])
        assert result.shape == exact.shape
        assert ((result - exact).abs().max() / exact.abs().max()).item() <= 1e-5


def added_bytes_of(model: Any, folder: Path) -> int:
    """Rewrite `model`; what that added. The file may be closed: where there are names for it, its pages stay mapped."""
    file = rewrite_convolutions(model, folder)
    assert file is not None
    with file:
        return added_bytes(file)


@pytest.mark.parametrize(
    "model",
    [
        lambda: model_of([1, WIDE, 16, 16], kernel_of()),  # 16 tiles
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
    assert rewrite_convolutions(made, tmp_path) is None
    assert "Convolution" in operations(made)


def test_it_can_be_turned_off_and_is_not_for_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pays(2, (64, 64), (320, 320))
    with without(Win.LARGER_TILES):
        assert not pays(2, (64, 64), (320, 320))
    monkeypatch.setattr(torch, "get_num_threads", lambda: WINOGRAD_THREADS + 1)
    assert not pays(2, (64, 64), (320, 320))


def test_a_full_disk_leaves_convolutions_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make = tempfile.TemporaryFile

    def full(**options: Any) -> Any:
        file: Any = make(**options)

        class Full:
            tell, close = file.tell, file.close

            def write(self, _: bytes) -> int:
                raise OSError(errno.ENOSPC, "No space left on device")

        return Full()

    monkeypatch.setattr(openvino_winograd.tempfile, "TemporaryFile", full)
    model = model_of([1, WIDE, 64, 64], kernel_of())
    assert rewrite_convolutions(model, tmp_path) is None
    assert "Convolution" in operations(model)
    assert "No space left on device" in caplog.text


@torch.no_grad()
def test_a_session_of_fixed_sizes_computes_with_them(tmp_path: Path) -> None:
    """... also when the batch changes, and when it is compiled again after its release; no file stays behind."""
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

    for batch in (2, 1, 2):
        (given,), (direct,) = (session.run(inputs(batch), lambda: None) for session in (fixed, plain))
        wanted = graph(*inputs(batch).values())
        largest = wanted.abs().max()
        assert ((given - wanted).abs().max() / largest).item() <= 1e-5
        assert not torch.equal(given, direct)  # another way of computing
    assert fixed.weight_bytes > 1.5 * plain.weight_bytes
    fixed.release()
    assert fixed.weight_bytes == plain.weight_bytes
    (again,) = fixed.run(inputs(2), lambda: None)
    assert ((again - graph(*inputs(2).values())).abs().max() / largest).item() <= 1e-5
    fixed.release()
    assert sorted(tmp_path.iterdir()) == files


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
    OpenVinoSession(path, precision, fixed=True).run({"image": torch.zeros(1, WIDE, 40, 40)}, lambda: None)
    assert bool(rewritten) == (computes_in(precision) == "float32")
