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

HEAD_BYTES = 512  # whose zeros show UTF-16 without a mark


def marked(head: bytes) -> str | None:
    """The encoding that a byte order mark at the head of a file names, or that zeros in every other byte show.

    None where neither does.
    """
    named = next((name for mark, name in MARKS.items() if head.startswith(mark)), None)
    return named or (_unmarked(head[:HEAD_BYTES]) if b"\0" in head[:HEAD_BYTES] else None)


def _unmarked(head: bytes) -> str | None:
    """UTF-16 without a mark, if it is mostly of the letters that ASCII has."""
    head = head[: len(head) // 2 * 2]
    for name, zeros, others in (("utf-16-le", head[1::2], head[::2]), ("utf-16-be", head[::2], head[1::2])):
        if len(head) < 8 or zeros.count(0) * 10 < len(zeros) * 9 or 0 in others:
            continue
        text = head.decode(name, "replace")
        if all(letter.isprintable() or letter in "\t\r\n" for letter in text):
            return name
    return None


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
