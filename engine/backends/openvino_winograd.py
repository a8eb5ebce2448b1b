"""3x3 convolutions of an OpenVINO model by fewer multiplications: Winograd's F(4x4, 3x3), see `engine.models.winograd`.

OpenVINO computes convolutions directly, at the machine's limit. Here they are written as matrix products, at which it
is as good: one that makes the 36 terms of every tile of the image, 36 that multiply them with those of the kernels, and
one that sums them to 16 pixels.
"""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from engine.backends import packages
from engine.models.convolution import WINOGRAD_CHANNELS, WINOGRAD_THREADS, WINOGRAD_TILES
from engine.models.exact import Win, is_on
from engine.models.winograd import TILES_OF_4

log = logging.getLogger(__name__)

Array = np.ndarray[Any, np.dtype[np.float32]]

FORM = TILES_OF_4
M, SIDE = FORM.pixels, len(FORM.kernel_terms)  # pixels along a tile's side: of the output and of the input
# An unknown batch has a picture with the prompt and one without.
USUAL_BATCH = 2
_ALIGNMENT = 4096  # of each kernel's terms in their file, so that they can be mapped


def rewrite_convolutions(model: Any, folder: Path, look: Callable[[], None]) -> IO[bytes] | None:
    """Rewrite those convolutions of `model` for which it pays, among those of a known height and width.

    The terms of kernels are four times as many as their numbers. OpenVINO puts them in an order of its own and never
    looks at them again, so that they are in a file without a name in `folder`, and not in memory. Returns that file, to
    be kept open while the model is used; None where nothing was rewritten. `look` is called before each kernel.
    """
    found = [node for node in model.get_ordered_ops() if _is_plain_3x3(node) and _pays_for(node)]
    if not found:
        return None
    kernels = [node.input_value(1).get_node().get_data() for node in found]
    try:
        file, all_terms = _mapped(kernels, folder, look)
    except OSError as error:
        log.warning("convolutions stay as they are: the terms of faster ones cannot be kept in %s: %s", folder, error)
        return None
    for node, terms in zip(found, all_terms, strict=True):
        result = _convolution(node.input_value(0), terms)
        result.get_node().set_friendly_name(node.get_friendly_name())
        for target in node.output(0).get_target_inputs():
            target.replace_source_output(result)
    model.validate_nodes_and_infer_types()
    return file


def added_bytes(pairs: int) -> int:
    """The bytes that the terms of `pairs` of channels take beyond the kernels that they are of."""
    return pairs * (SIDE**2 - 3**2) * np.dtype(np.float32).itemsize


def pays(batch: int, size: Sequence[int], channels: Sequence[int]) -> bool:
    """Whether 3x3 kernels (out_channels, channels) are worth it for images of this height and width."""
    tiles = batch * math.prod(-(-side // FORM.reach) for side in size)
    # The same limits as in torch; with more threads it was not measured here either.
    few = torch.get_num_threads() <= WINOGRAD_THREADS
    return few and tiles >= WINOGRAD_TILES and min(channels) >= WINOGRAD_CHANNELS and is_on(Win.LARGER_TILES)


def _is_plain_3x3(node: Any) -> bool:
    if node.get_type_name() != "Convolution" or node.input_value(1).get_node().get_type_name() != "Constant":
        return False
    attributes = node.get_attributes()
    ones = all(list(attributes[name]) == [1, 1] for name in ("strides", "dilations", "pads_begin", "pads_end"))
    return ones and list(node.input_value(1).get_shape())[2:] == [3, 3]


def _pays_for(node: Any) -> bool:
    batch, _, *size = node.input_value(0).get_partial_shape()
    count = batch.get_length() if batch.is_static else USUAL_BATCH
    known = all(side.is_static for side in size)
    return known and pays(count, [side.get_length() for side in size], node.input_value(1).get_shape()[:2])


def _mapped(kernels: Sequence[Array], folder: Path, look: Callable[[], None]) -> tuple[IO[bytes], Sequence[Array]]:
    """A new file with the terms G g G^T of `kernels`, and each of them, (terms, out_channels, channels), from there."""
    sides = np.array(FORM.kernel_terms, np.float32)
    both = np.kron(sides, sides)
    # Without a buffer: what is left in one is written, and may fail, once more when the file is closed.
    file = tempfile.TemporaryFile(buffering=0, dir=folder)
    try:
        places: list[int] = []
        for kernel in kernels:
            look()
            places.append(file.seek(-(-file.tell() // _ALIGNMENT) * _ALIGNMENT))
            _write_all(file, (both @ kernel.reshape(-1, 9).T).data.cast("B"))
        # "c": OpenVINO takes no array that is read-only, though it does not write.
        terms = [
            np.memmap(file, np.float32, "c", place, (len(both), *kernel.shape[:2]))
            for kernel, place in zip(kernels, places, strict=True)
        ]
    except BaseException:
        file.close()
        raise
    return file, terms


def _write_all(file: IO[bytes], data: memoryview) -> None:
    """Linux writes 2 GB at most at a time."""
    while data:
        data = data[file.write(data) :]


def _convolution(image: Any, terms: Array) -> Any:
    """The convolution of the output `image` (batch, channels, height, width) of a node, as an output; any batch."""
    op = packages.openvino_operations()
    height, width = (side.get_length() for side in list(image.get_partial_shape())[2:])
    out_channels, channels = terms.shape[1:]
    rows, columns = -(-height // M), -(-width // M)
    tiles, places = _tiles(image, channels, height, width)
    of_image, of_sum = _matrix(FORM.image_terms, SIDE, SIDE), _matrix(FORM.sum_terms, M, SIDE)
    image_terms = op.matmul(op.constant(np.kron(of_image, of_image)[:, places]), tiles, False, False)
    image_terms = op.reshape(image_terms, [SIDE**2, -1, channels], False)
    products = op.matmul(image_terms, op.constant(terms, shared_memory=True), False, True)
    products = op.reshape(products, [SIDE**2, -1], False)
    pixels = op.matmul(op.constant(np.kron(of_sum, of_sum)), products, False, False)
    pixels = op.reshape(pixels, [M, M, -1, rows, columns, out_channels], False)
    pixels = op.transpose(pixels, [2, 5, 3, 0, 4, 1])
    result = op.reshape(pixels, [-1, out_channels, M * rows, M * columns], False)
    return op.slice(result, [0, 0], [height, width], [1, 1], [2, 3]).output(0)


def _tiles(image: Any, channels: int, height: int, width: int) -> tuple[Any, list[int]]:
    """All tiles of `image`: (SIDE ** 2, tiles of all pictures and channels), and which pixel of a tile each row is.

    The padded image is cut into blocks of M x M pixels. A tile is one of them and the first pixels of those right of
    it and below: four pieces of all blocks.
    """
    op = packages.openvino_operations()
    rows, columns = -(-height // M), -(-width // M)
    ends = [0, 0, M * (rows + 1) - height - 1, M * (columns + 1) - width - 1]
    padded = op.pad(image, [0, 0, 1, 1], ends, "constant", np.float32(0))
    blocks = op.reshape(padded, [-1, channels, rows + 1, M, columns + 1, M], False)
    blocks = op.transpose(blocks, [3, 5, 0, 2, 4, 1])  # (M, M, batch, rows + 1, columns + 1, channels)
    pieces: list[Any] = []
    places: list[int] = []
    for down, lines in ((0, M), (1, SIDE - M)):
        for right, pixels in ((0, M), (1, SIDE - M)):
            ends = [lines, pixels, rows + down, columns + right]
            piece = op.slice(blocks, [0, 0, down, right], ends, [1, 1, 1, 1], [0, 1, 3, 4])
            pieces.append(op.reshape(piece, [lines * pixels, -1], False))
            places += [(down * M + y) * SIDE + right * M + x for y in range(lines) for x in range(pixels)]
    return op.concat(pieces, 0), places


def _matrix(write: Callable[[Any, Tensor], None], rows: int, columns: int) -> Array:
    """The matrix that one of a form's functions multiplies with."""
    result = torch.zeros(rows, columns)
    write(torch.eye(columns), result)
    return result.numpy()
