"""The pictures of unfinished latents that a loaded model shows: by its own linear map, a fitted one, or finer ones.

An autoencoder that brings no map is shown by the one that ships for its family, fitted to real pictures. That
of any other kind is fitted once, in a thread of its own with weights of its own, and kept in the cache folder under the
hash of the autoencoder; until it is there, steps have no preview.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.device_queue import copied
from engine.errors import BadFile, KnownError
from engine.files import read_json
from engine.formats.pickle_convert import cache_folder
from engine.messages import Bitmap, EngineSettings
from engine.pipelines.latents import unscaled
from engine.preview import FILE_NAME, LinearPreview, fit_preview, known_preview, read_preview, save_preview

if TYPE_CHECKING:
    from engine.models.autoencoder_tiny import AutoencoderTiny

log = logging.getLogger(__name__)

# Longest side of a fine preview in pixels: what a canvas shows of it.
FINE_SIDE = 512
NO_TINY = (
    "Fine previews need a tiny autoencoder for this kind of model (such as TAESD, a folder with its config.json) "
    "beside the model or in a folder of models; there is none, so the quick ones are shown."
)


class Previews:
    """What a loaded model shows of its steps.

    `folder` is that of the autoencoder, which may bring a map; `key` its hash; `config` its configuration; `read` gives
    it anew, in float32 on the CPU; `model` is where the model lies, `family` its name in `engine.catalog`.
    Raises `BadFile` for a map that is damaged or of another autoencoder.
    """

    def __init__(
        self,
        folder: Path | None,
        key: str,
        config: Mapping[str, Any],
        read: Callable[[], nn.Module],
        model: Path,
        family: str,
    ) -> None:
        self._channels: int = config["latent_channels"]
        self._config = config
        self._read = read
        self._model = model
        self._family = family
        self._cache = cache_folder().parent / "previews" / key
        self._fitting: threading.Thread | None = None
        self._linear: LinearPreview | None = None
        self._tiny: AutoencoderTiny | None = None
        self._told = False
        if folder is not None and (folder / FILE_NAME).exists():
            self._linear = read_preview(folder / FILE_NAME, self._channels)

    def begin(self, settings: EngineSettings, device: torch.device) -> str:
        """Make ready for a picture; returns what the user should know, once for a loaded model."""
        if self._linear is None and self._fitting is None:
            self._linear = known_preview(self._family, self._config) or self._cached()
            if self._linear is None:
                self._fitting = threading.Thread(target=self._fit, name="fit preview")
                self._fitting.start()
        return self._find_tiny(settings, device) if settings.fine_previews and self._tiny is None else ""

    def _find_tiny(self, settings: EngineSettings, device: torch.device) -> str:
        found = find_tiny(self._places(settings), self._channels, is_xl=self._family.startswith("stable-diffusion-xl"))
        if found is not None:
            from engine.models.autoencoder_tiny import AutoencoderTiny

            self._tiny = AutoencoderTiny.from_pretrained(found).to(device)
            return ""
        told, self._told = self._told, True
        return "" if told else NO_TINY

    def wait(self) -> None:
        """Wait until the map is fitted, where it is on its way."""
        if self._fitting is not None:
            self._fitting.join()

    def __call__(self, latents: Tensor, *, fine: bool) -> Callable[[], Bitmap | None]:
        """Begin the picture of `latents` (1, channels, height, width), and return what gives it.

        None while there is no map yet. What a device has to do for it is asked for at once; its result is there when a
        later `Mark` was reached.
        """
        if fine and self._tiny is not None:
            pixels = copied(_fine(self._tiny, latents))
            return lambda: Bitmap(pixels.shape[1], pixels.shape[0], pixels.numpy().tobytes())
        if (linear := self._linear) is None:
            return lambda: None
        first = copied(latents[:1])
        return lambda: linear(first)

    def _places(self, settings: EngineSettings) -> Iterator[Path]:
        yield from _folders(self._model if self._model.is_dir() else self._model.parent)
        yield from _folders(self._model.parent)
        for place in settings.autoencoders:
            for folder in _folders(Path(place).expanduser()):
                yield folder
                yield from _folders(folder)

    def _cached(self) -> LinearPreview | None:
        path = self._cache / FILE_NAME
        if not path.exists():
            return None
        try:
            return read_preview(path, self._channels)
        except BadFile as error:
            log.warning("a preview is fitted again: %s", error)
            return None

    def _fit(self) -> None:
        try:
            vae: Any = self._read()
            preview = fit_preview(vae)
            self._cache.mkdir(parents=True, exist_ok=True)
            save_preview(self._cache / FILE_NAME, preview)
        except (KnownError, OSError, RuntimeError, MemoryError) as error:
            # The picture is not in danger, and the next loading tries again.
            log.warning("no preview was fitted: %s", error, exc_info=error)
            return
        self._linear = preview


def find_tiny(places: Iterable[Path], channels: int, *, is_xl: bool) -> Path | None:
    """The first folder among `places` with a tiny autoencoder for latents of so many `channels`; None if there is none.

    Those of Stable Diffusion and of XL have the same configuration; only the name tells them apart.
    """
    for folder in places:
        path = folder / "config.json"
        if not path.is_file():
            continue
        try:
            config = read_json(path)
        except KnownError as error:
            log.info("%s is passed over: %s", folder, error)
            continue
        fits = config.get("latent_channels", 4) == channels and (
            channels != 4 or ("xl" in folder.name.lower()) == is_xl
        )
        if config.get("_class_name") == "AutoencoderTiny" and fits:
            return folder
    return None


def _folders(place: Path) -> list[Path]:
    try:
        return sorted(path for path in place.iterdir() if path.is_dir())
    except OSError as error:
        log.info("%s is passed over: %s", place, error)
        return []


@torch.no_grad()
def _fine(vae: AutoencoderTiny, latents: Tensor) -> Tensor:
    """The picture of `latents` as bytes (height, width, 3)."""
    image = vae.decode(unscaled(vae, latents[:1].to(vae.device, vae.dtype))).sample
    longest = max(image.shape[-2:])
    if longest > FINE_SIDE:
        height, width = (max(side * FINE_SIDE // longest, 1) for side in image.shape[-2:])
        image = F.interpolate(image, size=(height, width), mode="area")
    pixels = ((image[0] + 1) * 127.5).nan_to_num(0).clamp(0, 255).round().to(torch.uint8)
    return pixels.permute(1, 2, 0).contiguous()
