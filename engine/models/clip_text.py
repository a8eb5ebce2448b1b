"""The text encoder of CLIP (Radford et al. 2021, section 2.4): a causal transformer over token embeddings.

Module names are those of published checkpoints (`text_model.encoder.layers.0.self_attn.q_proj`, ...). Files without
the `text_model.` prefix load too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.config import Config, register_to_config
from engine.errors import InvalidValue
from engine.files import to_json
from engine.models.base import ModelMixin
from engine.models.linear import Linear
from engine.output import Output
from engine.weights import Entry

# Configurations before transformers 4.31 carry this wrong id; the pooled token is then the one with the largest id.
LEGACY_EOS_TOKEN_ID = 2


@dataclass
class CLIPTextOutput(Output):
    """What `CLIPTextModel` returns.

    Attributes:
        last_hidden_state: (batch, tokens, hidden_size), after the final layer norm.
        pooler_output: (batch, hidden_size), its row at the end token.
        hidden_states: the embeddings and the output of every layer, before the final norm, if asked for.
    """

    last_hidden_state: Tensor
    pooler_output: Tensor
    hidden_states: tuple[Tensor, ...] | None = None


@dataclass
class CLIPTextProjectionOutput(Output):
    """What `CLIPTextModelWithProjection` returns: as `CLIPTextOutput`, the pooled row projected.

    Attributes:
        text_embeds: (batch, projection_dim).
    """

    text_embeds: Tensor
    last_hidden_state: Tensor
    hidden_states: tuple[Tensor, ...] | None = None


class QuickGELU(nn.Module):
    """The activation of OpenAI's CLIP: x * sigmoid(1.702 x), near to GELU."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class CLIPAttention(nn.Module):
    """Multi-head self-attention in which a token sees itself and what stands before it."""

    def __init__(self, hidden_size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.k_proj = Linear(hidden_size, hidden_size)
        self.v_proj = Linear(hidden_size, hidden_size)
        self.q_proj = Linear(hidden_size, hidden_size)
        self.out_proj = Linear(hidden_size, hidden_size)

    def forward(self, hidden_states: Tensor, mask: Tensor | None) -> Tensor:
        query, key, value = (
            projection(hidden_states).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        attended = functional.scaled_dot_product_attention(
            query, key, value, mask, self.dropout if self.training else 0.0, is_causal=mask is None
        )
        return self.out_proj(attended.transpose(1, 2).flatten(2))


class CLIPMLP(nn.Module):
    """Two linear layers with the activation between them."""

    def __init__(self, hidden_size: int, intermediate_size: int, hidden_act: str) -> None:
        super().__init__()
        self.activation_fn = QuickGELU() if hidden_act == "quick_gelu" else nn.GELU()
        self.fc1 = Linear(hidden_size, intermediate_size)
        self.fc2 = Linear(intermediate_size, hidden_size)

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self.fc2(self.activation_fn(self.fc1(hidden_states)))


class CLIPEncoderLayer(nn.Module):
    """A pre-norm transformer layer."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.self_attn = CLIPAttention(config.hidden_size, config.num_attention_heads, config.attention_dropout)
        self.layer_norm1 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = CLIPMLP(config.hidden_size, config.intermediate_size, config.hidden_act)
        self.layer_norm2 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden_states: Tensor, mask: Tensor | None) -> Tensor:
        hidden_states = hidden_states + self.self_attn(self.layer_norm1(hidden_states), mask)
        return hidden_states + self.mlp(self.layer_norm2(hidden_states))


class CLIPTextEmbeddings(nn.Module):
    """Token embeddings plus learned position embeddings."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embedding = nn.Embedding(config.max_position_embeddings, config.hidden_size)

    def forward(self, input_ids: Tensor, position_ids: Tensor | None) -> Tensor:
        length, longest = input_ids.shape[-1], self.position_embedding.num_embeddings
        if length > longest:
            raise InvalidValue(f"the text has {length} tokens; this encoder takes at most {longest}: truncate it.")
        self._check(input_ids)
        if position_ids is None:
            return self.token_embedding(input_ids) + self.position_embedding.weight[:length]
        return self.token_embedding(input_ids) + self.position_embedding(position_ids)

    def _check(self, input_ids: Tensor) -> None:
        words = self.token_embedding.num_embeddings
        # Not on other devices, which would have to be waited for, nor where a program is traced for all texts.
        if input_ids.device.type != "cpu" or not input_ids.numel() or torch.compiler.is_compiling():
            return
        if not torch.jit.is_tracing() and (largest := int(input_ids.max())) >= words:  # pyright: ignore[reportPrivateImportUsage]
            raise InvalidValue(
                f"The tokenizer gives the token {largest}, but the text encoder knows {words} tokens only; "
                "take both from the same model."
            )


class CLIPEncoder(nn.Module):
    """The stack of layers; `forward` returns its input and the output of every layer."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layers = nn.ModuleList(CLIPEncoderLayer(config) for _ in range(config.num_hidden_layers))

    def forward(self, hidden_states: Tensor, mask: Tensor | None) -> tuple[Tensor, ...]:
        states = [hidden_states]
        for layer in self.layers:
            states.append(layer(states[-1], mask))
        return tuple(states)


class CLIPTextTransformer(nn.Module):
    """Embeddings, encoder and final norm: what both text models share."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.eos_token_id: int = config.eos_token_id
        self.embeddings = CLIPTextEmbeddings(config)
        self.encoder = CLIPEncoder(config)
        self.final_layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None, position_ids: Tensor | None
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Return (last hidden state, its row at the end token, all hidden states)."""
        input_ids = input_ids.view(-1, input_ids.shape[-1])
        states = self.encoder(self.embeddings(input_ids, position_ids), _causal_mask(attention_mask))
        last = self.final_layer_norm(states[-1])
        is_end = input_ids if self.eos_token_id == LEGACY_EOS_TOKEN_ID else (input_ids == self.eos_token_id).int()
        return last, last[torch.arange(last.shape[0], device=last.device), is_end.argmax(dim=-1)], states


def _causal_mask(attention_mask: Tensor | None) -> Tensor | None:
    """Return which key each query may see, (batch, 1, tokens, tokens), or None where plain causality holds.

    `attention_mask`: (batch, tokens), 1 for tokens and 0 for padding.
    """
    if attention_mask is None or bool(attention_mask.all()):
        return None
    length = attention_mask.shape[-1]
    causal = torch.ones(length, length, dtype=torch.bool, device=attention_mask.device).tril()
    return causal & attention_mask.bool()[:, None, None, :]


class _CLIPTextBase(ModelMixin):
    """Files, initial weights and loading, which both text models have in common."""

    weights_name: ClassVar[str] = "model"
    pickled_name: ClassVar[str] = "pytorch_model"
    text_model: CLIPTextTransformer

    @classmethod
    def load_config(cls, folder: str | Path, subfolder: str | None = None) -> dict[str, Any]:
        """Return the configuration in `folder`; that of a whole CLIP holds the text encoder's in `text_config`."""
        return text_config(super().load_config(folder, subfolder))

    def config_json(self) -> str:
        """Return the configuration as transformers writes it: `architectures` and `model_type` name the class."""
        return to_json(
            dict(self.config)
            | {
                "architectures": [type(self).__name__],
                "model_type": "clip_text_model",
                # Transformers before version 5 reads this name only, later ones read both.
                "torch_dtype": str(self.dtype).removeprefix("torch."),
            }
        )

    def rename_entries(self, entries: dict[str, Entry]) -> dict[str, Entry]:
        """Return `entries` under this class's names: the prefix added, the constant `position_ids` left out."""
        bare = ("embeddings.", "encoder.", "final_layer_norm.")
        return {
            f"text_model.{key}" if key.startswith(bare) else key: entry
            for key, entry in entries.items()
            if not key.endswith("embeddings.position_ids")
        }

    def _initialise(self) -> None:
        """Draw the initial weights of CLIP (Radford et al. 2021, the released code's scales)."""
        width, depth = self.config.hidden_size, self.config.num_hidden_layers
        factor = self.config.initializer_factor
        residual_std = width**-0.5 * (2 * depth) ** -0.5 * factor
        for table in (self.text_model.embeddings.token_embedding, self.text_model.embeddings.position_embedding):
            nn.init.normal_(table.weight, std=0.02 * factor)
        for module in self.text_model.encoder.modules():
            if isinstance(module, CLIPAttention):
                for projection in (module.q_proj, module.k_proj, module.v_proj):
                    nn.init.normal_(projection.weight, std=residual_std)
                nn.init.normal_(module.out_proj.weight, std=width**-0.5 * factor)
            elif isinstance(module, CLIPMLP):
                nn.init.normal_(module.fc1.weight, std=(2 * width) ** -0.5 * factor)
                nn.init.normal_(module.fc2.weight, std=residual_std)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)


def text_config(content: dict[str, Any]) -> dict[str, Any]:
    """Return the text encoder's part of a transformers configuration, which may be that of a whole CLIP."""
    nested = content.get("text_config")
    if not isinstance(nested, dict):
        return content
    return {"projection_dim": content.get("projection_dim", 512)} | cast("dict[str, Any]", nested)


def _check_heads(hidden_size: int, num_attention_heads: int) -> None:
    if hidden_size % num_attention_heads:
        raise InvalidValue(
            f"hidden_size {hidden_size} is not a multiple of num_attention_heads {num_attention_heads}; change one."
        )


class CLIPTextModel(_CLIPTextBase):
    """CLIP's text encoder as Stable Diffusion uses it."""

    @register_to_config
    def __init__(
        self,
        vocab_size: int = 49408,
        hidden_size: int = 512,
        intermediate_size: int = 2048,
        projection_dim: int | None = 512,
        num_hidden_layers: int = 12,
        num_attention_heads: int = 8,
        max_position_embeddings: int = 77,
        hidden_act: Literal["quick_gelu", "gelu"] = "quick_gelu",
        layer_norm_eps: float = 1e-5,
        attention_dropout: float = 0.0,
        initializer_range: float = 0.02,
        initializer_factor: float = 1.0,
        pad_token_id: int | None = 1,
        bos_token_id: int | None = 49406,
        eos_token_id: int = 49407,
    ) -> None:
        super().__init__()
        _check_heads(hidden_size, num_attention_heads)
        self.text_model = CLIPTextTransformer(self.config)
        self._initialise()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        output_hidden_states: bool = False,
        return_dict: bool = True,
    ) -> CLIPTextOutput | tuple[Any, ...]:
        """Encode token ids (batch, tokens); `attention_mask` (batch, tokens) is 0 where a token is padding."""
        last, pooled, states = self.text_model(input_ids, attention_mask, position_ids)
        output = CLIPTextOutput(last, pooled, states if output_hidden_states else None)
        return output if return_dict else output.to_tuple()


class CLIPTextModelWithProjection(_CLIPTextBase):
    """CLIP's text encoder with the projection into the space that text and image share."""

    @register_to_config
    def __init__(
        self,
        vocab_size: int = 49408,
        hidden_size: int = 512,
        intermediate_size: int = 2048,
        projection_dim: int = 512,
        num_hidden_layers: int = 12,
        num_attention_heads: int = 8,
        max_position_embeddings: int = 77,
        hidden_act: Literal["quick_gelu", "gelu"] = "quick_gelu",
        layer_norm_eps: float = 1e-5,
        attention_dropout: float = 0.0,
        initializer_range: float = 0.02,
        initializer_factor: float = 1.0,
        pad_token_id: int | None = 1,
        bos_token_id: int | None = 49406,
        eos_token_id: int = 49407,
    ) -> None:
        super().__init__()
        _check_heads(hidden_size, num_attention_heads)
        self.text_model = CLIPTextTransformer(self.config)
        self.text_projection = Linear(hidden_size, projection_dim, bias=False)
        self._initialise()
        nn.init.normal_(self.text_projection.weight, std=hidden_size**-0.5 * initializer_factor)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        output_hidden_states: bool = False,
        return_dict: bool = True,
    ) -> CLIPTextProjectionOutput | tuple[Any, ...]:
        """Encode token ids (batch, tokens); `attention_mask` (batch, tokens) is 0 where a token is padding."""
        last, pooled, states = self.text_model(input_ids, attention_mask, position_ids)
        output = CLIPTextProjectionOutput(self.text_projection(pooled), last, states if output_hidden_states else None)
        return output if return_dict else output.to_tuple()
