"""Where the files are that ship with the program: fonts, icons, translations, the embedded model."""

from __future__ import annotations

from pathlib import Path

from engine.errors import MissingFile

_ENGINE = Path(__file__).resolve().parent


def resource(*parts: str) -> Path:
    """The path of a file or folder of `resources/`, named part by part; no part gives the folder itself.

    A wheel installs the folder inside `engine`; in a checkout it stands beside it.

    Raises:
        MissingFile: there is no such resource, which means that the installation is incomplete.
    """
    installed = _ENGINE / "resources"
    root = installed if installed.is_dir() else _ENGINE.parent / "resources"
    path = root.joinpath(*parts)
    if not path.exists():
        raise MissingFile(f"The file {path} of Sfumato itself is missing; install Sfumato again.")
    return path
