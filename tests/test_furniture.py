"""The house rules that no single module can break or keep: environment, pins, folders, imports at start."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from engine.errors import MissingFile
from engine.resources_path import resource

TOP_LEVEL = {"app", "engine", "tests", "resources", "packaging", "pyproject.toml", "README.md", "LICENSE"}
CUDA = ("nvidia-", "cuda-", "triton")


def has_gpu() -> bool:
    program = shutil.which("nvidia-smi")
    return program is not None and subprocess.run([program, "-L"], capture_output=True, check=False).returncode == 0


def pins(root: Path) -> dict[str, str]:
    lines = (root / "packaging" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in found}


def declared(root: Path) -> dict[str, list[Requirement]]:
    """The requirements of every extra; those of the program itself under the empty name."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    return {name: [Requirement(text) for text in texts] for name, texts in groups.items()}


def needed(name: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> Iterator[str]:
    """Installed distributions that another one needs here, directly or not, itself included."""
    if (name, extras) in seen:
        return
    seen.add((name, extras))
    yield name
    for text in metadata.requires(name) or []:
        requirement = Requirement(text)
        environments = [{**default_environment(), "extra": extra} for extra in extras or {""}]
        if requirement.marker is None or any(requirement.marker.evaluate(e) for e in environments):
            yield from needed(canonicalize_name(requirement.name), frozenset(requirement.extras), seen)


class TestEnvironment:
    def test_torch_is_the_pinned_one(self, root: Path) -> None:
        assert metadata.version("torch").split("+")[0] == pins(root)["torch"] == "2.13.0"

    def test_no_cuda_packages_without_a_gpu(self) -> None:
        cuda = [name for d in metadata.distributions() if (name := canonicalize_name(d.name)).startswith("nvidia-")]
        assert has_gpu() or cuda == []

    def test_what_is_installed_is_what_is_pinned(self, root: Path) -> None:
        names = set(needed("sfumato", frozenset({"dev"}), set())) - {"sfumato"}
        names = {name for name in names if not name.startswith(CUDA)}  # torch's GPU build pins these itself
        assert {"torch", "diffusers", "huggingface-hub"} <= names
        installed = {name: metadata.version(name).split("+")[0] for name in names}
        assert installed == {name: pins(root).get(name) for name in names}

    def test_every_declared_dependency_is_pinned_in_range(self, root: Path) -> None:
        pinned = pins(root)
        for requirement in (r for group in declared(root).values() for r in group if r.name != "sfumato"):
            name = canonicalize_name(requirement.name)
            assert requirement.specifier.contains(pinned.get(name, "none")), requirement

    def test_torchvision_is_not_needed(self, root: Path) -> None:
        assert "torchvision" not in pins(root)


class TestRepository:
    def test_top_level_is_the_fixed_one(self, root: Path) -> None:
        lines = (root / ".gitignore").read_text(encoding="utf-8").split()
        names = {path.name for path in root.iterdir() if not any(fnmatch(path.name, line.strip("/")) for line in lines)}
        assert {name for name in names if not name.startswith(".")} == TOP_LEVEL

    def test_packaging_does_not_shadow_the_library_of_that_name(self, root: Path) -> None:
        assert not (root / "packaging" / "__init__.py").exists()

    def test_task_words(self, root: Path) -> None:
        asked = subprocess.run(
            [sys.executable, root / "packaging" / "bootstrap.py", "--help"], capture_output=True, text=True, check=True
        )
        assert re.findall(r"^  (\w+)", asked.stdout, re.MULTILINE) == ["run", "test", "check", "format"]


class TestResources:
    def test_found_in_the_checkout(self, root: Path) -> None:
        assert resource() == root / "resources"

    def test_missing_one_is_named(self) -> None:
        with pytest.raises(MissingFile, match=r"no-such\.svg of Sfumato itself is missing"):
            resource("icons", "no-such.svg")


def modules_after(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter has imported after a statement."""
    command = [sys.executable, "-X", "importtime", "-c", statement]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return {
        line.split("|")[-1].strip().split(".")[0] for line in report.splitlines() if line.startswith("import time:")
    }


class TestNothingHappensAtImport:
    @pytest.mark.parametrize(
        "module",
        [
            "app.__main__",
            "engine",
            "engine.catalog",
            "engine.errors",
            "engine.messages",
            "engine.metadata",
            "engine.resources_path",
        ],
    )
    def test_no_torch_and_no_qt(self, module: str) -> None:
        modules = modules_after(f"import {module}")
        assert module.partition(".")[0] in modules
        assert not modules & {"torch", "numpy", "PySide6", "transformers", "diffusers", "accelerate", "huggingface_hub"}

    def test_the_probe_sees_torch(self) -> None:
        assert "torch" in modules_after("import engine; engine.UNet2DModel")
