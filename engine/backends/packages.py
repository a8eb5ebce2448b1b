"""The libraries of the back ends, imported when they are first needed."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from engine.errors import MissingDependency

NAMES = {"openvino": "OpenVINO", "onnx": "ONNX Runtime"}
_NEEDED = {"openvino": ("openvino",), "onnx": ("onnx", "onnxruntime")}


def check_installed(backend: str) -> None:
    """Raise `MissingDependency` unless the packages of `backend`, "openvino" or "onnx", are there."""
    for package in _NEEDED[backend]:
        _import(package, backend)


def openvino() -> Any:
    """The package openvino."""
    return _import("openvino", "openvino")


def openvino_operations() -> Any:
    """What builds the operations of a model in openvino."""
    openvino()
    return importlib.import_module("openvino.opset13")


def onnx() -> Any:
    """The package onnx, which writes the files."""
    return _import("onnx", "onnx")


def onnxruntime() -> Any:
    """The package onnxruntime, which computes them."""
    return _import("onnxruntime", "onnx")


def _import(package: str, backend: str) -> Any:
    try:
        return _openvino() if package == "openvino" else importlib.import_module(package)
    except ImportError as error:
        raise MissingDependency(
            f"{NAMES[backend]} needs the package {package}, which is missing or damaged: run "
            f"`pip install sfumato[{backend}]`, or choose the back end torch."
        ) from error


def _openvino() -> Any:
    """Import openvino without its telemetry, which would tell a server on the internet of every import."""
    name = "openvino_telemetry"
    if "openvino" in sys.modules or name in sys.modules:
        return importlib.import_module("openvino")
    sys.modules[name] = None  # pyright: ignore[reportArgumentType] - Python's own way of saying that there is none
    try:
        return importlib.import_module("openvino")
    finally:
        del sys.modules[name]
