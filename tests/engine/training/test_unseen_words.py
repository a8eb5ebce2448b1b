"""Words that training did not see learn to say what the nearest title says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.models.clip_text import CLIPTextModel
from engine.prompts.tokenizer import CLIPTokenizer
from engine.training.dataset import CaptionedImage, CaptionedImages
from engine.training.unseen_words import nearest_titles, phrases_of_titles, teach_unseen_words, unseen_words

WORDS = ("cat", "kitten", "dog", "puppy", "pet", "icon")
STATES = 3


@pytest.fixture
def tokenizer() -> CLIPTokenizer:
    """Each word is one token, put together from its letters from left to right."""
    letters = sorted({*"".join(WORDS), ",", "1"})
    merges: dict[tuple[str, str], None] = {}
    for word in WORDS:
        *most, last = word
        pieces = [*most, f"{last}</w>"]
        merges |= {("".join(pieces[:i]), pieces[i]): None for i in range(1, len(pieces))}
    made = dict.fromkeys("".join(pair) for pair in merges)
    signs = [*letters, *(f"{letter}</w>" for letter in letters), *made, "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer({token: i for i, token in enumerate(signs)}, list(merges), model_max_length=8)


def all_but(tokenizer: CLIPTokenizer, *words: str) -> set[int]:
    unseen = {f"{word}</w>" for word in words}
    return {number for token, number in tokenizer.get_vocab().items() if token not in unseen}


def an_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Words mean what their tokens' embeddings are: two felines, two canines, and others far from them."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    encoder = CLIPTextModel.from_config(
        sizes | special | {"vocab_size": len(tokenizer), "max_position_embeddings": 8, "hidden_act": "gelu"}
    ).eval()
    vocabulary, table = tokenizer.get_vocab(), encoder.text_model.embeddings.token_embedding.weight
    feline, canine, noise = torch.randn(3, 16)
    meanings = {"cat": feline, "kitten": feline + 0.1 * noise, "dog": canine, "puppy": canine + 0.1 * noise}
    with torch.no_grad():
        for word, meaning in meanings.items():
            table[vocabulary[f"{word}</w>"]] = 3 * meaning
    return encoder


def data(*captions: tuple[str, ...], style: str = "icon") -> CaptionedImages:
    items = tuple(CaptionedImage(Path(f"{i}.png"), texts, style) for i, texts in enumerate(captions))
    return CaptionedImages(items, np.zeros((len(items), 8, 8, 3), dtype=np.uint8))


def said(encoder: CLIPTextModel, tokenizer: CLIPTokenizer, text: str) -> Tensor:
    ids = tokenizer([text], padding="max_length", return_tensors="pt").input_ids
    with torch.no_grad():
        return encoder(ids, return_dict=False)[0][0, -STATES:]


def test_titles_and_their_phrases() -> None:
    images = data(("cat, icon", "cat, pet, icon"), ("dog, icon",), ("cat, icon", "a kitten, icon"))
    assert phrases_of_titles(images) == {"cat": {"cat", "pet", "a kitten"}, "dog": {"dog"}}


def test_words_are_whole_and_unseen(tokenizer: CLIPTokenizer) -> None:
    numbers = tokenizer.get_vocab()
    unseen = all_but(tokenizer, "cat", "dog", ",", "1", "t") - {numbers["ca"], numbers["d"]}
    assert unseen_words(tokenizer, unseen) == {word: numbers[f"{word}</w>"] for word in ("cat", "dog", "t")}


def test_the_nearest_phrase_decides(tokenizer: CLIPTokenizer) -> None:
    # The pet has a feline among its phrases, and the icon stands for itself.
    titles = {"pet": {"cat"}, "dog": set[str](), "icon": set[str]()}
    assert nearest_titles(an_encoder(tokenizer), tokenizer, ["kitten", "puppy"], titles) == ["pet", "dog"]


@pytest.mark.parametrize("style", ["icon", ""])
def test_an_unseen_word_says_what_its_title_says(tokenizer: CLIPTokenizer, style: str) -> None:
    given, trained = an_encoder(tokenizer), an_encoder(tokenizer)
    vocabulary, table = tokenizer.get_vocab(), trained.text_model.embeddings.token_embedding.weight
    ending = f", {style}" if style else ""
    with torch.no_grad():
        table += torch.randn(table.shape)
    before = table.clone()
    images = data((f"cat{ending}",), (f"dog{ending}",), style=style)
    seen = all_but(tokenizer, "kitten", "puppy")
    first = {
        word: said(trained, tokenizer, word + ending) - said(trained, tokenizer, title + ending)
        for word, title in (("kitten", "cat"), ("puppy", "dog"))
    }
    assert list(teach_unseen_words(trained, given, tokenizer, images, seen, STATES)) == [(2, 2)]
    for word, title in (("kitten", "cat"), ("puppy", "dog")):
        left = said(trained, tokenizer, word + ending) - said(trained, tokenizer, title + ending)
        assert left.square().mean() < 0.1 * first[word].square().mean()
    others = [number for token, number in vocabulary.items() if token not in {"kitten</w>", "puppy</w>"}]
    assert torch.equal(table[others], before[others])


def test_nothing_changes_where_every_word_was_seen(tokenizer: CLIPTokenizer) -> None:
    given, trained = an_encoder(tokenizer), an_encoder(tokenizer)
    before = trained.text_model.embeddings.token_embedding.weight.clone()
    seen = set(range(len(tokenizer)))
    assert list(teach_unseen_words(trained, given, tokenizer, data(("cat, icon",)), seen, STATES)) == []
    assert torch.equal(trained.text_model.embeddings.token_embedding.weight, before)
