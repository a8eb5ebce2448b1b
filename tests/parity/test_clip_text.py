"""CLIP text encoders against transformers: numbers, files in both directions, odd configurations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.errors import BadFile, ConfigError, InvalidValue, KnownError, MissingFile, WeightsMismatch
from engine.models.clip_text import CLIPTextModel, CLIPTextModelWithProjection

EOS = 99
TOLERANCE = 1e-5
CLASSES = [
    (CLIPTextModel, transformers.CLIPTextModel),
    (CLIPTextModelWithProjection, transformers.CLIPTextModelWithProjection),
]
SIZES = [
    {"hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 5, "num_attention_heads": 4},
    {
        "hidden_size": 24,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 3,
        "hidden_act": "gelu",
    },
    {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 1,
        "layer_norm_eps": 1e-3,
    },
]


@pytest.fixture(autouse=True)
def quiet_transformers() -> None:
    transformers.utils.logging.disable_progress_bar()


def reference(cls: type, **options: object) -> transformers.PreTrainedModel:
    torch.manual_seed(0)
    defaults = {"vocab_size": 100, "max_position_embeddings": 20, "projection_dim": 12, "eos_token_id": EOS}
    model = cls(transformers.CLIPTextConfig(**(defaults | options)))
    # The initial weights of CLIP are so small that most mistakes would drown in the embeddings.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model.eval()


def token_ids(batch: int, length: int) -> Tensor:
    ids = torch.randint(3, EOS - 1, (batch, length), generator=torch.Generator().manual_seed(1))
    for row in range(batch):
        ids[row, length - 1 - row % length :] = EOS
    return ids


def error(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max())


@pytest.mark.parametrize(("ours_class", "their_class"), CLASSES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("batch", "length"), [(1, 20), (3, 7), (2, 1)])
def test_outputs_equal(
    tmp_path: Path, ours_class: type, their_class: type, size: dict[str, object], batch: int, length: int
) -> None:
    theirs = reference(their_class, **size)
    theirs.save_pretrained(tmp_path)
    ours = ours_class.from_pretrained(tmp_path)
    ids = token_ids(batch, length)
    with torch.no_grad():
        mine, wanted = ours(ids, output_hidden_states=True), theirs(ids, output_hidden_states=True)
    assert error(mine.last_hidden_state, wanted.last_hidden_state) < TOLERANCE
    assert len(mine.hidden_states) == len(wanted.hidden_states)
    for state, their_state in zip(mine.hidden_states, wanted.hidden_states, strict=True):
        assert error(state, their_state) < TOLERANCE
    assert error(mine[0], wanted[0]) < TOLERANCE
    name = "text_embeds" if "Projection" in ours_class.__name__ else "pooler_output"
    assert error(mine[name], wanted[name]) < TOLERANCE
    with torch.no_grad():
        pair = ours(ids, return_dict=False)
    assert isinstance(pair, tuple)
    assert len(pair) == 2


def test_pooled_token_of_early_configurations_is_the_largest_id(tmp_path: Path) -> None:
    theirs = reference(transformers.CLIPTextModel, **SIZES[0], eos_token_id=2)
    theirs.save_pretrained(tmp_path)
    ids = token_ids(3, 9)
    ids[0, 4] = EOS
    with torch.no_grad():
        mine, wanted = CLIPTextModel.from_pretrained(tmp_path)(ids), theirs(ids)
    assert error(mine.pooler_output, wanted.pooler_output) < TOLERANCE


def test_padding_mask_and_positions(tmp_path: Path) -> None:
    theirs = reference(transformers.CLIPTextModel, **SIZES[0])
    theirs.save_pretrained(tmp_path)
    ours = CLIPTextModel.from_pretrained(tmp_path)
    ids = token_ids(3, 9)
    mask = torch.ones_like(ids)
    mask[0, 5:], mask[1, 8:] = 0, 0
    positions = torch.arange(9).flip(0)[None]
    with torch.no_grad():
        mine, wanted = ours(ids, mask, positions), theirs(ids, attention_mask=mask, position_ids=positions)
        unmasked = ours(ids, position_ids=positions)
    assert error(mine.last_hidden_state, wanted.last_hidden_state) < TOLERANCE
    assert error(unmasked.last_hidden_state, wanted.last_hidden_state) > 100 * TOLERANCE
    with torch.no_grad():
        assert torch.equal(ours(ids, torch.ones_like(ids)).last_hidden_state, ours(ids).last_hidden_state)


@pytest.mark.parametrize(("ours_class", "their_class"), CLASSES)
def test_files_go_both_ways(tmp_path: Path, ours_class: type, their_class: type) -> None:
    theirs = reference(their_class, **SIZES[1])
    theirs.save_pretrained(tmp_path / "theirs")
    ours = ours_class.from_pretrained(tmp_path / "theirs")
    ours.save_pretrained(tmp_path / "ours")
    saved = load_file(tmp_path / "ours" / "model.safetensors")
    assert all(key.startswith("text_model.") or key == "text_projection.weight" for key in saved)
    config = json.loads((tmp_path / "ours" / "config.json").read_text())
    assert "_class_name" not in config
    assert config["architectures"] == [their_class.__name__]
    assert config["model_type"] == "clip_text_model"
    again = their_class.from_pretrained(tmp_path / "ours")
    ids = token_ids(2, 8)
    with torch.no_grad():
        assert torch.equal(again(ids)[0], theirs(ids)[0])


def test_published_layout_loads(tmp_path: Path) -> None:
    """Early files: prefix, a `position_ids` buffer, half precision, keys of every transformers configuration."""
    torch.manual_seed(0)
    ours = CLIPTextModel(vocab_size=100, max_position_embeddings=20, eos_token_id=2, **SIZES[0])
    ours.save_pretrained(tmp_path)
    tensors = {key: value.half() for key, value in load_file(tmp_path / "model.safetensors").items()}
    tensors["text_model.embeddings.position_ids"] = torch.arange(20)[None]
    save_file(tensors, tmp_path / "model.safetensors")
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"dropout": 0.0, "return_dict": True, "_name_or_path": "openai/clip-vit-large-patch14", "top_k": 50}
    (tmp_path / "config.json").write_text(json.dumps(config))
    loaded = CLIPTextModel.from_pretrained(tmp_path)
    assert loaded.dtype == torch.float32
    assert not loaded.training
    half = CLIPTextModel.from_pretrained(tmp_path, torch_dtype=torch.float16)
    assert half.dtype == torch.float16
    weight = loaded.text_model.final_layer_norm.weight
    assert torch.equal(weight, ours.text_model.final_layer_norm.weight.half().float())


def test_configuration_of_a_whole_clip(tmp_path: Path) -> None:
    CLIPTextModelWithProjection(vocab_size=100, projection_dim=9, **SIZES[2]).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["projection_dim"]
    whole = {"model_type": "clip", "projection_dim": 9, "text_config": config, "vision_config": {"hidden_size": 5}}
    (tmp_path / "config.json").write_text(json.dumps(whole))
    loaded = CLIPTextModelWithProjection.from_pretrained(tmp_path)
    assert loaded.config.projection_dim == 9
    assert loaded.config.hidden_size == SIZES[2]["hidden_size"]


def test_initial_weights_have_the_scales_of_the_reference() -> None:
    torch.manual_seed(0)
    options = {"vocab_size": 2000, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2}
    ours = CLIPTextModelWithProjection(**options)
    theirs = transformers.CLIPTextModelWithProjection(transformers.CLIPTextConfig(**options))
    for key, tensor in theirs.state_dict().items():
        assert ours.state_dict()[key].std().item() == pytest.approx(tensor.std().item(), rel=0.05, abs=1e-9), key


def test_training_reaches_every_weight() -> None:
    torch.manual_seed(0)
    model = CLIPTextModelWithProjection(vocab_size=100, eos_token_id=EOS, attention_dropout=0.1, **SIZES[0]).train()
    model(token_ids(2, 6)).text_embeds.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


class TestWrongInput:
    """Each mistake is one sentence that names value or file."""

    def make(self, folder: Path) -> None:
        CLIPTextModel(vocab_size=100, max_position_embeddings=20, **SIZES[0]).save_pretrained(folder)

    def test_too_long_a_text(self) -> None:
        model = CLIPTextModel(vocab_size=100, max_position_embeddings=20, **SIZES[0])
        with pytest.raises(InvalidValue, match="21 tokens.*at most 20"):
            model(token_ids(1, 21))

    def test_heads_that_do_not_divide(self) -> None:
        with pytest.raises(InvalidValue, match="hidden_size 32.*num_attention_heads 5"):
            CLIPTextModel(hidden_size=32, num_attention_heads=5)

    def test_unknown_activation(self, tmp_path: Path) -> None:
        self.make(tmp_path)
        path = tmp_path / "config.json"
        path.write_text(path.read_text().replace("quick_gelu", "swish"))
        with pytest.raises(ConfigError, match=r"config\.json.*hidden_act.*'swish'.*gelu"):
            CLIPTextModel.from_pretrained(tmp_path)

    def test_wrong_shape(self, tmp_path: Path) -> None:
        self.make(tmp_path)
        path = tmp_path / "config.json"
        path.write_text(path.read_text().replace('"vocab_size": 100', '"vocab_size": 101'))
        with pytest.raises(WeightsMismatch, match=r"model\.safetensors.*token_embedding.*100"):
            CLIPTextModel.from_pretrained(tmp_path)

    def test_missing_and_damaged_files(self, tmp_path: Path) -> None:
        with pytest.raises(MissingFile, match=r"config\.json"):
            CLIPTextModel.from_pretrained(tmp_path)
        self.make(tmp_path)
        weights = tmp_path / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        with pytest.raises(BadFile, match=r"model\.safetensors is cut short"):
            CLIPTextModel.from_pretrained(tmp_path)
        weights.unlink()
        with pytest.raises(KnownError, match=r"model\.safetensors is missing"):
            CLIPTextModel.from_pretrained(tmp_path)
