"""The switches: none can be set wrong, each changes the picture as it should, and off they change nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from engine.errors import InvalidValue
from engine.messages import GenerateRequest, ImageDone, JobFailed
from engine.metadata import read_recipe
from engine.models.autoencoder_tiny import AutoencoderTiny
from engine.models.deep_cache import DeepCache
from engine.models.token_merging import TokenMerging
from engine.models.unet_2d_condition import UNet2DConditionModel
from engine.pipelines.base import DiffusionPipeline
from engine.runner import Runner
from engine.switches import OFF, Switches
from tests.engine.test_run_preview import write_tiny
from tests.fixtures.requests import small_request


@pytest.fixture
def request_(tiny_sd_folder: Path, tmp_path: Path) -> GenerateRequest:
    """Four steps of a tiny model into an empty folder."""
    return small_request(tiny_sd_folder, tmp_path / "pictures", steps=4)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    return tmp_path / "pictures"


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    """One runner for all tests, which keeps the model loaded."""
    runner = Runner()
    yield runner
    runner.release()


def picture(runner: Runner, request: GenerateRequest, **switches: Any) -> tuple[np.ndarray[Any, Any], Path]:
    """The pixels that `request` gives with these switches, and their file."""
    events = list(runner.run(replace(request, switches=Switches(**switches))))
    (done,) = [event for event in events if isinstance(event, ImageDone)] or [events[-1]]
    assert isinstance(done, ImageDone), done
    with Image.open(done.path) as image:
        return np.asarray(image), Path(done.path)


def refused(runner: Runner, request: GenerateRequest, **switches: Any) -> str:
    failed = list(runner.run(replace(request, switches=Switches(**switches))))[-1]
    assert isinstance(failed, JobFailed)
    assert failed.wrong_input
    return failed.message


# ---------------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"deep_cache": 0}, "DeepCache interval 0 is out of range"),
        ({"deep_cache": 11}, "from 1 to 10"),
        ({"deep_cache": 1.5}, "not 1.5"),
        ({"token_merging": 0.8}, "share of merged tokens 0.8"),
        ({"guidance_from": -0.1}, "start of guidance -0.1"),
        ({"guidance_from": 0.5, "guidance_until": 0.5}, "from 0.5 to 0.5"),
        ({"final_autoencoder": 3}, "final autoencoder cannot be 3"),
        ({"unet_precision": "int4"}, "unet precision 'int4' is unknown"),
        ({"vae_precision": "int8"}, "vae precision 'int8' is unknown"),
        ({"compiled": 1}, "not by 1"),
    ],
)
def test_a_wrong_value_is_named_with_its_remedy(values: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidValue, match=r"[;,]") as caught:
        Switches(**values)
    assert words in str(caught.value)


def test_they_go_through_json_and_back(request_: GenerateRequest) -> None:
    switches = Switches(deep_cache=3, guidance_from=0.25, final_autoencoder="/a", compiled=True)
    assert switches.to_json() == {
        "deep_cache": 3,
        "guidance_from": 0.25,
        "final_autoencoder": "/a",
        "compiled": True,
    }
    assert OFF.to_json() == {}
    request = replace(request_, switches=switches)
    assert GenerateRequest.from_values(json.loads(json.dumps(asdict(request)))) == request


@pytest.mark.parametrize(("values", "words"), [([], "cannot be []"), ({"deep_cash": 2}, "no switch 'deep_cash'")])
def test_what_are_no_switches_is_refused(values: object, words: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        Switches.from_json(values)
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["unet_precision", "text_precision"])
def test_float8_is_refused_where_the_device_has_none(name: str) -> None:
    values: dict[str, Any] = {name: "float8"}
    with pytest.raises(InvalidValue, match="float8 cannot be kept on the device mps:0; choose float16"):
        Switches(**values).check_backend("mps:0")
    for device in ("cpu", "cuda:0"):
        Switches(**values).check_backend(device)
    Switches(vae_precision="float16", unet_precision="int8").check_backend("mps")


# ---------------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize(
    "switches",
    [{"deep_cache": 2}, {"guidance_until": 0.5}, {"token_merging": 0.5}],
    ids=lambda switches: next(iter(switches)),
)
def test_each_changes_the_picture_and_leaves_the_next_one_alone(
    runner: Runner, request_: GenerateRequest, pictures: Path, switches: dict[str, Any]
) -> None:
    plain, _ = picture(runner, request_)
    changed, _ = picture(runner, request_, **switches)
    after, path = picture(runner, request_)
    assert not np.array_equal(plain, changed)
    assert np.array_equal(plain, after)
    assert "switches" not in dict(read_recipe(path).extras)


def test_the_recipe_makes_the_same_picture_again(runner: Runner, request_: GenerateRequest, pictures: Path) -> None:
    pixels, path = picture(runner, request_, deep_cache=3, guidance_from=0.25, token_merging=0.25)
    kept = json.loads(dict(read_recipe(path).extras)["switches"])
    assert kept == {"deep_cache": 3, "guidance_from": 0.25, "token_merging": 0.25}
    again, _ = picture(runner, request_, **kept)
    assert np.array_equal(pixels, again)


def test_a_tiny_autoencoder_decodes_the_finished_picture(
    runner: Runner, request_: GenerateRequest, pictures: Path, tmp_path: Path
) -> None:
    write_tiny(tmp_path / "taesd")
    pixels, _ = picture(runner, request_, final_autoencoder=str(tmp_path / "taesd"))
    pipeline: Any = DiffusionPipeline.from_pretrained(request_.model)
    pipeline.scheduler = _scheduler(pipeline)
    latents = pipeline(
        "a red apple",
        num_inference_steps=4,
        guidance_scale=5.0,
        output_type="latent",
        generator=torch.Generator().manual_seed(7),
    ).images
    with torch.no_grad():
        decoded = AutoencoderTiny.from_pretrained(tmp_path / "taesd").decode(latents).sample[0]
    expected = ((decoded + 1) * 127.5).clamp(0, 255).round().byte().permute(1, 2, 0).numpy()
    assert np.array_equal(pixels, expected)
    plain, _ = picture(runner, request_)
    assert not np.array_equal(plain, pixels)


def _scheduler(pipeline: Any) -> Any:
    from engine.queries import make_scheduler

    return make_scheduler("ddim", "default", pipeline.scheduler.config)


def test_a_tiny_autoencoder_that_does_not_fit_is_refused_before_any_step(
    runner: Runner, request_: GenerateRequest, pictures: Path, tmp_path: Path
) -> None:
    write_tiny(tmp_path / "other", channels=16)
    assert "of 16 channels" in refused(runner, request_, final_autoencoder=str(tmp_path / "other"))
    assert "no tiny autoencoder" in refused(runner, request_, final_autoencoder=str(tmp_path / "nowhere"))
    assert list(pictures.iterdir()) == []


# ---------------------------------------------------------------------------------------------------- DeepCache


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    network = UNet2DConditionModel(
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=12,
        attention_head_dim=2,
    )
    return network.eval()


def predict(unet: UNet2DConditionModel, sample: Tensor, cache: DeepCache | None) -> Tensor:
    prompt = torch.ones(len(sample), 3, 12)
    with torch.no_grad():
        return unet(sample, 10, prompt, deep_cache=cache, return_dict=False)[0]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_whole_calls_are_exact_and_short_ones_use_what_they_left(unet: UNet2DConditionModel) -> None:
    cache = DeepCache(3)
    first, second = noise(2, 4, 8, 8), noise(2, 4, 8, 8, seed=1)
    assert torch.equal(predict(unet, first, cache), predict(unet, first, None))
    # Of the same sample, the short way gives the same: nothing in between changed.
    assert torch.equal(predict(unet, first, cache), predict(unet, first, None))
    short = predict(unet, second, cache)
    assert not torch.equal(short, predict(unet, second, None))
    assert torch.equal(predict(unet, second, cache), predict(unet, second, None))
    assert (cache.whole_calls, cache.short_calls) == (2, 2)


def test_a_short_call_runs_the_last_layer_only(unet: UNet2DConditionModel) -> None:
    worked: list[str] = []
    handles = [
        module.register_forward_hook(lambda _module, _inputs, _output, name=name: worked.append(name))
        for name, module in unet.named_modules()
        if name.endswith("conv1")
    ]
    cache = DeepCache(2)
    predict(unet, noise(1, 4, 8, 8), cache)
    assert len(worked) == 8
    worked.clear()
    predict(unet, noise(1, 4, 8, 8), cache)
    for handle in handles:
        handle.remove()
    assert worked == ["up_blocks.1.resnets.1.conv1"]


def test_another_batch_needs_a_whole_call(unet: UNet2DConditionModel) -> None:
    cache = DeepCache(5)
    predict(unet, noise(2, 4, 8, 8), cache)
    sample = noise(1, 4, 8, 8)
    assert torch.equal(predict(unet, sample, cache), predict(unet, sample, None))
    assert cache.whole_calls == 2


def test_a_controlnet_and_deep_cache_are_refused_together(unet: UNet2DConditionModel) -> None:
    residuals = [torch.zeros(1)]
    with pytest.raises(InvalidValue, match="ControlNet"):
        unet(
            noise(1, 4, 8, 8),
            10,
            torch.ones(1, 3, 12),
            down_block_additional_residuals=residuals,
            mid_block_additional_residual=residuals[0],
            deep_cache=DeepCache(2),
        )


# ---------------------------------------------------------------------------------------------------- guidance


def test_outside_the_interval_the_negative_prompt_is_not_computed(tiny_sd_folder: Path) -> None:
    pipeline: Any = DiffusionPipeline.from_pretrained(tiny_sd_folder)
    batches: list[int] = []
    handle = pipeline.unet.register_forward_pre_hook(lambda _unet, inputs: batches.append(len(inputs[0])))
    steps = pipeline.steps(
        "an apple",
        num_inference_steps=10,
        guidance_scale=5.0,
        output_type="latent",
        generator=torch.Generator().manual_seed(0),
        switches=Switches(guidance_from=0.25, guidance_until=0.6),
    )
    list(steps)
    handle.remove()
    assert batches[:10] == [1, 1, 1, 2, 2, 2, 1, 1, 1, 1]


def test_without_guidance_at_any_step_it_is_that_of_scale_one(
    runner: Runner, request_: GenerateRequest, pictures: Path
) -> None:
    unguided, _ = picture(runner, replace(request_, guidance_scale=1.0))
    hardly, _ = picture(runner, request_, guidance_from=0.9, guidance_until=1.0)
    assert np.array_equal(unguided, hardly)  # of four steps, none begins after nine tenths


# ---------------------------------------------------------------------------------------------------- token merging


@pytest.mark.parametrize("size", [(4, 6), (5, 7), (2, 3)])
def test_merging_none_puts_every_token_back(size: tuple[int, int]) -> None:
    tokens = noise(2, size[0] * size[1], 8)
    merging = TokenMerging(tokens, size, 0.0)
    assert torch.equal(merging.split(merging.merge(tokens)), tokens)


def test_the_most_alike_are_merged_into_their_mean() -> None:
    tokens = torch.eye(16).unsqueeze(0).clone()
    merging = TokenMerging(tokens, (4, 4), 0.5)
    assert merging.merge(tokens).shape == (1, 8, 16)
    # In a picture of two halves, merging within each changes nothing.
    halves = torch.cat([torch.ones(1, 8, 4), -torch.ones(1, 8, 4)], dim=1)
    merging = TokenMerging(halves, (4, 4), 0.75)
    merged = merging.merge(halves)
    assert merged.shape == (1, 4, 4)
    assert torch.equal(merging.split(merged), halves)


def test_only_the_largest_attentions_merge() -> None:
    network = UNet2DConditionModel(
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=12,
        attention_head_dim=2,
    )
    network.set_token_merging(0.5)
    shares = {
        name: module.token_merging for name, module in network.named_modules() if hasattr(module, "token_merging")
    }
    merged = {name for name, share in shares.items() if share}
    assert merged == {"down_blocks.0.attentions.0", "up_blocks.1.attentions.0", "up_blocks.1.attentions.1"}
    assert len(shares) == 7
    with pytest.raises(InvalidValue, match="0.9"):
        network.set_token_merging(0.9)
