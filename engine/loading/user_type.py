"""The user's word on what a single file of weights is, kept beside it: `model.sfumato.json` beside `model.safetensors`.

It stands over what is detected, wherever the file is used, and goes where the file goes. No torch here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import BadFile, InvalidValue, KnownError, UnknownName
from engine.files import read_json, write_json
from engine.loading.configurations import FAMILIES, check_prediction, family_configuration
from engine.loading.families import VARIANTS

ENDING = ".sfumato.json"
# Our word for a model that takes nothing beside the prompt, whose variant is "".
BASE = "base"
_VARIANTS = (*filter(None, VARIANTS.values()), "lcm")
_NAMES = ("family", "variant", "prediction")


@dataclass(frozen=True, slots=True)
class UserType:
    """What the user says; None where detection counts.

    Attributes:
        family: one of `engine.loading.configurations.FAMILIES`.
        variant: "" or one that the family has.
        prediction: "epsilon" or "v".
    """

    family: str | None = None
    variant: str | None = None
    prediction: str | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, name) is not None for name in _NAMES)

    def changed(self, family: str | None, variant: str | None, prediction: str | None) -> UserType:
        """This word with others in it: None keeps what is there, "" leaves it to detection; `variant` may be `BASE`."""

        def word(before: str | None, after: str | None) -> str | None:
            return before if after is None else after or None

        variant = word(self.variant, variant)
        return UserType(
            word(self.family, family), "" if variant == BASE else variant, word(self.prediction, prediction)
        )

    def check(self, detected: str) -> None:
        """Raise `UnknownName` for a word that means nothing; `detected` is the family if the user names none."""
        family = self.family or detected
        if self.family is not None or family in FAMILIES:
            family_configuration(family, self.variant or "", self.prediction or "")
        elif self.variant and self.variant not in _VARIANTS:
            raise UnknownName(f"The variant {self.variant!r} is unknown; choose one of {', '.join(_VARIANTS)}.")
        else:
            check_prediction(self.prediction or "")


def beside(path: Path) -> Path:
    """Where the word on the file `path` is kept."""
    return path.with_name(path.stem + ENDING)


def read_user_type(path: Path) -> UserType:
    """The user's word on the file `path`; an empty one where there is none.

    Raises `BadFile` if it is no JSON object, or says something that no file can be.
    """
    place = beside(path)
    if not place.is_file():
        return UserType()
    content: dict[str, Any] = read_json(place)
    word = UserType(**{name: str(content[name]) for name in _NAMES if name in content})
    try:
        word.check("")
    except UnknownName as error:
        raise BadFile(f"{place} cannot count: {error}") from error
    return word


def write_user_type(path: Path, word: UserType) -> None:
    """Keep `word` on the file `path`, or nothing where it is empty; `InvalidValue` where the folder is not writable."""
    try:
        if word:
            said = {name: getattr(word, name) for name in _NAMES}
            write_json(beside(path), {name: value for name, value in said.items() if value is not None})
        else:
            beside(path).unlink(missing_ok=True)
    except KnownError:
        raise
    except OSError as error:
        raise InvalidValue(
            f"{beside(path)} cannot be written ({error.strerror}); copy the model into a folder of your own."
        ) from error
