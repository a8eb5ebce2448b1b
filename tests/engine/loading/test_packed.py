"""Weights of few bits: GGUF and 8-bit floats, unpacked at loading or for each use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.errors import BadFile, WeightsMismatch
from engine.formats.gguf_header import TYPES, read_gguf
from engine.loading import convert_model, detect, load_model, load_pipeline
from engine.loading.quantised import QuantisedLinear
from engine.weights import load_tensors, read_header
from tests.fixtures.stable_diffusion import Size, stable_diffusion

UNET = "model.diffusion_model."
# Wide enough for blocks of 256.
WIDE = Size(unet=(32, 256), text=256, vae=(16, 32))
PACKED = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")
K_QUANTS = ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    stable_diffusion(WIDE).save_pretrained(folder / "folder")
    return convert_model(folder / "folder", folder / "model.safetensors", "float32")


def write_gguf(checkpoint: Path, path: Path, kind: gguf.GGMLQuantizationType) -> dict[str, torch.Tensor]:
    """Write the U-Net as programs do: matrices packed, all else in float16. Returns the values that it then has."""
    writer = gguf.GGUFWriter(path, "sd1")
    values: dict[str, torch.Tensor] = {}
    block, size = gguf.GGML_QUANT_SIZES[kind]
    random = np.random.default_rng(0)
    for name, tensor in load_file(checkpoint).items():
        if not name.startswith(UNET):
            continue
        bare = name.removeprefix(UNET)
        array = tensor.numpy()
        if array.ndim == 2 and array.shape[1] % block == 0:
            try:
                packed = gguf.quants.quantize(array, kind)
            except NotImplementedError:  # K quants are only read by the library; any bytes with small scales do
                packed = random.integers(0, 64, (array.shape[0], array.shape[1] // block * size), dtype=np.uint8)
            values[bare] = torch.from_numpy(gguf.quants.dequantize(packed, kind)).reshape(array.shape)
            writer.add_tensor(bare, packed, raw_dtype=kind)
        else:
            half = array.astype(np.float16)
            values[bare] = torch.from_numpy(half).float()
            writer.add_tensor(bare, half)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return values


@pytest.mark.parametrize("kind", PACKED + K_QUANTS)
def test_gguf(checkpoint: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "unet.gguf"
    values = write_gguf(checkpoint, path, gguf.GGMLQuantizationType[kind])
    found = detect(path)
    assert found.kind in ("unet", "unknown")
    assert kind in found.precision
    for name, tensor in load_tensors(read_header(path), torch.float32):
        assert torch.equal(tensor, values[name]) or (tensor - values[name]).isnan().any(), name
    options: dict[str, Any] = {"family": "stable-diffusion"}
    unpacked = load_model(path, "unet", keep_packed=False, **options)
    kept = load_model(path, "unet", **options)
    layers = {name for name, layer in kept.named_modules() if isinstance(layer, QuantisedLinear)}
    assert layers
    for name in layers:
        ours, theirs = kept.get_submodule(name).weight, unpacked.get_submodule(name).weight
        assert torch.equal(ours.nan_to_num(), theirs.detach().nan_to_num())
    if kind in PACKED:
        options = {"timestep": 10, "encoder_hidden_states": torch.ones(1, 3, 256)}
        one, two = (model(torch.ones(1, 4, 8, 8), **options).sample for model in (kept, unpacked))
        assert torch.allclose(one, two, atol=1e-5)
    size = sum(
        tensor.nbytes for layer in kept.modules() if isinstance(layer, QuantisedLinear) for tensor in [layer.packed]
    )
    assert size < 0.3 * sum(unpacked.get_submodule(name).weight.nbytes for name in layers)


def test_types_are_those_of_the_library() -> None:
    for number, (name, block, size) in TYPES.items():
        kind = gguf.GGMLQuantizationType(number)
        assert (kind.name, gguf.GGML_QUANT_SIZES[kind]) == (name, (block, size))


def test_flattened_tensors_get_their_shape_back(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    writer = gguf.GGUFWriter(path, "sd1")
    writer.add_array("comfy.gguf.orig_shape.conv", [4, 4, 3, 3])
    writer.add_tensor("conv", np.arange(144, dtype=np.float32).reshape(2, 72))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert read_gguf(path).tensors["conv"].shape == (4, 4, 3, 3)
    assert torch.equal(dict(load_tensors(read_header(path), None))["conv"].flatten(), torch.arange(144.0))


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
@pytest.mark.parametrize("names", [("scale_weight", "scaled_fp8"), ("weight_scale", ""), ("", "")])
def test_8_bit_floats(checkpoint: Path, tmp_path: Path, dtype: torch.dtype, names: tuple[str, str]) -> None:
    scale_name, mark = names
    tensors: dict[str, torch.Tensor] = {}
    expected: dict[str, torch.Tensor] = {}
    for name, tensor in load_file(checkpoint).items():
        if name.startswith(UNET) and name.endswith("weight") and tensor.ndim == 2:
            factor = (tensor.abs().max() / 240) if scale_name else torch.tensor(1.0)
            tensors[name] = (tensor / factor).to(dtype)
            expected[name.removeprefix(UNET)] = tensors[name].float() * factor
            if scale_name:
                tensors[f"{name.removesuffix('weight')}{scale_name}"] = factor.float()
        else:
            tensors[name] = tensor
    if mark:
        tensors[f"{UNET}{mark}"] = torch.zeros(2, dtype=dtype)
    path = tmp_path / "small.safetensors"
    save_file(tensors, path)
    assert ("scaled" in detect(path).precision) == bool(scale_name)
    packed: Any = load_pipeline(path, keep_packed=True)
    plain: Any = load_pipeline(path)
    exact: Any = load_pipeline(checkpoint)
    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    original = "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
    assert torch.equal(plain.unet.get_submodule(name).weight, expected[original])
    layer = packed.unet.get_submodule(name)
    assert isinstance(layer, QuantisedLinear)
    assert layer.packed.dtype == dtype
    assert torch.equal(layer.weight, expected[original])
    near = exact.unet.get_submodule(name).weight
    assert (layer.weight - near).abs().max() <= 0.14 * near.abs().max()
    options = {"timestep": 10, "encoder_hidden_states": torch.ones(1, 3, 256)}
    one, two = (p.unet(torch.ones(1, 4, 8, 8), **options).sample for p in (packed, plain))
    assert torch.allclose(one, two, atol=1e-5)
    half: Any = packed.unet.to(torch.float16)
    assert half.get_submodule(name).packed.dtype == dtype


@pytest.mark.parametrize("column", [True, False])
def test_8_bit_floats_with_a_scale_for_each_row(checkpoint: Path, tmp_path: Path, column: bool) -> None:
    name = f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
    tensors = load_file(checkpoint)
    rows = tensors[name].abs().amax(dim=1, keepdim=True) / 240
    small = (tensors[name] / rows).to(torch.float8_e4m3fn)
    scale = f"{name}_scale"
    path = tmp_path / "rows.safetensors"
    save_file(tensors | {name: small, scale: rows if column else rows.flatten()}, path)
    expected = small.float() * rows
    layer = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    for keep in (True, False):
        loaded: Any = load_pipeline(path, keep_packed=keep)
        assert torch.equal(loaded.unet.get_submodule(layer).weight, expected)
    save_file(tensors | {name: small, scale: torch.ones(3)}, path)
    with pytest.raises(BadFile, match=r"to_k\.weight is scaled by 3 numbers"):
        load_pipeline(path)


def test_a_tensor_without_a_place_is_named(checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "more.safetensors"
    save_file({**load_file(checkpoint), f"{UNET}input_blocks.77.0.x.weight": torch.zeros(1)}, path)
    with pytest.raises(WeightsMismatch, match=r"input_blocks\.77\.0\.x\.weight"):
        load_pipeline(path)
    save_file({k: v for k, v in load_file(checkpoint).items() if "input_blocks.1.0.in_layers.2" not in k}, path)
    with pytest.raises(WeightsMismatch, match="lacks"):
        load_pipeline(path)
