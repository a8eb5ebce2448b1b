"""The arithmetic of the quality benchmark: who is nearest, what counts as right, chance, and the frozen lists."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.benchmarks.icon_quality import (
    Classifier,
    Gallery,
    Icons,
    Prompt,
    Recipe,
    augment,
    chance_level,
    features_of,
    hits,
    load_classifier,
    load_icons,
    load_prompts,
    real_icons,
    save_classifier,
    score,
    train_classifier,
)

COLOURS = ("red", "green", "blue", "black", "orange", "purple")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six emoji in two styles, a square and a bar of one colour; the last has no 3d icon."""
    rows, images = [], []
    for style, box in (("3d icon", (24, 24, 104, 104)), ("flat icon", (54, 8, 74, 120))):
        for number, colour in enumerate(COLOURS):
            if style == "3d icon" and colour == "purple":
                continue
            image = Image.new("RGB", (128, 128), "white")
            image.paste(colour, box)
            images.append(np.asarray(image))
            rows.append({"emoji": f"E{number}", "style": style})
    np.save(tmp_path / "images.npy", np.stack(images))
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return tmp_path


@pytest.fixture
def icons(folder: Path) -> Icons:
    return load_icons(folder)


def test_each_emoji_enters_once_with_its_nearest_style(icons: Icons) -> None:
    torch.manual_seed(0)
    model = Classifier().eval()
    nearest = Gallery(model, icons, "cpu").nearest(features_of(model, icons.images, "cpu"), count=6)
    assert nearest[:, 0].tolist() == icons.emoji.tolist()
    assert all(sorted(row) == [0, 1, 2, 3, 4, 5] for row in nearest.tolist())


def test_a_picture_is_right_when_any_right_emoji_is_among_the_nearest() -> None:
    prompts = [Prompt("a", "label", (7,)), Prompt("b", "word", (1, 2))]
    nearest = torch.tensor([[7, 1, 2], [1, 2, 7], [9, 2, 0], [7, 8, 9]])
    assert hits(nearest, prompts, seeds=2).tolist() == [[[True, True], [False, True]], [[False, True], [False, False]]]
    figures = score(nearest, prompts, seeds=2)
    assert (figures["label"]["top1"], figures["label"]["top5"]) == (0.5, 1.0)
    assert (figures["word"]["top1"], figures["word"]["top5"]) == (0.0, 0.5)


def test_chance_is_the_share_right_for_other_prompts() -> None:
    prompts = [Prompt(name, "label", (number,)) for number, name in enumerate("abc")]
    nearest = torch.tensor([[0, 1], [1, 9], [2, 9]])
    assert chance_level(nearest, prompts, seeds=1)["label"] == pytest.approx(1 / 6)


def test_training_tells_emoji_apart_and_is_repeatable(icons: Icons, tmp_path: Path) -> None:
    losses: list[str] = []
    recipe = Recipe(epochs=15, batch=11)
    model = train_classifier(icons, recipe, "cpu", losses.append)
    first, last = (float(losses[index].split("loss ")[1].split(",")[0]) for index in (0, -1))
    assert last < 0.6 * first
    save_classifier(model, tmp_path / "classifier.safetensors", {"seed": 0})
    loaded, about = load_classifier(tmp_path / "classifier.safetensors", "cpu")
    assert about == {"seed": 0}
    expected, found = (features_of(one, icons.images, "cpu") for one in (model, loaded))
    torch.testing.assert_close(found, expected, atol=5e-3, rtol=0)


def test_augmented_icons_stay_in_range_and_follow_the_generator(icons: Icons) -> None:
    first, again = (augment(icons.images, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.shape == icons.images.shape
    assert first.min() >= -1
    assert first.max() <= 1


def test_real_icons_take_right_emoji_in_turn_in_3d_where_there_is_one(folder: Path, icons: Icons) -> None:
    prompts = [Prompt("red or green", "word", (0, 1)), Prompt("purple", "label", (5,))]
    pixels = real_icons(folder, icons, prompts, seeds=3, size=64)
    assert pixels[:3, 32, 32].tolist() == [[255, 0, 0], [0, 128, 0], [255, 0, 0]]
    assert pixels[3:, 32, 32].tolist() == [[128, 0, 128]] * 3


def test_a_limit_takes_the_same_prompts_every_time(root: Path) -> None:
    path = root / "tests" / "benchmarks" / "data" / "icon_prompts.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    codes = {code for one in content["words"] for code in one["emoji"]} | {one["emoji"] for one in content["labels"]}
    everything = load_prompts(path, sorted(codes), None)
    few = load_prompts(path, sorted(codes), 5)
    assert [sum(prompt.kind == kind for prompt in everything) for kind in ("label", "word")] == [200, 100]
    assert few == load_prompts(path, sorted(codes), 5)
    assert [prompt.kind for prompt in few] == ["label"] * 5 + ["word"] * 5
    assert set(few) < set(everything)
