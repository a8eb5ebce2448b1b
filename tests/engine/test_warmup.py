"""Importing torch early: it is there afterwards, and the collector is as it was."""

from __future__ import annotations

import os
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


@pytest.mark.parametrize(
    ("given", "spins"), [({}, "10000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "None")]
)
def test_idle_threads_sleep_soon_unless_the_user_says_otherwise(given: dict[str, str], spins: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}}
    code = "import os; from engine.warmup import import_torch; import_torch(); print(os.environ.get('GOMP_SPINCOUNT'))"
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=environment | given)
    assert found.stdout.strip() == spins
