"""The `sfumato` command: a prompt or nothing makes a picture, anything else goes to the engine's command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence

DEFAULT_PROMPT = "a red apple, 3d icon"


def engine_arguments(argv: Sequence[str]) -> list[str]:
    """What the engine's command line is to do: `--prompt TEXT ...`, or no argument at all, means `generate`."""
    if not argv:
        return ["generate", DEFAULT_PROMPT]
    if argv[0] == "--prompt":
        return ["generate", *argv[1:]]
    if argv[0].startswith("--prompt="):
        return ["generate", argv[0].removeprefix("--prompt="), *argv[1:]]
    return list(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code. Without `argv` it is the process, which the engine may end by itself."""
    from engine.cli import main as run_engine

    if argv is not None:
        return run_engine(engine_arguments(argv))
    sys.argv[1:] = engine_arguments(sys.argv[1:])
    return run_engine()


if __name__ == "__main__":
    sys.exit(main())
