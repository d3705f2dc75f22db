"""Values and errors of the package: Listing, SourceFile, and why a file could not be had."""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal, NoReturn

from sluice.contract.errors import ToolError

Format = Literal["csv", "parquet", "json", "excel"]
Compression = Literal["gzip", "zstd", "bzip2", "xz", "zip"]

BLOCK_BYTES = 1 << 20  # one read of a file or a download; larger ones are not faster


class SourceMissing(ToolError):
    """There is no such file, or we may not read it: trying again will not help."""


class SourceRefused(SourceMissing):
    """The store answers, and says that we may not read it."""


class SourceUnreadable(ToolError):
    """The file is there, but cannot be read: its rights, or its disk."""


class SourceUnavailable(ToolError):
    """The file could not be had just now: the network, or a server in trouble. Trying again may help."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What is known of a file without reading it. Equal listings mean the same bytes.

    Attributes:
        address: its name, where it is an `Address`.
        size: in bytes, if the server says.
        modified: ISO time in UTC, if the server says.
        parts: of a batch of several files, each file, in the order in which their rows are numbered.
        spelt: of such a batch, the columns that paths give and whose value only spells its name.
    """

    address: str
    size: int | None
    etag: str | None
    modified: str | None
    parts: tuple[Listing, ...] = ()
    spelt: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that lies here whole, with its fingerprint.

    Attributes:
        address: where it came from, without secrets.
        format: of an archive, that of its first file with rows; `table` for a batch of a table, which is not a file.
        stamp: what was true of the file while its fingerprint was taken. A file replaced since has another.
        path: a folder, where the delivery is all files in it.
        member: of an archive, where one of its files is meant.
        values: of a file in a folder, the columns that its path gives its rows.
        parts: of a batch of several files, each file; its path is then that of the first.
        sha256: empty of a member of an archive and of a file in a folder, which have one in common.
    """

    address: str
    path: Path
    size: int
    etag: str | None
    modified: str | None
    sha256: str
    format: Format | Literal["table"]
    compression: Compression | None
    stamp: tuple[int, ...]
    member: str = ""
    values: tuple[tuple[str, str | None], ...] = ()
    parts: tuple[SourceFile, ...] = ()

    def is_same(self) -> bool:
        """Whether the file that lies there now is the one whose fingerprint this is."""
        if self.parts:
            return all(part.is_same() for part in self.parts)
        try:
            return stamp_of(self.path) == self.stamp
        except OSError:
            return False

    def __str__(self) -> str:
        packed = f", {self.compression}" if self.compression else ""
        several = f" in {len(self.parts)} files" if self.parts else ""
        return f"{self.address} ({self.size:,} bytes of {self.format}{packed}{several}, sha256 {self.sha256[:12]})"


def stamp(facts: os.stat_result) -> tuple[int, ...]:
    """Size, times, and which file it is: writing to a file or replacing it changes one of them."""
    return facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino


def stamp_of(path: Path) -> tuple[int, ...]:
    """The stamp of a file; of a folder, one that writing to a file in it, adding or removing one changes."""
    if not path.is_dir():
        return stamp(path.stat())
    digest, size, newest = sha256(), 0, 0
    for file in walked(path):
        facts = file.stat()
        digest.update(f"{file.relative_to(path)}\0{stamp(facts)}\0".encode("utf-8", "surrogateescape"))
        size, newest = size + facts.st_size, max(newest, facts.st_mtime_ns)
    return size, newest, int.from_bytes(digest.digest()[:8])


def walked(folder: Path) -> list[Path]:
    """The files of a folder and of those in it, in the order of their paths.

    Names that begin with `_` or `.` are left out, as Hive and Spark do (`_SUCCESS`, `.part-0.parquet.crc`).

    Raises:
        OSError: one of these folders cannot be listed.
    """

    def refuse(error: OSError) -> NoReturn:
        raise OSError(error.errno, f"{error.strerror} (in {os.path.relpath(error.filename, folder)})") from None

    found = []
    for above, folders, names in os.walk(folder, onerror=refuse):  # links to folders are not followed
        folders[:] = [name for name in folders if not name.startswith(("_", "."))]
        found += [Path(above, name) for name in names if not name.startswith(("_", "."))]
    return sorted(found)
