"""What the model library and its downloads say to a front end: frozen, made of plain values, no torch and no Qt."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from engine.messages import event_name

# Kinds of files that a front end may offer as filters, in the order it lists them.
KINDS = (
    "checkpoint",
    "lora",
    "embedding",
    "vae",
    "controlnet",
    "unet",
    "text_encoder",
    "upscaler",
    "helper",
    "unknown",
)
DAMAGED = "damaged"

DownloadState = Literal["waiting", "running", "paused", "verifying", "done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """One model of the library: a file, or a folder of files that belong together.

    `kind` is one of `KINDS`, or "damaged" for the reason in `reason`; `family` is a catalogue's name or "unknown".
    `modified` is in seconds since 1970, `size` in bytes. `triggers` are the words that the model was trained with,
    `metadata` what its header says (empty in lists, see `Library.entry`). Hashes are empty until they are computed.
    """

    id: int
    path: str
    name: str
    root: str
    is_folder: bool
    size: int
    modified: float
    kind: str
    family: str
    variant: str = ""
    prediction: str = ""
    precision: str = ""
    layout: str = ""
    reason: str = ""
    supported: bool = True
    title: str = ""
    base: str = ""
    description: str = ""
    preview: str = ""
    triggers: tuple[str, ...] = ()
    notes: str = ""
    sha256: str = ""
    autov3: str = ""
    fingerprint: str = ""
    source: str = ""
    licence: str = ""
    in_cache: bool = False
    metadata: tuple[tuple[str, str], ...] = ()

    @property
    def autov2(self) -> str:
        """The ten digits by which A1111 and model sites name the file; empty until the hash is computed."""
        return self.sha256[:10]

    @property
    def location(self) -> str:
        """What a request names the model by."""
        return self.path

    def to_json(self) -> dict[str, Any]:
        """The entry as JSON values."""
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        return content | {"triggers": list(self.triggers), "metadata": dict(self.metadata), "autov2": self.autov2}


@dataclass(frozen=True, slots=True)
class ModelMarks:
    """By what a picture's recipe may name a model: its names and places, and its hashes and fingerprint."""

    names: tuple[str, ...]
    hashes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryEvent:
    """Something that happened while the library worked."""

    def to_json(self) -> dict[str, Any]:
        """The event as JSON values under its name in `event`."""
        content: dict[str, Any] = {"event": event_name(self)}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, ModelEntry):
                value = value.to_json()
            elif isinstance(value, DownloadPlan):
                value = value.to_json()
            content[field.name] = value
        return content


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanProgress(LibraryEvent):
    """`done` of `total` new or changed models are read."""

    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanDone(LibraryEvent):
    """The index is up to date: `models` are there; of these `added` and `changed` are new, and `removed` have gone.

    `problems` are sentences on folders that could not be read.
    """

    models: int
    added: int
    changed: int
    removed: int
    damaged: int
    seconds: float
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HashProgress(LibraryEvent):
    """`done` of `total` bytes of the model `name` are hashed."""

    name: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFile:
    """One file of a download: its place in the folder, its bytes (-1 unknown), and what the server says of it."""

    name: str
    url: str
    size: int
    sha256: str = ""
    etag: str = ""
    xet_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadPlan:
    """What would be fetched, known before anything is: shown to the user first.

    `gated` is "" or what the hub asks for ("auto", "manual"). `size` is -1 where the server does not say.
    `others` are the variants or files that could be chosen instead, `left_out` how many files are not needed.
    """

    source: str
    title: str
    target: str
    files: tuple[PlannedFile, ...]
    size: int
    free: int
    licence: str = ""
    gated: str = ""
    page: str = ""
    revision: str = ""
    variant: str = ""
    others: tuple[str, ...] = ()
    left_out: int = 0

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values."""
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        files = [{"name": file.name, "size": file.size, "sha256": file.sha256} for file in self.files]
        return content | {"files": files, "others": list(self.others)}


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadEvent(LibraryEvent):
    """Something that happened to the download `download`."""

    download: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadStarted(DownloadEvent):
    """The download is under way; `resumed` bytes were there already."""

    plan: DownloadPlan
    resumed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadProgress(DownloadEvent):
    """`done` of `total` bytes are on the disk (-1 unknown), at `speed` bytes a second, `seconds_left` to go."""

    file: str
    done: int
    total: int
    speed: float
    seconds_left: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadRetrying(DownloadEvent):
    """The server or the network failed as `message` says; it is tried again in `seconds`."""

    message: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadVerifying(DownloadEvent):
    """The bytes of `file` are compared with the hash that its server names."""

    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadPaused(DownloadEvent):
    """The download was left on request, or by the end of the program; what is there stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadDone(DownloadEvent):
    """The model is complete at `path`, its hashes as its server names them."""

    path: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadFailed(DownloadEvent):
    """The download ended with an error; what is there stays, so that it can go on later."""

    kind: str
    message: str
    wrong_input: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadItem:
    """One download as the list shows it, also after a restart."""

    id: str
    title: str
    source: str
    state: DownloadState
    done: int
    total: int
    speed: float = 0.0
    seconds_left: float | None = None
    message: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A model of the curated list: where it is, what it needs, and the settings it does well with."""

    name: str
    title: str
    source: str
    kind: str
    family: str
    licence: str
    size: int
    memory: int
    summary: str
    steps: int
    guidance: float
    scheduler: str
    width: int
    height: int
    variant: str = ""
    gated: bool = False
