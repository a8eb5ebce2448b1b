"""Previews of a loaded model: fitted in the background and kept, or through a tiny autoencoder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from engine.catalog import EMBEDDED_MODEL
from engine.messages import EngineSettings, Event, GenerateRequest, JobDone, Notice, StepDone
from engine.models.autoencoder_kl import AutoencoderKL
from engine.models.autoencoder_tiny import AutoencoderTiny
from engine.preview import FILE_NAME, known_preview, read_preview
from engine.run_preview import FINE_SIDE, Previews, find_tiny
from engine.runner import Runner
from tests.engine.test_preview import noise, small_vae

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own; returns where previews are kept."""
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "previews"


@pytest.fixture
def models(tmp_path: Path, tiny_sd_folder: Path) -> Path:
    """A folder of models with one in it."""
    folder = tmp_path / "models"
    shutil.copytree(tiny_sd_folder, folder / "tiny")
    return folder


@pytest.fixture
def request_(models: Path, tmp_path: Path) -> GenerateRequest:
    return GenerateRequest(
        prompt="an apple",
        model=str(models / "tiny"),
        scheduler="ddim",
        steps=2,
        guidance_scale=1.0,
        seed=7,
        width=32,
        height=32,
        folder=str(tmp_path),
        job_id="job",
    )


@pytest.fixture
def runner() -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.release()


def previews(read: list[str], key: str = "key", folder: Path | None = None) -> Previews:
    """Previews of a small autoencoder; `read` grows each time that it is read."""

    def load() -> nn.Module:
        read.append(key)
        return small_vae()

    return Previews(folder, key, small_vae().config, load, Path("/nowhere/model"), "stable-diffusion")


def test_an_unknown_autoencoder_is_fitted_once_and_kept_under_its_hash(cache: Path) -> None:
    read: list[str] = []
    first = previews(read)
    assert first(noise(1, 4, 3, 3), fine=False)() is None
    assert first.begin(EngineSettings(), CPU) == ""
    first.wait()
    shown = first(noise(1, 4, 3, 3), fine=False)()
    assert shown is not None
    assert (cache / "key" / FILE_NAME).exists()
    second = previews(read)
    second.begin(EngineSettings(), CPU)
    again = second(noise(1, 4, 3, 3), fine=False)()  # at once
    assert again is not None
    # The file holds five decimals.
    assert max(abs(a - b) for a, b in zip(shown.pixels, again.pixels, strict=True)) <= 1
    third = previews(read, "other")
    third.begin(EngineSettings(), CPU)
    third.wait()
    assert read == ["key", "other"]


def test_a_damaged_one_in_the_cache_is_fitted_again(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    read: list[str] = []
    (cache / "key").mkdir(parents=True)
    (cache / "key" / FILE_NAME).write_text("{}")
    one = previews(read)
    one.begin(EngineSettings(), CPU)
    one.wait()
    assert one(noise(1, 4, 3, 3), fine=False)() is not None
    assert read == ["key"]
    assert "fitted again" in caplog.text
    assert "weight" in (cache / "key" / FILE_NAME).read_text()


def test_where_the_fit_fails_pictures_have_no_previews(caplog: pytest.LogCaptureFixture) -> None:
    def load() -> nn.Module:
        raise MemoryError

    one = Previews(None, "key", small_vae().config, load, Path("/nowhere"), "stable-diffusion")
    one.begin(EngineSettings(), CPU)
    one.wait()
    assert one(noise(1, 4, 3, 3), fine=False)() is None
    assert "no preview was fitted" in caplog.text


def steps(runner: Runner, request: GenerateRequest) -> tuple[list[StepDone], list[str]]:
    events: list[Event] = list(runner.run(request))
    assert isinstance(events[-1], JobDone), events[-1]
    notices = [event.message for event in events if isinstance(event, Notice)]
    return [event for event in events if isinstance(event, StepDone)], notices


def give_published_vae(model: Path) -> None:
    """Give the model in a folder an autoencoder of the widths and the scale that Stable Diffusion has."""
    torch.manual_seed(0)
    shutil.rmtree(model / "vae")
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    AutoencoderKL(block_out_channels=(128, 256, 512, 512), layers_per_block=1, **blocks).save_pretrained(model / "vae")


def test_a_known_autoencoder_is_shown_by_the_map_that_ships_from_the_first_step(
    runner: Runner, request_: GenerateRequest, cache: Path
) -> None:
    give_published_vae(Path(request_.model))
    for name in ("one", "again"):
        done, _ = steps(runner, replace(request_, name=name))
        # One pixel a latent; a fitted map gives four.
        assert [(one.preview.width, one.preview.height) for one in done if one.preview] == [(4, 4)] * 2
    loaded = runner._loaded  # pyright: ignore[reportPrivateUsage]
    assert loaded is not None
    loaded.previews.wait()
    shipped = known_preview("stable-diffusion", loaded.pipeline.vae.config)
    sample = noise(1, 4, 4, 4)
    assert shipped is not None and loaded.previews(sample, fine=False)() == shipped(sample)
    assert not list(cache.glob(f"*/{FILE_NAME}"))


def test_the_embedded_model_keeps_the_map_that_it_brings(
    runner: Runner, request_: GenerateRequest, cache: Path
) -> None:
    assert steps(runner, replace(request_, model=EMBEDDED_MODEL, width=128, height=128))[1] == []
    loaded = runner._loaded  # pyright: ignore[reportPrivateUsage]
    assert loaded is not None
    own = read_preview(loaded.info.folder / "vae" / FILE_NAME, 16)
    sample = noise(1, 16, 8, 8)
    assert loaded.previews(sample, fine=False)() == own(sample)
    assert not cache.exists()


def write_tiny(folder: Path, channels: int = 4) -> None:
    torch.manual_seed(1)
    blocks = {"encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8)}
    counts = {"num_encoder_blocks": (1, 1), "num_decoder_blocks": (1, 1)}
    AutoencoderTiny(latent_channels=channels, **blocks, **counts).save_pretrained(folder)


def test_fine_previews_are_those_of_the_tiny_autoencoder(
    runner: Runner, request_: GenerateRequest, models: Path
) -> None:
    write_tiny(models / "taesd")
    runner.configure(EngineSettings(fine_previews=True))
    done, notices = steps(runner, request_)
    assert notices == []
    bitmap = done[-1].preview
    assert bitmap is not None
    assert (bitmap.width, bitmap.height) == (32, 32)
    latents = runner._loaded.previews  # pyright: ignore[reportPrivateUsage, reportOptionalMemberAccess]
    tiny = AutoencoderTiny.from_pretrained(models / "taesd")
    sample = noise(1, 4, 16, 16)
    with torch.no_grad():
        expected = ((tiny.decode(sample).sample[0] + 1) * 127.5).clamp(0, 255).round().byte().permute(1, 2, 0)
    shown = latents(sample, fine=True)()
    assert shown is not None
    assert shown.pixels == expected.contiguous().numpy().tobytes()
    large = latents(noise(1, 4, 512, 256), fine=True)()
    assert large is not None
    assert (large.width, large.height) == (FINE_SIDE // 2, FINE_SIDE)
    # Switched off again, the quick ones are back.
    runner.configure(EngineSettings())
    latents.wait()
    quick = steps(runner, replace(request_, name="again"))[0][-1].preview
    assert quick is not None
    assert quick.width < 32


def test_without_a_tiny_autoencoder_it_is_said_once(runner: Runner, request_: GenerateRequest) -> None:
    runner.configure(EngineSettings(fine_previews=True))
    notices = steps(runner, request_)[1]
    assert [notice.startswith("Fine previews need a tiny autoencoder") for notice in notices] == [True]
    assert steps(runner, replace(request_, name="again"))[1] == []


def test_which_tiny_autoencoder_fits(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a-config-only", "damaged", "taesdxl", "taesd", "taef1")]
    for folder in folders:
        folder.mkdir()
    (folders[0] / "config.json").write_text(json.dumps({"_class_name": "AutoencoderKL"}))
    (folders[1] / "config.json").write_text("{")
    for folder, channels in zip(folders[2:], (4, 4, 16), strict=True):
        write_tiny(folder, channels)
    assert find_tiny(folders, 4, is_xl=False) == tmp_path / "taesd"
    assert find_tiny(folders, 4, is_xl=True) == tmp_path / "taesdxl"
    assert find_tiny(folders, 16, is_xl=False) == tmp_path / "taef1"
    assert find_tiny(folders[:2], 4, is_xl=False) is None


def test_it_is_found_in_the_folders_of_the_library_too(
    runner: Runner, request_: GenerateRequest, tmp_path: Path
) -> None:
    write_tiny(tmp_path / "library" / "tiny ones" / "taesd")
    runner.configure(EngineSettings(fine_previews=True, autoencoders=(str(tmp_path / "library"), str(tmp_path / "no"))))
    assert steps(runner, request_)[1] == []
