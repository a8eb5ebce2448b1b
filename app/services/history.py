"""Prompts used before, as JSON; no Qt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from engine.errors import BadFile

HISTORY_KEPT = 500


def read_history(path: Path) -> list[tuple[str, str]]:
    """Pairs of prompt and negative prompt, the newest first; none where the file is not there yet.

    Raises:
        BadFile: it cannot be read.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [(str(prompt), str(negative)) for prompt, negative in rows]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        raise BadFile(f"The history of prompts in {path} cannot be read ({error}); mend or remove the file.") from error


def write_history(path: Path, history: Sequence[tuple[str, str]]) -> None:
    """Write the history, whole or not at all."""
    from engine.files import write_atomic

    write_atomic(path, json.dumps([list(pair) for pair in history], ensure_ascii=False).encode())
