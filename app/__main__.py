"""The `sfumato` command: the window, a picture from a prompt, or the engine's command line.

No argument, or names of files, opens the window where there is a display; without one, no argument makes a first
picture.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from app.first_prompt import FIRST_PROMPT

WINDOW = "window"


def has_display() -> bool:
    """Whether a window could be seen, or an environment asks for a platform of Qt's."""
    if os.environ.get("QT_QPA_PLATFORM") or sys.platform in {"win32", "darwin"}:
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def window_arguments(argv: Sequence[str]) -> tuple[list[str], Path | None] | None:
    """The files to open and the data folder if `argv` asks for the window, else None.

    `window [--data-folder FOLDER] [FILE ...]` always does, nothing but files does where there is a display.
    """
    rest = list(argv)
    asked = rest[:1] == [WINDOW]
    if asked:
        rest = rest[1:]
    folder = None
    if rest[:1] == ["--data-folder"] and len(rest) > 1:
        folder, rest, asked = Path(rest[1]), rest[2:], True
    if asked:
        return rest, folder
    only_files = all(Path(argument).exists() for argument in rest)
    return (rest, None) if only_files and has_display() else None


def engine_arguments(argv: Sequence[str]) -> list[str]:
    """What the engine's command line is to do: `--prompt TEXT ...`, or no argument at all, means `generate`."""
    if not argv:
        return ["generate", FIRST_PROMPT]
    if argv[0] == "--prompt":
        return ["generate", *argv[1:]]
    if argv[0].startswith("--prompt="):
        return ["generate", argv[0].removeprefix("--prompt="), *argv[1:]]
    return list(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code. Without `argv` it is the process, which the engine may end by itself."""
    arguments = sys.argv[1:] if argv is None else argv
    wanted = window_arguments(arguments)
    if wanted is not None:
        from app.imports import import_application

        return import_application().main(wanted[0], wanted[1])
    from engine.cli import main as run_engine

    if argv is not None:
        return run_engine(engine_arguments(argv))
    sys.argv[1:] = engine_arguments(sys.argv[1:])
    return run_engine()


if __name__ == "__main__":
    sys.exit(main())
