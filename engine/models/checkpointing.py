"""Gradient checkpointing: training with less memory by computing the stages of a network a second time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class GradientCheckpointing:
    """Mixin of networks that can drop the activations inside a stage and compute them again for the gradients.

    Attributes:
        gradient_checkpointing: whether `run_stage` of this very module does so.
    """

    gradient_checkpointing: bool = False

    @property
    def is_gradient_checkpointing(self) -> bool:
        """Whether gradient checkpointing is on in any part."""
        return any(part.gradient_checkpointing for part in self._parts())

    def enable_gradient_checkpointing(self) -> None:
        """Trade time for memory: about a third more time for each training step."""
        for part in self._parts():
            part.gradient_checkpointing = True

    def disable_gradient_checkpointing(self) -> None:
        """Keep all activations for the gradients again."""
        for part in self._parts():
            part.gradient_checkpointing = False

    def _parts(self) -> Iterator[GradientCheckpointing]:
        modules = cast("nn.Module", self).modules()
        return (module for module in modules if isinstance(module, GradientCheckpointing))

    def run_stage(self, stage: nn.Module, *args: Any) -> Any:
        """Return `stage(*args)`."""
        if self.gradient_checkpointing and torch.is_grad_enabled():
            return checkpoint(stage, *args, use_reentrant=False)
        return stage(*args)
