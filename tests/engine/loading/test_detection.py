"""What files are, by their headers: the published models in full size, adapters, and what nobody knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import MissingFile, UnknownName
from engine.formats.header import Header, Stored, elements
from engine.loading.clip_vocabulary import clip_merges, clip_vocabulary
from engine.loading.configurations import family_configuration
from engine.loading.detection import detect, detect_header
from engine.loading.families import NOT_YET
from engine.loading.layouts import text_entries, unet_entries, vae_entries, without_last_layer
from engine.loading.shapes import text_config, unet_config, vae_config
from engine.loading.single_file import CLASSES
from engine.weights import build_on_meta
from engine.weights.entries import entries_of
from tests.engine.loading.full_size import NAMES, header, shapes

ONE, TWO, XL, REFINER = (
    "stable-diffusion",
    "stable-diffusion-2",
    "stable-diffusion-xl",
    "stable-diffusion-xl-refiner",
)
KINDS = {
    "sd1": (ONE, "", "epsilon"),
    "sd1-inpaint": (ONE, "inpaint", "epsilon"),
    "sd1-edit": (ONE, "edit", "epsilon"),
    "sd1-lcm": (ONE, "lcm", "epsilon"),
    "sd2": (TWO, "", ""),
    "sd2-inpaint": (TWO, "inpaint", "epsilon"),
    "sd2-depth": (TWO, "depth", "epsilon"),
    "x4": (TWO, "upscale", "v"),
    "xl": (XL, "", "epsilon"),
    "xl-inpaint": (XL, "inpaint", "epsilon"),
    "xl-edit": (XL, "edit", "epsilon"),
    "refiner": (REFINER, "", "epsilon"),
}
UNET = "model.diffusion_model."
# Published numbers: tensors of the U-Net, its parameters, tensors of the whole file.
COUNTS = {
    "sd1": (686, 859_520_964, 1131),
    "sd2": (686, 865_910_724, 1228),
    "xl": (1680, 2_567_463_684, 2515),
    "refiner": (1220, 2_259_526_660, 1858),
    "x4": (687, 473_398_020, 1185),
}


@pytest.mark.parametrize("name", NAMES)
def test_published_models(name: str) -> None:
    family, variant, prediction = KINDS[name]
    for made, kind in ((header(name), "checkpoint"), (header(name, prefix=UNET), "unet")):
        found = detect_header(made)
        assert (found.kind, found.family, found.variant, found.prediction) == (kind, family, variant, prediction)
        assert (found.precision, found.layout, found.supported) == ("float16", "original", True)


@pytest.mark.parametrize("name", COUNTS)
def test_the_lists_have_the_published_sizes(name: str) -> None:
    unet = {key: shape for key, shape in shapes(name).items() if key.startswith(UNET)}
    assert (len(unet), sum(map(elements, unet.values())), len(shapes(name))) == COUNTS[name]


@pytest.mark.parametrize("name", NAMES)
def test_the_lists_fit_the_shipped_configurations(name: str) -> None:
    """The shapes lead to the shipped configuration, and its networks have exactly these tensors."""
    family, variant, _ = KINDS[name]
    content = family_configuration(family, variant)
    entries = entries_of(header(name))
    places = {
        ONE: {"text_encoder": ("cond_stage_model.transformer.", "transformers")},
        TWO: {"text_encoder": ("cond_stage_model.model.", "open_clip")},
        XL: {
            "text_encoder": ("conditioner.embedders.0.transformer.", "transformers"),
            "text_encoder_2": ("conditioner.embedders.1.model.", "open_clip"),
        },
        REFINER: {"text_encoder_2": ("conditioner.embedders.0.model.", "open_clip")},
    }[family]
    parts: dict[str, Any] = {"unet": unet_entries(entries), "vae": vae_entries(entries)}
    parts |= {part: text_entries(entries, *place) for part, place in places.items()}
    if family == TWO:
        parts["text_encoder"] = without_last_layer(parts["text_encoder"])
        del parts["text_encoder"]["text_projection.weight"]
    for part, own in parts.items():
        sizes = {key: entry.shape for key, entry in own.items()}
        base = content[part]
        made = {"unet": unet_config, "vae": vae_config}.get(part, text_config)(base, sizes)
        for key, value in base.items():
            assert _listed(made[key]) == _listed(value), f"{part}: {key}"
        cls = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL"}.get(part) or base["_class_name"]
        wanted = build_on_meta(lambda cls=cls, made=made: CLASSES[cls].from_config(made)).state_dict()
        assert {key: _core(tuple(tensor.shape)) for key, tensor in wanted.items()} == {
            key: _core(shape) for key, shape in sizes.items()
        }


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _core(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(length for length in shape if length != 1)


def test_what_stands_beside_the_networks_changes_nothing() -> None:
    """Published files carry averages, schedules and depth estimators besides."""
    for name, more in (
        ("sd1", ("model_ema.diffusion_modelinput_blocks00weight", "model_ema.decay", "alphas_cumprod", "betas")),
        ("sd2-depth", ("depth_model.model.pretrained.model.blocks.0.attn.qkv.weight", "depth_model.model.scratch.x")),
        ("x4", ("low_scale_model.betas", "low_scale_model.alphas_cumprod", "sqrt_alphas_cumprod")),
        ("xl", ("denoiser.sigmas", "conditioner.embedders.0.transformer.text_model.embeddings.position_ids")),
    ):
        plain = header(name)
        whole = Header(plain.path, plain.format, {**plain.tensors, **{key: Stored("F32", (3,)) for key in more}})
        assert detect_header(whole) == detect_header(plain)


def test_both_names_of_the_embedding_of_the_guidance() -> None:
    tensors = {
        key.replace("time_embedding.cond_proj", "time_embed.cond_proj"): stored
        for key, stored in header("sd1-lcm").tensors.items()
    }
    shorter = Header(Path("x.safetensors"), "safetensors", tensors)
    assert detect_header(shorter).variant == "lcm"
    assert "time_embedding.cond_proj.weight" in unet_entries(entries_of(shorter))


def test_latents_of_another_width_are_not_guessed() -> None:
    """A model of 16 channels is no model with 12 beside its latents, nor one of the families."""
    tensors = dict(header("sd1").tensors)
    tensors[f"{UNET}input_blocks.0.0.weight"] = Stored("F16", (320, 16, 3, 3))
    tensors[f"{UNET}out.2.weight"] = Stored("F16", (16, 320, 3, 3))
    found = detect_header(Header(Path("x.safetensors"), "safetensors", tensors))
    assert (found.kind, found.supported) == ("unknown", False)
    assert "latents of 16" in found.reason


def made(tensors: dict[str, tuple[int, ...]], dtype: str = "F16", **metadata: str) -> Header:
    named = {key.replace("__", "."): value for key, value in metadata.items()}
    return Header(Path("x.safetensors"), "safetensors", {k: Stored(dtype, s) for k, s in tensors.items()}, named)


@pytest.mark.parametrize(
    ("metadata", "keys", "expected"),
    [
        ({"modelspec.architecture": "stable-diffusion-v2-768-v"}, {}, ("v", False)),
        ({"modelspec.architecture": "stable-diffusion-v2-512"}, {}, ("epsilon", False)),
        ({"modelspec.prediction_type": "v"}, {}, ("v", False)),
        ({"modelspec.prediction_type": "epsilon"}, {}, ("epsilon", False)),
        ({}, {"v_pred": (0,)}, ("v", False)),
        ({}, {"v_pred": (0,), "ztsnr": (0,)}, ("v", True)),
        ({}, {"edm_mean": (4,), "edm_std": (4,)}, ("edm", False)),
    ],
)
def test_predictions(metadata: dict[str, str], keys: dict[str, tuple[int, ...]], expected: tuple[str, bool]) -> None:
    base = header("sd2" if "modelspec.architecture" in metadata else "xl", metadata=metadata)
    more = {**base.tensors, **{key: Stored("F32", shape) for key, shape in keys.items()}}
    found = detect_header(Header(base.path, base.format, more, metadata))
    assert (found.prediction, found.zero_snr) == expected
    assert found.supported == (expected[0] != "edm")


@pytest.mark.parametrize(
    ("tensors", "kind", "family"),
    [
        (
            {"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": (8, 768)},
            "lora",
            ONE,
        ),
        ({"unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight": (8, 1024)}, "lora", TWO),
        ({"lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_up.weight": (1280, 8)}, "lora", XL),
        ({"lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.hada_w1_b": (8, 2048)}, "lora", XL),
        ({"lora_unet_double_blocks_0_img_attn_proj.lora_down.weight": (8, 3072)}, "lora", "flux"),
        ({"lora_unet_mid_block_attentions_0_proj_in.diff": (8, 8)}, "lora", ""),
        ({"emb_params": (4, 768)}, "embedding", ONE),
        ({"clip_l": (2, 768), "clip_g": (2, 1280)}, "embedding", XL),
        ({"string_to_param.*": (1, 1024)}, "embedding", TWO),
        ({"<cat>": (768,)}, "embedding", ONE),
        ({"control_model.input_hint_block.0.weight": (16, 3, 3, 3)}, "controlnet", ""),
        ({"text_model.embeddings.token_embedding.weight": (49408, 1280)}, "text_encoder", XL),
        ({"encoder.block.0.layer.0.SelfAttention.q.weight": (4096, 4096)}, "helper", "t5"),
        ({"image_proj.latents": (1, 16, 768), "ip_adapter.1.to_k_ip.weight": (320, 768)}, "helper", "ip-adapter"),
        ({"something.weight": (3, 3)}, "unknown", ""),
        ({}, "unknown", ""),
    ],
)
def test_other_files(tensors: dict[str, tuple[int, ...]], kind: str, family: str) -> None:
    found = detect_header(made(tensors))
    assert (found.kind, found.family) == (kind, family)
    assert found.reason.endswith(".")
    assert "\n" not in found.reason


@pytest.mark.parametrize("entry", NOT_YET, ids=lambda entry: f"{entry[0]} {entry[2][0]}")
@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
def test_known_but_not_yet(entry: tuple[str, str, tuple[str, ...]], prefix: str) -> None:
    family, label, names = entry
    found = detect_header(made({prefix + name: (4, 4) for name in names}))
    assert (found.family, found.supported) == (family, False)
    assert f"{label}, which is known but not supported yet" in found.reason


def test_a_header_that_says_what_it_is() -> None:
    tensors = {"lora_unet_x.lora_down.weight": (8, 8)}
    assert detect_header(made(tensors, ss_base_model_version="sdxl_base_v1-0")).family == XL
    assert detect_header(made(tensors, modelspec__architecture="stable-diffusion-v1/lora")).family == ONE


def test_an_unknown_unet_is_not_guessed() -> None:
    tensors = {
        "input_blocks.0.0.weight": (320, 4, 3, 3),
        "time_embed.0.weight": (1280, 320),
        "out.2.weight": (4, 320, 3, 3),
        "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 999),
    }
    found = detect_header(made(tensors))
    assert (found.kind, found.supported) == ("unknown", False)
    assert "999" in found.reason


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        ({"F16": 1000, "F32": 1}, "float16"),
        ({"F16": 10, "F32": 30}, "mixed: float32, float16"),
        ({"F8_E4M3": 100, "I64": 50}, "float8_e4m3fn"),
        ({"Q4_K": 90, "F16": 10}, "mixed: Q4_K, float16"),
    ],
)
def test_precisions(dtypes: dict[str, int], expected: str) -> None:
    tensors = {dtype: Stored(dtype, (count,)) for dtype, count in dtypes.items()}
    assert detect_header(Header(Path("x"), "safetensors", tensors)).precision == expected


def test_missing_paths_and_types(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="missing"):
        detect(tmp_path / "no.safetensors")
    with pytest.raises(MissingFile, match="holds no model"):
        detect(tmp_path)
    with pytest.raises(UnknownName, match="'flux' is unknown; choose one of stable-diffusion"):
        family_configuration("flux")
    with pytest.raises(UnknownName, match="no variant 'x'"):
        family_configuration(ONE, "x")


def test_the_vocabulary() -> None:
    merges = clip_merges()
    vocabulary = clip_vocabulary(merges)
    assert (len(merges), len(vocabulary)) == (48_894, 49_408)
    known = {"<|startoftext|>": 49406, "<|endoftext|>": 49407, "a</w>": 320, "!": 0, "cat</w>": 2368, "photo</w>": 1125}
    assert {token: vocabulary[token] for token in known} == known


def test_a_scan_imports_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, engine.loading; engine.loading.detect; print('torch' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert output.stdout.strip() == "False"
