"""Conditions for each step, several prompts at once, and runs that go on from a step, against runs by hand."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import engine
from engine.errors import InvalidValue
from engine.guidance import Conditions, combine
from engine.pipelines.conditions import same_length
from engine.pipelines.step import ResumePoint, Step
from tests.fixtures import reference_families as families
from tests.fixtures import reference_pipelines as reference
from tests.fixtures.reference_families import difference, mask, picture
from tests.fixtures.reference_pipelines import generator

reference.quiet()


@pytest.fixture(scope="module")
def sd(tmp_path_factory: pytest.TempPathFactory) -> Any:
    theirs = families.stable_diffusion("StableDiffusionPipeline")
    pipeline: Any = engine.DiffusionPipeline.from_pretrained(reference.saved(theirs, tmp_path_factory.mktemp("sd")))
    return pipeline.to(torch.float64)


@pytest.fixture(scope="module")
def xl(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = reference.saved(families.stable_diffusion_xl(), tmp_path_factory.mktemp("xl"))
    pipeline: Any = engine.DiffusionPipeline.from_pretrained(folder)
    return pipeline.to(torch.float64)


@pytest.fixture(params=["sd", "xl"])
def pipeline(request: pytest.FixtureRequest) -> Any:
    found = request.getfixturevalue(request.param)
    found.scheduler = engine.DDIMScheduler.from_config(reference.scheduler_config())
    return found


def encoded(pipeline: Any, *prompts: tuple[str, float], negative: str = "dog") -> Conditions:
    """The conditions of weighted prompts."""
    made = [pipeline.encode_prompt(prompt, negative_prompt=negative) for prompt, _ in prompts]
    pooled = tuple(each[2] for each in made) if len(made[0]) == 4 else None
    positive = tuple((each[0], weight) for each, (_, weight) in zip(made, prompts, strict=True))
    return Conditions(positive, made[0][1], pooled, made[0][3] if pooled else None)


def run(pipeline: Any, **options: Any) -> tuple[list[Step], Tensor]:
    """All steps of a run, and its latents."""
    steps = pipeline.steps(**{"num_inference_steps": 4, "output_type": "latent", **options})
    seen: list[Step] = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return seen, end.value.images


def test_constant_conditions_are_the_prompt(pipeline: Any) -> None:
    given = encoded(pipeline, ("a cat", 1.0))
    _, expected = run(pipeline, prompt="a cat", negative_prompt="dog", generator=generator())
    _, latents = run(pipeline, conditioning=lambda _index, _total: given, generator=generator())
    assert difference(latents, expected) <= 1e-9
    # Without guidance the negative half is neither needed nor computed.
    positive_only = Conditions(given.positive, None, given.pooled, None)
    _, expected = run(pipeline, prompt="a cat", guidance_scale=1.0, generator=generator())
    _, latents = run(pipeline, conditioning=lambda *_: positive_only, guidance_scale=1.0, generator=generator())
    assert difference(latents, expected) <= 1e-9


def test_other_conditions_at_each_step(pipeline: Any) -> None:
    """A run whose prompt changes is one run to the change and, from its latents, the other prompt's from there."""
    cat, car = encoded(pipeline, ("a cat", 1.0)), encoded(pipeline, ("red car", 1.0))
    asked: list[tuple[int, int]] = []

    def plan(index: int, total: int) -> Conditions:
        asked.append((index, total))
        return cat if index < 2 else car

    steps, latents = run(pipeline, conditioning=plan, generator=generator())
    first, _ = run(pipeline, conditioning=lambda *_: cat, generator=generator())
    assert difference(steps[1].latents, first[1].latents) == 0
    resume = ResumePoint(2, first[1].latents)
    _, expected = run(pipeline, conditioning=lambda *_: car, resume=resume)
    assert difference(latents, expected) <= 1e-9
    assert difference(latents, first[-1].latents) > 1e-2
    assert {total for _, total in asked if total != 4} <= {4}
    assert [index for index, _ in asked][-4:] == [0, 1, 2, 3]


def test_prompts_are_added(pipeline: Any) -> None:
    """AND: u + s (w_1 (c_1 - u) + w_2 (c_2 - u)), each prediction by a UNet call of its own."""
    both = encoded(pipeline, ("a cat", 0.8), ("red car", -0.3))
    steps, _ = run(pipeline, conditioning=lambda *_: both, generator=generator(), guidance_scale=5.0)
    pipeline.scheduler.set_timesteps(4)
    timestep = pipeline.scheduler.timesteps[0]
    shape = steps[0].latents.shape
    latents = torch.randn(shape, generator=generator(), dtype=torch.float64)

    def predict(embeds: Tensor, pooled: Tensor | None) -> Tensor:
        added = {}
        if pooled is not None:
            side = float(shape[-1] * pipeline.vae_scale_factor)
            sizes = torch.tensor([[side, side, 0, 0, side, side]], dtype=torch.float64)
            added = {"added_cond_kwargs": {"text_embeds": pooled, "time_ids": sizes}}
        with torch.no_grad():
            return pipeline.unet(latents, timestep, embeds, **added).sample

    assert both.negative is not None
    nothing = predict(both.negative, both.negative_pooled)
    pooled = both.pooled or (None, None)
    mixed = nothing
    for (embeds, weight), own in zip(both.positive, pooled, strict=True):
        mixed = mixed + 5.0 * weight * (predict(embeds, own) - nothing)
    expected = pipeline.scheduler.step(mixed, timestep, latents).prev_sample
    assert difference(steps[0].latents, expected) <= 1e-9


def test_prompts_of_different_lengths(pipeline: Any) -> None:
    """Embeddings twice as long as others run with them: to attention, tokens said twice are tokens said once."""
    short = encoded(pipeline, ("a cat", 1.0))
    (embeds, weight), *_ = short.positive
    long = Conditions(
        ((torch.cat([embeds, embeds], dim=1), weight),), short.negative, short.pooled, short.negative_pooled
    )
    _, expected = run(pipeline, conditioning=lambda *_: short, generator=generator())
    _, latents = run(pipeline, conditioning=lambda *_: long, generator=generator())
    assert difference(latents, expected) <= 1e-9
    lengths = [each.shape[1] for each in same_length([torch.zeros(1, n, 2) for n in (77, 154, 231)])]
    assert lengths == [462] * 3


def test_batches_of_conditions(pipeline: Any) -> None:
    """One row serves all images; as many rows as images are each one's own; others do not fit."""
    cat, car = encoded(pipeline, ("a cat", 1.0)), encoded(pipeline, ("red car", 1.0))

    def joined(*each: Tensor | None) -> Any:
        return None if each[0] is None else torch.cat([one for one in each if one is not None])

    pooled = None if cat.pooled is None or car.pooled is None else (joined(cat.pooled[0], car.pooled[0]),)
    both = Conditions(
        ((joined(cat.positive[0][0], car.positive[0][0]), 1.0),),
        joined(cat.negative, car.negative),
        pooled,
        joined(cat.negative_pooled, car.negative_pooled),
    )
    draw = [generator(1), generator(2)]
    _, latents = run(pipeline, conditioning=lambda *_: both, generator=draw)
    _, alone = run(pipeline, conditioning=lambda *_: car, generator=generator(2))
    assert difference(latents[1:], alone) <= 1e-9
    _, twice = run(
        pipeline, conditioning=lambda *_: car, num_images_per_prompt=2, generator=[generator(2), generator(3)]
    )
    assert difference(twice[:1], alone) <= 1e-9
    with pytest.raises(InvalidValue, match=r"the conditions are for 2 images, .*3"):
        run(pipeline, prompt=["a", "b", "c"], conditioning=lambda *_: both)


@pytest.mark.parametrize("name", ["DDIM", "EulerAncestralDiscrete", "DPMSolverMultistep", "PNDM", "HeunDiscrete"])
def test_a_run_goes_on_from_any_step(pipeline: Any, name: str) -> None:
    """With the scheduler and the generator as they were, the rest is the same to the bit."""
    pipeline.scheduler = getattr(engine, f"{name}Scheduler").from_config(reference.scheduler_config())
    draw = generator()
    kept: list[tuple[Step, Any, Tensor]] = []
    steps = pipeline.steps("a cat", num_inference_steps=5, output_type="latent", generator=draw)
    try:
        while True:
            step = next(steps)
            kept.append((step, copy.deepcopy(pipeline.scheduler), draw.get_state()))
    except StopIteration as end:
        whole = end.value.images
    for step, scheduler, state in kept[:-1]:
        pipeline.scheduler = scheduler
        again = generator()
        again.set_state(state)
        resume = ResumePoint(step.index + 1, step.latents, step.carried)
        rest, latents = run(pipeline, prompt="a cat", num_inference_steps=5, generator=again, resume=resume)
        assert torch.equal(latents, whole)
        assert [each.index for each in rest] == list(range(step.index + 1, len(kept)))


PICTURE_TASKS: dict[str, dict[str, Any]] = {
    "image-to-image": {"image": picture(), "strength": 0.8},
    "inpaint": {"image": picture(), "mask_image": mask(), "strength": 0.9},
}


@pytest.mark.parametrize("task", PICTURE_TASKS)
def test_picture_tasks_go_on_too(pipeline: Any, task: str) -> None:
    from engine.pipelines.auto import for_task

    other: Any = for_task(pipeline, task)
    other.scheduler = engine.EulerAncestralDiscreteScheduler.from_config(reference.scheduler_config())
    draw = generator()
    options: dict[str, Any] = {
        "prompt": "a cat",
        "num_inference_steps": 5,
        "output_type": "latent",
        **PICTURE_TASKS[task],
    }
    steps = other.steps(generator=draw, **options)
    step = next(steps)
    scheduler, state = copy.deepcopy(other.scheduler), draw.get_state()
    latents = step.latents.clone()
    while (following := next(steps, None)) is not None:
        last = following
    again = generator()
    again.set_state(state)
    other.scheduler = scheduler
    resumed = other.steps(generator=again, resume=ResumePoint(1, latents, step.carried), **options)
    while (following := next(resumed, None)) is not None:
        end = following
    assert torch.equal(end.latents, last.latents)
    assert end.index == last.index


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        (lambda c: Conditions(()), "hold no embeddings|hold no pooled"),
        (lambda c: Conditions(c.positive, None, c.pooled), "hold no negative embeddings, which guidance needs"),
    ],
)
def test_conditions_that_do_not_do(pipeline: Any, conditions: Any, words: str) -> None:
    given = conditions(encoded(pipeline, ("a cat", 1.0)))
    with pytest.raises(InvalidValue, match=words):
        run(pipeline, conditioning=lambda *_: given)


def test_places_that_do_not_exist(pipeline: Any) -> None:
    pipeline.scheduler.set_timesteps(4)
    for index in (-1, 5):
        with pytest.raises(InvalidValue, match=f"a run of 4 steps cannot go on from step {index}"):
            run(pipeline, prompt="a cat", resume=ResumePoint(index, torch.zeros(1, 4, 8, 8)))
    # After the last step there is nothing left to do but to decode.
    latents = torch.rand(1, 4, 8, 8, dtype=torch.float64)
    steps, kept = run(pipeline, prompt="a cat", resume=ResumePoint(4, latents))
    assert (steps, torch.equal(kept, latents)) == ([], True)
    with pytest.raises(InvalidValue, match="steps got prompt twice"):
        pipeline.steps("a", prompt="b")


def test_pooled_embeddings_are_needed(xl: Any) -> None:
    given = encoded(xl, ("a cat", 1.0))
    with pytest.raises(InvalidValue, match="no pooled embeddings, which Stable Diffusion XL needs"):
        run(xl, conditioning=lambda *_: Conditions(given.positive, given.negative))
    two = Conditions(given.positive * 2, given.negative, given.pooled, given.negative_pooled)
    with pytest.raises(InvalidValue, match="1 pooled embeddings for 2 prompts"):
        run(xl, conditioning=lambda *_: two)


def test_weights_without_guidance() -> None:
    parts = [torch.full((1, 2), 1.0), torch.full((1, 2), 4.0)]
    assert combine(None, parts, (1.0, 2.0)).tolist() == [[3.0, 3.0]]
    assert combine(None, parts[:1], (0.5,)).tolist() == [[1.0, 1.0]]
    assert combine(torch.zeros(1, 2), parts, (1.0, 0.5)).tolist() == [[3.0, 3.0]]
    with pytest.raises(InvalidValue, match=r"weights \[1.0, -1.0\] of the prompts add up to 0"):
        combine(None, parts, (1.0, -1.0))
    assert not math.isnan(float(combine(None, parts, (1.0, -0.5)).sum()))
