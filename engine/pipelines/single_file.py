"""`load_pipeline`: a pipeline from whatever a user has, a folder or a file of any known format.

The networks come from `engine.loading.single_file`; what one file cannot hold (schedulers, tokenizers, the values of
`model_index.json`) comes from the shipped configuration of its family.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any, cast

import torch

from engine._exports import SCHEDULERS
from engine.errors import ConfigError, InvalidValue, MissingFile
from engine.files import read_json
from engine.loading.clip_vocabulary import clip_words
from engine.loading.configurations import PREDICTION_TYPES
from engine.loading.own_configuration import has_clip
from engine.loading.single_file import FileOptions, ModelFile
from engine.models.autoencoder_kl import AutoencoderKL
from engine.models.unet_2d_condition import UNet2DConditionModel
from engine.pipelines.base import DiffusionPipeline
from engine.pipelines.parts import INDEX_NAME, LoadOptions, load_part, pipeline_class
from engine.prompts.tokenizer import CLIPTokenizer

_NETWORKS = ("unet", "vae", "text_encoder", "text_encoder_2")


def load_pipeline(
    location: Path | str,
    *,
    dtype: torch.dtype | None = None,
    vae: Path | str | AutoencoderKL | None = None,
    family: str | None = None,
    variant: str | None = None,
    prediction: str | None = None,
    config: Path | str | None = None,
    keep_packed: bool | None = None,
    cls: type[DiffusionPipeline] | None = None,
    **parts: Any,
) -> DiffusionPipeline:
    """Load the pipeline in the folder or file `location`, on the CPU.

    Args:
        location: a folder with `model_index.json`, or a file: safetensors, `.ckpt`, `.pt`, `.bin`, GGUF.
        dtype: precision of the networks; float32 if None.
        vae: another autoencoder: a file of its own, a folder, or one that is loaded already.
        family: the type of a file, where detection is wrong or finds none; so are `variant` and `prediction`.
        variant: "inpaint", "edit", "depth", "upscale", "lcm" or "".
        prediction: "epsilon" or "v".
        config: a folder in the layout of Diffusers whose configurations belong to the file.
        keep_packed: leave weights of 8-bit floats and of GGUF packed and unpack them for each use; GGUF only if None.
        cls: the pipeline class; that of the model if None.
        parts: further parts, used as they are.

    Raises:
        MissingFile, BadFile: nothing is there, or it is damaged or carries code.
        UnknownName: it is of no known kind; name its `family`.
        WeightsMismatch: a tensor does not fit; the text names it.
    """
    path = Path(location).expanduser()
    if vae is not None:
        parts["vae"] = vae if isinstance(vae, AutoencoderKL) else load_vae(vae, dtype)
    if path.is_dir():
        return (cls or DiffusionPipeline).from_pretrained(path, dtype=dtype, **parts)
    if not path.exists():
        raise MissingFile(f"{path} is missing; check the path.")
    folder = None if config is None else Path(config)
    file = ModelFile(path, FileOptions(family, variant, prediction, folder, dtype, keep_packed))
    with file.config_folder() as folder:
        return _assemble(file, folder, cls, parts)


def load_vae(location: Path | str, dtype: torch.dtype | None = None) -> AutoencoderKL:
    """The autoencoder in a folder, or in a file of its own or of a whole model.

    A file does not say by which factor latents are scaled: that of Stable Diffusion 1 is taken, unless its header or
    its family says XL; `load_pipeline` corrects it to that of its model.
    """
    path = Path(location).expanduser()
    if path.is_dir():
        inner = path / "vae" if (path / INDEX_NAME).is_file() else path
        return AutoencoderKL.from_pretrained(inner, dtype=dtype)
    return cast("AutoencoderKL", ModelFile(path, FileOptions(dtype=dtype)).load("vae"))


def _assemble(
    file: ModelFile, folder: Path | None, cls: type[DiffusionPipeline] | None, parts: dict[str, Any]
) -> DiffusionPipeline:
    values: dict[str, Any] = {}
    if folder is None and not file.detected.prediction and "unet" not in parts:
        values["unet"] = _unet_of_unknown_prediction(file)
    index = _index(file) if folder is None else read_json(folder / INDEX_NAME)
    where = Path("the shipped configuration") if folder is None else folder / INDEX_NAME
    target = cls or cast("type[DiffusionPipeline]", pipeline_class(index.get("_class_name"), where))
    arguments = inspect.signature(target).parameters
    for name, parameter in arguments.items():
        if name in parts or name in values or name in target.only_if_asked:
            continue
        if name in _NETWORKS:
            values[name] = _network(
                file, name, name in target.optional_parts or parameter.default is not parameter.empty
            )
        elif name in index and not isinstance(index[name], list):
            values[name] = index[name]
        elif file.own is not None and folder is not None and has_clip(file.own, name):
            values[name] = CLIPTokenizer.from_pretrained(folder, name, clip_words())
        elif name in index and folder is not None:
            values[name] = _with_prediction(load_part(folder, name, index[name], LoadOptions()), name, file)
        elif folder is None and (made := _small_part(file, name)) is not None:
            values[name] = made
        elif parameter.default is parameter.empty and name in target.optional_parts:
            values[name] = None
        elif parameter.default is parameter.empty:
            raise InvalidValue(f"{file.path} holds no {name}, which {target.__name__} needs; pass {name}=...")
    unknown = next((name for name in parts if name not in arguments), None)
    if unknown is not None:
        raise ConfigError(f"{target.__name__} has no part {unknown!r}; it has {', '.join(arguments)}.")
    _scale_latents(file, folder, parts.get("vae"))
    return target(**values, **{name: part for name, part in parts.items()})


@torch.inference_mode()
def measured_prediction(unet: UNet2DConditionModel) -> str:
    """Whether a U-Net predicts noise ("epsilon") or velocity ("v"), by asking it.

    At the last timestep the sample is all but noise. A model of the noise then gives back nearly its input; the
    velocity is the negative of the clean image (Salimans and Ho 2022, section 4), which the input says nothing about.
    """
    generator = torch.Generator("cpu").manual_seed(0)
    dtype, width = unet.dtype, unet.config.cross_attention_dim
    sample = torch.randn(1, unet.config.in_channels, 32, 32, generator=generator).to(dtype)
    prompt = torch.zeros(1, 77, width, dtype=dtype)
    output = unet(sample, 999, prompt, return_dict=False)[0].float().flatten()
    likeness = torch.nn.functional.cosine_similarity(output, sample.float()[:, : len(output) // 1024].flatten(), dim=0)
    return "epsilon" if float(likeness) > 0.5 else "v"


def _network(file: ModelFile, name: str, optional: bool) -> Any:
    if optional and not file.part_entries(name):
        return None
    return file.load(name)


def _unet_of_unknown_prediction(file: ModelFile) -> UNet2DConditionModel:
    unet = cast("UNet2DConditionModel", file.load("unet"))
    file.settle_prediction(measured_prediction(unet))
    unet.change_config(sample_size=file.configuration["unet"]["sample_size"])
    return unet


def _with_prediction(part: Any, name: str, file: ModelFile) -> Any:
    """The scheduler as the user says that the model was trained, against its configuration."""
    if name != "scheduler" or not file.said_prediction:
        return part
    return type(part).from_config(part.config, prediction_type=PREDICTION_TYPES[file.said_prediction])


def _index(file: ModelFile) -> dict[str, Any]:
    content = file.configuration
    return {"_class_name": content["pipeline"], **content["values"]}


def _small_part(file: ModelFile, name: str) -> Any:
    """A scheduler or tokenizer by the shipped configuration; None if it has none of that name."""
    content = file.configuration.get(name)
    if content is None:
        return None
    if name.endswith("scheduler"):
        changes = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"} if file.detected.zero_snr else {}
        class_name = content["_class_name"]
        scheduler = getattr(importlib.import_module(SCHEDULERS[class_name]), class_name)
        keys = scheduler.config_keys()
        return scheduler.from_config(content, **{key: value for key, value in changes.items() if key in keys})
    if name.startswith("tokenizer"):
        return CLIPTokenizer(*clip_words(), pad_token=content["pad_token"])
    return None


def _scale_latents(file: ModelFile, folder: Path | None, vae: Any) -> None:
    """Give an autoencoder of another file the factor of this model: it is a fact of the U-Net's training."""
    if not isinstance(vae, AutoencoderKL):
        return
    config = file.configuration["vae"] if folder is None else read_json(folder / "vae" / "config.json")
    if "scaling_factor" in config:
        vae.change_config(scaling_factor=config["scaling_factor"])
