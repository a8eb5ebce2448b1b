"""Tiny random pipelines of Diffusers, which the pipelines here are compared with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from tokenizers import pre_tokenizers

START, END = "<|startoftext|>", "<|endoftext|>"
# Seven bits of a picture's eight are more than enough: the largest difference of the final image.
TOLERANCE = 1e-4


def quiet() -> None:
    """Keep the reference's bars and notices out of the test's output."""
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.set_verbosity_error()


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Draw initial weights from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def unconditional_unet(**options: Any) -> diffusers.UNet2DModel:
    """A UNet for pictures of 9 x 12 pixels."""
    defaults: dict[str, Any] = {
        "sample_size": (9, 12),
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "attention_head_dim": 4,
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
    }
    with seeded():
        return diffusers.UNet2DModel(**(defaults | options)).eval()


def tokenizer() -> transformers.CLIPTokenizer:
    """CLIP's tokenizer with bytes for words, and one merge."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "ca", START, END]
    return transformers.CLIPTokenizer(
        {word: index for index, word in enumerate(words)}, [("c", "a")], model_max_length=24
    )


def text_encoder(vocabulary: transformers.CLIPTokenizer) -> transformers.CLIPTextModel:
    """A text encoder of three layers that tells words apart."""
    with seeded():
        return transformers.CLIPTextModel(
            transformers.CLIPTextConfig(
                vocab_size=len(vocabulary),
                hidden_size=16,
                intermediate_size=32,
                num_hidden_layers=3,
                num_attention_heads=2,
                max_position_embeddings=24,
                # So strong that the prompt decides what the untrained UNet makes.
                initializer_factor=30.0,
                bos_token_id=vocabulary.bos_token_id,
                eos_token_id=vocabulary.eos_token_id,
                pad_token_id=vocabulary.pad_token_id,
            )
        ).eval()


def conditional_unet(**options: Any) -> diffusers.UNet2DConditionModel:
    """A latent UNet of two stages."""
    defaults: dict[str, Any] = {
        "sample_size": 8,
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "cross_attention_dim": 16,
        "norm_num_groups": 4,
        "attention_head_dim": 2,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    }
    with seeded(1):
        unet = diffusers.UNet2DConditionModel(**(defaults | options)).eval()
        with torch.no_grad():
            for name, weight in unet.named_parameters():
                if "attn2" in name or name == "conv_out.weight":
                    weight.mul_(3.0)
    return unet


def autoencoder(stages: int = 4) -> diffusers.AutoencoderKL:
    """An autoencoder whose latents are `2 ** (stages - 1)` times smaller."""
    with seeded(2):
        return diffusers.AutoencoderKL(
            block_out_channels=(4, 8, 8, 8)[:stages],
            down_block_types=("DownEncoderBlock2D",) * stages,
            up_block_types=("UpDecoderBlock2D",) * stages,
            latent_channels=4,
            norm_num_groups=2,
            scaling_factor=0.3,
        ).eval()


def scheduler(**options: Any) -> diffusers.DDIMScheduler:
    """DDIM as Stable Diffusion was published with it."""
    defaults: dict[str, Any] = {
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "clip_sample": False,
        "set_alpha_to_one": False,
        "steps_offset": 1,
    }
    return diffusers.DDIMScheduler(**(defaults | options))


def stable_diffusion(stages: int = 4, **unet: Any) -> diffusers.StableDiffusionPipeline:
    """The whole pipeline."""
    vocabulary = tokenizer()
    return diffusers.StableDiffusionPipeline(
        vae=autoencoder(stages),
        text_encoder=text_encoder(vocabulary),
        tokenizer=vocabulary,
        unet=conditional_unet(**unet),
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def saved(pipeline: diffusers.DiffusionPipeline, folder: Path) -> Path:
    """Save `pipeline` as Diffusers does, and return the folder."""
    pipeline.save_pretrained(folder)
    return folder


def generator(seed: int = 5) -> torch.Generator:
    """A generator on the CPU."""
    return torch.Generator("cpu").manual_seed(seed)
