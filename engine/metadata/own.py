"""Recipes as our own JSON: exact, complete, under the key `sfumato` of a picture.

An object with the number of the form in `format` and the fields of `engine.messages.Recipe` that have a value. Readers
leave keys alone that they do not know, so that later forms can add some.
"""

from __future__ import annotations

import json
from typing import Any, get_args, get_type_hints

from engine.errors import BadFile
from engine.messages import Recipe

FORMAT = 1


def write_own(recipe: Recipe) -> str:
    """The JSON text for `recipe`."""
    values = {key: getattr(recipe, key) for key in Recipe.known_keys()}
    return json.dumps({"format": FORMAT, **{key: value for key, value in values.items() if value not in {None, ()}}})


def read_own(text: str) -> Recipe:
    """The recipe in `text`.

    Raises:
        BadFile: it is no JSON object, or a field has a value of another type.
    """
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of thousands of digits
        raise BadFile("The recipe in the picture is not valid JSON; the picture's metadata was changed.") from error
    if not isinstance(content, dict):
        raise BadFile("The recipe in the picture is not a JSON object; the picture's metadata was changed.")
    values = {key: content[key] for key in Recipe.known_keys() if key in content}
    if "extras" in values:
        values["extras"] = _extras(values["extras"])
    for key, hint in get_type_hints(Recipe).items():
        if key in values and key != "extras" and not _fits(values[key], get_args(hint) or (hint,)):
            raise BadFile(f"The recipe in the picture has the wrong value {values[key]!r} for {key!r}.")
    return Recipe(**values)


def _fits(value: object, types: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, types) or (float in types and isinstance(value, int))


def _extras(pairs: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise BadFile(f"The recipe in the picture has the wrong value {pairs!r} for 'extras'.")
    return tuple((str(key), str(value)) for key, value in pairs)
