"""The schedulers as people know them: a table without logic; `engine.catalog` looks things up in it.

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.errors import InvalidValue

SIGMA_SCHEDULES: Mapping[str, str] = {
    "default": "The spacing that the model was made with.",
    "karras": "Small steps at the end, where fine detail forms; often better below 20 steps.",
    "exponential": "Noise falls by the same factor at every step; smooth pictures with few steps.",
    "beta": "Small steps at the start and at the end.",
}
SIGMA_FLAGS = {name: f"use_{name}_sigmas" for name in SIGMA_SCHEDULES if name != "default"}

PREDICTIONS: Mapping[str, str] = {
    "epsilon": "the noise in a sample: Stable Diffusion 1, SDXL and most others",
    "v": "the velocity between sample and noise: Stable Diffusion 2, zero terminal SNR",
    "flow": "the velocity of a rectified flow: Stable Diffusion 3, Flux, Qwen-Image",
    "edm": "the noise, with the preconditioning of EDM: Playground 2.5, Stable Audio",
    "score": "the gradient of the log density: the models of the score SDE and NCSN++",
    "consistency": "the clean sample in one step: consistency models",
    "trigflow": "the velocity on a circle: Sana Sprint",
    "continuous v": "the velocity at a continuous time: Dance Diffusion",
    "wuerstchen": "the noise at a continuous time: Wuerstchen, Stable Cascade",
    "unclip": "the parts of Karlo",
    "classes": "the class of every picture element: VQ-Diffusion, aMUSEd",
}

Task = Literal["text to image", "inversion", "inpainting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerEntry:
    """A scheduler as users know it.

    `name` is what recipes and the command line call it, `label` what stands on the screen; `a1111`, `comfyui` and
    `invokeai` are its names in those programs. `class_name` and `changes` make it from any model's scheduler
    configuration. `steps` is the range in which it does well, `calls_per_step` what one of them costs the model.
    `deterministic` is False where fresh noise is added at every step. `predictions` says what a model must predict to
    be sampled with it, in words of `PREDICTIONS`.
    """

    name: str
    label: str
    class_name: str
    advice: str
    steps: tuple[int, int]
    a1111: str | None = None
    comfyui: tuple[str, ...] = ()
    invokeai: tuple[str, ...] = ()
    deterministic: bool = True
    calls_per_step: int = 1
    predictions: tuple[str, ...] = ("epsilon", "v")
    task: Task = "text to image"
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    sigma_schedules: tuple[str, ...] = ("default",)

    @property
    def names(self) -> tuple[str, ...]:
        """What programs call it; the first is the name that A1111 writes, or would."""
        return self.a1111 or self.label, *self.comfyui, *self.invokeai

    def display_name(self, sigma_schedule: str = "default") -> str:
        """The label of the scheduler together with a sigma schedule, as in "DPM++ 2M Karras"."""
        return self.label if sigma_schedule == "default" else f"{self.label} {sigma_schedule.title()}"

    def check_sigma_schedule(self, sigma_schedule: str) -> None:
        """Raise `InvalidValue` where this scheduler cannot space its steps that way."""
        if sigma_schedule not in self.sigma_schedules:
            raise InvalidValue(
                f"The scheduler {self.name} has no sigma schedule {sigma_schedule!r}; "
                f"choose {' or '.join(self.sigma_schedules)}."
            )

    def check_prediction(self, prediction: str) -> None:
        """Raise `InvalidValue` where this scheduler cannot make pictures with a model that predicts `prediction`."""
        if self.task != "text to image":
            raise InvalidValue(f"The scheduler {self.name} is made for {self.task}; choose another one for pictures.")
        if prediction not in self.predictions:
            raise InvalidValue(
                f"The scheduler {self.name} needs a model that predicts {' or '.join(self.predictions)}, and this one "
                f"predicts {prediction}; choose another scheduler."
            )

    def config_changes(self, sigma_schedule: str) -> dict[str, Any]:
        """What to change in a model's scheduler configuration to get this scheduler with that sigma schedule."""
        if sigma_schedule == "default":
            return dict(self.changes)
        return {**self.changes, **{flag: name == sigma_schedule for name, flag in SIGMA_FLAGS.items()}}


_ALL_SIGMAS = tuple(SIGMA_SCHEDULES)
_WITH_FLOW = ("epsilon", "v", "flow")

SCHEDULERS: tuple[SchedulerEntry, ...] = (
    SchedulerEntry(
        name="ddim",
        label="DDIM",
        a1111="DDIM",
        comfyui=("ddim",),
        invokeai=("ddim",),
        class_name="DDIMScheduler",
        advice="Steady and exact; the same seed keeps its composition when you change the number of steps.",
        steps=(20, 50),
    ),
    SchedulerEntry(
        name="euler",
        label="Euler",
        a1111="Euler",
        comfyui=("euler",),
        invokeai=("euler",),
        class_name="EulerDiscreteScheduler",
        advice="Simple and fast; a good first choice.",
        steps=(20, 30),
        sigma_schedules=_ALL_SIGMAS,
    ),
    SchedulerEntry(
        name="euler-a",
        label="Euler a",
        a1111="Euler a",
        comfyui=("euler_ancestral",),
        invokeai=("euler_a",),
        class_name="EulerAncestralDiscreteScheduler",
        advice="Adds fresh noise at every step: soft, varied pictures that keep changing with more steps.",
        steps=(20, 40),
        deterministic=False,
    ),
    SchedulerEntry(
        name="dpmsolver++",
        label="DPM++ 2M",
        a1111="DPM++ 2M",
        comfyui=("dpmpp_2m",),
        invokeai=("dpmpp_2m",),
        class_name="DPMSolverMultistepScheduler",
        advice="Sharp pictures in few steps; the best choice for most work.",
        steps=(15, 25),
        predictions=_WITH_FLOW,
        changes={"algorithm_type": "dpmsolver++", "solver_order": 2},
        sigma_schedules=_ALL_SIGMAS,
    ),
    SchedulerEntry(
        name="dpmsolver++-sde",
        label="DPM++ 2M SDE",
        a1111="DPM++ 2M SDE",
        comfyui=("dpmpp_2m_sde", "dpmpp_2m_sde_gpu"),
        invokeai=("dpmpp_2m_sde",),
        class_name="DPMSolverMultistepScheduler",
        advice="Like DPM++ 2M with fresh noise at every step: more detail, and it needs more steps.",
        steps=(25, 50),
        deterministic=False,
        predictions=_WITH_FLOW,
        changes={"algorithm_type": "sde-dpmsolver++", "solver_order": 2},
        sigma_schedules=_ALL_SIGMAS,
    ),
    SchedulerEntry(
        name="dpmsolver++-sde-heun",
        label="DPM++ 2M SDE Heun",
        a1111="DPM++ 2M SDE Heun",
        comfyui=("dpmpp_2m_sde_heun", "dpmpp_2m_sde_heun_gpu"),
        class_name="DPMSolverMultistepScheduler",
        advice="DPM++ 2M SDE with another second-order formula; a little softer.",
        steps=(25, 50),
        deterministic=False,
        predictions=_WITH_FLOW,
        changes={"algorithm_type": "sde-dpmsolver++", "solver_order": 2, "solver_type": "heun"},
        sigma_schedules=_ALL_SIGMAS,
    ),
    SchedulerEntry(
        name="dpmsolver++-3m",
        label="DPM++ 3M",
        invokeai=("dpmpp_3m",),
        class_name="DPMSolverMultistepScheduler",
        advice="Looks one step further back than DPM++ 2M; for 25 steps and more.",
        steps=(25, 40),
        predictions=_WITH_FLOW,
        changes={"algorithm_type": "dpmsolver++", "solver_order": 3},
        sigma_schedules=_ALL_SIGMAS,
    ),
    SchedulerEntry(
        name="dpmsolver++-3m-sde",
        label="DPM++ 3M SDE",
        a1111="DPM++ 3M SDE",
        comfyui=("dpmpp_3m_sde", "dpmpp_3m_sde_gpu"),
        class_name="DPMSolverMultistepScheduler",
        advice="Rich detail with many steps; best with exponential or Karras sigmas and lower guidance.",
        steps=(30, 60),
        deterministic=False,
        predictions=_WITH_FLOW,
        changes={"algorithm_type": "sde-dpmsolver++", "solver_order": 3},
        sigma_schedules=_ALL_SIGMAS,
    ),
    SchedulerEntry(
        name="dpmsolver++-2s",
        label="DPM++ 2S",
        invokeai=("dpmpp_2s",),
        class_name="DPMSolverSinglestepScheduler",
        advice="Every second call refines the step before it; steadier than DPM++ 2M under strong guidance.",
        steps=(20, 30),
        predictions=_WITH_FLOW,
        changes={"algorithm_type": "dpmsolver++", "solver_order": 2},
        sigma_schedules=_ALL_SIGMAS,
    ),
    SchedulerEntry(
        name="dpmpp-sde",
        label="DPM++ SDE",
        a1111="DPM++ SDE",
        comfyui=("dpmpp_sde", "dpmpp_sde_gpu"),
        invokeai=("dpmpp_sde",),
        class_name="DPMSolverSDEScheduler",
        advice="Fine, lively detail in few steps that cost twice as much each.",
        steps=(10, 20),
        deterministic=False,
        calls_per_step=2,
        sigma_schedules=_ALL_SIGMAS,
    ),
    SchedulerEntry(
        name="unipc",
        label="UniPC",
        a1111="UniPC",
        comfyui=("uni_pc_bh2", "uni_pc"),
        invokeai=("unipc",),
        class_name="UniPCMultistepScheduler",
        advice="Corrects every step at no extra cost; good pictures from 8 steps on.",
        steps=(8, 20),
        predictions=_WITH_FLOW,
        sigma_schedules=_ALL_SIGMAS,
    ),
    SchedulerEntry(
        name="unipc-bh1",
        label="UniPC bh1",
        class_name="UniPCMultistepScheduler",
        advice="UniPC with the formula that its paper prefers for very few steps without guidance.",
        steps=(5, 15),
        predictions=_WITH_FLOW,
        # Over the huge first log-SNR step of a zero-terminal-SNR model, B(h) = h makes the corrector overshoot.
        changes={"solver_type": "bh1", "disable_corrector": [0]},
        sigma_schedules=_ALL_SIGMAS,
    ),
    SchedulerEntry(
        name="deis",
        label="DEIS",
        comfyui=("deis",),
        invokeai=("deis",),
        class_name="DEISMultistepScheduler",
        advice="Fast and smooth; an alternative to DPM++ 2M below 20 steps.",
        steps=(10, 25),
        predictions=_WITH_FLOW,
        sigma_schedules=_ALL_SIGMAS,
    ),
    SchedulerEntry(
        name="heun",
        label="Heun",
        a1111="Heun",
        comfyui=("heun",),
        invokeai=("heun",),
        class_name="HeunDiscreteScheduler",
        advice="Euler with every step done twice: more exact, at twice the cost.",
        steps=(12, 25),
        calls_per_step=2,
        sigma_schedules=_ALL_SIGMAS,
    ),
    SchedulerEntry(
        name="dpm2",
        label="DPM2",
        a1111="DPM2",
        comfyui=("dpm_2",),
        invokeai=("kdpm_2",),
        class_name="KDPM2DiscreteScheduler",
        advice="Looks ahead to the middle of every step; exact, at twice the cost.",
        steps=(12, 25),
        calls_per_step=2,
        sigma_schedules=_ALL_SIGMAS,
    ),
    SchedulerEntry(
        name="dpm2-a",
        label="DPM2 a",
        a1111="DPM2 a",
        comfyui=("dpm_2_ancestral",),
        invokeai=("kdpm_2_a",),
        class_name="KDPM2AncestralDiscreteScheduler",
        advice="DPM2 with fresh noise at every step: sharp and varied, at twice the cost.",
        steps=(15, 30),
        deterministic=False,
        calls_per_step=2,
        sigma_schedules=_ALL_SIGMAS,
    ),
    SchedulerEntry(
        name="lms",
        label="LMS",
        a1111="LMS",
        comfyui=("lms",),
        invokeai=("lms",),
        class_name="LMSDiscreteScheduler",
        advice="Goes on from the last four steps; smooth, but it needs 30 steps or more.",
        steps=(30, 50),
        sigma_schedules=_ALL_SIGMAS,
    ),
    SchedulerEntry(
        name="sa-solver",
        label="SA-Solver",
        comfyui=("sa_solver",),
        class_name="SASolverScheduler",
        advice="Fresh noise while the picture takes shape and none for its detail; varied and clean.",
        steps=(20, 40),
        deterministic=False,
        predictions=_WITH_FLOW,
        sigma_schedules=_ALL_SIGMAS,
    ),
    SchedulerEntry(
        name="lcm",
        label="LCM",
        a1111="LCM",
        comfyui=("lcm",),
        invokeai=("lcm",),
        class_name="LCMScheduler",
        advice="Pictures in 4 to 8 steps with a model or LoRA distilled for it; blurred with others.",
        steps=(4, 8),
        deterministic=False,
    ),
    SchedulerEntry(
        name="tcd",
        label="TCD",
        invokeai=("tcd",),
        class_name="TCDScheduler",
        advice="Like LCM with more detail, for models and LoRAs distilled for it.",
        steps=(4, 8),
        deterministic=False,
    ),
    SchedulerEntry(
        name="pndm",
        label="PLMS",
        a1111="PLMS",
        invokeai=("pndm",),
        class_name="PNDMScheduler",
        advice="The first scheduler of Stable Diffusion, to make pictures of that time again.",
        steps=(30, 50),
        changes={"skip_prk_steps": True},
    ),
    SchedulerEntry(
        name="ddpm",
        label="DDPM",
        comfyui=("ddpm",),
        invokeai=("ddpm",),
        class_name="DDPMScheduler",
        advice="The original slow sampler with fresh noise at every step; for study and comparison.",
        steps=(100, 1000),
        deterministic=False,
    ),
    SchedulerEntry(
        name="ddim-parallel",
        label="DDIM parallel",
        class_name="DDIMParallelScheduler",
        advice="DDIM for programs that work on many timesteps at once; the same pictures.",
        steps=(20, 50),
    ),
    SchedulerEntry(
        name="ddpm-parallel",
        label="DDPM parallel",
        class_name="DDPMParallelScheduler",
        advice="DDPM for programs that work on many timesteps at once.",
        steps=(100, 1000),
        deterministic=False,
    ),
    SchedulerEntry(
        name="flow-euler",
        label="Flow Euler",
        class_name="FlowMatchEulerDiscreteScheduler",
        advice="The usual choice for flow models.",
        steps=(20, 30),
        predictions=("flow",),
        sigma_schedules=_ALL_SIGMAS,
    ),
    SchedulerEntry(
        name="flow-heun",
        label="Flow Heun",
        class_name="FlowMatchHeunDiscreteScheduler",
        advice="For flow models: every step done twice, more exact at twice the cost.",
        steps=(12, 20),
        calls_per_step=2,
        predictions=("flow",),
    ),
    SchedulerEntry(
        name="flow-lcm",
        label="Flow LCM",
        class_name="FlowMatchLCMScheduler",
        advice="For flow models that were distilled to a few steps.",
        steps=(4, 8),
        deterministic=False,
        predictions=("flow",),
        sigma_schedules=_ALL_SIGMAS,
    ),
    SchedulerEntry(
        name="edm-euler",
        label="EDM Euler",
        class_name="EDMEulerScheduler",
        advice="Euler for models with the preconditioning of EDM.",
        steps=(20, 30),
        predictions=("edm",),
    ),
    SchedulerEntry(
        name="edm-dpmsolver++",
        label="EDM DPM++ 2M",
        class_name="EDMDPMSolverMultistepScheduler",
        advice="DPM++ 2M for models with the preconditioning of EDM.",
        steps=(15, 25),
        predictions=("edm",),
    ),
    SchedulerEntry(
        name="cosine-dpmsolver++",
        label="Cosine DPM++ 2M SDE",
        class_name="CosineDPMSolverMultistepScheduler",
        advice="DPM++ 2M SDE for the models of Stable Audio.",
        steps=(50, 100),
        deterministic=False,
        predictions=("edm",),
    ),
    SchedulerEntry(
        name="scm",
        label="SCM",
        class_name="SCMScheduler",
        advice="One to four steps, for models distilled by continuous-time consistency.",
        steps=(1, 4),
        deterministic=False,
        predictions=("trigflow",),
    ),
    SchedulerEntry(
        name="consistency",
        label="Consistency",
        class_name="CMStochasticIterativeScheduler",
        advice="One or two steps, for consistency models.",
        steps=(1, 2),
        deterministic=False,
        predictions=("consistency",),
    ),
    SchedulerEntry(
        name="ipndm",
        label="IPNDM",
        class_name="IPNDMScheduler",
        advice="Fourth-order multistep for models of continuous time.",
        steps=(30, 100),
        predictions=("continuous v",),
    ),
    SchedulerEntry(
        name="karras-ve",
        label="Karras VE",
        class_name="KarrasVeScheduler",
        advice="The stochastic sampler of Karras et al. for variance-exploding score models.",
        steps=(50, 200),
        deterministic=False,
        calls_per_step=2,
        predictions=("score",),
    ),
    SchedulerEntry(
        name="score-sde-ve",
        label="Score SDE VE",
        class_name="ScoreSdeVeScheduler",
        advice="Predictor and corrector for variance-exploding score models; slow, for study.",
        steps=(1000, 2000),
        deterministic=False,
        calls_per_step=2,
        predictions=("score",),
    ),
    SchedulerEntry(
        name="score-sde-vp",
        label="Score SDE VP",
        class_name="ScoreSdeVpScheduler",
        advice="The reverse SDE of variance-preserving score models; slow, for study.",
        steps=(1000, 2000),
        deterministic=False,
        predictions=("score",),
    ),
    SchedulerEntry(
        name="unclip",
        label="unCLIP",
        class_name="UnCLIPScheduler",
        advice="DDPM as the prior and the decoders of Karlo were trained with.",
        steps=(7, 25),
        deterministic=False,
        predictions=("unclip",),
    ),
    SchedulerEntry(
        name="wuerstchen",
        label="DDPM Wuerstchen",
        class_name="DDPMWuerstchenScheduler",
        advice="DDPM on continuous time, for Wuerstchen and Stable Cascade.",
        steps=(10, 30),
        deterministic=False,
        predictions=("wuerstchen",),
    ),
    SchedulerEntry(
        name="vq-diffusion",
        label="VQ-Diffusion",
        class_name="VQDiffusionScheduler",
        advice="Steps over classes instead of numbers, for VQ-Diffusion.",
        steps=(50, 100),
        deterministic=False,
        predictions=("classes",),
    ),
    SchedulerEntry(
        name="amused",
        label="aMUSEd",
        class_name="AmusedScheduler",
        advice="Uncovers the masked elements it is surest of first, for aMUSEd.",
        steps=(8, 16),
        deterministic=False,
        predictions=("classes",),
    ),
    SchedulerEntry(
        name="repaint",
        label="RePaint",
        class_name="RePaintScheduler",
        advice="Fills a masked part with a model that was never trained for it, going back and forth.",
        steps=(100, 250),
        deterministic=False,
        predictions=("epsilon",),
        task="inpainting",
    ),
    SchedulerEntry(
        name="ddim-inverse",
        label="DDIM inverse",
        class_name="DDIMInverseScheduler",
        advice="Turns a picture back into the noise that DDIM would make it from.",
        steps=(20, 50),
        task="inversion",
    ),
    SchedulerEntry(
        name="dpmsolver++-inverse",
        label="DPM++ 2M inverse",
        class_name="DPMSolverMultistepInverseScheduler",
        advice="Turns a picture back into the noise that DPM++ 2M would make it from.",
        steps=(15, 25),
        task="inversion",
    ),
)
