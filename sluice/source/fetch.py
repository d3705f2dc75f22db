"""Look up a source file and bring it here with its fingerprint."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluice.contract.errors import ConfigError
from sluice.source.addresses import check, is_remote, is_web, local_path
from sluice.source.files import BLOCK_BYTES, Listing, SourceFile, SourceMissing
from sluice.source.sniff import sniff


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
    from sluice.source import buckets, web

    return web if is_web(address) else buckets


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
