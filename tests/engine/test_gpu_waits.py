"""No step waits for a GPU: it reads no number back, and copies nothing to it in a way that waits for what it has to do.

Without a GPU this is seen on the device "meta", whose tensors have no numbers: reading one raises an error, and copies
to it are counted. What comes before the second step may wait, which is once in a run.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree
from torch.utils._python_dispatch import TorchDispatchMode

import engine
import engine.schedulers
from engine._exports import SCHEDULERS
from engine.models.tiling import fade, ramp_blended
from engine.models.token_merging import TokenMerging
from engine.models.unet_conditioning import check_numbers
from engine.pipelines.stable_diffusion.pipeline_stable_diffusion_latent_upscale import NOISE_FEATURES
from engine.pipelines.step import Step
from engine.rng import moved, randn_tensor
from engine.switches import Switches
from tests.fixtures.stable_diffusion import stable_diffusion, stable_diffusion_xl

META = torch.device("meta")
SHAPE = (2, 3, 5, 4)

# ---------------------------------------------------------------------------------------------------- noticing


def tensors_in(*values: Any) -> list[Tensor]:
    """All tensors in nested lists and dictionaries."""
    return [leaf for leaf in _pytree.tree_leaves(values) if isinstance(leaf, Tensor)]


@dataclass
class Noticed:
    """What was done with tensors of the device.

    Attributes:
        waits: what would have waited for it.
        copies: how many copies to it did not.
    """

    waits: list[str] = field(default_factory=list[str])
    copies: int = 0


class Operations(TorchDispatchMode):
    """Notices copies to the device, operands that have to be copied there, and masks whose ones have to be counted."""

    def __init__(self, noticed: Noticed) -> None:
        super().__init__()
        self.noticed = noticed

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        given = tensors_in(args, kwargs)
        at_hand = [tensor for tensor in given if tensor.device.type == "cpu"]
        there = any(tensor.is_meta for tensor in [*given, *tensors_in(result)])
        name = func.overloadpacket.__name__
        if name in ("_to_copy", "copy_") and at_hand and there:
            if kwargs.get("non_blocking") or (name == "copy_" and args[2:] == (True,)):
                self.noticed.copies += 1
            else:
                self.noticed.waits.append(f"{name} of {list(at_hand[0].shape)}")
        # A number on the CPU goes along with the call; anything larger is copied.
        elif there and any(tensor.ndim for tensor in at_hand):
            self.noticed.waits.append(f"{name} with an operand on the CPU")
        elif there and name.startswith("index") and any(tensor.dtype == torch.bool for tensor in given[1:]):
            self.noticed.waits.append(f"{name} with a mask")
        return result


class Constructors(TorchFunctionMode):
    """Notices tensors that are made of Python's numbers, and copied to the device before an operation sees them."""

    def __init__(self, noticed: Noticed) -> None:
        super().__init__()
        self.noticed = noticed

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in ("tensor", "as_tensor", "asarray") and result.is_meta and not tensors_in(args):
            self.noticed.waits.append(f"{name} of numbers")
        if name in ("__getitem__", "__setitem__") and args[0].is_meta:
            places = args[1] if isinstance(args[1], tuple) else (args[1],)
            if any(isinstance(place, list) for place in places):
                self.noticed.waits.append(f"{name} with a list")
        return result


@contextmanager
def noticing() -> Generator[Noticed]:
    """Notice what would wait for the device while the block runs."""
    noticed = Noticed()
    with Operations(noticed), Constructors(noticed):
        yield noticed


@pytest.fixture(autouse=True)
def meta_as_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let networks work on "meta", and give its tensors addresses, by which a scheduler knows its own timesteps."""
    monkeypatch.setattr(torch.UntypedStorage, "data_ptr", lambda storage: storage._cdata)
    monkeypatch.setattr(engine.DiffusionPipeline, "device", META)


def generator() -> torch.Generator:
    """A generator on the CPU, as every run has one."""
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(
    "work",
    [
        lambda x: x + torch.zeros(3).to(META),
        lambda x: x.copy_(torch.zeros(3)),
        lambda x: x[torch.tensor([0, 1])],
        lambda x: x[[0, 1]],
        lambda x: torch.tensor([1.0], device=META),
        lambda x: x.index_put_((x > 0,), torch.tensor(1.0)),
    ],
    ids=["to", "copy_", "index", "list", "tensor", "mask"],
)
def test_a_wait_is_noticed(work: Callable[[Tensor], object]) -> None:
    with noticing() as noticed:
        work(torch.empty(3, device=META))
    assert len(noticed.waits) == 1


@pytest.mark.parametrize(
    "work",
    [lambda x: x.tolist(), lambda x: bool(x.any()), lambda x: x.nonzero(), lambda x: torch.zeros(3)[x.long()[0]]],
)
def test_reading_a_number_raises(work: Callable[[Tensor], object]) -> None:
    with noticing(), pytest.raises((NotImplementedError, RuntimeError)):
        work(torch.empty(3, device=META))


def test_a_wait_is_not_seen_in_what_needs_none() -> None:
    with noticing() as noticed:
        x = torch.empty(3, device=META)
        x = (x * torch.tensor(2.0) + torch.full((3,), 2.0, device=META)).masked_fill(x > 0, 1.0)
        x[1:] = 0
        x[torch.arange(2, device=META)] = 1.0
        assert moved(torch.zeros(3), META).device == META
        assert randn_tensor((2, 3), [generator(), generator()], META).device == META
    assert noticed == Noticed([], copies=3)


# ---------------------------------------------------------------------------------------------------- schedulers

CLASSES = sorted(set(SCHEDULERS) - {"SchedulerMixin"})
MASK = 7
NEEDED: Mapping[str, dict[str, Any]] = {
    "AmusedScheduler": {"mask_token_id": MASK},
    "VQDiffusionScheduler": {"num_vec_classes": MASK + 1},
}
# Ways of a class beside its default, where they compute something else in a step.
WAYS: list[tuple[str, dict[str, Any]]] = [
    ("DDIMScheduler", {"thresholding": True}),
    ("DDPMScheduler", {"variance_type": "fixed_large"}),
    ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++", "solver_order": 3}),
    ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver", "use_karras_sigmas": True}),
    ("DPMSolverMultistepScheduler", {"thresholding": True, "algorithm_type": "dpmsolver"}),
    ("DPMSolverSinglestepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    ("EDMDPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    ("FlowMatchEulerDiscreteScheduler", {"stochastic_sampling": True}),
    ("PNDMScheduler", {"skip_prk_steps": True}),
    ("SASolverScheduler", {"algorithm_type": "noise_prediction"}),
    ("UniPCMultistepScheduler", {"predict_x0": False}),
]
# What else a step is given.
OPTIONS: Mapping[str, dict[str, Any]] = {
    "DDIMScheduler": {"eta": 1.0},
    "EDMEulerScheduler": {"s_churn": 3.0},
    "EulerDiscreteScheduler": {"s_churn": 3.0},
    "RePaintScheduler": {"original_image": torch.empty(SHAPE, device=META), "mask": torch.empty(SHAPE, device=META)},
    "TCDScheduler": {"eta": 0.5},
}


def laid_out(name: str, config: dict[str, Any]) -> Any:
    """A scheduler of the class `name` with its schedule on the device."""
    scheduler = getattr(engine.schedulers, name)(**NEEDED.get(name, {}), **config)
    more = {"intermediate_timesteps": None} if name == "SCMScheduler" else {}
    scheduler.set_timesteps(num_inference_steps=5, device=META, **more)
    return scheduler


def sample_and_prediction(name: str) -> tuple[Tensor, Tensor]:
    """What a scheduler is given: pictures, or tokens and their logits."""
    if name == "AmusedScheduler":
        return torch.full((2, 12), MASK, device=META), torch.empty(2, 12, MASK, device=META)
    if name == "VQDiffusionScheduler":
        return torch.full((2, 12), MASK, device=META), torch.empty(2, MASK, 12, device=META)
    return torch.empty(SHAPE, device=META), torch.empty(SHAPE, device=META)


def step_of(scheduler: Any, place: int, x: Tensor, prediction: Tensor, options: dict[str, Any]) -> Tensor:
    """The next sample."""
    if type(scheduler).__name__ == "KarrasVeScheduler":
        sigma, lower = scheduler.schedule[place], scheduler.schedule[place - 1]
        x_hat, sigma_hat = scheduler.add_noise_to_input(x, sigma, options["generator"])
        out = scheduler.step(prediction, sigma_hat, lower, x_hat)
        return scheduler.step_correct(prediction, sigma_hat, lower, x_hat, out.prev_sample, out.derivative).prev_sample
    timestep = scheduler.timesteps[place]
    if hasattr(scheduler, "step_correct"):
        x = scheduler.step_correct(prediction, x, options["generator"]).prev_sample
    scheduler.scale_model_input(x, timestep)
    return scheduler.step(prediction, timestep, x, **options).prev_sample


@pytest.mark.parametrize(
    ("name", "config"),
    [*((name, {}) for name in CLASSES), *WAYS],
    ids=lambda value: value if isinstance(value, str) else ",".join(f"{key}={one}" for key, one in value.items()),
)
def test_no_step_of_a_scheduler_waits(name: str, config: dict[str, Any]) -> None:
    scheduler = laid_out(name, config)
    x, prediction = sample_and_prediction(name)
    options = dict(OPTIONS.get(name, {}))
    draws = "generator" in inspect.signature(scheduler.step).parameters or name == "KarrasVeScheduler"
    if draws:
        options["generator"] = generator()
    with noticing() as noticed:
        for place in range(len(scheduler.timesteps) - 1):
            x = step_of(scheduler, place, x, prediction, options)
            assert x.device == META
    assert noticed.waits == []
    assert draws or not noticed.copies


@pytest.mark.parametrize("name", [name for name in CLASSES if hasattr(getattr(engine.schedulers, name), "add_noise")])
def test_adding_noise_does_not_wait(name: str) -> None:
    scheduler = laid_out(name, {})
    x, _ = sample_and_prediction(name)
    with noticing() as noticed:
        if name == "AmusedScheduler":
            scheduler.add_noise(x, scheduler.timesteps[1], generator())
        else:
            scheduler.add_noise(x, torch.empty_like(x), scheduler.timesteps[1:2])
            scheduler.add_noise(x, torch.empty_like(x), scheduler.timesteps[:2])
    assert noticed.waits == []


@pytest.mark.parametrize("name", ["FlowMatchEulerDiscreteScheduler", "FlowMatchLCMScheduler"])
def test_adding_noise_for_a_flow_does_not_wait(name: str) -> None:
    scheduler = laid_out(name, {})
    x = torch.empty(SHAPE, device=META)
    with noticing() as noticed:
        scheduler.scale_noise(x, scheduler.timesteps[1:2], torch.empty_like(x))
    assert noticed.waits == []


def test_levels_of_each_token_do_not_wait() -> None:
    scheduler = laid_out("FlowMatchEulerDiscreteScheduler", {})
    x, of_tokens = torch.empty(2, 12, 4, device=META), torch.empty(2, 12, device=META)
    with noticing() as noticed:
        scheduler.step(x, scheduler.timesteps[0], x, per_token_timesteps=of_tokens)
    assert noticed.waits == []


@pytest.mark.parametrize("name", ["DDIMParallelScheduler", "DDPMParallelScheduler"])
def test_parallel_steps_do_not_wait(name: str) -> None:
    scheduler = laid_out(name, {})
    x = torch.empty(SHAPE, device=META)
    with noticing() as noticed:
        scheduler.batch_step_no_noise(x, scheduler.timesteps[:2], x)
    assert noticed.waits == []


# ---------------------------------------------------------------------------------------------------- pipelines


def picture(mode: str = "RGB") -> Image.Image:
    """A picture of 32 pixels."""
    return Image.new(mode, (32, 32), 200 if mode == "L" else (200, 90, 10))


@pytest.fixture(scope="module")
def sd() -> Any:
    return stable_diffusion().to("meta")


@pytest.fixture(scope="module")
def xl() -> Any:
    return stable_diffusion_xl().to("meta")


def scheduler_for(parts: Any, name: str) -> Any:
    return getattr(engine, name).from_config(parts.scheduler.config)


def made(name: str, of: Any, scheduler: str = "DDIMScheduler", unet: dict[str, Any] | None = None, **more: Any) -> Any:
    """A pipeline of the class `name` with the parts of another, one part changed in its configuration."""
    parts = {**of.components, "scheduler": scheduler_for(of, scheduler), **more}
    if unet is not None:
        parts["unet"] = type(of.unet).from_config(of.unet.config, **unet).to("meta")
    taken = inspect.signature(getattr(engine, name)).parameters
    return getattr(engine, name)(**{key: part for key, part in parts.items() if key in taken})


def steps_noticed(pipeline: Any, **arguments: Any) -> Noticed:
    """What all steps of a run but the first do."""
    options = {"num_inference_steps": 3, "generator": generator(), "output_type": "latent"}
    steps: Iterator[Step] = pipeline.steps(**options, **arguments)
    assert next(steps).total == 3
    with noticing() as noticed:
        assert all(step.latents.device == META for step in steps)
    return noticed


FULL: dict[str, Any] = {"prompt": "a cat", "negative_prompt": "dog"}
IMAGE: dict[str, Any] = {**FULL, "image": picture()}
DEEP: dict[str, Any] = {**IMAGE, "depth_map": torch.ones(1, 32, 32), "strength": 1.0}
MASKED: dict[str, Any] = {**IMAGE, "mask_image": picture("L"), "height": 32, "width": 32}


@pytest.mark.parametrize("scheduler", ["DDIMScheduler", "EulerAncestralDiscreteScheduler"])
@pytest.mark.parametrize("name", ["StableDiffusionPipeline", "StableDiffusionXLPipeline"])
def test_no_step_from_text_waits(sd: Any, xl: Any, name: str, scheduler: str) -> None:
    pipeline = made(name, xl if "XL" in name else sd, scheduler)
    noticed = steps_noticed(pipeline, **FULL, eta=1.0, guidance_rescale=0.5)
    assert noticed == Noticed([], copies=2)  # the noise of each step


@pytest.mark.parametrize("scheduler", ["DDIMScheduler", "EulerDiscreteScheduler"])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("StableDiffusionImg2ImgPipeline", IMAGE),
        ("StableDiffusionInpaintPipeline", MASKED),
        ("StableDiffusionXLImg2ImgPipeline", IMAGE),
        ("StableDiffusionXLInpaintPipeline", MASKED),
    ],
)
def test_no_step_from_a_picture_waits(sd: Any, xl: Any, name: str, arguments: dict[str, Any], scheduler: str) -> None:
    pipeline = made(name, xl if "XL" in name else sd, scheduler)
    assert steps_noticed(pipeline, **arguments, strength=1.0).waits == []


@pytest.mark.parametrize(
    ("name", "unet", "arguments"),
    [
        ("StableDiffusionInpaintPipeline", {"in_channels": 9}, MASKED),
        ("StableDiffusionDepth2ImgPipeline", {"in_channels": 5}, DEEP),
        ("StableDiffusionInstructPix2PixPipeline", {"in_channels": 8}, IMAGE),
    ],
)
def test_no_step_of_a_model_that_is_shown_more_waits(
    sd: Any, name: str, unet: dict[str, Any], arguments: dict[str, Any]
) -> None:
    more: dict[str, Any] = {"depth_estimator": None} if "Depth" in name else {}
    assert steps_noticed(made(name, sd, unet=unet, **more), **arguments).waits == []


def test_no_step_of_an_upscaler_waits(sd: Any) -> None:
    unet = {"in_channels": 7, "num_class_embeds": 400}
    pipeline = made(
        "StableDiffusionUpscalePipeline", sd, unet=unet, low_res_scheduler=scheduler_for(sd, "DDPMScheduler")
    )
    assert steps_noticed(pipeline, **IMAGE).waits == []


def test_no_step_of_a_latent_upscaler_waits(sd: Any) -> None:
    told = 2 * NOISE_FEATURES + sd.text_encoder.config.hidden_size
    unet = {"in_channels": 8, "out_channels": 5, "time_cond_proj_dim": told}
    pipeline = made("StableDiffusionLatentUpscalePipeline", sd, "EulerDiscreteScheduler", unet)
    assert steps_noticed(pipeline, **IMAGE).waits == []


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("LatentConsistencyModelPipeline", {"prompt": "a cat"}),
        ("LatentConsistencyModelImg2ImgPipeline", {"prompt": "a cat", "image": picture(), "strength": 1.0}),
    ],
)
def test_no_step_of_a_consistency_model_waits(sd: Any, name: str, arguments: dict[str, Any]) -> None:
    pipeline = made(name, sd, "LCMScheduler", {"time_cond_proj_dim": 32})
    assert steps_noticed(pipeline, **arguments).waits == []


@pytest.mark.parametrize("name", ["DDIMPipeline", "DDPMPipeline"])
def test_no_step_without_a_prompt_waits(name: str) -> None:
    blocks = {"down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D")}
    unet = engine.UNet2DModel(
        sample_size=8, block_out_channels=(8, 16), norm_num_groups=4, layers_per_block=1, **blocks
    )
    pipeline = getattr(engine, name)(unet.to("meta"), getattr(engine, name.replace("Pipeline", "Scheduler"))())
    steps = pipeline.steps(num_inference_steps=3, generator=generator())
    next(steps)
    with noticing() as noticed:
        next(steps)
        next(steps)
    assert noticed.waits == []


def test_no_step_of_a_faster_run_waits(sd: Any) -> None:
    pipeline = made("StableDiffusionPipeline", sd)
    pipeline.unet.set_token_merging(0.5)
    switches = Switches(deep_cache=2, guidance_until=0.6)
    try:
        assert steps_noticed(pipeline, **FULL, switches=switches).waits == []
    finally:
        pipeline.unet.set_token_merging(0.0)


# ---------------------------------------------------------------------------------------------------- networks


def test_merging_copies_its_places_once() -> None:
    tokens = torch.empty(1, 24, 8, device=META)
    TokenMerging(tokens, (4, 6), 0.5)
    with noticing() as noticed:
        merging = TokenMerging(tokens, (4, 6), 0.5)
        assert merging.split(merging.merge(tokens)).shape == tokens.shape
    assert noticed == Noticed()


def test_places_kept_from_inference_serve_with_gradients() -> None:
    with torch.inference_mode():
        TokenMerging(torch.ones(1, 8, 4), (2, 4), 0.5)
    tokens = torch.ones(1, 8, 4, requires_grad=True)
    TokenMerging(tokens, (2, 4), 0.5).merge(tokens).sum().backward()
    assert tokens.grad is not None


def test_seams_of_tiles_do_not_wait() -> None:
    part = torch.empty(1, 3, 16, 16, device=META)
    with noticing() as noticed:
        fade(part, part, 4, dim=-1)
        ramp_blended(lambda tile: tile, torch.empty(1, 3, 40, 40, device=META), tile=16, overlap=4, scale=1.0)
    assert noticed == Noticed()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_seams_of_tiles_are_rounded_once(dtype: torch.dtype) -> None:
    """Their weights are those of float64, to the bit."""
    for extent in (1, 3, 7, 48, 100, 211):
        before, after = torch.zeros(1, 1, 1, extent, dtype=dtype), torch.ones(1, 1, 1, extent, dtype=dtype)
        exact = (torch.arange(extent, dtype=torch.float64) / extent).to(dtype)
        assert torch.equal(fade(before, after, extent, dim=-1).flatten(), exact)


def test_classes_are_looked_up_on_the_cpu_only() -> None:
    table = torch.nn.Embedding(10, 4)
    with noticing() as noticed:
        check_numbers("class_labels", torch.empty(2, dtype=torch.long, device=META), table)
    assert noticed == Noticed()
