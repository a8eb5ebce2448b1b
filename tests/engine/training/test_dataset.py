"""Captioned images: what is read, in which order it is shown, and what is said when it cannot be read."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.errors import BadFile, InvalidValue, MissingFile
from engine.training.dataset import CaptionedImages, Order, load_images, read_items, read_pixels, to_tensor_range


def test_a_listed_folder_gives_captions_styles_and_pixels(icons: Path) -> None:
    data = load_images(icons, 16)
    assert data.pixels.shape == (12, 16, 16, 3)
    assert data.items[1].captions == ("square 1, flat icon", "a square 1, flat icon")
    assert data.items[1].style == "flat icon"
    with Image.open(data.items[3].path) as image:
        assert np.array_equal(data.pixels[3], np.asarray(image))


def test_a_list_may_be_given_instead_of_its_folder(icons: Path) -> None:
    assert load_images(icons / "captions.jsonl", 16).items == load_images(icons, 16).items


def test_captions_may_stand_beside_the_images(tmp_path: Path) -> None:
    Image.new("RGB", (20, 10), "red").save(tmp_path / "b.jpg")
    Image.new("RGB", (8, 8), "blue").save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("a blue square\nblue\n")
    (tmp_path / "b.txt").write_text("red\n\n")
    data = load_images(tmp_path, 8)
    assert [item.captions for item in data.items] == [("a blue square", "blue"), ("red",)]
    assert data.resolution == 8


def test_transparent_images_are_put_on_white_and_cropped_to_their_centre(tmp_path: Path) -> None:
    image = Image.new("RGBA", (30, 10), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (10, 0, 15, 10))
    image.save(tmp_path / "wide.png")
    pixels = read_pixels(tmp_path / "wide.png", 10)
    assert pixels.shape == (10, 10, 3)
    assert pixels[5, 0].tolist() == [255, 0, 0]
    assert pixels[5, 9].tolist() == [255, 255, 255]


def test_a_stored_array_is_used_when_its_resolution_fits(icons: Path, tmp_path: Path) -> None:
    for path in icons.glob("*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    stored = np.arange(12 * 16 * 16 * 3, dtype=np.uint32).astype(np.uint8).reshape(12, 16, 16, 3)
    np.save(tmp_path / "images.npy", stored)
    assert np.array_equal(load_images(tmp_path, 16).pixels, stored)
    assert load_images(tmp_path, 8).pixels.shape == (12, 8, 8, 3)
    np.save(tmp_path / "images.npy", stored[:5])
    with pytest.raises(BadFile, match=r"images\.npy has the shape \[5, 16, 16, 3\].*12 images"):
        load_images(tmp_path, 16)
    (tmp_path / "images.npy").write_bytes(b"no array")
    with pytest.raises(BadFile, match="is not a NumPy array"):
        load_images(tmp_path, 16)


@pytest.mark.parametrize(
    ("line", "error", "text"),
    [
        ("{", BadFile, "line 2: not valid JSON"),
        ("[1]", BadFile, "line 2: needs a JSON object, and has \\[1\\]"),
        ('{"captions": ["x"]}', BadFile, 'line 2: needs an object with "file"'),
        ('{"file": "00.png"}', BadFile, 'line 2: needs "captions"'),
        ('{"file": "00.png", "captions": []}', BadFile, "and has \\[\\]"),
        ('{"file": "00.png", "captions": [3]}', BadFile, "and has \\[3\\]"),
        ('{"file": "00.png", "caption": "x", "style": 4}', BadFile, '"style" must be a text, and is 4'),
        ('{"file": "99.png", "caption": "x"}', MissingFile, "99.png is missing"),
    ],
)
def test_a_wrong_line_is_named(icons: Path, tmp_path: Path, line: str, error: type[Exception], text: str) -> None:
    (tmp_path / "00.png").write_bytes((icons / "00.png").read_bytes())
    good = json.dumps({"file": "00.png", "caption": "x"})
    (tmp_path / "captions.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(error, match=text):
        read_items(tmp_path)


def test_missing_and_damaged_files_are_named(icons: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="nowhere is missing"):
        read_items(tmp_path / "nowhere")
    with pytest.raises(MissingFile, match="has no captioned images"):
        read_items(tmp_path)
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(MissingFile, match=r"a\.txt is missing"):
        read_items(tmp_path)
    (tmp_path / "a.txt").write_text(" \n")
    with pytest.raises(BadFile, match=r"a\.txt is empty"):
        read_items(tmp_path)
    (tmp_path / "a.txt").write_text("a caption")
    with pytest.raises(BadFile, match=r"a\.png cannot be read as an image"):
        load_images(tmp_path, 16)


def test_style_weights_name_styles_that_there_are(icons: Path) -> None:
    data = load_images(icons, 16)
    assert data.weights({"3d icon": 2.5})[:4].tolist() == [2.5, 1.0, 2.5, 1.0]
    with pytest.raises(InvalidValue, match="names 'oil', but the images have the styles '3d icon', 'flat icon'"):
        data.weights({"oil": 2.0})


@given(
    st.lists(st.floats(0, 4), min_size=1, max_size=20).filter(lambda weights: sum(weights) >= 1),
    st.integers(0, 3),
    st.integers(0, 60),
    st.integers(1, 60),
)
def test_parts_of_the_order_join_to_the_whole(weights: list[float], seed: int, start: int, count: int) -> None:
    order = Order(np.array(weights), seed)
    whole = order.take(0, start + count)
    assert len(whole) == start + count
    assert np.array_equal(Order(np.array(weights), seed).take(start, count), whole[start:])


def test_every_epoch_shows_all_and_weights_count_over_epochs() -> None:
    plain = Order(np.ones(7), seed=1)
    first, second = plain.take(0, 7), plain.take(7, 7)
    assert sorted(first) == sorted(second) == list(range(7))
    assert not np.array_equal(first, second)
    weighted = Order(np.array([2.0, 1.0, 0.5, 0.5]), seed=1)
    counts = Counter(weighted.take(0, 4 * 1000).tolist())
    assert counts[0] == 2000
    assert counts[1] == 1000
    assert abs(counts[2] - 500) < 60


def test_weights_that_show_nothing_are_refused() -> None:
    for weights in ([0.0, 0.0], [1.0, -1.0]):
        with pytest.raises(InvalidValue, match="weights"):
            Order(np.array(weights), 0)


def test_pixels_become_channels_last_tensors_in_range() -> None:
    pixels = np.array([0, 255], dtype=np.uint8).repeat(3).reshape(1, 1, 2, 3)
    tensor = to_tensor_range(pixels)
    assert tensor.shape == (1, 3, 1, 2)
    assert tensor[0, :, 0, 0].tolist() == [-1, -1, -1]
    assert tensor[0, :, 0, 1].tolist() == [1, 1, 1]


def test_an_empty_set_of_styles_weighs_all_alike(icons: Path) -> None:
    data = load_images(icons, 16)
    assert isinstance(data, CaptionedImages)
    assert data.weights({}).tolist() == [1.0] * 12
