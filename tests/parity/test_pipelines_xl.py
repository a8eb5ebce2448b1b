"""Stable Diffusion XL (base, refiner, image to image, inpainting) and latent consistency models against Diffusers.

XL in double precision (see `in_float64`), and one run in single.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

import engine
from engine.errors import InvalidValue
from tests.fixtures import reference_families as families
from tests.fixtures import reference_pipelines as reference
from tests.fixtures.reference_families import Pair, both, difference, mask, picture
from tests.fixtures.reference_pipelines import TOLERANCE, generator

reference.quiet()
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:You have passed .* text prompts:FutureWarning"),
]


@pytest.fixture(scope="module")
def base_pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return families.in_float64(families.paired(families.stable_diffusion_xl(), tmp_path_factory.mktemp("xl")))


@pytest.fixture
def base(base_pair: Pair) -> Pair:
    families.set_scheduler(base_pair, "EulerDiscrete")
    return base_pair


def of_class(pair: Pair, name: str, **changes: Any) -> Pair:
    """Both pipelines in the class `name`, over the same parts."""
    theirs = families.as_class(pair[0], name, add_watermarker=False, **changes)
    return theirs, getattr(engine, name).from_pipe(pair[1], **changes)


@pytest.fixture(scope="module")
def refiner(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    made = families.stable_diffusion_xl("StableDiffusionXLImg2ImgPipeline", refiner=True)
    pair = families.paired(made, tmp_path_factory.mktemp("refiner"))
    families.in_float64(pair)
    assert pair[1].text_encoder is None
    assert pair[1].requires_aesthetics_score
    return pair


@pytest.fixture(scope="module", params=[4, 9])
def inpaint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    made = families.stable_diffusion_xl("StableDiffusionXLInpaintPipeline", in_channels=request.param)
    return families.in_float64(families.paired(made, tmp_path_factory.mktemp("inpaint")))


@pytest.fixture(scope="module")
def lcm(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    made = families.stable_diffusion("LatentConsistencyModelPipeline", time_cond_proj_dim=32)
    made.scheduler = diffusers.LCMScheduler(**reference.scheduler_config())
    return families.paired(made, tmp_path_factory.mktemp("lcm"))


class TestTextToImage:
    """`StableDiffusionXLPipeline`."""

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"prompt": ["a cat", "", "x"], "num_images_per_prompt": 2, "guidance_scale": 2.0},
            {"prompt_2": "oil", "negative_prompt": "dog", "negative_prompt_2": "photo"},
            {"prompt": ["a", "b"], "prompt_2": ["c", "d"], "negative_prompt": ["e", "f"]},
            {"negative_prompt": ""},
            {"guidance_scale": 1.0},
            {"guidance_rescale": 0.7, "height": 24, "width": 40},
            {"clip_skip": 1},
            {"denoising_end": 0.6},
            {"original_size": (50, 60), "crops_coords_top_left": (3, 4), "target_size": (70, 80)},
            {
                "negative_original_size": (9, 8),
                "negative_crops_coords_top_left": (1, 2),
                "negative_target_size": (5, 6),
            },
            {"latents": torch.randn(1, 4, 8, 8, generator=generator(8), dtype=torch.float64), "output_type": "latent"},
            {"sigmas": [9.0, 2.0, 0.5, 0.0]},
        ],
    )
    def test_options(self, base: Pair, options: dict[str, Any]) -> None:
        ours, theirs = both(base, **{"prompt": "a cat", **options})
        assert difference(ours, theirs) <= TOLERANCE

    @pytest.mark.parametrize("name", ["DDIM", "EulerAncestralDiscrete", "DPMSolverMultistep"])
    @pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
    def test_schedulers(self, base: Pair, name: str, prediction_type: str) -> None:
        # At zero signal noise tells nothing of the picture: only velocity can be predicted there.
        zero_snr = name == "DDIM" and prediction_type == "v_prediction"
        config = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"} if zero_snr else {}
        families.set_scheduler(base, name, prediction_type=prediction_type, **config)
        ours, theirs = both(base, prompt=["a cat", "x", ""], seeds=(1, 2, 3), eta=0.5, guidance_rescale=0.3)
        assert difference(ours, theirs) <= TOLERANCE

    def test_single_precision(self, tmp_path: Path) -> None:
        pair = families.paired(families.stable_diffusion_xl(), tmp_path)
        ours, theirs = both(pair, prompt="a cat", guidance_scale=2.0, num_inference_steps=3)
        assert difference(ours, theirs) <= TOLERANCE

    def test_embeddings_given(self, base: Pair) -> None:
        embeds = torch.randn(2, 2, 24, 32, generator=generator(1))
        pooled = torch.randn(2, 2, 12, generator=generator(2))
        given = {"prompt_embeds": embeds[0], "negative_prompt_embeds": embeds[1]}
        given |= {"pooled_prompt_embeds": pooled[0], "negative_pooled_prompt_embeds": pooled[1]}
        ours, theirs = both(base, **given)
        assert difference(ours, theirs) <= TOLERANCE

    def test_encode_prompt(self, base: Pair) -> None:
        arguments: dict[str, Any] = {"num_images_per_prompt": 2, "negative_prompt": "dog", "prompt_2": "oil"}
        ours, theirs = base[1].encode_prompt("a cat", **arguments), base[0].encode_prompt("a cat", **arguments)
        for mine, their in zip(ours, theirs, strict=True):
            assert difference(mine, their.detach()) <= TOLERANCE

    def test_a_callback(self, base: Pair) -> None:
        def change(pipeline: Any, index: int, _: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            pipeline._interrupt = index == 2
            return {name: tensor * 0.9 for name, tensor in tensors.items()}

        names = ["latents", "prompt_embeds", "add_text_embeds", "add_time_ids"]
        ours, theirs = both(base, prompt="a cat", callback_on_step_end=change, callback_on_step_end_tensor_inputs=names)
        assert difference(ours, theirs) <= TOLERANCE

    def test_sizes_of_the_negative_prompt_in_a_batch(self, base: Pair) -> None:
        """Each picture of a batch is the one made alone.

        The reference hands the sizes of a batch to the wrong halves (negative and positive in turns), so that the
        pictures of a batch are not those made alone; it is right for a single picture.
        """
        sizes: dict[str, Any] = {"negative_original_size": (9, 8), "negative_target_size": (500, 600)}
        ours, theirs = both(base, prompt=["a cat", "x"], seeds=(1, 2), **sizes)
        alone, right = both(base, prompt="a cat", seeds=(1,), **sizes)
        assert difference(alone, right) <= TOLERANCE
        assert difference(ours[:1], alone) <= TOLERANCE
        assert difference(theirs[:1], right) > TOLERANCE

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"prompt": None}, "give a prompt, or prompt_embeds"),
            ({"prompt_2": 3}, "prompt must be a text or a list of texts, not 3"),
            ({"prompt": None, "prompt_embeds": torch.zeros(1, 24, 32)}, "without pooled ones"),
            ({"prompt": None, "prompt_2": "x", "prompt_embeds": torch.zeros(1, 24, 32)}, "cannot both be given"),
            ({"prompt_2": ["a", "b"]}, "2 of prompt_2 and 1 prompts"),
            ({"denoising_end": 1.5}, "denoising_end cannot be 1.5"),
            ({"clip_skip": 5}, "clip_skip cannot be 5; this text encoder has 2 layers"),
            ({"height": 30}, "height cannot be 30"),
        ],
    )
    def test_wrong_arguments(self, base: Pair, options: dict[str, Any], words: str) -> None:
        with pytest.raises(InvalidValue, match=words):
            base[1](**{"prompt": "a cat", "num_inference_steps": 2, **options})
        with pytest.raises(InvalidValue, match="no invisible watermark"):
            engine.StableDiffusionXLPipeline(**base[1].components, add_watermarker=True)


class TestImageToImage:
    """`StableDiffusionXLImg2ImgPipeline` with base and refiner."""

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"strength": 1.0, "image": picture(45, 39)},
            {"prompt": ["a", "b", "c"], "image": families.as_tensor(picture()).double(), "eta": 1.0, "strength": 0.7},
            {"guidance_scale": 1.0, "strength": 0.5, "num_images_per_prompt": 2},
            {"denoising_start": 0.5, "image": torch.randn(1, 4, 8, 10, generator=generator(9), dtype=torch.float64)},
            {"denoising_start": 0.3, "denoising_end": 0.8},
            {"strength": 0.9, "denoising_end": 0.7},
            {"negative_original_size": (9, 8), "negative_target_size": (5, 6), "prompt": ["a", "b"], "strength": 0.6},
        ],
    )
    def test_base(self, base: Pair, options: dict[str, Any]) -> None:
        pair = of_class(base, "StableDiffusionXLImg2ImgPipeline")
        # Of second order, where begin and end must not fall into the middle of a step.
        # DDIM otherwise: the reference's Euler rounds to float32 at each step.
        families.set_scheduler(pair, "HeunDiscrete" if "denoising_start" in options else "DDIM")
        given = {"prompt": "a cat", "image": picture(), "num_inference_steps": 6, **options}
        ours, theirs = both(pair, **given)
        assert difference(ours, theirs) <= TOLERANCE

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"prompt": ["a", "b"], "aesthetic_score": 9.0, "negative_aesthetic_score": 1.0, "strength": 0.7},
            {"denoising_start": 0.6, "image": torch.randn(1, 4, 8, 10, generator=generator(9), dtype=torch.float64)},
            {"guidance_scale": 1.0, "negative_prompt": "dog", "prompt_2": "oil"},
        ],
    )
    def test_refiner(self, refiner: Pair, options: dict[str, Any]) -> None:
        given = {"prompt": "a cat", "image": picture(), "num_inference_steps": 6, **options}
        ours, theirs = both(refiner, **given)
        assert difference(ours, theirs) <= TOLERANCE

    def test_base_and_refiner_share_a_run(self, base: Pair) -> None:
        """What `denoising_end` leaves, `denoising_start` takes over: together one whole run."""
        ours = base[1]
        options: dict[str, Any] = {"num_inference_steps": 10, "output_type": "latent"}
        whole = ours("a cat", generator=generator(), **options).images
        half = ours("a cat", generator=generator(), denoising_end=0.6, **options).images
        second = engine.StableDiffusionXLImg2ImgPipeline.from_pipe(ours)
        both_halves = second("a cat", image=half, denoising_start=0.6, **options).images
        assert difference(both_halves, whole) <= TOLERANCE
        assert difference(half, whole) > 100 * TOLERANCE

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"image": None}, "needs an image"),
            ({"strength": 2}, "strength cannot be 2"),
            ({"denoising_start": 1.0}, "denoising_start cannot be 1.0"),
            ({"denoising_start": 0.7, "denoising_end": 0.6}, "denoising_start 0.7 must be less than denoising_end 0.6"),
        ],
    )
    def test_wrong_arguments(self, base: Pair, options: dict[str, Any], words: str) -> None:
        pipeline = engine.StableDiffusionXLImg2ImgPipeline.from_pipe(base[1])
        with pytest.raises(InvalidValue, match=words):
            pipeline(**{"prompt": "a cat", "image": picture(), **options})

    def test_a_refiner_that_is_none(self, base: Pair, refiner: Pair) -> None:
        wrong = engine.StableDiffusionXLImg2ImgPipeline.from_pipe(base[1], requires_aesthetics_score=True)
        with pytest.raises(InvalidValue, match="requires_aesthetics_score=False"):
            wrong("a cat", image=picture())
        wrong = engine.StableDiffusionXLPipeline.from_pipe(refiner[1])
        with pytest.raises(InvalidValue, match="it is a refiner"):
            wrong("a cat")


class TestInpainting:
    """`StableDiffusionXLInpaintPipeline`, with UNets of 4 and of 9 channels."""

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"strength": 1.0, "height": 24, "width": 40},
            {"prompt": ["a", "b", "c"], "strength": 0.6, "num_images_per_prompt": 2},
            {"image": families.as_tensor(picture()), "mask_image": families.as_tensor(mask()), "guidance_scale": 1.0},
            {"padding_mask_crop": 3, "output_type": "pil"},
            {"denoising_start": 0.4, "guidance_rescale": 0.5},
            {"denoising_start": 0.2, "denoising_end": 0.8},
        ],
    )
    def test_options(self, inpaint: Pair, options: dict[str, Any]) -> None:
        families.set_scheduler(inpaint, "EulerAncestralDiscrete")
        given = {"prompt": "a cat", "image": picture(), "mask_image": mask(), "num_inference_steps": 6, **options}
        ours, theirs = both(inpaint, **given)
        allowed = 1 if options.get("output_type") == "pil" else TOLERANCE
        assert difference(ours[0], theirs[0]) <= allowed
        assert len(ours) == len(theirs)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"prompt": ["a", "b", "c"], "negative_prompt": ["d", "e", "f"], "guidance_rescale": 0.6},
        {"guidance_scale": 1.0, "height": 24, "width": 40},
        {"image": families.as_tensor(picture()), "num_images_per_prompt": 2, "denoising_end": 0.7},
    ],
)
@pytest.mark.parametrize("scaled", [False, True])
def test_editing(tmp_path: Path, scaled: bool, options: dict[str, Any]) -> None:
    made = families.stable_diffusion_xl("StableDiffusionXLInstructPix2PixPipeline", in_channels=8)
    pair = families.in_float64(families.paired(made, tmp_path))
    for pipeline in pair:
        pipeline.is_cosxl_edit = scaled
    ours, theirs = both(pair, **{"prompt": "a cat", "image": picture(), "height": 32, "width": 32, **options})
    assert difference(ours, theirs) <= TOLERANCE
    with pytest.raises(InvalidValue, match="editing needs an image"):
        pair[1]("a cat")


def test_the_statistics_of_latents(base: Pair) -> None:
    """Autoencoders that name mean and deviation of their latents are used with them."""
    statistics = {"latents_mean": [0.3, -0.2, 0.1, 0.5], "latents_std": [1.5, 0.7, 2.0, 1.1]}
    pair = of_class(base, "StableDiffusionXLImg2ImgPipeline")
    pair[0].vae.register_to_config(**statistics)
    pair[1].vae.change_config(**statistics)
    ours, theirs = both(pair, prompt="a cat", image=picture(), strength=0.6)
    nothing = dict.fromkeys(statistics)
    pair[0].vae.register_to_config(**nothing)
    pair[1].vae.change_config(**nothing)
    plain, _ = both(pair, prompt="a cat", image=picture(), strength=0.6)
    assert difference(ours, theirs) <= TOLERANCE
    assert difference(ours, plain) > 100 * TOLERANCE


def test_a_half_precision_autoencoder_decodes_in_full(base: Pair) -> None:
    """`force_upcast`: the autoencoder of XL overflows in float16, so it runs in float32 and goes back."""
    seen: list[torch.dtype] = []
    vae = base[1].vae
    hook = vae.decoder.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].dtype))
    base[1].to(torch.float16)
    try:
        for forced in (True, False):
            vae.change_config(force_upcast=forced)
            base[1]("a cat", num_inference_steps=1, output_type="np")
        assert vae.dtype == torch.float16
    finally:
        hook.remove()
        base[1].to(torch.float64)
    assert seen == [torch.float32, torch.float16]


class TestLatentConsistency:
    """`LatentConsistencyModelPipeline` and its image to image form."""

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"prompt": ["a cat", "", "x"], "seeds": (1, 2, 3), "guidance_scale": 3.0},
            {"num_inference_steps": 1, "height": 24, "width": 40},
            {"original_inference_steps": 20, "num_inference_steps": 3},
            {"timesteps": [900, 500, 100]},
            {"num_images_per_prompt": 2, "output_type": "latent"},
        ],
    )
    def test_text_to_image(self, lcm: Pair, options: dict[str, Any]) -> None:
        families.set_scheduler(lcm, "LCM")
        ours, theirs = both(lcm, **{"prompt": "a cat", **options})
        assert difference(ours, theirs) <= TOLERANCE

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"strength": 0.5, "prompt": ["a", "b", "c"]},
            {"strength": 1.0, "image": families.as_tensor(picture(45, 39)), "original_inference_steps": 40},
        ],
    )
    def test_image_to_image(self, lcm: Pair, options: dict[str, Any]) -> None:
        name = "LatentConsistencyModelImg2ImgPipeline"
        theirs = families.as_class(lcm[0], name, requires_safety_checker=False)
        image_pair = theirs, getattr(engine, name).from_pipe(lcm[1])
        families.set_scheduler(image_pair, "LCM")
        ours, wanted = both(image_pair, **{"prompt": "a cat", "image": picture(), **options})
        assert difference(ours, wanted) <= TOLERANCE

    def test_callbacks_and_wrong_models(self, lcm: Pair, base: Pair) -> None:
        def change(_: Any, __: int, ___: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            return {name: tensor * 0.8 for name, tensor in tensors.items()}

        names = ["denoised", "w_embedding", "prompt_embeds"]
        families.set_scheduler(lcm, "LCM")
        ours, theirs = both(lcm, prompt="a cat", callback_on_step_end=change, callback_on_step_end_tensor_inputs=names)
        assert difference(ours, theirs) <= TOLERANCE
        wrong = type(lcm[1]).from_pipe(lcm[1], unet=base[1].unet)
        with pytest.raises(InvalidValue, match="time_cond_proj_dim is null"):
            wrong("a cat")
