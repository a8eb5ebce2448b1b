"""Recipes in and out of pictures; imports no torch, and Pillow only when a picture is opened."""

from __future__ import annotations

from engine.metadata.a1111 import read_a1111, write_a1111
from engine.metadata.own import read_own, write_own
from engine.metadata.png import encode_png, read_recipe

__all__ = ["encode_png", "read_a1111", "read_own", "read_recipe", "write_a1111", "write_own"]
