"""The table of detection: which tensors and which of their lengths tell what a file of weights is.

Names are those of the files themselves; where each fact comes from is said beside it. Nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

# Under which prefixes the parts of a checkpoint lie in the layout of CompVis and Stability AI, and of programs since.
UNET_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "unet.", "")
VAE_PREFIXES = ("first_stage_model.", "vae.", "")
# Prefix -> is it the layout of transformers, or else that of OpenCLIP?
TEXT_PREFIXES: Mapping[str, Literal["transformers", "open_clip"]] = {
    "cond_stage_model.transformer.": "transformers",
    "cond_stage_model.model.": "open_clip",
    "conditioner.embedders.0.transformer.": "transformers",
    "conditioner.embedders.0.model.": "open_clip",
    "conditioner.embedders.1.model.": "open_clip",
    "": "transformers",
}


@dataclass(frozen=True, slots=True)
class UNetShape:
    """What tells the U-Nets of the families apart: width of the prompt's embedding, and what is added to the time.

    `added` is the width of the vector beside the prompt (sizes and pooled prompt in XL), 0 without one; `classes` says
    that a noise level is embedded instead.
    """

    family: str
    context: int
    added: int = 0
    classes: bool = False


# From the published configurations: v1-inference.yaml, v2-inference.yaml, x4-upscaling.yaml, sd_xl_base.yaml and
# sd_xl_refiner.yaml.
UNET_SHAPES = (
    UNetShape("stable-diffusion", 768),
    UNetShape("stable-diffusion-2", 1024),
    UNetShape("stable-diffusion-2", 1024, classes=True),
    UNetShape("stable-diffusion-xl", 2048, added=2816),
    UNetShape("stable-diffusion-xl-refiner", 1280, added=2560),
)
# Channels of the first convolution beside those of the noisy latents.
VARIANTS: Mapping[int, str] = {0: "", 1: "depth", 3: "upscale", 4: "edit", 5: "inpaint"}
# Channels of the latents in all families.
LATENT_CHANNELS = 4
# The layer that only models distilled with an embedding of the guidance have (LCM, https://arxiv.org/abs/2310.04378).
# The original layout knows no such layer: programs that write it leave the name of Diffusers, or shorten it.
GUIDANCE_EMBEDDINGS = ("time_embedding.cond_proj.weight", "time_embed.cond_proj.weight")
# Which text encoders stand in the file, where the U-Net's lengths are of no known model (a small one).
TEXT_LAYOUTS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."}), "stable-diffusion-xl"),
    (frozenset({"conditioner.embedders.0.model."}), "stable-diffusion-xl-refiner"),
    (frozenset({"cond_stage_model.model."}), "stable-diffusion-2"),
    (frozenset({"cond_stage_model.transformer."}), "stable-diffusion"),
)
# Width of a text encoder -> what it is called in `model_index.json` of the families that have it.
TEXT_WIDTHS: Mapping[int, str] = {768: "CLIP ViT-L", 1024: "OpenCLIP ViT-H", 1280: "OpenCLIP ViT-bigG"}

# Models that people have and that cannot be run here yet: label, and names of tensors that no other has, without
# the prefixes of `BARE_PREFIXES`.
BARE_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "transformer.", "model.", "net.")
NOT_YET: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("stable-diffusion-3", "Stable Diffusion 3", ("joint_blocks.0.context_block.adaLN_modulation.1.bias",)),
    (
        "stable-diffusion-3",
        "Stable Diffusion 3",
        ("transformer_blocks.0.attn.add_k_proj.weight", "pos_embed.pos_embed"),
    ),
    ("chroma", "Chroma", ("distilled_guidance_layer.norms.0.scale",)),
    ("chroma", "Chroma", ("distilled_guidance_layer.layers.0.in_layer.weight",)),
    ("flux-2", "FLUX.2", ("double_stream_modulation_img.lin.weight",)),
    ("flux-2", "FLUX.2", ("double_stream_modulation_img.linear.weight",)),
    ("hunyuan-video", "HunyuanVideo", ("txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.bias",)),
    ("flux", "FLUX.1", ("double_blocks.0.img_attn.norm.key_norm.scale",)),
    ("flux", "FLUX.1", ("single_transformer_blocks.0.proj_mlp.weight", "x_embedder.weight")),
    ("auraflow", "AuraFlow", ("double_layers.0.attn.w1q.weight",)),
    ("pixart", "PixArt", ("blocks.0.scale_shift_table", "t_block.1.weight")),
    (
        "pixart",
        "PixArt",
        ("transformer_blocks.0.scale_shift_table", "adaln_single.linear.weight", "pos_embed.proj.weight"),
    ),
    ("sana", "Sana", ("blocks.0.cross_attn.q_linear.weight", "attention_y_norm.weight")),
    ("sana", "Sana", ("caption_norm.weight", "transformer_blocks.0.ff.conv_inverted.weight")),
    ("hunyuan-dit", "HunyuanDiT", ("mlp_t5.0.weight",)),
    ("lumina-2", "Lumina 2 or Z-Image", ("cap_embedder.0.weight", "noise_refiner.0.attention.qkv.weight")),
    ("z-image", "Z-Image", ("cap_embedder.0.weight", "noise_refiner.0.attention.to_q.weight")),
    ("qwen-image", "Qwen-Image", ("transformer_blocks.0.img_mod.1.weight",)),
    ("hidream", "HiDream", ("caption_projection.0.linear.weight", "double_stream_blocks.0.block.attn1.to_k.weight")),
    ("stable-cascade", "Stable Cascade", ("clip_txt_mapper.weight",)),
    ("stable-cascade", "Stable Cascade", ("effnet_mapper.0.weight",)),
    ("wan", "Wan", ("head.modulation", "blocks.0.cross_attn.norm_k.weight")),
    ("ltx-video", "LTX-Video", ("patchify_proj.weight",)),
    ("mochi", "Mochi", ("blocks.0.attn.qkv_x.weight",)),
    ("cosmos", "Cosmos", ("blocks.0.adaln_modulation_self_attn.1.weight",)),
    ("stable-video-diffusion", "Stable Video Diffusion", ("input_blocks.1.0.time_stack.in_layers.0.weight",)),
    ("stable-video-diffusion", "Stable Video Diffusion", ("down_blocks.0.resnets.0.temporal_res_block.norm1.weight",)),
    ("stable-audio", "Stable Audio", ("model.transformer.layers.0.cross_attn.to_kv.weight",)),
    ("kandinsky", "Kandinsky", ("encoder_hid_proj.image_embeds.weight",)),
    ("kandinsky", "Kandinsky", ("encoder_hid_proj.weight", "add_embedding.image_norm.weight")),
    ("deepfloyd-if", "DeepFloyd IF", ("encoder_hid_proj.weight", "add_embedding.norm1.weight")),
    ("stable-unclip", "Stable unCLIP", ("embedder.model.visual.proj",)),
)
# Files that are no model of their own: label, and pieces of which one begins the names of their tensors.
HELPERS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("ip-adapter", "an IP-Adapter", ("ip_adapter.", "image_proj.")),
    ("t2i-adapter", "a T2I-Adapter", ("adapter.body.", "body.0.in_conv.", "adapter.conv_in.")),
    ("animatediff", "a motion module of AnimateDiff", ("down_blocks.0.motion_modules.",)),
    (
        "upscaler",
        "a picture upscaler (ESRGAN or the like)",
        ("conv_first.", "params_ema.", "model.1.sub.", "upsampler."),
    ),
    ("clip-vision", "an image encoder", ("vision_model.", "visual.")),
    ("t5", "a T5 text encoder", ("encoder.block.0.layer.0.SelfAttention.", "enc.blk.0.", "encoder.block.0.")),
    (
        "taesd",
        "a tiny autoencoder (TAESD)",
        ("encoder.layers.0.", "decoder.layers.0.", "taesd_decoder.", "taesd_encoder."),
    ),
    ("hypernetwork", "a hypernetwork", ("768.0.", "320.0.", "640.0.", "1280.0.")),
    ("instantid", "an InstantID adapter", ("image_proj_model.",)),
)
# Pieces of names that only adapters have, and the style that each is of.
ADAPTER_PIECES: tuple[tuple[str, str], ...] = (
    (".hada_w1_", "lycoris"),
    (".lokr_w1", "lycoris"),
    (".lokr_w2", "lycoris"),
    (".oft_blocks", "lycoris"),
    (".oft_diag", "lycoris"),
    (".oft_R.", "peft"),
    (".lora_down.", "kohya"),
    (".lora_up.", "kohya"),
    (".lora_A.", "peft"),
    (".lora_B.", "peft"),
    (".lora.down.", "diffusers"),
    (".lora.up.", "diffusers"),
    ("_lora.down.", "diffusers"),
    ("_lora.up.", "diffusers"),
    (".lora_linear_layer.", "diffusers"),
    (".dora_scale", "kohya"),
    (".glora", "lycoris"),
)
# The same, at the end of names only.
ADAPTER_ENDS: tuple[tuple[str, str], ...] = (
    (".diff", "lycoris"),
    (".diff_b", "lycoris"),
    (".w_norm", "lycoris"),
    (".b_norm", "lycoris"),
)
# Words in names of adapters' tensors -> family, for models whose tensors others do not have.
ADAPTER_WORDS: tuple[tuple[str, str], ...] = (
    ("double_blocks", "flux"),
    ("single_transformer_blocks", "flux"),
    ("joint_blocks", "stable-diffusion-3"),
    ("lora_te3", "stable-diffusion-3"),
    ("img_mod", "qwen-image"),
    ("lora_te2_", "stable-diffusion-xl"),
    ("text_encoder_2.", "stable-diffusion-xl"),
    ("lora_te1_", "stable-diffusion-xl"),
)
# `modelspec.architecture` (https://github.com/Stability-AI/ModelSpec) and `ss_base_model_version` of sd-scripts, by
# how they begin; longer ones first.
ARCHITECTURES: tuple[tuple[str, str], ...] = (
    ("stable-diffusion-xl-v1-refiner", "stable-diffusion-xl-refiner"),
    ("stable-diffusion-xl-v1", "stable-diffusion-xl"),
    ("stable-diffusion-v1", "stable-diffusion"),
    ("stable-diffusion-v2", "stable-diffusion-2"),
    ("stable-diffusion-v3", "stable-diffusion-3"),
    ("stable-diffusion-3", "stable-diffusion-3"),
    ("flux", "flux"),
    ("sdxl", "stable-diffusion-xl"),
    ("sd_v1", "stable-diffusion"),
    ("sd_v2", "stable-diffusion-2"),
    ("sd3", "stable-diffusion-3"),
    ("sd_1", "stable-diffusion"),
    ("sd_2", "stable-diffusion-2"),
)
LABELS: Mapping[str, str] = {
    "stable-diffusion": "Stable Diffusion 1",
    "stable-diffusion-2": "Stable Diffusion 2",
    "stable-diffusion-xl": "Stable Diffusion XL",
    "stable-diffusion-xl-refiner": "Stable Diffusion XL refiner",
}
# Pipeline of `model_index.json` -> family, variant.
PIPELINES: Mapping[str, tuple[str, str]] = {
    "StableDiffusionPipeline": ("stable-diffusion", ""),
    "StableDiffusionImg2ImgPipeline": ("stable-diffusion", ""),
    "StableDiffusionInpaintPipeline": ("stable-diffusion", ""),
    "StableDiffusionInstructPix2PixPipeline": ("stable-diffusion", "edit"),
    "StableDiffusionDepth2ImgPipeline": ("stable-diffusion-2", "depth"),
    "StableDiffusionUpscalePipeline": ("stable-diffusion-2", "upscale"),
    "StableDiffusionLatentUpscalePipeline": ("stable-diffusion", "latent-upscale"),
    "StableDiffusionXLPipeline": ("stable-diffusion-xl", ""),
    "StableDiffusionXLImg2ImgPipeline": ("stable-diffusion-xl", ""),
    "StableDiffusionXLInpaintPipeline": ("stable-diffusion-xl", ""),
    "StableDiffusionXLInstructPix2PixPipeline": ("stable-diffusion-xl", "edit"),
    "LatentConsistencyModelPipeline": ("stable-diffusion", "lcm"),
    "LatentConsistencyModelImg2ImgPipeline": ("stable-diffusion", "lcm"),
}
