"""Pictures as tensors (batch, channels, height, width), arrays (batch, height, width, channels) and PIL images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from engine.errors import InvalidValue

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    Array = npt.NDArray[np.float32]

OUTPUT_TYPES = ("pil", "np", "pt")


def denormalize(images: Tensor) -> Tensor:
    """Return `images`, in [-1, 1] as models see them, in [0, 1]."""
    return (images * 0.5 + 0.5).clamp(0, 1)


def normalize(images: Tensor) -> Tensor:
    """Return `images`, in [0, 1], in [-1, 1] as models see them."""
    return 2.0 * images - 1.0


def pt_to_numpy(images: Tensor) -> Array:
    """Return the tensor (batch, channels, height, width) as a float32 array (batch, height, width, channels)."""
    return images.cpu().permute(0, 2, 3, 1).float().numpy()


def numpy_to_pt(images: Array) -> Tensor:
    """Return the array (batch, height, width[, channels]) as a tensor (batch, channels, height, width)."""
    with_channels = images if images.ndim == 4 else images[..., None]
    return torch.from_numpy(with_channels.transpose(0, 3, 1, 2))


def numpy_to_pil(images: Array) -> list[Image.Image]:
    """Return the array (batch, height, width, channels), in [0, 1], as PIL images: grey for one channel, else RGB."""
    from PIL import Image

    levels = (images * 255).round().astype("uint8")
    return [Image.fromarray(level[..., 0] if level.shape[-1] == 1 else level) for level in levels]


def pil_to_numpy(images: Image.Image | Sequence[Image.Image]) -> Array:
    """Return PIL images of one size as an array (batch, height, width[, channels]) in [0, 1]."""
    import numpy as np

    several = images if isinstance(images, Sequence) else [images]
    return np.stack([np.asarray(image, dtype=np.float32) / 255.0 for image in several])


def check_output_type(output_type: str, allowed: Sequence[str] = OUTPUT_TYPES) -> None:
    """Raise `InvalidValue` unless `output_type` is one of `allowed`."""
    if output_type not in allowed:
        raise InvalidValue(f"output_type cannot be {output_type!r}; choose one of {', '.join(map(repr, allowed))}.")


def postprocess(images: Tensor, output_type: str = "pil") -> Any:
    """Return what a decoder gave, (batch, channels, height, width) in [-1, 1], as pictures in [0, 1].

    `output_type`: "pil" (a list of PIL images), "np" (an array NHWC) or "pt" (a tensor NCHW).
    """
    return as_output(denormalize(images), output_type)


def as_output(images: Tensor, output_type: str = "pil") -> Any:
    """Return the tensor `images`, (batch, channels, height, width) in [0, 1], as `output_type` asks."""
    check_output_type(output_type)
    if output_type == "pt":
        return images
    array = pt_to_numpy(images)
    return array if output_type == "np" else numpy_to_pil(array)
