"""The window's modules are imported without being read a second time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CHILD = """
import json, linecache, sys
from app.imports import import_application
import_application()
import colorsys, wave  # as any library that comes later
print(json.dumps([sorted(linecache.cache), "app.main_window" in sys.modules]))
"""


def test_pyside_does_not_read_the_source_of_what_is_imported(root: Path) -> None:
    done = subprocess.run(  # noqa: S603 (our own code)
        [sys.executable, "-c", CHILD], cwd=root, capture_output=True, text=True, check=True
    )
    read, imported = json.loads(done.stdout)
    assert imported
    ours = [path for path in read if Path(path).is_relative_to(root / "app") or "colorsys" in path or "wave" in path]
    # Itself it was imported with PySide, before that could be kept from it.
    assert ours in ([], [str(root / "app" / "imports.py")])


WRONG = """
import sys
from app.imports import import_application
import_application()
from PySide6.QtCore import QPoint
stubs = sys.modules["shibokensupport.signature.lib.pyi_generator"]
print(hasattr(stubs, "generate_pyi"), "uuid" in sys.modules, "subprocess" in sys.modules)
QPoint("a", [])
"""


def test_what_only_writes_stubs_is_left_out_and_pyside_still_says_what_is_wrong(root: Path) -> None:
    done = subprocess.run(  # noqa: S603 (our own code)
        [sys.executable, "-c", WRONG], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["False", "False", "False"]
    assert "called with wrong argument types" in done.stderr
    assert "QPoint.__init__(xpos: int, ypos: int" in done.stderr
