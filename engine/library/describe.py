"""Look into one model: what its header, its configuration and the notes beside it say. Weights are never read."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import KnownError
from engine.files import read_json
from engine.library.scan import Found, notes_beside, picture_beside
from engine.library_messages import DAMAGED

_MOST_TRIGGERS = 24
_LONGEST_VALUE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What is known of a model without its weights; the texts are for search and display."""

    kind: str
    family: str
    variant: str = ""
    prediction: str = ""
    precision: str = ""
    layout: str = ""
    reason: str = ""
    supported: bool = True
    title: str = ""
    base: str = ""
    description: str = ""
    preview: str = ""
    triggers: tuple[str, ...] = ()
    licence: str = ""
    source: str = ""
    sha256: str = ""
    metadata: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Told:
    """What notes or a header say beside what was detected."""

    title: str = ""
    base: str = ""
    description: str = ""
    licence: str = ""
    source: str = ""
    triggers: tuple[str, ...] = ()

    def fill(self, other: _Told) -> None:
        """Take from `other` what is not known yet."""
        for name in ("title", "base", "description", "licence", "source", "triggers"):
            if not getattr(self, name):
                setattr(self, name, getattr(other, name))


def describe(found: Found) -> Described:
    """Look into `found`; a file that is damaged is described as such, with the reason."""
    try:
        seen, metadata = _seen(found)
    except KnownError as error:
        return Described(kind=DAMAGED, family="unknown", reason=str(error), preview=picture_beside(found))
    except OSError as error:
        text = f"{found.path} cannot be read ({error.strerror}); allow it, or remove it."
        return Described(kind=DAMAGED, family="unknown", reason=text)
    told = _Told()
    for path in notes_beside(found):
        told.fill(_note(path))
    told.fill(_from_header(metadata))
    kept = tuple((key, text[:_LONGEST_VALUE]) for key, text in metadata.items() if key != "modelspec.thumbnail")
    return Described(
        **seen,
        title=told.title,
        base=told.base,
        description=told.description,
        licence=told.licence,
        source=told.source,
        triggers=told.triggers,
        preview=picture_beside(found),
        sha256=found.known_sha256,
        metadata=kept,
    )


def describe_all(found: list[Found]) -> list[Described]:
    """`describe` for a batch: what one process is handed at a time."""
    return [describe(one) for one in found]


def _seen(found: Found) -> tuple[dict[str, Any], dict[str, str]]:
    from engine.loading import detect

    path = Path(found.path)
    detected = detect(path)
    kind = "upscaler" if detected.kind == "unknown" and found.hint == "upscaler" else detected.kind
    seen: dict[str, Any] = {
        name: getattr(detected, name) for name in ("variant", "prediction", "precision", "layout", "reason")
    }
    seen |= {"kind": kind, "family": detected.family or "unknown", "supported": detected.supported}
    return seen, {**detected.metadata, **(_card(path) if found.is_folder else {})}


def _card(folder: Path) -> dict[str, str]:
    """What our own card in a model's folder says."""
    path = folder / "sfumato.json"
    return {key: str(value) for key, value in read_json(path).items()} if path.is_file() else {}


def _from_header(metadata: dict[str, str]) -> _Told:
    """The words that trainers (kohya, OneTrainer, modelspec) leave in a header."""
    words = [*_split(metadata.get("modelspec.trigger_phrase", "")), *_split(metadata.get("ss_trigger_words", ""))]
    return _Told(
        title=metadata.get("modelspec.title") or metadata.get("ss_output_name") or metadata.get("name", ""),
        base=metadata.get("ss_base_model_version") or metadata.get("modelspec.architecture", ""),
        description=metadata.get("modelspec.description", ""),
        licence=metadata.get("modelspec.license") or metadata.get("license", ""),
        triggers=_most(dict.fromkeys([*words, *_frequent_tags(metadata.get("ss_tag_frequency", ""))])),
    )


def _frequent_tags(text: str) -> Iterator[str]:
    """The tags of the training pictures, the commonest first: `{folder: {tag: count}}` as JSON."""
    try:
        folders = json.loads(text) if text else {}
    except ValueError:
        return
    counts: Counter[str] = Counter()
    for tags in folders.values() if isinstance(folders, dict) else ():
        for tag, count in tags.items() if isinstance(tags, dict) else ():
            if isinstance(count, int):
                counts[str(tag).strip()] += count
    yield from (tag for tag, _ in counts.most_common(_MOST_TRIGGERS) if tag)


def _note(path: Path) -> _Told:
    """A note beside a model: of A1111, Civitai Helper, Stability Matrix or LoRA Manager, or plain text."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return _Told()
    if path.suffix.lower() == ".txt":
        return _Told(description=text.strip()[:_LONGEST_VALUE])
    try:
        content = json.loads(text)
    except ValueError:
        return _Told()
    return _json_note(content) if isinstance(content, dict) else _Told()


def _json_note(content: dict[str, Any]) -> _Told:
    nested = content.get("civitai")
    inner: dict[str, Any] = nested if isinstance(nested, dict) else {}
    model = content.get("model") if isinstance(content.get("model"), dict) else inner.get("model")
    named: dict[str, Any] = model if isinstance(model, dict) else {}
    words: list[str] = []
    for source in (content, inner):
        for key in ("trainedWords", "TrainedWords", "activation text", "trigger_words"):
            value = source.get(key)
            for text in value if isinstance(value, list) else [value]:
                words.extend(_split(text) if isinstance(text, str) else ())
    return _Told(
        title=_first(content, "model_name", "ModelName") or _first(named, "name"),
        base=_first(content, "baseModel", "BaseModel", "base_model", "sd version") or _first(inner, "baseModel"),
        description=_plain(_first(content, "description", "ModelDescription", "notes") or _first(named, "description")),
        triggers=_most(dict.fromkeys(words)),
        source=_first(content, "downloadUrl", "url"),
    )


def _first(content: dict[str, Any], *keys: str) -> str:
    return next((content[key].strip() for key in keys if isinstance(content.get(key), str) and content[key]), "")


def _plain(text: str) -> str:
    """A description without the markup of the page it came from."""
    text = re.sub(r"<(?:br|/p|/li|/h\d)[^>]*>", "\n", text, flags=re.IGNORECASE)
    return re.sub(r"<[^>]*>", "", text).strip()[:_LONGEST_VALUE]


def _split(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _most(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(words)[:_MOST_TRIGGERS]
