"""Downloads from a hub on loopback: what is chosen, what goes wrong, what is there afterwards."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import InvalidValue, KnownError, MissingFile, UnknownName
from engine.library import Downloads, Library
from engine.library.download_hub import NetworkOff, NoAccess, NoConnection
from engine.library.download_source import HubSource, LinkSource, parse_source
from engine.library_messages import (
    DownloadDone,
    DownloadEvent,
    DownloadFailed,
    DownloadPaused,
    DownloadProgress,
    DownloadRetrying,
    DownloadStarted,
    LibraryEvent,
)
from tests.fixtures.hub_server import PIECE, Fault, HubServer, Link, Repository, sha256
from tests.fixtures.model_files import lora, write_safetensors

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "scheduler": ["diffusers", "PNDMScheduler"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
}


def _weights(tmp_path: Path, seed: int = 0, size: int = 1000) -> bytes:
    path = tmp_path / "made" / f"{seed}-{size}.safetensors"
    write_safetensors(path, {"emb_params": (size, 768)}, seed=seed)
    return path.read_bytes()


@pytest.fixture
def lora_file(tmp_path: Path, hub: HubServer) -> bytes:
    lora(tmp_path / "made" / "lora.safetensors", metadata={"filler": "x" * 600_000})
    content = (tmp_path / "made" / "lora.safetensors").read_bytes()
    hub.repositories["org/style"] = Repository({"README.md": b"# Style", "style.safetensors": content})
    return content


@pytest.fixture
def pipeline(tmp_path: Path, hub: HubServer) -> Repository:
    unet = tmp_path / "made" / "unet.safetensors"
    write_safetensors(
        unet,
        {
            "conv_in.weight": (32, 4, 3, 3),
            "time_embedding.linear_1.weight": (8, 8),
            "conv_out.weight": (4, 8, 3, 3),
            "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (8, 768),
        },
    )
    text = _weights(tmp_path, 2, 10)
    files = {
        "model_index.json": json.dumps(INDEX).encode(),
        "README.md": b"---\nlicense: openrail\n---\n",
        "v1.ckpt": b"the same again",
        "v1-fp16.safetensors": b"and again",
        "picture.png": b"a picture",
        "unet/config.json": b'{"_class_name": "UNet2DConditionModel", "in_channels": 4}',
        "unet/diffusion_pytorch_model.safetensors": unet.read_bytes(),
        "unet/diffusion_pytorch_model.fp16.safetensors": unet.read_bytes() + b"",
        "unet/diffusion_pytorch_model.bin": b"pickle",
        "unet/diffusion_flax_model.msgpack": b"flax",
        "text_encoder/config.json": b"{}",
        "text_encoder/model-00001-of-00002.safetensors": text,
        "text_encoder/model-00002-of-00002.safetensors": text,
        "text_encoder/model.safetensors.index.json": json.dumps(
            {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
        ).encode(),
        "text_encoder/pytorch_model.bin": b"pickle",
        "text_encoder/openvino_model.bin": b"other runtime",
        "tokenizer/vocab.json": b"{}",
        "tokenizer/merges.txt": b"",
        "scheduler/scheduler_config.json": b'{"prediction_type": "epsilon"}',
        "safety_checker/model.safetensors": b"left out",
        "../outside.json": b"{}",
    }
    return hub.repositories.setdefault("org/pipe", Repository(files))


def _run(downloads: Downloads, text: str, variant: str = "") -> tuple[list[DownloadEvent], DownloadEvent]:
    events = list(downloads.run(downloads.add(downloads.plan(text, variant))))
    return events, events[-1]


def test_a_single_file(downloads: Downloads, library: Library, models: Path, lora_file: bytes) -> None:
    plan = downloads.plan("org/style")
    assert (plan.title, plan.size, plan.licence, plan.left_out) == ("org/style", len(lora_file), "openrail", 1)
    assert plan.free > 0 and plan.files[0].sha256 == sha256(lora_file)
    events = list(downloads.run(downloads.add(plan)))
    assert isinstance(events[0], DownloadStarted) and isinstance(events[-1], DownloadDone)
    progress = [event for event in events if isinstance(event, DownloadProgress)]
    assert progress[-1].done == progress[-1].total == len(lora_file)
    place = models / "loras" / "style.safetensors"
    assert events[-1].path == str(place) and place.read_bytes() == lora_file
    entry = library.find("style")
    assert (entry.kind, entry.sha256, entry.licence) == ("lora", sha256(lora_file), "openrail")
    assert entry.source.startswith("org/style (0123456789ab")
    assert [(item.state, item.done) for item in downloads.items()] == [("done", len(lora_file))]
    assert list((models / ".downloads").iterdir()) == [] or all(
        path.suffix == ".lock" for path in (models / ".downloads").iterdir()
    )


@pytest.mark.parametrize(
    ("variant", "unet"), [("", "diffusion_pytorch_model"), ("fp16", "diffusion_pytorch_model.fp16")]
)
def test_of_a_pipeline_only_what_is_needed(
    downloads: Downloads, library: Library, models: Path, pipeline: Repository, variant: str, unet: str
) -> None:
    plan = downloads.plan("org/pipe", variant)
    assert set(plan.others) == {"", "fp16"}
    _, last = _run(downloads, "org/pipe", variant)
    assert isinstance(last, DownloadDone)
    folder = models / "diffusers" / "pipe"
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there == {
        "model_index.json",
        "README.md",
        "unet/config.json",
        f"unet/{unet}.safetensors",
        "text_encoder/config.json",
        "text_encoder/model-00001-of-00002.safetensors",
        "text_encoder/model-00002-of-00002.safetensors",
        "text_encoder/model.safetensors.index.json",
        "tokenizer/vocab.json",
        "tokenizer/merges.txt",
        "scheduler/scheduler_config.json",
    }
    assert library.find("pipe").family == "stable-diffusion"
    with pytest.raises(UnknownName, match="no variant 'bf16'; it has"):
        downloads.plan("org/pipe", "bf16")


def test_a_plain_link(downloads: Downloads, library: Library, models: Path, hub: HubServer, lora_file: bytes) -> None:
    hub.links["123"] = Link(lora_file, name="From a site.safetensors")
    _, last = _run(downloads, f"{hub.other_url}/link/123#sha256={sha256(lora_file)}")
    assert isinstance(last, DownloadDone)
    assert (models / "loras" / "From a site.safetensors").read_bytes() == lora_file
    assert library.find("From a site").sha256 == sha256(lora_file)
    hub.links["page"] = Link(b"<html>", kind="text/html; charset=utf-8")
    hub.links["out"] = Link(lora_file, name="../../out.safetensors")
    hub.links["zip"] = Link(lora_file, name="a.zip")
    for name, error in (("page", NoAccess), ("out", InvalidValue), ("zip", InvalidValue), ("nothing", MissingFile)):
        with pytest.raises(error):
            downloads.plan(f"{hub.other_url}/link/{name}")
    _, last = _run(downloads, f"{hub.other_url}/link/123#sha256={'0' * 64}")
    assert isinstance(last, DownloadFailed) and "arrived damaged" in last.message


@pytest.mark.parametrize("with_length", [True, False])
def test_a_link_that_is_no_model_after_all(
    downloads: Downloads, models: Path, hub: HubServer, with_length: bool
) -> None:
    hub.links["bad"] = Link(b"not a model" * 100, name="bad.safetensors", with_length=with_length)
    _, last = _run(downloads, f"{hub.other_url}/link/bad")
    assert isinstance(last, DownloadFailed) and last.kind == "BadFile"
    assert [path for path in models.rglob("*") if path.is_file() and ".downloads" not in path.parts] == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault("cdn", status=429, headers={"Retry-After": "0"}),
        Fault("cdn", status=500, times=3),
        Fault("cdn", status=503),
        Fault("cdn", cut=100_000, times=6),
        Fault("cdn", cut=0),
        Fault("cdn", flip=5000),
    ],
    ids=["429", "500", "503", "cut", "cut at once", "wrong once"],
)
def test_faults_that_pass(downloads: Downloads, models: Path, hub: HubServer, lora_file: bytes, fault: Fault) -> None:
    hub.faults.append(fault)
    events, last = _run(downloads, "org/style")
    assert isinstance(last, DownloadDone), last
    assert any(isinstance(event, DownloadRetrying) for event in events)
    assert (models / "loras" / "style.safetensors").read_bytes() == lora_file
    if fault.cut > 0:
        assert hub.served("cdn")[1:3] == ["bytes=100000-", "bytes=200000-"]


@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        (Fault("cdn", status=403, times=99), "NoAccess", "refuses access"),
        (Fault("cdn", status=404, times=99), "MissingFile", "does not exist"),
        (Fault("cdn", status=429, times=99), "NoConnection", "asks for patience"),
        (Fault("cdn", status=500, times=99), "NoConnection", "has a fault of its own"),
        (Fault("cdn", cut=0, times=99), "NoConnection", ""),
        (Fault("cdn", flip=5000, times=99), "WrongHash", "arrived damaged"),
    ],
    ids=["403", "404", "429", "500", "cut", "wrong"],
)
def test_faults_that_stay(
    downloads: Downloads,
    library: Library,
    models: Path,
    hub: HubServer,
    lora_file: bytes,
    fault: Fault,
    kind: str,
    text: str,
) -> None:
    hub.faults.append(fault)
    _, last = _run(downloads, "org/style")
    assert isinstance(last, DownloadFailed)
    assert last.kind == kind and text in last.message and "\n" not in last.message
    list(library.scan())
    assert library.entries() == []
    assert not list(models.glob("*/*.safetensors"))
    (item,) = downloads.items()
    assert (item.state, item.message) == ("failed", last.message)
    hub.faults.clear()
    assert isinstance(list(downloads.run(item.id))[-1], DownloadDone)


def test_answers_before_anything_is_fetched(downloads: Downloads, hub: HubServer, lora_file: bytes) -> None:
    hub.repositories["org/private"] = Repository({"a.safetensors": b""}, token="secret")
    hub.repositories["org/empty"] = Repository({"README.md": b""})
    hub.repositories["org/many"] = Repository({"a.safetensors": b"", "b.safetensors": b""})
    for text, error, said in (
        ("org/nothing", NoAccess, "private or does not exist"),
        ("org/private", NoAccess, "sfumato models token"),
        ("org/style@other", MissingFile, "no such revision"),
        ("org/style:other.safetensors", UnknownName, "it has style.safetensors"),
        ("org/empty", InvalidValue, "holds no model"),
        ("org/many", UnknownName, "name one as org/many:FILE"),
        ("nonsense", InvalidValue, "neither a repository"),
        ("http://example.org/a.safetensors", InvalidValue, "not safe"),
    ):
        with pytest.raises(error, match=said):
            downloads.plan(text)
    hub.faults.append(Fault("/api/models", status=429, times=9))
    with pytest.raises(NoConnection, match="asks for patience"):
        downloads.plan("org/style")


def test_gated_repository(library: Library, hub: HubServer, lora_file: bytes) -> None:
    hub.repositories["org/gated"] = Repository({"a.safetensors": lora_file}, gated="manual", token="secret")
    without = Downloads(library, tokens=lambda _host: "", backoff=())
    plan = without.plan("org/gated")
    assert (plan.gated, plan.licence) == ("manual", "openrail")
    last = list(without.run(without.add(plan)))[-1]
    assert isinstance(last, DownloadFailed) and last.wrong_input
    assert f"accept its terms at {hub.url}/org/gated" in last.message or "accept its terms" in last.message
    allowed = Downloads(library, tokens=lambda host: "secret" if host == "127.0.0.1" else "", backoff=())
    assert isinstance(list(allowed.run(allowed.add(plan)))[-1], DownloadDone)
    sent = {place.split("/")[1]: token for (_, place, _), token in zip(hub.requests, hub.tokens, strict=True)}
    assert (sent["org"], sent["cdn"]) == ("secret", "")  # another host must not see the token


def test_a_crash_right_after_the_last_step(
    downloads: Downloads, library: Library, models: Path, hub: HubServer, lora_file: bytes
) -> None:
    id = downloads.add(downloads.plan("org/style"))
    last = list(downloads.run(id))[-1]
    assert isinstance(last, DownloadDone)
    # As it was before the list said so: the model in its place, its empty folder still there.
    downloads._store.set_state(id, "verifying", path=last.path)
    (models / ".downloads" / id / "files").mkdir(parents=True)
    hub.requests.clear()
    assert [item.state for item in downloads.items()] == ["paused"]
    again = list(downloads.run(id))[-1]
    assert isinstance(again, DownloadDone) and again.path == last.path
    assert hub.requests == [] and not (models / ".downloads" / id).exists()
    assert len(library.entries()) == 1


def test_a_pause_right_after_the_last_step_fetches_nothing_twice(
    downloads: Downloads,
    library: Library,
    models: Path,
    hub: HubServer,
    lora_file: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    id = downloads.add(downloads.plan("org/style"))
    pause, scan = threading.Event(), library.scan

    def paused_scan(cancel: threading.Event | None = None) -> Iterator[LibraryEvent]:
        pause.set()
        return scan(cancel)

    with monkeypatch.context() as patched:
        patched.setattr(library, "scan", paused_scan)
        assert isinstance(list(downloads.run(id, pause))[-1], DownloadPaused)
    assert (models / "loras" / "style.safetensors").read_bytes() == lora_file
    hub.requests.clear()
    last = list(downloads.run(id))[-1]
    assert isinstance(last, DownloadDone) and last.path == str(models / "loras" / "style.safetensors")
    assert hub.requests == []
    assert [entry.name for entry in library.entries()] == ["style"]


def test_network_off(library: Library, hub: HubServer, lora_file: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    off = Downloads(library, network_off=lambda: True)
    with pytest.raises(NetworkOff, match="network is off"):
        off.plan("org/style")
    on = Downloads(library, tokens=lambda _host: "")
    id = on.add(on.plan("org/style"))
    asked = len(hub.requests)
    last = list(off.run(id))[-1]
    assert isinstance(last, DownloadFailed) and last.kind == "NetworkOff"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(NetworkOff):
        on.plan("org/style")
    assert len(hub.requests) == asked


def test_no_server_at_all(downloads: Downloads, monkeypatch: pytest.MonkeyPatch, hub: HubServer) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(NoConnection, match="cannot be reached"):
        downloads.plan("org/style")


def test_pause_and_resume(
    downloads: Downloads, library: Library, models: Path, hub: HubServer, lora_file: bytes
) -> None:
    cancel = threading.Event()
    hub.pace = lambda sent: cancel.set() if sent >= 10 * PIECE else None
    id = downloads.add(downloads.plan("org/style"))
    events = list(downloads.run(id, cancel))
    assert events[-1] == DownloadPaused(download=id)
    (item,) = downloads.items()
    assert item.state == "paused" and 0 < item.done < len(lora_file)
    list(library.scan())
    assert library.entries() == []
    hub.pace = lambda _sent: None
    assert downloads.add(downloads.plan("org/style")) == id
    first, *_, last = downloads.run(id)
    assert first == DownloadStarted(download=id, plan=downloads.plan("org/style"), resumed=item.done) or (
        isinstance(first, DownloadStarted) and first.resumed == item.done
    )
    assert isinstance(last, DownloadDone)
    assert hub.served("cdn")[-1] == f"bytes={item.done}-"
    assert (models / "loras" / "style.safetensors").read_bytes() == lora_file


@pytest.mark.parametrize("change", ["other bytes", "other size", "no ranges", "no etag"])
def test_a_link_that_changed_meanwhile(
    downloads: Downloads, models: Path, hub: HubServer, lora_file: bytes, change: str
) -> None:
    hub.links["a"] = link = Link(lora_file, name="a.safetensors", etag="" if change == "no etag" else '"one"')
    cancel = threading.Event()
    hub.pace = lambda sent: cancel.set() if sent >= 10 * PIECE else None
    id = downloads.add(downloads.plan(f"{hub.other_url}/link/a"))
    list(downloads.run(id, cancel))
    hub.pace = lambda _sent: None
    if change == "other bytes":
        link.content, link.etag = lora_file[:-100] + b"\1" * 100, '"two"'
    if change == "other size":
        link.content, link.etag = lora_file[:-100], '"two"'
    link.ranges = change != "no ranges"
    last = list(downloads.run(id))[-1]
    if change == "other size":
        assert isinstance(last, DownloadFailed) and "begin it again" in last.message
    else:
        assert isinstance(last, DownloadDone)
        assert (models / "loras" / "a.safetensors").read_bytes() == link.content


def test_disk_full(
    downloads: Downloads,
    models: Path,
    hub: HubServer,
    lora_file: bytes,
) -> None:
    plan = downloads.plan("org/style")
    huge = dataclasses.replace(plan, size=10**18)
    with pytest.raises(KnownError, match="free; make room"):
        downloads.add(huge)
    id = downloads.add(plan)
    part = models / ".downloads" / id / "files" / "style.safetensors"
    part.parent.mkdir(parents=True)
    downloads._store.set_etag(id, "style.safetensors", sha256(lora_file))
    part.symlink_to("/dev/full")  # what it says when written to is what a full disk says
    last = list(downloads.run(id))[-1]
    assert isinstance(last, DownloadFailed) and "is full; free some space" in last.message
    part.unlink()
    assert isinstance(list(downloads.run(id))[-1], DownloadDone)


def test_several_at_once(downloads: Downloads, hub: HubServer, tmp_path: Path, library: Library) -> None:
    ids: list[str] = []
    gate = threading.Barrier(3, timeout=20)
    for number in range(3):
        content = _weights(tmp_path, number)
        hub.repositories[f"org/{number}"] = Repository({f"e{number}.safetensors": content})
        ids.append(downloads.add(downloads.plan(f"org/{number}")))
    hub.pace = lambda sent: gate.wait() and None if sent == 0 else None  # all three have to be there at once
    events = list(downloads.run_all(ids))
    assert {event.download for event in events if isinstance(event, DownloadDone)} == set(ids)
    assert sorted(entry.name for entry in library.entries()) == ["e0", "e1", "e2"]


def test_one_download_at_a_time_by_one_program(downloads: Downloads, hub: HubServer, lora_file: bytes) -> None:
    id = downloads.add(downloads.plan("org/style"))
    running = downloads.run(id)
    next(running)
    second = list(downloads.run(id))
    assert isinstance(second[-1], DownloadFailed) and "under way in another window" in second[-1].message
    with pytest.raises(KnownError, match="under way"):
        downloads.remove(id)
    *_, last = running
    assert isinstance(last, DownloadDone)
    downloads.remove(id)
    assert downloads.items() == []


def test_xet_storage(downloads: Downloads, hub: HubServer, models: Path, tmp_path: Path) -> None:
    import hf_xet

    content = _weights(tmp_path, 3, 1500)
    storage = f"local://{tmp_path / 'cas'}"
    (tmp_path / "cas").mkdir()
    with hf_xet.XetSession().new_upload_commit(endpoint=storage) as commit:
        upload = commit.start_upload_bytes(content)
    repository = Repository({"e.safetensors": content}, xet_storage=storage)
    repository.xet["e.safetensors"] = upload.result().xet_info.hash
    hub.repositories["org/xet"] = repository
    id = downloads.add(downloads.plan("org/xet"))
    part = models / ".downloads" / id / "files" / "e.safetensors"
    part.parent.mkdir(parents=True)
    part.write_bytes(content[:700_000])  # as an earlier attempt left it
    downloads._store.set_etag(id, "e.safetensors", sha256(content))
    first, *_, last = downloads.run(id)
    assert isinstance(first, DownloadStarted) and first.resumed == 700_000
    assert isinstance(last, DownloadDone), last
    assert (models / "embeddings" / "e.safetensors").read_bytes() == content
    assert hub.served("cdn") == []


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("org/name", HubSource("org/name")),
        (" hf://org/name ", HubSource("org/name")),
        ("org/name@v1.0", HubSource("org/name", "v1.0")),
        ("org/name@refs/pr/1:sub/a.safetensors", HubSource("org/name", "refs/pr/1", "sub/a.safetensors")),
        ("https://huggingface.co/org/name", HubSource("org/name")),
        ("https://huggingface.co/org/name/tree/fp16", HubSource("org/name", "fp16")),
        (
            "https://huggingface.co/org/name/blob/main/a%20b.safetensors?download=true",
            HubSource("org/name", "main", "a b.safetensors"),
        ),
        ("https://example.org/x?token=1", LinkSource("https://example.org/x?token=1")),
    ],
)
def test_sources(text: str, source: object) -> None:
    assert parse_source(text) == source


@pytest.mark.parametrize("text", ["", "name", "org/../name", "a/b/c", "ftp://x/y", "http://10.0.0.1/a", "https://[::1"])
def test_sources_that_are_none(text: str) -> None:
    with pytest.raises(InvalidValue):
        parse_source(text)


def test_where_a_folder_cannot_be_written(library: Library, hub: HubServer, lora_file: bytes, models: Path) -> None:
    downloads = Downloads(library, tokens=lambda _host: "")
    id = downloads.add(downloads.plan("org/style"))
    (models / ".downloads").rmdir() if (models / ".downloads").exists() else None
    (models / ".downloads").write_text("a file where a folder is needed")
    last = list(downloads.run(id))[-1]
    assert isinstance(last, DownloadFailed) and "cannot be" in last.message
