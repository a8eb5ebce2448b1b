"""The catalogue knows schedulers by any program's name, and reads models without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import diffusers
import pytest

from engine import schedulers
from engine.catalog import EMBEDDED_MODEL, SCHEDULERS, find_scheduler, read_model, scheduler_entry
from engine.errors import BadFile, ConfigError, KnownError, MissingFile, UnknownName


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ddim", ("ddim", "default")),
        ("DDIMScheduler", ("ddim", "default")),
        ("Euler", ("euler", "default")),
        ("euler_k", ("euler", "karras")),
        ("Euler a", ("euler-a", "default")),
        ("euler_ancestral", ("euler-a", "default")),
        ("EulerAncestralDiscreteScheduler", ("euler-a", "default")),
        ("DPM++ 2M", ("dpmsolver++", "default")),
        ("DPM++ 2M Karras", ("dpmsolver++", "karras")),
        ("dpmpp_2m", ("dpmsolver++", "default")),
        ("dpmpp_2m_k", ("dpmsolver++", "karras")),
        ("DPMSolverMultistepScheduler", ("dpmsolver++", "default")),
        ("DPM++ 2M SDE Exponential", ("dpmsolver++-sde", "exponential")),
        ("dpmpp_2m_sde", ("dpmsolver++-sde", "default")),
        ("PLMS", ("pndm", "default")),
    ],
)
def test_names_of_other_programs(name: str, expected: tuple[str, str]) -> None:
    entry, sigma_schedule = find_scheduler(name)
    assert (entry.name, sigma_schedule) == expected


@pytest.mark.parametrize("name", ["", "k", "karras", "foo", "ddim karras", "Euler a Karras"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(UnknownName, match="choose one of ddim"):
        find_scheduler(name)


@pytest.mark.parametrize("entry", SCHEDULERS, ids=lambda entry: entry.name)
def test_every_entry_makes_its_scheduler(entry: object) -> None:
    entry = scheduler_entry(entry.name)  # pyright: ignore[reportAttributeAccessIssue]
    base = schedulers.DDIMScheduler(beta_schedule="scaled_linear", prediction_type="v_prediction")
    assert find_scheduler(entry.name) == (entry, "default")
    assert getattr(diffusers, entry.class_name)
    for sigma_schedule in entry.sigma_schedules:
        changes = entry.config_changes(sigma_schedule)
        scheduler = getattr(schedulers, entry.class_name).from_config(base.config, **changes)
        assert {key: scheduler.config[key] for key in changes} == changes
        assert scheduler.config["prediction_type"] == "v_prediction"


def write_model(
    folder: Path, *, card: object = None, scheduler: object = None, kind: str = "StableDiffusionPipeline"
) -> Path:
    files: dict[str, object] = {
        "model_index.json": {"_class_name": kind},
        "unet/config.json": {"sample_size": 16},
        "vae/config.json": {"block_out_channels": [32, 32, 32, 32]},
        "scheduler/scheduler_config.json": scheduler or {"_class_name": "PNDMScheduler"},
    }
    if card is not None:
        files["sfumato.json"] = card
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return folder


def test_a_model_without_defaults_of_its_own(tmp_path: Path) -> None:
    info = read_model(write_model(tmp_path / "m"))
    assert (info.name, info.width, info.height, info.size_multiple) == ("m", 128, 128, 8)
    assert (info.scheduler, info.sigma_schedule) == ("pndm", "default")


def test_a_models_own_defaults(tmp_path: Path) -> None:
    card = {"name": "Icons", "size": 64, "steps": 12, "guidance": 4.0, "scheduler": "DPM++ 2M Karras"}
    info = read_model(write_model(tmp_path, card=card))
    assert (info.name, info.width, info.height, info.steps, info.guidance_scale) == ("Icons", 64, 64, 12, 4.0)
    assert (info.scheduler, info.sigma_schedule) == ("dpmsolver++", "karras")


def test_the_scheduler_a_model_brings_is_recognised(tmp_path: Path) -> None:
    own = {"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True}
    info = read_model(write_model(tmp_path, scheduler=own))
    assert (info.scheduler, info.sigma_schedule) == ("dpmsolver++-sde", "karras")


def test_sizes_a_model_cannot_make(tmp_path: Path) -> None:
    info = read_model(write_model(tmp_path))
    info.check_size(64, 96)
    with pytest.raises(KnownError, match="width 100 is no multiple of 8.*choose 96 or 104"):
        info.check_size(100, 96)


@pytest.mark.parametrize(
    "card", [{"steps": 0}, {"guidance": "high"}, {"size": 100.5}, {"size": 60}, {"scheduler": "foo"}]
)
def test_wrong_defaults_name_the_file(tmp_path: Path, card: object) -> None:
    with pytest.raises(ConfigError, match="sfumato.json has a wrong value"):
        read_model(write_model(tmp_path, card=card))


def test_folders_that_are_no_models(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="does not exist"):
        read_model(tmp_path / "none")
    with pytest.raises(MissingFile, match="model_index.json"):
        read_model(tmp_path)
    with pytest.raises(UnknownName, match="'FooPipeline'"):
        read_model(write_model(tmp_path / "foo", kind="FooPipeline"))
    broken = write_model(tmp_path / "broken")
    (broken / "unet" / "config.json").write_text("{")
    with pytest.raises(BadFile, match="config.json"):
        read_model(broken)
    (broken / "unet" / "config.json").unlink()
    with pytest.raises(MissingFile, match="config.json"):
        read_model(broken)


def test_a_location_leaves_out_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert read_model(write_model(tmp_path / "models" / "m")).location == "~/models/m"


def test_what_a_window_needs_first_imports_no_torch() -> None:
    code = (
        "import sys, engine.messages, engine.catalog, engine.errors, engine.metadata\n"
        "import engine.runner, engine.cli.program\n"
        f"assert {EMBEDDED_MODEL!r} == engine.catalog.EMBEDDED_MODEL\n"
        "print([name for name in ('torch', 'numpy', 'PIL', 'scipy', 'tokenizers', 'rich') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
