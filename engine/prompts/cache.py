"""Embeddings of prompts, kept for as long as they are likely to be asked for again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Encoded:
    """An encoded prompt: embeddings (1, tokens, channels), and for SDXL the whole prompt's (1, channels)."""

    embeds: Tensor
    pooled: Tensor | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return self.embeds.nbytes + (0 if self.pooled is None else self.pooled.nbytes)


class PromptCache:
    """Keeps what was encoded last, up to `limit_bytes`.

    Keys say everything that the embeddings depend on: text, text encoders, skipped layers, adapters, and words of
    one's own (`engine.prompts.encoding`).
    """

    def __init__(self, limit_bytes: int = 256 * 2**20) -> None:
        self.limit_bytes = limit_bytes
        self._entries: OrderedDict[Hashable, Encoded] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def nbytes(self) -> int:
        """Bytes that all entries take."""
        return self._bytes

    def get(self, key: Hashable, make: Callable[[], Encoded]) -> Encoded:
        """Return the entry of `key`, which `make` makes if there is none."""
        if key in self._entries:
            self._entries.move_to_end(key)
            return self._entries[key]
        entry = make()
        self._entries[key] = entry
        self._bytes += entry.nbytes
        while self._bytes > self.limit_bytes and len(self._entries) > 1:
            _, oldest = self._entries.popitem(last=False)
            self._bytes -= oldest.nbytes
        return entry

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._bytes = 0
