"""The bootstrap: its functions, and the program as a newcomer runs it, with a stand-in for `uv`. Nothing is fetched."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

WINDOWS = os.name == "nt"


@pytest.fixture
def bootstrap(root: Path) -> ModuleType:
    """A fresh copy of the module; the folder is not a package."""
    spec = importlib.util.spec_from_file_location("bootstrap", root / "packaging" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def put_program(folder: Path, name: str, code: str) -> None:
    """A program on the search path that runs Python code under this interpreter."""
    folder.mkdir(exist_ok=True)
    script = folder / f"{name}.py"
    script.write_text(code, encoding="utf-8")
    if WINDOWS:
        (folder / f"{name}.bat").write_text(f'@"{sys.executable}" "{script}" %*\r\n')
        return
    program = folder / name
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    program.chmod(0o755)


class TestInterpreter:
    def test_an_old_python_can_read_the_file(self, root: Path) -> None:
        source = (root / "packaging" / "bootstrap.py").read_text(encoding="utf-8")
        tree = ast.parse(source, feature_version=(3, 8))
        imported = {
            name.name.partition(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for name in node.names
        }
        assert imported <= sys.stdlib_module_names

    def test_an_old_python_is_told_so(
        self, bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(
            bootstrap.Stop, match=r"needs Python 3\.11 or newer and this is 3\.9\.2; install a newer one"
        ):
            bootstrap.use_supported_python(["run"], (3, 9, 2))

    def test_the_newest_python_that_starts_is_taken(
        self, bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put_program(tmp_path, "python3.13", "raise SystemExit(127)")
        put_program(tmp_path, "python3.12", "")
        put_program(tmp_path, "python3.11", "")
        monkeypatch.setenv("PATH", str(tmp_path))
        assert "python3.12" in Path(bootstrap.newer_python()).name


class TestSystemLibraries:
    def test_names_the_packages_of_what_the_loader_does_not_know(self, bootstrap: ModuleType) -> None:
        known = [f"\t{name} (libc6,x86-64) => /lib/{name}" for name in bootstrap.SYSTEM_LIBRARIES if "EGL" not in name]
        cache = "\n".join(["900 libs found in cache `/etc/ld.so.cache'", *known])
        assert bootstrap.missing_packages(cache, fonts=True) == ["libegl1"]
        assert bootstrap.missing_packages(cache, fonts=False) == ["libegl1", "fonts-dejavu-core"]

    def test_prints_the_command_where_it_cannot_install(
        self, bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        assert not bootstrap.provide_packages(["libegl1", "libgl1"])
        assert "  sudo apt-get install -y --no-install-recommends libegl1 libgl1\n" in capfd.readouterr().err

    def test_as_root_fetches_the_lists_only_when_it_must(
        self, bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        log = tmp_path / "log"
        fails_without_lists = f"""
import pathlib, sys
log = pathlib.Path({str(log)!r})
seen = log.read_text() if log.exists() else ""
log.write_text(seen + sys.argv[1] + "\\n")
sys.exit(sys.argv[1] == "install" and "update" not in seen)
"""
        put_program(tmp_path / "bin", "apt-get", fails_without_lists)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
        assert bootstrap.provide_packages(["libegl1"])
        assert log.read_text().split() == ["install", "update", "install"]
        assert bootstrap.provide_packages(["libgl1"])
        assert log.read_text().split() == ["install", "update", "install", "install"]

    def test_nothing_missing_starts_nothing(
        self, bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        assert bootstrap.provide_packages([])
        assert capfd.readouterr().err == ""


class TestTorch:
    def test_without_a_gpu_linux_takes_only_cpu_builds(
        self, bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "platform", "linux")
        own, index = bootstrap.torch_sources(gpu=False)
        assert own[-1] == index[-1] == "torch==2.13.0+cpu"
        assert bootstrap.CPU_INDEX not in own
        assert bootstrap.CPU_INDEX in index

    def test_with_a_gpu_no_cpu_build_wins(self, bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "linux")
        assert bootstrap.torch_sources(gpu=True)[0] == ("--no-deps", "torch===2.13.0")

    @pytest.mark.parametrize("system", ["darwin", "win32"])
    def test_elsewhere_the_package_index_has_the_right_one(
        self, bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, system: str
    ) -> None:
        monkeypatch.setattr(sys, "platform", system)
        assert bootstrap.torch_sources(gpu=False) == [("--no-deps", "torch==2.13.0")]

    def test_pins_agree(self, bootstrap: ModuleType) -> None:
        assert f"\ntorch=={bootstrap.TORCH}\n" in bootstrap.CONSTRAINTS.read_text(encoding="utf-8")

    def test_verify_refuses_cuda_without_a_gpu(self, bootstrap: ModuleType, tmp_path: Path) -> None:
        (tmp_path / "torch-2.13.0.dist-info").mkdir()
        bootstrap.verify(tmp_path, gpu=False)
        (tmp_path / "nvidia_cublas-13.1.dist-info").mkdir()
        bootstrap.verify(tmp_path, gpu=True)
        with pytest.raises(bootstrap.Stop, match=r"no NVIDIA GPU here, yet nvidia_cublas is installed; delete"):
            bootstrap.verify(tmp_path, gpu=False)

    @pytest.mark.parametrize("version", ["2.12.1+cpu", "2.13.1"])
    def test_verify_refuses_another_torch(self, bootstrap: ModuleType, tmp_path: Path, version: str) -> None:
        (tmp_path / f"torch-{version}.dist-info").mkdir()
        with pytest.raises(bootstrap.Stop, match=rf"holds torch {version.replace('+', '.')} instead of 2\.13\.0"):
            bootstrap.verify(tmp_path, gpu=False)


class TestEnvironment:
    def test_ready_until_a_pin_changes(
        self, bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        constraints = tmp_path / "constraints.txt"
        constraints.write_text("torch==2.13.0\n")
        monkeypatch.setattr(bootstrap, "CONSTRAINTS", constraints)
        python = bootstrap.venv_python(tmp_path)
        python.parent.mkdir()
        python.touch()
        assert not bootstrap.is_ready("", tmp_path)
        bootstrap.stamp("", tmp_path).write_text(bootstrap.digest(""))
        assert bootstrap.is_ready("", tmp_path)
        assert not bootstrap.is_ready("dev", tmp_path)
        constraints.write_text("torch==2.13.0\nnumpy==2.4.6\n")
        assert not bootstrap.is_ready("", tmp_path)

    def test_what_serves_the_tests_serves_running(self, bootstrap: ModuleType, tmp_path: Path) -> None:
        python = bootstrap.venv_python(tmp_path)
        python.parent.mkdir()
        python.touch()
        bootstrap.stamp("dev", tmp_path).write_text(bootstrap.digest("dev"))
        assert bootstrap.is_ready("", tmp_path)
        python.unlink()
        assert not bootstrap.is_ready("", tmp_path)

    def test_half_installed_packages_are_forgotten(self, bootstrap: ModuleType, tmp_path: Path) -> None:
        for name in ("whole-1.0.dist-info", "half-2.0.dist-info", "~olf-1.0.dist-info"):
            (tmp_path / name).mkdir()
        (tmp_path / "whole-1.0.dist-info" / "RECORD").touch()
        assert "half" in bootstrap.drop_half_installed(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["whole-1.0.dist-info"]

    def test_pip_sources_come_from_its_environment_first(
        self, bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PIP_FIND_LINKS", "/wheels /more")
        assert bootstrap.pip_setting("find-links") == ["/wheels", "/more"]


UV = """
import json, os, pathlib, sys
arguments = sys.argv[1:]
log = pathlib.Path(os.environ["UV_LOG"])
with log.open("a") as file:
    file.write(json.dumps(arguments) + "\\n")
print("uv stands in", flush=True)
if os.environ.get("UV_WAITS"):
    sys.stdin.read()
if any("+cpu" in a for a in arguments) and "--default-index" not in arguments:
    sys.exit(1)
if any(a.startswith("torch=") for a in arguments):
    python = pathlib.Path(arguments[arguments.index("--python") + 1])
    site = next(path for path in python.parent.parent.rglob("site-packages"))
    (site / "torch-2.13.0.dist-info").mkdir()
    (site / "torch-2.13.0.dist-info" / "RECORD").touch()
"""


class TestProgram:
    @pytest.fixture
    def clone(self, root: Path, tmp_path: Path) -> Path:
        """A clone with the real bootstrap and pins, and an `app` that says what it was given."""
        folder = tmp_path / "clone"
        shutil.copytree(root / "packaging", folder / "packaging")
        shutil.copy(root / "pyproject.toml", folder)
        (folder / "app").mkdir()
        (folder / "app" / "__main__.py").write_text("import sys; print('started with', sys.argv[1:])")
        return folder

    @pytest.fixture
    def environment(self, tmp_path: Path) -> dict[str, str]:
        """An empty home, and a search path with `uv` and a loader that lacks nothing."""
        bin_folder = tmp_path / "bin"
        put_program(bin_folder, "uv", UV)
        put_program(bin_folder, "ldconfig", "raise SystemExit(1)")
        kept = {name: os.environ[name] for name in ("SYSTEMROOT", "COMSPEC", "PATHEXT") if name in os.environ}
        home = tmp_path / "home"
        home.mkdir()
        own = {
            "PATH": str(bin_folder),
            "HOME": str(home),
            "UV_LOG": str(tmp_path / "uv.log"),
            "PIP_FIND_LINKS": "/wheels",
        }
        return kept | own

    def start(self, clone: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "packaging/bootstrap.py", *arguments]
        return subprocess.run(
            command, cwd=clone, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    def test_sets_up_once_and_hands_over(
        self, bootstrap: ModuleType, clone: Path, environment: dict[str, str], tmp_path: Path
    ) -> None:
        first = self.start(clone, environment, "run", "--prompt", "a red apple")
        assert first.returncode == 0, first.stderr
        assert "started with ['--prompt', 'a red apple']" in first.stdout
        calls = [json.loads(line) for line in (tmp_path / "uv.log").read_text().splitlines()]
        sources = bootstrap.torch_sources(gpu=False)
        assert [tuple(call[-len(source) :]) for call, source in zip(calls, sources, strict=False)] == sources
        assert calls[-1][-3:] == ["--no-build-isolation", "-e", str(clone)]
        for call in calls:
            assert call[call.index("--find-links") + 1] == "/wheels"
        for call in calls[len(sources) :]:
            assert call[call.index("--constraint") + 1] == str(clone / "packaging" / "constraints.txt")

        second = self.start(clone, environment, "run")
        assert "started with []" in second.stdout
        assert second.stderr == ""
        assert len((tmp_path / "uv.log").read_text().splitlines()) == len(calls)

    @pytest.mark.skipif(WINDOWS, reason="Windows has no interrupt that one process sends to another")
    def test_an_interrupt_is_one_sentence_and_can_be_taken_up(
        self, clone: Path, environment: dict[str, str], tmp_path: Path
    ) -> None:
        process = subprocess.Popen(
            [sys.executable, "packaging/bootstrap.py", "run"],
            cwd=clone,
            env=environment | {"UV_WAITS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "uv stands in\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        assert errors.endswith("bootstrap: interrupted; run the same command again to go on from here.\n")
        assert "Traceback" not in errors

        again = self.start(clone, environment, "run")
        assert "started with []" in again.stdout, again.stderr
        assert len((tmp_path / "uv.log").read_text().splitlines()) > 1

    def test_a_failed_installation_says_what_to_do(
        self, clone: Path, environment: dict[str, str], tmp_path: Path
    ) -> None:
        put_program(tmp_path / "bin", "uv", "raise SystemExit(1)")
        offline = environment | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
        answer = self.start(clone, offline, "run")
        assert answer.returncode == 1
        assert "torch 2.13.0 could not be installed (see above)" in answer.stderr.splitlines()[-1]
        assert not list((clone / ".venv").glob(".sfumato*"))

    @pytest.mark.parametrize("arguments", [[], ["dance"]])
    def test_an_unknown_word_is_answered_with_the_usage(
        self, clone: Path, environment: dict[str, str], arguments: list[str]
    ) -> None:
        answer = self.start(clone, environment, *arguments)
        assert answer.returncode == 2
        assert answer.stderr.startswith("usage: python3 packaging/bootstrap.py WORD")
        assert not (clone / ".venv").exists()
