"""The bytes of a file, unpacked, a block at a time: damage is reported, and a bomb ends early."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from sluice.contract.contract import Files
from sluice.contract.errors import DataError
from sluice.source.files import Compression, SourceFile
from sluice.source.parts.archive import Member

BLOCK_BYTES = 1 << 20  # unpacked bytes a read; about 10,000 taxi trips, 12 MB of Arrow arrays
RATIO_FROM = 64 << 20  # unpacked bytes; below them no ratio is too high
DAMAGE = (OSError, EOFError, pa.ArrowInvalid, zlib.error, zipfile.BadZipFile)


class ByteStream(Protocol):
    """The bytes of a file, unpacked; `tell` gives the place in the file as it lies there."""

    def read(self, size: int) -> bytes: ...
    def tell(self) -> int: ...
    def close(self) -> None: ...


class _Packed:
    """A file in a format that Arrow unpacks."""

    def __init__(self, path: Path, compression: str) -> None:
        self._raw = pa.OSFile(str(path))
        self._stream = pa.CompressedInputStream(self._raw, compression)
        self.read = self._stream.read

    def tell(self) -> int:
        return int(self._raw.tell())

    def close(self) -> None:
        self._stream.close()
        self._raw.close()


def opened(path: Path, compression: Compression | None, member: str = "") -> ByteStream:
    """The stream of a file's bytes.

    Args:
        member: of a zip archive.
    """
    if compression is None:
        return pa.OSFile(str(path))
    if compression == "zip":
        return Member(path, member)
    if compression == "xz":
        from sluice.source.parts.xz import Xz  # some builds of Python have no lzma

        return Xz(path)
    return _Packed(path, {"bzip2": "bz2"}.get(compression, compression))


class Content:
    """The unpacked bytes of one file or member."""

    def __init__(self, file: SourceFile, files: Files) -> None:
        self._address, self._files = file.address, files
        self._packed = file.compression is not None
        self._stream = opened(file.path, file.compression, file.member)
        self._closed = False

    @property
    def bytes_read(self) -> int:
        """Bytes of the file as it lies there (compressed), so that it can be held against its size."""
        return 0 if self._closed else int(self._stream.tell())

    def close(self) -> None:
        self._closed = True
        self._stream.close()

    def blocks(self) -> Iterator[bytes]:
        """The bytes, in order.

        Raises:
            DataError: damaged or cut compression, or more bytes than the contract allows.
        """
        total = 0
        while True:
            try:
                block = bytes(self._stream.read(BLOCK_BYTES))
            except DAMAGE as error:
                raise DataError(
                    f"{self._address}: damaged after {total:,} bytes ({error or 'it ends too early'}); "
                    "ask the provider to deliver it again"
                ) from None
            if not block:
                return
            total += len(block)
            self._refuse_bomb(total)
            yield block

    def _refuse_bomb(self, total: int) -> None:
        if total > self._files.max_bytes:
            raise DataError(
                f"{self._address}: holds more than the {self._files.max_bytes:,} bytes, unpacked, that its contract "
                f"allows; to allow more, set Files(max_bytes={2 * self._files.max_bytes})"
            )
        if self._packed and total > RATIO_FROM and total > self._files.max_ratio * max(self.bytes_read, 1):
            raise DataError(
                f"{self._address}: unpacks to more than {self._files.max_ratio:,} times its size, as a file made to "
                f"fill memory does; if it is right, set Files(max_ratio={100 * self._files.max_ratio})"
            )
