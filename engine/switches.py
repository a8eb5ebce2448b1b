"""What makes pictures faster or the model smaller and changes them a little: all off unless a request says otherwise.

What each gains and loses, measured, stands in the project's README. Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Self

from engine.catalog import Limit
from engine.errors import InvalidValue

SAME = "same"
PRECISIONS = (SAME, "float32", "bfloat16", "float16", "float8", "int8")
BACKENDS = ("torch", "openvino", "onnx")
PACKED = ("float8", "int8")
# What those are computed in: it has the range of float32, so that nothing overflows.
COMPUTED = "bfloat16"
# An autoencoder is convolutions for the most part, and sees each picture once: small weights gain nothing there.
VAE_PRECISIONS = (SAME, "float32", "bfloat16", "float16")
SWITCH_LIMITS: Mapping[str, Limit] = {
    "deep_cache": Limit("DeepCache interval", 1, 10),
    "guidance_from": Limit("start of guidance", 0, 1, whole=False),
    "guidance_until": Limit("end of guidance", 0, 1, whole=False),
    "token_merging": Limit("share of merged tokens", 0, 0.75, whole=False),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """The switches of one request.

    Attributes:
        deep_cache: every so many calls the U-Net works whole, in between only its outermost layers do; 1: always whole.
            Ma et al., "DeepCache", arXiv:2312.00858.
        guidance_from, guidance_until: the shares of the steps between which there is guidance; outside, the negative
            prompt is not computed. Kynkäänniemi et al., arXiv:2404.07724.
        token_merging: the share of tokens of the largest self-attentions that are merged into others; 0: none.
            Bolya & Hoffman, arXiv:2303.17604.
        final_autoencoder: the folder of a tiny autoencoder that decodes the finished picture; "": the model's own.
        unet_precision, text_precision, vae_precision: what the denoiser, the text encoders and the autoencoder are kept
            in; "same" is that of the request. Weights in "float8" and "int8" take eight bits and are computed in
            bfloat16.
        compiled: blocks of the U-Net are compiled by `torch.compile`; on a GPU a step becomes one CUDA graph.
        backend: what computes the networks on a processor: "torch", "openvino" or "onnx" (ONNX Runtime).

    Raises:
        InvalidValue: a value is outside its limits; nothing is corrected silently.
    """

    deep_cache: int = 1
    guidance_from: float = 0.0
    guidance_until: float = 1.0
    token_merging: float = 0.0
    final_autoencoder: str = ""
    unet_precision: str = SAME
    text_precision: str = SAME
    vae_precision: str = SAME
    compiled: bool = False
    backend: str = "torch"

    def __post_init__(self) -> None:
        for name, limit in SWITCH_LIMITS.items():
            limit.check(getattr(self, name))
        if self.guidance_from >= self.guidance_until:
            raise InvalidValue(
                f"The guidance cannot last from {self.guidance_from} to {self.guidance_until} of the steps; "
                "let it end after it begins, or set the guidance itself to 1."
            )
        if not isinstance(self.final_autoencoder, str) or "\0" in self.final_autoencoder:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"The final autoencoder cannot be {self.final_autoencoder!r}; give its folder.")
        if not isinstance(self.compiled, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"The compiling is switched by true or false, not by {self.compiled!r}.")
        if self.backend not in BACKENDS:
            raise InvalidValue(f"The back end {self.backend!r} is unknown; choose one of {', '.join(BACKENDS)}.")
        for name, known in (
            ("unet_precision", PRECISIONS),
            ("text_precision", PRECISIONS),
            ("vae_precision", VAE_PRECISIONS),
        ):
            if getattr(self, name) not in known:
                raise InvalidValue(
                    f"The {name.replace('_', ' ')} {getattr(self, name)!r} is unknown; choose one of "
                    f"{', '.join(known)}."
                )

    def check_backend(self, device: str) -> None:
        """Raise `InvalidValue` where a switch cannot be used on `device`, or with another back end than torch."""
        if device.startswith("mps") and "float8" in (self.unet_precision, self.text_precision):
            raise InvalidValue(
                f"Weights of the kind float8 cannot be kept on the device {device}; choose float16, or the device cpu."
            )
        if self.backend == "torch":
            return
        if device != "cpu":
            raise InvalidValue(
                f"The back end {self.backend} computes on the processor, not on {device}; choose the device cpu, or "
                "the back end torch."
            )
        for name in ("deep_cache", "token_merging", "compiled", "unet_precision", "text_precision", "vae_precision"):
            if getattr(self, name) != _DEFAULTS[name]:
                raise InvalidValue(
                    f"The switch {name.replace('_', ' ')} works with the back end torch only, not with {self.backend}; "
                    "set one of them back."
                )

    @property
    def makes_graphs(self) -> bool:
        """Whether a step on a GPU becomes one CUDA graph.

        With DeepCache no two steps are alike, and merging of tokens keeps tables that graphs know nothing of.
        """
        return self.compiled and self.deep_cache == 1 and not self.token_merging

    def to_json(self) -> dict[str, Any]:
        """Those that are on, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value != _DEFAULTS[name]}

    @classmethod
    def from_json(cls, values: object) -> Self:
        """The switches of `to_json`; what is not named there is off.

        Raises:
            InvalidValue: `values` is no object, has an unknown name, or a value that cannot be.
        """
        if not isinstance(values, Mapping):
            raise InvalidValue(f"The switches cannot be {values!r}; give an object of names and values.")
        for name in values:
            if name not in _DEFAULTS:
                raise InvalidValue(f"There is no switch {name!r}; choose of {', '.join(_DEFAULTS)}.")
        return cls(**values)


class Precisions(NamedTuple):
    """The names of the precisions that text encoders, denoiser and autoencoder of a model are kept in."""

    text: str
    denoiser: str
    vae: str

    @classmethod
    def of(cls, dtype: str, switches: Switches) -> Precisions:
        """Those of a request in the precision `dtype`."""
        chosen = (switches.text_precision, switches.unet_precision, switches.vae_precision)
        return cls(*(dtype if name == SAME else name for name in chosen))


_DEFAULTS: Mapping[str, Any] = {field.name: field.default for field in fields(Switches)}
OFF = Switches()
