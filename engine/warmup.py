"""Import torch sooner and without holding up the rest of the program.

Most of `import torch` is Python and can only wait its turn, but a fifth of a second goes to the system's loader, which
holds the interpreter lock for no reason. Loading the largest library by a foreign call gives the lock back meanwhile,
and with the garbage collector off the import takes 0.15 s less (0.90 s to 0.75 s measured on two cores).
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

# How often an idle thread of GNU OpenMP looks for work before it sleeps. Its own 300,000 lets the threads of one step
# hold each other up beside other busy programs: 1.4 s a step against 0.45 s under load, 13 ms either way without.
_SPINS = "10000"
# The system loads one library at a time, and Python waits for its turn with the interpreter lock held: who imports
# compiled modules while torch's library is being loaded stops every thread, the window's too. Hold this meanwhile.
LOADER = threading.Lock()
_importing = threading.Event()
_LIBRARIES = {"win32": "torch_cpu.dll", "darwin": "libtorch_cpu.dylib"}


def import_torch() -> None:
    """Import torch as fast as it goes; a second call costs nothing."""
    if "torch" in sys.modules:
        return
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
    _load_library()
    collecting = gc.isenabled()
    gc.disable()
    _importing.set()
    try:
        importlib.import_module("torch")
    finally:
        # What an import makes stays: no later collection needs to walk over it.
        gc.freeze()
        _importing.clear()
        if collecting:
            gc.enable()


def is_importing() -> bool:
    """Whether torch is being imported now: the hundred thousands of objects that it makes are no garbage."""
    return _importing.is_set()


def start_importing_torch() -> threading.Thread:
    """Begin to import torch in a thread; join it before the first use."""
    thread = threading.Thread(target=import_torch, name="import torch", daemon=True)
    thread.start()
    return thread


def _load_library() -> None:
    spec = find_spec("torch")
    folder = Path(spec.origin).parent / "lib" if spec is not None and spec.origin else None
    library = folder / _LIBRARIES.get(sys.platform, "libtorch_cpu.so") if folder is not None else None
    if library is None or not library.exists() or sys.platform == "win32":
        # On Windows torch itself prepares the search path first; there the import does all.
        return
    loader = ctypes.CDLL(None)
    loader.dlopen.argtypes = (ctypes.c_char_p, ctypes.c_int)
    loader.dlopen.restype = ctypes.c_void_p
    lazy = 0x1
    # Its answer is not needed: if the library is damaged, the import that follows says so better than we could.
    with LOADER:
        loader.dlopen(str(library).encode(), lazy)
