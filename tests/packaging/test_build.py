"""Wheel and sdist: what is in them, and that an installed Sfumato finds its resources."""

from __future__ import annotations

import email
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest


def build(source: Path, target: str, out: Path) -> Path:
    """Build with the pinned backend of this environment, so that nothing is fetched."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def sdist(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(root, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(sdist) as archive:
        # `extractall` warns without a filter on new Pythons and knows none before 3.11.4.
        for member in filter(tarfile.TarInfo.isfile, archive):
            path = folder / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            content = archive.extractfile(member)
            assert content is not None
            path.write_bytes(content.read())
    (top,) = folder.iterdir()
    return top


@pytest.fixture(scope="module")
def wheel(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel made from the sdist alone, which proves that the sdist is complete."""
    return build(unpacked, "wheel", tmp_path_factory.mktemp("wheel"))


def files_under(folder: Path) -> set[str]:
    kept = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in kept}


def test_sdist_holds_the_whole_project(root: Path, unpacked: Path) -> None:
    held = files_under(unpacked)
    assert {"pyproject.toml", "README.md", "LICENSE", "packaging/bootstrap.py", "packaging/constraints.txt"} <= held
    for folder in ("app", "engine", "resources", "tests"):
        assert {f"{folder}/{name}" for name in files_under(root / folder)} <= held


def test_wheel_owns_two_import_names(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"app", "engine"}


def test_wheel_holds_the_resources_inside_the_engine(root: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    shipped = files_under(root / "resources")
    assert shipped
    assert {f"engine/resources/{name}" for name in shipped} <= held
    assert not any(name.startswith("tests/") for name in held)


def test_wheel_states_licence_and_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (folder,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        about = email.message_from_bytes(archive.read(f"{folder}/METADATA"))
        commands = archive.read(f"{folder}/entry_points.txt").decode()
        assert f"{folder}/licenses/LICENSE" in archive.namelist()
    assert about["License-Expression"] == "Apache-2.0"
    assert about["Requires-Python"] == ">=3.11"
    assert "sfumato = app.__main__:main" in commands


def test_installed_wheel_finds_its_resources(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    look = "from engine.resources_path import resource; print(resource())"
    # -I keeps the checkout off the path; the wheel's folder is then the only place that has `engine`.
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {look}"
    found = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()) == tmp_path / "engine" / "resources"
