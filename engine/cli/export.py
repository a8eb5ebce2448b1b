"""`sfumato export`: the networks of a model as ONNX files, for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    model: Annotated[str, typer.Argument(help="Folder or file of a model.")],
    folder: Annotated[Path, typer.Argument(help="Where the files go; it must be empty or not there.")],
) -> int:
    """Write the networks of a model as ONNX, each checked against the original, with its tokenizers and scheduler."""
    from engine.backends import packages
    from engine.backends.export import check, write_onnx
    from engine.backends.graphs import graphs_for_others
    from engine.backends.onnx_session import OnnxSession
    from engine.errors import InvalidValue
    from engine.queries import model_info
    from engine.run_model import ModelKey, part_names, read_part
    from engine.warmup import import_torch

    packages.check_installed("onnx")
    target = folder.expanduser()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidValue(f"{folder} is not empty; give a folder that is, or a new one.")
    import_torch()
    import torch

    key = ModelKey.of(model_info(model), "cpu", "float32")
    names = part_names(key)
    for name in names:
        for graph in graphs_for_others(name, read_part(key, torch.float32, name)):
            path = write_onnx(graph, target / graph.name, for_others=True)
            session = OnnxSession(path)
            error = check(graph, lambda inputs, session=session: session.run(inputs, lambda: None))
            print(f"{path}  (differs from the original by {error:.1e} of its largest value)")
    _write_rest(key.model, target)
    return 0


def _write_rest(model: Path, target: Path) -> None:
    """Write what of a pipeline is no network: tokenizers and scheduler."""
    import torch
    from torch import nn

    from engine import loading
    from engine.pipelines.base import DiffusionPipeline

    pipeline = (
        DiffusionPipeline.from_pretrained(model)
        if model.is_dir()
        else loading.load_pipeline(model, dtype=torch.float32)
    )
    for name, part in pipeline.components.items():
        if part is not None and not isinstance(part, nn.Module):
            part.save_pretrained(target / name)
