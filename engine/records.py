"""The stored states of a picture's steps, from which another picture can branch: one file for each picture.

`<key>.safetensors` has the tensors and, as JSON in its header, everything else. `<key>.json` has the request, so that
the steps can be made again after the file was dropped: the oldest go first once all together exceed the limit.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from engine.errors import BadFile, InvalidValue, KnownError
from engine.files import read_json, write_atomic
from engine.messages import GenerateRequest

KEY = re.compile(r"[0-9a-zA-Z_-]{1,128}")


@dataclass(frozen=True, eq=False)
class StepState:
    """Where a run stood after one step.

    Attributes:
        index: the number of the step in the whole picture, from 0.
        first: the number of the first step of its pass; 0 in the first pass.
        latents: the sample, (1, channels, height, width).
        clean: the clean sample that was predicted, None where the scheduler does not say.
        scheduler, scheduler_tensors: as `engine.scheduler_state.capture` gives them.
        generator: the state of the source of noise.
        carried: what the run drew at its beginning, or keeps for some steps (`engine.pipelines.step.Step`).
    """

    index: int
    first: int
    latents: Tensor
    clean: Tensor | None
    scheduler: Mapping[str, Any]
    scheduler_tensors: Mapping[str, Tensor]
    generator: Tensor
    carried: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])


class RecordStore:
    """Records in `folder`, of at most `limit_bytes` altogether; one process writes, any may read."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes

    def put(self, key: str, request: GenerateRequest, states: Sequence[StepState]) -> None:
        """Keep `states` of the picture that `request` makes, whole or not at all, and drop the oldest beyond the limit.

        Raises `KnownError` where the folder cannot be written.
        """
        path = self._path(key)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomic(path.with_suffix(".json"), json.dumps(asdict(request)).encode())
            write_atomic(path, _packed(states))
        except OSError as error:
            raise KnownError(
                f"The steps cannot be stored in {self.folder} ({error.strerror}); free some space, or switch them off."
            ) from error
        self.trim(keep=path)

    def get(self, key: str, index: int) -> StepState | None:
        """Return the state after step `index`, or None where it is gone or damaged."""
        path = self._path(key)
        try:
            with safe_open(path, framework="pt") as file:  # pyright: ignore[reportUnknownVariableType]
                return _unpacked(file, index)
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError, KeyError, ValueError):
            path.unlink(missing_ok=True)
            return None

    def request(self, key: str) -> GenerateRequest:
        """Return the request of the picture, with which its steps can be made again.

        Raises `BadFile` where it is gone or damaged.
        """
        path = self._path(key).with_suffix(".json")
        gone = f"What made the steps {key} is no longer stored in {self.folder}; make the picture again to branch from."
        try:
            content = read_json(path)
            return GenerateRequest.from_values(content)
        except (OSError, KnownError, KeyError, TypeError) as error:
            raise BadFile(gone) from error

    def trim(self, keep: Path | None = None) -> None:
        """Drop the oldest records beyond the limit, states before requests; `keep` stays."""
        for suffix in (".safetensors", ".json"):
            entries = sorted(self._entries(), key=lambda entry: entry[0])
            used = sum(size for _, size, _ in entries)
            for _, size, path in entries:
                if used <= self.limit_bytes:
                    return
                if path.suffix == suffix and (keep is None or path.stem != keep.stem):
                    path.unlink(missing_ok=True)
                    used -= size

    @property
    def bytes_used(self) -> int:
        """How much all records take."""
        return sum(size for _, size, _ in self._entries())

    def _entries(self) -> list[tuple[float, int, Path]]:
        """Time, size and path of each file."""
        found: list[tuple[float, int, Path]] = []
        if self.folder.is_dir():
            for entry in os.scandir(self.folder):
                path = Path(entry.path)
                if path.suffix in {".safetensors", ".json"}:
                    try:
                        status = entry.stat()
                    except FileNotFoundError:
                        continue
                    found.append((status.st_mtime, status.st_size, path))
        return found

    def _path(self, key: str) -> Path:
        if KEY.fullmatch(key) is None:
            raise InvalidValue(f"The record {key!r} has no name that a record can have; branch from a step again.")
        return self.folder / f"{key}.safetensors"


def _packed(states: Sequence[StepState]) -> bytes:
    tensors: dict[str, Tensor] = {}
    described: dict[str, Any] = {}
    places: dict[int, str] = {}
    for state in states:
        prefix = f"{state.index}/"
        parts = {"latents": state.latents, "generator": state.generator}
        if state.clean is not None:
            parts["clean"] = state.clean
        parts |= {f"scheduler/{name}": tensor for name, tensor in state.scheduler_tensors.items()}
        parts |= {f"carried/{name}": tensor for name, tensor in state.carried.items()}
        # What several steps have in common lies in the file once, where the first of them has it.
        elsewhere = {name: places[id(tensor)] for name, tensor in parts.items() if id(tensor) in places}
        own = {name: tensor for name, tensor in parts.items() if name not in elsewhere}
        places |= {id(tensor): prefix + name for name, tensor in own.items()}
        tensors |= {prefix + name: tensor.contiguous() for name, tensor in own.items()}
        described[str(state.index)] = {
            "first": state.first,
            "scheduler": state.scheduler,
            "tensors": sorted(parts),
            "elsewhere": elsewhere,
            "channels_last": sorted(name for name, tensor in parts.items() if _is_channels_last(tensor)),
        }
    return save(tensors, metadata={"steps": json.dumps(described)})


def _is_channels_last(tensor: Tensor) -> bool:
    return tensor.dim() == 4 and not tensor.is_contiguous() and tensor.is_contiguous(memory_format=torch.channels_last)


def _unpacked(file: Any, index: int) -> StepState | None:
    described = json.loads(file.metadata()["steps"]).get(str(index))
    if described is None:
        return None
    elsewhere: Mapping[str, str] = described.get("elsewhere", {})  # records of before have none
    parts: dict[str, Tensor] = {
        name: file.get_tensor(elsewhere.get(name, f"{index}/{name}")) for name in described["tensors"]
    }
    for name, tensor in parts.items():
        # In the layout and on the boundary that it had: both decide how some kernels of the CPU round.
        layout = torch.channels_last if name in described["channels_last"] else torch.contiguous_format
        parts[name] = torch.empty_like(tensor, memory_format=layout).copy_(tensor)

    def below(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): tensor for name, tensor in parts.items() if name.startswith(prefix)}

    return StepState(
        index=index,
        first=described["first"],
        latents=parts["latents"],
        clean=parts.get("clean"),
        scheduler=described["scheduler"],
        scheduler_tensors=below("scheduler/"),
        generator=parts["generator"],
        carried=below("carried/"),
    )
