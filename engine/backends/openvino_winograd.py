"""3x3 convolutions of an OpenVINO model by fewer multiplications: Winograd's, see `engine.models.winograd`.

OpenVINO computes convolutions directly, at the machine's limit. Here they are written as matrix products, at which it
is as good: one that makes the 36 (or 16) terms of every tile of the image, as many that multiply them with those of the
kernels, and one that sums them to 16 (or 4) pixels.
"""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from engine.backends import packages
from engine.models.convolution import WINOGRAD_CHANNELS, WINOGRAD_THREADS, WINOGRAD_TILES
from engine.models.exact import Win, is_on
from engine.models.winograd import TILES_OF_2, TILES_OF_4, Form

log = logging.getLogger(__name__)

Array = np.ndarray[Any, np.dtype[np.float32]]

# An unknown batch has a picture with the prompt and one without.
USUAL_BATCH = 2
_ALIGNMENT = 4096  # of each kernel's terms in their file, so that they can be mapped


@dataclass(frozen=True, slots=True)
class Terms:
    """What rewritten convolutions compute with: `file`, and the bytes `added` that they take beyond the kernels."""

    file: IO[bytes]
    added: int


def rewrite_convolutions(model: Any, folder: Path, look: Callable[[], None]) -> Terms | None:
    """Rewrite those convolutions of `model` for which it pays, among those of a known height and width.

    The terms of kernels are two or four times as many as their numbers. OpenVINO puts them in an order of its own and
    never looks at them again, so that they are not in memory but in a file without a name in `folder`. Returns them,
    for that file to be kept open while the model is used; None where nothing was rewritten. `look` is called before
    each kernel.
    """
    plain = [node for node in model.get_ordered_ops() if _is_plain_3x3(node)]
    found = [(node, form) for node in plain if (form := _form_for(node)) is not None]
    if not found:
        return None
    kernels = [(node.input_value(1).get_node().get_data(), form) for node, form in found]
    try:
        file, all_terms = _mapped(kernels, folder, look)
    except OSError as error:
        log.warning("convolutions stay as they are: the terms of faster ones cannot be kept in %s: %s", folder, error)
        return None
    for (node, form), terms in zip(found, all_terms, strict=True):
        result = _convolution(node.input_value(0), terms, form)
        result.get_node().set_friendly_name(node.get_friendly_name())
        for target in node.output(0).get_target_inputs():
            target.replace_source_output(result)
    model.validate_nodes_and_infer_types()
    return Terms(file, sum(added_bytes(kernel.shape[:2], form) for kernel, form in kernels))


def added_bytes(channels: Sequence[int], form: Form | None) -> int:
    """The bytes that the terms of kernels (out_channels, channels) take beyond the kernels."""
    more = 0 if form is None else len(form.kernel_terms) ** 2 - 3**2
    return math.prod(channels) * more * np.dtype(np.float32).itemsize


def form_for(batch: int, size: Sequence[int], channels: Sequence[int]) -> Form | None:
    """The form with the largest tiles that pays for images of this height and width, and kernels (out, in), if any."""
    # The same limits as in torch; with more threads it was not measured here either.
    if torch.get_num_threads() > WINOGRAD_THREADS or min(channels) < WINOGRAD_CHANNELS:
        return None
    for win, form in ((Win.LARGER_TILES, TILES_OF_4), (Win.WINOGRAD, TILES_OF_2)):
        if batch * math.prod(-(-side // form.reach) for side in size) >= WINOGRAD_TILES and is_on(win):
            return form
    return None


def _is_plain_3x3(node: Any) -> bool:
    if node.get_type_name() != "Convolution" or node.input_value(1).get_node().get_type_name() != "Constant":
        return False
    attributes = node.get_attributes()
    ones = all(list(attributes[name]) == [1, 1] for name in ("strides", "dilations", "pads_begin", "pads_end"))
    return ones and list(node.input_value(1).get_shape())[2:] == [3, 3]


def _form_for(node: Any) -> Form | None:
    batch, _, *size = node.input_value(0).get_partial_shape()
    if any(side.is_dynamic for side in size):
        return None
    count = batch.get_length() if batch.is_static else USUAL_BATCH
    return form_for(count, [side.get_length() for side in size], node.input_value(1).get_shape()[:2])


def _mapped(
    kernels: Sequence[tuple[Array, Form]], folder: Path, look: Callable[[], None]
) -> tuple[IO[bytes], Sequence[Array]]:
    """A new file with the terms G g G^T of `kernels`, and each of them, (terms, out_channels, channels), from there."""
    # Without a buffer: what is left in one is written, and may fail, once more when the file is closed.
    file = tempfile.TemporaryFile(buffering=0, dir=folder)
    try:
        places: list[int] = []
        for kernel, form in kernels:
            look()
            sides = np.array(form.kernel_terms, np.float32)
            places.append(file.seek(-(-file.tell() // _ALIGNMENT) * _ALIGNMENT))
            _write_all(file, (np.kron(sides, sides) @ kernel.reshape(-1, 9).T).data.cast("B"))
        # "c": OpenVINO takes no array that is read-only, though it does not write.
        terms = [
            np.memmap(file, np.float32, "c", place, (len(form.kernel_terms) ** 2, *kernel.shape[:2]))
            for (kernel, form), place in zip(kernels, places, strict=True)
        ]
    except BaseException:
        file.close()
        raise
    return file, terms


def _write_all(file: IO[bytes], data: memoryview) -> None:
    """Linux writes 2 GB at most at a time."""
    while data:
        data = data[file.write(data) :]


def _convolution(image: Any, terms: Array, form: Form) -> Any:
    """The convolution of the output `image` (batch, channels, height, width) of a node, as an output; any batch."""
    m, side = form.pixels, len(form.kernel_terms)
    op = packages.openvino_operations()
    height, width = (side.get_length() for side in list(image.get_partial_shape())[2:])
    out_channels, channels = terms.shape[1:]
    rows, columns = -(-height // m), -(-width // m)
    tiles, places = _tiles(image, channels, height, width, m)
    of_image, of_sum = (np.array(matrix, np.float32) for matrix in (form.image_terms, form.sum_terms))
    image_terms = op.matmul(op.constant(np.kron(of_image, of_image)[:, places]), tiles, False, False)
    image_terms = op.reshape(image_terms, [side**2, -1, channels], False)
    products = op.matmul(image_terms, op.constant(terms, shared_memory=True), False, True)
    products = op.reshape(products, [side**2, -1], False)
    pixels = op.matmul(op.constant(np.kron(of_sum, of_sum)), products, False, False)
    pixels = op.reshape(pixels, [m, m, -1, rows, columns, out_channels], False)
    pixels = op.transpose(pixels, [2, 5, 3, 0, 4, 1])
    result = op.reshape(pixels, [-1, out_channels, m * rows, m * columns], False)
    return op.slice(result, [0, 0], [height, width], [1, 1], [2, 3]).output(0)


def _tiles(image: Any, channels: int, height: int, width: int, m: int) -> tuple[Any, list[int]]:
    """All tiles of `image`: (terms, tiles of all pictures and channels), and which pixel of a tile each row is.

    The padded image is cut into blocks of m x m pixels. A tile is one of them and the first pixels of those right of
    it and below: four pieces of all blocks.
    """
    op = packages.openvino_operations()
    more = 2  # pixels that a tile has beyond its block
    rows, columns = -(-height // m), -(-width // m)
    ends = [0, 0, m * (rows + 1) - height - 1, m * (columns + 1) - width - 1]
    padded = op.pad(image, [0, 0, 1, 1], ends, "constant", np.float32(0))
    blocks = op.reshape(padded, [-1, channels, rows + 1, m, columns + 1, m], False)
    blocks = op.transpose(blocks, [3, 5, 0, 2, 4, 1])  # (m, m, batch, rows + 1, columns + 1, channels)
    pieces: list[Any] = []
    places: list[int] = []
    for down, lines in ((0, m), (1, more)):
        for right, pixels in ((0, m), (1, more)):
            ends = [lines, pixels, rows + down, columns + right]
            piece = op.slice(blocks, [0, 0, down, right], ends, [1, 1, 1, 1], [0, 1, 3, 4])
            pieces.append(op.reshape(piece, [lines * pixels, -1], False))
            places += [(down * m + y) * (m + more) + right * m + x for y in range(lines) for x in range(pixels)]
    return op.concat(pieces, 0), places
