"""What can go wrong, in two kinds.

`KnownError`: the world failed (a file is missing, a value is out of range). Its text is one sentence a user
understands, with the value that was wrong and the remedy; front ends show it as it is and go on.
`BugError`: we failed. Front ends turn it, like any other exception, into a report.

Each known error also derives from the built-in exception that Python programmers expect, so
`except ValueError` and `except FileNotFoundError` keep working.
"""

from __future__ import annotations


class KnownError(Exception):
    """The world failed; `str(error)` says what is wrong and what to do about it."""


class InvalidValue(KnownError, ValueError):
    """An argument or a configuration has a value that it cannot have."""


class UnknownName(InvalidValue):
    """A name (class, scheduler, component, file format) that this program does not know."""


class ConfigError(InvalidValue):
    """A configuration file cannot be read, or names a value that its class cannot have."""


class MissingFile(KnownError, FileNotFoundError):
    """A file or folder that is needed is not there."""

    def __str__(self) -> str:
        # FileNotFoundError formats (errno, text) pairs; ours is always one sentence.
        return str(self.args[0])


class MissingVariant(MissingFile, InvalidValue):
    """A model has no files of the variant (fp16, ...) that was asked for."""


class BadFile(KnownError, ValueError):
    """A file is there but damaged, cut short, or of another kind."""


class WeightsMismatch(KnownError, RuntimeError):
    """Weights do not fit the module: a key is missing or left over, or a shape differs."""


class MissingDependency(KnownError, ImportError):
    """A soft dependency is not installed; the text says which package to install."""


class CallOrder(KnownError, RuntimeError, ValueError):
    """A method was called before the one that prepares it; the text says what to call first."""


class OutOfMemory(KnownError, MemoryError):
    """The device has not enough memory for this request."""


class DeviceUnavailable(KnownError, RuntimeError):
    """The requested device is not present on this machine."""


class BugError(Exception):
    """We failed: an assumption of this program does not hold. Shown as a report, never as advice."""


class Cancelled(BaseException):
    """Raised inside a model call to leave it at once.

    Derives from BaseException so that no `except Exception` between the hook and the runner can stop it.
    """
