"""Image to image, inpainting, editing, depth and upscaling of Stable Diffusion 1 and 2 against Diffusers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
import transformers

import engine
from engine.errors import InvalidValue
from tests.fixtures import reference_families as families
from tests.fixtures import reference_pipelines as reference
from tests.fixtures.reference_families import Pair, both, difference, mask, picture
from tests.fixtures.reference_pipelines import TOLERANCE

reference.quiet()
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
    # What the reference says of one picture for several prompts.
    pytest.mark.filterwarnings("ignore:You have passed .* text prompts:FutureWarning"),
]

IMAGES: dict[str, Any] = {
    "pil": picture(),
    "odd pil": picture(45, 39),
    "tensor": families.as_tensor(picture()),
    "one tensor": families.as_tensor(picture())[0],
    "odd tensor": families.as_tensor(picture(45, 39)),
    "array": families.as_tensor(picture()).permute(0, 2, 3, 1).numpy(),
    "latents": torch.randn(1, 4, 8, 10, generator=reference.generator(9)),
    "list": [picture(), picture(seed=4), picture(seed=5)],
    "list of tensors": [families.as_tensor(picture(seed=seed))[0] for seed in (3, 4, 5)],
}


def set_ddim(pair: Pair) -> Pair:
    families.set_scheduler(pair, "DDIM")
    return pair


@pytest.fixture(scope="module")
def img2img_pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    theirs = families.stable_diffusion("StableDiffusionImg2ImgPipeline")
    return families.paired(theirs, tmp_path_factory.mktemp("img2img"))


@pytest.fixture
def img2img(img2img_pair: Pair) -> Pair:
    return set_ddim(img2img_pair)


class TestImageToImage:
    """`StableDiffusionImg2ImgPipeline`."""

    @pytest.mark.parametrize("kind", IMAGES)
    def test_pictures(self, img2img: Pair, kind: str) -> None:
        prompt = ["a cat", "", "two red apples"] if "list" in kind else "a cat"
        ours, theirs = both(img2img, prompt=prompt, image=IMAGES[kind], eta=0.5)
        assert difference(ours, theirs) <= TOLERANCE

    @pytest.mark.parametrize(
        ("name", "strength"),
        [
            ("DDIM", 0.3),
            ("DDIM", 1.0),
            ("PNDM", 0.8),
            ("EulerDiscrete", 0.5),
            ("EulerDiscrete", 1.0),
            ("EulerAncestralDiscrete", 0.7),
            ("HeunDiscrete", 0.6),
            ("LCM", 0.9),
            ("DPMSolverMultistep", 0.7),
        ],
    )
    def test_strength_and_schedulers(self, img2img: Pair, name: str, strength: float) -> None:
        families.set_scheduler(img2img, name, prediction_type="v_prediction" if name == "HeunDiscrete" else "epsilon")
        ours, theirs = both(img2img, prompt="a cat", image=picture(), strength=strength, num_inference_steps=5)
        assert difference(ours, theirs) <= TOLERANCE

    @pytest.mark.parametrize("guidance_scale", [1.0, 6.0])
    def test_batches(self, img2img: Pair, guidance_scale: float) -> None:
        options: dict[str, Any] = {"prompt": ["a cat", "a dog", "x"], "guidance_scale": guidance_scale}
        ours, theirs = both(img2img, image=picture(), seeds=(1, 2, 3), eta=1.0, **options)
        assert difference(ours, theirs) <= TOLERANCE
        ours, theirs = both(
            img2img, image=picture(), num_images_per_prompt=2, negative_prompt=["a", "b", "c"], **options
        )
        assert difference(ours, theirs) <= TOLERANCE

    def test_the_picture_decides(self, img2img: Pair) -> None:
        one, _ = both(img2img, prompt="a cat", image=picture(), strength=0.5)
        for changes in ({"image": picture(seed=8)}, {"prompt": "a car"}, {"strength": 0.8}, {"seed": 6}):
            other, _ = both(img2img, **{"prompt": "a cat", "image": picture(), "strength": 0.5, **changes})
            assert difference(one, other) > 100 * TOLERANCE, changes

    @pytest.mark.parametrize("schedule", [{"timesteps": [900, 600, 300, 100]}, {"sigmas": [9.0, 3.0, 1.0, 0.3, 0.0]}])
    def test_schedules_of_ones_own(self, img2img: Pair, schedule: dict[str, Any]) -> None:
        families.set_scheduler(img2img, "EulerDiscrete")
        ours, theirs = both(img2img, prompt="a cat", image=picture(), strength=0.6, **schedule)
        assert difference(ours, theirs) <= TOLERANCE

    def test_transparent_and_grey_pictures_are_pictures(self, img2img: Pair) -> None:
        """The reference takes four channels for latents, and fails on one; here both are what they look like."""
        plain, _ = both(img2img, prompt="a cat", image=picture())
        for mode in ("RGBA", "L", "P"):
            converted = picture().convert(mode)
            options: dict[str, Any] = {"num_inference_steps": 3, "output_type": "np"}
            ours = img2img[1]("a cat", converted, generator=reference.generator(), **options)
            expected, _ = both(img2img, prompt="a cat", image=converted.convert("RGB"))
            assert difference(ours.images, expected) <= (0.02 if mode == "P" else TOLERANCE)
        assert difference(ours.images, plain) > 0

    @pytest.mark.parametrize("output_type", ["pil", "np", "pt", "latent"])
    def test_output_types(self, img2img: Pair, output_type: str) -> None:
        ours, theirs = both(img2img, prompt="a cat", image=picture(), output_type=output_type)
        assert type(ours) is type(theirs)
        assert difference(ours[0], theirs[0]) <= (1 if output_type == "pil" else TOLERANCE)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"image": None}, "needs an image"),
            ({"strength": 1.2}, "strength cannot be 1.2"),
            ({"strength": 0.0}, "strength 0.0 leaves none of the 4 steps"),
            ({"strength": 0.1}, "strength 0.1 leaves none of the 4 steps"),
            ({"image": "cat.png"}, "image cannot be a str"),
            ({"image": []}, "list of image is empty"),
            ({"image": torch.zeros(1, 2, 16, 16)}, "image has 2 channels"),
            ({"image": torch.zeros(1, 3, 16, 16, dtype=torch.uint8)}, r"whole numbers \(torch.uint8\)"),
            ({"image": [picture(), torch.zeros(3, 16, 16)]}, "image cannot be a"),
            ({"image": [torch.zeros(3, 16, 16), torch.zeros(3, 8, 16)]}, r"shapes \[\(3, 16, 16\), \(3, 8, 16\)\]"),
            ({"image": [picture()] * 2}, "2 of image do not fit 1 images"),
            ({"image": picture(3, 3)}, "image has 3 x 3 pixels; it needs at least 4"),
            ({"generator": [reference.generator()] * 2}, "2 generators do not fit 1 images"),
        ],
    )
    def test_wrong_arguments(self, img2img: Pair, options: dict[str, Any], words: str) -> None:
        with pytest.raises(InvalidValue, match=words) as caught:
            img2img[1](**{"prompt": "a cat", "image": picture(), "num_inference_steps": 4, **options})
        assert "\n" not in str(caught.value)


@pytest.fixture(scope="module", params=[4, 9])
def inpaint_pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    theirs = families.stable_diffusion("StableDiffusionInpaintPipeline", in_channels=request.param)
    return families.paired(theirs, tmp_path_factory.mktemp("inpaint"))


@pytest.fixture
def inpaint(inpaint_pair: Pair) -> Pair:
    return set_ddim(inpaint_pair)


class TestInpainting:
    """`StableDiffusionInpaintPipeline`, with UNets of 4 and of 9 channels."""

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"strength": 0.6},
            {"prompt": ["a cat", "", "x"], "eta": 0.7},
            {"guidance_scale": 1.0, "strength": 0.999},
            {"height": 24, "width": 36},
            {"num_images_per_prompt": 2, "strength": 0.5},
            {"image": families.as_tensor(picture()), "mask_image": families.as_tensor(mask())},
            {"image": families.as_tensor(picture())[0], "mask_image": families.as_tensor(mask())[0]},
            {"mask_image": mask().convert("RGB")},
            {"padding_mask_crop": 2, "output_type": "pil"},
            {"padding_mask_crop": 9, "output_type": "pil", "image": picture(70, 50), "mask_image": mask(70, 50)},
            {"latents": torch.randn(1, 4, 8, 8, generator=reference.generator(8))},
            {"masked_image_latents": torch.randn(1, 4, 8, 8, generator=reference.generator(8)), "strength": 0.7},
            {"prompt": ["a", "b"], "image": [picture(), picture(seed=7)], "mask_image": [mask(), mask()]},
        ],
    )
    def test_options(self, inpaint: Pair, options: dict[str, Any]) -> None:
        given = {"prompt": "a cat", "image": picture(), "mask_image": mask(), "height": 32, "width": 32, **options}
        ours, theirs = both(inpaint, **given)
        if options.get("output_type") == "pil":
            assert ours[0].size == theirs[0].size == given["image"].size
            assert difference(ours[0], theirs[0]) <= 1
        else:
            assert difference(ours, theirs) <= TOLERANCE

    @pytest.mark.parametrize("name", ["PNDM", "EulerAncestralDiscrete"])
    def test_schedulers(self, inpaint: Pair, name: str) -> None:
        families.set_scheduler(inpaint, name)
        given = {"image": picture(), "mask_image": mask(), "strength": 0.8, "num_inference_steps": 5}
        ours, theirs = both(inpaint, prompt="a cat", **given)
        assert difference(ours, theirs) <= TOLERANCE

    def test_what_is_kept_is_kept(self, inpaint: Pair) -> None:
        """Without any white the 4-channel UNet gives the image's latents back."""
        black = torch.zeros(1, 1, 32, 32)
        latents = torch.randn(1, 4, 8, 8, generator=reference.generator(8))
        if inpaint[1].unet.config.in_channels == 9:
            with pytest.raises(InvalidValue, match="give masked_image_latents too"):
                inpaint[1]("a cat", latents, black, num_inference_steps=2)
        else:
            kept = inpaint[1]("a cat", latents, black, num_inference_steps=2, output_type="latent").images
            assert difference(kept, latents) <= 1e-6

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"image": None}, "inpainting needs the image"),
            ({"mask_image": None}, "inpainting needs the mask_image"),
            ({"strength": -0.1}, "strength cannot be -0.1"),
            ({"height": 30}, "height cannot be 30; it must be a positive multiple of 4"),
            ({"mask_image": torch.zeros(1, 3, 32, 32)}, "mask_image has 3 channels"),
            ({"padding_mask_crop": 3}, "output_type cannot be 'np'"),
            ({"padding_mask_crop": 3, "image": torch.zeros(1, 3, 32, 32)}, "image is a Tensor"),
            (
                {"padding_mask_crop": 3, "mask_image": mask().point(lambda _: 0), "output_type": "pil"},
                "mask_image is black all over",
            ),
            ({"latents": torch.zeros(1, 4, 3, 3)}, r"latents \[1, 4, 3, 3\].*needs \[1, 4, 8, 8\]"),
        ],
    )
    def test_wrong_arguments(self, inpaint: Pair, options: dict[str, Any], words: str) -> None:
        given = {"prompt": "a cat", "image": picture(), "mask_image": mask(), "output_type": "np", **options}
        with pytest.raises(InvalidValue, match=words):
            inpaint[1](num_inference_steps=2, **given)


@pytest.fixture(scope="module")
def edit_pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    theirs = families.stable_diffusion("StableDiffusionInstructPix2PixPipeline", in_channels=8)
    return families.paired(theirs, tmp_path_factory.mktemp("edit"))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"prompt": ["a cat", "", "x"], "negative_prompt": ["a", "b", "c"]},
        {"guidance_scale": 1.0},
        {"image_guidance_scale": 0.9},
        {"image_guidance_scale": 3.0, "num_images_per_prompt": 2},
        {"image": families.as_tensor(picture(45, 39)), "eta": 1.0},
        {"image": IMAGES["latents"], "output_type": "latent"},
    ],
)
@pytest.mark.parametrize("name", ["DDIM", "EulerAncestralDiscrete"])
def test_editing(edit_pair: Pair, name: str, options: dict[str, Any]) -> None:
    families.set_scheduler(edit_pair, name)
    ours, theirs = both(edit_pair, **{"prompt": "a cat", "image": picture(), **options})
    assert difference(ours, theirs) <= TOLERANCE


def test_editing_needs_a_picture_and_its_unet(edit_pair: Pair, img2img: Pair) -> None:
    with pytest.raises(InvalidValue, match="needs an image"):
        edit_pair[1]("a cat")
    wrong = type(edit_pair[1]).from_pipe(img2img[1])
    with pytest.raises(InvalidValue, match="4 input channels; editing by instruction takes 8"):
        wrong("a cat", picture())


@pytest.fixture(scope="module")
def depth_pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    theirs = families.stable_diffusion("StableDiffusionDepth2ImgPipeline", in_channels=5)
    return families.paired(theirs, tmp_path_factory.mktemp("depth"))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"prompt": ["a cat", "", "x"], "strength": 1.0},
        {"guidance_scale": 1.0, "strength": 0.5},
        {"image": picture(45, 39), "num_images_per_prompt": 2},
        {"image": families.as_tensor(picture(45, 39))},
    ],
)
def test_depth(depth_pair: Pair, options: dict[str, Any]) -> None:
    set_ddim(depth_pair)
    depth = torch.rand(1, 20, 24, generator=reference.generator(7))
    ours, theirs = both(depth_pair, **{"prompt": "a cat", "image": picture(), "depth_map": depth, **options})
    assert difference(ours, theirs) <= TOLERANCE


@pytest.mark.filterwarnings("ignore:In CPU autocast:UserWarning")  # the reference asks for it in float32
def test_an_estimator_of_transformers(tmp_path: Path) -> None:
    """A folder as published: with a depth estimator, and the earlier name of what prepares pictures for it."""
    theirs = families.stable_diffusion("StableDiffusionDepth2ImgPipeline", in_channels=5)
    config = transformers.DPTConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=8,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        is_hybrid=False,
    )
    with reference.seeded(6):
        estimator = transformers.DPTForDepthEstimation(config).eval()
    extractor = transformers.DPTImageProcessorPil(size={"height": 32, "width": 32})
    base = families.parts(theirs) | {"depth_estimator": estimator, "feature_extractor": extractor}
    theirs = diffusers.StableDiffusionDepth2ImgPipeline(**base)
    folder = reference.saved(theirs, tmp_path)
    index = json.loads((folder / "model_index.json").read_text())
    index["feature_extractor"] = ["transformers", "DPTFeatureExtractor"]
    (folder / "model_index.json").write_text(json.dumps(index))
    theirs.set_progress_bar_config(disable=True)
    pair = theirs, engine.DiffusionPipeline.from_pretrained(folder)
    set_ddim(pair)
    ours, wanted = both(pair, prompt="a cat", image=picture())
    assert difference(ours, wanted) <= TOLERANCE


def test_depth_is_estimated_or_given(depth_pair: Pair) -> None:
    """Any estimator with the interface of transformers serves; without one a depth map must be given."""

    class Estimator(torch.nn.Module):
        dtype = torch.float32

        def forward(self, pixels: torch.Tensor) -> Any:
            return type("Depth", (), {"predicted_depth": pixels.mean(1)})

    class Extractor:
        def __call__(self, images: list[Any], return_tensors: str) -> Any:
            assert return_tensors == "pt"
            return type("Features", (), {"pixel_values": torch.cat([families.as_tensor(image) for image in images])})

    ours = depth_pair[1]
    options: dict[str, Any] = {"num_inference_steps": 3, "output_type": "np"}
    estimating = type(ours).from_pipe(ours, depth_estimator=Estimator(), feature_extractor=Extractor())
    estimated = estimating("a cat", picture(), generator=reference.generator(), **options).images
    depth = families.as_tensor(picture()).mean(1)
    given = ours("a cat", picture(), depth, generator=reference.generator(), **options).images
    assert difference(estimated, given) <= 1e-6
    with pytest.raises(InvalidValue, match="has no depth_estimator"):
        ours("a cat", picture())
    with pytest.raises(InvalidValue, match=r"depth_map has the shape \[20, 24\]"):
        ours("a cat", picture(), depth[0, :20, :24])
    flat = ours("a cat", picture(), torch.ones(1, 8, 8), **options).images
    assert np.isfinite(flat).all()


@pytest.fixture(scope="module")
def upscale_pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    base = families.parts(reference.stable_diffusion(3, in_channels=7, num_class_embeds=400))
    base = {key: base[key] for key in ("vae", "text_encoder", "tokenizer", "unet", "scheduler")}
    base["vae"].register_to_config(scaling_factor=0.08333)
    low = diffusers.DDPMScheduler.from_config(reference.scheduler_config())
    theirs = diffusers.StableDiffusionUpscalePipeline(**base, low_res_scheduler=low)
    return families.paired(theirs, tmp_path_factory.mktemp("upscale"))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"noise_level": 350, "guidance_scale": 1.0},
        {"prompt": ["a cat", "x"], "image": [picture(12, 8), picture(12, 8, seed=4)], "negative_prompt": ["a", "b"]},
        {"image": families.as_tensor(picture(13, 9)), "num_images_per_prompt": 2, "eta": 1.0},
        {"image": picture(13, 9)},
    ],
)
def test_four_times_larger(upscale_pair: Pair, options: dict[str, Any]) -> None:
    set_ddim(upscale_pair)
    ours, theirs = both(upscale_pair, **{"prompt": "a cat", "image": picture(12, 8), **options})
    assert ours.shape[1:3] == (32, 48)
    assert difference(ours, theirs) <= TOLERANCE


def test_upscaling_says_what_is_wrong(upscale_pair: Pair) -> None:
    with pytest.raises(InvalidValue, match="noise_level cannot be 351; it goes from 0 to 350"):
        upscale_pair[1]("a cat", picture(12, 8), noise_level=351)
    with pytest.raises(InvalidValue, match="needs an image"):
        upscale_pair[1]("a cat")


PLAIN_UNET: dict[str, Any] = {"time_cond_proj_dim": 128 + 16}
# The layout of the published model.
PUBLISHED_UNET: dict[str, Any] = {
    "act_fn": "gelu",
    "attention_head_dim": 8,
    "norm_num_groups": None,
    "block_out_channels": (32, 64, 64),
    "conv_in_kernel": 1,
    "conv_out_kernel": 1,
    "down_block_types": ("KDownBlock2D", "KCrossAttnDownBlock2D", "KCrossAttnDownBlock2D"),
    "up_block_types": ("KCrossAttnUpBlock2D", "KCrossAttnUpBlock2D", "KUpBlock2D"),
    "mid_block_type": None,
    "layers_per_block": 2,
    "resnet_time_scale_shift": "scale_shift",
    "time_cond_proj_dim": 128 + 16,
    "timestep_post_act": "gelu",
}


@pytest.fixture(scope="module", params=["plain", "published"])
def latent_upscale_pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    theirs = families.stable_diffusion(
        "StableDiffusionLatentUpscalePipeline",
        in_channels=8,
        out_channels=5,
        time_embedding_type="fourier",
        flip_sin_to_cos=True,
        **(PLAIN_UNET if request.param == "plain" else PUBLISHED_UNET),
    )
    theirs.scheduler = diffusers.EulerDiscreteScheduler(prediction_type="sample")
    # This pipeline takes the states before the norm; those of the loud encoder would make chaos of rounding errors.
    with torch.no_grad():
        for weight in theirs.text_encoder.encoder.layers.parameters():
            weight.mul_(0.1)
        theirs.text_encoder.embeddings.token_embedding.weight.mul_(0.1)
        theirs.text_encoder.embeddings.position_embedding.weight.mul_(0.1)
    return families.paired(theirs, tmp_path_factory.mktemp("latent_upscale"))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"image": picture()},
        {"image": families.as_tensor(picture()), "guidance_scale": 0},
        {
            "prompt": ["a cat", "", "x"],
            "image": IMAGES["latents"].repeat(3, 1, 1, 1),
            "negative_prompt": ["a", "b", "c"],
        },
    ],
)
def test_twice_larger(latent_upscale_pair: Pair, options: dict[str, Any]) -> None:
    for pipeline, cls in zip(latent_upscale_pair, (diffusers, engine), strict=True):
        pipeline.scheduler = cls.EulerDiscreteScheduler(prediction_type="sample")
    given = {"prompt": "a cat", "image": IMAGES["latents"], **options}
    ours, theirs = both(latent_upscale_pair, **given)
    assert ours.shape[1:3] == (64, 80)
    assert difference(ours, theirs) <= TOLERANCE


def test_sizes_that_the_published_upscaler_cannot_halve(latent_upscale_pair: Pair) -> None:
    ours = latent_upscale_pair[1]
    if ours.unet.config.norm_num_groups is None:
        with pytest.raises(InvalidValue, match="cannot be halved in every stage"):
            ours("a cat", torch.zeros(1, 4, 9, 10), num_inference_steps=1)
    with pytest.raises(InvalidValue, match="norm_num_groups is null, but DownBlock2D needs a number"):
        engine.UNet2DConditionModel(norm_num_groups=None, down_block_types=("DownBlock2D",) * 4)
