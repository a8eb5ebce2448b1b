"""Prompts: from text to token ids, weights and embeddings.

`expand` fills in wildcards, `plan` reads the syntax, `encode` makes embeddings of the plan. Only `encode` needs torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.prompts.chunks import chunk_ends, token_count
from engine.prompts.colouring import Span, spans
from engine.prompts.planning import PromptPlan, plan
from engine.prompts.tags import AdapterTag

if TYPE_CHECKING:
    from engine.prompts.cache import PromptCache
    from engine.prompts.encoding import encode
    from engine.prompts.templates import expand, expand_all, wildcard_names

__all__ = [
    "AdapterTag",
    "PromptCache",
    "PromptPlan",
    "Span",
    "chunk_ends",
    "encode",
    "expand",
    "expand_all",
    "plan",
    "spans",
    "token_count",
    "wildcard_names",
]

# What imports torch or a library of its own comes on first use.
_LATER = {
    "encode": "encoding",
    "expand": "templates",
    "expand_all": "templates",
    "wildcard_names": "templates",
    "PromptCache": "cache",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
