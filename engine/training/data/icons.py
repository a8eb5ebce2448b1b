"""Build the training set of icons: Fluent emoji (3D and flat) and Noto emoji with captions from emojibase.

`python -m engine.training.data.icons --out FOLDER` fetches four pinned npm packages and writes

- `images/*.png`: RGB on white; `images.npy`: the same, uint8 [N, size, size, 3], to be memory-mapped;
- `captions.jsonl`: one row per image, in the same order: file, style, emoji (hexcode), label, tags, captions;
- `prompts.json`: the benchmark's words, which are in no caption, and its labels;
- `SOURCES.json`: packages, versions, licences, and how many icons of each were taken and why others were not.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.errors import InvalidValue, KnownError, MissingFile
from engine.files import read_json, write_json
from engine.training.data.emoji import Emoji, Prompts, code_key, draw_prompts, read_emoji, toned_keys, without_words
from engine.training.data.packages import EMOJIBASE, FLUENT_3D, FLUENT_FLAT, NOTO, PACKAGES, Package, Tarball, fetch
from engine.training.data.raster import Pixels, iconify_svg, rasterise_file, rasterise_svg

STYLES = {FLUENT_3D.name: "3d icon", FLUENT_FLAT.name: "flat icon", NOTO.name: "drawn icon"}
LABEL_FORMS = 6
SINGLE_TAGS = 4
Draw = Callable[[int], Pixels]


@dataclass(frozen=True)
class Icon:
    """One picture to be made: `draw(size)` gives uint8 [size, size, 3]."""

    emoji: Emoji
    style: str
    draw: Draw

    @property
    def filename(self) -> str:
        return f"images/{self.style.replace(' ', '_')}-{code_key(self.emoji.hexcode)}.png"


def open_style(tarball: Tarball) -> dict[str, Draw]:
    """The icons of a package by code point key; Iconify collections are told by their `icons.json`."""
    if "icons.json" not in tarball.names():
        files = [name for name in tarball.names("assets/") if name.endswith(".webp")]
        return {code_key(Path(name).stem): _file_drawer(tarball, name) for name in files}
    collection, chars = tarball.json("icons.json"), tarball.json("chars.json")
    return {code_key(code): _svg_drawer(collection, name) for code, name in chars.items()}


def _file_drawer(tarball: Tarball, name: str) -> Draw:
    return lambda size: rasterise_file(tarball.open(name), size)


def _svg_drawer(collection: dict[str, Any], name: str) -> Draw:
    return lambda size: rasterise_svg(iconify_svg(collection, name), size)


def captions_for(
    label: str, tags: Sequence[str], style: str, frequency: Counter[str], chance: random.Random
) -> list[str]:
    """Sixteen captions, of which the trainer draws one at a time: nine of the label (two with tags), seven of tags.

    `tags` must not contain held-out words. Four captions are a single tag: a prompt of one word finds its way by the
    single words that captions had. They are drawn by the inverse root of their `frequency`: "feline" says more about a
    picture than "face", which a hundred others share.
    """
    plain = f"{label}, {style}"
    article = "an" if label[0].lower() in "aeiou" else "a"
    captions = [plain] * LABEL_FORMS + [f"{article} {label}, {style}"]
    if not tags:
        return captions

    def some(most: int) -> str:
        return ", ".join(chance.sample(list(tags), min(len(tags), chance.randint(1, most))))

    captions += [f"{label}, {some(3)}, {style}" for _ in range(2)]
    captions += [f"{tag}, {style}" for tag in drawn_tags(tags, SINGLE_TAGS, frequency, chance)]
    return [*captions, f"{some(3)}, {style}", f"{some(3)}, {style}", f"{some(5)}, {style}"]


def drawn_tags(tags: Sequence[str], count: int, frequency: Counter[str], chance: random.Random) -> list[str]:
    """`count` of `tags` by the inverse root of their `frequency`, none again before all have been drawn."""
    drawn: list[str] = []
    left: list[str] = []
    while len(drawn) < count:
        left = left or list(tags)
        tag = chance.choices(left, [frequency[one] ** -0.5 for one in left])[0]
        left.remove(tag)
        drawn.append(tag)
    return drawn


def caption_rows(icons: Sequence[Icon], held_out: Collection[str], seed: int) -> Iterator[dict[str, Any]]:
    """One row of `captions.jsonl` per icon, the held-out words gone from its tags and captions."""
    frequency = Counter(tag for one in {icon.emoji for icon in icons} for tag in one.tags)
    for icon in icons:
        tags = without_words(icon.emoji.tags, held_out)
        chance = random.Random(f"{seed} {icon.filename}")  # noqa: S311 (reproducible, not secret)
        yield {
            "file": icon.filename,
            "style": icon.style,
            "emoji": icon.emoji.hexcode,
            "label": icon.emoji.label,
            "tags": tags,
            "captions": captions_for(icon.emoji.label, tags, icon.style, frequency, chance),
        }


def collect(folder: Path, packages: Sequence[Package]) -> tuple[list[Emoji], list[Icon], list[dict[str, Any]]]:
    """Match the icons of all packages with emojibase; gives all emoji, the icons, and a report per package."""
    source = next(package for package in packages if package.name == EMOJIBASE.name)
    emojibase = Tarball(fetch(source, folder))
    emoji = read_emoji(emojibase)
    by_key = {code_key(one.hexcode): one for one in emoji}
    toned = toned_keys(emojibase)
    icons: list[Icon] = []
    report: list[dict[str, Any]] = [_about(source) | {"emoji": sum(one.taken for one in emoji)}]
    for package in packages:
        if package is source:
            continue
        drawers = open_style(Tarball(fetch(package, folder)))
        style = STYLES[package.name]
        taken = [Icon(by_key[key], style, drawers[key]) for key in by_key if by_key[key].taken and key in drawers]
        icons += taken
        counts = {
            "icons": len(drawers),
            "taken": len(taken),
            "skin_tones": len(toned & drawers.keys()),
            "flags_components_and_mirrored": sum(key in drawers for key, one in by_key.items() if not one.taken),
            "unknown_to_emojibase": sorted(drawers.keys() - by_key.keys() - toned),
            "emoji_without_icon": [one.label for key, one in by_key.items() if one.taken and key not in drawers],
        }
        report.append(_about(package) | {"style": style} | counts)
    return emoji, icons, report


def _about(package: Package) -> dict[str, Any]:
    return {
        "name": package.name,
        "version": package.version,
        "licence": package.licence,
        "what": package.source,
        "sha256": package.sha256,
    }


def read_prompts(path: Path) -> Prompts:
    return Prompts.from_json(read_json(path))


def build(
    out: Path, packages_folder: Path, prompts: Prompts, size: int, packages: Sequence[Package] = PACKAGES, seed: int = 0
) -> int:
    """Write the whole set to `out`, which must be new or empty; gives the number of images.

    The same packages, prompts, size and seed give the same bytes. Raises `InvalidValue` for a folder in use.
    """
    if out.exists() and any(out.iterdir()):
        raise InvalidValue(f"The folder {out} is not empty; name a new one.")
    _, icons, report = collect(packages_folder, packages)
    with ThreadPoolExecutor() as pool:
        pictures = list(pool.map(lambda icon: icon.draw(size), icons))
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        partial = Path(scratch) / "set"
        (partial / "images").mkdir(parents=True)
        np.save(partial / "images.npy", np.stack(pictures))
        for icon, picture in zip(icons, pictures, strict=True):
            Image.fromarray(picture).save(partial / icon.filename)
        rows = caption_rows(icons, prompts.words.keys(), seed)
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (partial / "captions.jsonl").write_text(lines, encoding="utf-8")
        write_json(partial / "prompts.json", prompts.to_json())
        write_json(partial / "SOURCES.json", {"size": size, "seed": seed, "packages": report})
        if out.exists():
            out.rmdir()
        partial.replace(out)
    return len(icons)


def freeze_prompts(path: Path, packages_folder: Path, vocabulary: Path, seed: int = 0) -> Prompts:
    """Draw the benchmark's lists and write them to `path`. A list once written is never drawn again.

    `vocabulary` is a file of one English word a line (a BERT `vocab.txt` will do). Raises `InvalidValue` when `path`
    exists.
    """
    if path.exists():
        raise InvalidValue(f"{path} exists: the benchmark's lists are frozen and never drawn again.")
    emoji, icons, _ = collect(packages_folder, PACKAGES)
    if not vocabulary.is_file():
        raise MissingFile(f"The word list {vocabulary} is not there; name a file of one English word a line.")
    words = frozenset(vocabulary.read_text(encoding="utf-8").split())
    prompts = draw_prompts(emoji, {icon.emoji.hexcode for icon in icons}, words, seed)
    write_json(path, prompts.to_json())
    return prompts


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m engine.training.data.icons", description="Build the icon set.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write, new or empty")
    parser.add_argument("--size", type=int, default=128, help="side of the pictures in pixels")
    parser.add_argument("--packages", type=Path, help="folder with the npm tarballs (default: fetch to OUT.packages)")
    parser.add_argument("--prompts", type=Path, default=Path("tests/benchmarks/data/icon_prompts.json"))
    parser.add_argument("--draw-prompts", type=Path, metavar="VOCABULARY", help="draw the prompts first, once for ever")
    options = parser.parse_args(arguments)
    packages = options.packages or options.out.with_name(options.out.name + ".packages")
    try:
        if options.draw_prompts:
            freeze_prompts(options.prompts, packages, options.draw_prompts)
        count = build(options.out, packages, read_prompts(options.prompts), options.size)
    except KnownError as error:
        parser.error(str(error))
    print(f"{count} images in {options.out}")


if __name__ == "__main__":
    main()
