"""What several tests of the engine share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from engine.models.convolution import WINOGRAD_THREADS
from tests.fixtures.stable_diffusion import write_stable_diffusion


@pytest.fixture(scope="session")
def tiny_sd_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion folder with tiny random parts: 32 pixels, the prompt read byte by byte."""
    return write_stable_diffusion(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def few_threads() -> Iterator[None]:
    """As few as faster convolutions are for, whatever this machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(min(before, WINOGRAD_THREADS))
    yield
    torch.set_num_threads(before)
