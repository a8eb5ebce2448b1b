"""Public names and the modules that define them, so that importing a package loads none of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

SCHEDULERS: Mapping[str, str] = {
    "AmusedScheduler": "engine.schedulers.amused",
    "CMStochasticIterativeScheduler": "engine.schedulers.consistency_models",
    "CosineDPMSolverMultistepScheduler": "engine.schedulers.cosine_dpmsolver_multistep",
    "DDIMInverseScheduler": "engine.schedulers.ddim_inverse",
    "DDIMParallelScheduler": "engine.schedulers.ddim_parallel",
    "DDIMScheduler": "engine.schedulers.ddim",
    "DDPMParallelScheduler": "engine.schedulers.ddpm_parallel",
    "DDPMScheduler": "engine.schedulers.ddpm",
    "DDPMWuerstchenScheduler": "engine.schedulers.ddpm_wuerstchen",
    "DEISMultistepScheduler": "engine.schedulers.deis_multistep",
    "DPMSolverMultistepInverseScheduler": "engine.schedulers.dpm_solver_multistep_inverse",
    "DPMSolverMultistepScheduler": "engine.schedulers.dpm_solver_multistep",
    "DPMSolverSDEScheduler": "engine.schedulers.dpm_solver_sde",
    "DPMSolverSinglestepScheduler": "engine.schedulers.dpm_solver_singlestep",
    "EDMDPMSolverMultistepScheduler": "engine.schedulers.edm_dpmsolver_multistep",
    "EDMEulerScheduler": "engine.schedulers.edm_euler",
    "EulerAncestralDiscreteScheduler": "engine.schedulers.euler_ancestral_discrete",
    "EulerDiscreteScheduler": "engine.schedulers.euler_discrete",
    "FlowMatchEulerDiscreteScheduler": "engine.schedulers.flow_match_euler_discrete",
    "FlowMatchHeunDiscreteScheduler": "engine.schedulers.flow_match_heun_discrete",
    "FlowMatchLCMScheduler": "engine.schedulers.flow_match_lcm",
    "HeunDiscreteScheduler": "engine.schedulers.heun_discrete",
    "IPNDMScheduler": "engine.schedulers.ipndm",
    "KDPM2AncestralDiscreteScheduler": "engine.schedulers.k_dpm_2_ancestral_discrete",
    "KDPM2DiscreteScheduler": "engine.schedulers.k_dpm_2_discrete",
    "KarrasVeScheduler": "engine.schedulers.karras_ve",
    "LCMScheduler": "engine.schedulers.lcm",
    "LMSDiscreteScheduler": "engine.schedulers.lms_discrete",
    "PNDMScheduler": "engine.schedulers.pndm",
    "RePaintScheduler": "engine.schedulers.repaint",
    "SASolverScheduler": "engine.schedulers.sa_solver",
    "SCMScheduler": "engine.schedulers.scm",
    "SchedulerMixin": "engine.schedulers.base",
    "ScoreSdeVeScheduler": "engine.schedulers.score_sde_ve",
    "ScoreSdeVpScheduler": "engine.schedulers.score_sde_vp",
    "TCDScheduler": "engine.schedulers.tcd",
    "UnCLIPScheduler": "engine.schedulers.unclip",
    "UniPCMultistepScheduler": "engine.schedulers.unipc_multistep",
    "VQDiffusionScheduler": "engine.schedulers.vq_diffusion",
}
MODELS: Mapping[str, str] = {
    "AutoencoderKL": "engine.models.autoencoder_kl",
    "AutoencoderTiny": "engine.models.autoencoder_tiny",
    "CLIPTextModel": "engine.models.clip_text",
    "CLIPTextModelWithProjection": "engine.models.clip_text",
    "ModelMixin": "engine.models.base",
    "UNet2DConditionModel": "engine.models.unet_2d_condition",
    "UNet2DModel": "engine.models.unet_2d",
    "VQModel": "engine.models.vq_model",
}
PIPELINES: Mapping[str, str] = {
    "AutoPipelineForImage2Image": "engine.pipelines.auto",
    "AutoPipelineForInpainting": "engine.pipelines.auto",
    "AutoPipelineForText2Image": "engine.pipelines.auto",
    "DDIMPipeline": "engine.pipelines.ddim.pipeline_ddim",
    "DDPMPipeline": "engine.pipelines.ddpm.pipeline_ddpm",
    "DiffusionPipeline": "engine.pipelines.base",
    "LatentConsistencyModelImg2ImgPipeline": (
        "engine.pipelines.latent_consistency_models.pipeline_latent_consistency_img2img"
    ),
    "LatentConsistencyModelPipeline": "engine.pipelines.latent_consistency_models.pipeline_latent_consistency_text2img",
    "StableDiffusionDepth2ImgPipeline": "engine.pipelines.stable_diffusion.pipeline_stable_diffusion_depth2img",
    "StableDiffusionImg2ImgPipeline": "engine.pipelines.stable_diffusion.pipeline_stable_diffusion_img2img",
    "StableDiffusionInpaintPipeline": "engine.pipelines.stable_diffusion.pipeline_stable_diffusion_inpaint",
    "StableDiffusionInstructPix2PixPipeline": (
        "engine.pipelines.stable_diffusion.pipeline_stable_diffusion_instruct_pix2pix"
    ),
    "StableDiffusionLatentUpscalePipeline": (
        "engine.pipelines.stable_diffusion.pipeline_stable_diffusion_latent_upscale"
    ),
    "StableDiffusionPipeline": "engine.pipelines.stable_diffusion.pipeline_stable_diffusion",
    "StableDiffusionUpscalePipeline": "engine.pipelines.stable_diffusion.pipeline_stable_diffusion_upscale",
    "StableDiffusionXLImg2ImgPipeline": "engine.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl_img2img",
    "StableDiffusionXLInpaintPipeline": "engine.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl_inpaint",
    "StableDiffusionXLInstructPix2PixPipeline": (
        "engine.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl_instruct_pix2pix"
    ),
    "StableDiffusionXLPipeline": "engine.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl",
}
CONFIGURATION: Mapping[str, str] = {
    "ConfigMixin": "engine.config",
    "register_to_config": "engine.config",
}


def lazy(package: str, table: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and `__dir__` of `package`, which import a name of `table` when it is first used."""

    def getattribute(name: str) -> Any:
        if name not in table:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(table[name]), name)

    def names() -> list[str]:
        return sorted(table)

    return getattribute, names
