"""The catalogue knows schedulers by any program's name, and reads models without torch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import diffusers
import pytest
import torch
from diffusers.schedulers import deprecated

from engine import schedulers
from engine._exports import SCHEDULERS as EXPORTED
from engine.catalog import EMBEDDED_MODEL, PREDICTIONS, SCHEDULERS, SchedulerEntry, find_scheduler, read_model
from engine.errors import BadFile, ConfigError, InvalidValue, KnownError, MissingFile, UnknownName


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
        ("DPM++ SDE Karras", ("dpmpp-sde", "karras")),
        ("dpmpp_sde_gpu", ("dpmpp-sde", "default")),
        ("DPM++ 3M SDE Exponential", ("dpmsolver++-3m-sde", "exponential")),
        ("dpmpp_2s_k", ("dpmsolver++-2s", "karras")),
        ("DPM2 a Karras", ("dpm2-a", "karras")),
        ("kdpm_2_a", ("dpm2-a", "default")),
        ("dpm_2_ancestral", ("dpm2-a", "default")),
        ("KDPM2DiscreteScheduler", ("dpm2", "default")),
        ("Heun", ("heun", "default")),
        ("LMS Karras", ("lms", "karras")),
        ("UniPC", ("unipc", "default")),
        ("uni_pc_bh2", ("unipc", "default")),
        ("LCM", ("lcm", "default")),
        ("FlowMatchEulerDiscreteScheduler", ("flow-euler", "default")),
    ],
)
def test_names_of_other_programs(name: str, expected: tuple[str, str]) -> None:
    entry, sigma_schedule = find_scheduler(name)
    assert (entry.name, sigma_schedule) == expected


@pytest.mark.parametrize("name", ["", "k", "karras", "foo", "ddim karras", "Euler a Karras"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(UnknownName, match="choose one of ddim"):
        find_scheduler(name)


def test_every_scheduler_has_an_entry() -> None:
    assert {entry.class_name for entry in SCHEDULERS} == set(EXPORTED) - {"SchedulerMixin"}


def test_no_two_entries_share_a_name() -> None:
    seen: dict[str, str] = {}
    for entry in SCHEDULERS:
        for name in {re.sub(r"[^a-z0-9+]", "", name.lower()) for name in (entry.name, entry.label, *entry.names)}:
            assert seen.setdefault(name, entry.name) == entry.name, name


@pytest.mark.parametrize("entry", SCHEDULERS, ids=lambda entry: entry.name)
def test_every_entry_makes_its_scheduler(entry: SchedulerEntry) -> None:
    base = schedulers.DDIMScheduler(beta_schedule="scaled_linear", prediction_type="v_prediction")
    config = base.config if "v" in entry.predictions else {}
    for name in (entry.name, entry.label, *entry.names):
        assert find_scheduler(name) == (entry, "default")
    assert find_scheduler(entry.class_name)[0].class_name == entry.class_name
    made = getattr(schedulers, entry.class_name)
    assert hasattr(diffusers, entry.class_name) or hasattr(deprecated, entry.class_name)
    needed = {"num_vec_classes": 17, "mask_token_id": 16}
    needed = {key: value for key, value in needed.items() if key in made.config_keys()}
    for sigma_schedule in entry.sigma_schedules:
        changes = entry.config_changes(sigma_schedule)
        scheduler = made.from_config(config, **needed, **changes)
        assert {key: scheduler.config[key] for key in changes} == changes
        assert find_scheduler(entry.display_name(sigma_schedule)) == (entry, sigma_schedule)
        if "v" in entry.predictions:
            assert scheduler.config["prediction_type"] == "v_prediction"
    assert entry.calls_per_step == made.order or entry.name == "score-sde-ve"


@pytest.mark.parametrize("entry", SCHEDULERS, ids=lambda entry: entry.name)
def test_what_an_entry_says_is_whole(entry: SchedulerEntry) -> None:
    assert 1 <= entry.steps[0] < entry.steps[1] <= 2000
    assert entry.advice.endswith(".")
    assert entry.predictions
    assert set(entry.predictions) <= set(PREDICTIONS)
    assert entry.sigma_schedules[0] == "default"


@pytest.mark.parametrize("entry", SCHEDULERS, ids=lambda entry: entry.name)
def test_deterministic_is_what_takes_no_noise(entry: SchedulerEntry) -> None:
    """Two calls from the middle on, with two seeds, for those that step in the usual way."""
    if "v" not in entry.predictions:
        return
    results: list[torch.Tensor] = []
    for seed in (1, 2):
        scheduler = getattr(schedulers, entry.class_name)(**entry.changes)
        scheduler.set_timesteps(8)
        scheduler.set_begin_index(4)
        options = {"generator": torch.Generator().manual_seed(seed)} if "generator" in scheduler.step_options else {}
        x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        for timestep in scheduler.timesteps[4:6]:
            scheduler.scale_model_input(x, timestep)
            x = scheduler.step(0.1 * x, timestep, x, **options).prev_sample
        results.append(x)
    assert torch.equal(*results) == entry.deterministic


def test_what_a_model_cannot_be_sampled_with(tmp_path: Path) -> None:
    info = read_model(
        write_model(tmp_path, scheduler={"_class_name": "DDIMScheduler", "prediction_type": "v_prediction"})
    )
    info.check_scheduler("euler", "karras")
    with pytest.raises(InvalidValue, match="flow-euler needs a model that predicts flow, and this one predicts v"):
        info.check_scheduler("flow-euler", "default")
    with pytest.raises(InvalidValue, match="ddim-inverse is made for inversion"):
        info.check_scheduler("ddim-inverse", "default")
    with pytest.raises(InvalidValue, match="ddim has no sigma schedule 'karras'"):
        info.check_scheduler("ddim", "karras")


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


def test_a_setting_that_no_entry_has_leaves_the_class(tmp_path: Path) -> None:
    own = {"_class_name": "PNDMScheduler", "skip_prk_steps": False}
    assert read_model(write_model(tmp_path / "a", scheduler=own)).scheduler == "pndm"
    assert read_model(write_model(tmp_path / "b", scheduler={"_class_name": "ForeignScheduler"})).scheduler == "ddim"


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


@pytest.mark.parametrize(
    ("name", "config", "words"),
    [
        (
            "vae/config.json",
            {"block_out_channels": 3},
            "vae is configured with block_out_channels 3; .*list of a whole",
        ),
        ("vae/config.json", {"latent_channels": ""}, "latent_channels ''; it must be a whole number"),
        ("unet/config.json", {"sample_size": "big"}, "unet is configured with sample_size 'big'"),
        ("unet/config.json", {"in_channels": None}, "in_channels None"),
        ("scheduler/scheduler_config.json", {"prediction_type": []}, r"prediction_type \[\]; it must be a text"),
    ],
)
def test_configurations_that_nothing_can_be_computed_with(
    tmp_path: Path, name: str, config: object, words: str
) -> None:
    folder = write_model(tmp_path)
    (folder / name).write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=words):
        read_model(folder)


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


SD1 = {"sample_size": 64, "in_channels": 4, "cross_attention_dim": 768}
TURBO = {"_class_name": "EulerAncestralDiscreteScheduler", "timestep_spacing": "trailing"}
ZERO_SNR = {"_class_name": "DDIMScheduler", "prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
IMAGE_TASKS = ("text-to-image", "image-to-image", "inpaint")


@pytest.mark.parametrize(
    ("kind", "unet", "extra", "expected"),
    [
        ("StableDiffusionPipeline", {}, {}, ("stable-diffusion", "base", IMAGE_TASKS, "", 30, 7.5, 0.0)),
        ("StableDiffusionPipeline", {"cross_attention_dim": 1024}, {}, ("stable-diffusion-2", "base", IMAGE_TASKS)),
        ("StableDiffusionInpaintPipeline", {"in_channels": 9}, {}, ("stable-diffusion", "inpaint", ("inpaint",))),
        ("StableDiffusionInpaintPipeline", {}, {}, ("stable-diffusion", "base", IMAGE_TASKS)),
        ("StableDiffusionInstructPix2PixPipeline", {"in_channels": 8}, {}, ("stable-diffusion", "edit", ("edit",))),
        (
            "StableDiffusionDepth2ImgPipeline",
            {"in_channels": 5, "cross_attention_dim": 1024},
            {},
            ("stable-diffusion-2", "depth", ("image-to-image",)),
        ),
        ("StableDiffusionUpscalePipeline", {"in_channels": 7}, {}, ("stable-diffusion-x4-upscaler", "upscale")),
        ("StableDiffusionLatentUpscalePipeline", {"in_channels": 8}, {}, ("stable-diffusion-latent-upscaler",)),
        (
            "LatentConsistencyModelPipeline",
            {},
            {"scheduler": {"_class_name": "LCMScheduler"}},
            ("lcm", "base", ("text-to-image", "image-to-image"), "", 4, 8.5),
        ),
        (
            "StableDiffusionXLPipeline",
            {},
            {},
            ("stable-diffusion-xl", "base", IMAGE_TASKS, "", 30, 6.0, 0.0),
        ),
        (
            "StableDiffusionXLImg2ImgPipeline",
            {},
            {"index": {"requires_aesthetics_score": True}},
            ("stable-diffusion-xl-refiner", "refiner", ("image-to-image",)),
        ),
        (
            "StableDiffusionXLPipeline",
            {},
            {"scheduler": TURBO},
            ("stable-diffusion-xl", "base", IMAGE_TASKS, "turbo", 4, 1.0, 0.0),
        ),
        (
            "StableDiffusionXLPipeline",
            {},
            {"scheduler": ZERO_SNR},
            ("stable-diffusion-xl", "base", IMAGE_TASKS, "", 30, 6.0, 0.7),
        ),
        (
            "StableDiffusionXLPipeline",
            {},
            {"folder": "sdxl_lightning_8step"},
            ("stable-diffusion-xl", "base", IMAGE_TASKS, "lightning", 8, 1.0, 0.0),
        ),
        (
            "StableDiffusionPipeline",
            {},
            {"scheduler": {"_class_name": "TCDScheduler"}},
            ("stable-diffusion", "base", IMAGE_TASKS, "hyper", 8, 1.0, 0.0),
        ),
    ],
)
def test_families_and_what_their_models_are_for(
    tmp_path: Path, kind: str, unet: dict[str, object], extra: dict[str, object], expected: tuple[object, ...]
) -> None:
    folder = write_model(tmp_path / str(extra.get("folder", "model")), kind=kind, scheduler=extra.get("scheduler"))
    (folder / "unet" / "config.json").write_text(json.dumps(SD1 | unet))
    index = {"_class_name": kind} | dict(extra.get("index", {}))  # pyright: ignore[reportCallIssue, reportArgumentType]
    (folder / "model_index.json").write_text(json.dumps(index))
    info = read_model(folder)
    told = (info.family.name, info.variant, info.tasks, info.fast, info.steps, info.guidance_scale)
    assert (*told, info.guidance_rescale)[: len(expected)] == expected
