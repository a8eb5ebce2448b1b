"""Exported networks compute what the originals do, at any size; what cannot be exported or run is said."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.backends import packages
from engine.backends.export import ExportMismatch, check, write_onnx, write_openvino
from engine.backends.graphs import Graph, Sizes, UNetGraph, graphs_for_others, graphs_of
from engine.backends.onnx_session import OnnxSession
from engine.backends.openvino_session import OpenVinoSession, computes_in
from engine.backends.parts import Backend
from engine.errors import InvalidValue, MissingDependency
from engine.models import convolution
from engine.models.autoencoder_tiny import AutoencoderTiny
from engine.models.unet_2d_condition import UNet2DConditionModel
from tests.fixtures.stable_diffusion import Size, stable_diffusion, stable_diffusion_xl


def nothing() -> None:
    pass


def session_of(graph: Graph, backend: str, folder: Path, fixed: bool = False) -> Any:
    if backend == "onnx":
        return OnnxSession(write_onnx(graph, folder))
    return OpenVinoSession(write_openvino(graph, folder), "float32", fixed=fixed)


def differs(graph: Graph, session: Any, sizes: Sizes) -> float:
    """The largest difference over the largest value, over all outputs."""
    inputs = graph.example(sizes, torch.Generator().manual_seed(5))
    with torch.no_grad():
        expected = graph(*inputs.values())
    pairs = zip(session.run(inputs, nothing), [expected] if isinstance(expected, Tensor) else expected, strict=True)
    return max(((given - wanted).abs().max() / wanted.abs().max()).item() for given, wanted in pairs)


@pytest.mark.parametrize("make", [stable_diffusion, stable_diffusion_xl])
@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_equal_to_the_original_at_every_size(backend: str, make: Callable[[], Any], tmp_path: Path) -> None:
    parts = [(name, part) for name, part in make().components.items() if isinstance(part, torch.nn.Module)]
    found = [graph for name, part in parts for graph in graphs_of(name, part)]
    if backend == "onnx":
        found += [graph for name, part in parts for graph in graphs_for_others(name, part) if name.startswith("text")]
    assert {graph.name for graph in found} >= {"unet", "vae_decoder", "vae_encoder", "text_encoder"}
    for number, graph in enumerate(found):
        session = session_of(graph, backend, tmp_path / str(number), fixed=graph.name == "unet")
        for sizes in (Sizes(1, 1, 1, 3), Sizes(3, 4, 2, 9), Sizes(2, 4, 2, 9)):
            assert differs(graph, session, sizes) <= 1e-4, (graph.name, sizes)


def operations(path: Path) -> set[str]:
    return {f"{node.domain}{node.op_type}" for node in packages.onnx().load(str(path)).graph.node}


def test_attention_is_one_operation_for_onnx_runtime_and_many_for_others(tmp_path: Path) -> None:
    """One operation holds no scores of all tokens; other programs do not know it."""
    unet = stable_diffusion().unet
    (graph,), (for_others,) = graphs_of("unet", unet), graphs_for_others("unet", unet)
    own = operations(write_onnx(graph, tmp_path / "own"))
    others = operations(write_onnx(for_others, tmp_path / "others", for_others=True))
    # One batch for all of them, with no word of halves.
    assert {axes[0] for axes in for_others.axes.values()} == {"batch"}
    assert "com.microsoftMultiHeadAttention" in own
    assert "Softmax" not in own
    assert "Softmax" in others
    assert not any(name.startswith("com.microsoft") for name in others)
    for of, folder in ((graph, "own"), (for_others, "others")):
        assert differs(of, OnnxSession(tmp_path / folder / "model.onnx"), Sizes(3, 4, 2, 9)) <= 1e-5
    assert not any("attend" in vars(module) for module in unet.modules())


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_one_half_of_guidance_is_enough_where_both_are_the_same(backend: str, tmp_path: Path) -> None:
    """Until the prompt comes in; the same graph takes pictures of which each has a prompt of its own."""
    graph = graphs_of("unet", stable_diffusion().unet)[0]
    assert isinstance(graph, UNetGraph)
    assert graph.shares_halves
    session = session_of(graph, backend, tmp_path)
    inputs = graph.example(Sizes(6, 2, 3, 5), torch.Generator().manual_seed(2))
    inputs["timestep"] = torch.full((6,), 500.0)
    assert [len(tensor) for tensor in inputs.values()] == [3, 6, 6]
    (half,) = session.run(inputs, nothing)
    (whole,) = session.run(inputs | {"sample": inputs["sample"].repeat(2, 1, 1, 1)}, nothing)
    assert half.shape == whole.shape
    assert ((half - whole).abs().max() / whole.abs().max()).item() <= 1e-5


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_the_back_ends_unet_takes_one_of_two_equal_halves(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unet = stable_diffusion().unet
    computed = Backend(backend, "float32").part("unet", unet, nothing)
    given: list[int] = []
    compute = computed._compute
    monkeypatch.setattr(
        computed, "_compute", lambda name, inputs: given.append(len(inputs["sample"])) or compute(name, inputs)
    )
    generator = torch.Generator().manual_seed(0)
    latents, prompt = torch.randn(1, 4, 16, 16, generator=generator), torch.randn(2, 5, 16, generator=generator)
    other = torch.randn(1, 4, 16, 16, generator=generator)
    with torch.no_grad():
        for sample in (torch.cat([latents] * 2), torch.cat([latents, other])):
            result, wanted = (network(sample, 500, prompt, return_dict=False)[0] for network in (computed, unet))
            assert ((result - wanted).abs().max() / wanted.abs().max()).item() <= 1e-5
    assert given == [1, 2]
    with pytest.raises(InvalidValue, match=r"encoder_hidden_states has the shape \(1, 5, 16\); this call needs 2 rows"):
        computed(torch.cat([latents] * 2), 500, prompt[:1])


def test_what_is_told_with_the_prompt_leaves_no_halves_alike() -> None:
    graphs = (graphs_of("unet", stable_diffusion_xl().unet)[0], graphs_of("unet", with_classes())[0])
    assert not any(graph.shares_halves for graph in graphs if isinstance(graph, UNetGraph))


def with_classes() -> UNet2DConditionModel:
    unet = stable_diffusion().unet
    return UNet2DConditionModel.from_config({**unet.config, "num_class_embeds": 4})


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_wide_upsamplers_are_exported_without_the_doubled_image(backend: str, tmp_path: Path) -> None:
    """Nine products on the image itself in place of the convolution of one four times as large."""
    wide = stable_diffusion(Size(vae=(convolution.DOUBLED_CHANNELS,) * 2)).vae
    graph = graphs_of("vae", wide)[0]
    session = session_of(graph, backend, tmp_path)
    for sizes in (Sizes(1, 1, 1, 3), Sizes(3, 4, 2, 9)):
        assert differs(graph, session, sizes) <= 1e-5
    written = next(path for path in (tmp_path / "model.xml", tmp_path / "model.onnx") if path.exists()).read_bytes()
    doubles = (b'type="Interpolate"', b'type="Upsample"') if backend == "openvino" else (b"Resize", b"Upsample")
    assert not any(name in written for name in doubles)


@pytest.mark.parametrize(
    "options",
    [
        {"time_cond_proj_dim": 8},
        {"num_class_embeds": 4},
        {"class_embed_type": "timestep"},
        {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 6},
        {"class_embed_type": "simple_projection", "projection_class_embeddings_input_dim": 6},
        {"class_embed_type": "identity"},
        {"in_channels": 9},
    ],
    ids=str,
)
def test_unets_that_are_told_more(options: dict[str, Any], tmp_path: Path) -> None:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=8,
        attention_head_dim=2,
        norm_num_groups=4,
        **options,
    ).eval()
    (graph,) = graphs_of("unet", unet)
    assert differs(graph, session_of(graph, "onnx", tmp_path), Sizes(3, 2, 1, 4)) <= 1e-4


def test_a_difference_is_an_error() -> None:
    graph = graphs_of("unet", stable_diffusion().unet)[0]

    def wrong(inputs: dict[str, Tensor]) -> list[Tensor]:
        with torch.no_grad():
            return [graph(*inputs.values()) * 1.001]

    with pytest.raises(ExportMismatch, match=r"exported unet differs .* 1\.0e-03 .* back end torch"):
        check(graph, wrong)


def test_openvino_is_imported_without_its_telemetry(tmp_path: Path) -> None:
    (graph, *_) = graphs_of("text_encoder", stable_diffusion().components["text_encoder"])
    write_openvino(graph, tmp_path)
    assert "openvino" in sys.modules
    assert "openvino_telemetry" not in sys.modules


@pytest.mark.parametrize(("name", "package"), [("openvino", "openvino"), ("onnx", "onnxruntime"), ("onnx", "onnx")])
def test_a_missing_package_is_named_with_its_command(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependency, match=rf"package {package}, .* `pip install sfumato\[{name}\]`"):
        Backend(name, "float32")


def test_what_no_back_end_knows() -> None:
    with pytest.raises(InvalidValue, match="vae of this model is a AutoencoderTiny, which no back end but torch"):
        graphs_of("vae", AutoencoderTiny())
    with pytest.raises(InvalidValue, match="'tensorrt' is unknown; choose torch or openvino, onnx"):
        Backend("tensorrt", "float32")
    with pytest.raises(InvalidValue, match="ONNX Runtime computes in float32 .* not in bfloat16"):
        Backend("onnx", "bfloat16")


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_close_or_float32(precision: str, tmp_path: Path) -> None:
    graph = graphs_of("text_encoder", stable_diffusion().components["text_encoder"])[0]
    session = OpenVinoSession(write_openvino(graph, tmp_path), precision, fixed=False)
    error = differs(graph, session, Sizes(2, 2, 2, 5))
    assert error <= (1e-4 if computes_in(precision) == "float32" else 5e-2)
