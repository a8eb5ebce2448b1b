"""What several tests of the engine share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures.stable_diffusion import write_stable_diffusion


@pytest.fixture(scope="session")
def tiny_sd_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion folder with tiny random parts: 32 pixels, the prompt read byte by byte."""
    return write_stable_diffusion(tmp_path_factory.mktemp("models") / "tiny")
