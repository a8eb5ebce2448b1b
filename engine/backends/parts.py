"""Networks that a back end computes, with the same calls as those of torch: a pipeline notices no difference.

None of them has weights of its own, but the little that a text encoder does in torch. Latents and embeddings are
float32 at their border, whatever precision the back end computes in.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from engine.backends import packages
from engine.backends.graphs import Graph, Inputs, UNetGraph, graphs_of
from engine.backends.onnx_session import OnnxSession
from engine.backends.openvino_session import OpenVinoSession
from engine.backends.store import stored
from engine.config import ConfigMixin
from engine.errors import BugError, InvalidValue
from engine.models.autoencoder_kl import AutoencoderKL
from engine.models.clip_text import (
    LEGACY_EOS_TOKEN_ID,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTextOutput,
    CLIPTextProjectionOutput,
)
from engine.models.embeddings import expand_timesteps
from engine.models.halves import without_second_half
from engine.models.unet_2d_condition import UNet2DConditionModel, UNet2DConditionOutput


class Session(Protocol):
    """What computes one graph."""

    def run(self, inputs: Inputs, look: Callable[[], None]) -> list[Tensor]:
        """Compute; `look` is called every few milliseconds, and what it raises ends the computation at once."""
        ...

    def release(self) -> None:
        """Give the memory back until the next call."""
        ...

    @property
    def weight_bytes(self) -> int:
        """The bytes of its weights in memory once it has computed; what is made for one size is known from then on."""
        ...


@dataclass(frozen=True)
class Backend:
    """A back end and its precision.

    Attributes:
        name: "openvino" or "onnx".
        precision: "float32", "bfloat16" or "float16"; ONNX Runtime has float32 only on a processor.
    """

    name: str
    precision: str

    def __post_init__(self) -> None:
        if self.name not in packages.NAMES:
            raise InvalidValue(f"The back end {self.name!r} is unknown; choose torch or {', '.join(packages.NAMES)}.")
        if self.name == "onnx" and self.precision != "float32":
            raise InvalidValue(
                f"ONNX Runtime computes in float32 on a processor, not in {self.precision}; choose the precision "
                "float32, or the back end openvino."
            )
        packages.check_installed(self.name)

    def part(self, name: str, original: nn.Module, look: Callable[[], None]) -> nn.Module:
        """The network that takes the place of `original`, the part `name` of a pipeline, in float32.

        It is exported now unless it was before; `look` is called meanwhile.

        Raises:
            InvalidValue: no back end knows networks of its kind.
            ExportMismatch: what was exported computes something else.
        """
        sessions: dict[str, Session] = {}
        for graph in graphs_of(name, original):
            with interruptible(graph, look):
                sessions[graph.name] = self._session(graph, look)
        return _wrapped(original, sessions)

    def _session(self, graph: Graph, look: Callable[[], None]) -> Session:
        path = stored(graph, self.name, look)
        if self.name == "onnx":
            return OnnxSession(path)
        # Half precision overflows in the decoders of most autoencoders.
        overflows = self.precision == "float16" and graph.config.get("force_upcast", False)
        # Only the denoiser is called often enough to be compiled for one size.
        return OpenVinoSession(path, "float32" if overflows else self.precision, fixed=graph.name == "unet")


@contextmanager
def interruptible(module: nn.Module, look: Callable[[], None]) -> Generator[None]:
    """While the block runs, `look` is called before each leaf of `module` that torch computes, as in tracing."""
    leaves = (part for part in module.modules() if next(part.children(), None) is None)
    handles = [leaf.register_forward_pre_hook(lambda *_: look()) for leaf in leaves]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _wrapped(original: nn.Module, sessions: Mapping[str, Session]) -> nn.Module:
    if isinstance(original, UNet2DConditionModel):
        return BackendUNet(original, sessions)
    if isinstance(original, AutoencoderKL):
        return BackendAutoencoder(original, sessions)
    if isinstance(original, CLIPTextModelWithProjection):
        return BackendTextWithProjection(original, sessions)
    if isinstance(original, CLIPTextModel):
        return BackendText(original, sessions)
    raise BugError(f"nothing stands in for {type(original).__name__}")


class Computed(nn.Module, ConfigMixin):
    """Base of them all, with the configuration of the original.

    Attributes:
        dtype, device: float32 on the CPU.
    """

    dtype = torch.float32
    device = torch.device("cpu")

    def _begin(self, original: ConfigMixin, sessions: Mapping[str, Session]) -> None:
        nn.Module.__init__(self)
        self.__dict__["_config"] = original.config
        self._sessions = sessions

    def between_pieces(self) -> None:
        """Called every few milliseconds while a graph is computed; `engine.cancel` puts a look at its flag here."""

    def release(self) -> None:
        """Give the memory back until the next call."""
        for session in self._sessions.values():
            session.release()

    @property
    def weight_bytes(self) -> int:
        """The bytes of the weights that its graphs hold once they have computed: each is compiled at its first call.

        What OpenVINO's faster convolutions add is known from then on.
        """
        return sum(session.weight_bytes for session in self._sessions.values())

    def _compute(self, graph: str, inputs: Inputs) -> list[Tensor]:
        return self._sessions[graph].run(inputs, self.between_pieces)


class BackendUNet(Computed):
    """Stands in for a `UNet2DConditionModel`."""

    def __init__(self, original: UNet2DConditionModel, sessions: Mapping[str, Session]) -> None:
        self._begin(original, sessions)
        graph = UNetGraph(original)
        self._inputs, self._shares_halves = list(graph.axes), graph.shares_halves

    def set_faster_convolutions(self, faster: bool) -> None:
        """Whether OpenVINO's convolutions may take more memory to be faster, which they do at first."""
        for session in self._sessions.values():
            if isinstance(session, OpenVinoSession):
                session.set_faster_convolutions(faster)

    def set_token_merging(self, ratio: float) -> None:
        """Raise `InvalidValue` unless `ratio` is 0: merged tokens are not in the exported graph."""
        if ratio:
            raise InvalidValue("Token merging works with the back end torch only; switch one of them off.")

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
        prompt_keys: object = None,
        deep_cache: object = None,
        step_time: object = None,
    ) -> UNet2DConditionOutput | tuple[Tensor]:
        """As `UNet2DConditionModel.forward`; `prompt_keys` and `step_time` gain nothing here and are passed over.

        Raises `InvalidValue` for what the exported graph does not have: masks, a ControlNet's or a T2I-Adapter's
        features, the scale of adapters, DeepCache.
        """
        _refuse(
            {
                "attention masks": (attention_mask, encoder_attention_mask),
                "a ControlNet": (down_block_additional_residuals, mid_block_additional_residual),
                "a T2I-Adapter": (down_intrablock_additional_residuals,),
                "cross_attention_kwargs": (cross_attention_kwargs or None,),
                "DeepCache": (deep_cache,),
            }
        )
        given: dict[str, Tensor | None] = {
            "sample": sample,
            "timestep": expand_timesteps(timestep, sample),
            "encoder_hidden_states": encoder_hidden_states,
            "timestep_cond": timestep_cond,
            "class_labels": class_labels,
            **(added_cond_kwargs or {}),
        }
        inputs: Inputs = {}
        for name in self._inputs:
            tensor = given[name] if name in given else None
            if tensor is None:
                raise InvalidValue(f"this UNet needs {name}, which the call does not give; pass it.")
            whole = name == "class_labels" and not tensor.is_floating_point() and self._counts
            inputs[name] = tensor.long() if whole else tensor.float()
        for name, tensor in inputs.items():
            if len(tensor) != len(sample):
                raise InvalidValue(
                    f"{name} has the shape {tuple(tensor.shape)}; this call needs {len(sample)} rows, as sample has."
                )
        if self._shares_halves:
            inputs["sample"] = without_second_half(inputs["sample"], inputs["timestep"])
        output = self._compute("unet", inputs)[0].to(sample.dtype)
        return UNet2DConditionOutput(output) if return_dict else (output,)

    @property
    def _counts(self) -> bool:
        """Whether classes are numbers of a table."""
        return self.config.class_embed_type is None


def _refuse(given: Mapping[str, Sequence[object]]) -> None:
    for what, values in given.items():
        if any(value is not None for value in values):
            raise InvalidValue(f"This back end computes without {what}; choose the back end torch for this run.")


class BackendAutoencoder(Computed, AutoencoderKL):
    """Stands in for an `AutoencoderKL`, with its slices and tiles."""

    def __init__(self, original: AutoencoderKL, sessions: Mapping[str, Session]) -> None:
        self._begin(original, sessions)
        self.tile_sample_min_size = original.tile_sample_min_size
        self.tile_latent_min_size = original.tile_latent_min_size
        self.tile_overlap_factor = original.tile_overlap_factor

    def _encode_tile(self, x: Tensor) -> Tensor:
        return self._compute("vae_encoder", {"sample": x.float()})[0].to(x.dtype)

    def _decode_tile(self, z: Tensor) -> Tensor:
        return self._compute("vae_decoder", {"latent_sample": z.float()})[0].to(z.dtype)


class _Words(nn.Module):
    """What stays in torch of a text encoder: its table of words and its last norm, under their own names."""

    def __init__(self, original: CLIPTextModel | CLIPTextModelWithProjection) -> None:
        super().__init__()
        self.embeddings = nn.Module()
        self.embeddings.token_embedding = original.text_model.embeddings.token_embedding
        self.final_layer_norm = original.text_model.final_layer_norm
        self.longest = original.text_model.embeddings.position_embedding.num_embeddings


class _BackendText(Computed):
    def __init__(self, original: CLIPTextModel | CLIPTextModelWithProjection, sessions: Mapping[str, Session]) -> None:
        self._begin(original, sessions)
        self.text_model = _Words(original)
        (self._graph,) = sessions

    def _states(self, input_ids: Tensor, attention_mask: Tensor | None) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Return (last hidden state, its row at the end token, all hidden states)."""
        ids = input_ids.view(-1, input_ids.shape[-1])
        length = ids.shape[-1]
        if length > self.text_model.longest:
            raise InvalidValue(
                f"the text has {length} tokens; this encoder takes at most {self.text_model.longest}: truncate it."
            )
        table: Any = self.text_model.embeddings.token_embedding
        mask = torch.ones(length, length, dtype=torch.bool).tril().expand(len(ids), 1, length, length)
        if attention_mask is not None:
            mask = mask & attention_mask.bool()[:, None, None, :]
        last, states = self._compute(self._graph, {"inputs_embeds": table(ids).float(), "mask": mask})
        end = self.config.eos_token_id
        is_end = ids if end == LEGACY_EOS_TOKEN_ID else (ids == end).int()
        return last, last[torch.arange(len(last)), is_end.argmax(dim=-1)], tuple(states)


class BackendText(_BackendText):
    """Stands in for a `CLIPTextModel`."""

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        output_hidden_states: bool = False,
        return_dict: bool = True,
    ) -> CLIPTextOutput | tuple[Any, ...]:
        """Encode token ids (batch, tokens); `attention_mask` (batch, tokens) is 0 where a token is padding."""
        last, pooled, states = self._states(input_ids, attention_mask)
        output = CLIPTextOutput(last, pooled, states if output_hidden_states else None)
        return output if return_dict else output.to_tuple()


class BackendTextWithProjection(_BackendText):
    """Stands in for a `CLIPTextModelWithProjection`."""

    def __init__(self, original: CLIPTextModelWithProjection, sessions: Mapping[str, Session]) -> None:
        super().__init__(original, sessions)
        self.text_projection = original.text_projection

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        output_hidden_states: bool = False,
        return_dict: bool = True,
    ) -> CLIPTextProjectionOutput | tuple[Any, ...]:
        """Encode token ids (batch, tokens); `attention_mask` (batch, tokens) is 0 where a token is padding."""
        last, pooled, states = self._states(input_ids, attention_mask)
        output = CLIPTextProjectionOutput(self.text_projection(pooled), last, states if output_hidden_states else None)
        return output if return_dict else output.to_tuple()
