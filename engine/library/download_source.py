"""What the user asks for, in any of the ways it can be written: a repository of the hub, a file of it, a link."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

from engine.errors import InvalidValue

HUB = "https://huggingface.co"
_REPOSITORY = re.compile(r"(?:hf:(?://)?)?(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+?))?(?::(?P<file>[^:]+))?")
_HUB_HOSTS = {"huggingface.co", "hf.co", "www.huggingface.co"}


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository of the hub, or the one file `file` of it."""

    repository: str
    revision: str = "main"
    file: str = ""

    def __str__(self) -> str:
        revision = "" if self.revision == "main" else f"@{self.revision}"
        return f"{self.repository}{revision}" + (f":{self.file}" if self.file else "")


@dataclass(frozen=True, slots=True)
class LinkSource:
    """A plain link; `sha256` is the hash that the user says the file has."""

    url: str
    sha256: str = ""

    def __str__(self) -> str:
        return self.url + (f"#sha256={self.sha256}" if self.sha256 else "")


def endpoint() -> str:
    """The address of the hub, or of the mirror that `HF_ENDPOINT` names."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or HUB


def parse_source(text: str) -> HubSource | LinkSource:
    """`text` as a source: "owner/name", "owner/name@revision:file", or a link.

    Raises:
        InvalidValue: it is neither, or the link is not safe.
    """
    text = text.strip()
    if "://" in text and not text.startswith("hf:"):
        return _link(text)
    match = _REPOSITORY.fullmatch(text)
    if match is None or ".." in text:
        raise InvalidValue(
            f"{text!r} is neither a repository of the hub (owner/name, or owner/name:file) nor a link (https://...)."
        )
    return HubSource(match["name"], match["revision"] or "main", (match["file"] or "").strip("/"))


def _link(text: str) -> HubSource | LinkSource:
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError as error:
        raise InvalidValue(f"The link {text!r} cannot be read ({error}); copy it again.") from error
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise InvalidValue(f"The link {text!r} is not safe to fetch from; use one that begins with https://.")
    if host in _HUB_HOSTS or f"{parts.scheme}://{parts.netloc}" == endpoint():
        found = re.fullmatch(r"/([\w.-]+/[\w.-]+)(?:/(tree|blob|resolve)/([^/]+)(?:/(.*))?)?/?", unquote(parts.path))
        if found is not None:
            return HubSource(found[1], found[3] or "main", (found[4] or "") if found[2] != "tree" else "")
    stated = re.fullmatch(r"sha256=([0-9a-fA-F]{64})", parts.fragment)
    return LinkSource(urlunsplit(parts._replace(fragment="")), stated[1].lower() if stated else "")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
