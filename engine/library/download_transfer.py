"""Bring one file to the disk: from where the last attempt ended, over xet or HTTP, and compare its hash."""

from __future__ import annotations

import errno
import hashlib
import re
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from os import SEEK_END
from pathlib import Path
from typing import Any

from engine.errors import BadFile, Cancelled, KnownError
from engine.library.download_hub import TIMEOUT, NoConnection, Tokens, explained, headers_for
from engine.library.hashes import CHUNK_BYTES
from engine.library_messages import PlannedFile

_DISK_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


class WrongHash(BadFile):
    """The bytes that came are not those that the server names."""


class Transfer:
    """One file on its way to `part`; `etag` is what the bytes there belong to, kept by `keep` for the next start.

    `hub` says that the file's address names a commit, so that its bytes never change.
    """

    def __init__(self, file: PlannedFile, part: Path, *, hub: bool, etag: str, keep: Callable[[str], None]) -> None:
        self.file = file
        self.part = part
        self._hub = hub
        self._etag = etag
        self._keep = keep

    def run(self, tokens: Tokens, cancel: threading.Event) -> Generator[int]:
        """Fetch what is missing; yields the bytes there are after each piece.

        Raises:
            NoConnection: trying again may help.
            KnownError: it will not (no access, gone, disk full).
            Cancelled: `cancel` was set; what is there stays.
        """
        offset = self.part.stat().st_size if self.part.exists() else 0
        if offset > self.file.size >= 0:
            offset = 0
        if offset == self.file.size:
            self.part.touch()  # of an empty file there is nothing to fetch
            return
        with explained(f"The file {self.file.name}", self.file.url), self._open(offset, tokens) as (start, chunks):
            try:
                with self.part.open("r+b" if self.part.exists() else "wb", buffering=0) as out:
                    if out.seek(0, SEEK_END) != start:
                        out.truncate(start)
                        out.seek(start)
                    for chunk in chunks:
                        _write(out, chunk)
                        yield out.tell()
                        if cancel.is_set():
                            raise Cancelled
            except OSError as error:
                if error.errno in _DISK_FULL:
                    raise KnownError(
                        f"The disk that holds {self.part.parent} is full; free some space and go on with the download."
                    ) from error
                raise
        done = self.part.stat().st_size
        if done < self.file.size:
            raise NoConnection(
                f"The connection for {self.file.name} ended after {done:,} bytes; it will be tried again."
            )
        if done > self.file.size >= 0:
            self.part.unlink()
            raise WrongHash(f"The server sends more of {self.file.name} than its {self.file.size:,} bytes; try again.")

    def verify(self, cancel: threading.Event) -> str:
        """The SHA-256 of the whole file; `WrongHash`, and the file is gone, if the server named another one."""
        whole, blob = hashlib.sha256(), hashlib.sha1(usedforsecurity=False)
        blob.update(b"blob %d\0" % self.part.stat().st_size)
        with self.part.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                if cancel.is_set():
                    raise Cancelled
                whole.update(chunk)
                blob.update(chunk)
        named = self.file.sha256
        by_git = not named and self._hub and re.fullmatch(r"[0-9a-f]{40}", self.file.etag)
        wrong = (named and named != whole.hexdigest()) or (by_git and self.file.etag != blob.hexdigest())
        if wrong:
            self.part.unlink()
            raise WrongHash(
                f"The file {self.file.name} arrived damaged: its hash is {whole.hexdigest()[:12]}..., "
                f"but {(named or self.file.etag)[:12]}... was promised; fetch it again, or from another place."
            )
        return whole.hexdigest()

    @contextmanager
    def _open(self, offset: int, tokens: Tokens) -> Generator[tuple[int, Iterator[bytes]]]:
        """Where the bytes begin, and the bytes."""
        if self._hub:
            with self._open_hub(offset, tokens) as opened:
                yield opened
        else:
            with self._open_http(offset, tokens) as opened:
                yield opened

    @contextmanager
    def _open_hub(self, offset: int, tokens: Tokens) -> Generator[tuple[int, Iterator[bytes]]]:
        from huggingface_hub import constants
        from huggingface_hub.file_download import get_hf_file_metadata
        from huggingface_hub.utils._runtime import is_xet_available

        headers = headers_for(self.file.url, tokens)
        metadata = get_hf_file_metadata(self.file.url, headers=headers, timeout=TIMEOUT)
        etag = metadata.etag or ""
        if offset and etag != self._etag:
            offset = 0
        self._remember(etag)
        xet: Any = metadata.xet_file_data
        if xet is not None and is_xet_available() and not constants.HF_HUB_DISABLE_XET:
            with _open_xet(xet, self.file.size, offset, headers) as chunks:
                yield offset, chunks
        else:
            with self._open_http(offset, tokens) as opened:
                yield opened

    @contextmanager
    def _open_http(self, offset: int, tokens: Tokens) -> Generator[tuple[int, Iterator[bytes]]]:
        from huggingface_hub import get_session

        headers = headers_for(self.file.url, tokens)
        if offset and not self._etag:
            offset = 0  # nothing tells whether the bytes there belong to what the server has now
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if not self._hub and not self._etag.startswith("W/"):
                headers["If-Range"] = self._etag
        with get_session().stream("GET", self.file.url, headers=headers, timeout=TIMEOUT) as response:
            if response.status_code == 416:
                self.part.unlink(missing_ok=True)
                raise NoConnection(f"The server has another {self.file.name} now; it is fetched from its beginning.")
            response.raise_for_status()
            said = response.headers
            etag = self._etag if self._hub else said.get("ETag", "") or said.get("Last-Modified", "")
            ranged = re.match(r"bytes (\d+)-", said.get("Content-Range", "")) if response.status_code == 206 else None
            if response.status_code == 206 and (ranged is None or int(ranged[1]) != offset or etag != self._etag):
                self.part.unlink(missing_ok=True)
                raise NoConnection(f"The server has another {self.file.name} now; it is fetched from its beginning.")
            self._check_size(said)
            self._remember(etag)
            yield offset if response.status_code == 206 else 0, response.iter_bytes()

    def _check_size(self, said: Any) -> None:
        """Raise `BadFile` where the whole file is not as long as it was when the download was planned."""
        total = said.get("Content-Range", "").rpartition("/")[2] or said.get("Content-Length", "")
        if total.isdigit() and "Content-Encoding" not in said and int(total) != self.file.size >= 0:
            raise BadFile(
                f"The file {self.file.name} has {int(total):,} bytes now, not {self.file.size:,} as at the beginning; "
                "remove the download and begin it again."
            )

    def _remember(self, etag: str) -> None:
        if etag != self._etag:
            # The bytes of the old one go first: a crash in between must not pair them with the new mark.
            self.part.unlink(missing_ok=True)
            self._etag = etag
            self._keep(etag)


@contextmanager
def _open_xet(xet: Any, size: int, offset: int, headers: dict[str, str]) -> Generator[Iterator[bytes]]:
    """The bytes of a file in the hub's content-addressed storage, from `offset` on."""
    from hf_xet import XetFileInfo, XetSession  # pyright: ignore[reportMissingTypeStubs, reportAttributeAccessIssue]
    from huggingface_hub.utils._xet import refresh_xet_connection_info, xet_headers_without_auth

    connection = refresh_xet_connection_info(file_data=xet, headers=headers)
    try:
        group = XetSession().new_download_stream_group(
            endpoint=connection.endpoint,
            token=connection.access_token,
            token_expiry_unix_secs=connection.expiration_unix_epoch,
            token_refresh_url=xet.refresh_route,
            token_refresh_headers=headers,
            custom_headers=xet_headers_without_auth(headers),
        )
        stream = group.download_stream(XetFileInfo(xet.file_hash, size), start=offset)
        try:
            yield _known_errors(stream)
        finally:
            stream.cancel()
            group.abort()
    except RuntimeError as error:
        raise NoConnection(f"The hub's storage fails ({error}); it will be tried again.") from error


def _known_errors(stream: Iterator[Any]) -> Iterator[bytes]:
    try:
        for chunk in stream:
            yield bytes(chunk)
    except (RuntimeError, OSError) as error:
        raise NoConnection(f"The hub's storage fails ({error}); it will be tried again.") from error


def _write(out: Any, chunk: bytes) -> None:
    """Write all of `chunk` to an unbuffered file, which may take less at a time."""
    view = memoryview(chunk)
    while view:
        view = view[out.write(view) :]
