"""Damaged and hostile files, from whole ones: the same thousands every time."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from safetensors.torch import save

# Names of a small VAE, so that an undamaged file is something.
TENSORS = {
    f"first_stage_model.{name}": torch.full((4, 4, 3, 3), 0.5)
    for name in ("encoder.conv_in.weight", "decoder.conv_in.weight", "encoder.down.0.block.0.norm1.weight")
}


class Code:
    """Makes a file where the pickle of it is obeyed."""

    def __init__(self, call: Callable[..., Any], *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call, self.arguments


def whole(kind: str, folder: Path) -> bytes:
    """An undamaged file of this kind."""
    if kind == "safetensors":
        return save(TENSORS, {"format": "pt"})
    if kind == "gguf":
        path = folder / "whole.gguf"
        writer = gguf.GGUFWriter(path, "sd1")
        for name, tensor in TENSORS.items():
            writer.add_tensor(name, tensor.numpy())
        writer.add_tensor("packed", np.ones((2, 34), np.uint8), raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path.read_bytes()
    buffer = io.BytesIO()
    torch.save({"state_dict": TENSORS}, buffer, _use_new_zipfile_serialization=kind == "ckpt")
    return buffer.getvalue()


SUFFIXES = {"safetensors": ".safetensors", "gguf": ".gguf", "ckpt": ".ckpt", "legacy": ".pt"}


def damaged(count: int, folder: Path, canary: Path) -> Iterator[tuple[str, bytes, bool]]:
    """Suffix, content, and whether it must be refused: bytes of the weights themselves may be any, and are not told."""
    chance = random.Random(0)
    hostile = list(_hostile(canary))
    yield from hostile
    files = {kind: whole(kind, folder) for kind in SUFFIXES}
    for number in range(count - len(hostile)):
        kind = list(SUFFIXES)[number % 4]
        content = files[kind]
        match number // 4 % 4:
            case 0:
                # The end of a GGUF file may be padding, which nobody misses.
                yield SUFFIXES[kind], content[: chance.randrange(len(content) - 32)], True
            case 1:
                yield SUFFIXES[kind], _flipped(content, chance, chance.randint(1, 8)), False
            case 2:
                at = chance.randrange(min(len(content), 400))
                yield SUFFIXES[kind], content[:at] + chance.randbytes(8) + content[at + 8 :], False
            case _:
                yield SUFFIXES[kind], _wrong_length(kind, content, chance), True


def _flipped(content: bytes, chance: random.Random, bits: int) -> bytes:
    changed = bytearray(content)
    for _ in range(bits):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _wrong_length(kind: str, content: bytes, chance: random.Random) -> bytes:
    wrong = chance.choice([0, 1, 2**31, 2**63 - 1, 2**64 - 1, len(content), chance.getrandbits(40) + 100_000])
    if kind == "safetensors":
        return struct.pack("<Q", wrong) + content[8:]
    if kind == "gguf":
        return content[:8] + struct.pack("<Q", wrong | 1 << 40) + content[16:]
    return content[: len(content) // 2] + struct.pack("<Q", wrong)


def _safetensors(header: Any, data: bytes = b"\0" * 64) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _archive(pickled: bytes, more: dict[str, bytes] | None = None, packed: bool = False) -> bytes:
    buffer = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, content in (more or {}).items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _hostile(canary: Path) -> Iterator[tuple[str, bytes, bool]]:
    one = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    headers: list[Any] = [
        {"a": {**one, "shape": [-4]}},
        {"a": {**one, "shape": [2**62, 2**62]}},
        {"a": {**one, "data_offsets": [-16, 0]}},
        {"a": {**one, "data_offsets": [16, 0]}},
        {"a": {**one, "data_offsets": [0.0, 16.0]}},
        {"a": {**one, "data_offsets": [0, 2**70]}},
        {"a": one, "b": one},
        {"a": {**one, "data_offsets": [8, 24]}},
        {"a": {**one, "dtype": "../../etc"}},
        {"a": []},
        {"a": None},
        [],
        "text",
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"a": {"dtype": "F32", "shape": [' + b"9" * 5000 + b'], "data_offsets": [0, 16]}}',
    ]
    yield from ((".safetensors", _safetensors(header), True) for header in headers)
    calls = [
        Code(os.system, f"touch {canary}"),
        Code(Path.touch, canary),
        Code(exec, f"open({str(canary)!r}, 'w')"),
        Code(eval, f"open({str(canary)!r}, 'w')"),
        Code(getattr, os.path.join, "__globals__"),
        Code(torch.load, str(canary)),
        Code(print, "x"),
    ]
    for call in calls:
        for protocol in (0, 2, 4):
            pickled = pickle.dumps({"state_dict": {"weight": call}}, protocol)
            yield ".ckpt", _archive(pickled), True
            yield ".bin", pickled, True
        buffer = io.BytesIO()
        torch.save({"weight": call}, buffer, _use_new_zipfile_serialization=False)
        yield ".pt", buffer.getvalue(), True
    plain = pickle.dumps({}, 2)
    for name in ("../../outside", "/tmp/outside", "..\\outside", "C:\\outside", "archive/../../outside", "a\0b", "./x"):  # noqa: S108
        yield ".ckpt", _archive(plain, {name: b"x"}), True
    # Bombs: of zip, of nesting, of numbers, of instructions.
    yield ".ckpt", _archive(plain, {"archive/data/0": b"\0" * 50_000_000}, packed=True), True
    yield ".ckpt", _archive(b"\0" * 30_000_000), True
    yield ".ckpt", _archive(plain, {f"archive/data/{index}": b"" for index in range(30_000)}), True
    yield ".ckpt", _archive(b"\x80\x02" + b"N" + b"\x85" * 300_000 + b"."), True
    yield ".ckpt", _archive(b"\x80\x02}(" + b"N" + b"\x85" * 200_000 + b"Nu."), True
    yield ".ckpt", _archive(b"\x80\x02" + b"]" * 1_000_000 + b"."), True
    yield ".ckpt", _archive(b"L" + b"9" * 1_000_000 + b"L\n."), True
    yield ".ckpt", _archive(b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"\1."), True
    yield ".ckpt", _archive(b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"\1."), True
    yield ".ckpt", _archive(plain, {"archive/code/x.py": b"import os"}), True
    yield ".pt", b"PK\x05\x06" + b"\0" * 18, True
    yield ".ckpt", b"", True
    yield ".gguf", b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), True
    yield ".gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60), True
    yield ".gguf", b"GGUF" + struct.pack("<IQQ", 9, 0, 0), True
    key = struct.pack("<Q", 1) + b"k"
    array = struct.pack("<IIQ", 9, 9, 2)
    yield ".gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + key + array * 1000, True
    for text in (b"<html>not found</html>", b"version https://git-lfs.github.com/spec/v1\n", b"7z\xbc\xaf\x27\x1c" * 9):
        yield from ((suffix, text, True) for suffix in SUFFIXES.values())
