"""The engine's command line: `generate`, `info`, `models`, `schedulers`, `train`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line on `argv` and return its exit code; without `argv` it is the process, and ends it.

    Exit codes: 0 done, 1 failed, 2 wrong input, 130 cancelled by Ctrl+C.
    """
    try:
        from engine.cli.program import run

        code = run(sys.argv[1:] if argv is None else list(argv))
    except KeyboardInterrupt:
        code = 130
    if argv is None:
        leave(code)
    return code


def leave(code: int) -> NoReturn:
    """End the process at once; taking torch down in order costs a tenth of a second and a large model more."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
