"""`ModelMixin`: what every network has beside its mathematics: loading, saving, dtype and device."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import nn

from engine.config import ConfigMixin
from engine.errors import ConfigError
from engine.weights import (
    PICKLED,
    SAFETENSORS,
    Entry,
    build_on_meta,
    fill_module,
    read_entries,
    save_weights,
    weight_files,
)

# Attention layers of checkpoints from before Diffusers 0.17 carry these names.
EARLY_ATTENTION_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


class ModelMixin(nn.Module, ConfigMixin):
    """Base of all networks.

    Attributes:
        weights_name: stem of the weights file in a model's folder.
        pickled_name: the same where the file is one of `torch.save`.
        aliases: other class names under which a `config.json` may name this class.
    """

    weights_name: ClassVar[str] = "diffusion_pytorch_model"
    pickled_name: ClassVar[str] = "diffusion_pytorch_model"
    aliases: ClassVar[frozenset[str]] = frozenset()

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the first floating point parameter."""
        return next((p.dtype for p in self.parameters() if p.is_floating_point()), torch.get_default_dtype())

    @property
    def device(self) -> torch.device:
        """The device of the first parameter."""
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        subfolder: str | None = None,
        torch_dtype: torch.dtype | None = None,
        dtype: torch.dtype | None = None,
        variant: str | None = None,
        use_safetensors: bool | None = None,
    ) -> Self:
        """Load the model in `folder` (or its `subfolder`), in eval mode, on the CPU.

        `dtype` (or `torch_dtype`, its older name) is float32 unless given. `variant` picks files such as
        `diffusion_pytorch_model.fp16.safetensors`. Raises a `KnownError` that names file, key and remedy where the
        folder is incomplete or its parts do not fit together. `use_safetensors` True reads nothing else, False only
        the files of `torch.save`, and None prefers the former.
        """
        path = Path(folder) / (subfolder or "")
        config = cls.load_config(path)
        cls._check_class(config, path)
        model = build_on_meta(lambda: cls.from_config_file(path))
        names = cls._file_names() if use_safetensors is None else cls._file_names(use_safetensors)[:1]
        entries = model.rename_entries(read_entries(weight_files(path, names, variant)))
        fill_module(model, entries, dtype or torch_dtype or torch.float32)
        return model.eval()

    @classmethod
    def from_single_file(
        cls,
        path: str | Path,
        config: str | Path | None = None,
        subfolder: str | None = None,
        torch_dtype: torch.dtype | None = None,
        dtype: torch.dtype | None = None,
        local_files_only: bool = True,
    ) -> Self:
        """Load the network of this class out of the file `path`: a whole checkpoint, or a file of it alone.

        The file may be of any known format; of the original layout U-Nets, autoencoders and CLIP's text encoders are
        known. `config` is a folder (or its `subfolder`) whose `config.json` counts against what header and shapes say.
        `local_files_only` is there because guides say it: nothing is ever downloaded here. Precision is as for
        `from_pretrained`, and so are the errors; `UnknownName` where this class is not loaded from one file.
        """
        from engine.loading.single_file import load_network  # above this module; nothing but this call needs it

        folder = None if config is None else Path(config) / (subfolder or "")
        return load_network(Path(path), cls, folder, dtype or torch_dtype)

    @classmethod
    def _file_names(cls, safe: bool = True) -> tuple[str, str]:
        """Return the names that the weights may have, the wanted format first."""
        safetensors, pickled = cls.weights_name + SAFETENSORS, cls.pickled_name + PICKLED
        return (safetensors, pickled) if safe else (pickled, safetensors)

    @classmethod
    def _check_class(cls, config: dict[str, object], path: Path) -> None:
        named = config.get("_class_name")
        if named is not None and named != cls.__name__ and str(named) not in cls.aliases:
            raise ConfigError(
                f"{path / cls.config_name} describes a {named}, not a {cls.__name__}; load it as {named}."
            )

    def rename_entries(self, entries: dict[str, Entry]) -> dict[str, Entry]:
        """Return `entries` under the names that this class uses; here: those of early attention layers."""
        own = self.state_dict().keys()
        renamed: dict[str, Entry] = {}
        for key, entry in entries.items():
            parts = [EARLY_ATTENTION_NAMES.get(part, part) for part in key.split(".")]
            new = ".".join(parts)
            renamed[new if key not in own and new in own else key] = entry
        return renamed

    def save_pretrained(
        self,
        folder: str | Path,
        safe_serialization: bool = True,
        max_shard_size: int | str = "10GB",
        variant: str | None = None,
    ) -> None:
        """Write configuration and weights into `folder`, as `from_pretrained` and Diffusers read them.

        The weights are safetensors or, with `safe_serialization=False`, files of `torch.save` for programs that read
        nothing else.
        """
        path = Path(folder)
        save_weights(self.state_dict_to_save(), path, self._file_names(safe_serialization), max_shard_size, variant)
        self.save_config(path)

    def state_dict_to_save(self) -> dict[str, torch.Tensor]:
        """Return the weights under the names that the file holds."""
        return self.state_dict()
