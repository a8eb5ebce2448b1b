"""The builder of the icon set, on small packages made here."""

from __future__ import annotations

import io
import json
import random
import re
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.errors import BadFile, InvalidValue, MissingFile
from engine.training.data import packages as published
from engine.training.data.emoji import Emoji, Prompts, code_key, draw_prompts, read_emoji, without_words
from engine.training.data.icons import build, caption_rows, captions_for, collect, main, read_prompts
from engine.training.data.packages import Package, Tarball, fetch
from engine.training.data.raster import iconify_svg, on_white, rasterise_svg

EMOJI_ROWS: list[dict[str, Any]] = [
    {
        "label": "red apple",
        "hexcode": "1F34E",
        "tags": ["apple", "fruit", "Ripe"],
        "group": 4,
        "subgroup": 42,
    },
    {
        "label": "keycap: #",
        "hexcode": "0023-FE0F-20E3",
        "tags": ["keycap", "hash"],
        "group": 8,
        "subgroup": 94,
    },
    {
        "label": "waving hand",
        "hexcode": "1F44B",
        "tags": ["hello", "very ripe fruit"],
        "group": 1,
        "subgroup": 16,
        "skins": [{"label": "waving hand: light skin tone", "hexcode": "1F44B-1F3FB"}],
    },
    {"label": "man walking facing right", "hexcode": "1F6B6-200D-27A1-FE0F", "tags": [], "group": 1, "subgroup": 27},
    {"label": "flag: Peru", "hexcode": "1F1F5-1F1EA", "tags": ["PE"], "group": 9, "subgroup": 98},
    {"label": "light skin tone", "hexcode": "1F3FB", "group": 2, "subgroup": 32},
    {"label": "regional indicator A", "hexcode": "1F1E6"},
]
SUBGROUPS = {"16": "hand", "27": "person", "32": "skin-tone", "42": "fruit", "94": "keycap", "98": "country-flag"}
SHORTCODES = {"1F34E": "apple", "0023-FE0F-20E3": ["hash", "pound"], "1F44B": "wave"}
PROMPTS = Prompts(0, {"ripe": ("1F34E",)}, {"red apple": "1F34E"})


def as_json(content: Any) -> bytes:
    return json.dumps(content).encode()


def tarball(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def webp(colour: str) -> bytes:
    image = Image.new("RGBA", (256, 256), (0, 0, 0, 0))
    image.paste(colour, (64, 64, 192, 192))
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=True)
    return file.getvalue()


def unchecked(package: Package) -> Package:
    return Package(package.name, package.version, package.licence, package.source, sha256="")


PACKAGES = tuple(unchecked(package) for package in published.PACKAGES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with four tarballs in the form of the published ones."""
    folder = tmp_path / "npm"
    folder.mkdir()
    collection = {"width": 32, "height": 32, "icons": {"red-apple": {"body": '<rect width="32" height="32"/>'}}}
    noto = {
        "width": 128,
        "height": 128,
        "icons": {"key": {"body": '<circle cx="64" cy="64" r="60" fill="#00f"/>'}, "wave": {"body": "<g/>"}},
    }
    shortcodes = {f"en/shortcodes/{name}.json": as_json({}) for name in ("emojibase-legacy", "github", "iamcal")}
    shortcodes |= {f"en/shortcodes/{name}.json": as_json({}) for name in ("cldr", "joypixels")}
    contents: dict[str, dict[str, bytes]] = {
        published.FLUENT_3D.name: {
            "assets/1f34e.webp": webp("red"),
            "assets/0023-fe0f-20e3.webp": webp("blue"),
            "assets/1f44b-1f3fb.webp": webp("pink"),
            "assets/1f1f5-1f1ea.webp": webp("white"),
            "assets/ffff.webp": webp("black"),
        },
        published.FLUENT_FLAT.name: {
            "icons.json": as_json(collection),
            "chars.json": as_json({"1f34e": "red-apple"}),
        },
        published.NOTO.name: {
            "icons.json": as_json(noto),
            "chars.json": as_json({"23-20e3": "key", "1f44b": "wave", "0023-20e3": "key"}),
        },
        published.EMOJIBASE.name: {
            "en/data.json": as_json(EMOJI_ROWS),
            "meta/groups.json": as_json({"subgroups": SUBGROUPS}),
            "en/shortcodes/emojibase.json": as_json(SHORTCODES),
            **shortcodes,
        },
    }
    for package in PACKAGES:
        tarball(folder / package.filename, contents[package.name])
    return folder


def test_takes_emoji_but_no_flags_components_letters_or_mirror_images(folder: Path) -> None:
    emoji = read_emoji(Tarball(folder / published.EMOJIBASE.filename))
    assert [one.label for one in emoji if one.taken] == ["red apple", "keycap: #", "waving hand"]
    assert emoji[0].tags == ("apple", "fruit", "ripe")
    assert emoji[1].shortcodes == ("hash", "pound")


def test_matches_by_code_points_whatever_the_spelling(folder: Path) -> None:
    assert code_key("0023-FE0F-20E3") == code_key("0023-20e3")
    _, icons, report = collect(folder, PACKAGES)
    assert [(icon.style, icon.emoji.label) for icon in icons] == [
        ("3d icon", "red apple"),
        ("3d icon", "keycap: #"),
        ("flat icon", "red apple"),
        ("drawn icon", "keycap: #"),
        ("drawn icon", "waving hand"),
    ]
    three_d = next(entry for entry in report if entry["name"] == published.FLUENT_3D.name)
    assert (three_d["taken"], three_d["skin_tones"], three_d["flags_components_and_mirrored"]) == (2, 1, 1)
    assert three_d["unknown_to_emojibase"] == ["ffff"]
    assert three_d["emoji_without_icon"] == ["waving hand"]


def test_build_writes_pictures_captions_and_sources(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    assert build(out, folder, PROMPTS, 32, PACKAGES) == 5
    images = np.load(out / "images.npy", mmap_mode="r")
    rows = [json.loads(line) for line in (out / "captions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert images.shape == (5, 32, 32, 3)
    assert images.dtype == np.uint8
    assert [sorted(row) for row in rows] == [["captions", "emoji", "file", "label", "style", "tags"]] * 5
    for picture, row in zip(images, rows, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(out / row["file"])), picture)
    assert images[0, 0, 0].tolist() == [255, 255, 255]
    assert images[0, 16, 16].tolist() == [255, 0, 0]
    sources = json.loads((out / "SOURCES.json").read_text(encoding="utf-8"))
    assert {entry["name"]: entry["licence"] for entry in sources["packages"]} == {
        package.name: package.licence for package in PACKAGES
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["npm", "set"]


def test_build_is_the_same_every_time(folder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        build(tmp_path / name, folder, PROMPTS, 16, PACKAGES)
    for name in ("captions.jsonl", "images.npy", "SOURCES.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_build_refuses_a_folder_in_use(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="not empty"):
        build(tmp_path, folder, PROMPTS, 16, PACKAGES)


def test_no_caption_holds_a_held_out_word(folder: Path) -> None:
    _, icons, _ = collect(folder, PACKAGES)
    rows = list(caption_rows(icons, {"ripe", "hash"}, seed=3))
    text = json.dumps([(row["captions"], row["tags"]) for row in rows]).lower()
    assert not re.search(r"\b(ripe|hash)\b", text)
    assert without_words(["very ripe fruit", "unripe", "fruit"], {"ripe"}) == ["unripe", "fruit"]


def test_captions_are_half_labels_and_always_name_the_style() -> None:
    frequency = Counter({"fruit": 50, "apple": 2, "red": 9})
    captions = captions_for("red apple", ["fruit", "apple", "red"], "flat icon", frequency, random.Random(1))
    assert len(captions) == 16
    assert captions.count("red apple, flat icon") == 6
    assert captions[6] == "a red apple, flat icon"
    assert all(caption.startswith("red apple, ") for caption in captions[7:9])
    assert all(caption.endswith(", flat icon") for caption in captions)
    assert all(set(caption.split(", ")) <= {"fruit", "apple", "red", "flat icon"} for caption in captions[9:])
    assert captions_for("apple", [], "3d icon", frequency, random.Random(1))[6] == "an apple, 3d icon"


def test_tags_alone_take_turns_and_rare_ones_come_first() -> None:
    frequency = Counter({"fruit": 1_000_000, "apple": 1, "red": 1})
    captions = captions_for("red apple", ["fruit", "apple", "red"], "flat icon", frequency, random.Random(1))
    alone = [caption.removesuffix(", flat icon") for caption in captions[9:13]]
    assert set(alone[:2]) == {"apple", "red"}
    assert alone[2] == "fruit"
    assert alone[3] in {"apple", "red"}


def many_emoji() -> list[Emoji]:
    shared = [Emoji(f"A{n}", f"thing {n}", ("everywhere", f"word{'abcdefghij'[n]}")) for n in range(10)]
    return [*shared, Emoji("F", "country", ("abroad",), taken=False), Emoji("B", "bus", ("autobus", "thing", "lol"))]


def test_draws_only_rare_english_words_that_no_label_has() -> None:
    emoji = many_emoji()
    available = {one.hexcode for one in emoji if one.taken}
    vocabulary = {"everywhere", "abroad", "autobus", "thing", "lol", *(f"word{letter}" for letter in "abcdefgh")}
    prompts = draw_prompts(emoji, available, vocabulary, seed=1, num_words=9, num_labels=11)
    assert set(prompts.words) == {"autobus", *(f"word{letter}" for letter in "abcdefgh")}
    assert prompts.words["worda"] == ("A0",)
    assert set(prompts.labels) == {"bus", *(f"thing {n}" for n in range(10))}
    with pytest.raises(InvalidValue, match="draw fewer"):
        draw_prompts(emoji, available, vocabulary, num_words=10, num_labels=1)


def test_drawing_depends_on_the_seed_alone() -> None:
    emoji = many_emoji()
    available = {one.hexcode for one in emoji}
    vocabulary = {f"word{letter}" for letter in "abcdefghij"}
    first, again, other = (draw_prompts(emoji, available, vocabulary, seed, 4, 4) for seed in (5, 5, 6))
    assert first == again
    assert first != other
    assert Prompts.from_json(json.loads(json.dumps(first.to_json()))) == first


def test_the_frozen_lists_are_those_of_the_issue(root: Path) -> None:
    prompts = read_prompts(root / "tests" / "benchmarks" / "data" / "icon_prompts.json")
    assert len(prompts.words) == 100
    assert len(prompts.labels) == 200
    assert {len(codes) for codes in prompts.words.values()} <= {1, 2, 3}
    in_labels = set(re.findall(r"\w+", " ".join(prompts.labels).lower()))
    assert in_labels.isdisjoint(prompts.words)


def test_transparent_colours_do_not_bleed() -> None:
    image = Image.new("RGBA", (64, 64), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 32, 64))
    pixels = on_white(image, 16).astype(int)
    # Between red and white green never exceeds what blue has; a green rim would show bleeding.
    assert (pixels[..., 1] == pixels[..., 2]).all()
    assert pixels[8, 2].tolist() == [255, 0, 0]
    assert pixels[8, 13].tolist() == [255, 255, 255]


def test_svg_with_clip_path_and_gradient() -> None:
    body = (
        '<defs><linearGradient id="g"><stop stop-color="#f00"/><stop offset="1" stop-color="#00f"/></linearGradient>'
        '<clipPath id="c"><path d="M0 0h16v32H0z"/></clipPath></defs>'
        '<g clip-path="url(#c)"><path fill="url(#g)" d="M0 0h32v32H0z"/></g>'
    )
    svg = iconify_svg({"width": 32, "height": 32, "icons": {"x": {"body": body}}}, "x")
    pixels = rasterise_svg(svg, 32).astype(int)
    assert pixels[16, 24].tolist() == [255, 255, 255]
    assert pixels[16, 1, 0] > 230
    assert pixels[16, 13, 2] > 80
    with pytest.raises(BadFile, match="cannot be drawn"):
        rasterise_svg("<svg><broken", 32)


def test_a_damaged_or_foreign_package_is_named(tmp_path: Path) -> None:
    (tmp_path / published.NOTO.filename).write_bytes(b"not a tarball")
    with pytest.raises(BadFile, match="checksum"):
        fetch(published.NOTO, tmp_path)
    with pytest.raises(BadFile, match="not an npm tarball"):
        Tarball(fetch(unchecked(published.NOTO), tmp_path))
    foreign = Tarball(tarball(tmp_path / "other.tgz", {"readme": b""}))
    with pytest.raises(MissingFile, match=re.escape("meta/groups.json")):
        read_emoji(foreign)


def test_the_command_refuses_to_draw_the_prompts_again(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen = tmp_path / "prompts.json"
    frozen.write_text("{}")
    arguments = ["--out", str(tmp_path / "set"), "--packages", str(folder), "--prompts", str(frozen)]
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--draw-prompts", str(tmp_path / "words.txt")])
    assert stop.value.code == 2
    assert "never drawn again" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()
