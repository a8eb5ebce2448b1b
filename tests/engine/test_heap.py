"""Memory that is freed while a picture is made: kept, and given back afterwards. In a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from engine import heap
from engine.heap import LARGE, freed_memory_kept, give_holes_back, return_memory

PAGES = """
import resource, threading
from engine.heap import freed_memory_kept
from app.services.heap import share_heaps

share_heaps()
import torch

def pages(count=20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        torch.empty(2**24).fill_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def held():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() // 2**20

def measure():
    pages(1)
    usual, before = pages(), held()
    with freed_memory_kept(), freed_memory_kept():
        pages()  # an aligned block needs a little more than one of its size left: some are taken before they fit
        kept = pages()
        during = held()
    print(usual, kept, before, during, held())

measure() if {main} else (thread := threading.Thread(target=measure)).start()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="about GNU's C library")
@pytest.mark.parametrize("main", [True, False], ids=["main thread", "another thread"])
def test_freed_memory_is_kept_at_hand_and_then_given_back(main: bool) -> None:
    """Twenty times a tensor of 64 MB, whose pages come anew each time, or only once."""
    program = PAGES.replace("{main}", str(main))
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    usual, kept, before, during, after = map(int, result.stdout.split())
    assert usual > 20 * 10  # in pages of any size
    assert kept < usual / 3
    assert during > before + 50
    assert after < during - 50


CALLS = """
import resource
import torch
from engine.heap import trim_heap
from engine.models.exact import Win, without
from engine.models.unet_2d_condition import UNet2DConditionModel

def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    network(sample, 1, None)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def held():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() // 2**20

stages = {"down_block_types": ["DownBlock2D"] * 2, "mid_block_type": None, "up_block_types": ["UpBlock2D"] * 2}
network = UNet2DConditionModel(**stages, block_out_channels=(32, 32))
sample = torch.randn(1, 4, 512, 512)  # maps of 32 MB
with torch.no_grad():
    pages()
    with without(Win.KEPT_MEMORY):
        pages()
        usual = pages()
    kept, after = pages(), held()
    trim_heap()
print(usual, kept, after - held())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="about GNU's C library")
def test_a_network_that_is_called_alone_keeps_memory_within_the_call() -> None:
    result = subprocess.run([sys.executable, "-c", CALLS], capture_output=True, text=True, check=True)
    usual, kept, left = map(int, result.stdout.split())
    assert kept < usual / 2  # in pages of any size
    assert left < 20


def test_only_tensors_in_memory_leave_holes_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    trims: list[None] = []
    monkeypatch.setattr(heap, "trim_heap", lambda: trims.append(None))
    with freed_memory_kept():
        give_holes_back(torch.empty(LARGE, dtype=torch.uint8, device="meta"))
        assert trims == []
        give_holes_back(torch.empty(LARGE - 1, dtype=torch.uint8))
        assert trims == []
        give_holes_back(torch.empty(LARGE, dtype=torch.uint8))
        assert trims == [None]
    trims.clear()
    give_holes_back(torch.empty(LARGE, dtype=torch.uint8))
    assert trims == []


def test_caches_of_devices_are_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    emptied: list[str] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append("cuda"))
    monkeypatch.setattr(torch.mps, "empty_cache", lambda: emptied.append("mps"))
    for cuda, mps, expected in ((False, False, []), (True, False, ["cuda"]), (False, True, ["mps"])):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda mps=mps: mps)
        emptied.clear()
        return_memory()
        assert emptied == expected


def test_a_device_that_fails_at_every_call_does_not_hide_its_first_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", fail)
    trims: list[None] = []
    monkeypatch.setattr(heap, "trim_heap", lambda: trims.append(None))
    return_memory()
    assert trims == [None]
