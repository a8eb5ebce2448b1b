"""Cancelling leaves a model between two of its operations, and leaves the model as it was."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn

from engine.cancel import cancellable
from engine.errors import Cancelled
from engine.models.attention import Attention


class Recorder(nn.Module):
    """Does nothing but note that it was called, and may set an event."""

    def __init__(self, event: threading.Event | None = None) -> None:
        super().__init__()
        self.event, self.calls = event, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.event is not None:
            self.event.set()
        return x


@pytest.mark.parametrize(
    "leaf", [nn.Linear(4, 4), nn.Conv2d(1, 1, 1), nn.GroupNorm(1, 1), nn.LayerNorm(4), nn.Embedding(3, 4)], ids=repr
)
def test_the_next_leaf_is_not_computed(leaf: nn.Module) -> None:
    cancel = threading.Event()
    first, last = Recorder(cancel), Recorder()
    model = nn.Sequential(first, nn.Sequential(leaf), last)
    with cancellable([model], cancel), pytest.raises(Cancelled):
        model(torch.zeros(1, 1, 4, 4, dtype=torch.long if isinstance(leaf, nn.Embedding) else torch.float32))
    assert (first.calls, last.calls) == (1, 0)


def test_nothing_happens_without_a_cancel() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
    x = torch.ones(2, 4)
    expected = model(x)
    with cancellable([model], threading.Event()):
        assert torch.equal(model(x), expected)


def test_with_a_gpu_the_look_is_before_blocks_and_nothing_is_done_in_pieces() -> None:
    """What it is given lasts so short that a look before every layer would cost more than it gains."""
    cancel = threading.Event()
    blocks = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.Conv2d(1, 1, 3, padding=1)), nn.Sequential(Recorder())])
    with cancellable([blocks], cancel, torch.device("cuda")):
        hooked = [module for module in blocks.modules() if module._forward_pre_hooks]
        assert hooked == list(blocks)
        assert not any("forward" in vars(module) for module in blocks.modules())
        x = blocks[0](torch.ones(1, 1, 4, 4))
        cancel.set()
        with pytest.raises(Cancelled):
            blocks[1](x)
    assert not any(module._forward_pre_hooks for module in blocks.modules())


def test_hooks_are_gone_however_the_block_ends() -> None:
    cancel = threading.Event()
    model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
    with pytest.raises(KeyError), cancellable([model, model], cancel):
        assert all(len(leaf._forward_pre_hooks) == 1 for leaf in model)
        raise KeyError
    assert not any(module._forward_pre_hooks for module in model.modules())
    cancel.set()
    model(torch.ones(2, 4))


def test_no_handler_of_ordinary_errors_stops_it() -> None:
    cancel = threading.Event()
    cancel.set()
    layer = nn.Linear(2, 2)

    def swallow() -> None:
        try:
            layer(torch.zeros(2))
        except Exception as error:
            raise AssertionError from error

    with cancellable([layer], cancel), pytest.raises(Cancelled):
        swallow()


def test_it_works_from_another_thread_under_inference_mode() -> None:
    cancel, started, ended = threading.Event(), threading.Event(), threading.Event()
    layer = nn.Linear(64, 64)

    def work() -> None:
        with torch.inference_mode(), cancellable([layer], cancel), pytest.raises(Cancelled):
            while True:
                layer(torch.zeros(64, 64))
                started.set()
        ended.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert started.wait(30)
    cancel.set()
    assert ended.wait(30)
    thread.join()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("kernel", "padding", "rows"), [(3, 1, 33), (1, 0, 32), (5, 2, 40), (3, 0, 32)])
def test_long_convolutions_are_done_in_exact_pieces(
    monkeypatch: pytest.MonkeyPatch, layout: torch.memory_format, kernel: int, padding: int, rows: int
) -> None:
    conv = nn.Conv2d(24, 40, kernel, padding=padding)
    x = torch.randn(2, 24, rows, 32).contiguous(memory_format=layout)
    whole = conv(x)
    monkeypatch.setattr("engine.cancel.PIECE_OPERATIONS", 2e6)
    with torch.no_grad(), cancellable([conv], threading.Event()):
        calls: list[int] = []
        convolve = torch.nn.functional.conv2d
        monkeypatch.setattr("engine.cancel.F.conv2d", lambda *given: (calls.append(1), convolve(*given))[1])
        pieces = conv(x)
        monkeypatch.undo()
    assert len(calls) > 1
    assert torch.equal(pieces, whole)
    assert pieces.is_contiguous(memory_format=layout) or layout is torch.contiguous_format
    assert "forward" not in vars(conv)


def test_long_attention_is_done_in_exact_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    attention = Attention(32, heads=4, dim_head=8)
    tokens = torch.randn(2, 1200, 32)
    with torch.no_grad():
        whole = attention(tokens)
        monkeypatch.setattr("engine.cancel.PIECE_OPERATIONS", 1e6)
        with cancellable([attention], threading.Event()):
            assert torch.equal(attention(tokens), whole)
    assert "attend" not in vars(attention)


@pytest.mark.parametrize("affine", [True, False])
def test_large_norms_are_done_in_exact_pieces(affine: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    norm = nn.GroupNorm(8, 48, affine=affine)
    for weights in norm.parameters():
        nn.init.normal_(weights)
    x = torch.randn(2, 48, 9, 11)
    expected = norm(x)
    looks: list[bool] = []
    event = threading.Event()
    with cancellable([norm], event):
        # Three groups at a time, hence pieces of 3, 3 and 2.
        monkeypatch.setattr("engine.cancel.PIECE_NUMBERS", 3 * 6 * 9 * 11)
        monkeypatch.setattr(event, "is_set", lambda: looks.append(True))
        assert torch.equal(norm(x), expected)
    assert len(looks) == 2 * 3 + affine  # a norm without weights has no hook of its own
    assert "forward" not in vars(norm)


def test_cancel_between_the_pieces_of_one_convolution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.cancel.PIECE_OPERATIONS", 1e6)
    conv, cancel, done = nn.Conv2d(24, 40, 3, padding=1), threading.Event(), []
    convolve = torch.nn.functional.conv2d

    def counted(*given: object) -> torch.Tensor:
        done.append(1)
        if len(done) == 2:
            cancel.set()
        return convolve(*given)  # pyright: ignore[reportArgumentType, reportCallIssue]

    monkeypatch.setattr("engine.cancel.F.conv2d", counted)
    with pytest.raises(Cancelled), cancellable([conv], cancel):
        conv(torch.randn(1, 24, 32, 32))
    assert len(done) == 2
