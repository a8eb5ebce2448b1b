"""Training of the denoiser: it learns, stops and resumes exactly, and its result is a pipeline for everyone."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.errors import ConfigError, InvalidValue, MissingFile
from engine.models.unet_2d_condition import UNet2DConditionModel
from engine.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from engine.training.cache import Encoded, caption_table
from engine.training.checkpoint import load_checkpoint
from engine.training.dataset import load_images
from engine.training.events import CheckpointSaved, Done, Event, ImageSaved, Prepared, Progress, Started
from engine.training.unet import UNetSettings, draw_timesteps, loss_weights, train_unet

Make = Callable[..., UNetSettings]


def last(events: Iterator[Event]) -> Done:
    done = [event for event in events if isinstance(event, Done)]
    assert len(done) == 1
    return done[0]


def differences(first: Any, second: Any, path: str = "") -> list[str]:
    """The places where two nested checkpoints are not equal, bit by bit."""
    if isinstance(first, torch.Tensor):
        return [] if torch.equal(first, second) else [path]
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        return [place for key in first for place in differences(first[key], second[key], f"{path}/{key}")]
    if isinstance(first, list):
        assert len(first) == len(second)
        return [place for i in range(len(first)) for place in differences(first[i], second[i], f"{path}/{i}")]
    return [] if first == second else [path]


def test_a_run_reports_saves_and_ends_with_a_pipeline(unet_settings: Make) -> None:
    settings = unet_settings()
    events = list(train_unet(settings))
    run = Path(settings.out)
    started = next(event for event in events if isinstance(event, Started))
    assert "begins" in started.text
    assert [event.done for event in events if isinstance(event, Prepared) and "images" in event.text][-1] == 12
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.step for event in progress] == [2, 4]
    assert progress[0].seconds_left > progress[1].seconds_left == 0
    assert progress[0].learning_rate == settings.learning_rate
    kinds = {event.kind: event.path for event in events if isinstance(event, ImageSaved)}
    assert set(kinds) == {"loss", "samples"}
    assert all(path.is_file() for path in kinds.values())
    assert [event.path for event in events if isinstance(event, CheckpointSaved)] == [run / "unet.checkpoint.pt"]
    done = events[-1]
    assert isinstance(done, Done)
    assert (done.reason, done.step, done.folder) == ("steps", 4, run / "pipeline")
    assert (run / "pipeline" / "vae" / "latent_preview.json").is_file()


def test_the_result_loads_unchanged_in_diffusers_and_gives_the_same_image(unet_settings: Make) -> None:
    done = last(train_unet(unet_settings()))
    options: dict[str, Any] = {"num_inference_steps": 3, "guidance_scale": 3.0, "output_type": "np"}
    ours = StableDiffusionPipeline.from_pretrained(done.folder)
    ours.set_progress_bar_config(disable=True)
    image = ours("square 1, flat icon", generator=torch.Generator().manual_seed(0), **options).images
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the reference: about its own future versions
        import diffusers

        theirs = diffusers.StableDiffusionPipeline.from_pretrained(str(done.folder))
        theirs.set_progress_bar_config(disable=True)
        expected = theirs("square 1, flat icon", generator=torch.Generator().manual_seed(0), **options).images
    assert theirs.unet.dtype == theirs.text_encoder.dtype == torch.float32
    assert image.shape == (1, 16, 16, 3)
    assert np.abs(image - expected).max() < 1e-4


def test_a_model_that_has_little_to_learn_learns_it(unet_settings: Make) -> None:
    settings = unet_settings(steps=60, batch_size=8, learning_rate=3e-3, log_steps=20)
    losses = [event.loss for event in train_unet(settings) if isinstance(event, Progress)]
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_resumed_run_is_bit_for_bit_the_run_that_was_not_stopped(
    unet_settings: Make, tmp_path: Path, accumulate: int
) -> None:
    shared = {"steps": 6, "batch_size": 3, "accumulate": accumulate, "decay_share": 0.5, "precision": "bf16"}
    whole = unet_settings(**shared, out=str(tmp_path / "whole"))
    last(train_unet(whole))
    parts = unet_settings(**shared, out=str(tmp_path / "parts"))
    stop = threading.Event()
    events: list[Event] = []
    for event in train_unet(parts, stop):
        events.append(event)
        if isinstance(event, Progress):  # at step 2
            stop.set()
    stopped = events[-1]
    assert isinstance(stopped, Done)
    assert (stopped.reason, stopped.step) == ("interrupted", 2)
    assert not (tmp_path / "parts" / "pipeline").exists()
    resumed = list(train_unet(parts))
    assert any(isinstance(event, Started) and "goes on at step 2" in event.text for event in resumed)
    first, second = (load_checkpoint(tmp_path / name / "unet.checkpoint.pt") for name in ("whole", "parts"))
    for content in (first, second):
        assert content.pop("seconds") > 0
        assert content.pop("settings")["steps"] == 6
    assert first["step"] == 6
    assert differences(first, second) == []


def test_closing_the_generator_saves_a_checkpoint(unet_settings: Make) -> None:
    settings = unet_settings(steps=1000)
    events = train_unet(settings)
    for event in events:
        if isinstance(event, Progress):
            break
    events.close()
    assert load_checkpoint(Path(settings.out) / "unet.checkpoint.pt")["step"] == 2


def test_a_run_begins_with_a_trained_denoiser(unet_settings: Make, tmp_path: Path) -> None:
    trained = last(train_unet(unet_settings(dtype="float32"))).folder / "unet"
    still = {"learning_rate": 1e-12, "weight_decay": 0.0, "dtype": "float32", "out": str(tmp_path / "second")}
    again = last(train_unet(unet_settings(begin_with=str(trained), seed=1, **still))).folder / "unet"
    first, second = (UNet2DConditionModel.from_pretrained(folder).state_dict() for folder in (trained, again))
    assert all(torch.allclose(first[key], second[key], atol=1e-7) for key in first)


def test_time_ends_a_run_too(unet_settings: Make) -> None:
    done = last(train_unet(unet_settings(steps=100_000, max_minutes=0.01)))
    assert done.reason == "time"
    assert 0 < done.step < 100_000
    assert (done.folder / "model_index.json").is_file()


def test_latents_and_texts_are_encoded_once(unet_settings: Make) -> None:
    settings = unet_settings(steps=2)
    assert any(isinstance(event, Prepared) for event in list(train_unet(settings)))
    cache = Path(settings.out) / "cache"
    assert np.load(cache / "latents.npy").shape == (12, 4, 8, 8)
    assert np.load(cache / "texts.npy").dtype == np.float16
    again = unet_settings(steps=3)
    assert not any(isinstance(event, Prepared) for event in list(train_unet(again)))


# ---- batches


def encoded() -> Encoded:
    texts = np.arange(6, dtype=np.float16).reshape(6, 1, 1)
    latents = np.arange(2, dtype=np.float16).reshape(2, 1, 1, 1)
    return Encoded(latents, texts, captions=np.array([1, 2, 3, 4, 4, 4, 5]), offsets=np.array([0, 3, 7]))


def test_captions_are_drawn_evenly_from_those_of_the_image() -> None:
    images = np.zeros(6000, dtype=np.int64)
    images[3000:] = 1
    latents, texts = encoded().batch(images, 0.0, torch.Generator().manual_seed(0))
    assert latents.flatten().unique().tolist() == [0.0, 1.0]
    first, second = texts.flatten()[:3000], texts.flatten()[3000:]
    assert [round(float((first == row).float().mean()), 1) for row in (1, 2, 3)] == [0.3, 0.3, 0.3]
    assert abs(float((second == 4).float().mean()) - 0.75) < 0.05
    assert float(first.min()) == 1


def test_captions_are_dropped_as_often_as_asked() -> None:
    images = np.zeros(10_000, dtype=np.int64)
    for share in (0.0, 0.1, 0.5):
        _, texts = encoded().batch(images, share, torch.Generator().manual_seed(0))
        assert abs(float((texts == 0).float().mean()) - share) < 0.02


def test_the_caption_table_begins_with_the_empty_caption(icons: Path) -> None:
    texts, captions, offsets = caption_table(load_images(icons, 16))
    assert texts[0] == ""
    assert len(texts) == 25
    assert [texts[row] for row in captions[offsets[1] : offsets[2]]] == ["square 1, flat icon", "a square 1, flat icon"]


# ---- the noise schedule


def test_timesteps_cover_the_schedule() -> None:
    drawn = draw_timesteps(10, 1000, torch.Generator().manual_seed(0))
    assert [int(t) // 100 for t in drawn] == list(range(10))
    many = torch.cat([draw_timesteps(7, 50, torch.Generator().manual_seed(i)) for i in range(400)])
    assert set(many.tolist()) == set(range(50))


def test_min_snr_weights_are_those_of_the_paper() -> None:
    alphas_cumprod = torch.tensor([0.99, 0.5, 0.1])
    snr = [99.0, 1.0, 1 / 9]
    assert loss_weights(alphas_cumprod, "v_prediction", None).tolist() == [1, 1, 1]
    v = [min(value, 5) / (value + 1) for value in snr]
    epsilon = [min(value, 5) / value for value in snr]
    assert loss_weights(alphas_cumprod, "v_prediction", 5.0).tolist() == pytest.approx(v, rel=1e-4)
    assert loss_weights(alphas_cumprod, "epsilon", 5.0).tolist() == pytest.approx(epsilon, rel=1e-4)
    assert loss_weights(torch.tensor([0.0]), "v_prediction", 5.0).tolist() == [0.0]


# ---- wrong input


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"caption_dropout": 1.0}, ConfigError, "caption_dropout cannot be 1.0"),
        ({"prediction_type": "epsilon"}, ConfigError, "rescale_betas_zero_snr false"),
        ({"prediction_type": "x"}, ConfigError, "prediction_type cannot be 'x'; it must be one of \"epsilon\""),
        ({"accumulate": 0}, ConfigError, "accumulate cannot be 0"),
        ({"min_snr_gamma": 0.0}, ConfigError, "min_snr_gamma cannot be 0.0"),
        ({"images": "/nowhere"}, MissingFile, "/nowhere is missing"),
        ({"vae": "/nowhere"}, MissingFile, "/nowhere"),
        ({"style_weights": {"oil": 2.0}}, InvalidValue, "'oil'"),
        ({"model": {"in_channels": 3}}, ConfigError, "in_channels cannot be 3; the other parts need 4"),
        ({"model": {"block_out_channels": [10]}}, ConfigError, "block_out_channels"),
    ],
)
def test_wrong_settings_leave_one_sentence_and_no_file(
    unet_settings: Make, tmp_path: Path, changes: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as raised:
        list(train_unet(unet_settings(**changes)))
    assert text in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_of_other_settings_is_refused(unet_settings: Make) -> None:
    list(train_unet(unet_settings(steps=1)))
    with pytest.raises(ConfigError, match="was made with batch_size = 4, and now it is 8"):
        list(train_unet(unet_settings(steps=1, batch_size=8)))
