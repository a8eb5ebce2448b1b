"""Which names a pickle of weights may use, and what each stands for.

A pickle names functions and classes and has the reader call them. Files of `torch.save` need the few of this table;
any other name is code, whatever it is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Role = Literal["dict", "tensor", "typed tensor", "parameter", "storage", "dtype", "tuple", "inert"]

STORAGES: Mapping[str, str] = {
    "DoubleStorage": "F64",
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
    "UntypedStorage": "U8",
}
TORCH_DTYPES: Mapping[str, str] = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}
# Names that trainers leave in checkpoints beside the weights: their objects are read as nothing.
INERT: frozenset[str] = frozenset(
    {
        "__builtin__.set",
        "_codecs.encode",
        "builtins.set",
        "numpy.dtype",
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray.scalar",
        "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
        "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
        "lightning.pytorch.callbacks.model_checkpoint.ModelCheckpoint",
        "torch.device",
    }
)
_ROLES: Mapping[str, Role] = {
    "collections.OrderedDict": "dict",
    "torch.nn.modules.container.ParameterDict": "dict",
    "torch._utils._rebuild_tensor": "tensor",
    "torch._utils._rebuild_tensor_v2": "tensor",
    "torch._utils._rebuild_tensor_v3": "typed tensor",
    "torch._utils._rebuild_parameter": "parameter",
    "torch.Size": "tuple",
}


def role_of(name: str) -> Role | None:
    """What the dotted `name` stands for in a pickle of weights; None if it has no place there."""
    if name in _ROLES:
        return _ROLES[name]
    if name in INERT:
        return "inert"
    module, _, last = name.rpartition(".")
    if module in ("torch", "torch.storage") and last in STORAGES:
        return "storage"
    if module == "torch" and last in TORCH_DTYPES:
        return "dtype"
    return None
