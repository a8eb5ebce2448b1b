"""Each form of adapter changes the weights as its formula says, computed here afresh in double precision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from engine.loading.adapters import AdapterStack, AdapterUse
from tests.engine.loading.adapters.tiny import snapshot, stable_diffusion, write

LINEAR = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"  # 16 x 16
CONV = "down_blocks.0.resnets.0.conv1"  # 16 x 16 x 3 x 3
POINT = "down_blocks.0.attentions.0.proj_in"  # 16 x 16 x 1 x 1
WIDE = "mid_block.resnets.0.conv2"  # 32 x 32 x 3 x 3
Tensors = dict[str, Tensor]
Formula = Callable[[Tensors, Tensor], Tensor]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    """Random numbers in single precision."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape))) * 0.4


def lora(t: Tensors, w: Tensor) -> Tensor:
    up, down = t["lora_up.weight"], t["lora_down.weight"]
    scale = t["alpha"] / down.shape[0] if "alpha" in t else 1.0
    return w + scale * (up.reshape(len(up), -1) @ down.reshape(len(down), -1)).reshape(w.shape)


def locon_with_core(t: Tensors, w: Tensor) -> Tensor:
    up, mid, down = t["lora_up.weight"][:, :, 0, 0], t["lora_mid.weight"], t["lora_down.weight"][:, :, 0, 0]
    added = torch.zeros_like(w)
    for h in range(3):
        for v in range(3):
            added[:, :, h, v] = up @ mid[:, :, h, v] @ down
    return w + t["alpha"] / len(down) * added


def loha(t: Tensors, w: Tensor) -> Tensor:
    first, second = t["hada_w1_a"] @ t["hada_w1_b"], t["hada_w2_a"] @ t["hada_w2_b"]
    return w + t["alpha"] / len(t["hada_w1_b"]) * (first * second).reshape(w.shape)


def loha_with_core(t: Tensors, w: Tensor) -> Tensor:
    halves: list[Tensor] = []
    for half in "12":
        core, outer, inner = t[f"hada_t{half}"], t[f"hada_w{half}_a"], t[f"hada_w{half}_b"]
        built = torch.zeros_like(w)
        for h in range(3):
            for v in range(3):
                built[:, :, h, v] = outer.T @ core[:, :, h, v] @ inner
        halves.append(built)
    return w + t["alpha"] / len(t["hada_w1_b"]) * halves[0] * halves[1]


def kron(first: Tensor, second: Tensor) -> Tensor:
    """Kronecker's product by its definition, in the first two axes."""
    a, b = first.shape
    c, d = second.shape[:2]
    out = torch.zeros(a * c, b * d, *second.shape[2:], dtype=first.dtype)
    for i in range(a):
        for j in range(b):
            out[i * c : (i + 1) * c, j * d : (j + 1) * d] = first[i, j] * second
    return out


def lokr(t: Tensors, w: Tensor) -> Tensor:
    rank = None
    first, second = t.get("lokr_w1"), t.get("lokr_w2")
    if first is None:
        first, rank = t["lokr_w1_a"] @ t["lokr_w1_b"], len(t["lokr_w1_b"])
    if second is None:
        rank = len(t["lokr_w2_b"])
        if "lokr_t2" in t:
            second = torch.einsum("pqhv,po,qi->oihv", t["lokr_t2"], t["lokr_w2_a"], t["lokr_w2_b"])
        else:
            second = t["lokr_w2_a"] @ t["lokr_w2_b"]
            if w.ndim == 4:
                second = second.reshape(len(second), -1, *w.shape[2:])
    scale = 1.0 if rank is None else t["alpha"] / rank
    return w + scale * kron(first, second).reshape(w.shape)


def dora(by: int) -> Formula:
    """LoRA, then rows (0) or columns (1) brought to the length that the file says."""

    def formula(t: Tensors, w: Tensor) -> Tensor:
        changed = lora(t, w).transpose(0, by)
        scale = t["dora_scale"].reshape(-1)
        rows = [row * (scale[i] / row.norm()) for i, row in enumerate(changed)]
        return torch.stack(rows).transpose(0, by)

    return formula


def rotation(block: Tensor, bound: float, whole_norm: Tensor) -> Tensor:
    skew = block - block.T
    if 0 < bound < whole_norm:
        skew = skew * bound / whole_norm
    eye = torch.eye(len(block), dtype=block.dtype)
    return (eye + skew) @ torch.linalg.inv(eye - skew)


def oft(t: Tensors, w: Tensor) -> Tensor:
    blocks = t["oft_blocks"]
    norm = torch.cat([(block - block.T).flatten() for block in blocks]).norm()
    turn = torch.block_diag(*[rotation(block, float(t["alpha"]) * len(w), norm) for block in blocks])
    turned = (turn.T @ w.reshape(len(w), -1)).reshape(w.shape)
    return turned * t["rescale"].reshape(-1, *[1] * (w.ndim - 1)) if "rescale" in t else turned


def boft(t: Tensors, w: Tensor) -> Tensor:
    factors = t["oft_blocks"]
    norm = torch.cat([(block - block.T).flatten() for factor in factors for block in factor]).norm()
    rows = w.reshape(len(w), -1)
    size = factors.shape[-1]
    for level, factor in enumerate(factors):
        half = 2**level * (size // 2)
        # Row c 2k + g k + j goes to the place c 2k + 2 j + g.
        order = [
            c * 2 * half + g * half + j for c in range(len(w) // (2 * half)) for j in range(half) for g in range(2)
        ]
        permutation = torch.eye(len(w), dtype=w.dtype)[order]
        turn = torch.block_diag(*[rotation(block, float(t["alpha"]) * len(w), norm) for block in factor])
        rows = permutation.T @ turn @ permutation @ rows
    return rows.reshape(w.shape)


def oft_of_inputs(t: Tensors, w: Tensor) -> Tensor:
    turns: list[Tensor] = []
    for triangle in t["oft_R.weight"]:
        skew, numbers = torch.zeros(4, 4, dtype=w.dtype), iter(triangle)
        for row in range(4):
            for column in range(row + 1, 4):
                skew[row, column] = next(numbers)
                skew[column, row] = -skew[row, column]
        eye = torch.eye(4, dtype=w.dtype)
        turns.append(eye + 2 * skew + 2 * skew @ skew + 2 * skew @ skew @ skew + skew @ skew @ skew @ skew)
    return (w.reshape(len(w), -1) @ torch.block_diag(*turns).T).reshape(w.shape)


def full(t: Tensors, w: Tensor) -> Tensor:
    return w + t["diff"]


def factors(**shapes: tuple[int, ...]) -> Tensors:
    """The factors of LoHa, each drawn afresh."""
    drawn_ones = {f"hada_{name}": drawn(*shape, seed=seed) for seed, (name, shape) in enumerate(shapes.items())}
    return drawn_ones | {"alpha": ALPHA}


RANK, ALPHA = 4, torch.tensor(3.0)
PLAIN_LORA = {"lora_up.weight": drawn(16, RANK), "lora_down.weight": drawn(RANK, 16, seed=1), "alpha": ALPHA}
CONV_LORA = {"lora_up.weight": drawn(16, RANK, 1, 1), "lora_down.weight": drawn(RANK, 16, 3, 3), "alpha": ALPHA}
CASES: dict[str, tuple[str, Tensors, Formula]] = {
    "lora": (LINEAR, PLAIN_LORA, lora),
    "lora, half precision": (LINEAR, {key: tensor.half() for key, tensor in PLAIN_LORA.items()}, lora),
    "lora without alpha": (LINEAR, {key: PLAIN_LORA[key] for key in ("lora_up.weight", "lora_down.weight")}, lora),
    "lora of a linear layer on a convolution": (POINT, PLAIN_LORA, lora),
    "locon": (CONV, CONV_LORA, lora),
    "locon with a core": (
        CONV,
        {
            "lora_up.weight": drawn(16, RANK, 1, 1),
            "lora_mid.weight": drawn(RANK, RANK, 3, 3),
            "lora_down.weight": drawn(RANK, 16, 1, 1),
            "alpha": ALPHA,
        },
        locon_with_core,
    ),
    "loha": (LINEAR, factors(w1_a=(16, RANK), w1_b=(RANK, 16), w2_a=(16, RANK), w2_b=(RANK, 16)), loha),
    "loha of a convolution": (
        CONV,
        factors(w1_a=(16, RANK), w1_b=(RANK, 144), w2_a=(16, RANK), w2_b=(RANK, 144)),
        loha,
    ),
    "loha with cores": (
        CONV,
        factors(
            t1=(RANK, RANK, 3, 3),
            t2=(RANK, RANK, 3, 3),
            w1_a=(RANK, 16),
            w1_b=(RANK, 16),
            w2_a=(RANK, 16),
            w2_b=(RANK, 16),
        ),
        loha_with_core,
    ),
    "lokr of whole factors": (LINEAR, {"lokr_w1": drawn(4, 4), "lokr_w2": drawn(4, 4, seed=1), "alpha": ALPHA}, lokr),
    "lokr": (
        LINEAR,
        {"lokr_w1": drawn(2, 4), "lokr_w2_a": drawn(8, 2), "lokr_w2_b": drawn(2, 4), "alpha": ALPHA},
        lokr,
    ),
    "lokr of two products": (
        LINEAR,
        {
            "lokr_w1_a": drawn(4, 3),
            "lokr_w1_b": drawn(3, 4),
            "lokr_w2_a": drawn(4, 2),
            "lokr_w2_b": drawn(2, 4),
            "alpha": ALPHA,
        },
        lokr,
    ),
    "lokr of a convolution": (CONV, {"lokr_w1": drawn(2, 4), "lokr_w2": drawn(8, 4, 3, 3), "alpha": ALPHA}, lokr),
    "lokr of a convolution, a product": (
        CONV,
        {"lokr_w1": drawn(2, 4), "lokr_w2_a": drawn(8, 2), "lokr_w2_b": drawn(2, 36), "alpha": ALPHA},
        lokr,
    ),
    "lokr with a core": (
        CONV,
        {
            "lokr_w1": drawn(2, 4),
            "lokr_t2": drawn(2, 2, 3, 3),
            "lokr_w2_a": drawn(2, 8),
            "lokr_w2_b": drawn(2, 4),
            "alpha": ALPHA,
        },
        lokr,
    ),
    "dora by rows": (LINEAR, PLAIN_LORA | {"dora_scale": drawn(16, 1, seed=5).abs() + 0.5}, dora(0)),
    "dora by columns": (LINEAR, PLAIN_LORA | {"dora_scale": drawn(1, 16, seed=5).abs() + 0.5}, dora(1)),
    "dora of a convolution": (CONV, CONV_LORA | {"dora_scale": drawn(16, 1, 1, 1, seed=5).abs() + 0.5}, dora(0)),
    "dora of a convolution by columns": (CONV, CONV_LORA | {"dora_scale": drawn(1, 16, 1, 1).abs() + 0.5}, dora(1)),
    "oft": (LINEAR, {"oft_blocks": drawn(4, 4, 4), "alpha": torch.tensor(0.0)}, oft),
    "oft within a bound": (CONV, {"oft_blocks": drawn(2, 8, 8), "alpha": torch.tensor(0.05)}, oft),
    "oft with lengths": (
        LINEAR,
        {"oft_blocks": drawn(4, 4, 4), "alpha": torch.tensor(0.0), "rescale": 1 + drawn(16, 1)},
        oft,
    ),
    "boft": (CONV, {"oft_blocks": drawn(3, 4, 4, 4), "alpha": torch.tensor(0.0)}, boft),
    "boft of a wide layer": (WIDE, {"oft_blocks": drawn(2, 4, 8, 8), "alpha": torch.tensor(0.01)}, boft),
    "oft of inputs": (LINEAR, {"oft_R.weight": drawn(4, 6)}, oft_of_inputs),
    "oft of the inputs of a convolution": (CONV, {"oft_R.weight": drawn(36, 6)}, oft_of_inputs),
    "full": (CONV, {"diff": drawn(16, 16, 3, 3)}, full),
}


@pytest.fixture(scope="module")
def pipeline() -> SimpleNamespace:
    """Parts to change."""
    return stable_diffusion()


@pytest.mark.parametrize("strength", [1.0, -0.6])
@pytest.mark.parametrize("case", CASES)
def test_the_weights_are_those_of_the_formula(
    case: str, strength: float, pipeline: SimpleNamespace, tmp_path: Path
) -> None:
    module, tensors, formula = CASES[case]
    path = write(tmp_path, {f"lora_unet_{module.replace('.', '_')}.{key}": tensor for key, tensor in tensors.items()})
    layer = pipeline.unet.get_submodule(module)
    original = layer.weight.detach().double()
    before = snapshot(pipeline)
    stack = AdapterStack(pipeline)
    stack.set([AdapterUse(path, unet=strength, text_encoder=0)])
    assert stack.report == ()
    expected = formula({key: tensor.double() for key, tensor in tensors.items()}, original)
    expected = original + strength * (expected - original)
    assert (expected - original).abs().max() > 1e-3, "the case changes nothing"
    torch.testing.assert_close(layer.weight.detach().double(), expected, rtol=0, atol=1e-6)
    others = [key for key, tensor in snapshot(pipeline).items() if not torch.equal(tensor, before[key])]
    assert others == [f"unet.{module}.weight"]
    stack.clear()


def test_norms_and_biases(pipeline: SimpleNamespace, tmp_path: Path) -> None:
    norm, conv = "down_blocks.0.resnets.0.norm1", "conv_in"
    path = write(
        tmp_path,
        {
            "lora_unet_down_blocks_0_resnets_0_norm1.w_norm": drawn(16),
            "lora_unet_down_blocks_0_resnets_0_norm1.b_norm": drawn(16, seed=1),
            "lora_unet_conv_in.diff_b": drawn(16, seed=2),
            "lora_te_text_model_final_layer_norm.diff": drawn(16, seed=3),
        },
    )
    layers = pipeline.unet.get_submodule(norm), pipeline.unet.get_submodule(conv)
    last = pipeline.text_encoder.text_model.final_layer_norm
    expected = [
        layers[0].weight.double() + 0.5 * drawn(16).double(),
        layers[0].bias.double() + 0.5 * drawn(16, seed=1).double(),
        layers[1].bias.double() + 0.5 * drawn(16, seed=2).double(),
        last.weight.double() + 0.25 * drawn(16, seed=3).double(),
    ]
    stack = AdapterStack(pipeline)
    stack.set([AdapterUse(path, 0.5, 0.25)])
    assert stack.report == ()
    for found, wanted in zip((layers[0].weight, layers[0].bias, layers[1].bias, last.weight), expected, strict=True):
        torch.testing.assert_close(found.double(), wanted, rtol=0, atol=1e-6)
    stack.clear()


def test_an_adapter_for_four_channels_fits_an_inpainting_model(tmp_path: Path) -> None:
    pipeline = stable_diffusion()
    pipeline.unet.conv_in = torch.nn.Conv2d(9, 16, 3, padding=1)
    path = write(
        tmp_path,
        {
            "lora_unet_conv_in.lora_up.weight": drawn(16, 2, 1, 1),
            "lora_unet_conv_in.lora_down.weight": drawn(2, 4, 3, 3),
        },
    )
    original = pipeline.unet.conv_in.weight.detach().clone()
    AdapterStack(pipeline).set([AdapterUse(path)])
    changed = pipeline.unet.conv_in.weight.detach()
    assert torch.equal(changed[:, 4:], original[:, 4:])
    added = (drawn(16, 2, 1, 1).flatten(1) @ drawn(2, 4, 3, 3).flatten(1)).reshape(16, 4, 3, 3)
    torch.testing.assert_close(changed[:, :4], original[:, :4] + added)
