"""Calls of a network as CUDA graphs: all that one call asks a GPU for is recorded, and then asked for at once.

A quick card computes a layer faster than a processor asks for the next one. A graph is good for inputs of the shapes
that it was recorded with, and for as long as the weights lie where they lay; for others there is another one. The
memory that it works in is its own until it goes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from numbers import Integral
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils import _pytree as trees  # pyright: ignore[reportPrivateUsage]

from engine.memory import GRAPHS
from engine.models.unchanged import weights_of
from engine.models.unet_2d_condition import UNet2DConditionModel, UNet2DConditionOutput

log = logging.getLogger(__name__)


class Recorder(Protocol):
    """What records: a card."""

    def first(self, run: Callable[[], Tensor]) -> Tensor:
        """Return `run()`, computed so that libraries make ready what they need for `record`."""
        ...

    def record(self, run: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        """Record what `run` asks for; return its result, in which there is nothing yet, and what computes it."""
        ...


def record_calls(network: UNet2DConditionModel, recorder_on: Callable[[torch.device], Recorder] | None = None) -> None:
    """Let the calls of `network`, on a GPU, become graphs at the second call of their shapes; those that are stay so.

    What the network is set to beside its weights has to stay as it is: tokens that are merged, attention in slices,
    compiled blocks. Where nothing can be recorded it runs as it is written, and `failed_recording` says why. What
    records is made for the device of the calls' inputs, by default a `Card`: until then the network may be elsewhere.
    """
    if not isinstance(vars(network).get("forward"), RecordedCalls):
        vars(network)["forward"] = RecordedCalls(network, recorder_on or Card)


def undo_recording(network: nn.Module) -> None:
    """Let `network` run as it is written again, and let go of its graphs."""
    if isinstance(vars(network).get("forward"), RecordedCalls):
        del vars(network)["forward"]


def failed_recording(network: nn.Module) -> str:
    """Why the calls of `network` could not be recorded; "" where all went well."""
    forward = vars(network).get("forward")
    return forward.problem if isinstance(forward, RecordedCalls) else ""


class RecordedCalls:
    """Stands in for `forward` of `network`.

    What a run keeps from step to step is not used: it would be another one's with each run, and takes a graph no time
    to speak of. With DeepCache, whose calls are not alike, and with gradients, nothing is recorded. Whether weights lie
    where they lay is asked once a run, which has `PromptKeys` of its own, and at each call without such.

    Attributes:
        problem: why nothing could be recorded; "" where all went well.
    """

    _recorder: Recorder

    def __init__(self, network: nn.Module, recorder_on: Callable[[torch.device], Recorder]) -> None:
        self.problem = ""
        self._network, self._forward, self._recorder_on = network, network.forward, recorder_on
        # By the shapes of their inputs, the one that was used last at the end; None after the first call of its shapes.
        self._graphs: dict[str, _Graph | None] = {}
        self._places: list[object] | None = None
        self._keys: object = None
        self._is_short_of_memory = False

    def __call__(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        *more: Any,
        prompt_keys: object = None,
        step_time: object = None,
        deep_cache: object = None,
        return_dict: bool = True,
        **options: Any,
    ) -> UNet2DConditionOutput | tuple[Tensor]:
        """As `forward` of the network."""
        if prompt_keys is None or prompt_keys is not self._keys:
            self._begin_run(sample.device)
            self._keys = prompt_keys
        if self.problem or self._is_short_of_memory or deep_cache is not None or torch.is_grad_enabled():
            kept = {"prompt_keys": prompt_keys, "step_time": step_time, "deep_cache": deep_cache}
            return self._forward(sample, timestep, *more, return_dict=return_dict, **kept, **options)
        if not isinstance(timestep, Tensor):
            dtype = torch.int64 if isinstance(timestep, Integral) else torch.float64
            timestep = torch.full((), timestep, dtype=dtype, device=sample.device)
        leaves, form = trees.tree_flatten(((sample, timestep.to(sample.device), *more), options))

        def call(leaves: Sequence[Any]) -> Tensor:
            inputs, options = trees.tree_unflatten(leaves, form)
            return self._forward(*inputs, return_dict=False, **options)[0]

        output = self._output(call, leaves, f"{form} {[_kind(leaf) for leaf in leaves]}")
        return UNet2DConditionOutput(output) if return_dict else (output,)

    def _output(self, call: Callable[[Sequence[Any]], Tensor], leaves: Sequence[Any], shapes: str) -> Tensor:
        is_known = shapes in self._graphs
        graph = self._graphs.pop(shapes, None)
        while len(self._graphs) >= GRAPHS:
            del self._graphs[next(iter(self._graphs))]
        if not is_known:
            self._graphs[shapes] = None
            return self._recorder.first(lambda: call(leaves))
        if graph is None:
            graph = self._recorded(call, leaves)
        if graph is None:
            return call(leaves)
        self._graphs[shapes] = graph
        return graph(leaves)

    def _recorded(self, call: Callable[[Sequence[Any]], Tensor], leaves: Sequence[Any]) -> _Graph | None:
        try:
            return _Graph(call, leaves, self._recorder)
        except torch.OutOfMemoryError:
            # The call may have enough without; the next run tries again.
            log.info("not enough memory for a CUDA graph; this run goes on without")
            self._is_short_of_memory = True
        except RuntimeError as error:
            log.warning("no CUDA graph could be recorded; the network goes on without", exc_info=error)
            self.problem = str(error).partition("\n")[0] or type(error).__name__
        self._graphs.clear()
        return None

    def _begin_run(self, device: torch.device) -> None:
        self._is_short_of_memory = False
        places = [place for tensor in weights_of(self._network) if tensor is not None for place in _places(tensor)]
        if places != self._places:
            self._graphs.clear()
            self._places, self._recorder = places, self._recorder_on(device)


class _Graph:
    """A recorded call, with inputs and result of its own."""

    def __init__(self, call: Callable[[Sequence[Any]], Tensor], leaves: Sequence[Any], recorder: Recorder) -> None:
        self._inputs = [leaf.clone() if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        self._result, self._compute = recorder.record(lambda: call(self._inputs))

    def __call__(self, leaves: Sequence[Any]) -> Tensor:
        for own, given in zip(self._inputs, leaves, strict=True):
            if isinstance(own, Tensor):
                own.copy_(given, non_blocking=True)
        self._compute()
        # A copy: the next call writes over it.
        return self._result.clone()


class Card:
    """Records on the GPU `device`."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)

    def first(self, run: Callable[[], Tensor]) -> Tensor:
        """Return `run()`, computed on the stream of the recordings: what libraries keep for it lies outside these."""
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            result = run()
        current.wait_stream(self._stream)
        result.record_stream(current)
        return result

    def record(self, run: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        """Record what `run` asks for, in memory of its own."""
        graph, pool = torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle()
        current = torch.cuda.current_stream(self._device)
        try:
            # Other threads may go on meanwhile.
            with (
                torch.cuda.device(self._device),
                torch.cuda.graph(graph, pool=pool, stream=self._stream, capture_error_mode="thread_local"),
            ):
                result = run()
        except BaseException:
            # PyTorch goes back to the stream and the memory of before only where the recording itself can be ended.
            torch.cuda.set_stream(current)
            with suppress(RuntimeError):
                torch._C._cuda_endAllocateToPool(current.device_index, pool)  # pyright: ignore
            raise
        return result, graph.replay


def _kind(leaf: object) -> object:
    return (leaf.shape, leaf.dtype, leaf.device) if isinstance(leaf, Tensor) else leaf


def _places(tensor: Tensor) -> Iterator[object]:
    """Where the numbers of `tensor` lie, and how; those of torchao consist of several tensors."""
    if hasattr(tensor, "__tensor_flatten__"):
        for name in tensor.__tensor_flatten__()[0]:  # pyright: ignore
            yield from _places(getattr(tensor, name))
    else:
        yield tensor.data_ptr(), tensor.dtype, tensor.stride()
