"""What the text encoder says to tokens that it cannot take."""

from __future__ import annotations

import pytest
import torch

from engine.errors import InvalidValue
from engine.models.clip_text import CLIPTextModel


def test_a_token_of_another_vocabulary_is_said() -> None:
    encoder = CLIPTextModel(
        vocab_size=20, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2
    ).eval()
    encoder(torch.tensor([[0, 19]]))
    words = "gives the token 20, but the text encoder knows 20 tokens only; take both from the same model"
    with pytest.raises(InvalidValue, match=words):
        encoder(torch.tensor([[0, 20]]))
