"""Text in another encoding, as UTF-8, block by block."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from itertools import chain

from sluice.contract.errors import DataError

# The longer mark first: UTF-32's begins with UTF-16's.
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8",
}


def marked(head: bytes) -> str | None:
    """The encoding that a byte order mark at the head of a file names; None where there is none."""
    return next((name for mark, name in MARKS.items() if head.startswith(mark)), None)


def utf8(blocks: Iterator[bytes], encoding: str, address: str) -> Iterator[bytes]:
    """The blocks in UTF-8. A byte order mark goes before `encoding`; UTF-8 is handed on as it is.

    Raises:
        DataError: bytes that are not text in the encoding.
    """
    first = next(blocks, b"")
    found = marked(first) or codecs.lookup(encoding).name
    blocks = chain([first] if first else [], blocks)
    return blocks if found in ("utf-8", "ascii") else _decoded(blocks, found, address)


def _decoded(blocks: Iterator[bytes], encoding: str, address: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    before = 0
    for block in chain(blocks, [b""]):
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeError as error:
            place = before + getattr(error, "start", 0)
            byte = block[error.start : error.start + 1].hex() if isinstance(error, UnicodeDecodeError) else ""
            raise DataError(
                f"{address}: is not text in {encoding}: byte 0x{byte or '??'} at {place:,}; "
                'set the encoding it is in, as in Files(encoding="latin-1")'
            ) from None
        before += len(block)
        if text:
            yield text.encode()
