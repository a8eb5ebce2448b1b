"""Memory that is freed while a picture is made: kept, and given back afterwards. In a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
