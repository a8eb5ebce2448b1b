"""Training in several processes, as on several GPUs: each sees its own samples, all have the same weights."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from engine.training.checkpoint import load_checkpoint
from engine.training.config import Settings
from engine.training.text_to_image import TextToImageSettings
from engine.training.unet import UNetSettings


def launch(module: str, settings: Settings, root: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `module` in two processes under torchrun."""
    settings.save(folder / "settings.json")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.run(  # noqa: S603 (our own script)
        [*command, "-m", f"tests.engine.training.{module}", str(folder / "settings.json")],
        cwd=root,
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_two_processes_train_one_model(unet_settings: Callable[..., UNetSettings], root: Path, tmp_path: Path) -> None:
    result = launch("processes", unet_settings(accumulate=2, steps=3, log_steps=1), root, tmp_path)
    assert result.returncode == 0, result.stderr
    (rank, steps, saved, loss, weights), other = (line.split() for line in sorted(result.stdout.splitlines()))
    assert (rank, steps, saved) == ("0", "3", "3")
    assert other[:3] == ["1", "3", "3"]
    assert other[3] != loss
    assert other[4] == weights
    assert (tmp_path / "run" / "pipeline" / "model_index.json").is_file()


def test_an_interrupt_loses_no_checkpoint(
    unet_settings: Callable[..., UNetSettings], root: Path, tmp_path: Path
) -> None:
    """The launcher ends every process as soon as one has ended with a code that is not 0."""
    launch("interrupted_processes", unet_settings(steps=1000, log_steps=1), root, tmp_path)
    assert load_checkpoint(tmp_path / "run" / "unet.checkpoint.pt")["step"] >= 1


def test_a_stage_finds_what_the_one_before_it_wrote(
    unet_settings: Callable[..., UNetSettings], root: Path, tmp_path: Path
) -> None:
    """Process 0 alone writes the aligned text encoder, and both read it for the denoiser."""
    given = unet_settings(steps=1).to_dict()
    keys = ("images", "out", "vae", "text_encoder", "tokenizer", "resolution", "precision", "device")
    stages = {
        "text_alignment_settings": {"steps": 1, "blocks": 2, "batch_size": 4},
        "unet_settings": {
            key: given[key] for key in ("model", "steps", "batch_size", "sample_steps", "sample_prompts")
        },
    }
    settings = TextToImageSettings.from_dict({key: given[key] for key in keys} | stages)
    result = launch("whole_processes", settings, root, tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "run" / "pipeline" / "model_index.json").is_file()
