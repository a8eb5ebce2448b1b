"""How the window's modules come into the process: nothing walks over them, and nothing reads their source."""

from __future__ import annotations

import gc
from importlib import import_module
from types import ModuleType
from typing import Any


def import_application() -> ModuleType:
    """Import `app.application` as a start of the program does, and return it."""
    # Nothing of what is imported is garbage; the window's own collector begins after it.
    gc.disable()
    leave_sources_unread()
    from app import application

    return application


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
