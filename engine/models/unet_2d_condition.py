"""`UNet2DConditionModel`: the denoiser of Stable Diffusion 1, 2 and XL and of the models made from them.

Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", arXiv:2112.10752.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from engine.config import register_to_config
from engine.errors import ConfigError, InvalidValue
from engine.models.activations import ActivationName, get_activation
from engine.models.attention import set_attention_slice
from engine.models.base import ModelMixin
from engine.models.checkpointing import GradientCheckpointing
from engine.models.compilation import has_compiled_blocks
from engine.models.convolution import Conv2d
from engine.models.deep_cache import DeepCache
from engine.models.embeddings import TimestepEmbedding, expand_timesteps
from engine.models.exact import memory_kept_within
from engine.models.halves import without_second_half
from engine.models.prompt_keys import PromptKeys
from engine.models.resnet import TimeEmbeddingNorm
from engine.models.spatial_transformer import Context, SpatialTransformer
from engine.models.time_embeddings import Embedding, StepTime, rows_of
from engine.models.unet_2d_blocks import (
    DownBlockType,
    DownStage,
    MidBlockType,
    UNetMidBlock2DCrossAttn,
    UpBlockType,
    UpStage,
    add_residual,
    check_stage_lists,
)
from engine.models.unet_2d_condition_stages import down_stages, mid_stage, per_stage, up_stages
from engine.models.unet_2d_k_blocks import KDownBlockType, KUpBlockType
from engine.models.unet_conditioning import (
    ClassEmbedType,
    added_embedding,
    class_embedding,
    embed_class,
    embed_text_time,
    mask_bias,
    time_projection,
)
from engine.output import Output

# Three of the four tokens of a square: then there are only destinations.
MOST_MERGED = 0.75


@dataclass
class UNet2DConditionOutput(Output):
    """`sample`: the prediction, (batch, out_channels, height, width)."""

    sample: Tensor


class UNet2DConditionModel(GradientCheckpointing, ModelMixin):
    """U-Net that predicts noise, velocity or image from a noisy sample, a timestep and a prompt's embedding.

    The arguments are the keys of `config.json`. `attention_head_dim` is the number of heads, whatever its name says.
    Four keys are there for configurations that carry them and have no effect on these blocks:
    `mid_block_only_cross_attention`, `addition_embed_type_num_heads`, `upcast_attention` and `sample_size`, which
    pipelines read. Raises `ConfigError` for values and combinations that cannot be.
    """

    @register_to_config
    def __init__(
        self,
        sample_size: int | tuple[int, int] | None = None,
        in_channels: int = 4,
        out_channels: int = 4,
        center_input_sample: bool = False,
        flip_sin_to_cos: bool = True,
        freq_shift: int = 0,
        down_block_types: tuple[DownBlockType | KDownBlockType, ...] = (
            "CrossAttnDownBlock2D",
            "CrossAttnDownBlock2D",
            "CrossAttnDownBlock2D",
            "DownBlock2D",
        ),
        mid_block_type: MidBlockType | None = "UNetMidBlock2DCrossAttn",
        up_block_types: tuple[UpBlockType | KUpBlockType, ...] = (
            "UpBlock2D",
            "CrossAttnUpBlock2D",
            "CrossAttnUpBlock2D",
            "CrossAttnUpBlock2D",
        ),
        only_cross_attention: bool | tuple[bool, ...] = False,
        block_out_channels: tuple[int, ...] = (320, 640, 1280, 1280),
        layers_per_block: int | tuple[int, ...] = 2,
        downsample_padding: int = 1,
        mid_block_scale_factor: float = 1,
        dropout: float = 0.0,
        act_fn: ActivationName = "silu",
        norm_num_groups: int | None = 32,
        norm_eps: float = 1e-5,
        cross_attention_dim: int | tuple[int, ...] = 1280,
        transformer_layers_per_block: int | tuple[int | tuple[int, ...], ...] = 1,
        reverse_transformer_layers_per_block: tuple[int | tuple[int, ...], ...] | None = None,
        encoder_hid_dim: None = None,
        encoder_hid_dim_type: None = None,
        attention_head_dim: int | tuple[int, ...] = 8,
        num_attention_heads: None = None,
        dual_cross_attention: Literal[False] = False,
        use_linear_projection: bool = False,
        class_embed_type: ClassEmbedType | None = None,
        addition_embed_type: Literal["text_time"] | None = None,
        addition_time_embed_dim: int | None = None,
        num_class_embeds: int | None = None,
        upcast_attention: bool | None = False,
        resnet_time_scale_shift: TimeEmbeddingNorm = "default",
        resnet_skip_time_act: bool = False,
        resnet_out_scale_factor: float = 1.0,
        time_embedding_type: Literal["positional", "fourier"] = "positional",
        time_embedding_dim: int | None = None,
        time_embedding_act_fn: ActivationName | None = None,
        timestep_post_act: ActivationName | None = None,
        time_cond_proj_dim: int | None = None,
        conv_in_kernel: int = 3,
        conv_out_kernel: int = 3,
        projection_class_embeddings_input_dim: int | None = None,
        attention_type: Literal["default"] = "default",
        class_embeddings_concat: bool = False,
        mid_block_only_cross_attention: bool | None = None,
        cross_attention_norm: None = None,
        addition_embed_type_num_heads: int = 64,
    ) -> None:
        super().__init__()
        config, width = self.config, block_out_channels[0]
        check_stage_lists(config)
        if class_embeddings_concat and class_embed_type is None and num_class_embeds is None:
            raise ConfigError("class_embeddings_concat is true; it needs class_embed_type or num_class_embeds.")
        plain = [kind for kind in (*down_block_types, mid_block_type, *up_block_types) if kind and kind[0] != "K"]
        if norm_num_groups is None and plain:
            raise ConfigError(f"norm_num_groups is null, but {plain[0]} needs a number; only K blocks do not.")
        self.cross_attention_dims = per_stage(config, "cross_attention_dim")
        self.has_cross_attention = any("CrossAttn" in str(kind) for kind in (*down_block_types, mid_block_type))

        self.conv_in = Conv2d(in_channels, width, conv_in_kernel, padding=(conv_in_kernel - 1) // 2)
        self.time_proj, projected_dim, time_dim = time_projection(config)
        self.time_embedding = TimestepEmbedding(
            projected_dim, time_dim, act_fn, post_act_fn=timestep_post_act, cond_proj_dim=time_cond_proj_dim
        )
        self.class_embedding = class_embedding(config, projected_dim, time_dim, act_fn)
        self.add_time_proj, self.add_embedding = added_embedding(config, time_dim)
        self.time_embed_act = None if time_embedding_act_fn is None else get_activation(time_embedding_act_fn)

        temb_channels = 2 * time_dim if class_embeddings_concat else time_dim
        self.down_blocks = down_stages(config, temb_channels)
        self.mid_block = mid_stage(config, temb_channels)
        self.up_blocks = up_stages(config, temb_channels)

        self.conv_norm_out = None if norm_num_groups is None else nn.GroupNorm(norm_num_groups, width, eps=norm_eps)
        self.conv_act = get_activation(act_fn)
        self.conv_out = Conv2d(width, out_channels, conv_out_kernel, padding=(conv_out_kernel - 1) // 2)

    def set_attention_slice(self, slice_size: Literal["auto", "max"] | int | Sequence[int] | None = "auto") -> None:
        """Compute attention a few heads at a time, with less memory and equal results; None undoes it."""
        set_attention_slice(self, slice_size)

    def set_token_merging(self, ratio: float = 0.0) -> None:
        """Merge the share `ratio` of the tokens in the self-attentions of the largest images (0 undoes it).

        Only those: they take most time, and what is merged further inside is seen most. Raises `InvalidValue`.
        """
        if not 0 <= ratio <= MOST_MERGED:
            raise InvalidValue(f"The share of merged tokens is {ratio}; give one from 0 to {MOST_MERGED}.")
        of_stages = [
            [module for module in stage.modules() if isinstance(module, SpatialTransformer)]
            for stage in (*self.down_blocks, *self.up_blocks)
        ]
        with_attention = [transformers for transformers in of_stages if transformers]
        for transformer in (*with_attention[0], *with_attention[-1]) if with_attention else ():
            transformer.token_merging = ratio

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        encoder_hidden_states: Tensor | None,
        class_labels: Tensor | None = None,
        timestep_cond: Tensor | None = None,
        attention_mask: Tensor | None = None,
        cross_attention_kwargs: Mapping[str, Any] | None = None,
        added_cond_kwargs: Mapping[str, Tensor] | None = None,
        down_block_additional_residuals: Sequence[Tensor] | None = None,
        mid_block_additional_residual: Tensor | None = None,
        down_intrablock_additional_residuals: Sequence[Tensor] | None = None,
        encoder_attention_mask: Tensor | None = None,
        return_dict: bool = True,
        prompt_keys: PromptKeys | None = None,
        deep_cache: DeepCache | None = None,
        step_time: StepTime | None = None,
    ) -> UNet2DConditionOutput | tuple[Tensor]:
        """Predict from `sample` (batch, in_channels, height, width), any height and width.

        Args:
            sample: the noisy latents, with masks or images on further channels as the model was trained.
            timestep: one number for all, or (batch,).
            encoder_hidden_states: the prompt, (batch, tokens, cross_attention_dim).
            class_labels: what `class_embed_type` asks for.
            timestep_cond: guidance embedding, (batch, time_cond_proj_dim).
            attention_mask: for self-attention, (batch, pixels), 1 = keep, 0 = leave out.
            cross_attention_kwargs: may hold `scale`, which weighs LoRA layers where there are any.
            added_cond_kwargs: for `text_time`: `text_embeds` (batch, channels) and `time_ids` (batch, 6).
            down_block_additional_residuals: a ControlNet's features, one for each skip connection.
            mid_block_additional_residual: a ControlNet's features for the middle.
            down_intrablock_additional_residuals: a T2I-Adapter's features, one for each stage on the way down.
            encoder_attention_mask: for cross-attention, (batch, tokens), 1 = keep, 0 = leave out.
            return_dict: False returns a tuple.
            prompt_keys: keeps what cross-attention makes of the prompt from one step of a run to the next.
            deep_cache: keeps the deep features of a run, and says at which calls they are made anew.
            step_time: which step of a run `timestep` is; what all of its steps are told is then embedded at once.

        Raises `InvalidValue` for shapes that do not fit.
        """
        self._check_inputs(sample, encoder_hidden_states, cross_attention_kwargs)
        if (down_block_additional_residuals is None) != (mid_block_additional_residual is None):
            raise InvalidValue(
                "A ControlNet gives down_block_additional_residuals and mid_block_additional_residual; pass both. "
                "The features of a T2I-Adapter are down_intrablock_additional_residuals."
            )
        temb = self._embedded(sample, timestep, timestep_cond, class_labels, added_cond_kwargs, step_time)
        context = Context(
            encoder_hidden_states,
            mask_bias(attention_mask, sample.dtype),
            mask_bias(encoder_attention_mask, sample.dtype),
            prompt_keys,
        )

        if deep_cache is not None:
            self._check_deep_cache(down_block_additional_residuals, down_intrablock_additional_residuals)
        adapter = list(down_intrablock_additional_residuals or ())
        controls = None
        if down_block_additional_residuals is not None and mid_block_additional_residual is not None:
            controls = down_block_additional_residuals, mid_block_additional_residual
        # Around a call, so that all that it made is gone when memory goes back.
        with memory_kept_within(sample[:, :1].nbytes * self.config.block_out_channels[0], sample.device):
            sample = self.predict(sample, temb, context, adapter, controls, deep_cache)
        return UNet2DConditionOutput(sample) if return_dict else (sample,)

    @property
    def looks_at_prompt_first(self) -> bool:
        """Whether already the first stage looks at the prompt."""
        first = self.down_blocks[0]
        return isinstance(first, DownStage) and first.has_cross_attention

    def predict(
        self,
        sample: Tensor,
        temb: Embedding,
        context: Context,
        adapter: Sequence[Tensor] = (),
        controls: tuple[Sequence[Tensor], Tensor] | None = None,
        deep_cache: DeepCache | None = None,
    ) -> Tensor:
        """Predict from `sample`, what `embed` makes of the timestep, and what cross-attention looks at.

        Where the first stage looks at the prompt, `sample` may have a part of the rows of the others; each then stands
        for several (`engine.models.halves`). Not beside a mask of self-attention, `adapter` or `controls`, which come
        before.
        """
        if self.config.center_input_sample:
            sample = 2 * sample - 1.0
        adapter = list(adapter)
        deep = None if deep_cache is None else deep_cache.take(sample)
        alone = context.self_mask is None and not adapter and controls is None
        rows = rows_of(temb)
        if self.looks_at_prompt_first and alone and len(sample) == len(rows):
            sample = without_second_half(sample, rows)
        sample = self.conv_in(sample)
        if deep is not None:
            return self._output(cast("UpStage", self.up_blocks[-1]).last_layer(deep, sample, temb, context))
        sample, skips = self._go_down(sample, temb, context, adapter)
        sample = self._go_through(sample, temb, context, adapter)
        if controls is not None:
            skips = _add_all(skips, controls[0])
            sample = add_residual(sample, controls[1])
        return self._output(self._go_up(sample, skips, temb, context, None if deep_cache is None else deep_cache.keep))

    def _output(self, sample: Tensor) -> Tensor:
        if self.conv_norm_out is not None:
            sample = self.conv_act(self.conv_norm_out(sample))
        return self.conv_out(sample)

    def _check_deep_cache(self, *residuals: Sequence[Tensor] | None) -> None:
        if any(given is not None for given in residuals):
            raise InvalidValue(
                "DeepCache leaves out layers that a ControlNet or T2I-Adapter adds to; switch one of them off."
            )
        if self.up_blocks[-1].__class__ is not UpStage:
            raise InvalidValue(
                f"DeepCache knows no way around {self.config.up_block_types[-1]}, with which this UNet ends; switch "
                "it off (1) for this model."
            )

    def _check_inputs(
        self, sample: Tensor, tokens: Tensor | None, cross_attention_kwargs: Mapping[str, Any] | None
    ) -> None:
        channels = self.config.in_channels
        if sample.ndim != 4 or sample.shape[1] != channels:
            raise InvalidValue(
                f"sample has the shape {tuple(sample.shape)}; this model takes (batch, {channels}, height, width)."
            )
        shape = () if tokens is None else tuple(tokens.shape)
        fits = len(shape) == 3 and shape[0] == len(sample) and shape[2] in self.cross_attention_dims
        if self.has_cross_attention and not fits:
            raise InvalidValue(
                f"encoder_hidden_states has the shape {shape}; "
                f"this call needs ({len(sample)}, tokens, {self.cross_attention_dims[0]})."
            )
        unknown = sorted(set(cross_attention_kwargs or ()) - {"scale"})
        if unknown:
            raise InvalidValue(f"cross_attention_kwargs has {unknown[0]!r}; only 'scale' is known.")

    def embed(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        timestep_cond: Tensor | None = None,
        class_labels: Tensor | None = None,
        added_cond_kwargs: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Return the embedding (batch, channels) of all that is told beside the prompt, for the rows of `sample`."""
        features = self.time_proj(expand_timesteps(timestep, sample)).to(sample.dtype)
        temb = self.time_embedding(features, timestep_cond)
        return self._add_told(temb, sample, class_labels, added_cond_kwargs)

    def _add_told(
        self,
        temb: Tensor,
        sample: Tensor,
        class_labels: Tensor | None,
        added_cond_kwargs: Mapping[str, Tensor] | None,
    ) -> Tensor:
        """Return `temb` (..., batch or 1, channels) with what is told for each row of `sample` at every step."""
        of_class = embed_class(self.class_embedding, self.time_proj, self.config.class_embed_type, class_labels, sample)
        if of_class is not None:
            both = torch.broadcast_tensors(temb, of_class)
            temb = torch.cat(both, dim=-1) if self.config.class_embeddings_concat else temb + of_class
        if self.add_time_proj is not None and self.add_embedding is not None:
            temb = temb + embed_text_time(self.add_time_proj, self.add_embedding, added_cond_kwargs, temb.dtype)
        return temb if self.time_embed_act is None else self.time_embed_act(temb)

    def _embedded(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        timestep_cond: Tensor | None,
        class_labels: Tensor | None,
        added_cond_kwargs: Mapping[str, Tensor] | None,
        step_time: StepTime | None,
    ) -> Embedding:
        """Return what `embed` does; where it is known which step of a run this is, as one of all its steps."""
        # Compiled blocks take tensors and nothing else.
        if step_time is not None and not has_compiled_blocks(self):

            def of_steps(timesteps: Tensor) -> Tensor:
                features = self.time_proj(timesteps.to(sample.device)).to(sample.dtype)[:, None]
                temb = self.time_embedding(features, timestep_cond)
                return self._add_told(temb, sample, class_labels, added_cond_kwargs)

            layers = [self.time_proj, self.time_embedding, self.class_embedding, self.add_embedding]
            present = [layer for layer in layers if layer is not None]
            told = (timestep_cond, class_labels, *(added_cond_kwargs or {}).values())
            temb = step_time.embed(present, told, len(sample), of_steps)
            if temb is not None:
                return temb
        return self.embed(sample, timestep, timestep_cond, class_labels, added_cond_kwargs)

    def _go_down(
        self, sample: Tensor, temb: Embedding, context: Context, adapter: list[Tensor]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        skips: tuple[Tensor, ...] = (sample,)
        for stage in self.down_blocks:
            residual = adapter.pop(0) if adapter else None
            sample, states = self.run_stage(stage, sample, temb, context, residual)
            skips += states
        return sample, skips

    def _go_through(self, sample: Tensor, temb: Embedding, context: Context, adapter: list[Tensor]) -> Tensor:
        if self.mid_block is not None:
            attends = isinstance(self.mid_block, UNetMidBlock2DCrossAttn)
            sample = self.run_stage(self.mid_block, sample, temb, *([context] if attends else []))
            if adapter and adapter[0].shape == sample.shape:
                sample = sample + adapter.pop(0)
        if adapter:
            raise InvalidValue(f"{len(adapter)} of the down_intrablock_additional_residuals have no stage to go to.")
        return sample

    def _go_up(
        self,
        sample: Tensor,
        skips: tuple[Tensor, ...],
        temb: Embedding,
        context: Context,
        before_last: Callable[[Tensor], None] | None,
    ) -> Tensor:
        for stage in cast("Iterable[UpStage]", self.up_blocks):
            layers = len(stage.resnets)
            skips, used = skips[:-layers], skips[-layers:]
            # The next skip connection says how large the result must be: twice, or one less for odd sizes.
            size = skips[-1].shape[-2:] if skips else None
            told = () if skips or before_last is None else (before_last,)
            sample = self.run_stage(stage, sample, used, temb, context, size, *told)
        return sample


def _add_all(skips: tuple[Tensor, ...], residuals: Sequence[Tensor]) -> tuple[Tensor, ...]:
    if len(residuals) != len(skips):
        raise InvalidValue(
            f"down_block_additional_residuals has {len(residuals)} entries; "
            f"this model has {len(skips)} skip connections."
        )
    return tuple(add_residual(skip, residual) for skip, residual in zip(skips, residuals, strict=True))
