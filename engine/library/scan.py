"""Find models in folders as they lie: our own, ComfyUI's and A1111's trees, the hub's cache, folders of Diffusers.

Only names, sizes and times are read here, so that thousands of files take a fraction of a second.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import KnownError
from engine.files import read_json

MODEL_ENDINGS = frozenset({".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf"})
PICTURE_ENDINGS = (".preview.png", ".preview.jpg", ".preview.jpeg", ".preview.webp", ".png", ".jpg", ".jpeg", ".webp")
NOTE_ENDINGS = (".sfumato.json", ".civitai.info", ".cm-info.json", ".metadata.json", ".json", ".txt")
# Control files that download managers keep beside a file that is not complete yet.
_UNFINISHED = (".aria2", ".part", ".partial", ".incomplete", ".crdownload", ".download", ".tmp")
_FOLDER_PICTURES = ("preview.png", "preview.jpg", "preview.webp", "thumbnail.png", "thumbnail.jpg")
# Parts that pipelines run without.
_OPTIONAL_PARTS = frozenset({"safety_checker", "feature_extractor", "image_encoder", "watermark"})
_NO_WEIGHTS = ("scheduler", "tokenizer", "feature_extractor", "image_processor", "processor")
_MAX_DEPTH = 12

# What a folder's name says about the files in it, in ComfyUI's and A1111's trees.
FOLDER_KINDS = {
    "checkpoints": "checkpoint",
    "stable-diffusion": "checkpoint",
    "loras": "lora",
    "lora": "lora",
    "lycoris": "lora",
    "vae": "vae",
    "controlnet": "controlnet",
    "embeddings": "embedding",
    "unet": "unet",
    "diffusion_models": "unet",
    "clip": "text_encoder",
    "text_encoders": "text_encoder",
    "upscale_models": "upscaler",
    "esrgan": "upscaler",
    "realesrgan": "upscaler",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A model on the disk, not yet looked into.

    Size, time and file number change when the file does, `side` when a picture or note beside it does. `hint` is the
    kind that the folder's name suggests, or "". `known_sha256` is the hash that the hub's cache names a file by.
    """

    path: str
    root: str
    name: str
    is_folder: bool
    size: int
    mtime_ns: int
    inode: int
    side: str
    hint: str
    in_cache: bool = False
    known_sha256: str = ""


@dataclass(slots=True)
class Findings:
    """All models of the folders, and sentences on what could not be read."""

    models: list[Found] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    # Folders whose contents are unknown now; what the index has of them must not count as gone.
    unread: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Listing:
    """One folder, read once: `files` by name with their status."""

    folders: list[os.DirEntry[str]] = field(default_factory=list)
    files: dict[str, os.stat_result] = field(default_factory=dict)


def find_models(roots: list[Path]) -> Findings:
    """All models below `roots`; a folder that lies in two of them is read once."""
    findings = Findings()
    seen: set[tuple[int, int]] = set()
    for root in roots:
        if not root.is_dir():
            findings.problems.append(f"The model folder {root} is not there; connect its drive, or remove it.")
            findings.unread.append(str(root))
            continue
        findings.models.extend(_walk(str(root), str(root), "", seen, findings, 0))
    return findings


def _walk(
    folder: str, root: str, hint: str, seen: set[tuple[int, int]], findings: Findings, depth: int
) -> Iterator[Found]:
    try:
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen or depth > _MAX_DEPTH:
            return
        seen.add((status.st_dev, status.st_ino))
        listing = _list(folder)
    except OSError as error:
        findings.problems.append(f"The folder {folder} cannot be read ({error.strerror}); allow it, or remove it.")
        findings.unread.append(folder)
        return
    if "model_index.json" in listing.files:
        yield from _pipeline_folder(folder, root, Path(folder).name, findings)
        return
    if _is_single_model(listing):
        yield from _model_folder(folder, root, listing, hint, findings)
        return
    yield from _files(folder, root, listing, hint)
    for entry in listing.folders:
        if entry.name.startswith("models--"):
            yield from _cached_repository(entry.path, root, seen, findings)
        elif not entry.name.startswith((".", "datasets--", "spaces--")):
            below = FOLDER_KINDS.get(entry.name.lower(), hint)
            yield from _walk(entry.path, root, below, seen, findings, depth + 1)


def _list(folder: str) -> _Listing:
    listing = _Listing()
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                if entry.is_dir():
                    listing.folders.append(entry)
                else:
                    status = entry.stat()
                    if stat.S_ISREG(status.st_mode):
                        listing.files[entry.name] = status
            except OSError:
                # A link to nothing, or a file that went away meanwhile: no model either way.
                continue
    listing.folders.sort(key=lambda entry: entry.name)
    return listing


def _files(folder: str, root: str, listing: _Listing, hint: str) -> Iterator[Found]:
    """The single files of one folder, with the pictures and notes that bear their names."""
    beside: dict[str, list[str]] = {}
    models: list[tuple[str, str]] = []
    for name in listing.files:
        stem, ending = os.path.splitext(name)  # noqa: PTH122 - thousands of names; pathlib is ten times slower
        if ending.lower() in MODEL_ENDINGS:
            models.append((name, stem))
        else:
            lower = name.lower()
            for known in (*PICTURE_ENDINGS, *NOTE_ENDINGS):
                if lower.endswith(known):
                    beside.setdefault(name[: -len(known)], []).append(name)
                    break
    for name, stem in models:
        status = listing.files[name]
        unfinished = any(f"{name}{ending}" in listing.files for ending in _UNFINISHED)
        if name.startswith(".") or not status.st_size or unfinished:
            continue
        yield Found(
            path=os.path.join(folder, name),  # noqa: PTH118
            root=root,
            name=stem,
            is_folder=False,
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            inode=status.st_ino,
            side=_side_stamp(beside.get(stem, []), listing) if stem in beside else "",
            hint=hint,
        )


def _side_stamp(names: list[str], listing: _Listing) -> str:
    return json.dumps(sorted((name, listing.files[name].st_mtime_ns) for name in names))


def _pipeline_folder(
    folder: str, root: str, name: str, findings: Findings, *, in_cache: bool = False
) -> Iterator[Found]:
    """A folder of Diffusers as one model, if it is complete."""
    try:
        missing = missing_part(Path(folder))
    except KnownError as error:
        findings.problems.append(str(error))
        return
    if missing:
        findings.problems.append(f"The model in {folder} is left out, because {missing} is missing; download it again.")
        return
    yield _folder_found(folder, root, name, "checkpoint", in_cache=in_cache)


def missing_part(folder: Path) -> str:
    """The first part of the Diffusers folder that is named in its index but not there; "" if it is complete."""
    index = read_json(folder / "model_index.json")
    for part, entry in index.items():
        if part.startswith("_") or not isinstance(entry, list) or None in entry or part in _OPTIONAL_PARTS:
            continue
        place = folder / part
        if not place.is_dir():
            return part
        if part.startswith(_NO_WEIGHTS):
            continue
        names = {name for name in os.listdir(place) if (place / name).exists()}  # noqa: PTH208
        indexes = [name for name in names if name.endswith(".index.json")]
        for shards in indexes:
            wanted = set(read_json(place / shards).get("weight_map", {}).values())
            if not wanted <= names:
                return f"{part}/{min(wanted - names)}"
        if not indexes and not any(Path(name).suffix in MODEL_ENDINGS for name in names):
            return part
    return ""


def _is_single_model(listing: _Listing) -> bool:
    """One network in a folder of its own: its `config.json` and weights under the names of Diffusers."""
    return "config.json" in listing.files and any(
        name.startswith("diffusion_pytorch_model") and not name.endswith(".json") for name in listing.files
    )


def _model_folder(folder: str, root: str, listing: _Listing, hint: str, findings: Findings) -> Iterator[Found]:
    for name in listing.files:
        if name.endswith(".index.json"):
            try:
                wanted = set(read_json(Path(folder, name)).get("weight_map", {}).values())
            except KnownError as error:
                findings.problems.append(str(error))
                return
            if not wanted <= set(listing.files):
                return
    yield _folder_found(folder, root, Path(folder).name, hint)


def _cached_repository(folder: str, root: str, seen: set[tuple[int, int]], findings: Findings) -> Iterator[Found]:
    """A repository of the hub's cache at the revision that its branch `main` names, else the newest one."""
    name = Path(folder).name.removeprefix("models--").replace("--", "/")
    snapshots = Path(folder, "snapshots")
    try:
        main = Path(folder, "refs", "main")
        revision = main.read_text(encoding="utf-8").strip() if main.is_file() else ""
        places = sorted(snapshots.iterdir(), key=lambda place: place.stat().st_mtime) if snapshots.is_dir() else []
    except (OSError, UnicodeDecodeError) as error:
        findings.problems.append(f"The cached repository {folder} cannot be read ({error}); remove it from the cache.")
        findings.unread.append(folder)
        return
    place = next((place for place in places if place.name == revision), places[-1] if places else None)
    if place is None:
        return
    if (place / "model_index.json").exists():
        yield from _pipeline_folder(str(place), root, name, findings, in_cache=True)
        return
    for found in _walk(str(place), root, "", seen, findings, 2):
        blob = Path(found.path).resolve().name
        known = blob if len(blob) == 64 and set(blob) <= set("0123456789abcdef") else ""
        own = name if found.is_folder else f"{name}/{found.name}"
        yield Found(
            **{key: getattr(found, key) for key in ("path", "root", "is_folder", "size", "mtime_ns", "inode", "side")},
            name=own,
            hint=found.hint,
            in_cache=True,
            known_sha256="" if found.is_folder else known,
        )


def _folder_found(folder: str, root: str, name: str, hint: str, *, in_cache: bool = False) -> Found:
    size, newest = 0, 0
    side: list[tuple[str, int]] = []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [below for below in folders if not below.startswith(".")]
        for file in names:
            status = Path(place, file).stat()
            size += status.st_size
            newest = max(newest, status.st_mtime_ns)
            if place == folder and file.lower() in (*_FOLDER_PICTURES, "sfumato.json", "notes.txt"):
                side.append((file, status.st_mtime_ns))
    stamp = json.dumps(sorted(side)) if side else ""
    inode = Path(folder).stat().st_ino
    return Found(folder, root, name, True, size, newest, inode, stamp, hint, in_cache)


def picture_beside(found: Found) -> str:
    """The preview picture of a model, "" if it has none."""
    names = {name.lower(): name for name, _ in (json.loads(found.side) if found.side else ())}
    if found.is_folder:
        return next((str(Path(found.path, names[known])) for known in _FOLDER_PICTURES if known in names), "")
    place, stem = Path(found.path).parent, Path(found.path).stem.lower()
    return next((str(place / names[stem + end]) for end in PICTURE_ENDINGS if stem + end in names), "")


def notes_beside(found: Found) -> list[Path]:
    """The notes beside a single file, the richest kind first."""
    if not found.side or found.is_folder:
        return []
    names = {name.lower(): name for name, _ in json.loads(found.side)}
    place, stem = Path(found.path).parent, Path(found.path).stem.lower()
    return [place / names[stem + end] for end in NOTE_ENDINGS if stem + end in names]


def companions(path: Path) -> list[Path]:
    """The pictures and notes beside the model file `path`, which go where it goes."""
    stem = path.stem.lower()
    wanted = {stem + ending for ending in (*PICTURE_ENDINGS, *NOTE_ENDINGS)}
    return sorted(other for other in path.parent.iterdir() if other.name.lower() in wanted and other.is_file())
