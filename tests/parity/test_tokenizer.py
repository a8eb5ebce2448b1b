"""CLIP's tokenizer against transformers: ids of 5,000 fuzzed strings, every layout of files, decoding, wrong input."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tokenizers
import torch
import transformers
from tokenizers import pre_tokenizers, trainers

from engine.errors import BadFile, InvalidValue, MissingFile
from engine.prompts.tokenizer import CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
WORDS = (
    "a photo of an astronaut riding a horse on mars, hands in pockets, dog's life, we've they're i'll i'd i'm don't "
    "red apple 3d icon flat icon puppy smiling face with 12 hearts!! ... ((masterpiece:1.2)), [blurry] --ar 16:9 "
    "naïve café über straße tower of λόγος восход 東京 写真 صورة قطة 👩‍🚀 🐶 \N{COMBINING ACUTE ACCENT}"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small vocabulary with the shape of CLIP's: bytes, bytes that end a word, merges, the two end tokens."""
    path = tmp_path_factory.mktemp("tokenizer")
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=700, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False
    )
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator([*WORDS.lower().split()] * 3, trainer)
    tokenizer.model.save(str(path))
    vocab = json.loads((path / "vocab.json").read_text())
    endings = [f"{byte}</w>" for byte in sorted(alphabet) if f"{byte}</w>" not in vocab]
    for token in [*endings, START, END]:
        vocab[token] = len(vocab)
    (path / "vocab.json").write_text(json.dumps(vocab))
    write_settings(path)
    return path


def write_settings(path: Path, **changes: object) -> None:
    """Write the settings that Stable Diffusion 1.5 was published with, and `changes`."""
    rules = {"lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    special = {"bos_token": {"content": START, **rules}, "eos_token": {"content": END, **rules}, "pad_token": END}
    special["unk_token"] = {"content": END, **rules}
    (path / "special_tokens_map.json").write_text(json.dumps(special | changes))
    typed = {
        key: {"__type": "AddedToken", **value} if isinstance(value, dict) else value for key, value in special.items()
    }
    settings = {"model_max_length": 77, "tokenizer_class": "CLIPTokenizer", "do_lower_case": True, "errors": "replace"}
    (path / "tokenizer_config.json").write_text(json.dumps(settings | typed | changes))


def fuzzed(count: int, seed: int) -> list[str]:
    """Return texts of words, pieces of words, special tokens, odd spaces and arbitrary characters."""
    rng = random.Random(seed)
    special = [
        START,
        END,
        END.upper(),
        "<|EndOfText|>",
        "<|endoftext",
        "endoftext|>",
        "!",
        "</w>",
        "<new-word>",
        "ing</w>",
    ]
    spaces = [" ", "  ", "\t", "\n", "\u00a0", "\u3000", "\u200b", ""]
    ranges = [
        (0x20, 0x7F),
        (0x20, 0x250),
        (0x300, 0x600),
        (0x600, 0x700),
        (0x3040, 0x30FF),
        (0x1F300, 0x1F6FF),
        (0, 0xD7FF),
    ]

    def piece() -> str:
        match rng.randrange(6):
            case 0:
                return rng.choice(special)
            case 1 | 2:
                return rng.choice(WORDS.split())
            case 3:
                return rng.choice(WORDS.split()).upper()[: rng.randint(1, 9)]
            case 4:
                return str(rng.randint(0, 99_999))
            case _:
                low, high = rng.choice(ranges)
                return "".join(chr(rng.randrange(low, high)) for _ in range(rng.randint(1, 8)))

    return ["".join(piece() + rng.choice(spaces) for _ in range(rng.randint(0, 12))) for _ in range(count)]


def plain_strings(path: Path) -> None:
    write_settings(path, bos_token=START, eos_token=END, unk_token=END)


def pad_with_exclamation_mark(path: Path) -> None:
    """As the second tokenizer of Stable Diffusion XL."""
    write_settings(path, pad_token="!")


def only_the_vocabulary(path: Path) -> None:
    (path / "special_tokens_map.json").unlink()
    (path / "tokenizer_config.json").unlink()


def saved_by_transformers(path: Path) -> None:
    tokenizer = transformers.CLIPTokenizer.from_pretrained(path)
    for file in path.iterdir():
        file.unlink()
    tokenizer.save_pretrained(path)
    assert not (path / "vocab.json").exists()


def only_tokenizer_json(path: Path) -> None:
    saved_by_transformers(path)
    (path / "tokenizer_config.json").unlink()


def with_added_words(path: Path) -> None:
    tokenizer = transformers.CLIPTokenizer.from_pretrained(path)
    tokenizer.add_tokens(["<new-word>", "ing</w>"])
    for file in path.iterdir():
        file.unlink()
    tokenizer.save_pretrained(path)


def with_added_tokens_file(path: Path) -> None:
    size = len(json.loads((path / "vocab.json").read_text()))
    (path / "added_tokens.json").write_text(json.dumps({"<new-word>": size}))


LAYOUTS: list[Callable[[Path], None]] = [
    write_settings,
    plain_strings,
    pad_with_exclamation_mark,
    only_the_vocabulary,
    saved_by_transformers,
    only_tokenizer_json,
    with_added_words,
    with_added_tokens_file,
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_ids_of_fuzzed_strings_are_those_of_transformers(
    folder: Path, tmp_path: Path, layout: Callable[[Path], None]
) -> None:
    path = tmp_path / "tokenizer"
    shutil.copytree(folder, path)
    layout(path)
    theirs, ours = transformers.CLIPTokenizer.from_pretrained(path), CLIPTokenizer.from_pretrained(path)
    texts = fuzzed(5000, seed=LAYOUTS.index(layout))
    for text, wanted, got in zip(texts, theirs(texts).input_ids, ours(texts).input_ids, strict=True):
        assert got == wanted, repr(text)
    for name in ("bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id", "pad_token", "vocab_size"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert len(ours) == len(theirs)
    ours.save_pretrained(tmp_path / "again")
    again = CLIPTokenizer.from_pretrained(tmp_path / "again")
    for reader in (again, transformers.CLIPTokenizer.from_pretrained(tmp_path / "again")):
        assert reader(texts[:500]).input_ids == ours(texts[:500]).input_ids
    assert again.model_max_length == ours.model_max_length


@pytest.mark.parametrize(
    "options",
    [
        {"padding": "max_length", "max_length": 77, "truncation": True, "return_tensors": "pt"},
        {"padding": "max_length", "truncation": True, "return_tensors": "pt"},
        {"padding": "longest", "return_tensors": "pt"},
        {"padding": True, "max_length": 9, "truncation": True, "return_tensors": "pt"},
        {"padding": "max_length", "max_length": 20},
        {"truncation": True},
        {"truncation": True, "max_length": 5, "add_special_tokens": False},
        {},
    ],
)
@pytest.mark.parametrize("text", ["a red apple", ["", "a dog's life", WORDS * 3], ["x"]])
def test_padding_truncation_and_tensors(folder: Path, options: dict[str, object], text: str | list[str]) -> None:
    theirs = transformers.CLIPTokenizer.from_pretrained(folder)(text, **options)
    ours = CLIPTokenizer.from_pretrained(folder)(text, **options)
    for key in ("input_ids", "attention_mask"):
        if "return_tensors" in options:
            assert torch.equal(ours[key], theirs[key])
            assert ours[key].dtype == torch.int64
        else:
            assert ours[key] == theirs[key]
    assert ours.input_ids is ours["input_ids"]


def test_decoding_and_vocabulary(folder: Path) -> None:
    theirs, ours = transformers.CLIPTokenizer.from_pretrained(folder), CLIPTokenizer.from_pretrained(folder)
    for text in fuzzed(300, seed=99):
        ids = ours(text).input_ids
        assert ours.decode(ids) == theirs.decode(ids)
        assert ours.decode(torch.tensor(ids), skip_special_tokens=True) == theirs.decode(ids, skip_special_tokens=True)
        assert ours.tokenize(text) == theirs.tokenize(text)
        assert ours.convert_ids_to_tokens(ids) == theirs.convert_ids_to_tokens(ids)
        assert ours.convert_tokens_to_ids(ours.tokenize(text)) == theirs.convert_tokens_to_ids(theirs.tokenize(text))
    assert ours.batch_decode([[5, 6], [7]]) == theirs.batch_decode([[5, 6], [7]])
    assert ours.get_vocab() == theirs.get_vocab()
    assert ours.convert_tokens_to_ids("no such token") == ours.unk_token_id
    assert set(ours.all_special_ids) == set(theirs.all_special_ids)


def test_added_word_is_one_token_and_survives_saving(folder: Path, tmp_path: Path) -> None:
    ours = CLIPTokenizer.from_pretrained(folder)
    size = len(ours)
    assert ours.add_tokens(["<cat-toy>", "<cat-toy>"]) == 1
    ours.save_pretrained(tmp_path)
    for reader in (CLIPTokenizer.from_pretrained(tmp_path), transformers.CLIPTokenizer.from_pretrained(tmp_path)):
        assert reader("a <cat-toy> here").input_ids == ours("a <cat-toy> here").input_ids
        assert size in reader("a <cat-toy> here").input_ids


def test_length_that_a_folder_does_not_give(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    write_settings(tmp_path, model_max_length=1e30)
    assert CLIPTokenizer.from_pretrained(tmp_path).model_max_length == 77
    write_settings(tmp_path, model_max_length=16)
    assert CLIPTokenizer.from_pretrained(tmp_path).model_max_length == 16


class TestWrongInput:
    """Each mistake is one sentence that names value or file."""

    @pytest.mark.parametrize("name", ["vocab.json", "merges.txt"])
    def test_missing_file(self, folder: Path, tmp_path: Path, name: str) -> None:
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
        (tmp_path / name).unlink()
        with pytest.raises(MissingFile, match=f"{name} is missing.*download"):
            CLIPTokenizer.from_pretrained(tmp_path)

    @pytest.mark.parametrize(
        "name", ["vocab.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]
    )
    def test_damaged_file(self, folder: Path, tmp_path: Path, name: str) -> None:
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
        (tmp_path / name).write_text('{"cut short')
        with pytest.raises(BadFile, match=f"{name}.*download it again"):
            CLIPTokenizer.from_pretrained(tmp_path)

    def test_tokenizer_of_another_kind(self, tmp_path: Path) -> None:
        tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0})).save(str(tmp_path / "tokenizer.json"))
        with pytest.raises(BadFile, match="WordLevel.*BPE"):
            CLIPTokenizer.from_pretrained(tmp_path)

    def test_special_token_of_another_kind(self, folder: Path, tmp_path: Path) -> None:
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
        write_settings(tmp_path, pad_token=3)
        with pytest.raises(BadFile, match="special token is 3"):
            CLIPTokenizer.from_pretrained(tmp_path)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"model_max_length": {}}, "model_max_length is {}"),
            ({"model_max_length": True}, "model_max_length is True"),
            ({"added_tokens_decoder": ""}, "added_tokens_decoder is ''"),
            ({"added_tokens_decoder": {"one": {"content": "a"}}}, "added_tokens_decoder has 'one'"),
            ({"added_tokens_decoder": {"1": None}}, "added_tokens_decoder has '1': None"),
            ({"unk_token": "<none>"}, "no token '<none>' in its vocabulary"),
        ],
        ids=str,
    )
    def test_settings_of_another_kind(
        self, folder: Path, tmp_path: Path, changes: dict[str, object], words: str
    ) -> None:
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
        write_settings(tmp_path, **changes)
        with pytest.raises(BadFile, match=words):
            CLIPTokenizer.from_pretrained(tmp_path)

    def test_arguments(self, folder: Path) -> None:
        ours = CLIPTokenizer.from_pretrained(folder)
        with pytest.raises(InvalidValue, match="must be a text, not 3"):
            ours([3])
        with pytest.raises(InvalidValue, match="padding.*'wide'"):
            ours("a", padding="wide")
        with pytest.raises(InvalidValue, match="return_tensors.*'tf'"):
            ours("a", return_tensors="tf")
        with pytest.raises(InvalidValue, match="max_length 1 "):
            ours("a", truncation=True, max_length=1)
        with pytest.raises(InvalidValue, match="different numbers of tokens.*padding=True"):
            ours(["a", "a dog"], return_tensors="pt")
