"""Pickled weights become safetensors, once: a process of its own reads them, with bounds on memory and time.

The check of `pickle_check` comes first; even so `torch.load` runs where a fault in it can do no harm. The process
stays for the next file, so that only the first one waits for it to start.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from engine.errors import BadFile, KnownError
from engine.formats.header import Header
from engine.formats.pickle_check import read_pickled
from engine.formats.safetensors_header import read_safetensors

_START_SECONDS, _BASE_SECONDS, _BYTES_A_SECOND = 120, 30, 20_000_000


class ConversionFailed(KnownError, RuntimeError):
    """The process that converts pickled weights could not be started, or ended."""


def cache_folder() -> Path:
    """Where conversions are kept; `SFUMATO_CACHE` names another place."""
    chosen = os.environ.get("SFUMATO_CACHE")
    if chosen:
        return Path(chosen) / "converted"
    from platformdirs import user_cache_path

    return user_cache_path("sfumato", appauthor=False) / "converted"


def as_safetensors(path: Path, header: Header | None = None, folder: Path | None = None) -> Header:
    """The safetensors file with the tensors of the pickled `path`, made now unless `folder` has it from before.

    Raises:
        BadFile: the file is damaged or carries code, or reading it went out of bounds.
        ConversionFailed: the process could not be started.
    """
    header = header or read_pickled(path)
    target = (folder or cache_folder()) / f"{path.stem[:60]}-{_identity(path)}.safetensors"
    if not target.is_file():
        if not header.tensors:
            raise BadFile(f"{path} does not hold weights by name; download the model as safetensors.")
        _process().convert(path, target)
    converted = read_safetensors(target)
    return Header(converted.path, "safetensors", converted.tensors, {**header.metadata, **converted.metadata})


def _identity(path: Path) -> str:
    """Tells the file from others and from itself before a change."""
    status = path.stat()
    said = f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}"
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:20]


class _Converter:
    """The process and the pipe to it; one file at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def convert(self, source: Path, target: Path) -> None:
        with self._lock:
            process = self._started()
            target.parent.mkdir(parents=True, exist_ok=True)
            request = {"source": str(source.resolve()), "target": str(target)}
            size = source.stat().st_size
            answer = self._ask(process, request, _BASE_SECONDS + size / _BYTES_A_SECOND)
        if answer is None:
            raise BadFile(f"{source} could not be read within the limits of memory and time; download it again.")
        if "error" in answer:
            raise BadFile(f"{source} cannot be read ({answer['error']}); download the model as safetensors.")

    def _started(self) -> subprocess.Popen[str]:
        if self._process is not None and self._process.poll() is not None:
            _end(self._process)
            self._process = None
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "engine.formats.pickle_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                cwd=Path(__file__).parents[2],
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])},
            )
            if self._ask(self._process, None, _START_SECONDS) is None:
                raise ConversionFailed("The process that reads pickled weights did not start; restart the program.")
        return self._process

    def _ask(self, process: subprocess.Popen[str], request: dict[str, Any] | None, seconds: float) -> Any:
        """What the process answers to `request` in time, else None; it is ended then."""
        # The process may hang inside a native call: only ending it from outside is sure to end the wait.
        timer = threading.Timer(seconds, process.kill)
        timer.daemon = True
        timer.start()
        try:
            if process.stdin is None or process.stdout is None:
                return None
            if request is not None:
                process.stdin.write(json.dumps(request) + "\n")
                process.stdin.flush()
            line = process.stdout.readline()
        except OSError:
            line = ""
        finally:
            timer.cancel()
        if not line:
            process.kill()
            return None
        return json.loads(line)

    def close(self) -> None:
        """End the process, if it runs."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            # What was still to be sent has nowhere to go.
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


_converters: list[_Converter] = []
_first = threading.Lock()


def _process() -> _Converter:
    with _first:
        if not _converters:
            _converters.append(_Converter())
            atexit.register(close)
        return _converters[0]


def close() -> None:
    """End the converting process; the next file starts another one."""
    for converter in _converters:
        converter.close()
