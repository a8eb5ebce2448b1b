"""The configurations that a file carries in its header: those of the folder that this program made it of.

The text under `KEY` is a JSON object, name of a small file in the folder -> its content. A published model needs none:
its family says all. One of another build does: heads of attention, scheduler and tokenizer are in no tensor. No torch.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from engine.loading.clip_vocabulary import clip_merges, clip_vocabulary

KEY = "sfumato.configuration"
INDEX_NAME = "model_index.json"
CARD_NAME = "sfumato.json"
# A tokenizer that is CLIP's own is not repeated: this program has it.
_CLIP_FILES = ("merges.txt", "vocab.json")
# What the header may bring: two levels of plain names, so that nothing lands outside of a folder.
_NAME = re.compile(r"(?:[a-z0-9_]+/)?[a-z0-9_]+\.(?:json|txt)")

Texts = Mapping[str, str]


def read_own(metadata: Mapping[str, str]) -> Texts | None:
    """The small files that `metadata` brings, by name; None where it brings none, or they cannot be read."""
    try:
        content = json.loads(metadata.get(KEY, ""))
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or INDEX_NAME not in content:
        return None
    texts = cast("dict[str, Any]", content)
    if not all(_NAME.fullmatch(name) and isinstance(text, str) for name, text in texts.items()):
        return None
    return texts


def json_of(texts: Texts, name: str) -> dict[str, Any]:
    """The JSON object in the small file `name`; an empty one where there is none."""
    try:
        content = json.loads(texts.get(name, "{}"))
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}


def to_text(folder: Path) -> str:
    """The text for the header of a file made of the pipeline in `folder`, which may hold configurations alone."""
    names = sorted(path for path in folder.rglob("*") if path.is_file() and _NAME.fullmatch(_name(folder, path)))
    texts = {_name(folder, path): path.read_text(encoding="utf-8") for path in names}
    for name in [name for name in texts if name.endswith("/merges.txt")]:
        part = name.removesuffix("/merges.txt")
        if json_of(texts, f"{part}/vocab.json") == clip_vocabulary(clip_merges()):
            for file in _CLIP_FILES:
                del texts[f"{part}/{file}"]
    return json.dumps(texts, ensure_ascii=False, separators=(",", ":"))


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def has_clip(texts: Texts, part: str) -> bool:
    """Whether the tokenizer `part` has CLIP's own vocabulary, which the header does not repeat."""
    files = (*_CLIP_FILES, "tokenizer.json")
    return f"{part}/tokenizer_config.json" in texts and not any(f"{part}/{file}" in texts for file in files)


@contextmanager
def unpacked(texts: Texts) -> Generator[Path]:
    """A folder with the small files, which is gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="sfumato-") as temporary:
        folder = Path(temporary)
        for name, text in texts.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        yield folder
