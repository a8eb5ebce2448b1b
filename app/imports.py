"""How the window's modules come into the process: nothing walks over them, nothing reads their source."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def import_application() -> ModuleType:
    """Import `app.application` as a start of the program does, and return it."""
    # Nothing of what is imported is garbage; the window's own collector begins after it.
    gc.disable()
    with WithoutStubWriter():
        leave_sources_unread()
    from app import application

    return application


class WithoutStubWriter:
    """Within it, PySide is imported with nothing in the place of its writer of `.pyi` files.

    PySide loads that with each start, 30 ms, most of it regular expressions; only `pyside6-genpyi` ever uses it.
    A finder and loader of modules without their base classes, whose import would take as long.
    """

    def __enter__(self) -> None:
        sys.meta_path.insert(0, self)

    def __exit__(self, *_error: object) -> None:
        sys.meta_path.remove(self)

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        loader: Any = self
        return ModuleSpec(fullname, loader) if fullname == "shibokensupport.signature.lib.pyi_generator" else None

    def create_module(self, _spec: ModuleSpec) -> None:
        """Have it made as any module is."""

    def exec_module(self, module: ModuleType) -> None:
        """Leave it empty."""


def leave_sources_unread() -> None:
    """Keep PySide from reading the source of every module that is imported from now on.

    It searches them for its name, to know which modules `from __feature__ import ...` concerns, and keeps them in
    `linecache`: with torch 900 files, 18 MB of text and 40 MB of memory. This program does not use `__feature__`.
    """
    import_module("PySide6.QtCore")  # before it there is no shibokensupport

    feature: Any = import_module("shibokensupport.feature")
    if hasattr(feature, "_mod_uses_pyside"):  # a name of PySide's own, which later versions may not have
        feature._mod_uses_pyside = _is_of_the_window


def _is_of_the_window(module: ModuleType) -> bool:
    return module.__name__.partition(".")[0] == "app"
