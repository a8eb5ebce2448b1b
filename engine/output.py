"""What models, schedulers and pipelines return: a dataclass that is an ordered dict too."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import fields
from typing import Any


class Output(OrderedDict[str, Any]):
    """Base of all outputs: `out.sample`, `out["sample"]`, `out[0]` and `out.to_tuple()` are the same value.

    Subclasses are dataclasses. A field that is None has an attribute but no key and no place in the tuple.
    """

    def __post_init__(self) -> None:
        for field in fields(self):  # pyright: ignore[reportArgumentType]  # every subclass is a dataclass
            value = getattr(self, field.name)
            if value is not None:
                super().__setitem__(field.name, value)

    def __getitem__(self, key: str | int | slice) -> Any:
        return super().__getitem__(key) if isinstance(key, str) else self.to_tuple()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        super().__setattr__(key, value)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in self:
            super().__setitem__(name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, field.name) for field in fields(self))  # pyright: ignore[reportArgumentType]

    def to_tuple(self) -> tuple[Any, ...]:
        """Return the values that are not None, in the order of the fields."""
        return tuple(self.values())
