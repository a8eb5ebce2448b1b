"""The model library: what is found in which trees, indexed, found again, changed."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import BadFile, Cancelled, InvalidValue, KnownError, MissingFile, UnknownName
from engine.library import Library
from engine.library.watch import Watcher
from engine.library_messages import HashProgress, ScanDone, ScanProgress
from engine.loading import detect
from tests.fixtures.model_files import embedding, lora, vae, write_safetensors


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def library(tmp_path: Path, models: Path) -> Library:
    return Library(tmp_path / "data" / "library.sqlite3", models)


def _scan(library: Library) -> ScanDone:
    *_, last = library.scan()
    assert isinstance(last, ScanDone)
    return last


def _names(library: Library, **filters: str) -> list[str]:
    return [entry.name for entry in library.entries(**filters)]


def _diffusers_folder(folder: Path, *, unet: bool = True) -> None:
    index = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "scheduler": ["diffusers", "PNDMScheduler"],
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "image_encoder": [None, None],
    }
    (folder / "unet").mkdir(parents=True)
    (folder / "scheduler").mkdir()
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "unet" / "config.json").write_text(json.dumps({"_class_name": "UNet2DConditionModel", "in_channels": 4}))
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps({"prediction_type": "epsilon"}))
    if unet:
        write_safetensors(
            folder / "unet" / "diffusion_pytorch_model.safetensors",
            {
                "conv_in.weight": (320, 4, 3, 3),
                "time_embedding.linear_1.weight": (8, 8),
                "conv_out.weight": (4, 8, 3, 3),
                "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (8, 768),
            },
        )


@pytest.mark.parametrize(
    "tree",
    [
        {"loras/a.safetensors": "lora", "vae/b.safetensors": "vae", "embeddings/deep/er/c.safetensors": "embedding"},
        {"Lora/a.safetensors": "lora", "VAE/b.safetensors": "vae", "../embeddings/c.safetensors": "embedding"},
    ],
    ids=["comfyui", "a1111"],
)
def test_trees_of_other_programs(library: Library, models: Path, tree: dict[str, str]) -> None:
    makers = {"lora": lora, "vae": vae, "embedding": embedding}
    for number, (place, kind) in enumerate(tree.items()):
        makers[kind](models / place, seed=number)
    library.add_root(models.parent / "embeddings") if "../embeddings/c.safetensors" in tree else None
    assert _scan(library).models == 3
    assert {entry.name: (entry.kind, entry.precision) for entry in library.entries()} == {
        "a": ("lora", "float16"),
        "b": ("vae", "float16"),
        "c": ("embedding", "float16"),
    }
    assert library.find("a").family == "stable-diffusion"


def test_folders_of_diffusers_are_one_entry(library: Library, models: Path) -> None:
    _diffusers_folder(models / "whole")
    _diffusers_folder(models / "half", unet=False)
    done = _scan(library)
    (entry,) = library.entries()
    assert (entry.name, entry.kind, entry.family, entry.precision, entry.is_folder) == (
        "whole",
        "checkpoint",
        "stable-diffusion",
        "float16",
        True,
    )
    assert done.problems == (
        f"The model in {models / 'half'} is left out, because unet is missing; download it again.",
    )


def test_cache_of_the_hub(library: Library, tmp_path: Path) -> None:
    hub = tmp_path / "hub"
    for repository, revision in (("models--org--pipe", "a" * 40), ("models--org--pipe", "b" * 40)):
        _diffusers_folder(hub / repository / "snapshots" / revision)
    (hub / "models--org--pipe" / "refs").mkdir()
    (hub / "models--org--pipe" / "refs" / "main").write_text("a" * 40)
    blob = hub / "models--org--style" / "blobs" / ("c" * 64)
    lora(blob)
    link = hub / "models--org--style" / "snapshots" / ("d" * 40) / "style.safetensors"
    link.parent.mkdir(parents=True)
    link.symlink_to(blob)
    (link.parent / "missing.safetensors").symlink_to(hub / "nowhere")
    _diffusers_folder(hub / "models--org--half" / "snapshots" / ("e" * 40), unet=False)
    library.add_root(hub)
    assert _scan(library).models == 2
    pipe, style = library.entries()
    assert (pipe.name, Path(pipe.path).name, pipe.in_cache) == ("org/pipe", "a" * 40, True)
    assert (style.name, style.sha256, style.in_cache) == ("org/style/style", "c" * 64, True)
    with pytest.raises(InvalidValue, match="cache of the hub"):
        library.rename(style.id, "other")


@pytest.mark.parametrize(
    "name", ["x.safetensors.part", "x.incomplete", ".x.safetensors", "x.safetensors.crdownload", "empty.safetensors"]
)
def test_nothing_half_done_is_a_model(library: Library, models: Path, name: str) -> None:
    lora(models / "whole.safetensors")
    lora(models / name)
    if name == "empty.safetensors":
        (models / name).write_bytes(b"")
    lora(models / "fetched by aria.safetensors")
    (models / "fetched by aria.safetensors.aria2").write_bytes(b"control file")
    cut = (models / "whole.safetensors").read_bytes()
    (models / "cut.safetensors").write_bytes(cut[:-10])
    done = _scan(library)
    assert (_names(library), done.damaged) == (["whole"], 1)
    (damaged,) = library.entries(kind="damaged")
    assert damaged.name == "cut" and damaged.reason


def test_words_of_header_and_notes(library: Library, models: Path) -> None:
    tags = {"10_cat": {"cat": 90, "sitting": 3}, "5_dog": {"dog": 50, "cat": 1}}
    lora(models / "loras" / "pets.safetensors", metadata={"ss_tag_frequency": json.dumps(tags), "ss_network_dim": "8"})
    (models / "loras" / "pets.preview.png").write_bytes(b"picture")
    (models / "loras" / "pets.png").write_bytes(b"picture")
    lora(models / "loras" / "ink.safetensors", seed=1, metadata={"ss_tag_frequency": "{broken"})
    note = {"trainedWords": ["inkstyle, line art", "sketch"], "model": {"name": "Ink & Co"}, "baseModel": "SD 1.5"}
    (models / "loras" / "ink.civitai.info").write_text(json.dumps(note))
    (models / "loras" / "ink.json").write_text(json.dumps({"activation text": "never read", "notes": "<p>Soft.</p>"}))
    _scan(library)
    pets, ink = library.find("pets"), library.find("ink")
    assert pets.triggers == ("cat", "dog", "sitting")
    assert pets.preview == str(models / "loras" / "pets.preview.png")
    assert dict(pets.metadata)["ss_network_dim"] == "8"
    assert (ink.triggers, ink.title, ink.base) == (("inkstyle", "line art", "sketch"), "Ink & Co", "SD 1.5")
    assert ink.description == "Soft."
    assert _names(library, text="SKETCH") == _names(library, text="ink art") == ["ink"]
    (models / "loras" / "ink.civitai.info").write_text(json.dumps({"trainedWords": ["changed"]}))
    assert _scan(library).changed == 1
    assert library.find("ink").triggers == ("changed",)


def test_warm_scan_reads_only_what_changed(library: Library, models: Path) -> None:
    for number in range(5):
        embedding(models / f"{number}.safetensors", seed=number)
    first = list(library.scan())
    assert [event for event in first if isinstance(event, ScanProgress)][-1] == ScanProgress(done=5, total=5)
    assert [type(event) for event in library.scan()] == [ScanDone]
    embedding(models / "5.safetensors", seed=5)
    (models / "0.safetensors").unlink()
    vae(models / "1.safetensors")
    done = _scan(library)
    assert (done.models, done.added, done.changed, done.removed) == (5, 1, 1, 1)
    assert library.find("1").kind == "vae"


def test_notes_and_hashes_follow_a_moved_file(library: Library, models: Path) -> None:
    lora(models / "before.safetensors")
    _scan(library)
    id = library.find("before").id
    library.set_notes(id, "my best one")
    list(library.hash_models([id]))
    sha256 = library.entry(id).sha256
    (models / "sub").mkdir()
    (models / "before.safetensors").rename(models / "sub" / "after.safetensors")
    done = _scan(library)
    assert (done.models, done.added, done.removed) == (1, 0, 0)
    after = library.find("after")
    assert (after.id, after.notes, after.sha256) == (id, "my best one", sha256)
    assert _names(library, text="BEST") == ["after"]


def test_missing_drive_forgets_nothing(library: Library, tmp_path: Path) -> None:
    drive = tmp_path / "drive"
    lora(drive / "a.safetensors")
    library.add_root(drive)
    _scan(library)
    drive.rename(tmp_path / "away")
    done = _scan(library)
    assert done.removed == 0 and "connect its drive" in done.problems[0]
    (tmp_path / "away").rename(drive)
    assert [type(event) for event in library.scan()] == [ScanDone]
    library.remove_root(drive)
    assert library.entries() == []
    library.add_root(drive)
    assert _scan(library).models == 1


def test_hashes_are_those_of_other_programs(library: Library, models: Path) -> None:
    import hashlib

    path = models / "a.safetensors"
    lora(path)
    _scan(library)
    entry = library.find("a")
    assert entry.sha256 == entry.autov2 == ""
    events = list(library.hash_models([entry.id]))
    assert all(isinstance(event, HashProgress) for event in events)
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    body = hashlib.sha256(content[8 + int.from_bytes(content[:8], "little") :]).hexdigest()[:12]
    entry = library.entry(entry.id)
    assert (entry.sha256, entry.autov2, entry.autov3) == (sha256, sha256[:10], body)
    for text in (sha256, sha256[:10].upper(), body, entry.fingerprint, "A.safetensors", str(path)):
        assert library.find(text).id == entry.id
    assert library.marks(entry).hashes == (entry.fingerprint, sha256, sha256[:10], body)
    cancel = threading.Event()
    cancel.set()
    vae(models / "b.safetensors")
    _scan(library)
    with pytest.raises(Cancelled):
        list(library.hash_models([library.find("b").id], cancel))


def test_duplicates(library: Library, models: Path) -> None:
    lora(models / "a.safetensors")
    (models / "copy.safetensors").write_bytes((models / "a.safetensors").read_bytes())
    os.link(models / "a.safetensors", models / "same file.safetensors")
    lora(models / "other.safetensors", seed=1)
    _scan(library)
    (group,) = library.duplicates()
    assert [entry.name for entry in group] == ["a", "copy"]
    list(library.hash_models(entry.id for entry in library.entries()))
    assert [[entry.name for entry in group] for group in library.duplicates()] == [["a", "copy"]]


def test_rename_takes_what_lies_beside_along(library: Library, models: Path) -> None:
    lora(models / "a.safetensors")
    for ending in ("preview.png", "civitai.info", "txt"):
        (models / f"a.{ending}").write_bytes(b"{}")
    lora(models / "taken.safetensors", seed=1)
    _scan(library)
    id = library.find("a").id
    with pytest.raises(InvalidValue, match=r"taken\.safetensors is taken"):
        library.rename(id, "taken")
    entry = library.rename(id, "new name.safetensors")
    assert (entry.name, entry.path) == ("new name", str(models / "new name.safetensors"))
    assert entry.preview == str(models / "new name.preview.png")
    assert sorted(path.name for path in models.iterdir()) == [
        "new name.civitai.info",
        "new name.preview.png",
        "new name.safetensors",
        "new name.txt",
        "taken.safetensors",
    ]
    done = _scan(library)
    assert (done.models, done.added, done.removed) == (2, 0, 0)
    assert library.find("new name").id == id


@pytest.mark.parametrize("name", ["", "../up", "a/b", "con", "nul.x", "dot.", " space", ".hidden", "a:b", "x" * 300])
def test_names_that_files_cannot_have(library: Library, models: Path, name: str) -> None:
    lora(models / "a.safetensors")
    _scan(library)
    with pytest.raises(InvalidValue, match="cannot be used for a file"):
        library.rename(library.find("a").id, name)
    assert [path.name for path in models.iterdir()] == ["a.safetensors"]


def test_trash(library: Library, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("send2trash.plat_other.HOMETRASH_B", os.fsencode(tmp_path / "Trash"))
    lora(models / "a.safetensors")
    (models / "a.png").write_bytes(b"picture")
    _scan(library)
    gone = library.trash(library.find("a").id)
    assert [path.name for path in gone] == ["a.safetensors", "a.png"]
    assert sorted(path.name for path in (tmp_path / "Trash" / "files").iterdir()) == ["a.png", "a.safetensors"]
    assert library.entries() == [] and list(models.iterdir()) == []
    (tmp_path / "Trash" / "files" / "a.safetensors").rename(models / "a.safetensors")
    assert _scan(library).models == 1


def test_the_user_knows_better(library: Library, models: Path) -> None:
    write_safetensors(models / "strange.safetensors", {"some.weight": (4, 4)})
    _scan(library)
    entry = library.find("strange")
    assert (entry.kind, entry.family) == ("unknown", "unknown") and entry.reason
    library.set_type(entry.id, "vae", "stable-diffusion-xl")
    assert _names(library, kind="vae", family="stable-diffusion-xl") == ["strange"]
    with pytest.raises(UnknownName, match="kind 'cake' is unknown"):
        library.set_type(entry.id, "cake", "")


def test_a_path_elsewhere_means_no_model_of_its_name(library: Library, models: Path, tmp_path: Path) -> None:
    lora(models / "a.safetensors")
    lora(tmp_path / "elsewhere" / "a.safetensors")
    _scan(library)
    assert library.find("a").path == library.find("a.safetensors").path == str(models / "a.safetensors")
    assert library.find(str(models / "a.safetensors")).name == "a"
    with pytest.raises(UnknownName, match="elsewhere"):
        library.find(str(tmp_path / "elsewhere" / "a.safetensors"))


def test_the_users_word_goes_with_the_file(library: Library, models: Path) -> None:
    """What decides how a file is loaded is kept beside it: found by whoever loads it, and moved with it."""
    unet = {
        "input_blocks.0.0.weight": (320, 4, 3, 3),
        "time_embed.0.weight": (1280, 320),
        "out.2.weight": (4, 320, 3, 3),
        "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 1024),
    }
    write_safetensors(models / "two.safetensors", unet)
    _scan(library)
    entry = library.find("two")
    assert (entry.family, entry.variant, entry.prediction) == ("stable-diffusion-2", "", "")
    library.set_type(entry.id, prediction="v")
    library.set_type(entry.id, variant="lcm", family="stable-diffusion")
    said = library.entry(entry.id)
    assert (said.family, said.variant, said.prediction) == ("stable-diffusion", "lcm", "v")
    assert said.reason.endswith("The user's word for its type stands over that.")
    assert json.loads((models / "two.sfumato.json").read_text()) == {
        "family": "stable-diffusion",
        "variant": "lcm",
        "prediction": "v",
    }
    assert detect(models / "two.safetensors").variant == "lcm"
    assert _scan(library).changed == 1
    assert library.entry(entry.id) == said
    moved = library.rename(entry.id, "renamed")
    found = detect(models / "renamed.safetensors")
    assert (found.family, found.variant, found.prediction) == (moved.family, "lcm", "v")
    assert sorted(path.name for path in models.iterdir()) == ["renamed.safetensors", "renamed.sfumato.json"]
    library.set_type(entry.id, family="", variant="base", prediction="")
    again = library.entry(entry.id)
    assert (again.family, again.variant, again.prediction) == ("stable-diffusion-2", "", "")
    library.set_type(entry.id, variant="")
    assert [path.name for path in models.iterdir()] == ["renamed.safetensors"]
    for words, text in (
        ({"prediction": "x"}, "prediction 'x' is unknown; choose one of epsilon, v"),
        ({"variant": "cake"}, "no variant 'cake'"),
        ({"kind": "lora", "prediction": "v"}, "it is of the kind lora; only models have them"),
    ):
        with pytest.raises(KnownError, match=text):
            library.set_type(entry.id, **words)
    assert [path.name for path in models.iterdir()] == ["renamed.safetensors"]


def test_a_folder_says_itself_what_it_is(library: Library, models: Path) -> None:
    _diffusers_folder(models / "folder")
    _scan(library)
    with pytest.raises(InvalidValue, match="it is a folder that says so itself"):
        library.set_type(library.find("folder").id, prediction="v")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not valid JSON"),
        ("[]", "not an object"),
        ('{"family": "flux"}', "cannot count: The family 'flux' is unknown"),
        ('{"variant": "x"}', "cannot count: The variant 'x' is unknown"),
        ('{"prediction": "x"}', "cannot count: The prediction 'x' is unknown"),
        ('{"family": "stable-diffusion", "variant": "upscale"}', "cannot count: .* no variant 'upscale'"),
    ],
)
def test_a_word_that_cannot_be_read_is_named(library: Library, models: Path, text: str, complaint: str) -> None:
    lora(models / "a.safetensors")
    (models / "a.sfumato.json").write_text(text)
    with pytest.raises(BadFile, match=rf"a\.sfumato\.json .*{complaint}"):
        detect(models / "a.safetensors")
    assert _scan(library).damaged == 1


def test_taking_in(library: Library, models: Path, tmp_path: Path) -> None:
    lora(tmp_path / "elsewhere" / "a.safetensors")
    (tmp_path / "elsewhere" / "a.png").write_bytes(b"picture")
    entry = library.take_in(tmp_path / "elsewhere" / "a.safetensors")
    assert entry.path == str(models / "loras" / "a.safetensors") and entry.preview
    assert (tmp_path / "elsewhere" / "a.safetensors").exists()
    with pytest.raises(InvalidValue, match="has a a.safetensors already"):
        library.take_in(tmp_path / "elsewhere" / "a.safetensors")
    (tmp_path / "elsewhere" / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(BadFile):
        library.take_in(tmp_path / "elsewhere" / "bad.safetensors")
    assert not (models / "loras" / "bad.safetensors").exists()


def test_many_files_take_several_processes(library: Library, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.library.index._ENOUGH_FOR_PROCESSES", 100)
    for number in range(120):
        embedding(models / f"{number}.safetensors", seed=number)
    *_, done = library.scan(processes=2)
    assert isinstance(done, ScanDone) and (done.models, done.added) == (120, 120)


def test_cancelled_scan_keeps_what_it_has(library: Library, models: Path) -> None:
    for number in range(120):
        embedding(models / f"{number}.safetensors", seed=number)
    cancel = threading.Event()
    events: Iterator[object] = library.scan(cancel, processes=1)
    assert next(events) == ScanProgress(done=0, total=120)
    assert next(events) == ScanProgress(done=50, total=120)
    cancel.set()
    with pytest.raises(Cancelled):
        list(events)
    assert len(library.entries()) == 50
    assert _scan(library).added == 70


def test_changes_are_watched(library: Library, models: Path) -> None:
    changed = threading.Event()
    with Watcher([models, models / "not there"], changed.set, quiet_seconds=0.05):
        lora(models / "sub" / "a.safetensors")
        assert changed.wait(10)
    assert _scan(library).models == 1


def test_wrong_words(library: Library, tmp_path: Path) -> None:
    for call, error in (
        (lambda: library.find("nothing"), UnknownName),
        (lambda: library.entries(kind="cake"), UnknownName),
        (lambda: library.entries(order="taste"), UnknownName),
        (lambda: library.entry(7), MissingFile),
        (lambda: library.set_notes(7, ""), MissingFile),
        (lambda: library.add_root(tmp_path / "nowhere"), MissingFile),
        (lambda: library.remove_root(tmp_path / "nowhere"), UnknownName),
    ):
        with pytest.raises(error):
            call()
