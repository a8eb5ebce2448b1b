"""Rename, move to the trash and take in: model files go with the pictures and notes that belong to them."""

from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path

from engine.errors import InvalidValue, KnownError, MissingFile
from engine.library.scan import companions

# Where each kind goes in the library's own folder; the names are ComfyUI's, so that one folder serves both.
OWN_FOLDERS = {
    "checkpoint": "checkpoints",
    "lora": "loras",
    "embedding": "embeddings",
    "vae": "vae",
    "controlnet": "controlnet",
    "unet": "diffusion_models",
    "text_encoder": "text_encoders",
    "upscaler": "upscale_models",
    "helper": "other",
}
# Names that Windows keeps for devices; a library on a shared drive must not hold them either.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')


def check_name(name: str) -> str:
    """`name` if files can be called so on every system; `InvalidValue` otherwise."""
    edges = name != name.strip(" .")
    if _FORBIDDEN.search(name) or edges or not name:
        raise InvalidValue(
            f"The name {name[:40]!r} cannot be used for a file; leave out slashes, signs such as : and ?, "
            "and dots or spaces at its ends."
        )
    if _RESERVED.fullmatch(name) or len(name.encode()) > 200:
        raise InvalidValue(f"The name {name[:40]!r} cannot be used for a file; choose another, shorter one.")
    return name


def rename(path: Path, name: str) -> Path:
    """Give the file or folder `path` the name `name` (its ending stays), and the same to what lies beside it.

    Raises:
        InvalidValue: the name cannot be used, or is taken.
        MissingFile: the file has gone.
        KnownError: the system does not let us.
    """
    if not path.exists():
        raise MissingFile(f"{path} has gone; scan the folders again.")
    ending = "" if path.is_dir() else path.suffix
    if ending and name.lower().endswith(ending.lower()):
        name = name[: -len(ending)]
    stem = path.name if path.is_dir() else path.stem
    target = path.with_name(check_name(name) + ending)
    others = [] if path.is_dir() else companions(path)
    moves = [(path, target), *((other, other.with_name(name + other.name[len(stem) :])) for other in others)]
    for before, after in moves:
        if after.exists() and not after.samefile(before):
            raise InvalidValue(f"The name {after.name} is taken; choose another one.")
    done: list[tuple[Path, Path]] = []
    try:
        for before, after in moves:
            before.rename(after)
            done.append((before, after))
    except OSError as error:
        for before, after in reversed(done):
            after.rename(before)
        raise _explained(error, f"{path.name} cannot be renamed") from error
    return target


def trash(path: Path) -> list[Path]:
    """Put the file or folder `path`, and what lies beside it, in the system's trash; what went there."""
    from send2trash import TrashPermissionError, send2trash

    if not path.exists() and not path.is_symlink():
        raise MissingFile(f"{path} has gone already; scan the folders again.")
    gone = [path, *(companions(path) if path.is_file() else ())]
    try:
        send2trash([str(one) for one in gone])
    except TrashPermissionError as error:
        raise KnownError(f"The disk of {path} has no trash; delete it with the file manager.") from error
    except OSError as error:
        raise _explained(error, f"{path.name} cannot be put in the trash") from error
    return gone


def take_in(source: Path, target: Path, *, move: bool) -> None:
    """Copy or move `source`, and what lies beside it, to `target`, which appears only when it is whole."""
    if target.exists():
        raise InvalidValue(f"The library has a {target.name} already; rename one of the two.")
    size = source.stat().st_size if source.is_file() else sum(one.stat().st_size for one in source.rglob("*"))
    others = companions(source) if source.is_file() else []
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if move and source.stat().st_dev == target.parent.stat().st_dev:
            source.rename(target)
        else:
            free = shutil.disk_usage(target.parent).free
            if size > free:
                raise KnownError(f"{source.name} needs {size:,} bytes, but {free:,} are free; free some space.")
            _copy(source, part)
            part.rename(target)
            if move:
                shutil.rmtree(source) if source.is_dir() else source.unlink()
        for other in others:
            (shutil.move if move else shutil.copy2)(other, target.parent / other.name)
    except OSError as error:
        if isinstance(error, KnownError):
            raise
        raise _explained(error, f"{source.name} cannot be taken in") from error
    finally:
        shutil.rmtree(part, ignore_errors=True) if part.is_dir() else part.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
        return
    shutil.copy2(source, target)
    with target.open("rb+") as file:
        os.fsync(file.fileno())


def _explained(error: OSError, what: str) -> KnownError:
    if error.errno == errno.ENOSPC:
        return KnownError(f"{what}: the disk is full; free some space.")
    return KnownError(f"{what} ({error.strerror or error}); check that its folder may be written to.")
