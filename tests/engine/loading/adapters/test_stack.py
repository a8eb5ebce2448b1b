"""Adapters come and go without a trace, in every way of writing their keys; what does not fit is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from engine import UNet2DConditionModel
from engine.errors import BadFile, MissingFile, WeightsMismatch
from engine.loading.adapters import AdapterStack, AdapterUse, find_adapters, find_files
from engine.loading.adapters import stack as adapter_stack
from engine.loading.adapters.names import collect_names
from engine.loading.quantised import QuantisedLinear
from engine.models.float8 import keep_in_float8
from engine.models.int8 import keep_in_int8
from engine.weights import Entry
from tests.engine.loading.adapters.tiny import pointers, snapshot, stable_diffusion, stable_diffusion_xl, write

DOWN, UP = torch.full((2, 32), 0.5), torch.ones(32, 2)
CHANGE = torch.ones(32, 32)


def pair(prefix: str, down: Tensor = DOWN, up: Tensor = UP, style: str = "kohya") -> dict[str, Tensor]:
    """The two factors of a LoRA for one module, in one way of writing."""
    ends = {
        "kohya": ("lora_down.weight", "lora_up.weight"),
        "peft": ("lora_A.weight", "lora_B.weight"),
        "peft, named": ("lora_A.default.weight", "lora_B.default.weight"),
        "diffusers": ("lora.down.weight", "lora.up.weight"),
        "diffusers, layers": ("lora_linear_layer.down.weight", "lora_linear_layer.up.weight"),
    }[style]
    return {f"{prefix}.{ends[0]}": down, f"{prefix}.{ends[1]}": up}


def small(prefix: str, style: str = "kohya") -> dict[str, Tensor]:
    """The same for a module of 16 to 16."""
    return pair(prefix, DOWN[:, :16], UP[:16], style)


BLOCK = "down_blocks.1.attentions.1.transformer_blocks.1.attn1.to_out.0"
FLAT, ORIGINAL = BLOCK.replace(".", "_"), "input_blocks_5_1_transformer_blocks_1_attn1_to_out_0"
TEXT = "text_model.encoder.layers.1.self_attn.q_proj"
FLAT_TEXT = TEXT.replace(".", "_")
# A way of writing, and the module that it means.
STYLES: list[tuple[dict[str, Tensor], str]] = [
    (pair(f"lora_unet_{FLAT}"), f"unet.{BLOCK}"),
    (pair(f"lora_unet_{ORIGINAL}"), f"unet.{BLOCK}"),
    (pair(f"lycoris_{FLAT}"), f"unet.{BLOCK}"),
    (pair(f"lycoris_unet_{FLAT}"), f"unet.{BLOCK}"),
    (pair(f"unet.{BLOCK}", style="peft"), f"unet.{BLOCK}"),
    (pair(f"unet.{BLOCK}", style="peft, named"), f"unet.{BLOCK}"),
    (pair(f"unet.{BLOCK}", style="diffusers"), f"unet.{BLOCK}"),
    (pair(f"base_model.model.{BLOCK}", style="peft"), f"unet.{BLOCK}"),
    (pair("diffusion_model.input_blocks.5.1.transformer_blocks.1.attn1.to_out.0"), f"unet.{BLOCK}"),
    (pair("model.diffusion_model.input_blocks.5.1.transformer_blocks.1.attn1.to_out.0"), f"unet.{BLOCK}"),
    (
        {
            f"unet.{BLOCK.removesuffix('.to_out.0')}.processor.to_out_lora.{end}.weight": factor
            for end, factor in (("down", DOWN), ("up", UP))
        },
        f"unet.{BLOCK}",
    ),
    (
        {
            f"{BLOCK.removesuffix('.to_out.0')}.processor.to_k_lora.{end}.weight": factor
            for end, factor in (("down", DOWN), ("up", UP))
        },
        f"unet.{BLOCK.removesuffix('to_out.0')}to_k",
    ),
    (pair("lora_unet_middle_block_1_proj_in"), "unet.mid_block.attentions.0.proj_in"),
    (pair("lora_unet_output_blocks_0_1_proj_out"), "unet.up_blocks.0.attentions.0.proj_out"),
    (
        {"lora_unet_input_blocks_3_0_op.diff": torch.ones(16, 16, 3, 3)},
        "unet.down_blocks.0.downsamplers.0.conv",
    ),
    ({"lora_unet_label_emb_0_2.diff": torch.ones(64, 64)}, "unet.add_embedding.linear_2"),
    (small(f"lora_te1_{FLAT_TEXT}"), f"text_encoder.{TEXT}"),
    (small(f"lora_te_{FLAT_TEXT}"), f"text_encoder.{TEXT}"),
    (small(f"lora_te2_{FLAT_TEXT}"), f"text_encoder_2.{TEXT}"),
    (small(f"text_encoder.{TEXT}", "peft"), f"text_encoder.{TEXT}"),
    (small(f"text_encoder_2.{TEXT}", "peft"), f"text_encoder_2.{TEXT}"),
    (small(f"text_encoder_2.{TEXT}", "diffusers, layers"), f"text_encoder_2.{TEXT}"),
    (small(f"text_encoder.{TEXT.removeprefix('text_model.')}", "peft"), f"text_encoder.{TEXT}"),
    (small(f"clip_g.transformer.{TEXT}"), f"text_encoder_2.{TEXT}"),
    (small("lora_te2_text_projection"), "text_encoder_2.text_projection"),
    (
        {
            f"text_encoder.{TEXT.removesuffix('q_proj')}to_q_lora.{end}.weight": factor
            for end, factor in (("down", DOWN[:, :16]), ("up", UP[:16]))
        },
        f"text_encoder.{TEXT}",
    ),
]


@pytest.fixture(scope="module")
def xl() -> SimpleNamespace:
    """Parts like SDXL's."""
    return stable_diffusion_xl()


@pytest.mark.parametrize(("tensors", "module"), STYLES, ids=[next(iter(tensors)) for tensors, _ in STYLES])
def test_every_way_of_writing_finds_its_module(
    tensors: dict[str, Tensor], module: str, xl: SimpleNamespace, tmp_path: Path
) -> None:
    before = snapshot(xl)
    stack = AdapterStack(xl)
    stack.set([AdapterUse(write(tmp_path, tensors))])
    after = snapshot(xl)
    assert stack.report == ()
    assert [key for key in after if not torch.equal(after[key], before[key])] == [f"{module}.weight"]
    torch.testing.assert_close(
        after[f"{module}.weight"] - before[f"{module}.weight"], torch.ones_like(after[f"{module}.weight"])
    )
    stack.clear()


def both(tmp_path: Path, name: str = "both.safetensors") -> Path:
    """An adapter of the UNet and both text encoders."""
    return write(
        tmp_path, pair(f"lora_unet_{FLAT}") | small(f"lora_te1_{FLAT_TEXT}") | small(f"lora_te2_{FLAT_TEXT}"), name
    )


def changes(pipeline: SimpleNamespace, before: dict[str, Tensor]) -> list[float]:
    """How much the three weights changed, in the mean."""
    after = snapshot(pipeline)
    keys = (f"unet.{BLOCK}.weight", f"text_encoder.{TEXT}.weight", f"text_encoder_2.{TEXT}.weight")
    return [round(float((after[key] - before[key]).mean()), 4) for key in keys]


def test_strengths_are_separate_and_adapters_add_up(xl: SimpleNamespace, tmp_path: Path) -> None:
    before = snapshot(xl)
    first, second = both(tmp_path), both(tmp_path, "second.safetensors")
    stack = AdapterStack(xl)
    stack.set([AdapterUse(first, unet=0.5, text_encoder=0.25)])
    assert changes(xl, before) == [0.5, 0.25, 0.25]
    stack.set([AdapterUse(first, 0.5, 0), AdapterUse(second, 1, -1)])
    assert changes(xl, before) == [1.5, -1, -1]
    assert [use.path for use in stack.uses] == [first, second]
    stack.set([AdapterUse(second, 1, -1), AdapterUse(first, 0.5, 0)])
    assert changes(xl, before) == [1.5, -1, -1]
    stack.set([])
    assert changes(xl, before) == [0, 0, 0]


def test_a_hundred_times_on_and_off_leaves_no_trace(tmp_path: Path) -> None:
    pipeline = stable_diffusion()
    layer = "down_blocks_0_resnets_0_conv1"
    tensors = {
        f"lora_unet_{layer}.hada_w1_a": torch.randn(16, 2),
        f"lora_unet_{layer}.hada_w1_b": torch.randn(2, 144),
        f"lora_unet_{layer}.hada_w2_a": torch.randn(16, 2),
        f"lora_unet_{layer}.hada_w2_b": torch.randn(2, 144),
        "lora_unet_conv_in.diff": torch.randn(16, 4, 3, 3),
        "lora_unet_conv_in.diff_b": torch.randn(16),
        "lora_unet_conv_out.oft_blocks": torch.randn(2, 2, 2),
    }
    first, second = write(tmp_path, tensors), write(tmp_path, small(f"lora_te_{FLAT_TEXT}"), "second.safetensors")
    before, places = snapshot(pipeline), pointers(pipeline)
    stack = AdapterStack(pipeline)
    for number in range(100):
        stack.set([AdapterUse(first, 0.3 + number / 10, 1)] + [AdapterUse(second, 1, 0.7)] * (number % 2))
        if number % 3:
            stack.clear()
    stack.clear()
    after = snapshot(pipeline)
    assert all(torch.equal(after[key], before[key]) for key in before)
    assert pointers(pipeline) == places, "the originals themselves are back, not copies of them"


def test_stacks_of_one_pipeline_agree(xl: SimpleNamespace, tmp_path: Path) -> None:
    before = snapshot(xl)
    AdapterStack(xl).set([AdapterUse(both(tmp_path), 0.5, 0.5)])
    other = AdapterStack(SimpleNamespace(unet=xl.unet))
    assert len(other.uses) == 1
    AdapterStack(xl).set([AdapterUse(both(tmp_path, "again.safetensors"), 0.25, 0.5)])
    assert changes(xl, before) == [0.25, 0.5, 0.5]
    AdapterStack(xl).clear()
    assert changes(xl, before) == [0, 0, 0]


def test_originals_follow_a_pipeline_that_moved(tmp_path: Path) -> None:
    pipeline = stable_diffusion_xl()
    stack = AdapterStack(pipeline)
    stack.set([AdapterUse(both(tmp_path))])
    pipeline.unet.to(torch.float16)
    stack.clear()
    assert {parameter.dtype for parameter in pipeline.unet.parameters()} == {torch.float16}


def test_originals_wait_aside_and_the_sums_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU: what is changed lies on one device, and what is kept for later on another."""
    monkeypatch.setattr(adapter_stack, "ASIDE", torch.device("meta"))
    pipeline = stable_diffusion_xl()
    before = snapshot(pipeline)
    shared = pipeline.unet.get_submodule(BLOCK).weight
    AdapterStack(pipeline).set([AdapterUse(both(tmp_path))])
    originals = [kept for part in vars(pipeline).values() for kept in part.adapter_originals.values()]
    assert len(originals) == 3
    assert all(original.is_meta for original in originals)
    assert changes(pipeline, before) == [1, 1, 1]
    assert not shared.is_meta, "another module that has the same weight keeps it"


def test_what_waits_aside_comes_back_to_where_the_pipeline_is(tmp_path: Path) -> None:
    pipeline = stable_diffusion_xl()
    _, packed, _ = pack(pipeline, tmp_path)
    stack = AdapterStack(pipeline)
    stack.set([AdapterUse(write(tmp_path, pair(f"lora_unet_{FLAT}") | pair(f"lora_unet_{FLAT[:-8]}to_q")))])
    pipeline.unet.to("meta")
    assert not packed.packed.is_meta
    stack.clear()
    assert pipeline.unet.get_submodule(BLOCK) is packed
    assert packed.packed.is_meta
    assert all(parameter.is_meta for parameter in pipeline.unet.parameters())


def test_of_a_packed_layer_only_the_packed_weights_are_kept_and_wait_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter_stack, "ASIDE", torch.device("meta"))
    pipeline = stable_diffusion_xl()
    plain, packed, _ = pack(pipeline, tmp_path)
    tensors = pair(f"lora_unet_{FLAT}") | {f"lora_unet_{FLAT}.diff_b": torch.ones(32)}
    AdapterStack(pipeline).set([AdapterUse(write(tmp_path, tensors))])
    assert list(pipeline.unet.adapter_originals.values()) == [packed]
    assert packed.packed.is_meta
    assert packed.scale is not None
    assert packed.scale.is_meta
    assert packed.bias is plain.bias
    assert not plain.bias.is_meta
    merged = pipeline.unet.get_submodule(BLOCK)
    torch.testing.assert_close(merged.bias, plain.bias + 1)


@pytest.mark.parametrize("keep", [keep_in_float8, keep_in_int8])
def test_weights_of_eight_bits_follow_a_pipeline_that_moved(
    tmp_path: Path, keep: Callable[[nn.Module, torch.dtype], None]
) -> None:
    pipeline = stable_diffusion_xl()
    keep(pipeline.unet, torch.bfloat16)
    stack = AdapterStack(pipeline)
    stack.set([AdapterUse(write(tmp_path, pair(f"lora_unet_{FLAT}")))])
    pipeline.unet.to("meta")
    stack.clear()
    layer = pipeline.unet.get_submodule(BLOCK)
    assert all(tensor.is_meta for tensor in (*layer.parameters(), *layer.buffers()))


def test_half_precision_is_rounded_once(tmp_path: Path) -> None:
    pipeline = stable_diffusion_xl()
    pipeline.unet.to(torch.float16)
    layer = pipeline.unet.get_submodule(BLOCK)
    original = layer.weight.detach().clone()
    factors = torch.randn(2, 32, generator=torch.Generator().manual_seed(2))
    AdapterStack(pipeline).set([AdapterUse(write(tmp_path, pair(f"lora_unet_{FLAT}", down=factors)), 0.3)])
    exact = original.double() + 0.3 * (UP.double() @ factors.double())
    assert torch.equal(layer.weight.detach(), exact.half())


def test_keys_without_a_place_are_reported(xl: SimpleNamespace, tmp_path: Path) -> None:
    path = write(
        tmp_path,
        pair(f"lora_unet_{FLAT}")
        | {
            "lora_unet_nowhere.lora_down.weight": DOWN,
            "lora_unet_conv_in.strange": DOWN,
            "lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": DOWN,
            f"lora_unet_{FLAT.removesuffix('to_out_0')}to_q.diff_b": torch.ones(32),
            f"unet.{BLOCK}.lora_A.weight": DOWN,
        },
    )
    stack = AdapterStack(xl)
    stack.set([AdapterUse(path)])
    assert {entry.key: entry.reason for entry in stack.report} == {
        "lora_unet_nowhere.lora_down.weight": "this model has no such module",
        "lora_unet_conv_in.strange": "its end is of no known form",
        "lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": "it needs up, which the file lacks",
        f"lora_unet_{FLAT.removesuffix('to_out_0')}to_q.diff_b": "this model's module has no bias",
        f"unet.{BLOCK}.lora_A.weight": f"lora_unet_{FLAT}.lora_down.weight says the same",
    }
    assert {entry.path for entry in stack.report} == {path}
    stack.clear()
    assert stack.report == ()


def _text(path: Path) -> Path:
    path.write_text("no weights")
    return path


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda f: write(f, pair(f"lora_unet_{FLAT}", down=torch.ones(2, 8))),
            WeightsMismatch,
            r"\[32, 8\].*\[32, 32\]",
        ),
        (
            lambda f: write(f, pair(f"lora_unet_{FLAT}", up=torch.ones(32, 3))),
            WeightsMismatch,
            "cannot be multiplied by",
        ),
        (
            lambda f: write(f, {f"lora_unet_{FLAT}.oft_blocks": torch.ones(2, 4, 4)}),
            WeightsMismatch,
            "oft_blocks .* turns 8 outputs",
        ),
        (
            lambda f: write(f, pair(f"lora_unet_{FLAT}") | {f"lora_unet_{FLAT}.dora_scale": torch.ones(5, 1)}),
            WeightsMismatch,
            "dora_scale .* no number for each row",
        ),
        (lambda f: write(f, {"some.weight": torch.ones(2)}), BadFile, "is no adapter"),
        (lambda f: f / "gone.safetensors", MissingFile, "gone.safetensors"),
        (lambda f: _text(f / "bad.safetensors"), BadFile, "bad.safetensors"),
    ],
)
def test_what_does_not_fit_is_one_error_that_names_it(
    make: Callable[[Path], Path], error: type[Exception], message: str, xl: SimpleNamespace, tmp_path: Path
) -> None:
    before = snapshot(xl)
    path, good = make(tmp_path), both(tmp_path)
    stack = AdapterStack(xl)
    with pytest.raises(error, match=message) as caught:
        stack.set([AdapterUse(good), AdapterUse(path)])
    assert str(path) in str(caught.value)
    assert stack.uses == ()
    after = snapshot(xl)
    assert all(torch.equal(after[key], before[key]) for key in before)


def test_pickled_adapters_are_read(xl: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "old.pt"
    torch.save(pair(f"lora_unet_{FLAT}"), path)
    before = snapshot(xl)
    stack = AdapterStack(xl)
    stack.set([AdapterUse(path)])
    assert changes(xl, before) == [1, 0, 0]
    stack.clear()


def test_files_are_found_by_name(tmp_path: Path) -> None:
    (tmp_path / "styles").mkdir()
    ink, oil = tmp_path / "styles" / "Ink v1.2.safetensors", tmp_path / "oil.pt"
    for path in (ink, oil, tmp_path / "readme.txt"):
        path.touch()
    assert find_adapters(["Ink v1.2", "styles/Ink v1.2", "ink V1.2", "oil", "oil.pt"], [tmp_path]) == [
        ink,
        ink,
        ink,
        oil,
        oil,
    ]
    assert set(find_files([tmp_path, tmp_path / "none"])) == {"Ink v1.2", "styles/Ink v1.2", "oil"}
    with pytest.raises(MissingFile, match="'oli' is not in .*; did you mean oil"):
        find_adapters(["oli"], [tmp_path])
    with pytest.raises(MissingFile, match="none is set"):
        find_adapters(["oil"], [])


# Names from files that kohya's scripts trained for SDXL, and the modules of Diffusers that they are.
SDXL_NAMES = {
    "input_blocks_0_0": "conv_in",
    "time_embed_0": "time_embedding.linear_1",
    "label_emb_0_0": "add_embedding.linear_1",
    "input_blocks_3_0_op": "down_blocks.0.downsamplers.0.conv",
    "input_blocks_4_1_proj_in": "down_blocks.1.attentions.0.proj_in",
    "input_blocks_8_1_transformer_blocks_9_ff_net_2": "down_blocks.2.attentions.1.transformer_blocks.9.ff.net.2",
    "middle_block_0_in_layers_2": "mid_block.resnets.0.conv1",
    "middle_block_1_transformer_blocks_9_attn2_to_v": "mid_block.attentions.0.transformer_blocks.9.attn2.to_v",
    "output_blocks_0_0_skip_connection": "up_blocks.0.resnets.0.conv_shortcut",
    "output_blocks_2_1_proj_out": "up_blocks.0.attentions.2.proj_out",
    "output_blocks_2_2_conv": "up_blocks.0.upsamplers.0.conv",
    "output_blocks_5_1_transformer_blocks_1_ff_net_2": "up_blocks.1.attentions.2.transformer_blocks.1.ff.net.2",
    "output_blocks_8_0_emb_layers_1": "up_blocks.2.resnets.2.time_emb_proj",
    "out_2": "conv_out",
}


def test_names_of_a_whole_sdxl() -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            block_out_channels=(320, 640, 1280),
            cross_attention_dim=2048,
            transformer_layers_per_block=(1, 2, 10),
            attention_head_dim=(5, 10, 20),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        )
    weights = [name for name, _ in unet.named_parameters() if name.endswith(".weight")]
    names = collect_names({"unet": weights})
    for original, module in SDXL_NAMES.items():
        for key in (f"lora_unet_{original}", f"lora_unet_{module.replace('.', '_')}"):
            assert names.find(key) == ("unet", module), key
    assert {names.find(f"unet.{weight.removesuffix('.weight')}") for weight in weights} == {
        ("unet", weight.removesuffix(".weight")) for weight in weights
    }


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_packed_layers_without_a_bias_are_unpacked_to_the_precision_of_the_model(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    pipeline = stable_diffusion_xl()
    pipeline.unet.to(dtype)
    parent, _, last = BLOCK.rpartition(".")
    packed_weight = pipeline.unet.get_submodule(BLOCK).weight.detach().to(torch.float8_e4m3fn)
    entry = Entry(tmp_path, "weight", torch.float8_e4m3fn, tuple(packed_weight.shape))
    setattr(
        pipeline.unet.get_submodule(parent), last, QuantisedLinear(packed_weight, entry, torch.tensor(0.5), bias=None)
    )
    stack = AdapterStack(pipeline)
    stack.set([AdapterUse(both(tmp_path), 0.25, 0)])
    merged = pipeline.unet.get_submodule(BLOCK)
    assert merged.weight.dtype == dtype
    assert merged(torch.ones(1, 32, dtype=dtype)).dtype == dtype
    torch.testing.assert_close(merged.weight, (0.5 * packed_weight.float() + 0.25).to(dtype))


def pack(pipeline: SimpleNamespace, folder: Path) -> tuple[nn.Linear, QuantisedLinear, Tensor]:
    """Put a packed layer in the place of one; return the plain one, the packed one, and the packed weight."""
    parent, _, last = BLOCK.rpartition(".")
    plain = pipeline.unet.get_submodule(BLOCK)
    packed_weight = plain.weight.detach().to(torch.float8_e4m3fn)
    entry = Entry(folder, "weight", torch.float8_e4m3fn, tuple(packed_weight.shape))
    packed = QuantisedLinear(packed_weight, entry, torch.tensor(0.5), plain.bias)
    setattr(pipeline.unet.get_submodule(parent), last, packed)
    return plain, packed, packed_weight


def test_packed_layers_are_unpacked_and_come_back(tmp_path: Path) -> None:
    pipeline = stable_diffusion_xl()
    plain, packed, packed_weight = pack(pipeline, tmp_path)
    stack = AdapterStack(pipeline)
    stack.set([AdapterUse(both(tmp_path), 0.25, 0)])
    merged = pipeline.unet.get_submodule(BLOCK)
    torch.testing.assert_close(merged.weight, 0.5 * packed_weight.float() + 0.25)
    torch.testing.assert_close(merged(torch.ones(1, 32)), torch.ones(1, 32) @ merged.weight.T + plain.bias)
    stack.clear()
    assert pipeline.unet.get_submodule(BLOCK) is packed
    assert torch.equal(packed.packed.view(torch.uint8), packed_weight.view(torch.uint8))
