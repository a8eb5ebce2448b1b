"""Names and shapes of the published models in their full size, from the compact list beside this file.

In the list names that continue alike stand together, "q,k,v"; a model that differs in few shapes from another names it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from engine.formats.header import ITEM_SIZES, Header, Stored, elements

_LIST = Path(__file__).with_name("full_size_keys.json")
NAMES = (
    *("sd1", "sd1-inpaint", "sd1-edit", "sd1-lcm"),
    *("sd2", "sd2-inpaint", "sd2-depth", "x4"),
    *("xl", "xl-inpaint", "xl-edit", "refiner"),
)


@cache
def shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Shape by name of tensor."""
    content = json.loads(_LIST.read_text())[name]
    if "as" in content:
        return {**shapes(content["as"]), **{key: _shape(text) for key, text in content["changed"].items()}}
    return dict(_expanded(content))


def _expanded(node: Any, prefix: str = "") -> Iterator[tuple[str, tuple[int, ...]]]:
    for keys, inner in node.items():
        for key in keys.split(","):
            if isinstance(inner, str):
                yield prefix + key, _shape(inner)
            else:
                yield from _expanded(inner, f"{prefix}{key}.")


def _shape(text: str) -> tuple[int, ...]:
    return tuple(int(length) for length in text.split("x")) if text else ()


def header(name: str, dtype: str = "F16", prefix: str = "", metadata: dict[str, str] | None = None) -> Header:
    """The header of the model's file; with `prefix` only what stands under it, without it."""
    at, tensors = 0, {}
    for key, shape in shapes(name).items():
        if key.startswith(prefix):
            end = at + elements(shape) * ITEM_SIZES[dtype]
            tensors[key[len(prefix) :]] = Stored(dtype, shape, at, end)
            at = end
    return Header(Path(f"{name}.safetensors"), "safetensors", tensors, metadata or {})
