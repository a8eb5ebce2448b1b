"""What is exported of a network: its computation as a function of tensors alone, with names and dynamic sizes.

Everything else stays in torch: looking words up (so that words of one's own can be put in their place), picking the
end token, drawing from a posterior.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from engine.errors import InvalidValue
from engine.models.autoencoder_kl import AutoencoderKL
from engine.models.clip_text import CLIPTextModel, CLIPTextModelWithProjection
from engine.models.spatial_transformer import Context
from engine.models.unet_2d_condition import UNet2DConditionModel

Inputs = dict[str, Tensor]


@dataclass(frozen=True)
class Sizes:
    """Sizes of an example: pictures, rows and columns of latent pixels in units of what a network needs, tokens."""

    batch: int
    rows: int
    columns: int
    tokens: int


# Two that differ in everything: one is traced, the other shows that nothing of the first has stuck.
TRACED, CHECKED = Sizes(2, 2, 3, 5), Sizes(1, 3, 2, 7)


class Graph(nn.Module, ABC):
    """One computation of a network.

    Attributes:
        name: what its files are called.
        config: the configuration of the network that it is of.
        axes: of each input its dynamic axes and their names, in the order of the arguments.
        outputs: the names of what it returns.
    """

    name: str
    config: Mapping[str, Any]
    axes: Mapping[str, Mapping[int, str]]
    outputs: Sequence[str]

    @abstractmethod
    def example(self, sizes: Sizes, generator: torch.Generator) -> Inputs:
        """Random inputs of these sizes, in float32."""


class UNetGraph(Graph):
    """A U-Net: noisy sample (batch, channels, height, width), timestep (batch,), tokens (batch, tokens, channels).

    Attributes:
        shares_halves: the sample may have half the rows of the others; each then stands for two. What comes before the
            first look at the prompt is computed for it alone (`engine.models.halves`).
    """

    name = "unet"
    outputs = ("out_sample",)

    def __init__(self, unet: UNet2DConditionModel, *, may_share: bool = True) -> None:
        super().__init__()
        self.unet = unet
        self.config = config = unet.config
        self.axes = {"sample": {0: "batch", 2: "height", 3: "width"}, "timestep": {0: "batch"}}
        if unet.has_cross_attention:
            self.axes["encoder_hidden_states"] = {0: "batch", 1: "tokens"}
        if config.addition_embed_type == "text_time":
            self.axes |= {"text_embeds": {0: "batch", 1: "pooled"}, "time_ids": {0: "batch", 1: "numbers"}}
        if config.time_cond_proj_dim is not None:
            self.axes["timestep_cond"] = {0: "batch"}
        if config.class_embed_type is not None or config.num_class_embeds is not None:
            self.axes["class_labels"] = {0: "batch"}
        told_more = self.axes.keys() - {"sample", "timestep", "encoder_hidden_states"}
        self.shares_halves = may_share and unet.looks_at_prompt_first and not told_more
        if self.shares_halves:
            self.axes["sample"] = {**self.axes["sample"], 0: "pictures"}

    def forward(self, *inputs: Tensor) -> Tensor:
        if self.shares_halves:
            sample, timestep, prompt = inputs
            return self.unet.predict(sample, self.unet.embed(prompt, timestep), Context(prompt))
        given = dict(zip(self.axes, inputs, strict=True))
        added = {name: given.pop(name) for name in ("text_embeds", "time_ids") if name in given}
        tokens = given.pop("encoder_hidden_states", None)
        return self.unet(
            given.pop("sample"),
            given.pop("timestep"),
            tokens,
            added_cond_kwargs=added or None,
            return_dict=False,
            **given,
        )[0]

    def example(self, sizes: Sizes, generator: torch.Generator) -> Inputs:
        config, batch = self.unet.config, sizes.batch
        unit = 2 ** (len(config.block_out_channels) - 1)
        pictures = batch // 2 if self.shares_halves and batch % 2 == 0 else batch
        shapes: dict[str, tuple[int, ...]] = {
            "sample": (pictures, config.in_channels, sizes.rows * unit, sizes.columns * unit),
            "encoder_hidden_states": (batch, sizes.tokens, self.unet.cross_attention_dims[0]),
            "timestep_cond": (batch, config.time_cond_proj_dim or 0),
        }
        inputs = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items() if name in self.axes}
        inputs["timestep"] = torch.randint(0, 1000, (batch,), generator=generator).float()
        if "time_ids" in self.axes:
            # Only their sum is known here: XL is told six numbers, its refiner five.
            width, count = config.addition_time_embed_dim, 6 if sizes.batch > 1 else 5
            pooled = config.projection_class_embeddings_input_dim - count * width
            inputs["text_embeds"] = torch.randn(batch, pooled, generator=generator)
            inputs["time_ids"] = torch.randint(0, 1024, (batch, count), generator=generator).float()
        if "class_labels" in self.axes:
            inputs["class_labels"] = self._labels(batch, generator)
        return {name: inputs[name] for name in self.axes}

    def _labels(self, batch: int, generator: torch.Generator) -> Tensor:
        embedding: Any = self.unet.class_embedding
        if isinstance(embedding, nn.Embedding):
            return torch.randint(0, embedding.num_embeddings, (batch,), generator=generator)
        kind = self.unet.config.class_embed_type
        if kind == "timestep":
            return torch.randint(0, 1000, (batch,), generator=generator).float()
        width = {
            "identity": lambda: self.unet.time_embedding.linear_2.out_features,
            "projection": lambda: embedding.linear_1.in_features,
            "simple_projection": lambda: embedding.in_features,
        }[kind]()
        return torch.randn(batch, width, generator=generator)


class DecoderGraph(Graph):
    """The decoder of an autoencoder: latents, as the network takes them, to pictures in [-1, 1]."""

    name = "vae_decoder"
    outputs = ("sample",)

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.post_quant_conv, self.decoder = vae.post_quant_conv, vae.decoder
        self.config = vae.config
        self.channels: int = vae.config.latent_channels
        self.axes = {"latent_sample": {0: "batch", 2: "height", 3: "width"}}

    def forward(self, latent_sample: Tensor) -> Tensor:
        return self.decoder(latent_sample if self.post_quant_conv is None else self.post_quant_conv(latent_sample))

    def example(self, sizes: Sizes, generator: torch.Generator) -> Inputs:
        shape = (sizes.batch, self.channels, 4 * sizes.rows, 4 * sizes.columns)
        return {"latent_sample": torch.randn(shape, generator=generator)}


class EncoderGraph(Graph):
    """The encoder of an autoencoder: pictures in [-1, 1] to means and log variances of latents."""

    name = "vae_encoder"
    outputs = ("latent_parameters",)

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.encoder, self.quant_conv = vae.encoder, vae.quant_conv
        self.config = vae.config
        self.channels: int = vae.config.in_channels
        self.unit = 4 * 2 ** (len(vae.config.block_out_channels) - 1)
        self.axes = {"sample": {0: "batch", 2: "height", 3: "width"}}

    def forward(self, sample: Tensor) -> Tensor:
        moments = self.encoder(sample)
        return moments if self.quant_conv is None else self.quant_conv(moments)

    def example(self, sizes: Sizes, generator: torch.Generator) -> Inputs:
        shape = (sizes.batch, self.channels, sizes.rows * self.unit, sizes.columns * self.unit)
        return {"sample": torch.randn(shape, generator=generator)}


class TextGraph(Graph):
    """CLIP's text encoder behind its table of words: rows of the table (batch, tokens, channels) to all states.

    `mask` (batch, 1, tokens, tokens) is true where a token sees another. The states come as one tensor
    (layers + 1, batch, tokens, channels), and the last once more, normed.
    """

    outputs = ("last_hidden_state", "hidden_states")

    def __init__(self, name: str, encoder: CLIPTextModel | CLIPTextModelWithProjection) -> None:
        super().__init__()
        self.name = name
        self.config = encoder.config
        self.text = encoder.text_model
        self.axes = {
            "inputs_embeds": {0: "batch", 1: "tokens"},
            "mask": {0: "batch", 2: "tokens", 3: "tokens"},
        }

    def forward(self, inputs_embeds: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        places = self.text.embeddings.position_embedding.weight[: inputs_embeds.shape[1]]
        states = self.text.encoder(inputs_embeds + places, mask)
        return self.text.final_layer_norm(states[-1]), torch.stack(states)

    def example(self, sizes: Sizes, generator: torch.Generator) -> Inputs:
        width = self.text.final_layer_norm.normalized_shape[0]
        tokens = min(sizes.tokens, self.text.embeddings.position_embedding.num_embeddings)
        return {
            "inputs_embeds": torch.randn(sizes.batch, tokens, width, generator=generator),
            "mask": torch.ones(tokens, tokens, dtype=torch.bool).tril().expand(sizes.batch, 1, tokens, tokens).clone(),
        }


class TextIdsGraph(Graph):
    """CLIP's text encoder whole, for other programs: token ids (batch, tokens) to states and the embedding of all."""

    def __init__(self, name: str, encoder: CLIPTextModel | CLIPTextModelWithProjection) -> None:
        super().__init__()
        self.name = name
        self.config = encoder.config
        self.encoder = encoder
        self.axes = {"input_ids": {0: "batch", 1: "tokens"}}
        layers = encoder.config.num_hidden_layers
        projected = isinstance(encoder, CLIPTextModelWithProjection)
        first = ("text_embeds", "last_hidden_state") if projected else ("last_hidden_state", "pooler_output")
        self.outputs = (*first, *(f"hidden_states.{index}" for index in range(layers + 1)))

    def forward(self, input_ids: Tensor) -> tuple[Tensor, ...]:
        first, second, states = self.encoder(input_ids, output_hidden_states=True, return_dict=False)
        return first, second, *states

    def example(self, sizes: Sizes, generator: torch.Generator) -> Inputs:
        config = self.encoder.config
        tokens = min(sizes.tokens, config.max_position_embeddings)
        ids = torch.randint(0, config.vocab_size, (sizes.batch, tokens), generator=generator)
        return {"input_ids": ids}


def graphs_of(name: str, part: nn.Module) -> list[Graph]:
    """The graphs that stand in for the network `part` of a pipeline, which calls it `name`.

    Raises:
        InvalidValue: networks of its kind are not exported.
    """
    if isinstance(part, UNet2DConditionModel):
        return [UNetGraph(part)]
    if isinstance(part, AutoencoderKL):
        return [DecoderGraph(part), EncoderGraph(part)]
    if isinstance(part, (CLIPTextModel, CLIPTextModelWithProjection)):
        return [TextGraph(name, part)]
    raise InvalidValue(
        f"The {name} of this model is a {type(part).__name__}, which no back end but torch knows; choose torch."
    )


def graphs_for_others(name: str, part: nn.Module) -> list[Graph]:
    """The same for files that other programs read: text encoders take token ids, U-Nets all rows of all inputs.

    `InvalidValue` likewise.
    """
    if isinstance(part, UNet2DConditionModel):
        return [UNetGraph(part, may_share=False)]
    graphs = graphs_of(name, part)
    return [TextIdsGraph(name, cast("Any", part))] if isinstance(graphs[0], TextGraph) else graphs
