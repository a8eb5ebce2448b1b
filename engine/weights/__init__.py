"""Weights in and out: files, shards, variants, and modules filled from them without a second copy.

The format is safetensors; files of `torch.save` (`.bin`), which older models have, are checked, converted once by a
process of their own, and then read like the others. GGUF is read too.

A module is built on the meta device, where tensors have shapes but no memory, and each tensor of the file is assigned
to it. Where the dtype is kept the tensors are views of the memory-mapped file. Where it changes each tensor is read
and converted in pieces, because pages of a mapped file that were only passed through would stay counted as memory of
the process.
"""

import pickle

from engine.weights.entries import (
    DTYPES,
    PICKLED,
    SAFETENSORS,
    Entry,
    read_entries,
    read_file,
    read_header,
    weight_files,
)
from engine.weights.modules import build_on_meta, check_fit, fill_module
from engine.weights.reading import load_tensors
from engine.weights.saving import parse_size, save_weights, write_safetensors

# What the reader of pickled files raises for damaged ones, and for those that hold code.
UNREADABLE = (pickle.PickleError, RuntimeError, OSError, EOFError, ValueError, TypeError, LookupError, AttributeError)

__all__ = [
    "DTYPES",
    "PICKLED",
    "SAFETENSORS",
    "UNREADABLE",
    "Entry",
    "build_on_meta",
    "check_fit",
    "fill_module",
    "load_tensors",
    "parse_size",
    "read_entries",
    "read_file",
    "read_header",
    "save_weights",
    "weight_files",
    "write_safetensors",
]
