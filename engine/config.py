"""Configurations: the arguments an object was made with, kept, checked, saved and read again.

`@register_to_config` on `__init__` records every argument, defaults included, as `self.config` and checks each value
against its annotation, so `Literal["linear", "cosine"]` in a signature is both the documentation and the check.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import (
    Any,
    ClassVar,
    Concatenate,
    ParamSpec,
    Self,
    TypeVar,
    cast,
    get_type_hints,
)

from engine.annotations import describe, fits
from engine.errors import ConfigError, InvalidValue, KnownError
from engine.files import read_json, to_json, write_atomic

logger = logging.getLogger(__name__)

# Written into every file, so that the reference knows which dialect of its own format it reads.
FORMAT_VERSION = "0.42.1"


class Config(dict[str, Any]):
    """The constructor arguments of an object: a dict whose keys are attributes too.

    Attributes:
        defaulted: keys that were not given, so that their value is only the default of the class they came from.
        unused: what the configuration it was made from had beside its own keys. Only `from_config` of another class
            looks there: a PNDM file says `clip_sample` for the DDIM that may replace it.
    """

    defaulted: frozenset[str]
    unused: Mapping[str, Any]

    def __init__(
        self,
        values: Mapping[str, Any],
        defaulted: frozenset[str] = frozenset(),
        unused: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__(values)
        object.__setattr__(self, "defaulted", defaulted)
        object.__setattr__(self, "unused", unused)

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the configuration has no key {name!r}; it has {', '.join(sorted(self))}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a configuration cannot be changed: use from_config(config, {name}={value!r})")

    def __reduce__(self) -> tuple[Any, ...]:
        return Config, (dict(self), self.defaulted, dict(self.unused))


Init = ParamSpec("Init")
Owner = TypeVar("Owner", bound="ConfigMixin")


def register_to_config(
    init: Callable[Concatenate[Owner, Init], None],
) -> Callable[Concatenate[Owner, Init], None]:
    """Decorate `__init__`: record its arguments as `self.config`, and check them against their annotations."""
    signature = inspect.signature(init)

    @functools.wraps(init)
    def wrapper(self: Owner, *args: Init.args, **kwargs: Init.kwargs) -> None:
        # What files and configurations hold beside the arguments (`_class_name`, ...) may be passed along with them.
        for key in [key for key in kwargs if key.startswith("_")]:
            del kwargs[key]
        bound = _bind(signature, self, args, kwargs)
        given = frozenset(bound.arguments)
        bound.apply_defaults()
        values = {key: value for key, value in bound.arguments.items() if key != "self"}
        # A subclass that hands its arguments on keeps its own, larger set.
        if "_config" not in self.__dict__:
            _check_types(type(self).__name__, init, values)
            # Through __dict__: nn.Module forbids plain attributes before its own __init__ ran.
            self.__dict__["_config"] = Config(values, frozenset(values) - given)
        init(self, *args, **kwargs)

    return wrapper


def _bind(signature: inspect.Signature, owner: object, args: Any, kwargs: Any) -> inspect.BoundArguments:
    try:
        return signature.bind(owner, *args, **kwargs)
    except TypeError as error:
        known = ", ".join(name for name in signature.parameters if name != "self")
        raise ConfigError(f"{type(owner).__name__}: {error}; its arguments are {known}.") from error


@functools.cache
def _hints(init: Callable[..., None]) -> dict[str, Any]:
    return get_type_hints(init)


def _check_types(class_name: str, init: Callable[..., None], values: Mapping[str, Any]) -> None:
    hints = _hints(init)
    for key, value in values.items():
        if key in hints and not fits(value, hints[key]):
            raise ConfigError(f"{class_name}: {key} cannot be {value!r}; it must be {describe(hints[key])}.")


class ConfigMixin:
    """Base of everything that is made from a configuration: schedulers and models.

    Attributes:
        config_name: the file that `save_config` writes and `load_config` reads.
        config: every argument of the constructor, defaults included.
    """

    config_name: ClassVar[str] = "config.json"

    @property
    def config(self) -> Config:
        """The constructor's arguments, defaults included."""
        return cast("Config", self.__dict__["_config"])

    def change_config(self, **values: Any) -> None:
        """Give keys that are read only later, when the object runs, other `values`.

        Which keys were only defaults stays as it was: `from_config` of another class does not take these over.
        """
        self.__dict__["_config"] = Config({**self.config, **values}, self.config.defaulted, self.config.unused)

    @classmethod
    def config_keys(cls) -> list[str]:
        """Return the names of the constructor's arguments."""
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    @classmethod
    def from_config(cls, config: Mapping[str, Any], **changes: Any) -> Self:
        """Make an object from another one's configuration, with `changes`.

        Keys that were only defaults of the class `config` came from do not carry over: the default of this class
        applies. Keys that this class does not have are logged and left out (see `Config.unused`). Raises `ConfigError`
        for an unknown name in `changes` and for a value that this class cannot have.
        """
        keys = cls.config_keys()
        unknown = sorted(set(changes) - set(keys))
        if unknown:
            raise ConfigError(f"{cls.__name__} has no option {unknown[0]!r}; its options are {', '.join(keys)}.")
        # The reference's own configurations say in a key what ours say in an attribute.
        defaulted = config.defaulted if isinstance(config, Config) else frozenset(config.get("_use_default_values", ()))
        inherited = config.unused if isinstance(config, Config) else {}
        given = {k: v for k, v in {**inherited, **config}.items() if not k.startswith("_") and k not in defaulted}
        made = cls(**({key: value for key, value in given.items() if key in keys} | changes))
        unused = {key: value for key, value in given.items() if key not in keys}
        if new := sorted(set(unused) - set(inherited)):
            logger.info("%s does not use %s", cls.__name__, ", ".join(new))
        made.__dict__["_config"] = Config(made.config, made.config.defaulted, unused)
        return made

    @classmethod
    def load_config(cls, folder: str | Path, subfolder: str | None = None) -> dict[str, Any]:
        """Return the configuration file of `folder` as it is, `_class_name` included."""
        return read_json(cls.config_path(folder, subfolder))

    @classmethod
    def config_path(cls, folder: str | Path, subfolder: str | None = None) -> Path:
        """Return the path of this class's configuration file in `folder` (which may be the file itself)."""
        path = Path(folder) / (subfolder or "")
        return path if path.suffix == ".json" else path / cls.config_name

    @classmethod
    def from_config_file(cls, folder: str | Path, subfolder: str | None = None, **changes: Any) -> Self:
        """Make an object from the configuration file in `folder`; a `ConfigError` names the file."""
        path = cls.config_path(folder, subfolder)
        try:
            return cls.from_config(cls.load_config(path), **changes)
        except InvalidValue as error:
            raise ConfigError(f"{path}: {error}") from error
        except KnownError:
            raise
        except (ArithmeticError, IndexError, RuntimeError, TypeError, ValueError) as error:
            # Numbers of the right type that no layer can have, such as a negative width: torch says so in its words.
            raise ConfigError(
                f"{path} describes no {cls.__name__} that can be ({error}); download it again."
            ) from error

    def config_json(self) -> str:
        """Return the text that `save_config` writes: class, format version and arguments, sorted."""
        content = {"_class_name": type(self).__name__, "_diffusers_version": FORMAT_VERSION}
        return to_json(content | {key: _plain(value) for key, value in self.config.items()})

    def save_config(self, folder: str | Path) -> None:
        """Write the configuration into `folder`, which is made if needed."""
        write_atomic(Path(folder) / self.config_name, self.config_json().encode())


def _plain(value: Any) -> Any:
    """Return `value` as JSON has it: arrays and tuples become lists, paths become text."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in cast("Sequence[Any]", value)]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, Path):
        return str(value)
    # numpy arrays and numpy scalars, without importing numpy.
    return value.tolist() if hasattr(value, "tolist") else value
