"""`sfumato info`: what made a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from engine.errors import BadFile
from engine.messages import Recipe
from engine.metadata import read_recipe


def info(
    image: Annotated[Path, typer.Argument(help="A picture made by Sfumato or another program.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON for machines.")] = False,
) -> None:
    """Print what made a picture."""
    recipe = recipe_of(image)
    values = {key: getattr(recipe, key) for key in Recipe.known_keys()}
    values = {key: value for key, value in values.items() if value not in {None, "", ()}}
    if as_json:
        print(json.dumps({"event": "recipe", "path": str(image), **values}))
        return
    values.update(values.pop("extras", ()))
    for key, value in values.items():
        print(f"{key.replace('_', ' ')}: {value}")


def recipe_of(image: Path) -> Recipe:
    """The recipe in a picture; `BadFile` where it has none."""
    recipe = read_recipe(image)
    if recipe is None:
        raise BadFile(f"The picture {image} does not say what made it; choose one that was saved with its settings.")
    return recipe
