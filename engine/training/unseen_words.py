"""Words that a text encoder's further training did not see: they go where the words nearest to them went."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor
from torch.nn import functional

from engine.models.clip_text import CLIPTextModel
from engine.prompts.tokenizer import CLIPTokenizer

WORD_END = "</w>"  # of a token that ends a word, in CLIP's vocabulary
NEAREST = 3
TEMPERATURE = 0.05  # of the softmax over their cosines


@torch.no_grad()
def adopt_embeddings(
    trained: CLIPTextModel, given: CLIPTextModel, tokenizer: CLIPTokenizer, seen: Collection[int]
) -> None:
    """Give each word of one token that is not in `seen` the mean token embedding, in `trained`, of its nearest ones.

    Near is what `given`, the text encoder before that training, takes for near: by cosine of the pooled states of the
    words alone, their mean taken off. Tokens that are parts of words, and of signs and digits, stay as they are.
    """
    words = sorted(
        number
        for token, number in tokenizer.get_vocab().items()
        if token.endswith(WORD_END) and token.removesuffix(WORD_END).isalpha()
    )
    known = [number for number in words if number in seen]
    unknown = [number for number in words if number not in seen]
    if not known or not unknown:
        return
    states = pooled(given, tokenizer, words)
    place = {number: row for row, number in enumerate(words)}
    states = functional.normalize(states - states.mean(0), dim=-1)
    similarity = states[[place[number] for number in unknown]] @ states[[place[number] for number in known]].T
    nearest = similarity.topk(min(NEAREST, len(known)), dim=-1)
    shares = torch.softmax(nearest.values / TEMPERATURE, dim=-1)
    table = trained.text_model.embeddings.token_embedding.weight
    table[unknown] = (shares.unsqueeze(-1) * table[torch.tensor(known)[nearest.indices]]).sum(1)


def pooled(encoder: CLIPTextModel, tokenizer: CLIPTokenizer, tokens: list[int]) -> Tensor:
    """Return the pooled states (tokens, width) of prompts of one token each."""
    ids = torch.tensor([[tokenizer.bos_token_id, token, tokenizer.eos_token_id] for token in tokens])
    return torch.cat([encoder(part).pooler_output for part in ids.split(512)])
