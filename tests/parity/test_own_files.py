"""Files of our own carry the configurations of their folder, so that the way back is exact; networks out of files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import engine
from engine import queries
from engine.catalog import read_model
from engine.errors import MissingFile, UnknownName
from engine.formats.read import read_header
from engine.loading import convert_model, detect, load_pipeline, model_info
from engine.loading.own_configuration import KEY, read_own
from engine.resources_path import resource
from tests.fixtures import reference_families as families
from tests.fixtures import reference_pipelines as reference

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
EMBEDDED = resource("models", "sfumato-icons")


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that ships, in one file."""
    return convert_model(EMBEDDED, tmp_path_factory.mktemp("own") / "icons.safetensors", "float32")


def texts_of(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".json", ".txt")
    }


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for path in folder.rglob("*.safetensors"):
        place = path.parent.name
        found |= {f"{place}/{name}": tensor for name, tensor in load_file(path).items()}
    return found


def as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def run(location: Path) -> Any:
    pipeline: Any = load_pipeline(location)
    return pipeline(
        "red apple, 3d icon", num_inference_steps=3, output_type="np", generator=reference.generator()
    ).images


def test_the_embedded_model_is_known_as_one_file(embedded: Path) -> None:
    found = detect(embedded)
    assert (found.kind, found.family, found.variant) == ("checkpoint", "stable-diffusion", "")
    assert (found.prediction, found.supported) == ("v", True)
    assert KEY not in found.metadata
    folder, file = read_model(EMBEDDED), model_info(embedded)
    for name in ("name", "family", "width", "height", "size_multiple", "prediction", "scheduler", "steps", "tasks"):
        assert getattr(file, name) == getattr(folder, name), name
    assert file.guidance_scale == folder.guidance_scale
    assert found.metadata["modelspec.resolution"] == "128x128"


def test_the_embedded_model_makes_the_same_picture_from_one_file(embedded: Path) -> None:
    assert np.array_equal(run(embedded), run(EMBEDDED))


def test_the_embedded_model_goes_there_and_back(embedded: Path, tmp_path: Path) -> None:
    back = convert_model(embedded, tmp_path / "back", "float32")
    once: Any = engine.DiffusionPipeline.from_pretrained(EMBEDDED)
    once.save_pretrained(tmp_path / "once")
    (tmp_path / "once" / "sfumato.json").write_text((EMBEDDED / "sfumato.json").read_text())
    assert texts_of(back) == texts_of(tmp_path / "once")
    one, two = weights_of(back), weights_of(tmp_path / "once")
    assert one.keys() == two.keys()
    assert all(torch.equal(tensor, two[name]) for name, tensor in one.items())
    # And from file to file, in another precision.
    half = convert_model(embedded, tmp_path / "half.safetensors", "float16")
    assert read_own(read_header(half).metadata) == {
        name: text.replace('"float32"', '"float16"') if name == "text_encoder/config.json" else text
        for name, text in (read_own(read_header(embedded).metadata) or {}).items()
    }


@pytest.mark.parametrize("precision", ["float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_what_a_header_says_survives_converting(tmp_path: Path, precision: str) -> None:
    """From folder to file, to a file of another precision, and to a folder of the first one's weights."""
    reference.stable_diffusion().save_pretrained(tmp_path / "folder")
    first = convert_model(tmp_path / "folder", tmp_path / "first.safetensors", precision, title="A cat's model")
    says = dict(read_header(first).metadata)
    for key, value in (
        ("modelspec.sai_model_spec", "1.0.0"),
        ("modelspec.architecture", "stable-diffusion-v1"),
        ("modelspec.title", "A cat's model"),
        ("modelspec.prediction_type", "epsilon"),
        ("modelspec.resolution", "64x64"),
    ):
        assert says[key] == value
    more = says | {"modelspec.author": "A cat", "modelspec.hash_sha256": "0x00", "ss_note": "é"}
    save_file(load_file(first), first, more)
    for target in dict.fromkeys(("float16", precision)):
        second = convert_model(first, tmp_path / f"{target}.safetensors", target)
        again = dict(read_header(second).metadata)
        assert (again["modelspec.author"], again["ss_note"]) == ("A cat", "é")
        assert again["modelspec.title"] == "A cat's model"
        assert "modelspec.hash_sha256" not in again
        assert detect(second).precision.startswith((target, f"mixed: {target}", "mixed: float16, float8"))
        # The same numbers: what eight bits have cost is not asked for twice.
        one, two = load_pipeline(first), load_pipeline(second)
        for part in ("unet", "vae", "text_encoder"):
            expected, given = (pipeline.components[part].state_dict() for pipeline in (one, two))
            # The smallest numbers of bfloat16 are beyond float16, which has all that eight bits can say.
            least = 1e-7 if (precision, target) == ("bfloat16", "float16") else 0.0
            for name, tensor in expected.items():
                assert (tensor - given[name].float()).abs().max() <= least, f"{part}: {name}"
    folder = convert_model(first, tmp_path / "back", "float32")
    back: Any = engine.DiffusionPipeline.from_pretrained(folder)
    for name, tensor in load_pipeline(first).components["unet"].state_dict().items():
        assert torch.equal(back.unet.state_dict()[name], tensor)


def test_tokens_and_steps_of_a_file_are_those_of_its_folder(embedded: Path) -> None:
    prompt = "red apple, 3d icon"
    assert queries.count_tokens(str(embedded), prompt) == queries.count_tokens(str(EMBEDDED), prompt)
    file, folder = queries.model_info(str(embedded)), queries.model_info(str(EMBEDDED))
    assert queries.scheduler_config(file) == queries.scheduler_config(folder)


def test_clip_is_not_repeated_in_the_header(tmp_path: Path) -> None:
    """Tokens of a foreign file are CLIP's; a folder with CLIP's own vocabulary needs no copy of it."""
    made = families.stable_diffusion("StableDiffusionPipeline", 4)
    made.save_pretrained(tmp_path / "folder")
    file = convert_model(tmp_path / "folder", tmp_path / "own.safetensors", "float32")
    save_file(load_file(file), tmp_path / "foreign.safetensors")
    count = queries.count_tokens(str(tmp_path / "foreign.safetensors"), "a photo of a cat")
    assert (count.count, count.limit) == (5, 75)
    pipeline: Any = load_pipeline(tmp_path / "foreign.safetensors")
    pipeline.save_pretrained(tmp_path / "clip")
    again = convert_model(tmp_path / "clip", tmp_path / "again.safetensors", "float32")
    texts = read_own(read_header(again).metadata) or {}
    assert "tokenizer/tokenizer_config.json" in texts
    assert "tokenizer/vocab.json" not in texts
    read: Any = load_pipeline(again)
    words = "Two CATS, 3 dogs & naïve café's"
    assert read.tokenizer(words).input_ids == pipeline.tokenizer(words).input_ids
    assert read.tokenizer.pad_token == pipeline.tokenizer.pad_token


def test_the_users_word_counts_against_the_header(tmp_path: Path) -> None:
    made = reference.stable_diffusion()
    made.save_pretrained(tmp_path / "folder")
    file = convert_model(tmp_path / "folder", tmp_path / "own.safetensors", "float32")
    own: Any = load_pipeline(file)
    assert type(own.scheduler).__name__ == "DDIMScheduler"
    assert (own.unet.config.attention_head_dim, own.vae.config.scaling_factor) == (2, 0.3)
    velocity: Any = load_pipeline(file, prediction="v")
    assert velocity.scheduler.config.prediction_type == "v_prediction"
    assert type(velocity.scheduler).__name__ == "DDIMScheduler"
    assert model_info(file, prediction="v").prediction == "v"
    shipped: Any = load_pipeline(file, family="stable-diffusion-2")
    assert type(shipped.scheduler).__name__ == "PNDMScheduler"
    with pytest.raises(UnknownName, match="'x' is unknown; choose one of epsilon, v"):
        load_pipeline(file, prediction="x")
    vae: Any = load_pipeline(file, vae=tmp_path / "folder" / "vae")
    assert vae.vae.config.scaling_factor == 0.3


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"unet/config.json": "{}"}', '{"model_index.json": "{}", "../x.json": "{}"}', "[" * 5000]
)
def test_a_header_that_cannot_be_read_is_left_aside(embedded: Path, tmp_path: Path, text: str) -> None:
    """Then the shapes count, and these are of no published model."""
    path = tmp_path / "strange.safetensors"
    save_file(load_file(embedded), path, {KEY: text})
    found = detect(path)
    assert (found.kind, found.supported) == ("unknown", False)
    assert "latents of 16" in found.reason
    with pytest.raises(UnknownName, match="cannot be loaded"):
        load_pipeline(path)


def test_a_header_names_no_foreign_code(tmp_path: Path) -> None:
    """What a header brings is read as a folder is: of our own classes, nothing is imported that it names."""
    made = reference.stable_diffusion()
    made.save_pretrained(tmp_path / "folder")
    file = convert_model(tmp_path / "folder", tmp_path / "own.safetensors", "float32")
    texts = dict(read_own(read_header(file).metadata) or {})
    index = json.loads(texts["model_index.json"])
    index["scheduler"] = ["os", "system"]
    texts["model_index.json"] = json.dumps(index)
    save_file(load_file(file), file, {KEY: json.dumps(texts)})
    with pytest.raises(engine.errors.ConfigError, match="'os', whose code would be run"):
        load_pipeline(file)


# ---------------------------------------------------------------------------------------------------- networks


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path, Path]:
    """A pipeline of Diffusers, its folder, and one file of the original layout without configurations."""
    reference.quiet()
    folder = tmp_path_factory.mktemp("one")
    made = families.stable_diffusion_xl()
    made.save_pretrained(folder / "folder")
    file = convert_model(folder / "folder", folder / "model.safetensors", "float32")
    save_file(load_file(file), file)
    return made, folder / "folder", file


@pytest.mark.parametrize(("name", "part"), [("UNet2DConditionModel", "unet"), ("AutoencoderKL", "vae")])
def test_from_single_file_of_models(one: tuple[Any, Path, Path], name: str, part: str) -> None:
    _, folder, file = one
    theirs = getattr(diffusers, name).from_single_file(
        str(file), config=str(folder), subfolder=part, local_files_only=True
    )
    cls: Any = getattr(engine, name)
    for options in ({"config": folder, "subfolder": part}, {"config": folder / part}, {}):
        ours = cls.from_single_file(file, **options)
        assert type(ours) is cls
        assert not ours.training
        expected, given = theirs.state_dict(), ours.state_dict()
        assert expected.keys() == given.keys()
        assert all(torch.equal(tensor, given[key]) for key, tensor in expected.items())
    read = cls.from_single_file(file, config=folder / part).config
    for key in cls.config_keys():
        assert as_list(read[key]) == as_list(theirs.config[key]), key
    assert cls.from_single_file(file, torch_dtype=torch.float16).dtype == torch.float16


def test_text_encoders_out_of_one_file(one: tuple[Any, Path, Path]) -> None:
    made, _, file = one
    for cls, part in ((engine.CLIPTextModel, "text_encoder"), (engine.CLIPTextModelWithProjection, "text_encoder_2")):
        ours: Any = cls.from_single_file(file)
        theirs = {key.removeprefix("text_model."): value for key, value in getattr(made, part).state_dict().items()}
        given = {key.removeprefix("text_model."): value for key, value in ours.state_dict().items()}
        assert given.keys() == theirs.keys()
        assert all(torch.equal(value, given[key]) for key, value in theirs.items())


def test_networks_that_are_not_there(one: tuple[Any, Path, Path], tmp_path: Path) -> None:
    _, _, file = one
    with pytest.raises(UnknownName, match="A UNet2DModel is not loaded from one file; choose one of"):
        engine.UNet2DModel.from_single_file(file)
    tensors = {key: value for key, value in load_file(file).items() if "first_stage" not in key}
    save_file(tensors, tmp_path / "without.safetensors")
    with pytest.raises(MissingFile, match="holds no AutoencoderKL"):
        engine.AutoencoderKL.from_single_file(tmp_path / "without.safetensors")
    with pytest.raises(MissingFile, match="is missing"):
        engine.AutoencoderKL.from_single_file(tmp_path / "nothing.safetensors")
