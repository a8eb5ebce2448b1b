"""How much memory a job takes, estimated from shapes alone: neither torch nor weights are loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.catalog import model_folder
from engine.errors import MissingFile
from engine.files import read_json
from engine.formats.header import elements
from engine.formats.read import WEIGHT_SUFFIXES, read_header
from engine.messages import GenerateRequest

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
# What a published Stable Diffusion has; for a checkpoint of one file, whose configuration is not beside it.
USUAL_UNET: Mapping[str, Any] = {"block_out_channels": [320, 640, 1280, 1280]}
USUAL_VAE: Mapping[str, Any] = {"block_out_channels": [128, 256, 512, 512]}
# Feature maps of full size that are alive at once; measured on the CPU with `measure_peak` of
# tests/engine/test_memory.py: the UNet keeps its skip connections, the decoder two maps and a copy for its convolution.
UNET_MAPS = 9.0
VAE_MAPS = 3.5
SKIPPED_PARTS = frozenset({"safety_checker", "feature_extractor", "scheduler"})


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes that a job takes: weights all the time, and beside them the larger of denoising and decoding."""

    weights: int
    denoising: int
    decoding: int

    @property
    def total(self) -> int:
        """The most that is needed at once."""
        return self.weights + max(self.denoising, self.decoding)


def estimate(request: GenerateRequest) -> MemoryEstimate:
    """Estimate what `request` takes.

    Raises:
        KnownError: the model is missing or damaged.
    """
    location, size = model_folder(request.model), BYTES[request.dtype]
    if not location.exists():
        raise MissingFile(f"The model {location} does not exist; choose another one.")
    unet, vae = _config(location, "unet", USUAL_UNET), _config(location, "vae", USUAL_VAE)
    factor = 2 ** (len(vae["block_out_channels"]) - 1)
    scale = max(request.hires_scale, 1.0)
    width, height = round(request.width * scale), round(request.height * scale)
    batch = 2 if request.guidance_scale > 1 else 1
    latent_area = (width // factor) * (height // factor)
    channels = vae["block_out_channels"]
    return MemoryEstimate(
        weights=size * sum(parameters(path) for path in weight_files(location)),
        denoising=int(size * batch * latent_area * unet["block_out_channels"][0] * UNET_MAPS),
        decoding=int(size * width * height * channels[min(1, len(channels) - 1)] * VAE_MAPS),
    )


def weight_files(location: Path) -> list[Path]:
    """The files of weights of a model: of each part of a folder those that are read, else the file itself."""
    if location.is_file():
        return [location]
    found: list[Path] = []
    for part in sorted(path for path in location.iterdir() if path.is_dir() and path.name not in SKIPPED_PARTS):
        files = [path for path in sorted(part.iterdir()) if path.suffix.lower() in WEIGHT_SUFFIXES]
        found += _one_variant(files)
    return found


def _one_variant(files: Iterable[Path]) -> list[Path]:
    """Of several copies of the same weights, one: safetensors before pickles, the plain before the `.fp16.` ones."""
    groups: dict[tuple[bool, str], list[Path]] = {}
    for path in files:
        variant = ".".join(piece for piece in path.name.split(".")[1:-1])
        groups.setdefault((path.suffix.lower() != ".safetensors", variant), []).append(path)
    return groups[min(groups)] if groups else []


def parameters(path: Path) -> int:
    """The number of parameters in the file `path`, from its header."""
    return sum(elements(stored.shape) for stored in read_header(path).tensors.values())


def _config(location: Path, part: str, usual: Mapping[str, Any]) -> Mapping[str, Any]:
    path = location / part / "config.json"
    if not location.is_dir() or not path.exists():
        return usual
    config = read_json(path)
    return config if config.get("block_out_channels") else usual
