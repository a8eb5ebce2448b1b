"""Reads a pickle without obeying it: its instructions move inert values about, and nothing is called.

`pickletools.genops` takes the stream apart; each instruction that files of weights need is done here on plain values,
and any other instruction or name refuses the file. So a pickle can be looked into, its tensors' names and shapes
included, without torch and without a single foreign function.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NoReturn, cast

from engine.errors import KnownError
from engine.formats.header import ITEM_SIZES, Stored
from engine.formats.pickle_names import STORAGES, TORCH_DTYPES, role_of

# Checking 400,000 took 1.15 s on a slow machine; a file of weights has some dozens for each tensor.
OPERATIONS_LIMIT = 250_000
# What `pickletools` and the machine raise for a stream that is no pickle.
MALFORMED = (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, EOFError, MemoryError)


class Refused(KnownError):
    """The pickle asks for something that weights never need; the text says what."""


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """A function or class that the pickle names."""

    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Inert:
    """An object of a trainer, read as nothing."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """Numbers in another part of the file: its `key` there, dtype and how many."""

    key: str
    dtype: str
    length: int


_MARK = object()
_LITERALS = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": lambda: (),
    "EMPTY_LIST": lambda: [],
    "EMPTY_DICT": lambda: {},
    "EMPTY_SET": lambda: Inert("set"),
    "MARK": lambda: _MARK,
}
_CONSTANTS = frozenset(
    "BININT BININT1 BININT2 INT LONG LONG1 BINFLOAT FLOAT BINUNICODE SHORT_BINUNICODE BINUNICODE8 UNICODE "
    "BINBYTES SHORT_BINBYTES BINSTRING SHORT_BINSTRING STRING".split()
)


class Machine:
    """Runs one pickle on inert values; `storages` collects what its tensors are made of."""

    def __init__(self, storages: dict[str, Storage]) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.storages = storages
        self.operations = 0

    def run(self, stream: BytesIO) -> Any:
        """The value of the pickle at the front of `stream`, which is left at its end.

        Raises `Refused` for instructions and names that weights never need, and one of `MALFORMED` for what is no
        pickle.
        """
        for operation, argument, _ in self._operations(stream):
            name = operation.name
            if name in _CONSTANTS:
                self.stack.append(argument)
            elif name in _LITERALS:
                self.stack.append(_LITERALS[name]())
            elif name == "STOP":
                return self.stack.pop()
            else:
                handler = _HANDLERS.get(name)
                if handler is None:
                    raise Refused(f"it uses the instruction {name}, which weights never need")
                handler(self, argument)
        raise EOFError

    def _operations(self, stream: BytesIO) -> Iterator[Any]:
        for operation in pickletools.genops(stream):
            self.operations += 1
            if self.operations > OPERATIONS_LIMIT:
                raise Refused(f"it has more than {OPERATIONS_LIMIT:,} instructions")
            yield operation

    def pop_to_mark(self) -> list[Any]:
        """What lies above the last mark, which goes too."""
        for at in range(len(self.stack) - 1, -1, -1):
            if self.stack[at] is _MARK:
                items = self.stack[at + 1 :]
                del self.stack[at:]
                return items
        raise ValueError("no mark")

    # ------------------------------------------------------------------------------------------------ instructions

    def put(self, argument: int | None) -> None:
        self.memo[len(self.memo) if argument is None else argument] = self.stack[-1]

    def name(self, text: str) -> None:
        role = role_of(text)
        if role is None:
            raise Refused(f"it would run {text}")
        self.stack.append(Name(text))

    def stack_name(self, _: Any) -> None:
        last, module = self.stack.pop(), self.stack.pop()
        if not isinstance(last, str) or not isinstance(module, str):
            raise TypeError(last)
        self.name(f"{module}.{last}")

    def tuple_of(self, count: int) -> None:
        if len(self.stack) < count:
            raise IndexError(count)
        items = tuple(self.stack[len(self.stack) - count :])
        del self.stack[len(self.stack) - count :]
        self.stack.append(items)

    def set_items(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Inert):
            return
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            # No tuples: the hash of a deeply nested one overflows the stack.
            if not isinstance(key, (str, int, float, Name, bytes, type(None))):
                raise Refused(f"it has a key of the kind {type(key).__name__}")
            cast("dict[Any, Any]", target)[key] = value

    def append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, (list, Inert)):
            raise TypeError(target)
        if isinstance(target, list):
            cast("list[Any]", target).extend(items)

    def storage(self, _: Any) -> None:
        kind, storage_type, key, *rest = self.stack.pop()
        if kind == "module" and isinstance(storage_type, Name):
            # Before torch 1.6 the source text of a class stood beside its name, for the reader to compare.
            self.stack.append(storage_type)
            return
        if kind != "storage" or not isinstance(storage_type, Name) or role_of(storage_type.text) != "storage":
            raise Refused("it refers to something that is no storage of numbers")
        length = rest[1]
        if type(length) is not int or length < 0 or not isinstance(key, (str, int)):
            raise TypeError(length)
        made = Storage(str(key), STORAGES[storage_type.text.rpartition(".")[2]], length)
        known = self.storages.setdefault(made.key, made)
        if (known.dtype, known.length) != (made.dtype, made.length):
            raise ValueError(key)
        self.stack.append(made)

    def reduce(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise Refused(f"it would call a {type(function).__name__}")
        self.stack.append(_call(function, cast("tuple[Any, ...]", arguments)))

    def build(self, _: Any) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, dict) and isinstance(state, dict):
            # A ParameterDict keeps its tensors here; an OrderedDict only notes of versions.
            parameters = cast("dict[str, Any]", state).get("_parameters")
            if isinstance(parameters, dict):
                cast("dict[str, Any]", target).update(parameters)
        elif not isinstance(target, (dict, Inert)):
            raise Refused(f"it would change a {type(target).__name__}")


def _call(function: Name, arguments: tuple[Any, ...]) -> Any:
    match role_of(function.text):
        case "dict":
            made: dict[Any, Any] = {}
            for key, value in arguments[0] if arguments else ():
                if not isinstance(key, (str, int)):
                    raise TypeError(key)
                made[key] = value
            return made
        case "tensor":
            return _tensor(arguments[0], arguments[0].dtype, *arguments[1:4])
        case "typed tensor":
            dtype = arguments[6]
            if not isinstance(dtype, Name) or role_of(dtype.text) != "dtype":
                raise TypeError(dtype)
            return _tensor(arguments[0], TORCH_DTYPES[dtype.text.rpartition(".")[2]], *arguments[1:4])
        case "parameter":
            return arguments[0]
        case "tuple":
            return tuple(arguments[0]) if isinstance(arguments[0], (list, tuple)) else _wrong(arguments)
        case "inert":
            return Inert(function.text)
        case _:
            raise Refused(f"it would call {function.text}")


def _wrong(value: Any) -> NoReturn:
    raise TypeError(value)


def _tensor(storage: Any, dtype: str, offset: int, shape: Any, stride: Any = None) -> Stored:
    if not isinstance(storage, Storage) or not isinstance(shape, tuple) or type(offset) is not int or offset < 0:
        raise TypeError(storage)
    lengths = cast("tuple[Any, ...]", shape)
    steps = cast("tuple[Any, ...]", stride) if isinstance(stride, tuple) else ()
    if len(lengths) != len(steps) or not all(type(n) is int and 0 <= n < 1 << 48 for n in (*lengths, *steps)):
        raise TypeError(shape)
    end = offset + sum((n - 1) * step for n, step in zip(lengths, steps, strict=True)) + 1 if all(lengths) else 0
    if end * ITEM_SIZES[dtype] > storage.length * ITEM_SIZES[storage.dtype]:
        raise ValueError(shape)
    return Stored(dtype, lengths)


_HANDLERS: dict[str, Callable[[Machine, Any], None]] = {
    "PROTO": lambda _machine, _argument: None,
    "FRAME": lambda _machine, _argument: None,
    "POP": lambda machine, _: (machine.stack.pop(), None)[1],
    "PUT": Machine.put,
    "BINPUT": Machine.put,
    "LONG_BINPUT": Machine.put,
    "MEMOIZE": lambda machine, _: machine.put(None),
    "GET": lambda machine, argument: machine.stack.append(machine.memo[argument]),
    "BINGET": lambda machine, argument: machine.stack.append(machine.memo[argument]),
    "LONG_BINGET": lambda machine, argument: machine.stack.append(machine.memo[argument]),
    "GLOBAL": lambda machine, argument: machine.name(argument.replace(" ", ".")),
    "STACK_GLOBAL": Machine.stack_name,
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.pop_to_mark())),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "LIST": lambda machine, _: machine.stack.append(machine.pop_to_mark()),
    "DICT": lambda machine, _: _dict(machine),
    "APPEND": lambda machine, _: machine.append([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine.append(machine.pop_to_mark()),
    "SETITEM": lambda machine, _: machine.set_items([machine.stack.pop(), machine.stack.pop()][::-1]),
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_to_mark()),
    "BINPERSID": Machine.storage,
    "REDUCE": Machine.reduce,
    "NEWOBJ": Machine.reduce,
    "BUILD": Machine.build,
}


def _dict(machine: Machine) -> None:
    pairs = machine.pop_to_mark()
    machine.stack.append({})
    machine.set_items(pairs)
