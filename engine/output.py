"""What models, schedulers and pipelines return: a dataclass that is an ordered dict too."""

from __future__ import annotations

from dataclasses import fields
from typing import Any


class Output(dict[str, Any]):
    """Base of all outputs: `out.sample`, `out["sample"]`, `out[0]` and `out.to_tuple()` are the same value.

    Subclasses are dataclasses. A field that is None has an attribute but no key and no place in the tuple.
    """

    def __post_init__(self) -> None:
        # Straight into both stores: a scheduler makes an output at every step, and `fields` alone doubles its cost.
        for name, value in self.__dict__.items():
            if value is not None:
                dict.__setitem__(self, name, value)

    def __getitem__(self, key: str | int | slice) -> Any:
        return super().__getitem__(key) if isinstance(key, str) else self.to_tuple()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        dict.__setitem__(self, key, value)
        object.__setattr__(self, key, value)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name in self:
            dict.__setitem__(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, field.name) for field in fields(self))  # pyright: ignore[reportArgumentType]

    def to_tuple(self) -> tuple[Any, ...]:
        """Return the values that are not None, in the order of the fields."""
        return tuple(self.values())
