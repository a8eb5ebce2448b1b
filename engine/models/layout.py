"""Where weights lie in memory, which on a GPU decides how quickly layers read them."""

from __future__ import annotations

from torch import nn

from engine.models.attention import Attention
from engine.models.convolution import Conv2d


def lay_out(network: nn.Module) -> None:
    """Lay the weights of `network` as their device reads them best.

    Layers do so when they are moved; this is for who puts other weights into them.
    """
    for module in network.modules():
        if isinstance(module, Attention | Conv2d):
            module.lay_out()
