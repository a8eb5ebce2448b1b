"""Adapters through the runner: on the model for their picture, with the words that their files bring along."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from engine.messages import EngineSettings, Event, GenerateRequest, ImageDone, JobFailed, Notice
from engine.runner import Runner


@pytest.fixture
def request_(tiny_sd_folder: Path, tmp_path: Path) -> GenerateRequest:
    return GenerateRequest(
        prompt="a zebra",
        model=str(tiny_sd_folder),
        scheduler="ddim",
        steps=2,
        guidance_scale=7.0,
        seed=3,
        width=32,
        height=32,
        folder=str(tmp_path),
        name="picture",
        on_existing="replace",
        previews=False,
    )


@pytest.fixture
def settings(tmp_path: Path) -> EngineSettings:
    """Empty folders of adapters and of embeddings."""
    for name in ("adapters", "embeddings"):
        (tmp_path / name).mkdir()
    return EngineSettings(adapters=(str(tmp_path / "adapters"),), embeddings=(str(tmp_path / "embeddings"),))


def width_of(folder: Path) -> int:
    tensors = load_file(folder / "text_encoder" / "model.safetensors")
    return next(t.shape[1] for name, t in tensors.items() if name.endswith("token_embedding.weight"))


def an_adapter(folder: Path, strength: float) -> dict[str, torch.Tensor]:
    """A LoRA on one layer of the UNet, in the style of kohya."""
    tensors = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
    name = next(key for key in tensors if key.endswith("attn2.to_v.weight"))
    rows, columns = tensors[name].shape
    key = "lora_unet_" + name.removesuffix(".weight").replace(".", "_")
    return {
        f"{key}.lora_down.weight": torch.randn(1, columns, generator=torch.Generator().manual_seed(1)),
        f"{key}.lora_up.weight": torch.full((rows, 1), strength),
        f"{key}.alpha": torch.tensor(1.0),
    }


def made(runner: Runner, request: GenerateRequest) -> tuple[Any, list[Event]]:
    events = list(runner.run(request))
    failures = [event.message for event in events if isinstance(event, JobFailed)]
    assert not failures
    done = next(event for event in events if isinstance(event, ImageDone))
    return np.asarray(Image.open(done.path)), events


def test_an_adapter_acts_for_its_picture_alone(
    request_: GenerateRequest, settings: EngineSettings, tiny_sd_folder: Path, tmp_path: Path
) -> None:
    save_file(an_adapter(tiny_sd_folder, 3.0), tmp_path / "adapters" / "ink.safetensors")
    runner = Runner(settings)
    plain, _ = made(runner, request_)
    with_ink, events = made(runner, replace(request_, prompt="a zebra <lora:ink:0.8>"))
    assert not np.array_equal(plain, with_ink)
    recipe = next(event.recipe for event in events if isinstance(event, ImageDone))
    kept = json.loads(dict(recipe.extras)["adapters"])
    assert [(one["name"], one["unet"], one["text_encoder"], len(one["sha256"])) for one in kept] == [
        ("ink", 0.8, 0.8, 64)
    ]
    again, _ = made(runner, request_)
    assert np.array_equal(plain, again)


@pytest.mark.parametrize("name", ["zebra", "<zebra>", "old.zebra"])
@pytest.mark.parametrize("kind", ["clip_l", "string_to_param.*"])
def test_words_that_an_adapter_brings(
    request_: GenerateRequest, settings: EngineSettings, tiny_sd_folder: Path, tmp_path: Path, name: str, kind: str
) -> None:
    """As OneTrainer writes them: the picture is that of an embedding in a file of its own, while the adapter is on."""
    vectors = torch.randn(2, width_of(tiny_sd_folder), generator=torch.Generator().manual_seed(2)) * 3
    tensors = an_adapter(tiny_sd_folder, 0.0) | {f"bundle_emb.{name}.{kind}": vectors}
    save_file(tensors, tmp_path / "adapters" / "style.safetensors")
    request_ = replace(request_, prompt=f"a {name}")
    runner = Runner(settings)
    without, _ = made(runner, request_)
    bundled, events = made(runner, replace(request_, prompt=f"a {name} <lora:style>"))
    assert not [event for event in events if isinstance(event, Notice)]
    assert not np.array_equal(without, bundled)
    again, _ = made(runner, request_)
    assert np.array_equal(without, again)
    # A file of that name gives the same; where both are there, the adapter's counts.
    save_file({"emb_params": vectors}, tmp_path / "embeddings" / f"{name}.safetensors")
    alone, _ = made(runner, request_)
    assert np.array_equal(alone, bundled)
    save_file({"emb_params": -vectors}, tmp_path / "embeddings" / f"{name}.safetensors")
    other, _ = made(runner, request_)
    both, _ = made(runner, replace(request_, prompt=f"a {name} <lora:style>"))
    assert not np.array_equal(other, bundled)
    assert np.array_equal(both, bundled)


def test_vectors_of_another_kind_are_reported(
    request_: GenerateRequest, settings: EngineSettings, tiny_sd_folder: Path, tmp_path: Path
) -> None:
    tensors = an_adapter(tiny_sd_folder, 1.0) | {"bundle_emb.zebra.clip_l_out": torch.ones(2, 8)}
    save_file(tensors, tmp_path / "adapters" / "style.safetensors")
    _, events = made(Runner(settings), replace(request_, prompt="a zebra <lora:style>"))
    assert [event.message for event in events if isinstance(event, Notice)] == [
        "1 parts of the adapter style.safetensors have no place in this model."
    ]
