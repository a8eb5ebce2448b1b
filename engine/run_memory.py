"""What is tried when memory does not suffice: plans from the quickest to the one that needs least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """How a picture is made: `words` tell the user what is tried now."""

    words: str
    vae_in_pieces: bool = False
    attention_in_pieces: bool = False


PLANS = (
    MemoryPlan(""),
    MemoryPlan("There was not enough memory: trying again with the picture decoded in tiles.", vae_in_pieces=True),
    MemoryPlan(
        "There was not enough memory: trying again with tiles, and attention head by head.",
        vae_in_pieces=True,
        attention_in_pieces=True,
    ),
)


def apply_plan(pipeline: Any, plan: MemoryPlan) -> None:
    """Set the switches of `pipeline` as `plan` says; parts without such a switch are left alone."""
    vae = pipeline.components.get("vae")
    for switch in ("slicing", "tiling"):
        way = "enable" if plan.vae_in_pieces else "disable"
        if hasattr(vae, f"{way}_{switch}"):
            getattr(vae, f"{way}_{switch}")()
    pipeline.enable_attention_slicing("max" if plan.attention_in_pieces else None)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` means that memory did not suffice."""
    from engine.errors import KnownError, OutOfMemory

    if isinstance(error, KnownError):
        return isinstance(error, OutOfMemory)
    # On a CPU torch raises a bare RuntimeError; its words are the only sign.
    words = ("out of memory", "not enough memory", "can't allocate memory")
    told = isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    return isinstance(error, MemoryError) or told


def is_device_lost(error: BaseException) -> bool:
    """Whether `error` means that the device no longer answers: its model must be loaded again."""
    words = ("device-side assert", "device lost", "unspecified launch failure", "illegal memory access", "gpu is lost")
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
