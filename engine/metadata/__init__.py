"""Recipes in and out of pictures; imports no torch, and Pillow only when a picture is opened."""

from __future__ import annotations

from engine.metadata.a1111 import read_a1111, write_a1111
from engine.metadata.own import read_own, write_own
from engine.metadata.png import PictureFormat, encode_picture, encode_png
from engine.metadata.read import PictureFacts, read_facts, read_recipe, read_text

__all__ = [
    "PictureFacts",
    "PictureFormat",
    "encode_picture",
    "encode_png",
    "read_a1111",
    "read_facts",
    "read_own",
    "read_recipe",
    "read_text",
    "write_a1111",
    "write_own",
]
