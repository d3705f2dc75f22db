"""Bring a file from a web server, whole or not at all.

fsspec gives the session and its event loop; the requests are made here, because its own file objects follow
redirects anywhere, call a server error "file not found" and take a body cut short for a whole one.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies

import aiohttp
import fsspec
from aiohttp.abc import AbstractResolver, ResolveResult
from fsspec.asyn import sync

from sluice.contract.errors import ConfigError, ToolError
from sluice.project.atomic import replacing
from sluice.source import allowed
from sluice.source.addresses import Address, check
from sluice.source.download_cache import here, place_for
from sluice.source.files import BLOCK_BYTES, Listing, SourceMissing, SourceUnavailable

REDIRECTS = 5
# Seconds: to connect, between two reads of the body, and for all of it (a file of 5 GB at 1.5 MB/s).
TIMEOUT = aiohttp.ClientTimeout(total=3600, connect=15, sock_read=60)
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_NO_HEAD = {403, 405, 501}  # servers that answer GET only; addresses signed for GET only
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "sluice"}  # not packed on the way
_Result = TypeVar("_Result")


def look_remote(address: str) -> Listing:
    """What the server says of the file, without its body. Raises as `sluice.source.files.look`."""
    named = Address(address)
    return _run(_look(named), named)


def download(listing: Listing, folder: Path, progress: Callable[[int], None] | None) -> tuple[Path, Listing]:
    """The file under `folder`, and the listing of what came: the file may have been replaced since the look.

    A file that is there already, under the key of its address, size, ETag and time, is not fetched again.
    Until the body is whole and of the right length, it has another name.
    """
    return _run(_download(listing, folder, progress), Address(listing.address))


def _run(work: Coroutine[Any, Any, _Result], address: Address) -> _Result:
    try:
        return sync(_files().loop, lambda: work)
    except ConfigError as error:
        raise error if address in str(error) else ConfigError(f"{address}: {error}") from None
    except (TimeoutError, fsspec.exceptions.FSTimeoutError):
        raise SourceUnavailable(f"{address}: the server did not respond in time; try again later") from None
    except aiohttp.InvalidURL:
        raise ConfigError(f"{address}: not a valid web address") from None
    except aiohttp.ClientPayloadError as error:
        raise SourceUnavailable(f"{address}: the response was truncated ({_first_line(error)}); try again") from None
    except aiohttp.ClientError as error:
        raise SourceUnavailable(
            f"{address}: {_first_line(error, address)}; check the network, then try again"
        ) from None


def _first_line(error: Exception, address: Address | None = None) -> str:
    said = (str(error) or type(error).__name__).splitlines()[0]
    return said.replace(address.real, address) if address else said


def _files() -> Any:
    client = {"trust_env": True, "timeout": TIMEOUT, "auto_decompress": False}
    return fsspec.filesystem("https", client_kwargs=client, get_client=_session)


async def _session(**options: Any) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=_Guarded()), **options)


class _Guarded(AbstractResolver):
    """Looks at what a name resolves to, and connects to nothing else: no second answer can lead elsewhere."""

    def __init__(self) -> None:
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if host not in {urlsplit(proxy).hostname for proxy in getproxies().values()}:
            allowed.refuse_inward(f"http://{host}", [each["host"] for each in found])
        return found

    async def close(self) -> None:
        await self._resolver.close()


async def _refuse_inward(address: str) -> None:
    """Before the request: a host written as a number is not resolved, and a proxy would resolve a name itself."""
    try:
        parts = urlsplit(address)
        found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM)
    except OSError:
        found = []  # the request says so, or a proxy knows the name
    allowed.refuse_inward(address, [str(each[4][0]) for each in found])


@asynccontextmanager
async def _request(method: str, address: Address) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer to a request, after redirects within the host, if it is a good one."""
    session = await _files().set_session()
    at = address.real
    for _ in range(REDIRECTS + 1):
        await _refuse_inward(at)
        async with session.request(method, at, allow_redirects=False, headers=_HEADERS) as answer:
            if answer.status not in (301, 302, 303, 307, 308):
                if not (method == "HEAD" and answer.status in _NO_HEAD):
                    _check_status(answer.status, address)
                yield answer
                return
            target = check(urljoin(at, answer.headers.get("Location", "")))
        if not _same_place(at, target):
            raise ConfigError(
                f"{address}: the server redirects to another host, {_place(target)}; if you trust it, use that address"
            )
        at = target
    raise ToolError(f"{address}: was redirected more than {REDIRECTS} times; use the final address of the file")


def _same_place(old: str, new: str) -> bool:
    """Same host and port; or the same host, from http to https."""
    a, b = urlsplit(old), urlsplit(new)
    upgraded = (a.scheme, b.scheme) == ("http", "https") and a.port is None and b.port is None
    return a.hostname == b.hostname and (upgraded or (a.scheme, a.port) == (b.scheme, b.port))


def _place(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _check_status(status: int, address: str) -> None:
    if status == 200:
        return
    if status in _TRANSIENT or status >= 500:
        raise SourceUnavailable(f"{address}: the server reports an error (HTTP {status}); try again later")
    meaning = {
        404: "the file does not exist on the server; has the provider published the batch?",
        410: "the file is gone from the server",
        401: "the server requires a login",
        403: "the server refuses the file, or does not have it (TLC's server does so for future months)",
    }.get(status, "the server does not deliver the file; open the address in a browser to see why")
    raise SourceMissing(f"{address}: HTTP {status}: {meaning}")


async def _look(address: Address) -> Listing:
    async with _request("HEAD", address) as answer:
        if answer.status not in _NO_HEAD:
            return _listing(address, answer)
    async with _request("GET", address) as answer:
        return _listing(address, answer)


def _listing(address: Address, answer: aiohttp.ClientResponse) -> Listing:
    modified = answer.headers.get("Last-Modified")
    try:
        at = parsedate_to_datetime(modified).astimezone(UTC).isoformat() if modified else None
    except ValueError:
        at = None
    length = answer.headers.get("Content-Length", "")
    return Listing(address, int(length) if length.isdigit() else None, answer.headers.get("ETag"), at)


async def _download(listing: Listing, folder: Path, progress: Callable[[int], None] | None) -> tuple[Path, Listing]:
    if (known := here(listing, folder)) is not None:
        return known, listing
    address = Address(listing.address)
    async with _request("GET", address) as answer:
        came = _listing(address, answer)
        if listing.size is not None and came.size is None:
            came = replace(came, size=listing.size)
        whole = came.size is not None or answer.headers.get("Transfer-Encoding", "").lower() == "chunked"
        if not whole:
            raise ToolError(
                f"{listing.address}: the server does not say how long the file is, so a truncated one could "
                "not be detected; download it manually and use its path"
            )
        path = place_for(came, folder)
        await _write(answer, came, path, progress)
    return path, came


async def _write(
    answer: aiohttp.ClientResponse, came: Listing, path: Path, progress: Callable[[int], None] | None
) -> None:
    size = 0
    try:
        with replacing(path) as part:
            with part.open("wb") as file:
                async for block in answer.content.iter_chunked(BLOCK_BYTES):
                    file.write(block)
                    size += len(block)
                    if progress is not None:
                        progress(len(block))
            if came.size is not None and size != came.size:
                raise SourceUnavailable(f"{came.address}: {size:,} of {came.size:,} bytes arrived; try again")
    except OSError as error:
        if isinstance(error, aiohttp.ClientError | TimeoutError):
            raise
        raise ToolError(f"{came.address}: cannot write {path}: {error.strerror}; is the disk full?") from None
