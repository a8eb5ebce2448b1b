"""The gallery's parts without a window: words, rows, the scan, the trash, thumbnails."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.services.gallery_records import GalleryFilter, NewPicture
from app.services.gallery_scan import fingerprint, read_picture, scan
from app.services.gallery_store import GalleryStore
from app.services.gallery_trash import restore, to_trash
from app.services.gallery_words import beginnings, search_words, spaced
from app.services.thumbnails import SIDE, Thumbnails
from engine.errors import BadFile, InvalidValue, MissingFile
from engine.messages import Bitmap, Recipe
from tests.app.gallery_rig import trash, write_picture

__all__ = ["trash"]


def new_picture(number: int, prompt: str = "an owl", **changes: object) -> NewPicture:
    """A row's worth of a picture that need not be on the disk."""
    values: dict[str, object] = {
        "path": f"/p/{number}.png", "made": 1_000_000 + number // 2, "bytes": 10, "modified": number,
        "fingerprint": f"{number:032x}", "width": 64, "height": 64, "recipe": Recipe(prompt=prompt, seed=number),
    }  # fmt: skip
    return NewPicture(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Generator[GalleryStore]:
    store = GalleryStore(tmp_path_factory.mktemp("gallery") / "g.sqlite3")
    yield store
    store.close()


@given(text=st.text(max_size=60))
def test_any_words_are_a_query_that_sqlite_takes(empty_store: GalleryStore, text: str) -> None:
    assert empty_store.ids(GalleryFilter(words=text), None, 5) == []


@pytest.mark.parametrize(
    ("mark", "numbers"),
    [("Ink", [0]), ("0a1b2c3d4e5f", [1]), ("6ce0161689", [2]), ("~/models/ink", [3]), ("none", [])],
)
def test_pictures_of_one_model(tmp_path: Path, mark: str, numbers: list[int]) -> None:
    store = GalleryStore(tmp_path / "g.sqlite3")
    recipes = (
        Recipe(model_name="Ink"),
        Recipe(model_name="other", model_fingerprint="0a1b2c3d4e5f"),
        Recipe(extras=(("Model hash", "6ce0161689"),)),
        Recipe(model="~/models/ink", prompt="none of 6ce01616890"),
    )
    ids = store.add([new_picture(number, recipe=recipe) for number, recipe in enumerate(recipes)])
    assert store.ids(GalleryFilter(made_by=("a mark of its own", mark))) == [ids[number] for number in numbers]
    store.close()


def test_letters_of_scripts_without_spaces_are_words() -> None:
    assert spaced("红apple").split() == ["红", "apple"]
    assert beginnings(search_words("红苹 app")) == '"红  苹" AND "app"*'


def test_two_pictures_of_one_moment_both_have_a_row(tmp_path: Path) -> None:
    store = GalleryStore(tmp_path / "g.sqlite3")
    ids = store.add([new_picture(0), new_picture(1)])
    assert len(set(ids)) == 2
    assert store.ids(GalleryFilter()) == sorted(ids, reverse=True)
    with pytest.raises(InvalidValue, match="6 stars"):
        store.rate(ids, 6)
    with pytest.raises(InvalidValue, match="board"):
        store.make_board(" ")
    store.close()


def test_a_changed_file_is_read_again_and_keeps_its_stars(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    path = write_picture(folder / "a.png", "a dog")
    store = GalleryStore(tmp_path / "g.sqlite3")
    [id] = scan(store, folder).added
    store.rate([id], 5)
    write_picture(path, "a cat", "blue")
    os.utime(path, (1, 1))
    result = scan(store, folder)
    assert result.added == [id]
    assert store.ids(GalleryFilter(words="cat", stars=5)) == [id]
    assert store.ids(GalleryFilter(words="dog")) == []
    assert not scan(store, folder).changed
    store.close()


def test_a_copy_is_another_picture(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    path = write_picture(folder / "a.png", "a dog")
    (folder / "b.png").write_bytes(path.read_bytes())
    store = GalleryStore(tmp_path / "g.sqlite3")
    assert len(scan(store, folder).added) == 2
    store.close()


def test_fingerprints_tell_large_files_apart(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(bytes(9 * 2**20))
    second.write_bytes(bytes(9 * 2**20 - 5) + b"12345")
    assert fingerprint(first) != fingerprint(second)
    with pytest.raises(MissingFile, match="cannot be read"):
        read_picture(tmp_path / "none")


def test_trash_of_files_with_one_name(tmp_path: Path, trash: Path) -> None:
    first = write_picture(tmp_path / "one" / "ä b.png", "first", "red")
    second = write_picture(tmp_path / "two" / "ä b.png", "second", "blue")
    contents = first.read_bytes(), second.read_bytes()
    gone = to_trash(first), to_trash(second)
    assert all(entry.kept and Path(entry.kept).parent == trash / "files" for entry in gone)
    assert restore(gone[0]) == first
    assert restore(gone[1]) == second
    assert (first.read_bytes(), second.read_bytes()) == contents
    with pytest.raises(MissingFile, match="no longer in the trash"):
        restore(gone[0])
    with pytest.raises(MissingFile, match="nothing was deleted"):
        to_trash(tmp_path / "none.png")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "LA", "I;16", "CMYK"])
def test_thumbnails_of_any_picture(tmp_path: Path, mode: str) -> None:
    ending = "jpg" if mode == "CMYK" else "png"
    path = tmp_path / f"a.{ending}"
    Image.new(mode, (1000, 500)).save(path)
    cache = Thumbnails(tmp_path / "cache")
    bitmap = cache.get(path, "ab12")
    assert (bitmap.width, bitmap.height, len(bitmap.pixels)) == (SIDE, SIDE // 2, 3 * SIDE * SIDE // 2)
    path.unlink()
    assert cache.get(path, "ab12").width == SIDE
    with pytest.raises(MissingFile):
        cache.get(path, "cd34")


def test_damaged_thumbnails_are_made_again_and_the_folder_stays_in_its_limit(tmp_path: Path) -> None:
    cache = Thumbnails(tmp_path / "cache", limit_bytes=20_000)
    path = write_picture(tmp_path / "a.png", "x")
    cache.get(path, "ab12")
    [kept] = (tmp_path / "cache").glob("*/*")
    kept.write_bytes(b"damaged")
    assert cache.get(path, "ab12").width == 32
    noise = Image.effect_noise((256, 256), 90).convert("RGB")
    for number in range(10):
        cache.put(f"{number:04}", Bitmap(256, 256, noise.tobytes()))
    assert sum(file.stat().st_size for file in (tmp_path / "cache").glob("*/*")) <= 20_000
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(BadFile, match="damaged or no picture"):
        cache.get(tmp_path / "text.png", "ffff")
