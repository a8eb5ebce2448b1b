"""Tiny pipelines' parts that adapters are tried on, and files for them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from engine import CLIPTextModel, CLIPTextModelWithProjection, UNet2DConditionModel


def text_encoder(projection: bool = False) -> nn.Module:
    """A text encoder of two layers."""
    kind = CLIPTextModelWithProjection if projection else CLIPTextModel
    return kind(
        vocab_size=40,
        hidden_size=16,
        intermediate_size=24,
        projection_dim=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        eos_token_id=39,
    ).eval()


def stable_diffusion(seed: int = 0) -> SimpleNamespace:
    """Parts like those of Stable Diffusion 1: convolutions around the attention."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(16, 32),
        layers_per_block=1,
        cross_attention_dim=16,
        attention_head_dim=4,
        norm_num_groups=8,
    )
    return SimpleNamespace(unet=unet.eval(), text_encoder=text_encoder())


def stable_diffusion_xl(seed: int = 0) -> SimpleNamespace:
    """Parts like those of Stable Diffusion XL: linear layers around the attention, two text encoders."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(16, 32),
        layers_per_block=2,
        transformer_layers_per_block=(1, 2),
        cross_attention_dim=32,
        attention_head_dim=(2, 4),
        norm_num_groups=8,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=64,
    )
    return SimpleNamespace(unet=unet.eval(), text_encoder=text_encoder(), text_encoder_2=text_encoder(True))


def write(folder: Path, tensors: dict[str, Tensor], name: str = "adapter.safetensors", **metadata: str) -> Path:
    """Write an adapter file."""
    path = folder / name
    save_file(
        {key: tensor.clone(memory_format=torch.contiguous_format) for key, tensor in tensors.items()},
        path,
        metadata or None,
    )
    return path


def snapshot(pipeline: SimpleNamespace) -> dict[str, Tensor]:
    """A copy of every weight."""
    return {
        f"{name}.{key}": tensor.clone()
        for name, part in vars(pipeline).items()
        for key, tensor in part.state_dict().items()
    }


def pointers(pipeline: SimpleNamespace) -> dict[str, int]:
    """Where every weight lies in the memory."""
    return {
        f"{name}.{key}": tensor.data_ptr()
        for name, part in vars(pipeline).items()
        for key, tensor in part.state_dict().items()
    }
