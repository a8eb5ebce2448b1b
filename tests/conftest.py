"""What every test runs under: the same fonts, locale and threads on every machine, and no network."""

from __future__ import annotations

import gc
import os
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Read when Qt, fontconfig, OpenMP and the hub client load, hence before any test module is imported.
os.environ["LANG"] = "C.UTF-8"
os.environ["FONTCONFIG_FILE"] = str(ROOT / "tests" / "fonts.conf")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
if "SFUMATO_CACHE" not in os.environ:
    # Conversions of pickled weights; gone with the session.
    _CACHE = tempfile.TemporaryDirectory(prefix="sfumato-cache-")
    os.environ["SFUMATO_CACHE"] = _CACHE.name


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the repository."""
    return ROOT


@pytest.fixture(scope="module", autouse=True)
def settled_heap() -> None:
    """What was imported and collected so far stays: a collection by the engine or a test need not walk over it.

    Diffusers, transformers and thousands of test items are a million objects, half a second each time.
    """
    gc.collect()
    gc.freeze()
