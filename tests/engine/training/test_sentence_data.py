"""The distillation set's phrases, its teacher, and the tokenizer trained on its words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from engine.errors import InvalidValue
from engine.training.data.sentences import build, count_words, make_phrases, read_vocabulary
from engine.training.data.tokenizer import END, START, byte_symbols, train_merges, write_tokenizer

ROWS = [
    {"label": "red apple", "tags": ["fruit", "food"], "captions": ["red apple, 3d icon", "fruit, 3d icon"]},
    {"label": "oil drum", "tags": ["barrel"], "captions": ["oil drum, flat icon"]},
]
WORDS = ["the", "of", "house", "river", "mountain", "puppy"]


def test_vocabulary_keeps_whole_words(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("[PAD]\nthe\n##ing\na\n1984\nécole\nriver\n", encoding="utf-8")
    assert read_vocabulary(path) == ["the", "river"]


def test_phrases_hold_every_word_label_tag_and_held_out_word_once() -> None:
    phrases = make_phrases(WORDS, ROWS, ["cider"], drawn=300)
    assert len(set(phrases)) == len(phrases)
    for noun in ("red apple", "oil drum", "fruit", "barrel", "cider"):
        assert {noun, f"{noun}, 3d icon", f"{noun}, flat icon", f"{noun}, drawn icon"} <= set(phrases)
    assert set(WORDS) <= set(phrases)
    assert make_phrases(WORDS, ROWS, ["cider"], drawn=300) == phrases
    assert make_phrases(WORDS, ROWS, ["cider"], drawn=300, seed=1) != phrases


def test_icon_words_outweigh_rare_words_for_the_tokenizer() -> None:
    words = [f"w{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(600)]
    counts = count_words(words, ROWS, ["cider"])
    assert counts["apple"] == counts["cider"] == counts["icon"] == 40
    assert counts[words[0]] > counts[words[-1]] >= 1


def test_embeddings_are_the_teachers_normalised_means(tmp_path: Path) -> None:
    teacher = tmp_path / "teacher"
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "apple", "puppy"]
    tokenizer = transformers.BertTokenizer(vocab={token: index for index, token in enumerate(vocabulary)})
    tokenizer.save_pretrained(teacher)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    model = transformers.BertModel(config).eval()
    model.save_pretrained(teacher)
    phrases = ["puppy", "red apple", "apple", "red red apple"]
    build(phrases, teacher, tmp_path / "out")
    found = np.load(tmp_path / "out" / "embeddings.npy").astype(np.float32)
    with torch.inference_mode():
        for phrase, row in zip(phrases, found, strict=True):
            mean = model(**tokenizer(phrase, return_tensors="pt")).last_hidden_state[0].mean(0)
            # bfloat16 keeps eight bits, which the teacher's cosine survives.
            assert torch.nn.functional.cosine_similarity(mean, torch.from_numpy(row), 0) > 0.999
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=2e-3)
    assert (tmp_path / "out" / "phrases.txt").read_text().splitlines() == phrases


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(
        {"apple": 40, "applet": 3, "red": 40, "house": 20, "mouse": 9, "banana": 5}, folder, size=530, max_length=16
    )
    return folder


def test_tokenizer_loads_as_published_ones_do(folder: Path) -> None:
    tokenizer = transformers.CLIPTokenizer.from_pretrained(folder)
    assert len(tokenizer) == 530
    assert tokenizer.bos_token_id == 528
    assert tokenizer.eos_token_id == tokenizer.pad_token_id == 529
    assert tokenizer.model_max_length == 16
    ids = tokenizer("A red  APPLE", padding="max_length")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids[:5]) == [START, "a</w>", "red</w>", "apple</w>", END]
    assert ids[5:] == [529] * 11
    assert tokenizer.unk_token_id not in tokenizer("żółć 猫 😀 #", add_special_tokens=False)["input_ids"]


def test_vocabulary_begins_as_clips_does(folder: Path) -> None:
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    ordered = sorted(vocabulary, key=vocabulary.__getitem__)
    assert ordered[:3] == ["!", '"', "#"]
    assert ordered[256:259] == ["!</w>", '"</w>', "#</w>"]
    assert len(set(byte_symbols())) == 256
    assert (folder / "merges.txt").read_text(encoding="utf-8").startswith("#version: 0.2\n")


def test_too_few_words_for_the_vocabulary() -> None:
    with pytest.raises(InvalidValue, match="not 100"):
        train_merges({"ab": 3}, 100)
