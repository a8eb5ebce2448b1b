"""The npm packages that icons and captions come from: pinned, checked, read without unpacking."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import BadFile, MissingDependency, MissingFile


@dataclass(frozen=True)
class Package:
    """One pinned npm package. `sha256` is that of the published tarball; an empty string checks nothing."""

    name: str
    version: str
    licence: str
    source: str
    sha256: str

    @property
    def filename(self) -> str:
        """The name `npm pack` gives the tarball: `@scope/name` becomes `scope-name`."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"

    @property
    def specifier(self) -> str:
        """What npm calls this version."""
        return f"{self.name}@{self.version}"


FLUENT_3D = Package(
    "@lobehub/fluent-emoji-3d",
    "1.1.0",
    "MIT",
    "Microsoft Fluent emoji, 3D, WebP in 256 px",
    "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
)
FLUENT_FLAT = Package(
    "@iconify-json/fluent-emoji-flat",
    "1.2.6",
    "MIT",
    "Microsoft Fluent emoji, flat, SVG",
    "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
)
NOTO = Package(
    "@iconify-json/noto",
    "1.2.9",
    "Apache-2.0",
    "Google Noto emoji, SVG",
    "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad",
)
EMOJIBASE = Package(
    "emojibase-data",
    "17.0.0",
    "MIT",
    "labels, tags and shortcodes of every emoji",
    "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a",
)
PACKAGES = (FLUENT_3D, FLUENT_FLAT, NOTO, EMOJIBASE)


def fetch(package: Package, folder: Path) -> Path:
    """Return the tarball of `package` in `folder`, downloading it with npm if it is not there.

    Raises `MissingDependency` without npm, `MissingFile` when it cannot be downloaded, and `BadFile` when its checksum
    is not the pinned one.
    """
    path = folder / package.filename
    if not path.exists():
        _download(package, folder)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if package.sha256 and found != package.sha256:
        raise BadFile(f"{path} has the checksum {found}, not {package.sha256}; delete it and run again.")
    return path


def _download(package: Package, folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise MissingDependency(
            f"npm is needed to download {package.specifier}; install Node.js, or put {package.filename} into {folder}."
        )
    folder.mkdir(parents=True, exist_ok=True)
    command = [npm, "pack", package.specifier, "--silent", "--pack-destination", str(folder)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (arguments are constants)
    if answer.returncode:
        reason = (answer.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise MissingFile(
            f"npm could not download {package.specifier} ({reason}); put {package.filename} into {folder} by hand."
        )


class Tarball:
    """The files of an npm tarball, by their path inside `package/`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files: dict[str, bytes] = {}
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.isfile() else None
                    if content is not None:
                        self._files[member.name.partition("/")[2]] = content.read()
        except tarfile.TarError as error:
            raise BadFile(f"{path} is not an npm tarball ({error}); delete it and run again.") from error

    def names(self, prefix: str = "") -> list[str]:
        return sorted(name for name in self._files if name.startswith(prefix))

    def read(self, name: str) -> bytes:
        if name not in self._files:
            raise MissingFile(f"{self.path} has no file {name}; it is not the package that this program expects.")
        return self._files[name]

    def open(self, name: str) -> io.BytesIO:
        return io.BytesIO(self.read(name))

    def json(self, name: str) -> Any:
        return json.loads(self.read(name))
