"""LoRA files of Diffusers and PEFT change a model here as they do there."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import diffusers
import peft
import pytest
import torch
import transformers

from engine import CLIPTextModel, UNet2DConditionModel
from engine.loading.adapters import AdapterStack, AdapterUse
from tests.fixtures import reference_pipelines as reference

TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "conv1", "proj_in", "conv"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reference pipeline's UNet and text encoder, saved."""
    path = tmp_path_factory.mktemp("reference")
    with reference.seeded():
        diffusers.UNet2DConditionModel(
            sample_size=8,
            block_out_channels=(16, 32),
            layers_per_block=1,
            norm_num_groups=8,
            attention_head_dim=4,
            cross_attention_dim=16,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        ).save_pretrained(path / "unet")
        transformers.CLIPTextModel(
            transformers.CLIPTextConfig(
                vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2
            )
        ).save_pretrained(path / "text_encoder")
    return path


@pytest.mark.parametrize(("alpha", "use_dora"), [(6, False), (6, True), (4, False)])
def test_a_file_that_diffusers_saves(folder: Path, tmp_path: Path, alpha: int, use_dora: bool) -> None:
    theirs = diffusers.UNet2DConditionModel.from_pretrained(folder / "unet")
    config = peft.LoraConfig(r=4, lora_alpha=alpha, target_modules=TARGETS, init_lora_weights=False, use_dora=use_dora)
    with reference.seeded(1):
        theirs.add_adapter(config)
    layers = peft.get_peft_model_state_dict(theirs)
    diffusers.StableDiffusionPipeline.save_lora_weights(
        tmp_path, unet_lora_layers=layers, unet_lora_adapter_metadata=config.to_dict()
    )
    theirs.fuse_lora()
    theirs.unload_lora()
    ours = SimpleNamespace(unet=UNet2DConditionModel.from_pretrained(folder / "unet"))
    original = {key: tensor.clone() for key, tensor in ours.unet.state_dict().items()}
    stack = AdapterStack(ours)
    stack.set([AdapterUse(tmp_path / "pytorch_lora_weights.safetensors")])
    assert stack.report == ()
    changed = 0
    for key, tensor in theirs.state_dict().items():
        torch.testing.assert_close(ours.unet.state_dict()[key], tensor, rtol=0, atol=2e-6)
        changed += not torch.equal(tensor, original[key])
    assert changed > 20


# transformers 5.23 calls itself by a name that it gave up.
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
@pytest.mark.parametrize("kind", ["lora", "loha", "lokr", "oft", "oft, shared", "oft, exact"])
def test_a_folder_that_peft_saves(folder: Path, tmp_path: Path, kind: str) -> None:
    theirs = transformers.CLIPTextModel.from_pretrained(folder / "text_encoder")
    configs = {
        "lora": peft.LoraConfig(r=4, lora_alpha=2, target_modules=["q_proj", "fc1"], init_lora_weights=False),
        "loha": peft.LoHaConfig(r=4, alpha=2, target_modules=["q_proj", "fc1"], init_weights=False),
        "lokr": peft.LoKrConfig(r=2, alpha=6, target_modules=["q_proj", "fc1"], init_weights=False),
        "oft": peft.OFTConfig(oft_block_size=4, target_modules=["q_proj", "fc1"], init_weights=False),
        "oft, shared": peft.OFTConfig(
            oft_block_size=8, block_share=True, target_modules=["q_proj", "fc1"], init_weights=False
        ),
        "oft, exact": peft.OFTConfig(
            oft_block_size=4, use_cayley_neumann=False, target_modules=["q_proj", "fc1"], init_weights=False
        ),
    }
    with reference.seeded(2):
        adapted = peft.get_peft_model(theirs, configs[kind])
    adapted.save_pretrained(tmp_path)
    merged = adapted.merge_and_unload().state_dict()
    ours = SimpleNamespace(text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder"))
    original = {key: tensor.clone() for key, tensor in ours.text_encoder.state_dict().items()}
    stack = AdapterStack(ours)
    stack.set([AdapterUse(tmp_path / "adapter_model.safetensors")])
    assert stack.report == ()
    changed = 0
    for key, tensor in ours.text_encoder.state_dict().items():
        there = merged[key] if key in merged else merged[key.removeprefix("text_model.")]
        torch.testing.assert_close(tensor, there, rtol=0, atol=2e-6)
        changed += not torch.equal(tensor, original[key])
    assert changed == 4
    stack.clear()
    assert all(torch.equal(tensor, original[key]) for key, tensor in ours.text_encoder.state_dict().items())


def test_a_file_of_kohya_gives_what_diffusers_makes_of_it(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    draw = torch.Generator().manual_seed(3)
    tensors: dict[str, torch.Tensor] = {}
    for module in ("attn1_to_q", "attn2_to_v", "ff_net_0_proj"):
        name = f"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_{module}"
        width = {"attn1_to_q": 16, "attn2_to_v": 16, "ff_net_0_proj": 128}[module]
        tensors[f"{name}.lora_down.weight"] = torch.randn(4, 16, generator=draw)
        tensors[f"{name}.lora_up.weight"] = torch.randn(width, 4, generator=draw)
        tensors[f"{name}.alpha"] = torch.tensor(2.0)
    path = tmp_path / "kohya.safetensors"
    save_file(tensors, path)
    state, alphas = diffusers.StableDiffusionPipeline.lora_state_dict(path)
    theirs = diffusers.UNet2DConditionModel.from_pretrained(folder / "unet")
    diffusers.StableDiffusionPipeline.load_lora_into_unet(state, alphas, theirs)
    theirs.fuse_lora()
    theirs.unload_lora()
    ours = SimpleNamespace(unet=UNet2DConditionModel.from_pretrained(folder / "unet"))
    stack = AdapterStack(ours)
    stack.set([AdapterUse(path)])
    assert stack.report == ()
    for key, tensor in theirs.state_dict().items():
        torch.testing.assert_close(ours.unet.state_dict()[key], tensor, rtol=0, atol=2e-6)
