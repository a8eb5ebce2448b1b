"""Values held against annotations: whether `Literal["linear", "cosine"]` allows one, and the words for what does."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Literal, Union, cast, get_args, get_origin


def fits(value: Any, hint: Any) -> bool:
    """Return whether the annotation `hint` allows `value`; lists count as tuples, since JSON has only lists."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(fits(value, argument) for argument in arguments)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in arguments)
    if hint is None or hint is type(None):
        return value is None
    if hint is bool:
        return isinstance(value, bool)
    if hint is int:
        return type(value) is not bool and isinstance(value, Integral)
    if hint is float:
        return type(value) is not bool and isinstance(value, Real)
    if origin in (tuple, list, Sequence):
        return isinstance(value, (list, tuple)) and _items_fit(cast("Sequence[Any]", value), origin, arguments)
    if origin in (dict, Mapping):
        return isinstance(value, dict)
    if hint in (tuple, list):
        return isinstance(value, (list, tuple))
    return isinstance(value, origin or hint)


def _items_fit(items: Sequence[Any], origin: Any, arguments: tuple[Any, ...]) -> bool:
    if origin is tuple and Ellipsis not in arguments:
        return len(items) == len(arguments) and all(map(fits, items, arguments))
    return all(fits(item, arguments[0]) for item in items)


def describe(hint: Any) -> str:
    """Return the annotation `hint` in words: `one of "linear", "cosine"`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(describe(argument) for argument in arguments)
    if origin is Literal:
        choices = ", ".join(json.dumps(choice) for choice in arguments)
        return choices if len(arguments) == 1 else f"one of {choices}"
    if hint is type(None):
        return "null"
    plain = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", dict: "an object"}
    if hint in plain:
        return plain[hint]
    if origin in (tuple, list, Sequence):
        items = [describe(argument) for argument in arguments if argument is not Ellipsis]
        return f"a list of {' and '.join(dict.fromkeys(items))}"
    return getattr(hint, "__name__", str(hint))
