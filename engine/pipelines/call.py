"""One list of arguments for the two ways to run a pipeline: `__call__` writes it down, `steps` takes the same.

`__call__` of a pipeline is a signature and its description; `drained` gives it its body: bind the arguments, drain
the steps, return the result.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from engine.errors import InvalidValue

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

# What only `__call__` has a use for.
CALL_ONLY = frozenset(
    {"return_dict", "callback_on_step_end", "callback_on_step_end_tensor_inputs", "callback", "callback_steps"}
)


def drained(signature: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Give the method `signature`, which has none, its body: run all the pipeline's steps and return their result."""

    @functools.wraps(signature)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        pipeline: Any = args[0]
        bound = inspect.signature(signature).bind(*args, **kwargs)
        bound.apply_defaults()
        return pipeline._call({name: value for name, value in bound.arguments.items() if name != "self"})

    return call


def bind_steps(
    call: Callable[..., Any], args: Sequence[Any], given: Mapping[str, Any], more: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments of `steps` with the defaults of `call` and of `more`, which only `steps` takes.

    Raises `InvalidValue` for one that is not known.
    """
    parameters = [entry for entry in inspect.signature(call).parameters.values() if entry.name != "self"]
    defaults = {entry.name: entry.default for entry in parameters if entry.name not in CALL_ONLY} | dict(more)
    names = [entry.name for entry in parameters if entry.name not in CALL_ONLY]
    if len(args) > len(names):
        raise InvalidValue(f"steps takes at most {len(names)} arguments without a name, not {len(args)}.")
    by_place = dict(zip(names, args, strict=False))
    for name in given:
        if name not in defaults:
            raise InvalidValue(f"steps takes no {name!r}; it takes {', '.join(defaults)}.")
        if name in by_place:
            raise InvalidValue(f"steps got {name} twice; give it once.")
    return {**defaults, **by_place, **given}
