"""Styles: named pairs of prompt fragments, kept as JSON; the `styles.csv` of A1111 comes in. No Qt."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.errors import BadFile, MissingFile

PLACE = "{prompt}"


@dataclass(frozen=True, slots=True)
class Style:
    """What a style adds: a fragment with `{prompt}` in it goes around the prompt, another one behind it."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""


def with_styles(prompt: str, negative: str, styles: Sequence[Style]) -> tuple[str, str]:
    """The prompts with the fragments of `styles`, in their order."""
    for style in styles:
        prompt = _joined(prompt, style.prompt)
        negative = _joined(negative, style.negative_prompt)
    return prompt, negative


def _joined(text: str, fragment: str) -> str:
    if not fragment.strip():
        return text
    if PLACE in fragment:
        return fragment.replace(PLACE, text)
    return ", ".join(part for part in (text.strip(), fragment.strip()) if part)


def read_styles(path: Path) -> list[Style]:
    """The user's styles; none where the file is not there yet.

    Raises:
        BadFile: it cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [Style(str(row["name"]), str(row["prompt"]), str(row["negative_prompt"])) for row in content]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadFile(f"The styles in {path} cannot be read ({error}); mend or remove the file.") from error


def write_styles(path: Path, styles: Sequence[Style]) -> None:
    """Write the user's styles, whole or not at all."""
    from engine.files import write_atomic

    write_atomic(path, json.dumps([asdict(style) for style in styles], ensure_ascii=False, indent=2).encode())


def import_a1111(path: Path) -> list[Style]:
    """The styles of a `styles.csv` of A1111 (columns `name`, `prompt`, `negative_prompt`), without rows of headings.

    Raises:
        MissingFile, BadFile: there is no such file, or it has no such columns.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
    except FileNotFoundError as error:
        raise MissingFile(f"The file {path} does not exist; choose a styles.csv.") from error
    except OSError as error:
        raise BadFile(f"The file {path} cannot be read ({error.strerror}); choose a styles.csv.") from error
    rows = list(csv.DictReader(text.splitlines(keepends=True)))
    if not rows or "name" not in rows[0] or "prompt" not in rows[0]:
        raise BadFile(f"The file {path} has no columns name and prompt; choose a styles.csv of A1111.")
    styles = [
        Style(row["name"].strip(), (row["prompt"] or "").strip(), (row.get("negative_prompt") or "").strip())
        for row in rows
        if row.get("name") and row.get("prompt") is not None
    ]
    return [style for style in styles if style.name and (style.prompt or style.negative_prompt)]
