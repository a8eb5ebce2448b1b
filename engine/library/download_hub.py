"""Ask the hub, or the server of a link, what there is to fetch: files, sizes, hashes, licence, whether it is gated."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from engine.errors import BadFile, InvalidValue, KnownError, MissingFile
from engine.library.credentials import read_token
from engine.library.download_files import choose_files, is_safe
from engine.library.download_source import HubSource, LinkSource, endpoint
from engine.library.files import check_name
from engine.library.scan import MODEL_ENDINGS
from engine.library_messages import DownloadPlan, PlannedFile

TIMEOUT = 10.0
Tokens = Callable[[str], str]


class NetworkOff(KnownError, ConnectionError):
    """The user allows no network."""


class NoConnection(KnownError, ConnectionError):
    """The server cannot be reached, or fails for now; trying again may help. `wait` is what it asks for in seconds."""

    def __init__(self, text: str, wait: float = 0.0) -> None:
        super().__init__(text)
        self.wait = wait


class NoAccess(KnownError, PermissionError):
    """The server wants a token, or the acceptance of terms, first."""

    def __str__(self) -> str:
        return str(self.args[0])


def check_network(off: bool) -> None:
    """Raise `NetworkOff` where no network may be used: `off`, or `HF_HUB_OFFLINE` is set."""
    from huggingface_hub import constants

    if off or constants.HF_HUB_OFFLINE:
        raise NetworkOff("The network is off; allow it in the settings, or unset HF_HUB_OFFLINE, to fetch models.")


def headers_for(url: str, tokens: Tokens = read_token) -> dict[str, str]:
    """What a request to `url` is sent with; a token goes to the host that it belongs to and to no other."""
    from huggingface_hub.utils import build_hf_headers

    host = urlsplit(url).hostname or ""
    return build_hf_headers(token=tokens(host) or False, library_name="sfumato") | {"Accept-Encoding": "identity"}


@contextmanager
def explained(what: str, page: str) -> Generator[None]:
    """Turn what the hub's client and the network raise into one sentence on `what`."""
    import httpx2
    from huggingface_hub import errors

    host = urlsplit(page).hostname or page
    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        raise NetworkOff("The network is off; unset HF_HUB_OFFLINE to fetch models.") from error
    except errors.GatedRepoError as error:
        raise NoAccess(
            f"{what} is gated: accept its terms at {page}, then store a token for {host} with `sfumato models token`."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise MissingFile(f"{what} has no such revision; check its name at {page}.") from error
    except errors.EntryNotFoundError as error:
        raise MissingFile(f"{what} is no longer there; look at {page}.") from error
    except errors.HFValidationError as error:
        raise InvalidValue(f"{what} is no name that the hub allows; write it as owner/name.") from error
    except httpx2.HTTPStatusError as error:
        raise _status(error.response, what, page) from error
    except errors.HfHubHTTPError as error:
        raise _status(error.response, what, page) from error
    except (httpx2.TransportError, ConnectionError) as error:
        if isinstance(error, KnownError):
            raise
        said = str(error) or type(error).__name__
        raise NoConnection(f"{host} cannot be reached ({said}); check the connection and try again.") from error
    except (httpx2.HTTPError, errors.FileMetadataError, ValueError) as error:
        if isinstance(error, KnownError):
            raise
        raise BadFile(f"{host} answers in a way that cannot be understood ({error}); check its address.") from error


def _status(response: Any, what: str, page: str) -> KnownError:
    code, host = response.status_code, urlsplit(page).hostname or page
    if code == 401:
        return NoAccess(
            f"{what} is private or does not exist: check its name at {page}, "
            f"or store a token for {host} with `sfumato models token`."
        )
    if code == 403:
        return NoAccess(f"{host} refuses access to {what}; look at {page}, and check the token that is stored for it.")
    if code in {404, 410}:
        return MissingFile(f"{what} does not exist at {host}; check its name.")
    if code in {408, 425, 429} or code >= 500:
        asked = response.headers.get("Retry-After", "")
        wait = float(asked) if re.fullmatch(r"\d{1,6}(\.\d+)?", asked) else 0.0
        why = "asks for patience" if code == 429 else "has a fault of its own"
        return NoConnection(f"{host} {why} ({code}); try again later.", wait)
    return BadFile(f"{host} answers {code} for {what}; look at {page}.")


def plan_hub(source: HubSource, variant: str, target: Path, free: int, tokens: Tokens = read_token) -> DownloadPlan:
    """What fetching `source` would bring; nothing but lists and `model_index.json` is read."""
    from huggingface_hub import HfApi, hf_hub_url

    base = endpoint()
    page = f"{base}/{source.repository}"
    token = tokens(urlsplit(base).hostname or "") or False
    with explained(f"The repository {source.repository}", page):
        api = HfApi(endpoint=base, token=token, library_name="sfumato")
        info = api.model_info(source.repository, revision=source.revision, files_metadata=True, timeout=TIMEOUT)
        siblings = {one.rfilename: one for one in info.siblings or ()}
        revision = info.sha or source.revision
        index = None
        if "model_index.json" in siblings and not source.file:
            url = hf_hub_url(source.repository, "model_index.json", revision=revision, endpoint=base)
            index = _index(url, tokens)
    chosen = choose_files(source.repository, siblings, index, source.file, variant)
    files = tuple(
        _planned(siblings[name], hf_hub_url(source.repository, name, revision=revision, endpoint=base))
        for name in chosen.names
    )
    name = source.repository.split("/")[1]
    return DownloadPlan(
        source=str(source),
        title=Path(source.file).name if source.file else source.repository,
        target=str(target / "diffusers" / name) if chosen.as_folder else str(target / Path(files[0].name).name),
        files=files,
        size=sum(file.size for file in files) if all(file.size >= 0 for file in files) else -1,
        free=free,
        licence=_licence(info),
        gated=str(info.gated or ""),
        page=page,
        revision=revision,
        variant=chosen.variant,
        others=chosen.variants,
        left_out=len(siblings) - len(files),
    )


def _index(url: str, tokens: Tokens) -> Mapping[str, Any]:
    from huggingface_hub import get_session
    from huggingface_hub.utils import hf_raise_for_status

    response = get_session().get(url, headers=headers_for(url, tokens), timeout=TIMEOUT)
    hf_raise_for_status(response)
    content = json.loads(response.content)
    if not isinstance(content, dict):
        raise BadFile("The repository's model_index.json is no JSON object; choose another revision.")
    return content


def _planned(sibling: Any, url: str) -> PlannedFile:
    lfs = sibling.lfs
    return PlannedFile(
        name=sibling.rfilename,
        url=url,
        size=sibling.size if sibling.size is not None else -1,
        sha256=(lfs.sha256 or "") if lfs is not None else "",
        etag=(lfs.sha256 if lfs is not None else sibling.blob_id) or "",
    )


def _licence(info: Any) -> str:
    card = info.card_data
    licence = card.get("license_name") or card.get("license") if card is not None else None
    if isinstance(licence, list):
        licence = ", ".join(map(str, licence))
    tagged = (tag.removeprefix("license:") for tag in info.tags or () if tag.startswith("license:"))
    return str(licence or next(tagged, ""))


def plan_link(source: LinkSource, target: Path, free: int, tokens: Tokens = read_token) -> DownloadPlan:
    """What the link brings, from the headers of its answer."""
    from huggingface_hub import get_session

    with explained(f"The file at {source.url}", source.url):
        headers = headers_for(source.url, tokens)
        with get_session().stream("GET", source.url, headers=headers, timeout=TIMEOUT) as response:
            response.raise_for_status()
            said = response.headers
            length = said.get("Content-Length", "")
            name = link_name(said.get("Content-Disposition", ""), str(response.url))
            kind = said.get("Content-Type", "").split(";")[0].strip().lower()
            etag = said.get("ETag", "") or said.get("Last-Modified", "")
    if kind == "text/html":
        raise NoAccess(f"{source.url} leads to a web page, not to a model; log in there and copy the link of the file.")
    if Path(name).suffix.lower() not in MODEL_ENDINGS:
        raise InvalidValue(f"{source.url} leads to the file {name!r}, which is no model; copy the link of the model.")
    size = int(length) if length.isdigit() else -1
    file = PlannedFile(name=name, url=source.url, size=size, sha256=source.sha256, etag=etag)
    return DownloadPlan(
        source=str(source), title=name, target=str(target / name), files=(file,), size=size, free=free, page=source.url
    )


def link_name(disposition: str, url: str) -> str:
    """The file name that a server gives, else the last part of the address; `InvalidValue` if it cannot be used."""
    message = Message()
    message["Content-Disposition"] = disposition or "attachment"
    name = message.get_filename() or unquote(urlsplit(url).path.rsplit("/", 1)[-1])
    name = name.strip().strip('"')
    if not is_safe(name):
        raise InvalidValue(f"The server names the file {name!r}, which would leave the library; copy another link.")
    return check_name(name)
