"""A loaded pipeline set to those switches of a request (`engine.switches`) that are not the denoising loop's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from engine.errors import InvalidValue, MissingFile
from engine.formats.pickle_convert import cache_folder
from engine.memory import PLANS, MemoryPlan
from engine.models.autoencoder_tiny import AutoencoderTiny
from engine.models.compilation import (
    compile_blocks,
    compiler_problem,
    failed_compiling,
    undo_compiling,
    use_cache,
)
from engine.models.cuda_graph import failed_recording, record_calls, undo_recording
from engine.switches import Switches


class FinalDecoder:
    """The tiny autoencoder that decodes finished pictures, where there is one; it stays for the next picture."""

    def __init__(self) -> None:
        self._folder = ""
        self._vae: AutoencoderTiny | None = None

    @property
    def modules(self) -> list[torch.nn.Module]:
        """Its network; nothing where the model's own autoencoder decodes."""
        return [] if self._vae is None else [self._vae]

    def choose(self, folder: str, channels: int, device: torch.device) -> None:
        """Decode with the autoencoder in `folder`, for latents of so many `channels`; "" with the model's own.

        Raises:
            KnownError: the folder is missing or damaged, or for latents of another kind.
        """
        if folder != self._folder:
            self._vae = _read(Path(folder).expanduser(), channels).to(device) if folder else None
            self._folder = folder

    def decode(self, pipeline: Any, latents: torch.Tensor) -> Any:
        """The output of `pipeline` for its final `latents`."""
        if self._vae is None:
            return pipeline.decode(latents)
        return type(pipeline).from_pipe(pipeline, vae=self._vae).decode(latents)


def apply_switches(
    pipeline: Any, final: FinalDecoder, switches: Switches, device: torch.device, plan: MemoryPlan = PLANS[0]
) -> str:
    """Set the networks of `pipeline` as `switches` say, and back where they say nothing; `KnownError` as `choose`.

    Returns what the user should know, "" where all went as asked.
    """
    pipeline.unet.set_token_merging(switches.token_merging)
    final.choose(switches.final_autoencoder, pipeline.latent_channels, device)
    # Graphs keep memory, and are bound to where weights lie: only where all has room.
    if switches.makes_graphs and device.type == "cuda" and plan == PLANS[0]:
        record_calls(pipeline.unet)
    else:
        undo_recording(pipeline.unet)
    if not switches.compiled:
        undo_compiling(pipeline.unet)
        return ""
    use_cache(cache_folder().parent / "compiled")
    problem = compiler_problem(device) or failed_compiling(pipeline.unet)
    if problem:
        undo_compiling(pipeline.unet)
        return not_compiled(problem)
    compile_blocks(pipeline.unet, device)
    return ""


def not_compiled(problem: str) -> str:
    """What the user is told where `problem` keeps the compiler from working."""
    return f"Nothing can be compiled here, so the model works without that: {problem}"


def found_meanwhile(pipeline: Any) -> str:
    """What the user should know after a picture with `Switches.compiled`; "" where all went as asked."""
    if problem := failed_compiling(pipeline.unet):
        return not_compiled(problem)
    problem = failed_recording(pipeline.unet)
    return f"No CUDA graph can be recorded here, so each step is asked for piece by piece: {problem}" if problem else ""


def _read(folder: Path, channels: int) -> AutoencoderTiny:
    if not (folder / "config.json").is_file():
        raise MissingFile(f"There is no tiny autoencoder in {folder}; choose a folder with its config.json.")
    vae = AutoencoderTiny.from_pretrained(folder)
    if vae.config.latent_channels != channels:
        raise InvalidValue(
            f"The tiny autoencoder in {folder} is for latents of {vae.config.latent_channels} channels, this model's "
            f"have {channels}; choose one that was made for this model."
        )
    return vae
