"""`sfumato train text-to-image`: from captioned images to a model that `generate` takes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.cli import main

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Four captioned images of 32 pixels."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(4):
        pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
        (folder / f"{index}.txt").write_text(f"picture {index}\n")
    return folder


def settings(tmp_path: Path, tiny_sd_folder: Path) -> Path:
    model = {
        "block_out_channels": [16, 32],
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
        "layers_per_block": 1,
        "attention_head_dim": 8,
        "norm_num_groups": 8,
    }
    stage = {"steps": 2, "batch_size": 2, "model": model, "warmup_steps": 1, "log_steps": 1, "sample_steps": 2}
    path = tmp_path / "settings.json"
    parts = {"text_encoder": str(tiny_sd_folder / "text_encoder"), "vae": str(tiny_sd_folder / "vae")}
    path.write_text(json.dumps({"resolution": 32, "precision": "no", "device": "cpu", "unet_settings": stage} | parts))
    return path


def test_images_become_a_model_that_makes_pictures(
    images: Path, tmp_path: Path, tiny_sd_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "trained"
    arguments = ["train", "text-to-image", str(images), "--out", str(out)]
    arguments += ["--settings", str(settings(tmp_path, tiny_sd_folder))]
    assert main(arguments) == 0
    streams = capsys.readouterr()
    folder = Path(streams.out.strip())
    assert folder == out / "pipeline"
    assert "2/2" in streams.err
    assert "loss" in streams.err
    assert (
        main(["generate", "picture 1", "--model", str(folder), "--steps", "2", "--out", str(tmp_path / "a.png")]) == 0
    )
    assert (tmp_path / "a.png").exists()


def test_events_for_machines(
    images: Path, tmp_path: Path, tiny_sd_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "text-to-image", str(images), "--out", str(tmp_path / "trained"), "--json"]
    assert main([*arguments, "--settings", str(settings(tmp_path, tiny_sd_folder))]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    names = [event["event"] for event in events]
    assert names.count("progress") == 2
    assert (names[-1], events[-1]["folder"]) == ("done", str(tmp_path / "trained" / "pipeline"))


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_ctrl_c_stops_with_a_checkpoint(images: Path, tmp_path: Path, tiny_sd_folder: Path) -> None:
    path = settings(tmp_path, tiny_sd_folder)
    path.write_text(path.read_text().replace('"steps": 2', '"steps": 1000000'))
    command = [sys.executable, "-m", "engine", "train", "text-to-image", str(images), "--json"]
    command += ["--out", str(tmp_path / "trained"), "--settings", str(path), "--device", "cpu"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **streams) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "progress":
                process.send_signal(signal.SIGINT)
                time.sleep(0.1)
                process.send_signal(signal.SIGINT)  # as from a launcher, that passes on what the terminal sent
                break
        names = [json.loads(line)["event"] for line in process.stdout]
        errors = process.stderr.read()
        code = process.wait(60)
    assert names[-2:] == ["checkpoint_saved", "done"]
    assert "stopped with a checkpoint" in errors
    assert code == 130  # noqa: PLR2004


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "images; name their folder"),
        (["IMAGES"], "--out"),
        (["IMAGES", "--out", "OUT"], "text encoder is needed"),
        (["nowhere", "--out", "OUT", "--text-encoder", "x", "--vae", "x"], "nowhere is missing"),
        (["IMAGES", "--out", "OUT", "--text-encoder", "x", "--resolution", "0"], "resolution cannot be 0"),
        (["IMAGES", "--out", "OUT", "--text-encoder", "x", "--precision", "int8"], "precision cannot be 'int8'"),
        (["IMAGES", "--out", "OUT", "--text-encoder", "x", "--max-minutes", "soon"], "'soon' is no number"),
        (["IMAGES", "--out", "OUT", "--settings", "none.json"], "none.json is missing"),
    ],
)
def test_wrong_input_is_one_sentence(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    places = {"IMAGES": str(images), "OUT": str(tmp_path / "out")}
    assert main(["train", "text-to-image", *(places.get(word, word) for word in arguments)]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert words in streams.err.strip().splitlines()[-1]
    assert "Traceback" not in streams.err
    assert not (tmp_path / "out").exists()
