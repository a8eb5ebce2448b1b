"""Trains a whole text-to-image model from captioned images: text encoder, autoencoder, denoiser, one after another.

Where it is asked for, the text encoder is aligned with the images (`text_alignment`) before the denoiser learns.

The result, in `out`/pipeline, is a Stable Diffusion folder that `StableDiffusionPipeline` loads, here and in Diffusers.
Parts that are given are not trained. Run again with the same settings, it goes on where it was stopped.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.errors import ConfigError
from engine.training.autoencoder import AutoencoderSettings, train_autoencoder
from engine.training.config import Device, Precision, Settings
from engine.training.dataset import read_items
from engine.training.events import Done, Event
from engine.training.text_alignment import TextAlignmentSettings, aligned_folder, train_text_alignment
from engine.training.text_encoder import TextEncoderSettings, train_text_encoder
from engine.training.unet import UNetSettings, train_unet

# Of the whole time limit, for those stages that are trained: what proved right for small models on a CPU.
TIME_SHARES = {"text_encoder": 0.15, "autoencoder": 0.25, "text_alignment": 0.15, "unet": 0.6}


@dataclass(frozen=True, kw_only=True)
class TextToImageSettings(Settings):
    """Settings of the whole training.

    Attributes:
        images: folder or list of captioned images (`engine.training.dataset.load_images`).
        out: the folder that gets checkpoints, pictures and results; the model is in its folder `pipeline`.
        text_encoder: folder of a trained text encoder; null distils one from `sentences`.
        tokenizer: folder of its tokenizer; null takes the folder `tokenizer` beside that of the text encoder.
        sentences: folder of phrases and embeddings (`engine.training.text_encoder.TextEncoderSettings`).
        vae: folder of a trained autoencoder; null trains one.
        max_minutes: wall-clock limit of the whole run.
        text_alignment_settings: settings of the alignment of text encoder and images; null leaves it out.
        text_encoder_settings, autoencoder_settings, unet_settings: further settings of the other stages.
    """

    images: str
    out: str
    resolution: int = 128
    text_encoder: str | None = None
    tokenizer: str | None = None
    sentences: str | None = None
    vae: str | None = None
    max_minutes: float | None = None
    precision: Precision = "auto"
    device: Device = "auto"
    threads: int = 0
    seed: int = 0
    dtype: Literal["float32", "float16", "bfloat16"] = "float16"
    text_alignment_settings: Mapping[str, Any] | None = None
    text_encoder_settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    autoencoder_settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    unet_settings: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def check(self) -> None:
        self.require("max_minutes", self.max_minutes is None or self.max_minutes > 0, "more than 0, or null")
        if self.text_encoder is None and (self.sentences is None or self.tokenizer is None):
            raise ConfigError(
                "A text encoder is needed: give text_encoder, the folder of a trained one (such as that of the model "
                "that ships with this program), or sentences and tokenizer to distil one."
            )
        # Wrong settings of a late stage are told now, not after hours of an early one.
        self.text_encoder_stage()
        self.autoencoder_stage()
        self.text_alignment_stage()
        self.unet_stage()

    @property
    def text_encoder_folder(self) -> Path:
        """Where the trained text encoder is, or will be."""
        return Path(self.out, "text_encoder") if self.text_encoder is None else Path(self.text_encoder)

    @property
    def tokenizer_folder(self) -> Path:
        """Where its tokenizer is."""
        return Path(self.tokenizer) if self.tokenizer else self.text_encoder_folder.parent / "tokenizer"

    def text_encoder_stage(self) -> TextEncoderSettings | None:
        """Return the settings of the distillation, None when a text encoder is given."""
        if self.text_encoder is not None:
            return None
        parts = {"sentences": self.sentences, "tokenizer": self.tokenizer}
        return TextEncoderSettings.from_dict(self._common("text_encoder") | parts | dict(self.text_encoder_settings))

    def autoencoder_stage(self) -> AutoencoderSettings | None:
        """Return the settings of the autoencoder's training, None when one is given."""
        if self.vae is not None:
            return None
        data = {"images": self.images, "resolution": self.resolution}
        return AutoencoderSettings.from_dict(self._common("autoencoder") | data | dict(self.autoencoder_settings))

    def text_alignment_stage(self) -> TextAlignmentSettings | None:
        """Return the settings of the alignment, None when it is left out."""
        if self.text_alignment_settings is None:
            return None
        parts = self._parts(self.text_encoder_folder, self.tokenizer_folder)
        common = self._common("text_alignment") | parts
        return TextAlignmentSettings.from_dict(common | dict(self.text_alignment_settings))

    def unet_stage(self) -> UNetSettings:
        """Return the settings of the denoiser's training."""
        parts = self._parts(self.text_encoder_folder, self.tokenizer_folder)
        alignment = self.text_alignment_stage()
        if alignment is not None:
            text_encoder = aligned_folder(Path(self.out))
            parts = self._parts(text_encoder, text_encoder.with_name("tokenizer")) | {"blocks": alignment.blocks}
        return UNetSettings.from_dict(self._common("unet") | parts | {"dtype": self.dtype} | dict(self.unet_settings))

    def _parts(self, text_encoder: Path, tokenizer: Path) -> dict[str, Any]:
        return {
            "images": self.images,
            "resolution": self.resolution,
            "vae": self.vae or str(Path(self.out, "vae")),
            "text_encoder": str(text_encoder),
            "tokenizer": str(tokenizer),
        }

    def _common(self, stage: str) -> dict[str, Any]:
        keys = ("out", "precision", "device", "threads", "seed")
        trained = {"unet"}
        trained |= {"text_encoder"} if self.text_encoder is None else set()
        trained |= {"autoencoder"} if self.vae is None else set()
        trained |= {"text_alignment"} if self.text_alignment_settings is not None else set()
        share = TIME_SHARES[stage] / sum(TIME_SHARES[name] for name in trained)
        limit = {} if self.max_minutes is None else {"max_minutes": self.max_minutes * share}
        return {key: getattr(self, key) for key in keys} | limit


def train_text_to_image(settings: TextToImageSettings, stop: threading.Event | None = None) -> Generator[Event]:
    """Train all stages that are to be trained; the last `Done` names the folder of the pipeline.

    `stop`, once set, ends the run after the present step with a checkpoint; so does closing the generator.
    Raises a `KnownError` for settings, images, parts or checkpoints that cannot be used.
    """
    read_items(Path(settings.images))
    settings.save(Path(settings.out) / "settings.json")
    stages: list[Generator[Event]] = []
    if (text_encoder := settings.text_encoder_stage()) is not None:
        stages.append(train_text_encoder(text_encoder, stop))
    if (autoencoder := settings.autoencoder_stage()) is not None:
        stages.append(train_autoencoder(autoencoder, stop))
    if (text_alignment := settings.text_alignment_stage()) is not None:
        stages.append(train_text_alignment(text_alignment, stop))
    stages.append(train_unet(settings.unet_stage(), stop))
    for stage in stages:
        for event in stage:
            yield event
            if isinstance(event, Done) and event.reason == "interrupted":
                return
