"""`detect`: what a file or folder of weights is, from its header alone.

The facts are the table of `families`. What no fact speaks for is called unknown, with the reason; a user who knows
better names the type. No torch here: a library of thousands of files is scanned with this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from engine.errors import MissingFile
from engine.formats.header import Header
from engine.formats.read import read_header
from engine.loading.families import (
    ADAPTER_ENDS,
    ADAPTER_PIECES,
    ADAPTER_WORDS,
    ARCHITECTURES,
    BARE_PREFIXES,
    HELPERS,
    LABELS,
    LATENT_CHANNELS,
    NOT_YET,
    TEXT_LAYOUTS,
    TEXT_WIDTHS,
    UNET_SHAPES,
    VAE_PREFIXES,
    VARIANTS,
)
from engine.loading.header_facts import UNetFacts, find_prefix, precision_of, text_encoders, unet_facts
from engine.loading.own_configuration import KEY, Texts, read_own
from engine.loading.user_type import UserType, read_user_type

Kind = Literal["checkpoint", "unet", "vae", "text_encoder", "lora", "embedding", "controlnet", "helper", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    """What a file or folder is.

    Attributes:
        path: the file or folder.
        kind: what it holds; "helper" is a known kind of file that is no model of its own, such as an IP-Adapter.
        family: a name of `LABELS`, of a family that is not supported yet, or "".
        variant: what the U-Net takes beside the prompt: "", "inpaint", "edit", "depth", "upscale"; "lcm" for one that
            was distilled with a guidance embedding.
        prediction: "epsilon", "v", "edm", or "" where nothing tells.
        zero_snr: the model was trained to begin at pure noise (zero terminal signal-to-noise ratio).
        precision: of most of the weights, "mixed: ..." where several take part.
        layout: how the tensors are named, or "folder".
        parts: which networks are inside: "unet", "vae", "text_encoder", "text_encoder_2".
        metadata: texts of the header.
        reason: one sentence on what spoke for this, or why it is unknown.
        supported: whether it can be used here.
    """

    path: Path
    kind: Kind
    reason: str
    family: str = ""
    variant: str = ""
    prediction: str = ""
    zero_snr: bool = False
    precision: str = ""
    layout: str = ""
    parts: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    supported: bool = True

    @property
    def label(self) -> str:
        """The family in words."""
        return LABELS.get(self.family, self.family)


def detect(path: Path | str) -> Detected:
    """What the file or folder at `path` is; the user's word on a file stands over what its header says.

    Raises:
        MissingFile: nothing is there.
        BadFile: it is damaged, carries code, or is no file of weights.
    """
    path = Path(path)
    if path.is_dir():
        from engine.loading.detect_folder import detect_folder

        return detect_folder(path)
    if not path.exists():
        raise MissingFile(f"{path} is missing; check the path.")
    return as_said(detect_header(read_header(path)), read_user_type(path))


def as_said(found: Detected, word: UserType) -> Detected:
    """What was found, with the user's word on family, variant and prediction."""
    if not word:
        return found
    said = {name: getattr(word, name) for name in ("family", "variant", "prediction")}
    found = replace(found, **{name: value for name, value in said.items() if value is not None})
    known = found.family in LABELS
    return replace(
        found,
        kind="checkpoint" if found.kind == "unknown" and known else found.kind,
        supported=found.supported or known,
        reason=f"{found.reason} The user's word for its type stands over that.",
    )


def own_texts(header: Header, found: Detected) -> Texts | None:
    """The configurations in the header; None if it has none, or `found`, with the user's word, is of another type."""
    raw = detect_header(header)
    return read_own(header.metadata) if (raw.family, raw.variant) == (found.family, found.variant) else None


def detect_header(header: Header) -> Detected:
    """What the file with this `header` is."""
    for look in _LOOKS:
        found = look(header)
        if found is not None:
            break
    else:
        found = Detected(path=header.path, kind="unknown", supported=False, reason=_why_unknown(header))
    metadata = {key: text for key, text in header.metadata.items() if key != KEY}
    return replace(found, metadata=metadata, precision=found.precision or precision_of(header.tensors))


def _why_unknown(header: Header) -> str:
    if not header.tensors:
        return "The file holds no tensors."
    first = next(iter(header.tensors))
    return f"Its {len(header.tensors):,} tensors, {first[:60]!r} the first, are those of no model that is known here."


# -------------------------------------------------------------------------------------------------- facts


def _named_architecture(metadata: Mapping[str, str]) -> str:
    for key in ("modelspec.architecture", "ss_base_model_version"):
        value = metadata.get(key, "").lower()
        for start, family in ARCHITECTURES:
            if value.startswith(start):
                return family
    return ""


def _prediction(header: Header, family: str, variant: str) -> tuple[str, bool]:
    """What the model predicts, and whether it begins at pure noise, as far as key, metadata or family tell."""
    tensors, metadata = header.tensors, header.metadata
    said = metadata.get("modelspec.prediction_type", "").lower()
    architecture = metadata.get("modelspec.architecture", "").lower()
    zero_snr = "ztsnr" in tensors
    if "edm_mean" in tensors or "edm_vpred.sigma_max" in tensors:
        return "edm", zero_snr
    if "v_pred" in tensors or said.startswith("v") or "768-v" in architecture:
        return "v", zero_snr
    if said.startswith("eps") or architecture.startswith("stable-diffusion-v2-512"):
        return "epsilon", zero_snr
    if family == "stable-diffusion-2":
        # One architecture, two predictions: only the upscaler, inpainting and depth models are of one kind alone.
        return {"upscale": "v", "inpaint": "epsilon", "depth": "epsilon"}.get(variant, ""), zero_snr
    return "epsilon", zero_snr


# -------------------------------------------------------------------------------------------------- kinds


_STYLES = dict(ADAPTER_PIECES + ADAPTER_ENDS)
_ADAPTER = re.compile(
    "|".join([*(re.escape(piece) for piece, _ in ADAPTER_PIECES), *(rf"{re.escape(end)}$" for end, _ in ADAPTER_ENDS)]),
    re.MULTILINE,
)


def _look_for_adapter(header: Header) -> Detected | None:
    match = _ADAPTER.search("\n".join(header.tensors))
    if match is None:
        return None
    style = _STYLES[match[0]]
    family, said = _adapter_family(header)
    return Detected(
        path=header.path,
        kind="lora",
        family=family,
        layout=style,
        supported=not family or family in LABELS,
        reason=f"Its tensors change those of another model ({said or 'of which family, nothing tells'}).",
    )


def _adapter_family(header: Header) -> tuple[str, str]:
    family = _named_architecture(header.metadata)
    if family:
        return family, f"{LABELS.get(family, family)}, says its header"
    for word, family in ADAPTER_WORDS:
        if any(word in name for name in header.tensors):
            return family, f"its names contain {word}"
    for name, stored in header.tensors.items():
        # The side of a low-rank pair that meets the prompt's embedding.
        down = name.endswith(
            ("lora_down.weight", "lora_A.weight", "lora.down.weight", "hada_w1_b", "_lora.down.weight")
        )
        if down and "attn2" in name and ("to_k" in name or "to_v" in name) and len(stored.shape) >= 2:
            for shape in UNET_SHAPES:
                if shape.context == stored.shape[1]:
                    return shape.family, f"it meets prompts of {shape.context} numbers"
    return "", ""


def _look_for_embedding(header: Header) -> Detected | None:
    tensors = header.tensors
    named = [
        name for name in tensors if name in ("emb_params", "clip_l", "clip_g") or name.startswith("string_to_param")
    ]
    vectors = [stored for stored in tensors.values() if len(stored.shape) in (1, 2) and stored.shape[-1] in TEXT_WIDTHS]
    if not tensors or len(tensors) > 8 or len(vectors) != len(tensors):
        return None
    if not named and any("." in name for name in tensors):
        return None
    widths = {stored.shape[-1] for stored in vectors}
    family = {frozenset({768}): "stable-diffusion", frozenset({1024}): "stable-diffusion-2"}.get(frozenset(widths), "")
    if widths in ({768, 1280}, {1280}):
        family = "stable-diffusion-xl"
    return Detected(
        path=header.path,
        kind="embedding",
        family=family,
        layout="a1111" if named else "diffusers",
        reason=f"It holds only vectors of {', '.join(map(str, sorted(widths)))} numbers, as token embeddings have.",
    )


def _look_for_controlnet(header: Header) -> Detected | None:
    tensors = header.tensors
    prefix = next((p for p in ("control_model.", "") if f"{p}input_hint_block.0.weight" in tensors), None)
    diffusers = "controlnet_cond_embedding.conv_in.weight" in tensors
    if prefix is None and not diffusers:
        return None
    context = next((s.shape[1] for name, s in tensors.items() if name.endswith("attn2.to_k.weight")), 0)
    family = next((shape.family for shape in UNET_SHAPES if shape.context == context), "")
    return Detected(
        path=header.path,
        kind="controlnet",
        family=family,
        layout="diffusers" if diffusers else "original",
        reason="It embeds a hint picture, as a ControlNet does.",
        supported=False,
    )


def _look_for_others(header: Header) -> Detected | None:
    tensors = header.tensors
    for family, label, names in NOT_YET:
        if any(all(prefix + name in tensors for name in names) for prefix in ("", *BARE_PREFIXES)):
            whole = any(name.startswith(("first_stage_model.", "vae.", "text_encoders.")) for name in tensors)
            return Detected(
                path=header.path,
                kind="checkpoint" if whole else "unet",
                family=family,
                supported=False,
                reason=f"It is a model of {label}, which is known but not supported yet.",
            )
    return None


def _look_for_model(header: Header) -> Detected | None:
    tensors = header.tensors
    unet = unet_facts(tensors)
    if unet is None:
        return None
    encoders = text_encoders(tensors)
    with_vae = find_prefix(tensors, VAE_PREFIXES, ("encoder.conv_in.weight", "decoder.conv_in.weight")) is not None
    shape = next(
        (s for s in UNET_SHAPES if (s.context, s.added, s.classes) == (unet.context, unet.added, unet.classes)), None
    )
    layouts = (family for prefixes, family in TEXT_LAYOUTS if prefixes <= set(encoders))
    family = shape.family if shape is not None else next(layouts, "")
    variant = VARIANTS.get(unet.channels - unet.latents)
    # No published model has latents of other widths: only a header that brings the configuration makes it known.
    strange = unet.latents != LATENT_CHANNELS and read_own(header.metadata) is None
    if not family or variant is None or strange:
        said = f"an input of {unet.channels} channels, latents of {unet.latents}, prompts of {unet.context} numbers"
        reason = f"Its U-Net ({said}) is that of no model known here; name its type to load it all the same."
        return Detected(path=header.path, kind="unknown", layout=unet.layout, supported=False, reason=reason)
    prediction, zero_snr = _prediction(header, family, variant)
    if unet.consistency:
        variant = variant or "lcm"
    parts = ("unet", *(("vae",) if with_vae else ()), *("text_encoder", "text_encoder_2")[: len(encoders)])
    return Detected(
        path=header.path,
        kind="checkpoint" if with_vae or encoders else "unet",
        family=family,
        variant=variant,
        prediction=prediction,
        zero_snr=zero_snr,
        layout=unet.layout,
        parts=parts,
        supported=prediction != "edm",
        reason=_because(unet, family, prediction),
    )


def _because(unet: UNetFacts, family: str, prediction: str) -> str:
    facts = f"{unet.channels} input channels, prompts of {unet.context} numbers"
    if unet.added:
        facts = f"{facts}, {unet.added} numbers beside them"
    if prediction == "edm":
        return f"Its U-Net has {facts}, but it was trained with the noise levels of EDM, which is not supported yet."
    if not prediction:
        facts = f"{facts}; whether it predicts noise or velocity, nothing in the file tells"
    return f"Its U-Net has {facts}: {LABELS[family]}."


def _look_for_vae(header: Header) -> Detected | None:
    tensors = header.tensors
    original = find_prefix(tensors, VAE_PREFIXES, ("encoder.conv_in.weight", "encoder.down.0.block.0.norm1.weight"))
    diffusers = find_prefix(
        tensors, VAE_PREFIXES, ("encoder.conv_in.weight", "encoder.down_blocks.0.resnets.0.norm1.weight")
    )
    prefix = original if original is not None else diffusers
    if prefix is None or f"{prefix}decoder.conv_in.weight" not in tensors:
        return None
    decoder = tensors[f"{prefix}decoder.conv_in.weight"].shape
    latents = decoder[1] if len(decoder) == 4 else 0
    family = _named_architecture(header.metadata)
    if latents != 4:
        reason = f"It is a VAE of {latents} latent channels, which no supported family has."
        return Detected(path=header.path, kind="vae", family=family, supported=False, reason=reason)
    return Detected(
        path=header.path,
        kind="vae",
        family=family,
        layout="original" if original is not None else "diffusers",
        parts=("vae",),
        reason="It is a VAE of 4 latent channels; those of Stable Diffusion 1, 2 and XL have the same shapes.",
    )


def _look_for_text_encoder(header: Header) -> Detected | None:
    tensors = header.tensors
    encoders = text_encoders(tensors)
    if len(encoders) != 1 or any(name.startswith(("vision_model.", "visual.")) for name in tensors):
        return None
    ((prefix, layout),) = encoders.items()
    names = (
        "token_embedding.weight",
        "text_model.embeddings.token_embedding.weight",
        "embeddings.token_embedding.weight",
    )
    width = next(tensors[prefix + name].shape[-1] for name in names if prefix + name in tensors)
    families = {1024: "stable-diffusion-2", 1280: "stable-diffusion-xl"}
    return Detected(
        path=header.path,
        kind="text_encoder",
        # That of 768 serves 1 and XL alike.
        family=families.get(width, ""),
        layout=layout,
        parts=("text_encoder",),
        reason=f"It is a text encoder of width {width}{f' ({TEXT_WIDTHS[width]})' if width in TEXT_WIDTHS else ''}.",
    )


def _look_for_helper(header: Header) -> Detected | None:
    for family, label, starts in HELPERS:
        if any(name.startswith(starts) for name in header.tensors):
            return Detected(
                path=header.path,
                kind="helper",
                family=family,
                supported=False,
                reason=f"It is {label}, which is known but not supported yet.",
            )
    return None


_LOOKS: tuple[Callable[[Header], Detected | None], ...] = (
    _look_for_adapter,
    _look_for_controlnet,
    _look_for_others,
    _look_for_model,
    _look_for_vae,
    _look_for_text_encoder,
    _look_for_embedding,
    _look_for_helper,
)
