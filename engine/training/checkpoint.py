"""Checkpoints: one file that holds all that a stage needs to go on as if it had never stopped.

The randomness of a step is a function of (seed, step, process), so no generator states need to be kept.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from engine.errors import BadFile, ConfigError, WeightsMismatch
from engine.files import atomic_path

FORMAT = 2


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write `content` (tensors, numbers, texts, lists, dicts of them) to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        torch.save({"format": FORMAT} | content, temporary)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Return what `save_checkpoint` wrote; code in the file is never run. Raises `BadFile` for any other file."""
    remedy = "delete it to begin anew"
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise BadFile(f"{path} is damaged or no checkpoint of this program; {remedy}.") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BadFile(f"{path} is not a checkpoint of format {FORMAT}; {remedy}.")
    return content


def check_settings(path: Path, saved: dict[str, Any], present: dict[str, Any], changeable: frozenset[str]) -> None:
    """Raise `ConfigError` where a setting that must stay differs from that of the checkpoint `path`."""
    for key, value in present.items():
        if key not in changeable and saved.get(key) != value:
            raise ConfigError(
                f"{path} was made with {key} = {saved.get(key)!r}, and now it is {value!r}; "
                "set it back, or choose another output folder."
            )


def load_weights(module: torch.nn.Module, weights: dict[str, torch.Tensor], path: Path) -> None:
    """Fill `module` with the weights of the checkpoint `path`; `WeightsMismatch` where they do not fit."""
    try:
        module.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise WeightsMismatch(
            f"{path} holds weights of another {type(module).__name__}; choose another output folder."
        ) from error


def optimizer_state(network: torch.nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, dict[str, torch.Tensor]]:
    """Return what `optimizer` remembers of each parameter, by its name in `network`.

    PyTorch numbers them, and one more layer in another place would give each the memory of its neighbour.
    """
    weights = network.named_parameters()
    return {name: dict(optimizer.state[weight]) for name, weight in weights if weight in optimizer.state}


def load_optimizer_state(
    network: torch.nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, dict[str, torch.Tensor]], path: Path
) -> None:
    """Give `optimizer` what `optimizer_state` returned; `WeightsMismatch` where a parameter is not in it."""
    names = {weight: name for name, weight in network.named_parameters()}
    order = [names[weight] for group in optimizer.param_groups for weight in group["params"]]
    missing = [name for name in order if state and name not in state]
    if missing:
        raise WeightsMismatch(f"{path} remembers nothing of {missing[0]}; choose another output folder.")
    numbered = {number: state[name] for number, name in enumerate(order) if state}
    optimizer.load_state_dict({"state": numbered, "param_groups": optimizer.state_dict()["param_groups"]})
