"""Pictures get their names whole, and never that of another one unasked."""

from __future__ import annotations

import errno
import os
from datetime import datetime
from pathlib import Path

import pytest

from engine.errors import InvalidValue, KnownError, MissingFile
from engine.pictures import check_target, picture_name, write_picture

NOW = datetime(2026, 3, 4, 5, 6, 7)


def names(folder: Path) -> list[str]:
    """The files in `folder`, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("{date}-{time}-{seed}", "2026-03-04-050607-42"),
        ("{prompt}", "a-red-apple-3d-icon-ripe-and-round"),
        ("apple", "apple"),
    ],
)
def test_names(pattern: str, expected: str) -> None:
    assert picture_name(pattern, seed=42, prompt="A red apple, 3d icon!/ripe and  round", now=NOW) == expected


def test_a_prompt_without_words_has_a_name_too() -> None:
    assert picture_name("{prompt}", seed=1, prompt="!!", now=NOW) == "picture"


@pytest.mark.parametrize("pattern", ["{model}", "", "..", "a/b", "a\\b"])
def test_patterns_that_give_no_name(pattern: str) -> None:
    with pytest.raises(InvalidValue, match="name pattern"):
        picture_name(pattern, seed=1, prompt="x", now=NOW)


def test_the_next_free_name_is_taken(tmp_path: Path) -> None:
    paths = [write_picture(tmp_path / "a.png", str(i).encode(), "rename") for i in range(3)]
    assert [path.name for path in paths] == ["a.png", "a-2.png", "a-3.png"]
    assert [path.read_bytes() for path in paths] == [b"0", b"1", b"2"]
    assert names(tmp_path) == ["a-2.png", "a-3.png", "a.png"]


def test_fail_and_replace(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", b"old", "fail")
    with pytest.raises(InvalidValue, match="exists already.*--overwrite"):
        write_picture(path, b"new", "fail")
    assert path.read_bytes() == b"old"
    assert write_picture(path, b"new", "replace") == path
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a.png"]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_files_have_the_users_mode(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        path = write_picture(tmp_path / "a.png", b"x", "rename")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="does not exist"):
        check_target(tmp_path / "none" / "a.png", "rename")
    with pytest.raises(MissingFile, match="is gone"):
        write_picture(tmp_path / "none" / "a.png", b"x", "rename")
    (tmp_path / "b.png").mkdir()
    with pytest.raises(InvalidValue, match="is a folder"):
        check_target(tmp_path / "b.png", "replace")
    with pytest.raises(KnownError, match="cannot be written"):
        write_picture(tmp_path / "b.png", b"x", "replace")
    assert names(tmp_path) == ["b.png"]


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    with pytest.raises(InvalidValue, match="file is a file and no folder"):
        check_target(file / "a.png", "rename")
    with pytest.raises(KnownError, match="file is a file and no folder"):
        write_picture(file / "a.png", b"x", "rename")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="about Linux")
def test_a_folder_that_the_system_makes_up() -> None:
    with pytest.raises(KnownError, match="The folder /proc takes no new files; choose another one"):
        write_picture(Path("/proc/a.png"), b"x", "rename")


def test_a_full_disk_is_explained_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KnownError, match="is full; free some space"):
        write_picture(tmp_path / "a.png", b"x", "rename")
    assert names(tmp_path) == []


def test_file_systems_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(_source: object, _target: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", unsupported)
    given = [write_picture(tmp_path / "a.png", b"x", "rename").name for _ in range(2)]
    assert given == ["a.png", "a-2.png"]
    assert names(tmp_path) == ["a-2.png", "a.png"]
