"""How much memory a job takes, estimated from shapes alone, under each plan: neither torch nor weights are loaded.

A plan says what leaves the memory while something else works. `PLANS` go from the quickest to the one that needs least;
`cheapest` takes the first that fits.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.catalog import model_folder
from engine.errors import MissingFile
from engine.files import read_json
from engine.formats.header import Stored, elements
from engine.formats.read import WEIGHT_SUFFIXES, read_header
from engine.messages import GenerateRequest
from engine.switches import COMPUTED, PACKED, Precisions

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
# What a published Stable Diffusion has; for a checkpoint of one file, whose configuration is not beside it.
USUAL_UNET: Mapping[str, Any] = {
    "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
}
USUAL_VAE: Mapping[str, Any] = {"block_out_channels": [128, 256, 512, 512], "force_upcast": True}
SKIPPED_PARTS = frozenset({"safety_checker", "feature_extractor", "scheduler"})
# Side of a tile in pixels: large enough that its norms see much of the picture, small enough for 2 GB.
TILE = 512
# Measured on the CPU with tests/engine/memory_child.py and test_memory.py, which hold the estimate to 15 %.
RUNTIME = 260 * 2**20  # Python, torch and the libraries beside it, before a model is loaded
WIDE_MAPS = 40.0  # maps of a stage with attention: its feed-forward is eight times as wide, and freed maps linger
NARROW_MAPS = 20.0  # maps of the first stage where it has none
DECODER_MAPS = 3.75  # maps of full size before the last stage: in, normed, out, and copies for the convolution
ENCODER_MAPS = 5.7  # maps of the first stage, which are of full size
LINGERING = 60 * 2**20  # at most: maps below 32 MB that are freed stay in the heap; three of them where they are small
PLACES = 2  # for blocks of a denoiser that come to a GPU one by one
GRAPHS = 2  # of steps on a GPU, that are kept: with guidance, and without it
PIXEL_BYTES = 3 * (4 + 4 + 1)  # the picture itself as the decoder gives it, in [0, 1], and as bytes

# Of the other back ends: their libraries and what compiling leaves behind; how much larger the maps of a decoder are.
# OpenVINO's file of weights is mapped beside them, read once and given up where memory is short: it does not count.
BACKEND_RUNTIME: Mapping[str, int] = {"torch": 0, "openvino": 100 * 2**20, "onnx": 54 * 2**20}
BACKEND_DECODER: Mapping[str, float] = {"torch": 1.0, "openvino": 1.5, "onnx": 1.3}

GROUPS: Sequence[str] = ("text", "denoiser", "vae")
_FIRST_KERNELS = frozenset({"conv_in.weight", "model.diffusion_model.input_blocks.0.0.weight"})
# Of InstructPix2Pix, (channels, height, width): its latents, and those of the picture that it edits. The latent
# upscaler has as many channels, and looks at one pixel.
_EDITING_KERNEL = (8, 3, 3)
_VAE_KEYS = ("first_stage_model.", "vae.")
_TEXT_KEYS = ("cond_stage_model.", "conditioner.", "text_encoder", "text_encoders.", "te.")


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """One way of making do with less memory.

    Attributes:
        name: for recipes and tests.
        words: what the user is told when it is taken for a second try.
        text_released: the text encoders leave once the prompt is encoded.
        in_turn: of text encoders, denoiser and autoencoder only the one that works is in memory.
        streamed: on a GPU, of the denoiser's blocks only the one that works and the next one are in its memory. On a
            CPU weights are mapped from their file, and the system does that.
        tiled: pictures are decoded and encoded one by one, in tiles with soft seams.
        attention_in_pieces: attention is computed head by head.
    """

    name: str
    words: str
    text_released: bool = False
    in_turn: bool = False
    streamed: bool = False
    tiled: bool = False
    attention_in_pieces: bool = False


PLANS = (
    MemoryPlan("resident", ""),
    MemoryPlan("text", "There was not enough memory: trying again without the text encoder.", text_released=True),
    MemoryPlan(
        "tiles",
        "There was not enough memory: trying again with the picture decoded in tiles.",
        text_released=True,
        tiled=True,
    ),
    MemoryPlan(
        "in turn",
        "There was not enough memory: trying again with tiles, and one part of the model at a time.",
        text_released=True,
        in_turn=True,
        tiled=True,
    ),
    MemoryPlan(
        "streamed",
        "There was not enough memory: trying again with the blocks of the model coming to the device one by one.",
        text_released=True,
        in_turn=True,
        streamed=True,
        tiled=True,
    ),
    MemoryPlan(
        "in pieces",
        "There was not enough memory: trying again with one part of the model at a time, in small pieces.",
        text_released=True,
        in_turn=True,
        streamed=True,
        tiled=True,
        attention_in_pieces=True,
    ),
)
MODES: Mapping[str, str] = {"fast": "resident", "balanced": "tiles", "low": "in pieces"}


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes that a job takes.

    Attributes:
        runtime: what the program takes without a model.
        weights: of text encoders, denoiser and autoencoder, by the names in `GROUPS`.
        encoding, denoising, decoding: what comes on top while prompt, steps and decoder are at work.
        reading: the same while a picture to start from becomes latents; 0 without one.
        tiled_reading, tiled_decoding: both of them in tiles.
        terms: of the kernels of faster convolutions, beside the weights of the denoiser; not with attention in pieces.
        streamed: of the denoiser's weights, what is there at a time while its blocks come one by one; None where they
            cannot.
        graphs: what the graphs of steps on a GPU keep from picture to picture; only with everything in memory.
    """

    runtime: int
    weights: Mapping[str, int]
    encoding: int
    denoising: int
    reading: int
    decoding: int
    tiled_reading: int
    tiled_decoding: int
    terms: int = 0
    streamed: int | None = None
    graphs: int = 0

    @property
    def total(self) -> int:
        """The most that is needed at once with everything in memory."""
        return self.under(PLANS[0])

    def under(self, plan: MemoryPlan) -> int:
        """The most that is needed at once under `plan`."""
        return max(self.phases(plan).values())

    def phases(self, plan: MemoryPlan) -> dict[str, int]:
        """What is needed while encoding the prompt, denoising and decoding under `plan`."""
        decoding = self.tiled_decoding if plan.tiled else self.decoding
        graphs = self.graphs if plan == PLANS[0] else 0
        return {
            "encoding": self._held(plan, "text") + self.encoding + graphs,
            "denoising": self._held(plan, "denoiser") + self._starting(plan, graphs),
            "decoding": self._held(plan, "vae") + decoding + graphs,
        }

    def _starting(self, plan: MemoryPlan, graphs: int) -> int:
        reading = self.tiled_reading if plan.tiled else self.reading
        # For that the autoencoder is there too.
        own = self.weights["vae"] if plan.in_turn and reading else 0
        # Steps that are graphs work in what these keep.
        return max(self.denoising, reading + own + graphs)

    def _held(self, plan: MemoryPlan, working: str) -> int:
        terms = 0 if plan.attention_in_pieces else self.terms
        if plan.in_turn and plan.streamed and working == "denoiser" and self.streamed is not None:
            return self.runtime + self.streamed + terms
        if plan.in_turn:
            return self.runtime + self.weights[working] + terms * (working == "denoiser")
        released = self.weights["text"] if plan.text_released and working != "text" else 0
        return self.runtime + sum(self.weights.values()) + terms - released


def cheapest(need: MemoryEstimate, available: int, plans: Sequence[MemoryPlan] = PLANS) -> MemoryPlan:
    """The first plan that fits into `available` bytes; the last one where none does."""
    return next((plan for plan in plans if need.under(plan) <= available), plans[-1])


def rounding_as(name: str, plan: MemoryPlan) -> MemoryPlan:
    """The first plan from `plan` on that makes the same pixels as the one called `name`.

    Only tiles and attention in pieces change any. `plan` itself where there is no such plan that needs as little.
    """
    named = next(one for one in PLANS if one.name == name)
    alike = (one for one in PLANS[PLANS.index(plan) :] if _rounding(one) == _rounding(named))
    return next(alike, plan)


def _rounding(plan: MemoryPlan) -> tuple[bool, bool]:
    return plan.tiled, plan.attention_in_pieces


def next_plan(need: MemoryEstimate, plan: MemoryPlan, phase: str) -> MemoryPlan | None:
    """The first plan after `plan` that needs less in `phase`; None if there is none."""
    later = PLANS[PLANS.index(plan) + 1 :]
    if phase == "decoding" and not plan.tiled:
        return next(other for other in later if other.tiled)  # nothing else makes the decoder itself smaller
    # Attention in pieces saves what the estimate does not count: a matrix of scores, where the device keeps one.
    lighter = (other for other in later if need.phases(other)[phase] < need.phases(plan)[phase])
    return next(lighter, later[-1] if later and phase == "denoising" else None)


def estimate(request: GenerateRequest, widened: Collection[str] = ()) -> MemoryEstimate:
    """Estimate what `request` takes; a precision "auto" counts as float32.

    Layers with weights in one of the precisions `widened` compute in float32 (`engine.models.arithmetic`).

    Raises:
        KnownError: the model is missing or damaged.
    """
    location = model_folder(request.model)
    if not location.exists():
        raise MissingFile(f"The model {location} does not exist; choose another one.")
    precisions = Precisions.of(request.dtype, request.switches)
    size = _map_bytes(precisions.denoiser, widened)
    unet, vae = _config(location, "unet", USUAL_UNET), _config(location, "vae", USUAL_VAE)
    scale = max(request.hires_scale, 1.0)
    width, height = size_of(request)
    # In float16 most autoencoders overflow, so that they are run in float32.
    overflows = precisions.vae == "float16" and vae.get("force_upcast", True)
    vae_size = 4 if overflows else _map_bytes(precisions.vae, widened)
    area, tile_area = width * height, min(width, TILE) * min(height, TILE)
    picture = area * PIXEL_BYTES
    starts = bool(request.init_image) or scale > 1
    if overflows:
        precisions = precisions._replace(vae="float32")
    weights = _weights(location, request.vae, precisions)
    wider = BACKEND_DECODER[request.switches.backend]
    return MemoryEstimate(
        runtime=RUNTIME + BACKEND_RUNTIME[request.switches.backend],
        weights=weights,
        encoding=weights["text"] // 50,
        denoising=_denoising(unet, vae, width * height, rows_of(request)) * size,
        reading=_reading(vae, area) * vae_size * starts,
        decoding=int(_decoding(vae, area, vae_size) * wider) + picture,
        tiled_reading=_reading(vae, tile_area) * vae_size * starts,
        tiled_decoding=int(_decoding(vae, tile_area, vae_size) * wider) + picture,
    )


def size_of(request: GenerateRequest) -> tuple[int, int]:
    """Width and height of the finished picture, in pixels."""
    scale = max(request.hires_scale, 1.0)
    return round(request.width * scale), round(request.height * scale)


def rows_of(request: GenerateRequest) -> int:
    """The pictures that a denoiser is given at a time: with the prompt, and without it where there is guidance.

    A model that edits pictures gets a third one, without the picture that is edited.
    """
    if request.guidance_scale <= 1:
        return 1
    return 3 if _edits_pictures(model_folder(request.model)) else 2


def _edits_pictures(location: Path) -> bool:
    """Whether the first kernel of the denoiser at `location` is that of a model that edits pictures."""
    return any(
        group == "denoiser" and key in _FIRST_KERNELS and stored.shape[1:] == _EDITING_KERNEL
        for path in weight_files(location)
        for group, key, stored in grouped_tensors(location, path)
    )


def halvings_before(location: Path) -> int:
    """How often the autoencoder of the model at `location` halves a picture."""
    return len(_config(location, "vae", USUAL_VAE)["block_out_channels"]) - 1


def _denoising(unet: Mapping[str, Any], vae: Mapping[str, Any], pixels: int, batch: int) -> int:
    """Numbers in the maps of a U-Net that are alive at its widest point: all skip connections, and its last stage."""
    channels: Sequence[int] = unet["block_out_channels"]
    area = pixels // 4 ** (len(vae["block_out_channels"]) - 1)
    layers = unet.get("layers_per_block", 2)
    layers_of = layers if isinstance(layers, list) else [layers] * len(channels)
    skips = channels[0] * area
    for stage, count in enumerate(layers_of):
        last = stage == len(channels) - 1
        skips += count * channels[stage] * area // 4**stage
        skips += 0 if last else channels[stage] * area // 4 ** (stage + 1)
    kinds: Sequence[str] = unet.get("down_block_types") or USUAL_UNET["down_block_types"]
    widest = channels[0] * area * NARROW_MAPS
    for stage, kind in enumerate(kinds[: len(channels)]):
        if "Attn" in kind:
            widest = max(widest, channels[stage] * area / 4**stage * WIDE_MAPS)
    return batch * int(skips + widest)


def _decoding(vae: Mapping[str, Any], area: int, size: int) -> int:
    """Bytes of the maps of a decoder that are alive where it comes to full size, with the maps of the stage before."""
    channels: Sequence[int] = vae["block_out_channels"]
    one = area * channels[min(1, len(channels) - 1)] * size
    return int(one * DECODER_MAPS) + min(3 * one, LINGERING)


def _reading(vae: Mapping[str, Any], area: int) -> int:
    """Numbers in the maps of an encoder that are alive at once: those of its first stage."""
    return int(area * vae["block_out_channels"][0] * ENCODER_MAPS)


# ---------------------------------------------------------------------------------------------------- weights


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


def _tensors(path: Path) -> Mapping[str, Stored]:
    status = path.stat()
    return _tensors_of(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=16)
def _tensors_of(path: Path, _modified: int, _size: int) -> Mapping[str, Stored]:
    """The tensors of the file `path` as it is now: asked for with every change of a size on the screen."""
    return read_header(path).tensors


def stored_precision(location: str) -> str:
    """The precision that most of the weights of the model at `location` are kept in; float32 for any other kind.

    Raises:
        KnownError: the model is missing or damaged.
    """
    names = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
    counts: dict[str, int] = {}
    for path in weight_files(model_folder(location)):
        for stored in _tensors(path).values():
            name = names.get(stored.dtype, "float16" if _is_packed(stored) else "")
            counts[name] = counts.get(name, 0) + elements(stored.shape)
    counts.pop("", None)
    return max(counts, key=lambda name: counts[name]) if counts else "float32"


def _is_packed(stored: Stored) -> bool:
    """Whether a tensor has fewer than 16 bits a number: it is unpacked to float16."""
    return stored.dtype.startswith(("F8", "Q"))


def _weights(location: Path, vae: str, precisions: Precisions) -> dict[str, int]:
    """The bytes of the weights of each group; `vae` is the file or folder of another autoencoder, or ""."""
    sizes: dict[str, int] = dict.fromkeys(GROUPS, 0)
    for path in weight_files(location):
        for group, _, stored in grouped_tensors(location, path):
            if group != "vae" or not vae:
                sizes[group] += _kept_bytes(stored.shape, getattr(precisions, group))
    if vae:
        other = Path(vae).expanduser()
        inner = other / "vae" if (other / "vae").is_dir() else other
        files = _one_variant(sorted(inner.iterdir())) if inner.is_dir() else [inner]
        for path in files:
            if path.suffix.lower() in WEIGHT_SUFFIXES:
                sizes["vae"] += sum(_kept_bytes(stored.shape, precisions.vae) for stored in _tensors(path).values())
    return sizes


def _map_bytes(precision: str, widened: Collection[str]) -> int:
    """The bytes of a number in the maps of layers with weights in `precision`."""
    return 4 if (COMPUTED if precision in PACKED else precision) in widened else _computed_bytes(precision)


def _computed_bytes(precision: str) -> int:
    """The bytes of a number that is computed with weights in `precision`; "auto" counts as float32."""
    return BYTES.get(COMPUTED if precision in PACKED else precision, 4)


def _kept_bytes(shape: tuple[int, ...], precision: str) -> int:
    """The bytes of a tensor of `shape`: packed are matrices, and in float8 the kernels of convolutions too."""
    packed = precision in PACKED and (len(shape) == 2 or (len(shape) > 2 and precision == "float8"))
    return elements(shape) * (1 if packed else _computed_bytes(precision))


def group_of(part: str) -> str | None:
    """The group of `GROUPS` that a part of this name belongs to; None for one that is small and always stays."""
    if part.startswith("text_encoder"):
        return "text"
    return "denoiser" if part in {"unet", "transformer"} else "vae" if part == "vae" else None


def grouped_tensors(location: Path, path: Path) -> Iterator[tuple[str, str, Stored]]:
    """The tensors of the file `path` of the model at `location`: the group of each, its name and what it says."""
    if location.is_dir():
        # What belongs to none counts as a denoiser: it is there all the time.
        group = group_of(path.parent.name) or "denoiser"
        for key, stored in _tensors(path).items():
            yield group, key, stored
        return
    for key, stored in _tensors(path).items():
        group = "vae" if key.startswith(_VAE_KEYS) else "text" if key.startswith(_TEXT_KEYS) else "denoiser"
        yield group, key, stored


def _config(location: Path, part: str, usual: Mapping[str, Any]) -> Mapping[str, Any]:
    path = location / part / "config.json"
    if not location.is_dir() or not path.exists():
        return usual
    config = read_json(path)
    return config if config.get("block_out_channels") else usual
