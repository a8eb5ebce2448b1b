"""Words that training did not see adopt the embeddings of words that are near to them."""

from __future__ import annotations

import torch

from engine.models.clip_text import CLIPTextModel
from engine.prompts.tokenizer import CLIPTokenizer
from engine.training.unseen_words import adopt_embeddings

WORDS = ("cat", "kitten", "dog", "puppy")


def a_tokenizer() -> CLIPTokenizer:
    signs = ["<|startoftext|>", "<|endoftext|>", "a", "a</w>", "1</w>", *(f"{word}</w>" for word in WORDS)]
    return CLIPTokenizer({token: number for number, token in enumerate(signs)}, [])


def an_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Words mean what their tokens' embeddings are: two felines, two canines, and a letter between them."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    encoder = CLIPTextModel.from_config(
        sizes | special | {"vocab_size": len(tokenizer), "max_position_embeddings": 8, "hidden_act": "gelu"}
    ).eval()
    vocabulary, table = tokenizer.get_vocab(), encoder.text_model.embeddings.token_embedding.weight
    feline, canine, noise = torch.randn(3, 16)
    with torch.no_grad():
        for word, meaning in zip(WORDS, (feline, feline + 0.1 * noise, canine, canine + 0.1 * noise), strict=True):
            table[vocabulary[f"{word}</w>"]] = 3 * meaning
    return encoder


def test_an_unseen_word_goes_where_the_nearest_one_went() -> None:
    tokenizer = a_tokenizer()
    given, trained = an_encoder(tokenizer), an_encoder(tokenizer)
    vocabulary, table = tokenizer.get_vocab(), trained.text_model.embeddings.token_embedding.weight
    with torch.no_grad():
        table += torch.randn(table.shape)
    before = table.clone()
    seen = {vocabulary["cat</w>"], vocabulary["dog</w>"], vocabulary["a"]}
    adopt_embeddings(trained, given, tokenizer, seen)
    for unseen, near in (("kitten", "cat"), ("puppy", "dog")):
        changed, wanted = table[vocabulary[f"{unseen}</w>"]], before[vocabulary[f"{near}</w>"]]
        assert (changed - wanted).norm() < 0.1 * wanted.norm()
    kept = [vocabulary[token] for token in ("a", "1</w>", "cat</w>", "dog</w>", "<|endoftext|>")]
    assert torch.equal(table[kept], before[kept])


def test_nothing_changes_where_no_word_or_every_word_was_seen() -> None:
    tokenizer = a_tokenizer()
    given, trained = an_encoder(tokenizer), an_encoder(tokenizer)
    before = trained.text_model.embeddings.token_embedding.weight.clone()
    for seen in (set[int](), set(range(len(tokenizer)))):
        adopt_embeddings(trained, given, tokenizer, seen)
        assert torch.equal(trained.text_model.embeddings.token_embedding.weight, before)
