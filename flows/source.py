"""Find a source file and bring it here: addresses in, a local file with its fingerprint and format out.

Knows nothing of contracts' columns; what is in the file is extract.py's. Errors that may heal by themselves
are SourceUnavailable, which the flow's task tries again; all others stay.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts.errors import ConfigError, ToolError
from flows.addresses import check, discover, expand, is_remote, is_web, local_path
from flows.sniff import Compression, Format, sniff

__all__ = [
    "Listing",
    "SourceFile",
    "SourceMissing",
    "SourceRefused",
    "SourceUnavailable",
    "discover",
    "expand",
    "fetch",
    "look",
]

BLOCK_BYTES = 1 << 20  # one read for the fingerprint; larger ones are not faster


class SourceMissing(ToolError):
    """There is no such file, or we may not read it: trying again will not help."""


class SourceRefused(SourceMissing):
    """The store answers, and says that we may not read it."""


class SourceUnavailable(ToolError):
    """The file could not be had just now: the network, or a server in trouble. Trying again may help."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What is known of a file without reading it. Equal listings mean the same bytes.

    Attributes:
        size: in bytes, if the server says.
        modified: ISO time in UTC, if the server says.
    """

    address: str
    size: int | None
    etag: str | None
    modified: str | None


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that lies here whole, with its fingerprint."""

    address: str
    path: Path
    size: int
    etag: str | None
    modified: str | None
    sha256: str
    format: Format
    compression: Compression | None

    def __str__(self) -> str:
        packed = f", {self.compression}" if self.compression else ""
        return f"{self.address} ({self.size:,} bytes of {self.format}{packed}, sha256 {self.sha256[:12]})"


def look(address: str) -> Listing:
    """What is known of the file without reading it.

    Raises:
        ConfigError: the address is of no kind that Sluice opens, or is a folder, a pipe or a device.
        SourceMissing: there is no such file, or no right to read it.
        SourceUnavailable: the server did not answer, or is in trouble.
    """
    check(address)
    if is_remote(address):
        found: Listing = _remote(address).look_remote(address)
        return found
    try:
        facts = local_path(address).stat()
    except (FileNotFoundError, NotADirectoryError):
        raise SourceMissing(f"{address}: no such file; see the path, or name another with --url") from None
    except OSError as error:
        raise SourceMissing(f"{address}: cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(facts.st_mode):
        kind = "a folder" if stat.S_ISDIR(facts.st_mode) else "a pipe, socket or device"
        raise ConfigError(f"{address}: is {kind}; name the file itself, as in --url 'folder/name_{{batch}}.csv'")
    modified = datetime.fromtimestamp(facts.st_mtime_ns // 1000 / 1e6, UTC).isoformat()
    return Listing(address, facts.st_size, None, modified)


def fetch(listing: Listing, folder: Path, progress: Callable[[int], None] | None = None) -> SourceFile:
    """The file itself: a local one stays where it is, others are downloaded under `folder`.

    Args:
        progress: is called with the number of bytes of each piece that came in.

    Raises:
        DataError: what came is neither CSV nor Parquet, or is empty.
        SourceMissing, SourceUnavailable: as `look`; a short or changed body is unavailable.
    """
    if is_remote(listing.address):
        path, listing = _remote(listing.address).download(listing, folder, progress)
        progress = None
    else:
        path = local_path(listing.address).resolve()
    kind = sniff(path, listing.address)
    size, sha256 = _fingerprint(path, listing.address, progress)
    return SourceFile(
        listing.address, path, size, listing.etag, listing.modified, sha256, kind.format, kind.compression
    )


def _remote(address: str) -> Any:
    """The module that reaches the address; loaded only when needed, for each brings a client of its own."""
    from flows import buckets, download

    return download if is_web(address) else buckets


def _fingerprint(path: Path, address: str, progress: Callable[[int], None] | None) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
                size += len(block)
                if progress is not None:
                    progress(len(block))
    except OSError as error:
        raise SourceMissing(f"{address}: cannot be read: {error.strerror}") from None
    return size, digest.hexdigest()
