"""A graph computed by OpenVINO."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.backends import packages
from engine.backends.graphs import Inputs
from engine.backends.openvino_winograd import Terms, rewrite_convolutions
from engine.models.arithmetic import is_quick

SLICE_MILLISECONDS = 20
_HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
_CAPABILITIES = {"bfloat16": "BF16", "float16": "FP16"}

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}

Shapes = dict[str, tuple[int, ...]]


def computes_in(precision: str) -> str:
    """The precision in which `precision` is computed with on this machine: the faster one, where float32 is."""
    slow = precision == "bfloat16" and not is_quick(torch.bfloat16)
    return precision if has_instructions(precision) and not slow else "float32"


def has_instructions(precision: str) -> bool:
    """Whether this machine's OpenVINO can compute in `precision`; else it takes float32 by itself."""
    if precision == "float32":
        return True
    return _CAPABILITIES[precision] in packages.openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenVinoSession:
    """The model at `path`, compiled when it is first needed.

    With `fixed` sizes it is compiled for just those that it is given, which is faster at each call, and again for
    others; where only the batch changes, as it does when guidance is switched off within a run, it is from then on
    compiled for any batch. Without, once for all sizes. Convolutions of fixed sizes in float32 are computed by fewer
    multiplications.
    """

    def __init__(self, path: Path, precision: str, *, fixed: bool) -> None:
        self._path, self._precision, self._fixed = path, precision, fixed
        self._request: Any = None
        self._terms: Terms | None = None
        self._shapes: Shapes = {}
        self._any_batch = False
        self._faster_convolutions = True

    def set_faster_convolutions(self, faster: bool) -> None:
        """Whether convolutions may take more memory to be faster; what is compiled otherwise is let go of."""
        if faster != self._faster_convolutions:
            self._faster_convolutions = faster
            self.release()

    def run(self, inputs: Inputs, look: Callable[[], None]) -> list[Tensor]:
        """Compute; `look` is called every few milliseconds, and what it raises ends the computation at once."""
        openvino = packages.openvino()
        request = self._prepared({name: tuple(tensor.shape) for name, tensor in inputs.items()}, look)
        # OpenVINO reads this memory where it is, and keeps none of it alive.
        held = {name: tensor.detach().contiguous().numpy() for name, tensor in inputs.items()}
        for name, array in held.items():
            request.set_tensor(name, openvino.Tensor(array, shared_memory=True))
        look()
        request.start_async()
        try:
            while not request.wait_for(SLICE_MILLISECONDS):
                look()
        except BaseException:
            self._leave(request)
            raise
        del held
        return [torch.from_numpy(output.data.copy()) for output in request.output_tensors]

    def _leave(self, request: Any) -> None:
        request.cancel()
        try:
            request.wait()
        except RuntimeError:
            pass  # its way of saying that it was cancelled

    def _prepared(self, shapes: Shapes, look: Callable[[], None]) -> Any:
        if self._request is not None and self._fits(shapes):
            return self._request
        again = self._request is not None
        self._any_batch = again and self._without_batch(shapes) == self._without_batch(self._shapes)
        self.release()
        try:
            self._request = self._compiled(shapes, look)
        except BaseException:
            self.release()
            raise
        self._shapes = shapes
        return self._request

    def _compiled(self, shapes: Shapes, look: Callable[[], None]) -> Any:
        core = packages.openvino().Core()
        model = core.read_model(str(self._path))
        computed = computes_in(self._precision)
        if self._fixed:
            first = -1 if self._any_batch else None
            model.reshape({name: [shape[0] if first is None else first, *shape[1:]] for name, shape in shapes.items()})
            if computed == "float32" and self._faster_convolutions:
                self._terms = rewrite_convolutions(model, self._path.parent, look)
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _HINTS[computed],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        look()
        return core.compile_model(model, "CPU", options).create_infer_request()

    def _fits(self, shapes: Shapes) -> bool:
        if not self._fixed or shapes == self._shapes:
            return True
        return self._any_batch and self._without_batch(shapes) == self._without_batch(self._shapes)

    @staticmethod
    def _without_batch(shapes: Shapes) -> Shapes:
        return {name: shape[1:] for name, shape in shapes.items()}

    def release(self) -> None:
        """Let go of the compiled model and of its weights."""
        self._request = None
        if self._terms is not None:
            self._terms.file.close()
            self._terms = None

    def __del__(self) -> None:
        self.release()  # what looks at the file goes before it is closed

    @property
    def weight_bytes(self) -> int:
        """The bytes of its weights in memory once it is compiled, in the precision of the computing.

        The file is mapped beside that, and given up where memory is short; so is that of the terms of faster
        convolutions, which OpenVINO holds in place of their kernels. They are known from the first call on.
        """
        stored = self._path.with_suffix(".bin").stat().st_size
        added = 0 if self._terms is None else self._terms.added
        return stored * _BYTES[computes_in(self._precision)] // _BYTES["float32"] + added
