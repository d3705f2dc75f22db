"""Look up a source file and bring it here with its fingerprint."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluice.contract.errors import ConfigError
from sluice.source import allowed
from sluice.source.addresses import Address, check, is_remote, is_web, local_path
from sluice.source.files import (
    BLOCK_BYTES,
    Listing,
    SourceFile,
    SourceMissing,
    SourceUnavailable,
    SourceUnreadable,
    stamp,
    stamp_of,
    walked,
)
from sluice.source.parts import folder, several
from sluice.source.sniff import sniff

HERE = "./"  # the folder that a path without one is in


def look(address: str) -> Listing:
    """What is known of the file without reading it.

    Raises:
        ConfigError: the address is of no kind that Sluice opens, or is a pipe or a device; or the project's
            configuration does not allow its host or folder.
        SourceMissing: there is no such file, or a server refuses it.
        SourceUnreadable: it is there, but this user may not read it, or the disk fails.
        SourceUnavailable: the server did not answer, or is in trouble.
    """
    address = Address(address)
    check(address.real)
    if is_remote(address):
        found: Listing = _remote(address).look_remote(address)
        return found
    path = local_path(address.real)
    try:
        allowed.refuse_outside(path, address)
        facts = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise SourceMissing(f"{address}: no such file; check the path, or use another with --url") from None
    except (OSError, RuntimeError) as error:  # before Python 3.13, links in a circle are a RuntimeError
        raise SourceUnreadable(f"{address}: cannot be read: {_why(error)}") from None
    if stat.S_ISDIR(facts.st_mode):
        return _look_into(path, address)
    if not stat.S_ISREG(facts.st_mode):
        raise ConfigError(
            f"{address}: is a pipe, socket or device; name the file itself, as in --url 'folder/name_{{batch}}.csv'"
        )
    return Listing(address, facts.st_size, None, _iso(facts.st_mtime_ns))


def listed(address: str) -> dict[str, Listing]:
    """The files below a folder of this machine, a bucket or a block, by their paths from there, in their order.

    Names that begin with `_` or `.` are left out, as in a folder that is one delivery.

    Raises:
        ConfigError: the address cannot be listed, as that of a web server; else as `look`.
    """
    address = Address(address)
    check(f"{address.real}x")  # a file in it
    if is_web(address):
        raise ConfigError(f"{address}: a web server cannot be listed; name each batch in the url, with {{batch}}")
    found = _remote(address).find(address) if is_remote(address) else _below(address)
    return {path: found[path] for path in sorted(found) if not any(p.startswith(("_", ".")) for p in path.split("/"))}


def _below(address: Address) -> dict[str, Listing]:
    path = local_path(address.real)
    try:
        allowed.refuse_outside(path, address)
        if not path.is_dir():
            raise SourceMissing(f"{address}: no such folder; check the path, or use another with --url")
        names = {file.relative_to(path).as_posix(): file for file in walked(path)}
    except (OSError, RuntimeError) as error:
        raise SourceUnreadable(f"{address}: cannot be read: {_why(error)}") from None
    prefix = "" if address == HERE else address.real
    return {name: _known(file, Address(f"{prefix}{name}")) for name, file in names.items()}


def _known(file: Path, address: Address) -> Listing:
    """What is known of a file in a folder: nothing yet, if looking at it alone says what is wrong with it."""
    try:
        facts = file.stat()
    except (OSError, RuntimeError):
        return Listing(address, None, None, None)
    if not stat.S_ISREG(facts.st_mode):
        return Listing(address, None, None, None)
    return Listing(address, facts.st_size, None, _iso(facts.st_mtime_ns))


def _look_into(path: Path, address: str) -> Listing:
    """As `look`, of a folder, whose files are one delivery."""
    folder.files_in(path, address)
    try:
        size, newest, digest = stamp_of(path)
    except OSError as error:
        raise SourceUnreadable(f"{address}: cannot be read: {_why(error)}") from None
    return Listing(address, size, f"{digest:016x}", _iso(newest))


def _iso(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds // 1000 / 1e6, UTC).isoformat()


def fetch(listing: Listing, into: Path, progress: Callable[[int], None] | None = None) -> SourceFile:
    """The file itself: a local one stays where it is, others are downloaded under `into`.

    Args:
        progress: is called with the number of bytes of each piece that came in.

    Raises:
        DataError: what came is neither CSV nor Parquet, or is empty.
        SourceMissing, SourceUnreadable, SourceUnavailable: as `look`; a short or changed body is unavailable.
    """
    if listing.parts:
        known = (part if part.etag or part.modified else look(part.address) for part in listing.parts)
        return _together(listing, tuple(fetch(part, into, progress) for part in known))
    if is_remote(listing.address):
        path, listing = _remote(listing.address).download(listing, into, progress)
        progress = None
    else:
        path = _resolved(listing.address)
    name = str(listing.address)
    try:
        if path.is_dir():
            kind = sniff(folder.files_in(path, name)[0], name)
            size, sha256, bytes_of = _fingerprint_of_folder(path, name, progress)
        else:
            kind = sniff(path, name)
            size, sha256, bytes_of = _fingerprint(path, name, progress)
    except FileNotFoundError:
        raise SourceMissing(f"{name}: the file has disappeared; was it moved? Run again when it is back") from None
    except OSError as error:
        raise SourceUnreadable(f"{name}: cannot be read: {_why(error)}") from None
    modified = listing.modified if is_remote(listing.address) else _iso(bytes_of[1])  # it may be a later one
    return SourceFile(name, path, size, listing.etag, modified, sha256, kind.format, kind.compression, bytes_of)


def _together(listing: Listing, parts: tuple[SourceFile, ...]) -> SourceFile:
    """Several files as one delivery."""
    parts = tuple(replace(part, values=several.values_of(part.address)) for part in parts)
    size, sha256 = sum(part.size for part in parts), several.sha256_of(parts, listing.spelt)
    etag, modified, kind = several.etag_of(parts), several.newest(parts), parts[0].format
    return SourceFile(str(listing.address), parts[0].path, size, etag, modified, sha256, kind, None, (), parts=parts)


def _resolved(address: str) -> Path:
    """Where a local file lies, links followed, as they are now."""
    try:
        path = local_path(Address(address).real).resolve()
        allowed.refuse_outside(path, address)
    except (OSError, RuntimeError) as error:
        raise SourceUnreadable(f"{address}: cannot be read: {_why(error)}") from None
    return path


def _why(error: OSError | RuntimeError) -> str:
    return getattr(error, "strerror", None) or str(error)


def _remote(address: str) -> Any:
    """The module that reaches the address; loaded only when needed, because each imports a different client."""
    from sluice.source import buckets, web

    return web if is_web(address) else buckets


def _fingerprint(path: Path, name: str, progress: Callable[[int], None] | None) -> tuple[int, str, tuple[int, ...]]:
    """Size and SHA-256 of a file, and the stamp by which a reader knows that it is still the same one."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        before = stamp(os.fstat(file.fileno()))
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
            size += len(block)
            if progress is not None:
                progress(len(block))
        after = stamp(os.fstat(file.fileno()))
    if before != after or size != after[0]:
        raise SourceUnavailable(f"{name}: changed while it was read; run again when it is complete")
    return size, digest.hexdigest(), after


def _fingerprint_of_folder(
    path: Path, name: str, progress: Callable[[int], None] | None
) -> tuple[int, str, tuple[int, ...]]:
    """As `_fingerprint`, over the paths and fingerprints of all files."""
    digest, before = hashlib.sha256(), stamp_of(path)
    for file in folder.files_in(path, name):
        _, sha256, _ = _fingerprint(file, f"{name}/{file.relative_to(path)}", progress)
        digest.update(f"{file.relative_to(path)}\0{sha256}\0".encode("utf-8", "surrogateescape"))
    if before != stamp_of(path):
        raise SourceUnavailable(f"{name}: a file in it changed while it was read; run again when it is complete")
    return before[0], digest.hexdigest(), before
