"""`sfumato models preview`: a map fitted to pictures, beside a VAE or as a file that can be shipped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from engine.cli import main
from engine.images import numpy_to_pil, pt_to_numpy
from engine.preview import FILE_NAME, LinearPreview, fit_linear_preview, read_preview, smooth_images
from tests.engine.test_preview import noise, small_vae

SIDE = 128  # 32 latents of a VAE with three stages


@pytest.fixture
def vae(tmp_path: Path) -> Path:
    small_vae().save_pretrained(tmp_path / "vae")
    return tmp_path / "vae"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    images = numpy_to_pil(pt_to_numpy((smooth_images(3, SIDE) + 1) / 2))
    for name, image in zip(("a.png", "b.png", "more/c.png"), images, strict=True):
        image.save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_it_is_written_beside_the_vae(vae: Path, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "preview", str(vae), "--pictures", str(pictures)]) == 0
    assert "fitted to 3 pictures" in capsys.readouterr().out
    fitted = read_preview(vae / FILE_NAME, 4)
    images = (smooth_images(3, SIDE) + 1).mul(127.5).round().div(127.5) - 1  # as bytes have them
    expected = LinearPreview(*fit_linear_preview(small_vae(), images))
    sample = noise(1, 4, 6, 6)
    assert (fitted.rgb(sample).int() - expected.rgb(sample).int()).abs().max() <= 2


def test_a_file_that_can_be_shipped_says_what_it_is_for(vae: Path, pictures: Path, tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), "red").save(pictures / "red.jpg")
    words = ["--pictures", str(pictures), "--out", str(tmp_path / "known.json"), "--most", "2"]
    assert main(["models", "preview", str(vae), *words, "--family", "lcm", "--family", "stable-diffusion"]) == 0
    content = json.loads((tmp_path / "known.json").read_text())
    assert content["families"] == ["lcm", "stable-diffusion"]
    assert content["autoencoder"]["scaling_factor"] == 0.18215
    assert content["source"] == "fitted to 2 pictures"
    assert torch.tensor(content["weight"]).shape == (3, 4, 3, 3)
    assert not (vae / FILE_NAME).exists()


def test_wrong_input_is_one_sentence(vae: Path, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "preview", str(vae / "none"), "--pictures", str(pictures)]) == 2
    assert "does not exist" in capsys.readouterr().err
    weights = next(vae.glob("*.safetensors"))
    assert main(["models", "preview", str(weights), "--pictures", str(pictures)]) == 2
    assert "give a file with --out" in capsys.readouterr().err
    assert main(["models", "preview", str(vae), "--pictures", str(vae)]) == 2
    assert "There is no picture in" in capsys.readouterr().err
    (pictures / "bad.png").write_bytes(b"no picture")
    assert main(["models", "preview", str(vae), "--pictures", str(pictures)]) == 2
    assert "bad.png cannot be read" in capsys.readouterr().err
