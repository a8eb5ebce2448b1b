"""Precisions that suit a device, on devices that this machine may not have."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

from engine.device import resolve_precision

CUDA = torch.device("cuda", 1)


@pytest.mark.parametrize(("supported", "expected"), [(True, "bfloat16"), (False, "float16")])
def test_a_card_without_bfloat16_takes_float16_for_it(
    supported: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext(entered.append(device)))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation or supported)
    assert resolve_precision("auto", CUDA, lambda: "bfloat16") == expected
    assert entered == [CUDA], "the card that was chosen is the one that is asked"
    assert resolve_precision("auto", CUDA, lambda: "float32") == "float32"
    assert resolve_precision("bfloat16", CUDA, lambda: "float16") == "bfloat16", "a choice is never changed"
    assert resolve_precision("auto", torch.device("mps"), lambda: "bfloat16") == "bfloat16"
