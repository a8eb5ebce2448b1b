"""Embeddings of plans: what the text encoders say about each chunk, weighted, joined and cached."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from engine import (
    CLIPTextModel,
    CLIPTextModelWithProjection,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from engine.errors import BadFile, InvalidValue
from engine.loading.adapters import AdapterStack, AdapterUse, find_files
from engine.loading.textual_inversion import as_words, read_bundled, read_embedding, words_in
from engine.prompts import PromptCache, encode, plan
from tests.engine.prompts.letters import END, letter_tokenizer
from tests.fixtures.stable_diffusion import stable_diffusion

WIDTH = 16


def text_encoder(tokenizer: Any, seed: int, projection: bool = False) -> Any:
    """A text encoder of three layers."""
    torch.manual_seed(seed)
    kind = CLIPTextModelWithProjection if projection else CLIPTextModel
    encoder = kind(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=24,
        projection_dim=12,
        num_hidden_layers=3,
        num_attention_heads=2,
        eos_token_id=tokenizer.eos_token_id,
    ).eval()
    # A trained encoder's states have a mean, an untrained one's have none.
    torch.nn.init.normal_(encoder.text_model.final_layer_norm.bias, 0.3)
    return encoder


@pytest.fixture(scope="module")
def sd() -> SimpleNamespace:
    """Tokenizer and text encoder as of Stable Diffusion 1."""
    tokenizer = letter_tokenizer()
    return SimpleNamespace(tokenizer=tokenizer, text_encoder=text_encoder(tokenizer, 0), config={})


@pytest.fixture(scope="module")
def xl() -> SimpleNamespace:
    """Tokenizers and text encoders as of Stable Diffusion XL: the second pads with an exclamation mark."""
    first, second = letter_tokenizer(), letter_tokenizer(pad="!")
    return SimpleNamespace(
        tokenizer=first,
        tokenizer_2=second,
        text_encoder=text_encoder(first, 1),
        text_encoder_2=text_encoder(second, 2, projection=True),
        config={"force_zeros_for_empty_prompt": True},
    )


def ids(tokenizer: Any, text: str) -> list[int]:
    """A chunk of 77 tokens, by hand."""
    body = tokenizer(text, add_special_tokens=False).input_ids
    return [tokenizer.bos_token_id, *body, tokenizer.eos_token_id, *[tokenizer.pad_token_id] * (75 - len(body))]


@torch.no_grad()
def outputs(encoder: Any, tokens: list[int], mask: list[int] | None = None) -> Any:
    """What the text encoder returns for one chunk."""
    attention = None if mask is None else torch.tensor([mask])
    return encoder(torch.tensor([tokens]), attention_mask=attention, output_hidden_states=True)


def positive(pipeline: Any, text: str, syntax: str = "a1111", **options: Any) -> Tensor:
    """The embeddings of a prompt."""
    return encode(pipeline, plan(text, "", syntax), **options)(0, 20).positive[0][0]


def test_without_syntax_it_is_what_the_pipeline_makes(sd: SimpleNamespace) -> None:
    pipeline: StableDiffusionPipeline = stable_diffusion()
    for skip in (None, 1):
        wanted = pipeline.encode_prompt("a cat", negative_prompt="b", clip_skip=skip)
        made = encode(pipeline, plan("a cat", "b", "plain"), skip)(0, 20)
        assert torch.equal(made.positive[0][0], wanted[0])
        assert wanted[1] is not None and made.negative is not None
        assert torch.equal(made.negative, wanted[1])
    for syntax in ("a1111", "compel"):
        assert torch.equal(positive(sd, "a b", syntax), outputs(sd.text_encoder, ids(sd.tokenizer, "a b"))[0])


def test_long_prompts_are_encoded_chunk_by_chunk(sd: SimpleNamespace) -> None:
    made = positive(sd, " ".join(["a"] * 80))
    parts = [outputs(sd.text_encoder, ids(sd.tokenizer, " ".join(["a"] * count)))[0] for count in (75, 5)]
    assert torch.equal(made, torch.cat(parts, dim=1))


def test_weights_scale_states_and_the_mean_comes_back(sd: SimpleNamespace) -> None:
    states = outputs(sd.text_encoder, ids(sd.tokenizer, "a b c"))[0].double()
    scaled = states.clone()
    scaled[:, 2] *= 1.5
    scaled[:, 3] /= 1.1
    expected = scaled * (states.mean() / scaled.mean())
    torch.testing.assert_close(positive(sd, "a (b:1.5) [c]").double(), expected, rtol=1e-5, atol=1e-6)


def test_weights_of_states_without_a_mean_leave_numbers(sd: SimpleNamespace) -> None:
    untrained = SimpleNamespace(tokenizer=sd.tokenizer, text_encoder=text_encoder(sd.tokenizer, 0))
    torch.nn.init.zeros_(untrained.text_encoder.text_model.final_layer_norm.bias)
    states = outputs(untrained.text_encoder, ids(sd.tokenizer, "a"))[0]
    made = positive(untrained, "(a:1.5)")
    assert torch.equal(made[:, 1], 1.5 * states[:, 1]) and torch.equal(made[:, 2:], states[:, 2:])


@pytest.mark.parametrize("syntax", ["a1111", "compel"])
def test_weights_beyond_all_numbers_are_named(sd: SimpleNamespace, syntax: str) -> None:
    """Their states would be NaN, and so would the picture."""
    with pytest.raises(InvalidValue, match=r"weight inf in the prompt is too large; write one like 1\.2"):
        positive(sd, {"a1111": f"{'(' * 9000}word", "compel": f"(word){'9' * 400}"}[syntax], syntax)


def test_skipped_layers(sd: SimpleNamespace) -> None:
    states = outputs(sd.text_encoder, ids(sd.tokenizer, "a")).hidden_states
    with torch.no_grad():
        expected = sd.text_encoder.text_model.final_layer_norm(states[-3])
    made = encode(sd, plan("a", "a"), 2)(0, 20)
    assert torch.equal(made.positive[0][0], expected)
    assert made.negative is not None and torch.equal(made.negative, expected)
    with pytest.raises(InvalidValue, match="clip_skip cannot be 9; this text encoder has 3 layers"):
        encode(sd, plan("a"), 9)


@pytest.mark.parametrize("skip", [None, 1])
def test_two_text_encoders_stand_beside_each_other(xl: SimpleNamespace, skip: int | None) -> None:
    made = encode(xl, plan(f"{' '.join(['a'] * 75)} (b:1.2)", "c"), skip)(0, 20)
    first = outputs(xl.text_encoder, ids(xl.tokenizer, " ".join(["a"] * 75)))
    second = outputs(xl.text_encoder_2, ids(xl.tokenizer_2, " ".join(["a"] * 75)))
    embeds = made.positive[0][0]
    assert embeds.shape == (1, 154, 2 * WIDTH)
    layer = -2 - (skip or 0)
    assert torch.equal(embeds[:, :77], torch.cat([first.hidden_states[layer], second.hidden_states[layer]], dim=-1))
    assert made.pooled is not None and torch.equal(made.pooled[0], second.text_embeds)
    negative = outputs(xl.text_encoder_2, ids(xl.tokenizer_2, "c"))
    assert made.negative_pooled is not None and torch.equal(made.negative_pooled, negative.text_embeds)


def test_an_empty_negative_prompt_is_nothing_at_all_where_the_model_says_so(xl: SimpleNamespace) -> None:
    made = encode(xl, plan("a", " "))(0, 20)
    assert made.negative is not None and not made.negative.any()
    assert made.negative_pooled is not None and not made.negative_pooled.any()


def test_a_refiner_has_the_second_text_encoder_only(xl: SimpleNamespace) -> None:
    refiner = SimpleNamespace(
        tokenizer=None, text_encoder=None, tokenizer_2=xl.tokenizer_2, text_encoder_2=xl.text_encoder_2
    )
    wanted = outputs(xl.text_encoder_2, ids(xl.tokenizer_2, "a")).hidden_states[-2]
    assert torch.equal(positive(refiner, "a"), wanted)
    with pytest.raises(InvalidValue, match="has no CLIP text encoder"):
        positive(SimpleNamespace(), "a")


def test_lerped_weights(sd: SimpleNamespace) -> None:
    tokens = ids(sd.tokenizer, "a b c")
    empty = outputs(sd.text_encoder, ids(sd.tokenizer, ""))[0]
    states = outputs(sd.text_encoder, tokens)[0]
    louder = empty + (states - empty) * torch.tensor([1.0, 1.0, 1.21, *[1.0] * 74])[None, :, None]
    torch.testing.assert_close(positive(sd, "a b++ c", "compel"), louder)
    factors = torch.tensor([1.0, 1.0, 0.5, *[1.0] * 74])[None, :, None]
    without = outputs(sd.text_encoder, tokens, [1, 1, 0, *[1] * 74])[0]
    share = math.tan((1 - 0.5) * math.pi / 2)
    quieter = (empty + (states - empty) * factors + share * (empty + (without - empty) * factors)) / (1 + share)
    torch.testing.assert_close(positive(sd, "a (b)0.5 c", "compel"), quieter)


def test_blends_and_conjunctions(sd: SimpleNamespace) -> None:
    one, two, empty = (outputs(sd.text_encoder, ids(sd.tokenizer, text))[0] for text in ("a", "b c", ""))
    torch.testing.assert_close(positive(sd, '("a", "b c").blend(3, 1)', "compel"), 0.75 * one + 0.25 * two)
    torch.testing.assert_close(positive(sd, '("a", "b c").blend(3, 1, no_normalize)', "compel"), 3 * one + two)
    torch.testing.assert_close(
        positive(sd, '("a", "b c").and(1, 0.5)', "compel"), torch.cat([one, empty + 0.5 * (two - empty)], dim=1)
    )


def test_joined_and_scheduled_prompts(sd: SimpleNamespace) -> None:
    made = encode(sd, plan("[a:b:0.5] AND c:0.5", "d", steps=4))
    states = {text: outputs(sd.text_encoder, ids(sd.tokenizer, text))[0] for text in "abcd"}
    for index, text in enumerate("aabb"):
        conditions = made(index, 4)
        assert [weight for _, weight in conditions.positive] == [1, 0.5]
        assert torch.equal(conditions.positive[0][0], states[text])
        assert torch.equal(conditions.positive[1][0], states["c"])
        assert conditions.negative is not None and torch.equal(conditions.negative, states["d"])
    assert made(0, 4) is made(1, 4), "the same object as long as nothing changes"
    assert torch.equal(made(4, 8).positive[0][0], states["b"]), "of eight steps the fifth is in the second half"


def latents(pipeline: Any, **options: Any) -> Tensor:
    """What three steps from the same noise give."""
    steps = pipeline.steps(
        num_inference_steps=3,
        output_type="latent",
        height=32,
        width=32,
        generator=torch.Generator().manual_seed(0),
        **options,
    )
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value.images


def xl_pipeline(xl: SimpleNamespace) -> StableDiffusionXLPipeline:
    """A whole pipeline around the text encoders."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=16,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(16, 32),
        layers_per_block=1,
        cross_attention_dim=2 * WIDTH,
        attention_head_dim=(2, 4),
        norm_num_groups=8,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=12 + 6 * 8,
    )
    return StableDiffusionXLPipeline(
        **{name: getattr(xl, name) for name in ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")},
        vae=stable_diffusion().vae,
        unet=unet.eval(),
        scheduler=EulerDiscreteScheduler(),
    )


def test_pipelines_take_plans(xl: SimpleNamespace) -> None:
    for pipeline in (stable_diffusion(), xl_pipeline(xl)):
        plain = latents(pipeline, prompt="a cat", negative_prompt="b")
        assert torch.equal(latents(pipeline, conditioning=encode(pipeline, plan("a cat", "b", steps=3))), plain)
        long = plan("a [b|c] AND " + "x " * 90 + ":0.5", "b", steps=3)
        made = latents(pipeline, conditioning=encode(pipeline, long))
        assert made.shape == plain.shape and made.isfinite().all() and not torch.equal(made, plain)


# ---------------------------------------------------------------------------------------------------- cache


def test_what_was_encoded_is_not_encoded_again(tmp_path: Path) -> None:
    tokenizer = letter_tokenizer()
    model = SimpleNamespace(tokenizer=tokenizer, text_encoder=text_encoder(tokenizer, 0))
    calls: list[int] = []
    model.text_encoder.register_forward_hook(lambda *_: calls.append(1))
    cache = PromptCache()

    def encoded(text: str, skip: int | None = None) -> int:
        before = len(calls)
        encode(model, plan(text, "b", steps=4), skip, cache)
        return len(calls) - before

    assert encoded("a") == 2
    assert encoded("a") == 0
    assert encoded("[a|c]") == 1, "only the new text"
    assert encoded("a", 1) == 2
    module = "lora_te_text_model_encoder_layers_0_mlp_fc1"
    path = tmp_path / "adapter.safetensors"
    save_file({f"{module}.lora_down.weight": torch.ones(1, WIDTH), f"{module}.lora_up.weight": torch.ones(24, 1)}, path)
    stack = AdapterStack(model)
    stack.set([AdapterUse(path, text_encoder=0.5)])
    assert encoded("a") == 2, "an adapter changes what the encoder says"
    stack.clear()
    assert encoded("a") == 0
    model.text_encoder.to(torch.float64)
    assert encoded("a") == 2


def test_the_cache_is_bounded(sd: SimpleNamespace) -> None:
    one = 77 * WIDTH * 4
    cache = PromptCache(limit_bytes=3 * one)
    for letter in "abcdefg":
        encode(sd, plan(letter, "z"), None, cache)
    assert len(cache) == 3 and cache.nbytes == 3 * one
    made = encode(sd, plan("[a|b|c|d|e]", "z", steps=5), None, PromptCache(limit_bytes=1))
    assert len({tuple(made(index, 5).positive[0][0].flatten().tolist()) for index in range(5)}) == 5
    cache.clear()
    assert (len(cache), cache.nbytes) == (0, 0)


# --------------------------------------------------------------------------------------------- words of one's own


def test_words_of_ones_own(sd: SimpleNamespace, tmp_path: Path) -> None:
    vectors = torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(1))
    torch.save(
        {"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}, "name": "q", "step": 1}, tmp_path / "qx.pt"
    )
    tokenizer, table = sd.tokenizer, sd.text_encoder.text_model.embeddings.token_embedding
    size, before = len(tokenizer), table.weight.clone()
    words = words_in("a (qx:1.2)", find_files([tmp_path]))
    assert set(words) == {"qx", "q"}
    assert words_in("a qxs (q)", find_files([tmp_path])) == {}, "no word of that name"
    made = positive(sd, "a qx b", words=words)
    # By hand: three more rows in the table, and their ids in the place of the name.
    bigger = text_encoder(tokenizer, 0)
    bigger.load_state_dict(sd.text_encoder.state_dict())
    bigger.text_model.embeddings.token_embedding = torch.nn.Embedding.from_pretrained(torch.cat([before, vectors]))
    a, b = (tokenizer(letter, add_special_tokens=False).input_ids[0] for letter in "ab")
    tokens = [tokenizer.bos_token_id, a, size, size + 1, size + 2, b, *[tokenizer.eos_token_id] * 71]
    torch.testing.assert_close(made, outputs(bigger, tokens)[0])
    assert len(tokenizer) == size and torch.equal(table.weight, before), "nothing has grown"
    assert torch.equal(positive(sd, "a qx b"), outputs(sd.text_encoder, ids(tokenizer, "a qx b"))[0])
    chunks = positive(sd, " ".join(["a"] * 74) + " qx", words=words)
    assert chunks.shape[1] == 154, "a word is not cut in two"


def test_forms_of_embedding_files(tmp_path: Path) -> None:
    one, two = torch.randn(2, 768), torch.randn(2, 1280)
    parameters = torch.nn.ParameterDict({"*": torch.nn.Parameter(one)})
    torch.save({"string_to_param": parameters, "name": "old"}, tmp_path / "a1111.pt")
    torch.save({"<cat>": one[0]}, tmp_path / "learned_embeds.bin")
    save_file({"emb_params": one}, tmp_path / "params.safetensors")
    save_file({"<dog>": one}, tmp_path / "diffusers.safetensors")
    save_file({"clip_l": one, "clip_g": two}, tmp_path / "xl.safetensors")
    save_file({"emb_params": two}, tmp_path / "second.safetensors")
    found = {path.stem: read_embedding(path) for path in tmp_path.iterdir()}
    shapes = {name: {encoder: list(rows.shape) for encoder, rows in one.vectors.items()} for name, one in found.items()}
    assert shapes == {
        "a1111": {"text_encoder": [2, 768]},
        "learned_embeds": {"text_encoder": [1, 768]},
        "params": {"text_encoder": [2, 768]},
        "diffusers": {"text_encoder": [2, 768]},
        "xl": {"text_encoder": [2, 768], "text_encoder_2": [2, 1280]},
        "second": {"text_encoder_2": [2, 1280]},
    }
    assert torch.equal(found["xl"].vectors["text_encoder_2"], two)
    assert set(as_words(found.values())) == {*shapes, "old", "<cat>", "<dog>"}
    bundle = tmp_path / "bundle.safetensors"
    save_file(
        {"lora_unet_x.alpha": torch.ones(1), "bundle_emb.mine.clip_l": one, "bundle_emb.mine.clip_g": two}, bundle
    )
    assert [(word.name, len(word), set(word.vectors)) for word in read_bundled(bundle)] == [
        ("mine", 2, {"text_encoder", "text_encoder_2"})
    ]


def test_embeddings_that_do_not_fit_are_named(sd: SimpleNamespace, tmp_path: Path) -> None:
    save_file({"a.weight": torch.ones(3), "b.weight": torch.ones(3)}, tmp_path / "other.safetensors")
    with pytest.raises(BadFile, match=r"other\.safetensors is no embedding: it holds a\.weight"):
        read_embedding(tmp_path / "other.safetensors")
    save_file({"clip_l": torch.ones(2, 8), "clip_g": torch.ones(3, 8)}, tmp_path / "odd.safetensors")
    with pytest.raises(BadFile, match=r"\[\d, \d\] vectors for its text encoders"):
        read_embedding(tmp_path / "odd.safetensors")
    with pytest.raises(InvalidValue, match=r"'q' has vectors of the shape \[1, 5\], but this model's are 16 wide"):
        positive(sd, "q", words={"q": {"text_encoder": torch.ones(1, 5)}})
    with pytest.raises(InvalidValue, match="'q' has 80 vectors"):
        positive(sd, "q", words={"q": {"text_encoder": torch.ones(80, WIDTH)}})
    assert END not in as_words([])
