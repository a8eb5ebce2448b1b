"""Templates with choices and wildcards, `{a|b}`, `{2$$a|b|c}`, `__file__`, through the `dynamicprompts` library.

This is the one file that knows the library. It takes many characters for syntax of its own (`#`, `//`, `%`, `$`, a
lone `__`), which prompts are full of; what is no template syntax here is put out of its sight first. Lines that begin
with `#` are comments. `\\{` and `\\}` are plain braces.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from engine.errors import InvalidValue

if TYPE_CHECKING:
    from dynamicprompts.wildcards import WildcardManager

_COMMENT = re.compile(r"^#.*(?:\n|\Z)", re.MULTILINE)
_SYNTAX = re.compile(r"[{}]|__")
# What may stand between the underscores of a wildcard: a path, patterns, choices, values of its variables.
_WILDCARD = re.compile(r"__(?=[^\s_])((?:(?!__)[^\n,<>\[\]])+)__")
# The library's own syntax that is left as it is; every other such character is hidden from it.
_KEPT = re.compile(r"\$\{|%\{|\$\$")
_HIDDEN = "#/%$_{}\\"
_FIRST_HIDDEN = 0xE000  # the private use area, which no prompt has use for
_TO_HIDDEN = {ord(letter): _FIRST_HIDDEN + index for index, letter in enumerate(_HIDDEN)}
_FROM_HIDDEN = {hidden: letter for letter, hidden in _TO_HIDDEN.items()}
_NOTHING = chr(_FIRST_HIDDEN + len(_HIDDEN))
_DEPTH_ERROR = "refers to itself, directly or through others; take the reference out of the file."


def expand(template: str, seed: int, wildcard_folder: Path | None = None) -> str:
    """Return `template` with one choice made everywhere; the same seed and files give the same text.

    Raises:
        InvalidValue: a brace is not closed or not opened, a wildcard has no file, or the choices cannot be read; the
            message names line and column.
    """
    text = without_comments(template)
    if _SYNTAX.search(text) is None and "${" not in text:
        return text
    text = _hide(text, template)
    if not any(mark in text for mark in ("{", "__")):
        return text.translate(_FROM_HIDDEN)
    return _samples(text, seed, _manager(wildcard_folder, template))[0].translate(_FROM_HIDDEN)


def expand_all(template: str, wildcard_folder: Path | None = None, limit: int = 1000) -> list[str]:
    """Return every text that `template` can give, each once, in the order of its choices, `limit` of them at most.

    Raises `InvalidValue` as `expand` does.
    """
    text = without_comments(template)
    if _SYNTAX.search(text) is None and "${" not in text:
        return [text]
    text = _hide(text, template)
    if not any(mark in text for mark in ("{", "__")):
        return [text.translate(_FROM_HIDDEN)]
    found = _samples(text, 0, _manager(wildcard_folder, template), limit, every=True)
    return list(dict.fromkeys(sample.translate(_FROM_HIDDEN) for sample in found))


def without_comments(template: str) -> str:
    """Return `template` without the lines that begin with `#`."""
    return _COMMENT.sub("", template)


def wildcard_names(folder: Path | None) -> list[str]:
    """Return the names that `__name__` finds in `folder`, sorted."""
    return sorted(_manager(folder, "").get_collection_names())


def _samples(text: str, seed: int, wildcards: WildcardManager, count: int = 1, *, every: bool = False) -> list[str]:
    """Make the choices of `text` by chance, or with `every` all of them in turn; at least one, at most `count`."""
    from dynamicprompts.enums import SamplingMethod
    from dynamicprompts.sampling_context import SamplingContext
    from pyparsing import ParseBaseException

    _build_parser()
    context = SamplingContext(
        default_sampling_method=SamplingMethod.COMBINATORIAL if every else SamplingMethod.RANDOM,
        wildcard_manager=wildcards,
        rand=Random(seed),  # noqa: S311 - no secret
    )
    # The library cannot sample a variable that nothing stands beside.
    text = text + _NOTHING if "${" in text else text
    try:
        with warnings.catch_warnings():
            # That choices in turn (`{!a|b}`) are made by chance inside of others made by chance.
            warnings.simplefilter("ignore", UserWarning)
            found = [str(sample).replace(_NOTHING, "") for sample in context.sample_prompts(text, count)]
    except ParseBaseException as error:
        read = error.pstr.translate(_FROM_HIDDEN)
        raise InvalidValue(
            f"The choices of the prompt cannot be read {_place(read, error.loc)}; check them."
        ) from error
    except RecursionError as error:
        raise InvalidValue(f"A wildcard or variable of the prompt {_DEPTH_ERROR}") from error
    except InvalidValue:
        raise
    except (ValueError, KeyError, StopIteration) as error:
        reason = str(error).translate(_FROM_HIDDEN) or "nothing is left to choose"
        raise InvalidValue(f"The choices of the prompt cannot be made ({reason}); check its braces.") from error
    if not found:
        raise InvalidValue("The choices of the prompt cannot be made (nothing is left to choose); check its braces.")
    return found


def _build_parser() -> None:
    """Build the library's parser, which it keeps; it calls pyparsing by names of before version 3.3."""
    from dynamicprompts.parser.config import default_parser_config
    from dynamicprompts.parser.parse import get_cached_parser

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        get_cached_parser(default_parser_config)


def _manager(folder: Path | None, template: str) -> WildcardManager:
    from dynamicprompts.wildcards import WildcardManager
    from dynamicprompts.wildcards.item import WildcardItem
    from dynamicprompts.wildcards.values import WildcardValues

    class Wildcards(WildcardManager):
        """The library's files, with an error for what it would leave in the prompt, and its syntax hidden in them."""

        def get_values(self, wildcard: str) -> WildcardValues:
            wildcard = wildcard.translate(_FROM_HIDDEN)  # "/*" of a pattern was taken for a comment's beginning
            values = super().get_values(wildcard)
            if not values:
                raise InvalidValue(_unknown(wildcard, template, folder))
            items: list[Any] = []
            for item in values.items:
                if isinstance(item, WildcardItem):
                    items.append(WildcardItem(_hide(item.content, item.content, wildcard), item.weight))
                else:
                    items.append(_hide(item, item, wildcard))
            return WildcardValues.from_items(items)

    return Wildcards(folder if folder is not None and folder.is_dir() else None)


def _unknown(name: str, template: str, folder: Path | None) -> str:
    at = template.find(f"__{name}")
    place = _place(template, at) if at >= 0 else "in another wildcard"
    if folder is None:
        remedy = "set a folder of wildcards"
    elif not folder.is_dir():
        remedy = f"the folder {folder} does not exist"
    else:
        remedy = f"put {name}.txt into {folder}, or correct the name"
    return f"The wildcard __{name}__ {place} is unknown; {remedy}."


# ---------------------------------------------------------------------------------------------------- hiding


def _hide(text: str, template: str, file: str = "") -> str:
    """Return `text` with everything hidden that is no template syntax; every character keeps its place.

    Raises `InvalidValue` for a brace without its partner; the place is that in `template`, which `text` ends with or
    is the uncommented part of.
    """
    letters = list(text)

    def hide(start: int, end: int) -> None:
        for index in range(start, end):
            letters[index] = letters[index].translate(_TO_HIDDEN)

    wildcards = [match.span() for match in _WILDCARD.finditer(text)]
    inside = {edge for start, end in wildcards for edge in (start, start + 1, end - 2, end - 1)}
    depth = _depths(text, template, file)
    kept = {
        index
        for match in _KEPT.finditer(text)
        if match.group() != "$$" or depth[match.start()] > 0
        for index in range(*match.span())
    }
    position = 0
    while position < len(letters):
        letter = letters[position]
        if letter == "\\" and text[position + 1 : position + 2] in ("{", "}"):
            letters[position] = ""  # the backslash has done its work
            hide(position + 1, position + 2)
            position += 1
        elif letter in "#$%" and position not in kept:
            hide(position, position + 1)
        elif letter == "/" and text[position + 1 : position + 2] in ("/", "*"):
            hide(position, position + 1)
        elif letter == "_" and position not in inside:
            hide(position, position + 1)
        position += 1
    return "".join(letters)


def _depths(text: str, template: str, file: str) -> list[int]:
    """Return how many braces are open at each character."""
    depths: list[int] = []
    opened: list[int] = []
    escaped = False
    for index, letter in enumerate(text):
        if letter == "{" and not escaped:
            opened.append(index)
        elif letter == "}" and not escaped:
            if not opened:
                raise InvalidValue(_unpaired("closing brace", "no opening one", text, index, template, file))
            opened.pop()
        escaped = letter == "\\" and not escaped
        depths.append(len(opened))
    if opened:
        raise InvalidValue(_unpaired("opening brace", "no closing one", text, opened[-1], template, file))
    return depths


def _unpaired(what: str, lack: str, text: str, index: int, template: str, file: str) -> str:
    where = f" of the wildcard __{file}__" if file else ""
    place = _place(template, _in_template(text, index, template))
    return f"The {what} {place}{where} has {lack}; add it, or write \\{text[index]} for a plain brace."


def _in_template(text: str, index: int, template: str) -> int:
    """Return where the character `index` of `text` stands in `template`, which has comments besides."""
    for match in _COMMENT.finditer(template):
        if len(text) == len(template) or match.start() > index:
            break
        index += len(match.group())
    return index


def _place(text: str, index: int) -> str:
    line = text.count("\n", 0, index) + 1
    column = index - (text.rfind("\n", 0, index) + 1) + 1
    excerpt = text[max(index - 10, 0) : index + 20].replace("\n", " ").strip()
    return f'at line {line}, column {column} ("{excerpt}")'
