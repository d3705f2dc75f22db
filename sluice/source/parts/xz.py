"""An xz file as a stream, in bounded memory."""

from __future__ import annotations

import lzma
from pathlib import Path

# bytes: what `xz -9` needs (65 MB), twice. A file may ask for 4 GB, which is reserved before the first byte comes out.
MEMORY = 128 << 20
_READ = 1 << 16


class Xz:
    """The bytes of an xz file of one or more streams."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._decoder = _decoder()

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end.

        Raises:
            EOFError: the file ends too early.
            OSError: it is damaged, or needs more memory than is given.
        """
        while True:
            data = b""
            if self._decoder.eof:
                data = self._decoder.unused_data.lstrip(b"\0") or self._after_padding()
                if not data:
                    return b""
                self._decoder = _decoder()
            elif self._decoder.needs_input:
                data = self._file.read(_READ)
                if not data:
                    raise EOFError("it ends too early")
            try:
                found = self._decoder.decompress(data, size)
            except lzma.LZMAError as error:
                # The library has one type for every reason, so its words are shown, with what may help.
                raise OSError(f"{error} (it may use {MEMORY >> 20} MB of memory; xz -9 needs half)") from None
            if found:
                return found

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()

    def _after_padding(self) -> bytes:
        """The next bytes that are not zeros, which may stand between streams."""
        while block := self._file.read(_READ):
            if filled := block.lstrip(b"\0"):
                return filled
        return b""


def _decoder() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY)
