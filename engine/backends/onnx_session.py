"""A graph computed by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.backends import packages
from engine.backends.export import WEIGHTS_NAME
from engine.backends.graphs import Inputs

SLICE_SECONDS = 0.02
_ERRORS_ONLY = 3


class OnnxSession:
    """The model at `path`, read when it is first needed; it computes in float32, for all sizes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._session: Any = None

    def run(self, inputs: Inputs, look: Callable[[], None]) -> list[Tensor]:
        """Compute; `look` is called every few milliseconds, and what it raises ends the computation at once."""
        onnxruntime = packages.onnxruntime()
        if self._session is None:
            self._session = self._opened(onnxruntime)
        options = onnxruntime.RunOptions()
        options.log_severity_level = _ERRORS_ONLY + 1  # that it was ended is no error here
        given = {name: tensor.detach().contiguous().numpy() for name, tensor in inputs.items()}
        look()
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(self._session.run, None, given, options)
            try:
                return [torch.from_numpy(output) for output in _awaited(running, look)]
            except BaseException:
                options.terminate = True
                running.exception()  # waits for it, and its way of saying that it was ended is no matter
                raise

    def _opened(self, onnxruntime: Any) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = _ERRORS_ONLY
        return onnxruntime.InferenceSession(str(self._path), options, providers=["CPUExecutionProvider"])

    def release(self) -> None:
        """Let go of the model and of its weights."""
        self._session = None

    @property
    def weight_bytes(self) -> int:
        """The bytes of its weights in memory once it is read."""
        return self._path.with_name(WEIGHTS_NAME).stat().st_size


def _awaited(running: Future[Any], look: Callable[[], None]) -> Any:
    while True:
        try:
            return running.result(SLICE_SECONDS)
        except NotYet:
            if running.done():
                raise
            look()
