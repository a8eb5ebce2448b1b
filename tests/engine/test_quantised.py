"""Blocks of few bits become the numbers that the library `gguf` makes of them, to the bit."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from engine.formats.gguf_header import TYPES
from engine.loading.quantised import QuantisedLinear
from engine.weights import Entry
from engine.weights.quantised import KINDS, PIECE, dequantise
from tests.engine.test_gpu_waits import noticing

SIZES = {name: (numbers, size) for name, numbers, size in TYPES.values()}


def random_blocks(kind: str, count: int) -> np.ndarray:
    """Any bytes are such blocks; some have scales that are no numbers."""
    return np.random.default_rng(0).integers(0, 256, (count, SIZES[kind][1]), dtype=np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_any_bytes_are_what_they_are_for_the_library(kind: str) -> None:
    numbers, _ = SIZES[kind]
    blocks = random_blocks(kind, PIECE // numbers + 7)  # more than are unpacked at a time
    with np.errstate(all="ignore"):
        expected = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[kind])
    found = dequantise(torch.from_numpy(blocks), kind, (len(blocks), numbers))
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.numpy(), expected.reshape(len(blocks), numbers))
    narrow = dequantise(torch.from_numpy(blocks), kind, (len(blocks), numbers), torch.bfloat16)
    assert torch.equal(narrow.nan_to_num(0, 0, 0), found.to(torch.bfloat16).nan_to_num(0, 0, 0))


def test_all_kinds_of_packed_numbers_are_known() -> None:
    assert {name for name, numbers, _ in TYPES.values() if numbers > 1} == set(KINDS)


def test_bytes_may_lie_at_any_place_of_a_file() -> None:
    blocks = random_blocks("Q4_K", 3)
    at_odd = torch.from_numpy(np.concatenate([[0], blocks.ravel()]).astype(np.uint8))[1:]
    even = dequantise(torch.from_numpy(blocks), "Q4_K", (3, 256))
    assert torch.equal(dequantise(at_odd, "Q4_K", (3, 256)).nan_to_num(), even.nan_to_num())


@pytest.mark.parametrize("kind", KINDS)
def test_a_packed_layer_does_not_wait_for_its_device(kind: str) -> None:
    numbers, size = SIZES[kind]
    packed = torch.empty(10 * size, dtype=torch.uint8, device="meta")
    entry = Entry(Path("model.gguf"), "weight", torch.uint8, (5, 2 * numbers), quantisation=kind)
    layer = QuantisedLinear(packed, entry, None, None)
    x = torch.empty(3, 2 * numbers, dtype=torch.float16, device="meta")
    layer(x)  # the first call may bring a table
    with noticing() as noticed:
        result = layer(x)
    assert (result.shape, result.dtype) == ((3, 5), torch.float16)
    assert noticed.waits == []


def test_a_table_that_is_kept_from_inference_serves_with_gradients() -> None:
    packed = torch.zeros(18, dtype=torch.uint8)
    with torch.inference_mode():
        dequantise(packed, "IQ4_NL", (1, 32))
    layer = QuantisedLinear(packed, Entry(Path("x"), "x", torch.uint8, (1, 32), quantisation="IQ4_NL"), None, None)
    layer(torch.ones(1, 32, requires_grad=True)).sum().backward()
