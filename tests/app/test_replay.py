"""A picture's own recipe, read from its file, makes the same pixels again: the real engine and the embedded model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.state.gallery_replay import compare, replay_request
from engine.catalog import EMBEDDED_MODEL
from engine.errors import InvalidValue
from engine.messages import BranchPoint, EngineSettings, GenerateRequest, ImageDone, JobFailed, StepDone
from engine.metadata import read_recipe
from engine.runner import Runner

CASES: dict[str, dict[str, Any]] = {
    "plain": {"prompt_syntax": "plain", "prompt": "a red apple, 3d icon"},
    "weights and choices": {"prompt": "a {red|green|blue} (apple:1.3), [3d icon::3]", "negative_prompt": "{a|b} leaf"},
    "noise at every step": {"scheduler": "dpmsolver++-sde", "sigma_schedule": "karras"},
    "brownian noise": {"scheduler": "dpmpp-sde"},
    "guidance rescale and clip skip": {"guidance_rescale": 0.6, "clip_skip": 1},
    "image to image": {"init_image": "start.png", "strength": 0.7},
    "inpainting": {"init_image": "start.png", "mask_image": "mask.png", "strength": 1.0},
    "second pass": {"hires_scale": 1.5, "hires_steps": 3, "hires_strength": 0.6},
    "its own autoencoder as a file": {"vae": "vae"},
    "half the bits": {"dtype": "bfloat16"},
}


@pytest.fixture
def request_(tmp_path: Path) -> GenerateRequest:
    """Two small pictures; the second is replayed, whose seed the request does not say."""
    return GenerateRequest(
        prompt="a red apple, 3d icon",
        model=EMBEDDED_MODEL,
        scheduler="ddim",
        steps=5,
        guidance_scale=5.0,
        seed=40,
        count=2,
        width=64,
        height=96,
        folder=str(tmp_path),
        name="picture",
        previews=False,
        job_id="job",
    )


def made(request: GenerateRequest, settings: EngineSettings) -> tuple[Path, str]:
    """Make the pictures in a new engine; returns the last one, and the key of its steps."""
    runner, paths, records = Runner(settings), [], [""]
    for event in runner.run(request):
        assert not isinstance(event, JobFailed), event
        if isinstance(event, ImageDone):
            paths.append(Path(event.path))
        if isinstance(event, StepDone):
            records.append(event.record)
    runner.release()
    return paths[-1], records[-1]


def replayed(path: Path, folder: Path, settings: EngineSettings) -> int:
    """Make the picture at `path` again; returns in how many pixels it differs."""
    again = folder / "again"
    again.mkdir(exist_ok=True)
    return compare(path, made(replay_request(read_recipe(path), again), settings)[0]).differing


@pytest.mark.parametrize("case", CASES)
def test_the_same_pixels(case: str, request_: GenerateRequest, tmp_path: Path, root: Path) -> None:
    Image.radial_gradient("L").convert("RGB").save(tmp_path / "start.png")
    mask = Image.new("L", (64, 96))
    mask.paste(255, (10, 20, 50, 80))
    mask.save(tmp_path / "mask.png")
    (tmp_path / "vae").symlink_to(root / "resources" / "models" / EMBEDDED_MODEL / "vae", target_is_directory=True)
    named = {"init_image", "mask_image", "vae"}
    changes = {name: str(tmp_path / value) if name in named else value for name, value in CASES[case].items()}
    path, _ = made(replace(request_, **changes), EngineSettings())
    assert replayed(path, tmp_path, EngineSettings()) == 0


@pytest.mark.parametrize(("mode", "width", "plan"), [("balanced", 576, "tiles"), ("low", 64, "in pieces")])
def test_a_picture_that_was_made_with_little_memory(
    mode: str, width: int, plan: str, request_: GenerateRequest, tmp_path: Path
) -> None:
    request = replace(request_, width=width, height=64, steps=2, count=1)
    path, _ = made(request, EngineSettings(memory_mode=mode))
    recipe = read_recipe(path)
    assert replay_request(recipe, tmp_path).memory_plan == plan
    assert replayed(path, tmp_path, EngineSettings(memory_mode="fast")) == 0
    # An older version did not say it.
    forgot = made(replace(replay_request(recipe, tmp_path), memory_plan=""), EngineSettings(memory_mode="fast"))[0]
    assert (compare(path, forgot).differing > 0) == (plan == "tiles")
    wild = replace(recipe, extras=(("memory_plan", "wild"),))
    with pytest.raises(InvalidValue, match="'wild' for its memory plan, which cannot be read"):
        replay_request(wild, tmp_path)


def test_a_branch_is_replayed_from_the_step_that_it_began_at(request_: GenerateRequest, tmp_path: Path) -> None:
    settings = EngineSettings(records=str(tmp_path / "records"))
    _, record = made(replace(request_, count=1, record=True), settings)
    start = BranchPoint(record, 1)
    branch, _ = made(replace(request_, count=1, scheduler="euler-a", prompt="a blue boat", start=start), settings)
    assert replayed(branch, tmp_path, settings) == 0
    # Also where its steps were dropped: they are made again.
    (tmp_path / "records" / f"{record}.safetensors").unlink()
    assert replayed(branch, tmp_path, settings) == 0
