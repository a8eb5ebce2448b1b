"""Devices and precisions by name; torch is asked only when a function is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.errors import DeviceUnavailable, InvalidValue
from engine.messages import DTYPES

if TYPE_CHECKING:
    import torch


def resolve_device(name: str) -> torch.device:
    """The device called `name`: cpu, cuda, cuda:N, mps, or auto for the fastest that is present.

    Raises:
        InvalidValue: no such name.
        DeviceUnavailable: this machine has no such device.
    """
    import torch

    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InvalidValue(f"The device {name!r} is unknown; choose auto, cpu, cuda, cuda:N or mps.") from error
    present = {"cpu": True, "cuda": cuda and (device.index or 0) < torch.cuda.device_count(), "mps": mps}
    if not present.get(device.type, False):
        raise DeviceUnavailable(f"The device {name!r} is not present on this machine; choose auto or cpu.")
    return device


def resolve_dtype(name: str) -> torch.dtype:
    """The precision called `name`: one of `engine.messages.DTYPES`, else `InvalidValue`."""
    import torch

    if name not in DTYPES:
        raise InvalidValue(f"The precision {name!r} is unknown; choose one of {', '.join(DTYPES)}.")
    return getattr(torch, name)


def resolve_precision(name: str, device: torch.device, stored: Callable[[], str]) -> str:
    """The name of the precision that `name` means on `device`: "auto" is float32 on a CPU, elsewhere the file's own.

    A card that cannot compute in bfloat16 takes float16 for it. `stored` tells how the file keeps its weights; it is
    asked only where that matters. Raises `InvalidValue` for an unknown name.
    """
    if name == "auto":
        name = "float32" if device.type == "cpu" else stored()
        if name == "bfloat16" and not _computes_bfloat16(device):
            name = "float16"
    resolve_dtype(name)
    return name


def _computes_bfloat16(device: torch.device) -> bool:
    """Whether `device` has it in its hardware: NVIDIA's cards before Ampere imitate it, many times slower."""
    import torch

    if device.type != "cuda":
        return True
    with torch.cuda.device(device):
        return torch.cuda.is_bf16_supported(including_emulation=False)


def found_devices() -> list[tuple[str, str]]:
    """The devices of this machine: what requests call each, and its maker's name for it; the processor comes last."""
    import platform

    import torch

    found: list[tuple[str, str]] = []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            memory = torch.cuda.get_device_properties(index).total_memory / 2**30
            found.append((f"cuda:{index}", f"{torch.cuda.get_device_name(index)} ({memory:.0f} GB)"))
    if torch.backends.mps.is_available():
        found.append(("mps", "Apple Metal"))
    found.append(("cpu", f"CPU ({platform.machine() or 'processor'}, {torch.get_num_threads()} threads)"))
    return found
