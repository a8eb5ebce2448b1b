"""Pipelines on disk: folders go from Diffusers to us and back; whatever is wrong with one is one clear sentence."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

import engine
from engine import DiffusionPipeline, StableDiffusionPipeline
from engine.errors import (
    BadFile,
    ConfigError,
    KnownError,
    MissingFile,
    MissingVariant,
    UnknownName,
    WeightsMismatch,
)
from tests.fixtures import reference_pipelines as reference
from tests.fixtures.reference_pipelines import TOLERANCE, generator

reference.quiet()

UNET_WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as Diffusers saves it."""
    return reference.saved(reference.stable_diffusion(), tmp_path_factory.mktemp("published"))


@pytest.fixture
def folder(published: Path, tmp_path: Path) -> Path:
    """A copy of that folder which a test may spoil."""
    return Path(shutil.copytree(published, tmp_path / "model"))


def picture(pipeline: Any) -> np.ndarray:
    return pipeline("a cat", generator=generator(), num_inference_steps=2, output_type="np").images


def edit(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value != "remove"}))


def test_folders_go_both_ways(published: Path, tmp_path: Path) -> None:
    theirs = diffusers.StableDiffusionPipeline.from_pretrained(published)
    ours = DiffusionPipeline.from_pretrained(published)
    assert type(ours) is StableDiffusionPipeline
    ours.save_pretrained(tmp_path)
    again = diffusers.DiffusionPipeline.from_pretrained(tmp_path)
    for pipeline in (theirs, again):
        pipeline.set_progress_bar_config(disable=True)
    index = json.loads((tmp_path / "model_index.json").read_text())
    assert index == json.loads((published / "model_index.json").read_text())
    for part in ("unet", "vae", "text_encoder"):
        original, back = getattr(theirs, part).state_dict(), getattr(again, part).state_dict()
        assert original.keys() == back.keys()
        assert all(torch.equal(original[key], back[key]) for key in original), part
    assert np.abs(picture(ours) - picture(theirs)).max() <= TOLERANCE
    assert np.abs(picture(again) - picture(theirs)).max() == 0.0
    assert not list(tmp_path.rglob("*.tmp"))


def test_pickled_folders_go_both_ways(published: Path, tmp_path: Path) -> None:
    theirs = diffusers.StableDiffusionPipeline.from_pretrained(published)
    theirs.set_progress_bar_config(disable=True)
    theirs.save_pretrained(tmp_path / "theirs", safe_serialization=False)
    ours = DiffusionPipeline.from_pretrained(tmp_path / "theirs", text_encoder=theirs.text_encoder)
    ours.save_pretrained(tmp_path / "ours", safe_serialization=False, variant="fp16")
    assert not list(tmp_path.rglob("*.safetensors.index*"))
    assert (tmp_path / "ours/unet/diffusion_pytorch_model.fp16.bin").is_file()
    again = diffusers.StableDiffusionPipeline.from_pretrained(
        tmp_path / "ours", variant="fp16", text_encoder=theirs.text_encoder
    )
    again.set_progress_bar_config(disable=True)
    assert np.abs(picture(ours) - picture(theirs)).max() <= TOLERANCE
    assert np.abs(picture(again) - picture(theirs)).max() == 0.0


@pytest.mark.filterwarnings("ignore:The configuration file of this scheduler:FutureWarning")  # the reference's words
def test_early_schedulers_get_the_settings_of_latent_diffusion(published: Path) -> None:
    """As in the reference: a file without the two keys would clip latents and end one timestep early."""
    early = {
        key: value for key, value in reference.scheduler_config().items() if key not in ("steps_offset", "clip_sample")
    }
    theirs = diffusers.StableDiffusionPipeline.from_pretrained(published, scheduler=diffusers.DDIMScheduler(**early))
    theirs.set_progress_bar_config(disable=True)
    scheduler = engine.DDIMScheduler(**early)
    ours = StableDiffusionPipeline.from_pretrained(published, scheduler=scheduler)
    assert ours.scheduler is scheduler
    assert (scheduler.config.steps_offset, scheduler.config.clip_sample) == (1, False)
    assert np.abs(picture(ours) - picture(theirs)).max() <= TOLERANCE
    # A file with PNDM keeps `clip_sample` for the scheduler that replaces it.
    pndm = engine.PNDMScheduler.from_config({"skip_prk_steps": True, **reference.scheduler_config()})
    assert engine.DDIMScheduler.from_config(pndm.config).config.clip_sample is False


def test_precision_and_variant(published: Path, tmp_path: Path) -> None:
    half = StableDiffusionPipeline.from_pretrained(published, torch_dtype=torch.float16)
    assert half.dtype == half.unet.dtype == half.vae.dtype == half.text_encoder.dtype == torch.float16
    half.save_pretrained(tmp_path, variant="fp16")
    assert (tmp_path / "text_encoder" / "model.fp16.safetensors").is_file()
    loaded = DiffusionPipeline.from_pretrained(tmp_path, variant="fp16", dtype=torch.bfloat16)
    assert loaded.dtype == torch.bfloat16
    assert loaded.to(torch.float32).unet.dtype == torch.float32
    assert loaded.to("cpu", torch.float64).vae.dtype == torch.float64
    assert loaded.device == torch.device("cpu")
    # One part without the variant is loaded from its plain files, as published folders need it.
    shutil.copy(published / "vae/diffusion_pytorch_model.safetensors", tmp_path / "vae")
    (tmp_path / "vae/diffusion_pytorch_model.fp16.safetensors").unlink()
    assert DiffusionPipeline.from_pretrained(tmp_path, variant="fp16").vae.dtype == torch.float32
    with pytest.raises(MissingVariant, match="no files of the variant 'fp32'"):
        DiffusionPipeline.from_pretrained(tmp_path, variant="fp32")
    with pytest.raises(MissingFile, match=r"fp16\.safetensors.*name the variant"):
        DiffusionPipeline.from_pretrained(tmp_path)


def test_parts_passed_shared_and_left_out(published: Path) -> None:
    first = StableDiffusionPipeline.from_pretrained(published)
    scheduler = engine.EulerDiscreteScheduler()
    second = DiffusionPipeline.from_pretrained(
        published, unet=first.unet, scheduler=scheduler, text_encoder=None, tokenizer=None
    )
    assert second.unet is first.unet
    assert second.scheduler is scheduler
    assert second.text_encoder is None
    assert second.config.scheduler == ["diffusers", "EulerDiscreteScheduler"]
    assert second.config.text_encoder == [None, None]
    third = StableDiffusionPipeline(**first.components)
    assert third.components == first.components
    fourth = StableDiffusionPipeline.from_pipe(first, scheduler=scheduler)
    assert fourth.vae is first.vae
    assert fourth.scheduler is scheduler
    with pytest.raises(ConfigError, match="has no part 'unets'.*unet"):
        DiffusionPipeline.from_pretrained(published, unets=None)


def test_null_parts(folder: Path) -> None:
    edit(folder / "model_index.json", text_encoder=[None, None], tokenizer=[None, None])
    assert DiffusionPipeline.from_pretrained(folder).text_encoder is None
    edit(folder / "model_index.json", unet=[None, None])
    with pytest.raises(ConfigError, match="model_index.json: unet is null"):
        DiffusionPipeline.from_pretrained(folder)
    assert DiffusionPipeline.from_pretrained(folder, unet=None).unet is None


def test_a_safety_checker_is_not_loaded_unless_asked_for(folder: Path) -> None:
    edit(
        folder / "model_index.json",
        safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"],
        feature_extractor=["transformers", "CLIPImageProcessor"],
        requires_safety_checker=True,
    )
    pipeline = DiffusionPipeline.from_pretrained(folder)
    assert pipeline.safety_checker is None
    assert pipeline.feature_extractor is None
    assert pipeline.config.requires_safety_checker is False
    with pytest.raises(UnknownName, match="safety_checker is a StableDiffusionSafetyChecker.*pass safety_checker="):
        DiffusionPipeline.from_pretrained(folder, requires_safety_checker=True)


def test_other_encoders_come_from_transformers(folder: Path) -> None:
    """Any encoder that the index names is loaded by transformers, from its folder alone."""
    config = transformers.BertConfig(
        vocab_size=300, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    torch.manual_seed(0)
    bert = transformers.BertModel(config)
    shutil.rmtree(folder / "text_encoder")
    bert.save_pretrained(folder / "text_encoder")
    edit(folder / "model_index.json", text_encoder=["transformers", "BertModel"])
    pipeline = DiffusionPipeline.from_pretrained(folder, dtype=torch.float16)
    assert type(pipeline.text_encoder) is transformers.BertModel
    assert pipeline.text_encoder.dtype == torch.float16
    assert pipeline.config.text_encoder == ["transformers", "BertModel"]
    (folder / "text_encoder" / "model.safetensors").write_bytes(b"cut short")
    with pytest.raises(BadFile, match="text_encoder cannot be loaded as BertModel"):
        DiffusionPipeline.from_pretrained(folder)
    edit(folder / "model_index.json", text_encoder=["transformers", "BurtModel"])
    with pytest.raises(UnknownName, match="text_encoder is a BurtModel, which transformers"):
        DiffusionPipeline.from_pretrained(folder)


def test_loading_needs_no_transformers(published: Path) -> None:
    """A cold process makes latents with torch, tokenizers and safetensors: nothing heavier is imported."""
    script = (
        "import sys\n"
        "from engine import DiffusionPipeline\n"
        f"pipe = DiffusionPipeline.from_pretrained({str(published)!r})\n"
        "next(pipe.steps('a cat', num_inference_steps=2))\n"
        "print(*(name for name in sys.argv[1:] if name in sys.modules))\n"
    )
    heavy = ("transformers", "diffusers", "accelerate", "scipy", "PIL", "rich", "huggingface_hub", "torch._dynamo")
    root = Path(engine.__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", script, *heavy], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


def remove(name: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return spoil


def cut_short(folder: Path) -> None:
    path = folder / UNET_WEIGHTS
    path.write_bytes(path.read_bytes()[:-7])


def foreign_file(folder: Path) -> None:
    (folder / UNET_WEIGHTS).write_bytes(b"PK\x03\x04" + bytes(100))


def foreign_weights(folder: Path) -> None:
    shutil.copy(folder / "vae/diffusion_pytorch_model.safetensors", folder / UNET_WEIGHTS)


def left_over_key(folder: Path) -> None:
    tensors = load_file(folder / UNET_WEIGHTS)
    save_file(tensors | {"extra.weight": torch.zeros(1)}, folder / UNET_WEIGHTS)


def in_index(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: edit(folder / "model_index.json", **changes)


def in_config(part: str, **changes: Any) -> Callable[[Path], None]:
    name = "scheduler_config.json" if part == "scheduler" else "config.json"
    return lambda folder: edit(folder / part / name, **changes)


def write(name: str, text: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).write_text(text)

    return spoil


WRONG: dict[str, tuple[Callable[[Path], None], type[KnownError], str]] = {
    "no index": (remove("model_index.json"), MissingFile, r"model_index\.json is missing"),
    "index cut short": (write("model_index.json", '{"_class'), BadFile, r"model_index\.json is not valid JSON"),
    "index is a list": (write("model_index.json", "[]"), BadFile, r"model_index\.json holds a JSON list"),
    "unknown pipeline": (
        in_index(_class_name="MagicPipeline"),
        UnknownName,
        r"model_index\.json: there is no pipeline 'MagicPipeline'.*StableDiffusionPipeline",
    ),
    "no class": (in_index(_class_name="remove"), UnknownName, "there is no pipeline None"),
    "part not named": (in_index(unet="remove"), ConfigError, r"model_index\.json names no unet.*pass unet="),
    "part is no pair": (in_index(unet="UNet"), ConfigError, r"model_index\.json: unet cannot be 'UNet'"),
    "part is a long list": (in_index(vae=["a", "b", "c"]), ConfigError, r"vae cannot be \['a', 'b', 'c'\]"),
    "unknown part": (
        in_index(unet=["diffusers", "UNet9DModel"]),
        UnknownName,
        r"model_index\.json: unet is a UNet9DModel.*pass unet=",
    ),
    "foreign library": (
        in_index(unet=["evil_library", "UNet"]),
        ConfigError,
        r"model_index\.json: unet comes from the library 'evil_library', whose code would be run",
    ),
    "code of the folder": (in_index(unet=["my_unet", "MyUNet"]), ConfigError, "library 'my_unet'"),
    "missing folder": (remove("vae"), MissingFile, r"vae, which model_index\.json names, is missing"),
    "missing config": (remove("unet/config.json"), MissingFile, r"unet/config\.json is missing"),
    "missing weights": (remove(UNET_WEIGHTS), MissingFile, r"unet/diffusion_pytorch_model\.safetensors is missing"),
    "missing scheduler": (remove("scheduler/scheduler_config.json"), MissingFile, r"scheduler_config\.json is missing"),
    "missing tokenizer": (remove("tokenizer/tokenizer.json"), MissingFile, r"tokenizer/vocab\.json is missing"),
    "config cut short": (write("vae/config.json", "{"), BadFile, r"vae/config\.json is not valid JSON"),
    "config of another class": (
        in_config("unet", _class_name="AutoencoderKL"),
        ConfigError,
        r"unet/config\.json describes a AutoencoderKL, not a UNet2DConditionModel",
    ),
    "bad value": (
        in_config("scheduler", beta_schedule="steep"),
        ConfigError,
        r"scheduler_config\.json.*beta_schedule cannot be 'steep'.*\"scaled_linear\"",
    ),
    "bad type": (
        in_config("unet", in_channels="four"),
        ConfigError,
        r"unet/config\.json.*in_channels cannot be 'four'",
    ),
    "weights cut short": (cut_short, BadFile, r"unet/diffusion_pytorch_model\.safetensors is cut short.*download"),
    "no safetensors": (foreign_file, BadFile, r"unet/diffusion_pytorch_model\.safetensors is not a safetensors file"),
    "weights of another model": (foreign_weights, WeightsMismatch, r"unet/diffusion_pytorch_model\.safetensors lacks"),
    "key left over": (left_over_key, WeightsMismatch, r"unet/.*holds extra\.weight"),
    "wrong shape": (
        in_config("unet", cross_attention_dim=24),
        WeightsMismatch,
        r"unet/.*attn2\.to_k\.weight has the shape \[8, 16\], but the configuration asks for \[8, 24\]",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_folder_is_one_sentence(folder: Path, name: str) -> None:
    spoil, kind, words = WRONG[name]
    spoil(folder)
    before = sorted(folder.rglob("*"))
    with pytest.raises(kind, match=words) as caught:
        DiffusionPipeline.from_pretrained(folder)
    assert "\n" not in str(caught.value)
    assert sorted(folder.rglob("*")) == before


def test_wrong_arguments(published: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="runwayml/stable-diffusion-v1-5 is not a folder.*model_index"):
        DiffusionPipeline.from_pretrained("runwayml/stable-diffusion-v1-5")
    with pytest.raises(MissingFile, match=r"pytorch_model\.bin is missing|diffusion_pytorch_model\.bin is missing"):
        DiffusionPipeline.from_pretrained(published, use_safetensors=False)
    pipeline = DiffusionPipeline.from_pretrained(published)
    pipeline.register_modules(tokenizer=torch.nn.Linear(1, 1))
    with pytest.raises(UnknownName, match="tokenizer is a Linear of torch.*cannot be saved"):
        pipeline.save_pretrained(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_schedulers_say_what_they_take() -> None:
    """`step_options` and `schedule_options`, which pipelines ask, agree with the methods."""
    import inspect

    from engine._exports import SCHEDULERS

    for name in set(SCHEDULERS) - {"SchedulerMixin"}:
        cls = getattr(engine, name)
        if not hasattr(cls, "step"):  # ScoreSdeVe and ScoreSdeVp step by step_pred and are driven by their own loops
            continue
        taken = set(inspect.signature(cls.step).parameters)
        plain = {"self", "model_output", "timestep", "sample", "sample_hat", "return_dict"}
        # FlowMatchEuler takes the churn of its siblings and has no use for it.
        assert {"eta", "generator", "variance_noise"} & taken <= cls.step_options <= taken - plain, name
        laid_out_by = set(inspect.signature(cls.set_timesteps).parameters)
        assert {"timesteps", "sigmas"} & laid_out_by <= cls.schedule_options <= laid_out_by, name


def test_progress_is_shown_on_a_terminal_only(
    published: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = DiffusionPipeline.from_pretrained(published)
    picture(pipeline)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    pipeline.set_progress_bar_config(desc="cats")
    picture(pipeline)
    assert "cats" in capsys.readouterr().err
    pipeline.set_progress_bar_config(disable=True, leave=False)
    picture(pipeline)
    assert capsys.readouterr().err == ""
