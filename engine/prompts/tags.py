"""`AND` between prompts, and `<lora:name:0.8>` in them, as in A1111's web interface."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.errors import InvalidValue

AND = re.compile(r"\bAND\b(?!_PERP|_SALT|_TOPK)")
_WEIGHT = re.compile(r"([\s\S]*?)(?:\s*:\s*([-+]?(?:\d+\.?|\d*\.\d+)))?\s*")
TAG = re.compile(r"<(\w+):([^>]+)>")
# Programs have a word for each kind of file; what is in the file decides here.
ADAPTER_WORDS = ("lora", "lyco", "locon", "loha", "lokr")


@dataclass(frozen=True)
class AdapterTag:
    """An adapter that the prompt asks for: its file name without folder and suffix, and its two strengths."""

    name: str
    text_encoder: float = 1.0
    unet: float = 1.0


def split_at_and(prompt: str) -> list[tuple[str, float]]:
    """Return the prompts between the words AND, each with the weight behind its last colon, or 1."""
    parts: list[tuple[str, float]] = []
    for part in AND.split(prompt):
        match = _WEIGHT.fullmatch(part)
        if match is None:
            parts.append((part, 1.0))
        else:
            parts.append((match[1], float(match[2]) if match[2] else 1.0))
    return parts


def take_tags(prompt: str) -> tuple[str, tuple[AdapterTag, ...], tuple[str, ...]]:
    """Return `prompt` without its tags, the adapters that they name, and the tags of other kinds, which do nothing.

    Raises:
        InvalidValue: a strength is no number.
    """
    adapters: list[AdapterTag] = []
    others: list[str] = []

    def take(match: re.Match[str]) -> str:
        if match[1].lower() in ADAPTER_WORDS:
            adapters.append(_adapter(match.group(), match[2]))
        else:
            others.append(match.group())
        return ""

    return TAG.sub(take, prompt), tuple(adapters), tuple(others)


def _adapter(tag: str, arguments: str) -> AdapterTag:
    """Read `name:te:unet`, where the UNet's strength is that of the text encoder unless it has its own."""
    plain: list[str] = []
    named: dict[str, str] = {}
    for argument in arguments.split(":"):
        key, equals, value = argument.partition("=")
        if equals and key in ("te", "unet", "dyn"):
            named[key] = value
        else:
            plain.append(argument)
    if not plain or not plain[0].strip():
        raise InvalidValue(f"{tag} in the prompt names no adapter; write it like <lora:name:0.8>.")
    text_encoder = _strength(tag, named.get("te", plain[1] if len(plain) > 1 else "1"))
    unet = named.get("unet", plain[2] if len(plain) > 2 else None)
    return AdapterTag(plain[0].strip(), text_encoder, text_encoder if unet is None else _strength(tag, unet))


def _strength(tag: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidValue(
            f"{tag} in the prompt has the strength {text!r}, which is no number; write it like <lora:name:0.8>."
        ) from None
