"""Exported graphs on disk, one folder each, named after the hash of all that they depend on."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from engine.backends.export import MODEL_NAME, OPENVINO_NAME, check, write_onnx, write_openvino
from engine.backends.graphs import Graph
from engine.backends.onnx_session import OnnxSession
from engine.backends.openvino_session import OpenVinoSession
from engine.errors import BadFile
from engine.files import read_json, write_json

log = logging.getLogger(__name__)

MANIFEST = "complete.json"
# All exported models together: several of Stable Diffusion's size (4 GB each), or two of XL's.
LIMIT_BYTES = 32 * 2**30
# What was used so lately may be in use by another process and is never dropped; what was left half made longer ago is.
KEPT_SECONDS = 24 * 3600
# To be raised when the same weights give other files.
VERSION = 5


def cache_folder() -> Path:
    """Where exported models are kept; `SFUMATO_CACHE` names another place."""
    chosen = os.environ.get("SFUMATO_CACHE")
    if chosen:
        return Path(chosen) / "backends"
    from platformdirs import user_cache_path

    return user_cache_path("sfumato", appauthor=False) / "backends"


def stored(graph: Graph, backend: str, look: Callable[[], None], folder: Path | None = None) -> Path:
    """The file of `graph` for `backend` ("openvino" or "onnx"), exported and checked now unless it is there, whole.

    `look` is called while its weights are read. A folder that is damaged or incomplete is made anew.

    Raises:
        MissingDependency: the package of the back end is missing.
        ExportMismatch: what was exported computes something else.
    """
    target = (folder or cache_folder()) / f"{graph.name}-{backend}-{digest(graph, backend, look)}"
    name = OPENVINO_NAME if backend == "openvino" else MODEL_NAME
    if _is_whole(target, look):
        os.utime(target / MANIFEST)  # when it was last used
        return target / name
    target.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        _export(graph, backend, making)
        files = {path.name: [path.stat().st_size, _file_digest(path, look)] for path in sorted(making.iterdir())}
        write_json(making / MANIFEST, {"files": files})
        _put(making, target, look)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    trim(target.parent, LIMIT_BYTES)
    return target / name


def _put(made: Path, target: Path, look: Callable[[], None]) -> None:
    """Rename the folder `made` to `target`, unless another process was sooner; what is damaged there goes."""
    try:
        made.replace(target)
    except OSError:
        if not target.exists():
            raise
        if not _is_whole(target, look):
            log.warning("%s is damaged and is made anew", target)
            # At once away from its name, under which another process may look.
            aside = made.with_name(f"{made.name}.damaged")
            target.replace(aside)
            made.replace(target)
            shutil.rmtree(aside)


def trim(folder: Path, limit_bytes: int) -> None:
    """Drop those exported models in `folder` that were not used for longest, until the rest is within `limit_bytes`.

    What was used within the last `KEPT_SECONDS` stays, and what a process that was killed left half made goes after
    that time.
    """
    before = time.time() - KEPT_SECONDS
    entries = sorted(_entries(folder))
    used = sum(size for _, size, _ in entries)
    for when, size, path in entries:
        if when < before and (used > limit_bytes or path.name.startswith(".")):
            log.info("%s was not used for longest and is dropped", path)
            shutil.rmtree(path, ignore_errors=True)  # another process may hold it, or drop it first
            used -= size


def _entries(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """When each exported model was last used, its bytes and its folder."""
    for path in folder.iterdir():
        try:
            files = [file.stat() for file in path.iterdir()]
            manifest = path / MANIFEST
            when = (manifest if manifest.exists() else path).stat().st_mtime
        except (FileNotFoundError, NotADirectoryError):
            continue  # dropped meanwhile, or none of ours
        yield when, sum(file.st_size for file in files), path


def _export(graph: Graph, backend: str, folder: Path) -> None:
    if backend == "openvino":
        session = OpenVinoSession(write_openvino(graph, folder), "float32", fixed=False)
    else:
        session = OnnxSession(write_onnx(graph, folder))
    check(graph, lambda inputs: session.run(inputs, _nothing))
    session.release()


def _nothing() -> None:
    pass


def digest(graph: Graph, backend: str, look: Callable[[], None]) -> str:
    """Sixteen hex digits of the weights of `graph`, of its configuration, and of the programs that make its file."""
    packages = ("openvino",) if backend == "openvino" else ("onnx",)
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("torch", *packages)]
    hashed = hashlib.sha256(
        repr((VERSION, backend, versions, type(graph).__name__, sorted(graph.config.items()))).encode()
    )
    for name, tensor in graph.state_dict().items():
        look()
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        hashed.update(tensor.detach().flatten().view(torch.uint8).numpy())
    return hashed.hexdigest()[:16]


def _is_whole(folder: Path, look: Callable[[], None]) -> bool:
    """Whether all files in `folder` are as they were written."""
    with contextlib.suppress(BadFile, FileNotFoundError):  # also of files that another process drops meanwhile
        files = read_json(folder / MANIFEST).get("files")
        if isinstance(files, dict) and files:
            return all(_is_as_written(folder / str(name), size, wanted, look) for name, (size, wanted) in files.items())
    return False


def _is_as_written(path: Path, size: int, wanted: str, look: Callable[[], None]) -> bool:
    return path.is_file() and path.stat().st_size == size and _file_digest(path, look) == wanted


def _file_digest(path: Path, look: Callable[[], None]) -> str:
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**24):
            look()
            hashed.update(block)
    return hashed.hexdigest()
