"""Importing torch early: it is there afterwards, and the collector is as it was."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("collecting", ["enable", "disable"])
def test_torch_is_imported_in_a_thread(collecting: str) -> None:
    code = (
        f"import gc, sys; gc.{collecting}(); from engine.warmup import start_importing_torch\n"
        "assert 'torch' not in sys.modules\n"
        "start_importing_torch().join(); print('torch' in sys.modules, gc.isenabled())\n"
        "start_importing_torch().join()"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["True", str(collecting == "enable")]
