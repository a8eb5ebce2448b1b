"""Whole pictures of Stable Diffusion 1.5's or XL's size with and without each switch: time with random weights, and how
far the pictures of the embedded model, for several prompts, are from those without.

Random weights say nothing about quality, and the embedded model is too small to say anything about the time of a large
one; its pictures are small, too, so that what a switch leaves out is a larger part of them. It has no tiny autoencoder:
its time is measured, and how far its pictures are is not. With `--peer` Diffusers makes the same pictures in turn.

    python -m tests.benchmarks.whole_picture [--model sd15] [--size 512] [--steps 25] [--batch 1 2 4] [--rounds 7]
        [--device cpu] [--dtype float32] [--only NAME ...] [--peer] [--compile] [--no-time] [--no-difference]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import diffusers
import numpy as np
import torch
from torch import Tensor

from engine.models.autoencoder_kl import AutoencoderKL
from engine.models.autoencoder_tiny import AutoencoderTiny
from engine.models.compilation import compile_blocks
from engine.models.cuda_graph import record_calls
from engine.models.float8 import keep_in_float8
from engine.models.int8 import keep_in_int8
from engine.models.unet_2d_condition import UNet2DConditionModel
from engine.pipelines.base import DiffusionPipeline
from engine.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from engine.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline
from engine.resources_path import resource
from engine.schedulers.dpm_solver_multistep import DPMSolverMultistepScheduler
from engine.switches import OFF, Switches
from tests.benchmarks.decode import VAE
from tests.benchmarks.networks import KINDS, TOKENS, is_xl, kind_of, pooled_channels
from tests.benchmarks.random_weights import with_random_weights
from tests.benchmarks.results import Figure, Keeper, add_results_option, ratio
from tests.benchmarks.subjects import DIFFERENCE, DRAWN, PLAIN, QUALITY, SUBJECTS, TIME
from tests.benchmarks.timing import ROUNDS, Times, machine, take_turns

PEER = "Diffusers"
GUIDANCE = 5.0
# What the embedded model can draw; its difference is the mean over them.
PROMPTS = (
    "a red apple, 3d icon",
    "a green leaf, flat icon",
    "a blue car, 3d icon",
    "yellow sun, flat icon",
    "red heart, 3d icon",
    "a house, flat icon",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=KINDS, default="sd15")
    parser.add_argument("--size", type=int, help="pixels of the picture's side")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--batch", type=int, nargs="+", default=[1])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--only", nargs="+", choices=[*SUBJECTS], help="these beside the one without a switch")
    parser.add_argument("--peer", action="store_true", help="measure Diffusers, too, without a switch")
    parser.add_argument("--compile", action="store_true", help="measure compiled blocks, too, which takes minutes")
    parser.add_argument("--no-time", action="store_true")
    parser.add_argument("--no-difference", action="store_true")
    add_results_option(parser)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    options.kind = kind_of(options.model)
    options.size = options.size or options.kind.size
    keeper, tables, figures = Keeper(options.results, options.device), list[str](), list[Figure]()
    for batch in [] if options.no_time else options.batch:
        before = tuple(figures)

        def each(times: Times, before: tuple[Figure, ...] = before, batch: int = batch) -> None:
            keeper.keep([*before, *_figures(times, batch, options)])

        times = time_of(batch, options, each)
        figures += _figures(times, batch, options)
        tables.append(_time_table(times, batch, options))
        print(tables[-1], flush=True)
    if not options.no_difference:
        found, table = _differences([name for name in SUBJECTS if _is_wanted(name, options)], options.steps)
        figures += found
        tables.append(table)
        print(table, flush=True)
    keeper.keep(figures, "\n".join(tables))


# ---------------------------------------------------------------------------------------------------- time


class RandomModel:
    """A model without text encoders, set to one subject after the other."""

    def __init__(self, batch: int, options: argparse.Namespace) -> None:
        self.options = options
        self.dtype = getattr(torch, options.dtype)
        unet = self._network(UNet2DConditionModel, options.kind.unet)
        vae = self._network(AutoencoderKL, VAE)
        self.pipeline = _pipeline(unet, vae)
        self.tiny = _pipeline(unet, self._network(AutoencoderTiny, {}))
        self.prompts = _prompts(options.kind.unet, batch)
        self._unets: dict[str, Any] = {"same": unet}
        self.peer = _peer(unet, vae, options.kind.unet) if options.peer else None

    def _network(self, kind: Any, config: Mapping[str, Any], dtype: torch.dtype | None = None) -> Any:
        return with_random_weights(kind, config).to(self.options.device, dtype or self.dtype)

    def picture(self, name: str, steps: int) -> Tensor:
        """Make one, from noise to pixels."""
        if name == PEER:
            return self._theirs(steps)
        switches = SUBJECTS[name]
        pipeline = self.tiny if switches.final_autoencoder else self.pipeline
        pipeline.unet = unet = self._compiled() if switches.compiled else self._unet(switches.unet_precision)
        unet.set_token_merging(switches.token_merging)
        return drained(pipeline, **self._arguments(steps), switches=switches)

    def _theirs(self, steps: int) -> Tensor:
        if self.peer is None:
            raise ValueError(PEER)
        return self.peer(**self._arguments(steps)).images

    def _arguments(self, steps: int) -> dict[str, Any]:
        return self.prompts | {
            "num_inference_steps": steps,
            "guidance_scale": GUIDANCE,
            "height": self.options.size,
            "width": self.options.size,
            "generator": torch.Generator().manual_seed(0),
            "output_type": "pt",
        }

    def _compiled(self) -> Any:
        """Another network with the same weights, compiled and left so: what is compiled once is not measured."""
        if "compiled" not in self._unets:
            with torch.device("meta"):
                network = UNet2DConditionModel(**self.options.kind.unet)
            network.load_state_dict(self._unets["same"].state_dict(), assign=True)
            compile_blocks(network.eval(), torch.device(self.options.device))
            if self.options.device != "cpu":
                record_calls(network)
            self._unets["compiled"] = network
        return self._unets["compiled"]

    def _unet(self, precision: str) -> Any:
        if precision not in self._unets:
            self._unets[precision] = kept_in(
                precision, self._network(UNet2DConditionModel, self.options.kind.unet, torch.bfloat16)
            )
        return self._unets[precision]


def _prompts(unet: Mapping[str, Any], batch: int) -> dict[str, Tensor]:
    """What text encoders would give: of a prompt and of a negative one."""
    generator = torch.Generator().manual_seed(1)

    def drawn(*shape: int) -> tuple[Tensor, Tensor]:
        return torch.randn(batch, *shape, generator=generator), torch.randn(batch, *shape, generator=generator)

    prompt, negative = drawn(TOKENS, unet["cross_attention_dim"])
    given = {"prompt_embeds": prompt, "negative_prompt_embeds": negative}
    if is_xl(unet):
        given["pooled_prompt_embeds"], given["negative_pooled_prompt_embeds"] = drawn(pooled_channels(unet))
    return given


def _pipeline(unet: Any, vae: Any) -> Any:
    if is_xl(unet.config):
        return StableDiffusionXLPipeline(vae, None, None, None, None, unet, _scheduler())
    return StableDiffusionPipeline(vae, None, None, unet, _scheduler())  # pyright: ignore[reportArgumentType]


def _peer(unet: Any, vae: Any, config: dict[str, Any]) -> Any:
    """Diffusers' pipeline with the same weights, which both read where they are."""
    parts: list[Any] = []
    for kind, arguments, ours in (
        (diffusers.UNet2DConditionModel, config, unet),
        (diffusers.AutoencoderKL, VAE, vae),
    ):
        with torch.device("meta"):
            network = kind(**arguments)
        network.load_state_dict(ours.state_dict(), assign=True)
        parts.append(network.eval())
    texts: dict[str, Any] = dict.fromkeys(("text_encoder", "tokenizer"))
    more: dict[str, Any] = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    make: Any = diffusers.StableDiffusionPipeline
    if is_xl(config):
        texts |= dict.fromkeys(("text_encoder_2", "tokenizer_2"))
        # Its watermark is an optional package, and none of what is compared.
        more = {"add_watermarker": False}
        make = diffusers.StableDiffusionXLPipeline
    scheduler = diffusers.DPMSolverMultistepScheduler(**_SCHEDULE)
    pipeline = make(unet=parts[0], vae=parts[1], scheduler=scheduler, **texts, **more)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def kept_in(precision: str, network: Any) -> Any:
    """Bring `network` into the precision of a switch, and return it."""
    if precision in KEEP:
        KEEP[precision](network, torch.bfloat16)
    elif precision == "bfloat16":
        network.to(torch.bfloat16)
    return network


KEEP = {"float8": keep_in_float8, "int8": keep_in_int8}


def drained(pipeline: Any, **arguments: Any) -> Any:
    """Return the images of a run with all its steps."""
    steps: Iterator[Any] = pipeline.steps(**arguments)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value.images


_SCHEDULE: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}


def _scheduler() -> Any:
    return DPMSolverMultistepScheduler(**_SCHEDULE)


def time_of(batch: int, options: argparse.Namespace, each: Callable[[Times], None]) -> Times:
    """Measure every subject. The first picture of each, which does not count, has two steps only."""
    model = RandomModel(batch, options)
    names = [name for name in SUBJECTS if _is_wanted(name, options)] + [PEER] * options.peer
    seen: set[str] = set()

    def run(name: str) -> Tensor:
        steps = options.steps if name in seen else 2
        seen.add(name)
        return model.picture(name, steps)

    subjects = {name: lambda name=name: run(name) for name in names}
    told: Callable[[str], None] = lambda line: print(line, flush=True)  # noqa: E731
    return take_turns(subjects, options.rounds, options.device, options.clock, told, each)


def _figures(times: Times, batch: int, options: argparse.Namespace) -> list[Figure]:
    """Each switch to none, and that one to Diffusers."""
    title = _title(batch, options)
    figures = [ratio(f"{title}: {PLAIN} to {PEER}", times, PLAIN, PEER)] if PEER in times.seconds else []
    usual = options.model == "sd15" and batch == 1 and options.steps == 25 and options.device == "cpu"
    for name in times.seconds:
        if name not in (PLAIN, PEER):
            bar = 0.55 if usual and name == "DeepCache 3" else None
            figures.append(ratio(f"{title}: {TIME.format(name)}", times, name, PLAIN, bar))
    return figures


def _title(batch: int, options: argparse.Namespace) -> str:
    pictures = "" if batch == 1 else f", {batch} pictures"
    size, steps = f"{options.size} pixels", f"{options.steps} steps"
    return f"Whole picture, {options.kind.words}, {size}, {steps}, {options.dtype}{pictures}"


def _is_wanted(name: str, options: argparse.Namespace) -> bool:
    if name == PLAIN or options.only:
        return name == PLAIN or name in options.only
    return not SUBJECTS[name].compiled or options.compile


def _time_table(times: Times, batch: int, options: argparse.Namespace) -> str:
    lines = [
        f"### {_title(batch, options)}",
        "",
        f"{machine(options.device)}; {options.clock} clock, {options.rounds} rounds.",
        "",
        "| | seconds | to no switch |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {times.median(name):.2f} | {times.ratio(name, PLAIN)} |" for name in times.seconds]
    return "\n".join([*lines, ""])


# ---------------------------------------------------------------------------------------------------- difference


def _differences(names: list[str], steps: int) -> tuple[list[Figure], str]:
    """How far pictures of the embedded model with each switch of `names` are from those without, and a table of it."""
    figures: list[Figure] = []
    title = DRAWN.format(steps)
    lines = [
        f"### Difference of pictures, embedded model, 128 pixels, {steps} steps, {len(PROMPTS)} prompts",
        "",
        "Mean absolute difference of levels from 0 to 255, and peak signal-to-noise ratio: mean and worst picture.",
        "",
        "| | mean difference | worst | PSNR in dB | worst |",
        "|---|---|---|---|---|",
    ]
    whole = [_drawn(prompt, OFF, steps) for prompt in PROMPTS]
    for name in names:
        switches = SUBJECTS[name]
        if name == PLAIN:
            continue
        if switches.final_autoencoder:
            lines.append(f"| {name} | not measured: the embedded model has none | | | |")
            continue
        pairs = [(_drawn(prompt, switches, steps), one) for prompt, one in zip(PROMPTS, whole, strict=True)]
        differences = [255 * float(np.abs(a - b).mean()) for a, b in pairs]
        # Equal ones would be infinitely near.
        ratios = [-10 * float(np.log10(max(((a - b) ** 2).mean(), 1e-10))) for a, b in pairs]
        for ending, values, unit in ((DIFFERENCE, differences, "of 255"), (QUALITY, ratios, "dB")):
            figures.append(Figure(f"{title}: {ending.format(name)}", tuple(values), None, unit, "pictures"))
        lines.append(
            f"| {name} | {np.mean(differences):.2f} | {max(differences):.2f} | {np.mean(ratios):.1f} | "
            f"{min(ratios):.1f} |"
        )
    return figures, "\n".join([*lines, ""])


def _drawn(prompt: str, switches: Switches, steps: int) -> Any:
    pipeline: Any = _embedded(switches.unet_precision)
    pipeline.unet.set_token_merging(switches.token_merging)
    if switches.compiled:
        compile_blocks(pipeline.unet, torch.device("cpu"))
    arguments = {"num_inference_steps": steps, "guidance_scale": GUIDANCE, "output_type": "np"}
    generator = torch.Generator().manual_seed(1)
    return drained(pipeline, prompt=prompt, generator=generator, switches=switches, **arguments)


def _embedded(precision: str) -> Any:
    pipeline: Any = DiffusionPipeline.from_pretrained(resource("models", "sfumato-icons"))
    kept_in(precision, pipeline.unet)
    return pipeline


if __name__ == "__main__":
    main()
