"""Calls of a network as CUDA graphs: all that one call asks a GPU for is recorded, and then asked for at once.

A quick card computes a layer faster than a processor asks for the next one. A graph is good for inputs of the shapes
that it was recorded with, and for as long as the weights lie where they lay; for others there is another one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as trees  # pyright: ignore[reportPrivateUsage]

from engine.models.unchanged import weights_of
from engine.models.unet_2d_condition import UNet2DConditionOutput

log = logging.getLogger(__name__)

# Graphs that are kept, each with the memory that it works in: with guidance and without it.
KEPT = 2

# Records what a function asks for without computing it; gives its result and what computes that anew.
Record = Callable[[Callable[[], Tensor]], tuple[Tensor, Callable[[], None]]]


def record_calls(network: nn.Module, settings: object = None, record: Record | None = None) -> None:
    """Let the calls of `network`, a U-Net on a GPU, become graphs: each at the second call of its shapes.

    What is recorded stays for as long as `settings` are the same, which say how the network computes beside weights and
    inputs (merged tokens, slices): that is in the graphs, too. Where nothing can be recorded, it runs as it is written.
    """
    present = vars(network).get("forward")
    if not isinstance(present, RecordedCalls) or present.settings != settings:
        undo_recording(network)
        vars(network)["forward"] = RecordedCalls(network, settings, record or _on_gpu())


def undo_recording(network: nn.Module) -> None:
    """Let `network` run as it is written again, and let go of its graphs."""
    if isinstance(vars(network).get("forward"), RecordedCalls):
        del vars(network)["forward"]


class RecordedCalls:
    """Stands in for `forward` of `network`.

    What a run keeps from step to step is not used: it would be another one's with each run, and takes a graph no time
    to speak of. With DeepCache, whose calls are not alike, and with gradients, nothing is recorded.

    Attributes:
        problem: why nothing could be recorded; "" where all went well.
    """

    def __init__(self, network: nn.Module, settings: object, record: Record) -> None:
        self.settings, self.problem = settings, ""
        self._network, self._forward, self._record = network, network.forward, record
        # By the shapes of their inputs, the one that was used last at the end; None after the first call of its shapes.
        self._graphs: dict[str, _Graph | None] = {}
        self._addresses: list[int] = []
        self._run: object = None

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
        if self.problem or deep_cache is not None or torch.is_grad_enabled():
            kept = {"prompt_keys": prompt_keys, "step_time": step_time, "deep_cache": deep_cache}
            return self._forward(sample, timestep, *more, return_dict=return_dict, **kept, **options)
        if not isinstance(timestep, Tensor):
            timestep = torch.full((), timestep, device=sample.device)
        if prompt_keys is None or prompt_keys is not self._run:
            self._forget_where_weights_moved()
            self._run = prompt_keys
        leaves, form = trees.tree_flatten(((sample, timestep, *more), options))

        def call(leaves: Sequence[Any]) -> Tensor:
            inputs, options = trees.tree_unflatten(leaves, form)
            return self._forward(*inputs, return_dict=False, **options)[0]

        shapes = f"{form} {[_shape(leaf) for leaf in leaves]}"
        is_known = shapes in self._graphs
        graph = self._graphs.pop(shapes, None)
        while len(self._graphs) >= KEPT:
            del self._graphs[next(iter(self._graphs))]
        if is_known and graph is None:
            graph = self._recorded(call, leaves)
        self._graphs[shapes] = graph
        # A first call lets libraries choose their ways, and compilers work.
        output = call(leaves) if graph is None else graph(leaves)
        return UNet2DConditionOutput(output) if return_dict else (output,)

    def _recorded(self, call: Callable[[Sequence[Any]], Tensor], leaves: Sequence[Any]) -> _Graph | None:
        try:
            return _Graph(call, leaves, self._record)
        except RuntimeError as error:
            log.warning("no CUDA graph could be recorded; the network goes on without", exc_info=error)
            self.problem = str(error).partition("\n")[0] or type(error).__name__
            self._graphs.clear()
            return None

    def _forget_where_weights_moved(self) -> None:
        addresses = [_address(tensor) for tensor in weights_of(self._network) if tensor is not None]
        if addresses != self._addresses:
            self._graphs.clear()
            self._addresses = addresses


class _Graph:
    """A recorded call, with inputs and result of its own."""

    def __init__(self, call: Callable[[Sequence[Any]], Tensor], leaves: Sequence[Any], record: Record) -> None:
        self._inputs = [leaf.clone() if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        self._result, self._replay = record(lambda: call(self._inputs))

    def __call__(self, leaves: Sequence[Any]) -> Tensor:
        for own, given in zip(self._inputs, leaves, strict=True):
            if isinstance(own, Tensor):
                own.copy_(given, non_blocking=True)
        self._replay()
        # A copy: the next call writes over it.
        return self._result.clone()


def _on_gpu() -> Record:
    pool = torch.cuda.graph_pool_handle()

    def record(run: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        graph = torch.cuda.CUDAGraph()
        # Other threads may go on meanwhile.
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            result = run()
        return result, graph.replay

    return record


def _shape(leaf: object) -> object:
    return (leaf.shape, leaf.dtype, leaf.device) if isinstance(leaf, Tensor) else leaf


def _address(tensor: Tensor) -> int:
    # Weights of torchao consist of several tensors and have no address of their own.
    return id(tensor) if hasattr(tensor, "__tensor_flatten__") else tensor.data_ptr()
