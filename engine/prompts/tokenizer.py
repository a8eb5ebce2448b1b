"""CLIP's tokenizer: lower-cased byte-level BPE between a start and an end token.

Built with the `tokenizers` library from what published folders hold: `vocab.json` with `merges.txt`, or
`tokenizer.json`; and `tokenizer_config.json`, `special_tokens_map.json`, `added_tokens.json`. Nothing is changed by a
call, so threads may share one tokenizer. Torch is imported only when tensors are asked for.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, cast

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE

from engine.errors import BadFile, InvalidValue, MissingFile
from engine.files import read_json, write_atomic, write_json
from engine.output import Output

# Contractions, words, single digits, runs of anything else (Radford et al. 2021, the released tokenizer).
WORDS = r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
END_OF_WORD = "</w>"
# The context length of every published CLIP; used where tokenizer_config.json does not say.
CONTEXT_LENGTH = 77
SPECIAL_NAMES = ("bos_token", "eos_token", "unk_token", "pad_token")


@dataclass
class Encoding(Output):
    """Token ids of one text (a list), of several (a list of lists), or as tensors (texts, tokens).

    Attributes:
        input_ids: the token ids.
        attention_mask: 1 for tokens, 0 for padding.
    """

    input_ids: Any
    attention_mask: Any


class CLIPTokenizer:
    """Turns texts into token ids and back.

    Attributes:
        model_max_length: tokens that the text encoder takes, both end tokens included.
        bos_token, eos_token, unk_token, pad_token: texts of the special tokens.
    """

    def __init__(
        self,
        vocab: dict[str, int] | BPE,
        merges: Sequence[tuple[str, str]] = (),
        *,
        bos_token: str | AddedToken = "<|startoftext|>",  # noqa: S107 - a token of a text, not a password
        eos_token: str | AddedToken = "<|endoftext|>",  # noqa: S107
        unk_token: str | AddedToken = "<|endoftext|>",  # noqa: S107
        pad_token: str | AddedToken = "<|endoftext|>",  # noqa: S107
        model_max_length: int = CONTEXT_LENGTH,
        added_tokens: Iterable[str | AddedToken] = (),
        extra_tokens: Iterable[str | AddedToken] = (),
    ) -> None:
        model = vocab if isinstance(vocab, BPE) else BPE(vocab=vocab, merges=list(merges))
        model.end_of_word_suffix = END_OF_WORD
        model.unk_token = str(unk_token)
        self.backend = _byte_level_tokenizer(model)
        self.model_max_length = model_max_length
        self.bos_token, self.eos_token = str(bos_token), str(eos_token)
        self.unk_token, self.pad_token = str(unk_token), str(pad_token)
        self._add(added_tokens, [bos_token, eos_token, unk_token, pad_token, *extra_tokens])

    def _add(self, listed: Iterable[str | AddedToken], named: Iterable[str | AddedToken]) -> None:
        """Make whole tokens of those that the folder lists, then of the named ones that it does not.

        Of a token named twice with different rules (in Stable Diffusion 1 the padding is the end token as a plain
        text) the last counts, as in transformers.
        """
        own = {self.bos_token, self.eos_token, self.unk_token, self.pad_token}
        as_tokens = [_as_token(entry, own) for entry in listed]
        known = {token.content for token in as_tokens}
        as_tokens += [token for token in (_as_token(entry, own) for entry in named) if token.content not in known]
        for token in as_tokens:
            self.backend.add_tokens([token])

    # ------------------------------------------------------------------------------------------------ reading, writing

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        subfolder: str | None = None,
        words: tuple[dict[str, int], Sequence[tuple[str, str]]] | None = None,
    ) -> Self:
        """Read the tokenizer in `folder`; `MissingFile` or `BadFile` says which file is wrong.

        `words` are vocabulary and merges, where the folder holds only the settings.
        """
        path = Path(folder) / (subfolder or "")
        model, file_tokens = _read_model(path) if words is None else (BPE(vocab=words[0], merges=list(words[1])), {})
        settings = _read_optional(path / "tokenizer_config.json")
        if "added_tokens_decoder" in settings:
            added = _added_by_id(path, settings["added_tokens_decoder"])
        else:
            settings |= _read_optional(path / "special_tokens_map.json")
            added = _added_by_name(path, settings) | file_tokens
        by_content = {token.content: token for token in added.values()}
        named = {name: _token(path, settings[name]) for name in SPECIAL_NAMES if settings.get(name)}
        extra = settings.get("extra_special_tokens") or settings.get("additional_special_tokens") or []
        length = settings.get("model_max_length", CONTEXT_LENGTH)
        if isinstance(length, bool) or not isinstance(length, (int, float)):
            raise BadFile(f"{path}: model_max_length is {length!r}, and must be a number; download it again.")
        tokens: dict[str, Any] = {name: by_content.get(str(token), token) for name, token in named.items()}
        tokenizer = cls(
            model,
            **tokens,
            # Folders saved without a length say 1e30.
            model_max_length=int(min(length, CONTEXT_LENGTH)) if length > 1e9 else int(length),
            added_tokens=[added[index] for index in sorted(added)],
            extra_tokens=[_token(path, token) for token in extra],
        )
        if model.token_to_id(tokenizer.unk_token) is None:
            raise BadFile(f"{path} has no token {tokenizer.unk_token!r} in its vocabulary; download it again.")
        return tokenizer

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `vocab.json`, `merges.txt`, `special_tokens_map.json` and `tokenizer_config.json` into `folder`."""
        path = Path(folder)
        with tempfile.TemporaryDirectory() as temporary:
            for name in self.backend.model.save(temporary):
                write_atomic(path / Path(name).name, Path(name).read_bytes())
        named = {name: getattr(self, name) for name in SPECIAL_NAMES}
        write_json(path / "special_tokens_map.json", named)
        fields = ("content", "lstrip", "normalized", "rstrip", "single_word", "special")
        added = {
            str(index): {field: getattr(token, field) for field in fields}
            for index, token in self.backend.get_added_tokens_decoder().items()
        }
        settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": self.model_max_length}
        write_json(path / "tokenizer_config.json", settings | named | {"added_tokens_decoder": added})

    # ------------------------------------------------------------------------------------------------ text to ids

    def __call__(
        self,
        text: str | Sequence[str],
        *,
        padding: bool | Literal["longest", "max_length", "do_not_pad"] = False,
        max_length: int | None = None,
        truncation: bool = False,
        return_tensors: Literal["pt"] | None = None,
        add_special_tokens: bool = True,
    ) -> Encoding:
        """Encode one text or several.

        `max_length` (default `model_max_length`) counts both end tokens and is used where `truncation` or
        `padding="max_length"` ask for it. With `return_tensors="pt"` the result holds tensors (texts, tokens).
        """
        texts = [text] if isinstance(text, str) else list(text)
        for item in cast("list[Any]", texts):
            if not isinstance(item, str):
                raise InvalidValue(f"a prompt must be a text, not {item!r} ({type(item).__name__}).")
        if return_tensors not in (None, "pt"):
            raise InvalidValue(f"return_tensors can be 'pt' or None, not {return_tensors!r}.")
        length = self.model_max_length if max_length is None else max_length
        rows = self._encode(texts, length if truncation else None, add_special_tokens)
        masks = [[1] * len(row) for row in rows]
        width = self._width(padding, rows, length)
        for row, mask in zip(rows, masks, strict=True):
            mask.extend([0] * (width - len(row)))
            row.extend([self.pad_token_id] * (width - len(row)))
        if return_tensors == "pt":
            return _tensors(rows, masks)
        return Encoding(rows[0], masks[0]) if isinstance(text, str) else Encoding(rows, masks)

    def _encode(self, texts: list[str], limit: int | None, add_special_tokens: bool) -> list[list[int]]:
        ends = 2 if add_special_tokens else 0
        if limit is not None and limit < ends:
            raise InvalidValue(f"max_length {limit} leaves no room for the two end tokens; use at least 2.")
        bodies = [encoding.ids for encoding in self.backend.encode_batch(texts, add_special_tokens=False)]
        if limit is not None:
            bodies = [body[: limit - ends] for body in bodies]
        return [[self.bos_token_id, *body, self.eos_token_id] if ends else body for body in bodies]

    @staticmethod
    def _width(padding: bool | str, rows: list[list[int]], length: int) -> int:
        match padding:
            case False | "do_not_pad":
                return 0
            case True | "longest":
                return max(map(len, rows), default=0)
            case "max_length":
                return length
            case _:
                raise InvalidValue(f"padding can be True, False, 'longest' or 'max_length', not {padding!r}.")

    def tokenize(self, text: str) -> list[str]:
        """Return the tokens of `text`, without the end tokens."""
        return self.backend.encode(text, add_special_tokens=False).tokens

    # ------------------------------------------------------------------------------------------------ ids to text

    def decode(self, token_ids: Any, skip_special_tokens: bool = False) -> str:
        """Return the text of `token_ids`: a list, one id, or a tensor."""
        ids = token_ids.tolist() if hasattr(token_ids, "tolist") else token_ids
        text = self.backend.decode([ids] if isinstance(ids, int) else list(ids), skip_special_tokens)
        return text.replace(END_OF_WORD, " ").strip()

    def batch_decode(self, sequences: Iterable[Any], skip_special_tokens: bool = False) -> list[str]:
        """Return the text of every row of ids."""
        return [self.decode(row, skip_special_tokens) for row in sequences]

    # ------------------------------------------------------------------------------------------------ vocabulary

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> Any:
        """Return the id of a token, or the ids of several; that of the unknown token for what is not known."""
        if not isinstance(tokens, str):
            return [self.convert_tokens_to_ids(token) for token in tokens]
        found = self.backend.token_to_id(tokens)
        return self.unk_token_id if found is None else found

    def convert_ids_to_tokens(self, ids: int | Sequence[int]) -> Any:
        """Return the token of an id, or the tokens of several."""
        return self.backend.id_to_token(ids) if isinstance(ids, int) else list(map(self.backend.id_to_token, ids))

    def add_tokens(self, tokens: str | Sequence[str]) -> int:
        """Add words that are one token each; return how many were new."""
        words = [tokens] if isinstance(tokens, str) else list(tokens)
        return self.backend.add_tokens(words)

    def get_vocab(self) -> dict[str, int]:
        """Return token -> id, added tokens included."""
        return self.backend.get_vocab()

    def __len__(self) -> int:
        return self.backend.get_vocab_size()

    @property
    def vocab_size(self) -> int:
        """Number of tokens without the added ones."""
        return self.backend.get_vocab_size(with_added_tokens=False)

    def _id(self, special: str) -> int:
        # Never None: the constructor adds every special token that the vocabulary lacks.
        return cast("int", self.backend.token_to_id(special))

    @property
    def bos_token_id(self) -> int:
        """Id of the start token."""
        return self._id(self.bos_token)

    @property
    def eos_token_id(self) -> int:
        """Id of the end token."""
        return self._id(self.eos_token)

    @property
    def unk_token_id(self) -> int:
        """Id that stands for what the vocabulary cannot spell."""
        return self._id(self.unk_token)

    @property
    def pad_token_id(self) -> int:
        """Id that fills short texts."""
        return self._id(self.pad_token)

    @property
    def all_special_ids(self) -> list[int]:
        """Ids of the named special tokens, each once."""
        return list(dict.fromkeys((self.bos_token_id, self.eos_token_id, self.unk_token_id, self.pad_token_id)))


def _as_token(entry: str | AddedToken, special: set[str]) -> AddedToken:
    token = entry if isinstance(entry, AddedToken) else AddedToken(entry, special=True)
    token.special = token.special or token.content in special
    return token


def _byte_level_tokenizer(model: BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _tensors(rows: list[list[int]], masks: list[list[int]]) -> Encoding:
    import torch

    if len(set(map(len, rows))) > 1:
        raise InvalidValue("the texts have different numbers of tokens; ask for padding=True to get one tensor.")
    return Encoding(torch.tensor(rows, dtype=torch.long), torch.tensor(masks, dtype=torch.long))


# ---------------------------------------------------------------------------------------------------- files of a folder


def _read_model(folder: Path) -> tuple[BPE, dict[int, AddedToken]]:
    """Return the BPE model of `folder` and the added tokens that `tokenizer.json` lists, by id."""
    whole, vocab, merges = folder / "tokenizer.json", folder / "vocab.json", folder / "merges.txt"
    if whole.is_file():
        tokenizer = _guarded(whole, lambda: Tokenizer.from_file(str(whole)))
        if not isinstance(tokenizer.model, BPE):
            kind = type(tokenizer.model).__name__
            raise BadFile(f"{whole} holds a {kind} tokenizer, and CLIP needs BPE; use the tokenizer of this model.")
        return tokenizer.model, tokenizer.get_added_tokens_decoder()
    for path in (vocab, merges):
        if not path.is_file():
            raise MissingFile(
                f"{path} is missing: a CLIP tokenizer needs vocab.json and merges.txt, or tokenizer.json; "
                "download the model again."
            )
    return _guarded(vocab, lambda: BPE.from_file(str(vocab), str(merges))), {}


def _guarded(path: Path, read: Any) -> Any:
    try:
        return read()
    except Exception as error:  # the library raises bare Exception for every kind of damage
        raise BadFile(f"{path} is not a readable tokenizer file ({error}); download it again.") from error


def _read_optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _token(folder: Path, value: Any) -> str | AddedToken:
    """Return a special token, which files give as a text or as an object with matching rules."""
    if isinstance(value, (str, AddedToken)):
        return value
    rules = ("lstrip", "rstrip", "normalized", "single_word")
    if not isinstance(value, Mapping) or "content" not in value:
        raise BadFile(f"{folder}: a special token is {value!r}, and must be a text or an object with 'content'.")
    entry = cast("Mapping[str, Any]", value)
    return AddedToken(
        entry["content"], special=entry.get("special", True), **{rule: entry[rule] for rule in rules if rule in entry}
    )


def _added_by_id(folder: Path, entries: Any) -> dict[int, AddedToken]:
    if not isinstance(entries, Mapping):
        raise BadFile(f"{folder}: added_tokens_decoder is {entries!r}, and must be an object; download it again.")
    entries = cast("Mapping[str, Any]", entries)
    for index, entry in entries.items():
        if not index.isdecimal() or not isinstance(entry, Mapping):
            raise BadFile(
                f"{folder}: added_tokens_decoder has {index!r}: {entry!r}, and must have an object for each number."
            )
    return {
        int(index): cast("AddedToken", _token(folder, {"special": False, **entry})) for index, entry in entries.items()
    }


def _added_by_name(folder: Path, settings: Mapping[str, Any]) -> dict[int, AddedToken]:
    """Return what `added_tokens.json` lists (token -> id); named tokens among them are special."""
    special = {str(_token(folder, settings[name])) for name in SPECIAL_NAMES if settings.get(name)}
    return {
        index: AddedToken(content, special=content in special, normalized=content not in special)
        for content, index in _read_optional(folder / "added_tokens.json").items()
    }
