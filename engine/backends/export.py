"""Writing graphs to disk, as ONNX or in OpenVINO's own form, and checking what was written against the original."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from engine.backends import packages
from engine.backends.graphs import CHECKED, TRACED, Graph, Inputs
from engine.backends.onnx_attention import fused_attention
from engine.errors import KnownError

OPSET = 18
MODEL_NAME, WEIGHTS_NAME = "model.onnx", "model.onnx.data"
OPENVINO_NAME = "model.xml"
# Largest difference over largest value; the same operations in another order give 1e-6.
TOLERANCE = 1e-4
_ALIGNMENT = 4096  # of weights in their file, so that they can be mapped

Compute = Callable[[Inputs], list[Tensor]]


class ExportMismatch(KnownError, ArithmeticError):
    """What was exported computes something else than the original."""


def write_onnx(graph: Graph, folder: Path, *, for_others: bool = False) -> Path:
    """Write `graph` as `model.onnx` with its weights in one file beside it; returns its path.

    The weights go to the file one by one and are never in memory twice. Attention is an operation that only ONNX
    Runtime knows, unless the file is `for_others`.

    Raises:
        MissingDependency: the package onnx is missing.
    """
    onnx = packages.onnx()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / MODEL_NAME
    inputs = _example(graph)
    attention = nullcontext(None) if for_others else fused_attention(graph)
    with _tracing(), torch.no_grad(), attention as operations:
        # The older exporter: the newer one needs onnxscript, and gives the same operations.
        torch.onnx.export(
            graph,
            tuple(inputs.values()),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            export_params=False,
            do_constant_folding=False,
            input_names=list(inputs),
            output_names=list(graph.outputs),
            dynamic_axes={name: dict(axes) for name, axes in graph.axes.items()},
            custom_opsets=operations,
        )
    model = onnx.load(str(path))
    _attach_weights(onnx, model, graph.state_dict(), folder / WEIGHTS_NAME)
    onnx.save(model, str(path))
    return path


def _attach_weights(onnx: Any, model: Any, weights: Mapping[str, Tensor], target: Path) -> None:
    """Write the weights that the graph of `model` takes as inputs into `target`, and have it read them from there."""
    kinds = {torch.float32: onnx.TensorProto.FLOAT, torch.int64: onnx.TensorProto.INT64}
    inputs = {entry.name: entry for entry in model.graph.input}
    with target.open("wb") as file:
        for name, tensor in weights.items():
            if name not in inputs:
                continue  # not used by this graph
            model.graph.input.remove(inputs[name])
            file.write(b"\0" * (-file.tell() % _ALIGNMENT))
            entry = model.graph.initializer.add(name=name, data_type=kinds[tensor.dtype], dims=tensor.shape)
            entry.data_location = onnx.TensorProto.EXTERNAL
            place = {"location": target.name, "offset": file.tell(), "length": tensor.nbytes}
            for key, value in place.items():
                entry.external_data.add(key=key, value=str(value))
            file.write(cast("Any", tensor.detach().contiguous().numpy()))


def write_openvino(graph: Graph, folder: Path) -> Path:
    """Write `graph` in OpenVINO's own form; returns the path of its `model.xml`.

    It is read from torch, not from ONNX: attention and group norms stay one operation each.

    Raises:
        MissingDependency: the package openvino is missing.
    """
    openvino = packages.openvino()
    folder.mkdir(parents=True, exist_ok=True)
    inputs = _example(graph)
    with _tracing(), torch.no_grad():
        traced = torch.jit.trace(graph, tuple(inputs.values()), check_trace=False, strict=False)
        model = openvino.convert_model(traced, example_input=tuple(inputs.values()))
    for port, (name, axes) in zip(model.inputs, graph.axes.items(), strict=True):
        port.get_tensor().set_names({name})
        shape = [-1 if axis in axes else side for axis, side in enumerate(inputs[name].shape)]
        port.get_node().set_partial_shape(openvino.PartialShape(shape))
        port.get_node().set_element_type(openvino.Type(inputs[name].numpy().dtype))
    for port, name in zip(model.outputs, graph.outputs, strict=True):
        port.get_tensor().set_names({name})
    model.validate_nodes_and_infer_types()
    path = folder / OPENVINO_NAME
    openvino.save_model(model, str(path), compress_to_fp16=False)
    return path


def check(graph: Graph, compute: Compute) -> float:
    """Compare `compute` with `graph` at sizes that were not traced; returns the difference over the largest value.

    Raises:
        ExportMismatch: it is more than `TOLERANCE`.
    """
    inputs = graph.example(CHECKED, torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = graph(*inputs.values())
    pairs = zip(compute(inputs), (expected,) if isinstance(expected, Tensor) else expected, strict=True)
    worst = 0.0
    for given, wanted in pairs:
        fits = given.shape == wanted.shape
        largest = wanted.abs().max().clamp_min(torch.finfo(torch.float32).tiny)
        error = ((given - wanted).abs().max() / largest).item() if fits else float("inf")
        worst = max(worst, error)
        if not error <= TOLERANCE:
            raise ExportMismatch(
                f"The exported {graph.name} differs from the original by {error:.1e} of its largest value, more than "
                f"{TOLERANCE:.0e}; choose the back end torch for this model."
            )
    return worst


def _example(graph: Graph) -> Inputs:
    return graph.example(TRACED, torch.Generator().manual_seed(0))


@contextmanager
def _tracing() -> Generator[None]:
    """Without what tracing says of Python's own checks, which need not be in the graph, and of its age."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cast("Any", torch.jit).TracerWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", UserWarning)
        yield
