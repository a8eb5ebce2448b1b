"""Weights: read where they lie, checked before they are used, written whole."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from engine.config import register_to_config
from engine.errors import (
    BadFile,
    BugError,
    ConfigError,
    InvalidValue,
    KnownError,
    MissingFile,
    MissingVariant,
    WeightsMismatch,
)
from engine.models.base import ModelMixin
from engine.weights import parse_size, read_header

NAME = "diffusion_pytorch_model"


class Small(ModelMixin):
    """A network with parameters and with buffers of two dtypes."""

    @register_to_config
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.layer = nn.Linear(width, width)
        self.norm = nn.BatchNorm1d(width)


def make_folder(folder: Path, width: int = 16, **save: object) -> Small:
    torch.manual_seed(0)
    model = Small(width)
    model.save_pretrained(folder, **save)  # pyright: ignore[reportArgumentType]
    return model


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_same(model: nn.Module, other: nn.Module) -> None:
    expected, given = model.state_dict(), other.state_dict()
    assert expected.keys() == given.keys()
    for key, tensor in expected.items():
        assert torch.equal(tensor, given[key]), key


def test_saved_and_loaded_is_the_same_model_in_eval_mode(tmp_path: Path) -> None:
    model = make_folder(tmp_path)
    loaded = Small.from_pretrained(tmp_path)
    assert_same(model, loaded)
    assert not loaded.training
    assert (loaded.dtype, loaded.device) == (torch.float32, torch.device("cpu"))
    assert names(tmp_path) == ["config.json", f"{NAME}.safetensors"]


def test_shards_and_their_index(tmp_path: Path) -> None:
    model = make_folder(tmp_path, max_shard_size=600)
    index = json.loads((tmp_path / f"{NAME}.safetensors.index.json").read_text())
    assert set(index["weight_map"]) == set(model.state_dict())
    assert len(set(index["weight_map"].values())) == 2
    assert_same(model, Small.from_pretrained(tmp_path))


def test_a_smaller_save_leaves_no_stale_shards(tmp_path: Path) -> None:
    make_folder(tmp_path, max_shard_size=600)
    make_folder(tmp_path)
    assert names(tmp_path) == ["config.json", f"{NAME}.safetensors"]


@pytest.mark.parametrize("shard_size", ["10GB", 600])
def test_a_variant_has_files_of_its_own(tmp_path: Path, shard_size: int | str) -> None:
    plain = make_folder(tmp_path)
    variant = plain.half()
    variant.save_pretrained(tmp_path, variant="fp16", max_shard_size=shard_size)
    assert_same(variant, Small.from_pretrained(tmp_path, variant="fp16", torch_dtype=torch.float16))
    assert (tmp_path / f"{NAME}.safetensors").is_file()


def test_dtype_converts_floating_point_only(tmp_path: Path) -> None:
    make_folder(tmp_path)
    loaded = Small.from_pretrained(tmp_path, torch_dtype=torch.bfloat16)
    assert loaded.layer.weight.dtype == torch.bfloat16
    assert loaded.norm.num_batches_tracked.dtype == torch.int64


def test_early_attention_names_are_understood(tmp_path: Path) -> None:
    class Block(ModelMixin):
        @register_to_config
        def __init__(self) -> None:
            super().__init__()
            self.to_q, self.to_k, self.to_v = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)
            self.to_out = nn.ModuleList([nn.Linear(2, 2)])

    model = Block()
    model.save_pretrained(tmp_path)
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    old = {
        f"{names[key.rsplit('.', 1)[0]]}.{key.rsplit('.', 1)[1]}": value for key, value in model.state_dict().items()
    }
    save_file(old, tmp_path / f"{NAME}.safetensors")
    assert_same(model, Block.from_pretrained(tmp_path))


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda data: data[:100], BadFile, "not a safetensors file, or is cut short"),
        (lambda data: data[:-10], BadFile, "is cut short: [0-9,]+ of [0-9,]+ bytes"),
        (lambda _: b"hello" * 100, BadFile, "not a safetensors file"),
        (lambda _: b"", BadFile, "not a safetensors file"),
        (lambda data: data.replace(b'"F32"', b'"F99"'), BadFile, "dtype 'F99'"),
        (lambda data: data[:8] + b"[" + data[9:], BadFile, "header cannot be read"),
    ],
)
def test_a_damaged_file_is_named(
    tmp_path: Path, damage: Callable[[bytes], bytes], error: type[KnownError], message: str
) -> None:
    make_folder(tmp_path)
    path = tmp_path / f"{NAME}.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(error, match=message) as caught:
        Small.from_pretrained(tmp_path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_parts_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="config.json is missing"):
        Small.from_pretrained(tmp_path / "nowhere")
    make_folder(tmp_path)
    with pytest.raises(
        MissingFile, match=r"fp16.safetensors is missing \(it holds diffusion_pytorch_model.safetensors"
    ):
        Small.from_pretrained(tmp_path, variant="fp16")
    make_folder(tmp_path, max_shard_size=600)
    (tmp_path / f"{NAME}-00002-of-00002.safetensors").unlink()
    with pytest.raises(MissingFile, match="which .*index.json names, is missing"):
        Small.from_pretrained(tmp_path)


def test_weights_of_another_model_are_refused_with_the_key(tmp_path: Path) -> None:
    make_folder(tmp_path)
    (tmp_path / "config.json").write_text('{"width": 4}')
    with pytest.raises(WeightsMismatch, match=r"layer.weight has the shape \[16, 16\], .* asks for \[4, 4\]"):
        Small.from_pretrained(tmp_path)
    path = tmp_path / f"{NAME}.safetensors"
    (tmp_path / "config.json").write_text('{"width": 16}')
    tensors = load_file(path)
    save_file({**tensors, "extra.weight": torch.zeros(1)}, path)
    with pytest.raises(WeightsMismatch, match=r"holds extra.weight, which Small does not have"):
        Small.from_pretrained(tmp_path)
    save_file({key: value for key, value in tensors.items() if "layer" not in key}, path)
    with pytest.raises(WeightsMismatch, match=r"lacks layer.weight and 1 more"):
        Small.from_pretrained(tmp_path)


def test_a_folder_of_another_class_is_refused(tmp_path: Path) -> None:
    make_folder(tmp_path)
    (tmp_path / "config.json").write_text('{"_class_name": "VQModel", "width": 16}')
    with pytest.raises(ConfigError, match="describes a VQModel, not a Small"):
        Small.from_pretrained(tmp_path)


@pytest.mark.parametrize("variant", [None, "fp16"])
@pytest.mark.parametrize("size", ["10GB", 100])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_files_of_torch_save(tmp_path: Path, variant: str | None, size: int | str, dtype: torch.dtype) -> None:
    model = Small()
    model.save_pretrained(tmp_path)
    model.save_pretrained(tmp_path, safe_serialization=False, max_shard_size=size, variant=variant)
    shards = len(list(tmp_path.glob("*.bin")))
    assert shards == (1 if size == "10GB" else 3)
    assert len(list(tmp_path.glob("*.safetensors"))) == (1 if variant else 0), "those of the same variant are replaced"
    read = Small.from_pretrained(tmp_path, dtype=dtype, variant=variant)
    for name, tensor in model.state_dict().items():
        expected = tensor.to(dtype) if tensor.is_floating_point() else tensor
        assert torch.equal(read.state_dict()[name], expected)
        assert read.state_dict()[name].dtype == expected.dtype
    with pytest.raises(MissingFile, match="safetensors is missing"):
        Small.from_pretrained(tmp_path, variant=variant or "bf16", use_safetensors=True)
    model.save_pretrained(tmp_path, variant=variant)
    assert not list(tmp_path.glob("*.bin*"))


def test_the_format_can_be_chosen(tmp_path: Path) -> None:
    first, second = Small(), Small()
    first.save_pretrained(tmp_path)
    torch.save(second.state_dict(), tmp_path / f"{NAME}.bin")
    for wanted, use_safetensors in ((first, None), (first, True), (second, False)):
        read = Small.from_pretrained(tmp_path, use_safetensors=use_safetensors)
        assert torch.equal(read.layer.weight, wanted.layer.weight)


class Bomb:
    """Leaves a file behind where a pickle of it is loaded as code."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_no_code_of_a_pickled_file_is_run(tmp_path: Path) -> None:
    path, trace = tmp_path / f"{NAME}.bin", tmp_path / "trace"
    Small().save_config(tmp_path)
    for content in ({"layer.weight": Bomb(trace)}, [1], {"layer.weight": 1}):
        torch.save(content, path)
        with pytest.raises(BadFile, match="download the model as safetensors"):
            Small.from_pretrained(tmp_path)
    for damage in (b"", b"nonsense", path.read_bytes()[:-20]):
        path.write_bytes(damage)
        with pytest.raises(BadFile, match="download the model as safetensors"):
            Small.from_pretrained(tmp_path)
    assert not trace.exists()


def test_an_absent_variant_is_a_wrong_value_and_a_missing_file(tmp_path: Path) -> None:
    make_folder(tmp_path)
    with pytest.raises(MissingVariant, match="choose another variant") as caught:
        Small.from_pretrained(tmp_path, variant="fp16")
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, OSError)


def test_a_tensor_that_no_weights_reach_is_our_bug(tmp_path: Path) -> None:
    class Forgetful(ModelMixin):
        @register_to_config
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)
            self.register_buffer("table", torch.arange(3), persistent=False)

    Forgetful().save_pretrained(tmp_path)
    with pytest.raises(BugError, match="table"):
        Forgetful.from_pretrained(tmp_path)


def test_shapes_and_offsets_come_from_the_header(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.zeros(2, 3, dtype=torch.float16), "b": torch.zeros(0)}, path)
    header = read_header(path)
    assert (header["a"].shape, header["a"].dtype, header["a"].end - header["a"].start) == ((2, 3), torch.float16, 12)
    assert header["b"].shape == (0,)


@pytest.mark.parametrize(("text", "size"), [("10GB", 10**10), ("2GiB", 2 * 2**30), ("500 MB", 5 * 10**8), (7, 7)])
def test_sizes_are_read(text: int | str, size: int) -> None:
    assert parse_size(text) == size


def test_a_size_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidValue, match="'big'"):
        parse_size("big")


# One process each, since the peak of a process never falls. Mapped pages are not anonymous memory, so not a copy.
PEAK = """
import re, sys, threading, time, torch
from torch import nn
from engine.config import register_to_config
from engine.models.base import ModelMixin

class Wide(ModelMixin):
    @register_to_config
    def __init__(self, layers: int = 8) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(1024, 1024, bias=False) for _ in range(layers))

def memory(key):
    return int(re.search(key + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024

if sys.argv[2] == "save":
    Wide(48).half().save_pretrained(sys.argv[1])
else:
    Wide(1).save_pretrained(sys.argv[1] + "/warm"); Wide.from_pretrained(sys.argv[1] + "/warm")
    before = memory("RssAnon")
    base = memory("VmHWM")
    model = Wide.from_pretrained(sys.argv[1], torch_dtype=getattr(torch, sys.argv[2]))
    print(memory("RssAnon") - before, memory("VmHWM") - base)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory of a process as Linux tells it")
def test_loading_needs_no_second_copy_in_memory(tmp_path: Path) -> None:
    def run(mode: str) -> list[float]:
        command = [sys.executable, "-c", PEAK, str(tmp_path), mode]
        output = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
        return [float(number) for number in output.stdout.split()]

    run("save")  # 96 MB in float16
    kept, _ = run("float16")
    assert kept < 10, "kept weights are mapped, not copied"
    held, peak = run("float32")
    assert held < 192 + 10
    assert peak < 192 + 20, "converted weights pass through a buffer of one tensor, not of the file"
