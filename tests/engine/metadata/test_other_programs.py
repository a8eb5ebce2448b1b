"""Recipes of other programs: files laid out as those programs write them, and files that no program writes."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.errors import BadFile, KnownError
from engine.messages import Recipe
from engine.metadata import encode_picture, encode_png, read_facts, read_recipe, read_text

A1111 = (
    "a castle, (old:1.2) <lora:ink:0.7>\nNegative prompt: people\nSteps: 28, Sampler: DPM++ 2M, Schedule type: Karras, "
    "CFG scale: 6.5, Seed: 12345, Size: 512x768, Model hash: 6ce0161689, Model: v1-5-pruned, Version: v1.10.1"
)


def png(path: Path, **texts: str) -> Path:
    chunks = PngInfo()
    for key, value in texts.items():
        chunks.add_text(key.replace("__", "-"), value)
    Image.new("RGB", (8, 6)).save(path, pnginfo=chunks)
    return path


def with_comment(path: Path, comment: bytes) -> Path:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = comment
    Image.new("RGB", (8, 6)).save(path, exif=exif)
    return path


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": kind}}


# The graph of a hires fix: two LoRAs, clip skip, a text from a node of its own, a control net that carries both sides.
GRAPH = {
    "3": node("KSampler", seed=["30", 0], steps=["31", 0], cfg=8, sampler_name="dpmpp_2m", scheduler="karras",
              denoise=1.0, model=["11", 0], positive=["20", 0], negative=["20", 1], latent_image=["5", 0]),
    "4": node("CheckpointLoaderSimple", ckpt_name="sd15/dreamshaper_8.safetensors"),
    "5": node("EmptyLatentImage", width=512, height=768, batch_size=1),
    "6": node("CLIPTextEncode", text=["40", 0], clip=["12", 0]),
    "7": node("CLIPTextEncode", text="bad hands", clip=["12", 0]),
    "8": node("VAEDecode", samples=["9", 0], vae=["4", 2]),
    "9": node("KSampler", seed=1, steps=10, cfg=7, sampler_name="euler", scheduler="normal", denoise=0.5,
              model=["11", 0], positive=["20", 0], negative=["20", 1], latent_image=["50", 0]),
    "10": node("LoraLoader", lora_name="ink.safetensors", strength_model=0.6, strength_clip=1, model=["4", 0],
               clip=["4", 1]),
    "11": node("LoraLoader", lora_name="styles\\detail.safetensors", strength_model=-0.5, strength_clip=1,
               model=["10", 0], clip=["10", 1]),
    "12": node("CLIPSetLastLayer", stop_at_clip_layer=-2, clip=["11", 1]),
    "20": node("ControlNetApplyAdvanced", positive=["6", 0], negative=["7", 0], strength=0.5),
    "30": node("PrimitiveInt", value=2**63 + 5),
    "31": node("Reroute", steps=["32", 0]),
    "32": node("PrimitiveInt", value=22),
    "40": node("PrimitiveStringMultiline", value="a fox in the snow"),
    "50": node("LatentUpscale", width=1024, height=1536, samples=["3", 0]),
    "60": node("SaveImage", filename_prefix="x", images=["8", 0]),
    "99": node("KSampler", seed=4, steps=3, positive=["7", 0], negative=["7", 0], latent_image=["5", 0]),
}  # fmt: skip
FLUX = {
    "1": node("UNETLoader", unet_name="flux1-dev.sft", weight_dtype="default"),
    "2": node("LoraLoaderModelOnly", lora_name="boreal.safetensors", strength_model=0.8, model=["1", 0]),
    "3": node("CLIPTextEncodeFlux", clip_l="an owl", t5xxl="an owl at night", guidance=3.5),
    "4": node("BasicGuider", model=["2", 0], conditioning=["3", 0]),
    "5": node("RandomNoise", noise_seed=777),
    "6": node("KSamplerSelect", sampler_name="euler"),
    "7": node("BasicScheduler", scheduler="beta", steps=25, denoise=1, model=["2", 0]),
    "8": node("EmptySD3LatentImage", width=1024, height=576, batch_size=1),
    "9": node("SamplerCustomAdvanced", noise=["5", 0], guider=["4", 0], sampler=["6", 0], sigmas=["7", 0],
              latent_image=["8", 0]),
    "10": node("SaveImage", images=["11", 0]),
    "11": node("VAEDecode", samples=["9", 0]),
}  # fmt: skip
SCREEN = {
    "nodes": [
        {"id": 1, "type": "CheckpointLoaderSimple", "widgets_values": ["toon.ckpt"]},
        {"id": 2, "type": "CLIPTextEncode", "widgets_values": ["a boat"], "inputs": [{"name": "clip", "link": 10}]},
        {"id": 3, "type": "CLIPTextEncode", "widgets_values": ["fog"], "inputs": [{"name": "clip", "link": 11}]},
        {"id": 4, "type": "EmptyLatentImage", "widgets_values": [640, 480, 1]},
        {"id": 5, "type": "KSampler", "widgets_values": [99, "randomize", 30, 5.5, "euler_ancestral", "normal", 1],
         "inputs": [{"name": "model", "link": 12}, {"name": "positive", "link": 13}, {"name": "negative", "link": 14},
                    {"name": "latent_image", "link": 15}]},
    ],
    "links": [[10, 1, 1, 2, 0, "CLIP"], [11, 1, 1, 3, 0, "CLIP"], [12, 1, 0, 5, 0, "MODEL"],
              [13, 2, 0, 5, 1, "CONDITIONING"], [14, 3, 0, 5, 2, "CONDITIONING"], [15, 4, 0, 5, 3, "LATENT"]],
}  # fmt: skip
INVOKE = {
    "generation_mode": "sdxl_txt2img", "positive_prompt": "a lighthouse", "negative_prompt": "people", "width": 1024,
    "height": 768, "seed": 4242, "rand_device": "cpu", "cfg_scale": 6.0, "cfg_rescale_multiplier": 0.7, "steps": 24,
    "scheduler": "dpmpp_2m_sde_k", "clip_skip": 0, "app_version": "5.4.2",
    "model": {"key": "k", "hash": "blake3:1", "name": "Juggernaut XL", "base": "sdxl", "type": "main"},
    "loras": [{"model": {"name": "pixel", "base": "sdxl"}, "weight": 0.75}], "positive_style_prompt": "",
}  # fmt: skip
SD_METADATA = {
    "model": "stable diffusion", "model_weights": "stable-diffusion-1.5", "model_hash": "cc6c", "app_id": "invoke-ai",
    "app_version": "2.3.5",
    "image": {"prompt": [{"prompt": "a red barn [blurry, dark] at dusk", "weight": 1}], "steps": 50, "cfg_scale": 7.5,
              "height": 512, "width": 640, "seed": 31, "type": "txt2img", "sampler": "k_euler_a", "seamless": False},
}  # fmt: skip
SWARM = {
    "sui_image_params": {
        "prompt": "a hill", "negativeprompt": "rain", "model": "OfficialStableDiffusion/sd_xl_base_1.0", "seed": 5,
        "steps": 20, "cfgscale": 7.0, "aspectratio": "1:1", "width": 1024, "height": 1024, "sampler": "dpmpp_2m",
        "scheduler": "karras", "loras": ["folder/film.safetensors"], "loraweights": ["0.4"], "swarm_version": "0.9.5",
    },
    "sui_extra_data": {"generation_time": "4.20 seconds"},
    "sui_models": [{"name": "sd_xl_base_1.0.safetensors", "param": "model", "hash": "0xabc"}],
}  # fmt: skip
FOOOCUS = {
    "base_model": "juggernautXL_v8Rundiffusion", "base_model_hash": "aeb7e9e689", "full_prompt": ["a", "b"],
    "guidance_scale": 4.0, "loras": [["sd_xl_offset_example-lora_1.0", 0.1, "4852686128"]],
    "metadata_scheme": "fooocus", "negative_prompt": "ugly", "performance": "Speed", "prompt": "a tram",
    "resolution": "(1152, 896)", "sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras", "seed": "8421", "steps": 30,
    "styles": "['Fooocus V2']", "version": "Fooocus v2.5.5", "clip_skip": 2,
}  # fmt: skip
NOVELAI = {
    "prompt": "1girl, {masterpiece}", "steps": 28, "height": 1216, "width": 832, "scale": 5.0, "cfg_rescale": 0.2,
    "seed": 55, "n_samples": 1, "noise_schedule": "karras", "sampler": "k_dpmpp_2m", "uc": "lowres",
    "v4_prompt": {"caption": {"base_caption": "x", "char_captions": [{"char_caption": "a knight"}]}},
}  # fmt: skip

CASES: dict[str, tuple[dict[str, str], Recipe]] = {
    "a1111": (
        {"parameters": A1111},
        Recipe(
            prompt="a castle, (old:1.2) <lora:ink:0.7>", negative_prompt="people", model_name="v1-5-pruned",
            scheduler="dpmsolver++", sigma_schedule="karras", steps=28, guidance_scale=6.5, seed=12345, width=512,
            height=768, program="v1.10.1", extras=(("Model hash", "6ce0161689"),),
        ),
    ),
    "comfyui": (
        {"prompt": json.dumps(GRAPH), "workflow": "{}"},
        Recipe(
            prompt="a fox in the snow", negative_prompt="bad hands", model_name="dreamshaper_8",
            scheduler="dpmsolver++", sigma_schedule="karras", steps=22, guidance_scale=8.0, seed=2**63 + 5, width=512,
            height=768, clip_skip=1, program="ComfyUI", extras=(
                ("LoRA", "detail: -0.5"), ("LoRA", "ink: 0.6"), ("Denoising strength", "0.5"),
                ("Later pass", '{"steps": 10, "guidance_scale": 7.0, "scheduler": "euler", '
                 '"sigma_schedule": "default"}'),
            ),
        ),
    ),
    "comfyui with custom sampling": (
        {"prompt": json.dumps(FLUX).replace('"denoise": 1,', '"denoise": NaN,')},
        Recipe(
            prompt="an owl at night, an owl", model_name="flux1-dev", scheduler="euler", sigma_schedule="beta",
            steps=25, guidance_scale=3.5, seed=777, width=1024, height=576, program="ComfyUI",
            extras=(("LoRA", "boreal: 0.8"),),
        ),
    ),
    "comfyui, the screen alone": (
        {"workflow": json.dumps(SCREEN)},
        Recipe(
            prompt="a boat", negative_prompt="fog", model_name="toon", scheduler="euler-a", sigma_schedule="default",
            steps=30, guidance_scale=5.5, seed=99, width=640, height=480, program="ComfyUI",
        ),
    ),
    "invokeai": (
        {"invokeai_metadata": json.dumps(INVOKE), "invokeai_graph": "{}"},
        Recipe(
            prompt="a lighthouse", negative_prompt="people", model_name="Juggernaut XL", scheduler="dpmsolver++-sde",
            sigma_schedule="karras", steps=24, guidance_scale=6.0, guidance_rescale=0.7, seed=4242, width=1024,
            height=768, device="cpu", program="InvokeAI 5.4.2",
            extras=(("LoRA", "pixel: 0.75"), ("Mode", "sdxl_txt2img")),
        ),
    ),
    "invokeai 2": (
        {"sd__metadata": json.dumps(SD_METADATA)},
        Recipe(
            prompt="a red barn at dusk", negative_prompt="blurry, dark", model_name="stable-diffusion-1.5",
            scheduler="euler-a", sigma_schedule="default", steps=50, guidance_scale=7.5, seed=31, width=640,
            height=512, program="InvokeAI 2.3.5", extras=(("Model hash", "cc6c"),),
        ),
    ),
    "invokeai 1": (
        {"Dream": '"a pond [fish]" -s 40 -S 6 -W 512 -H 448 -C 9.5 -A k_lms'},
        Recipe(
            prompt="a pond", negative_prompt="fish", scheduler="lms", sigma_schedule="default", steps=40,
            guidance_scale=9.5, seed=6, width=512, height=448, program="InvokeAI",
        ),
    ),
    "swarmui": (
        {"parameters": json.dumps(SWARM, indent=2)},
        Recipe(
            prompt="a hill", negative_prompt="rain", model_name="sd_xl_base_1.0", scheduler="dpmsolver++",
            sigma_schedule="karras", steps=20, guidance_scale=7.0, seed=5, width=1024, height=1024,
            program="SwarmUI 0.9.5", extras=(
                ("LoRA", "film: 0.4"), ("Model hash", "0xabc"), ("generation_time", "4.20 seconds"),
            ),
        ),
    ),
    "fooocus": (
        {"parameters": json.dumps(FOOOCUS), "fooocus_scheme": "fooocus"},
        Recipe(
            prompt="a tram", negative_prompt="ugly", model_name="juggernautXL_v8Rundiffusion",
            scheduler="dpmsolver++-sde", sigma_schedule="karras", steps=30, guidance_scale=4.0, seed=8421, width=1152,
            height=896, clip_skip=1, program="Fooocus v2.5.5", extras=(
                ("LoRA", "sd_xl_offset_example-lora_1.0: 0.1"), ("Model hash", "aeb7e9e689"),
                ("performance", "Speed"), ("styles", "['Fooocus V2']"),
            ),
        ),
    ),
    "novelai": (
        {"Software": "NovelAI", "Source": "Stable Diffusion XL 7BCCAA2C", "Description": "1girl",
         "Comment": json.dumps(NOVELAI)},
        Recipe(
            prompt="1girl, {masterpiece}", negative_prompt="lowres", model_name="Stable Diffusion XL 7BCCAA2C",
            scheduler="dpmsolver++", sigma_schedule="karras", steps=28, guidance_scale=5.0, guidance_rescale=0.2,
            seed=55, width=832, height=1216, program="NovelAI", extras=(("Character", "a knight"),),
        ),
    ),
    "easy diffusion": (
        {"prompt": "a mill", "negative_prompt": "cars", "seed": "77", "use_stable_diffusion_model": "sd-v1-5",
         "num_inference_steps": "25", "guidance_scale": "7.5", "sampler_name": "euler_a", "width": "512",
         "height": "512", "use_vae_model": "vae-ft-mse", "clip_skip": "True"},
        Recipe(
            prompt="a mill", negative_prompt="cars", model_name="sd-v1-5", scheduler="euler-a",
            sigma_schedule="default", steps=25, guidance_scale=7.5, seed=77, width=512, height=512, clip_skip=1,
            program="Easy Diffusion", extras=(("VAE", "vae-ft-mse"),),
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_png_of_another_program(tmp_path: Path, name: str) -> None:
    texts, recipe = CASES[name]
    path = png(tmp_path / "picture.png", **texts)
    assert read_recipe(path) == recipe
    facts = read_facts(path)
    assert (facts.width, facts.height) == (8, 6)


@pytest.mark.parametrize("ending", ["jpg", "webp"])
@pytest.mark.parametrize(
    "encode",
    [
        lambda text: b"UNICODE\0" + text.encode("utf-16-be"),
        lambda text: b"UNICODE\0" + text.encode("utf-16-le"),
        lambda text: b"ASCII\0\0\0" + text.encode(),
        lambda text: bytes(8) + text.encode(),
    ],
)
@pytest.mark.parametrize("text", [A1111, json.dumps(SWARM), json.dumps(FOOOCUS)])
def test_comments_of_jpeg_and_webp(tmp_path: Path, ending: str, encode: Any, text: str) -> None:
    path = with_comment(tmp_path / f"picture.{ending}", encode(text))
    expected = {recipe for texts, recipe in CASES.values() if texts.get("parameters", "")[:12] == text[:12]}
    if text.startswith('{"sui'):
        expected = {CASES["swarmui"][1]}
    assert read_recipe(path) in expected


def test_comfyui_in_tags_of_webp(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0110] = "prompt:" + json.dumps(FLUX)
    exif[0x010F] = "workflow:" + json.dumps(SCREEN)
    Image.new("RGB", (8, 6)).save(tmp_path / "x.webp", exif=exif)
    assert read_recipe(tmp_path / "x.webp") == CASES["comfyui with custom sampling"][1]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_our_own_pictures_in_every_format(tmp_path: Path, form: Any) -> None:
    recipe = Recipe(prompt='ein "Apfel", 模糊', negative_prompt="x\ny", model="~/m", seed=2**64 - 1, steps=3)
    path = tmp_path / "picture"
    path.write_bytes(encode_picture(Image.new("RGBA", (8, 6)), recipe, form))
    assert read_recipe(path) == recipe
    path.write_bytes(encode_picture(Image.new("RGB", (8, 6)), None, form))
    assert read_recipe(path) is None
    long = Recipe(prompt="模" * 20_000, seed=4, steps=3)
    path.write_bytes(encode_picture(Image.new("RGB", (8, 6)), long, form))
    found = read_recipe(path)
    assert found is not None
    assert (found.prompt, found.seed) == (long.prompt, 4)


def test_copied_texts() -> None:
    assert read_text(A1111) == CASES["a1111"][1]
    for name in ("swarmui", "comfyui", "fooocus"):
        texts, recipe = CASES[name]
        assert read_text(texts.get("parameters") or texts["prompt"]) == recipe
    assert read_text(json.dumps(INVOKE)) == CASES["invokeai"][1]
    assert read_text("a mere prompt, with: colons") is None
    assert read_text("x" * 2**20) is None


@pytest.mark.parametrize("key", ["invokeai_metadata", "sd-metadata", "sfumato"])
@pytest.mark.parametrize("text", ["{", "[1]", '{"a": ' * 50_000, '{"seed": ' + "9" * 5000 + "}"])
def test_a_damaged_recipe_is_one_known_error(tmp_path: Path, key: str, text: str) -> None:
    path = png(tmp_path / "x.png", **{key.replace("-", "__"): text})
    with pytest.raises(BadFile, match="metadata was changed"):
        read_recipe(path)


def test_graphs_in_circles_end() -> None:
    graph = {
        "1": node("KSampler", seed=["2", 0], steps=3, positive=["3", 0], negative=["3", 0], latent_image=["1", 0]),
        "2": node("Reroute", seed=["2", 0]),
        "3": node("ConditioningCombine", conditioning_1=["3", 0], conditioning_2=["4", 0]),
        "4": node("CLIPTextEncode", text=["4", 0]),
    }
    assert read_text(json.dumps(graph)) == Recipe(steps=3, program="ComfyUI")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*INVOKE, "1", "inputs"]), inner),
    max_leaves=12,
)


def _changed(value: Any, path: list[int], other: Any) -> Any:
    if not path or not isinstance(value, (dict, list)) or not value:
        return other
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[path[0] % len(keys)]
    pairs = {name: _changed(value[name], path[1:], other) if name == key else value[name] for name in keys}
    return pairs if isinstance(value, dict) else list(pairs.values())


@settings(max_examples=300, deadline=None)
@given(
    which=st.sampled_from([GRAPH, FLUX, SCREEN, INVOKE, SD_METADATA, SWARM, FOOOCUS, NOVELAI]),
    path=st.lists(st.integers(0, 30), min_size=1, max_size=4),
    other=JSON,
)
def test_any_value_anywhere_is_no_crash(which: dict[str, Any], path: list[int], other: Any) -> None:
    recipe = read_text(json.dumps(_changed(which, path, other)))
    if recipe is not None:
        assert recipe.seed is None or 0 <= recipe.seed < 2**64
        assert isinstance(recipe.prompt, str)
        assert all(isinstance(key, str) and isinstance(value, str) for key, value in recipe.extras)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(
    cut=st.integers(0, 2000),
    at=st.integers(0, 2000),
    byte=st.integers(0, 255),
    form=st.sampled_from(["png", "jpg", "webp"]),
)
def test_damaged_files_give_a_recipe_or_one_error(tmp_path: Path, cut: int, at: int, byte: int, form: str) -> None:
    path = tmp_path / f"whole.{form}"
    if not path.exists():
        recipe = Recipe(prompt="a pear", seed=1, steps=2)
        path.write_bytes(
            encode_picture(
                Image.effect_noise((20, 20), 9).convert("RGB"),
                recipe,
                {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}[form],
            )
        )  # type: ignore[arg-type]
    content = bytearray(path.read_bytes())
    content[at % len(content)] = byte
    broken = tmp_path / f"broken.{form}"
    broken.write_bytes(bytes(content[: max(len(content) - cut, 0)]))
    try:
        read_recipe(broken)
    except KnownError as error:
        assert "picture" in str(error)


def test_a_text_that_unpacks_to_gigabytes_is_cut(tmp_path: Path) -> None:
    bomb = b"parameters\0\0" + zlib.compress(bytes(64 * 2**20), 9)
    chunk = struct.pack(">I4s", len(bomb), b"zTXt") + bomb + struct.pack(">I", zlib.crc32(b"zTXt" + bomb))
    whole = encode_png(Image.new("RGB", (2, 2)), None)
    (tmp_path / "bomb.png").write_bytes(whole[:33] + chunk + whole[33:])
    recipe = read_recipe(tmp_path / "bomb.png")
    assert recipe is None or len(recipe.prompt) <= 4 * 2**20


def test_a_text_after_the_pixels_is_found(tmp_path: Path) -> None:
    text = b"parameters\0" + A1111.encode()
    chunk = struct.pack(">I4s", len(text), b"tEXt") + text + struct.pack(">I", zlib.crc32(b"tEXt" + text))
    whole = encode_png(Image.new("RGB", (2, 2)), None)
    (tmp_path / "late.png").write_bytes(whole[:-12] + chunk + whole[-12:])
    assert read_recipe(tmp_path / "late.png") == CASES["a1111"][1]


@pytest.mark.parametrize("name", ["comfyui", "swarmui", "invokeai"])
def test_the_command_line_says_what_made_a_foreign_picture(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from engine.cli.info import info

    texts, recipe = CASES[name]
    info(png(tmp_path / "picture.png", **texts), as_json=False)
    said = capsys.readouterr().out
    assert f"prompt: {recipe.prompt}" in said
    assert f"scheduler: {recipe.scheduler}" in said
    assert "LoRA: " in said
