"""The process that reads pickled weights and writes safetensors: one JSON line in, one out, for each file.

No code of a file runs here (`weights_only`), and the memory is bounded by the file's size. It ends when its input does.
"""

from __future__ import annotations

import json
import os
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch

from engine.errors import KnownError
from engine.files import atomic_path
from engine.formats.pickle_check import flatten, read_pickled
from engine.formats.pickle_names import INERT

_ROOM = 1 << 30  # bytes beside twice the file
_ERRORS = (KnownError, OSError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, EOFError, MemoryError)


class _Nothing:
    """Stands for every object of a trainer: takes all arguments and keeps none."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass


class _Parameters(dict[str, Any]):
    """Stands for `ParameterDict`: keeps its tensors."""

    def __setstate__(self, state: Any) -> None:
        parameters = state.get("_parameters") if isinstance(state, dict) else None
        if isinstance(parameters, dict):
            self.update(parameters)


def convert(source: Path, target: Path) -> None:
    """Write the tensors of the pickled `source` into the safetensors file `target`, whole or not at all."""
    from safetensors.torch import save_file

    # Again, on this side of the pipe: what is read here is what was checked.
    wanted = read_pickled(source).tensors
    archive = zipfile.is_zipfile(source)
    if archive:
        _check_sums(source)
    allowed: list[Any] = [(_Parameters, "torch.nn.modules.container.ParameterDict")]
    allowed += [(_Nothing, name) for name in INERT]
    with torch.serialization.safe_globals(allowed):
        content = torch.load(source, map_location="cpu", weights_only=True, mmap=archive)
    found = flatten(content, lambda value: isinstance(value, torch.Tensor))
    if found.keys() != wanted.keys():
        raise ValueError("its tensors are not those of its list")
    tensors: dict[str, torch.Tensor] = {name: tensor.detach() for name, tensor in found.items()}
    with atomic_path(target) as temporary:
        save_file(_apart(tensors), temporary, {"format": "pt"})


def _apart(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors contiguous, and each with memory of its own, as the format needs them."""
    seen: set[int] = set()
    apart: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        own = tensor.contiguous()
        place = own.untyped_storage().data_ptr()
        shares = place in seen or own.untyped_storage().nbytes() != own.nbytes
        seen.add(place)
        apart[name] = own.clone() if shares else own
    return apart


def _check_sums(source: Path) -> None:
    """Compare the parts with their check sums; torch can be told to write none, so all must be wrong to be ignored."""
    wrong: list[str] = []
    right = 0
    with zipfile.ZipFile(source) as archive, source.open("rb") as file:
        for entry in archive.infolist():
            file.seek(entry.header_offset)
            local = file.read(30)
            skip = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
            file.seek(entry.header_offset + 30 + skip)
            left, total = entry.file_size, 0
            while left and (piece := file.read(min(left, 1 << 20))):
                total = zlib.crc32(piece, total)
                left -= len(piece)
            if left or total != entry.CRC:
                wrong.append(entry.filename)
            else:
                right += 1
    if wrong and right:
        raise ValueError(f"the check sum of {wrong[0]} is wrong")


def _limit_memory(size: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit; there the check and the time limit have to do
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE") if _has_proc() else 8 << 30
    resource.setrlimit(resource.RLIMIT_AS, (used + 3 * size + _ROOM, hard))


def _has_proc() -> bool:
    return Path("/proc/self/statm").exists()


def main() -> None:
    """Answer requests until the input ends."""
    out = sys.stdout
    # Whatever a library prints must not reach the pipe.
    sys.stdout = sys.stderr
    print("{}", file=out, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        source = Path(request["source"])
        try:
            _limit_memory(source.stat().st_size)
            convert(source, Path(request["target"]))
            answer: dict[str, str] = {}
        except _ERRORS as error:
            answer = {"error": str(error).splitlines()[0][:300] if str(error) else type(error).__name__}
        print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main()
