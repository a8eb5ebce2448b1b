"""Single files of every family: detected, loaded to the same networks and pictures as the folder, read by Diffusers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import engine
from engine import queries
from engine.errors import MissingFile
from engine.loading import convert_model, detect, load_pipeline, load_vae, model_info
from engine.loading.configurations import PREDICTION_TYPES
from engine.loading.user_type import UserType, write_user_type
from tests.fixtures import reference_families as families
from tests.fixtures import reference_pipelines as reference
from tests.fixtures.reference_families import difference, picture

TOLERANCE = reference.TOLERANCE
# The reference's Euler schedule under NumPy 2.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    # The reference warns of an upscaler whose latents are scaled otherwise than the published one's.
    pytest.mark.filterwarnings("ignore:The configuration file of the vae:FutureWarning"),
]


def second(name: str = "StableDiffusionPipeline", **unet: Any) -> Any:
    """Stable Diffusion 2: linear projections, and a text encoder with GELU."""
    made = families.stable_diffusion(name, 4, use_linear_projection=True, **unet)
    config = dict(made.text_encoder.config.to_dict(), hidden_act="gelu")
    with reference.seeded():
        made.text_encoder = type(made.text_encoder)(type(made.text_encoder.config)(**config)).eval()
    return made


def lcm() -> Any:
    """Stable Diffusion distilled with an embedding of the guidance."""
    made = reference.stable_diffusion(time_cond_proj_dim=8)
    given: dict[str, Any] = families.parts(made) | {"scheduler": diffusers.LCMScheduler(**reference.scheduler_config())}
    return diffusers.LatentConsistencyModelPipeline(**given, requires_safety_checker=False)


def upscaler() -> Any:
    """The upscaler, four times: it embeds a noise level, and looks at the prompt twice where it attends."""
    made = second(in_channels=7, num_class_embeds=1000, only_cross_attention=(True, False))
    kept = ("text_encoder", "tokenizer", "unet", "scheduler")
    return diffusers.StableDiffusionUpscalePipeline(
        **{name: made.components[name] for name in kept},
        vae=reference.autoencoder(3),
        low_res_scheduler=diffusers.DDPMScheduler(beta_schedule="scaled_linear", beta_start=1e-4, beta_end=0.02),
        max_noise_level=350,
        safety_checker=None,
        feature_extractor=None,
    )


MAKERS: dict[str, tuple[Callable[[], Any], str, str]] = {
    "one": (reference.stable_diffusion, "stable-diffusion", ""),
    "one, deeper": (lambda: reference.stable_diffusion(layers_per_block=2), "stable-diffusion", ""),
    "inpaint": (
        lambda: families.stable_diffusion("StableDiffusionInpaintPipeline", in_channels=9),
        "stable-diffusion",
        "inpaint",
    ),
    "edit": (
        lambda: families.stable_diffusion("StableDiffusionInstructPix2PixPipeline", in_channels=8),
        "stable-diffusion",
        "edit",
    ),
    "lcm": (lcm, "stable-diffusion", "lcm"),
    "two": (second, "stable-diffusion-2", ""),
    "two, inpaint": (lambda: second("StableDiffusionInpaintPipeline", in_channels=9), "stable-diffusion-2", "inpaint"),
    "depth": (lambda: second("StableDiffusionDepth2ImgPipeline", in_channels=5), "stable-diffusion-2", "depth"),
    "upscaler": (upscaler, "stable-diffusion-2", "upscale"),
    "xl": (families.stable_diffusion_xl, "stable-diffusion-xl", ""),
    "xl, inpaint": (
        lambda: families.stable_diffusion_xl("StableDiffusionXLInpaintPipeline", in_channels=9),
        "stable-diffusion-xl",
        "inpaint",
    ),
    "xl, edit": (
        lambda: families.stable_diffusion_xl("StableDiffusionXLInstructPix2PixPipeline", in_channels=8),
        "stable-diffusion-xl",
        "edit",
    ),
    "xl, lcm": (lambda: families.stable_diffusion_xl(time_cond_proj_dim=8), "stable-diffusion-xl", "lcm"),
    "refiner": (
        lambda: families.stable_diffusion_xl("StableDiffusionXLImg2ImgPipeline", refiner=True),
        "stable-diffusion-xl-refiner",
        "",
    ),
}


class Made:
    """A folder that Diffusers wrote, the file made of it, and the same file as other programs write it."""

    def __init__(self, name: str, folder: Path) -> None:
        make, self.family, self.variant = MAKERS[name]
        self.theirs = make()
        self.theirs.set_progress_bar_config(disable=True)
        self.folder = reference.saved(self.theirs, folder / "folder")
        self.own = convert_model(self.folder, folder / "own.safetensors", "float32")
        self.file = folder / "model.safetensors"
        save_file(load_file(self.own), self.file)


@pytest.fixture(scope="module", params=MAKERS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    reference.quiet()
    return Made(request.param, tmp_path_factory.mktemp("single"))


def networks(pipeline: Any) -> dict[str, nn.Module]:
    return {name: part for name, part in pipeline.components.items() if isinstance(part, nn.Module)}


def assert_same_weights(pipeline: Any, other: Any) -> None:
    expected, given = networks(pipeline), networks(other)
    assert expected.keys() == given.keys()
    for name, part in expected.items():
        one, two = part.state_dict(), given[name].state_dict()
        assert one.keys() == two.keys(), name
        for key, tensor in one.items():
            assert torch.equal(tensor, two[key]), f"{name}: {key}"


def test_detected(made: Made) -> None:
    found = detect(made.file)
    assert (found.kind, found.family, found.variant) == ("checkpoint", made.family, made.variant)
    # The second version does not say, but for those of its models that are of one kind alone.
    said = {"upscale": "v", "inpaint": "epsilon", "depth": "epsilon"}.get(made.variant, "")
    prediction = said if made.family == "stable-diffusion-2" else "epsilon"
    assert (found.layout, found.precision, found.prediction) == ("original", "float32", prediction)
    own = detect(made.own)
    assert (own.family, own.variant, own.prediction) == (made.family, made.variant, "epsilon")
    folder = detect(made.folder)
    assert (folder.kind, folder.layout, folder.precision) == ("checkpoint", "folder", "float32")
    named = type(made.theirs).__name__
    # The class of most folders of the second version is that of the first, and these networks are as narrow.
    second = made.family == "stable-diffusion-2" and not ("Depth" in named or "Upscale" in named)
    assert (folder.family, folder.variant) == ("stable-diffusion" if second else made.family, made.variant)


def test_same_networks_and_pictures_as_the_folder(made: Made) -> None:
    folder = engine.DiffusionPipeline.from_pretrained(made.folder)
    single = load_pipeline(made.file, config=made.folder)
    assert type(single) is type(folder)
    assert_same_weights(folder, single)
    options: dict[str, Any] = {"prompt": "a cat", "num_inference_steps": 4, "output_type": "np"}
    if made.variant not in ("", "lcm") or made.family.endswith("refiner"):
        options["image"] = picture(16, 16) if made.variant == "upscale" else picture()
    if made.variant == "inpaint":
        options["mask_image"] = families.mask()
    if made.variant == "depth":
        # Its estimator is no part of the file.
        options["depth_map"] = families.as_tensor(families.mask())[:, 0]
    ours, theirs = (p(**options, generator=reference.generator()).images for p in (single, made.theirs))
    assert difference(ours, theirs) <= TOLERANCE


def test_without_its_folder_the_shapes_say_what_it_is(made: Made) -> None:
    single = load_pipeline(made.file)
    folder = engine.DiffusionPipeline.from_pretrained(made.folder)
    assert type(single).__name__ in (type(folder).__name__, "StableDiffusionPipeline")
    assert_same_weights(folder, single)
    for name in ("block_out_channels", "layers_per_block", "in_channels", "cross_attention_dim", "down_block_types"):
        ours, theirs = single.unet.config[name], folder.unet.config[name]  # pyright: ignore[reportAttributeAccessIssue]
        assert (list(ours) if isinstance(ours, (list, tuple)) else ours) == (
            list(theirs) if isinstance(theirs, (list, tuple)) else theirs
        )


def test_the_reference_reads_the_file(made: Made) -> None:
    """So the names are the true ones."""
    if made.variant == "lcm":
        pytest.skip("the reference has no name for the embedding of the guidance in one file")
    for cls, part in ((diffusers.UNet2DConditionModel, "unet"), (diffusers.AutoencoderKL, "vae")):
        read = cls.from_single_file(str(made.file), config=str(made.folder), subfolder=part, local_files_only=True)
        expected = getattr(made.theirs, part).state_dict()
        assert read.state_dict().keys() == expected.keys()
        assert all(torch.equal(tensor, expected[key]) for key, tensor in read.state_dict().items())


def test_the_reference_reads_the_whole_of_one(tmp_path: Path) -> None:
    reference.quiet()
    made = Made("one", tmp_path)
    read = diffusers.StableDiffusionPipeline.from_single_file(
        str(made.file), config=str(made.folder), local_files_only=True, safety_checker=None
    )
    ours = engine.StableDiffusionPipeline.from_single_file(made.file, config=made.folder, torch_dtype=torch.float32)
    assert type(ours) is engine.StableDiffusionPipeline
    assert_same_weights(engine.DiffusionPipeline.from_pretrained(made.folder), ours)
    for part in ("unet", "vae"):
        mine = getattr(ours, part).state_dict()
        assert all(torch.equal(tensor, mine[key]) for key, tensor in getattr(read, part).state_dict().items())


@pytest.mark.parametrize("suffix", [".ckpt", ".pt"])
@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_checkpoints(tmp_path: Path, suffix: str, zipped: bool) -> None:
    made = Made("one", tmp_path)
    path = tmp_path / f"model{suffix}"
    content = {"state_dict": load_file(made.file), "global_step": 470_000, "epoch": 1}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    found = detect(path)
    assert (found.kind, found.family, found.metadata["global_step"]) == ("checkpoint", "stable-diffusion", "470000")
    assert_same_weights(load_pipeline(made.file), load_pipeline(path))


def test_the_last_layer_of_open_clip_is_left_out(tmp_path: Path) -> None:
    """Stable Diffusion 2 was published with all layers of its text encoder and uses all but the last."""
    made = Made("two", tmp_path)
    tensors = load_file(made.file)
    prefix = "cond_stage_model.model."
    last = f"{prefix}transformer.resblocks.2."
    more = {name.replace(last, last.replace("2", "3")): tensor + 1 for name, tensor in tensors.items() if last in name}
    assert len(more) == 12
    more |= {f"{prefix}text_projection": torch.ones(16, 16), f"{prefix}logit_scale": torch.ones(())}
    save_file({**tensors, **more}, made.file)
    assert_same_weights(engine.DiffusionPipeline.from_pretrained(made.folder), load_pipeline(made.file))


def test_bare_networks_and_another_vae(tmp_path: Path) -> None:
    made = Made("one", tmp_path)
    tensors = load_file(made.file)
    vae = {name.removeprefix("first_stage_model."): t for name, t in tensors.items() if "first_stage" in name}
    changed = {name: tensor * 0.5 for name, tensor in vae.items()}
    for stem, content in (("bare", changed), ("prefixed", {f"first_stage_model.{k}": v for k, v in changed.items()})):
        save_file(content, tmp_path / f"{stem}.safetensors")
        found = detect(tmp_path / f"{stem}.safetensors")
        assert (found.kind, found.layout, found.family) == ("vae", "original", "")
        pipeline: Any = load_pipeline(made.file, vae=tmp_path / f"{stem}.safetensors")
        assert torch.equal(pipeline.vae.decoder.conv_in.weight, changed["decoder.conv_in.weight"])
        assert pipeline.vae.config.scaling_factor == 0.18215
    assert load_vae(made.folder).config.scaling_factor == 0.3
    save_file({k: v for k, v in tensors.items() if "first_stage" not in k}, tmp_path / "without.safetensors")
    with pytest.raises(MissingFile, match="holds no vae"):
        load_pipeline(tmp_path / "without.safetensors")
    whole: Any = load_pipeline(tmp_path / "without.safetensors", vae=made.folder)
    assert whole.vae.config.scaling_factor == 0.18215


def test_round_trip(made: Made, tmp_path: Path) -> None:
    folder = convert_model(made.file, tmp_path / "again", "float32", config=made.folder)
    # A file of our own says itself how it is made.
    own = convert_model(made.own, tmp_path / "own", "float32")
    first = engine.DiffusionPipeline.from_pretrained(made.folder)
    for path in (folder, own):
        again = engine.DiffusionPipeline.from_pretrained(path)
        assert_same_weights(first, again)
        assert type(again) is type(first)
        for name, part in again.components.items():
            if hasattr(part, "config"):
                assert part.config == first.components[name].config, name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "own"]


@pytest.mark.parametrize("precision", ["float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_precisions(tmp_path: Path, precision: str) -> None:
    made = Made("one", tmp_path)
    path = convert_model(made.folder, tmp_path / "small.safetensors", precision, title="A cat's model")
    found = detect(path)
    assert found.precision.startswith((precision, f"mixed: {precision}", "mixed: float16, float8"))
    assert found.metadata["modelspec.title"] == "A cat's model"
    assert found.metadata["modelspec.architecture"] == "stable-diffusion-v1"
    assert model_info(path).name == "A cat's model"
    pipeline: Any = load_pipeline(path)
    exact: Any = load_pipeline(made.file)
    eighth = 0.13 if "e5m2" in precision else 0.07
    expected = exact.unet.state_dict()
    for name, tensor in pipeline.unet.state_dict().items():
        wanted = expected[name]
        assert tensor.dtype == torch.float32
        assert (tensor - wanted).abs().max() <= (eighth if "float8" in precision else 0.004) * wanted.abs().max() + 1e-3


@pytest.mark.parametrize("kind", ["epsilon", "v"])
def test_what_two_predicts_is_measured(tmp_path: Path, kind: str) -> None:
    """A model of the noise passes pure noise through; one of the velocity does not."""
    made = Made("two", tmp_path)
    tensors = load_file(made.file)
    if kind == "epsilon":
        # Through the first and the last convolution alone: a network that knows noise when it sees it.
        unet: Any = made.theirs.unet
        assert unet.config.block_out_channels[0] >= 8
        for name, tensor in tensors.items():
            if name.startswith("model.diffusion_model.") and "skip_connection" not in name:
                tensor.zero_()
        first = tensors["model.diffusion_model.input_blocks.0.0.weight"]
        last = tensors["model.diffusion_model.out.2.weight"]
        for channel in range(4):
            first[channel, channel, 1, 1] = 1.0
            first[channel + 4, channel, 1, 1] = -1.0
            last[channel, channel, 1, 1] = 1.0
            last[channel, channel + 4, 1, 1] = -1.0
        tensors["model.diffusion_model.out.0.weight"].fill_(1.0)
        # The last block's shortcut passes the first convolution's output on.
        name = max(key for key in tensors if "output_blocks" in key and key.endswith("skip_connection.weight"))
        tensors[name].zero_()
        width = tensors[name].shape[0]
        for channel in range(width):
            tensors[name][channel, tensors[name].shape[1] - width + channel] = 1.0
    save_file(tensors, made.file)
    pipeline: Any = load_pipeline(made.file)
    assert pipeline.scheduler.config.prediction_type == ("epsilon" if kind == "epsilon" else "v_prediction")
    assert pipeline.unet.config.sample_size == (64 if kind == "epsilon" else 96)
    assert load_pipeline(made.file, prediction="v").scheduler.config.prediction_type == "v_prediction"  # pyright: ignore[reportAttributeAccessIssue]
    # And a word of the user is believed, wherever the file is used.
    other = "v" if kind == "epsilon" else "epsilon"
    write_user_type(made.file, UserType(prediction=other))
    pipeline = load_pipeline(made.file)
    assert pipeline.scheduler.config.prediction_type == PREDICTION_TYPES[other]
    info = model_info(made.file)
    assert info.prediction == other
    assert queries.scheduler_config(info)["prediction_type"] == PREDICTION_TYPES[other]
    write_user_type(made.own, UserType(prediction=other))
    assert load_pipeline(made.own).scheduler.config.prediction_type == PREDICTION_TYPES[other]  # pyright: ignore[reportAttributeAccessIssue]
    assert model_info(made.own).prediction == other
