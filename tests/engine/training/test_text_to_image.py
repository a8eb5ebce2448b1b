"""The whole training: every stage that is not given is trained, one after another, and can be stopped anywhere."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from engine.errors import ConfigError, MissingFile
from engine.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from engine.training.events import Done, Measured, Progress
from engine.training.text_to_image import TextToImageSettings, train_text_to_image
from tests.engine.training.conftest import TINY_UNET
from tests.engine.training.test_autoencoder import TINY_VAE
from tests.engine.training.test_text_encoder import TINY_TEXT


@pytest.fixture
def values(icons: Path, tiny_sd_folder: Path, tmp_path: Path) -> dict[str, Any]:
    """Settings of a run that trains everything, two steps a stage."""
    sentences = tmp_path / "sentences"
    sentences.mkdir()
    (sentences / "phrases.txt").write_text("\n".join("abcdefghijkl") + "\n")
    np.save(sentences / "embeddings.npy", np.eye(12, dtype=np.float16))
    shared = {"steps": 2, "batch_size": 4, "log_steps": 1}
    return {
        "images": str(icons),
        "out": str(tmp_path / "run"),
        "resolution": 16,
        "sentences": str(sentences),
        "tokenizer": str(tiny_sd_folder / "tokenizer"),
        "precision": "no",
        "device": "cpu",
        "text_encoder_settings": {**shared, "model": TINY_TEXT | {"max_position_embeddings": 77}},
        "autoencoder_settings": {**shared, "model": TINY_VAE, "crop": None},
        "text_alignment_settings": {**shared, "blocks": 2},
        "unet_settings": {**shared, "model": TINY_UNET, "sample_steps": 1, "sample_prompts": ["a"]},
    }


def test_all_stages_make_one_pipeline(values: dict[str, Any], tmp_path: Path) -> None:
    events = list(train_text_to_image(TextToImageSettings.from_dict(values)))
    stages = [event.stage for event in events if isinstance(event, Done)]
    assert stages == ["text_encoder", "autoencoder", "text_alignment", "unet"]
    # The denoiser learned from the aligned text encoder, and the pipeline has it.
    run = tmp_path / "run"
    trained, shipped = (
        load_file(folder / "model.safetensors")
        for folder in (run / "aligned/text_encoder", run / "pipeline/text_encoder")
    )
    assert all(torch.equal(trained[name].half(), shipped[name]) for name in shipped)
    # It began with attentions to the blocks that the alignment left.
    figures = [event.figures for event in events if isinstance(event, Measured) and event.stage == "unet"]
    assert len(figures) == 1
    assert "attention to blocks 1" in figures[0]
    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / "run" / "pipeline")
    pipeline.set_progress_bar_config(disable=True)
    assert pipeline("square", num_inference_steps=1).images[0].size == (16, 16)
    saved = TextToImageSettings.from_file(tmp_path / "run" / "settings.json")
    assert saved == TextToImageSettings.from_dict(values)


def test_parts_that_are_given_are_not_trained(values: dict[str, Any], tiny_sd_folder: Path) -> None:
    given = {"text_encoder": str(tiny_sd_folder / "text_encoder"), "vae": str(tiny_sd_folder / "vae")}
    left_out = {"tokenizer": None, "sentences": None, "text_alignment_settings": None}
    settings = TextToImageSettings.from_dict(values | given | left_out)
    assert settings.tokenizer_folder == tiny_sd_folder / "tokenizer"
    events = list(train_text_to_image(settings))
    assert [event.stage for event in events if isinstance(event, Done)] == ["unet"]


def test_a_stopped_run_goes_on_in_the_stage_where_it_was(values: dict[str, Any]) -> None:
    settings = TextToImageSettings.from_dict(values)
    stop = threading.Event()
    done: list[Done] = []
    for event in train_text_to_image(settings, stop):
        if isinstance(event, Progress) and event.stage == "autoencoder":
            stop.set()
        if isinstance(event, Done):
            done.append(event)
    assert [(event.stage, event.reason) for event in done] == [
        ("text_encoder", "steps"),
        ("autoencoder", "interrupted"),
    ]
    again = list(train_text_to_image(settings))
    assert [(event.stage, event.step) for event in again if isinstance(event, Progress)] == [
        ("autoencoder", 2),
        ("text_alignment", 1),
        ("text_alignment", 2),
        ("unet", 1),
        ("unet", 2),
    ]


def test_a_time_limit_is_shared_among_the_stages_that_are_trained(values: dict[str, Any], tiny_sd_folder: Path) -> None:
    values = values | {"text_alignment_settings": None}
    settings = TextToImageSettings.from_dict(values | {"max_minutes": 100.0})
    stages = (settings.text_encoder_stage(), settings.autoencoder_stage(), settings.unet_stage())
    assert [stage.max_minutes for stage in stages if stage] == pytest.approx([15, 25, 60])
    aligned = TextToImageSettings.from_dict(values | {"max_minutes": 115.0, "text_alignment_settings": {}})
    stages = (aligned.text_encoder_stage(), aligned.text_alignment_stage(), aligned.unet_stage())
    assert [stage.max_minutes for stage in stages if stage] == pytest.approx([15, 15, 60])
    without = values | {"max_minutes": 85.0, "text_encoder": str(tiny_sd_folder / "text_encoder")}
    assert TextToImageSettings.from_dict(without).unet_stage().max_minutes == pytest.approx(60)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"sentences": None}, "A text encoder is needed"),
        ({"resolution": 15}, "resolution cannot be 15; it must be a multiple of 2"),
        ({"unet_settings": {"caption_dropout": 3.0}}, "caption_dropout cannot be 3.0"),
        ({"autoencoder_settings": {"color": "red"}}, "AutoencoderSettings has no setting 'color'"),
        ({"text_alignment_settings": {"blocks": 0}}, "blocks cannot be 0"),
    ],
)
def test_wrong_settings_of_any_stage_are_told_at_once(
    values: dict[str, Any], changes: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        TextToImageSettings.from_dict(values | changes)
    assert text in str(raised.value)


def test_missing_images_are_told_before_anything_is_written(values: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="nothing is missing"):
        list(train_text_to_image(TextToImageSettings.from_dict(values | {"images": str(tmp_path / "nothing")})))
    assert not (tmp_path / "run").exists()
