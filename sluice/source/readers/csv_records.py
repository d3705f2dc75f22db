"""The raw side of a CSV file: decompress and decode it, cut it into pieces of whole records, count its lines.

The count is the second, independent one: it looks at line ends only and never asks the CSV parser.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sluice.contract.contract import Files
from sluice.contract.errors import DataError
from sluice.source.files import SourceFile
from sluice.source.parts.stream import BLOCK_BYTES, Content
from sluice.source.readers.encodings import utf8
from sluice.source.readers.rows import KEPT_OF_LONG

UNIT = "\x1f"  # ASCII's separator of units: stands for a delimiter that is not one character of ASCII
FIELDS_PER_ROW = 4  # fields of max_field_bytes that a row may have; longer rows are rejected unread


class Piece(NamedTuple):
    """Whole records, as they stand in the file; or the beginning of one record that is too long."""

    data: bytes
    too_long: int = 0  # bytes of the record, if it is


@dataclass
class LineCount:
    """Counts lines in blocks of bytes. CR LF, LF and CR each end a line; so the counts of blocks add up."""

    filled: int = 0
    blank: int = 0
    _last: bytes = b"\n"
    _held: bytes = b""

    def feed(self, block: bytes) -> None:
        block = self._held + block
        self._held = b"\r" if block.endswith(b"\r") else b""  # its LF may come with the next block
        block = block[: len(block) - len(self._held)]
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if not block:
            return
        joined = self._last + block
        blank = 0
        if b"\n\n" in joined:
            ends = np.frombuffer(joined, dtype=np.uint8) == 10
            blank = int(np.count_nonzero(ends[1:] & ends[:-1]))
        self.filled += block.count(b"\n") - blank
        self.blank += blank
        self._last = block[-1:]

    def close(self) -> None:
        """Count a last line that has no line end."""
        if self._held:
            self._held, self._last = b"", self._last if self._last == b"\n" else b"\r"
            self.filled, self.blank = self.filled + (self._last != b"\n"), self.blank + (self._last == b"\n")
        elif self._last != b"\n":
            self.filled += 1
        self._last = b"\n"


class Lines:
    """Iterates a CSV file's pieces; counts as it goes.

    Attributes:
        count: lines so far, the header's among them. In a multiline file, those outside of quotes.
    """

    def __init__(self, file: SourceFile, files: Files) -> None:
        self._address, self._files = file.address, files
        self._content = Content(file, files)
        self.blocks = self._content.blocks  # the file's bytes, unpacked, as they are
        self._quote = ord(files.quote) if files.multiline and files.quote else None
        self._escaped = Escapes(files.escape)
        self._quoted = False
        self._longest = FIELDS_PER_ROW * max(files.max_field_bytes, BLOCK_BYTES)
        self.count = LineCount()

    @property
    def bytes_read(self) -> int:
        """Bytes of the file as it lies there (compressed), so that it can be held against its size."""
        return self._content.bytes_read

    def close(self) -> None:
        self._content.close()

    def __iter__(self) -> Iterator[Piece]:
        """Pieces of whole records, in order.

        Raises:
            DataError: damaged or cut compression, another encoding, or more bytes than the contract allows.
        """
        rest, too_long = b"", 0
        for block in self.text():
            ends = self._without_quoted_ends(block)
            self.count.feed(ends)
            if too_long:
                first = _first_end(ends)
                too_long += len(block) if first < 0 else first
                if first < 0:
                    continue
                yield Piece(rest, too_long)
                rest, too_long, block, ends = b"", 0, block[first:], ends[first:]
            end = _last_end(ends)
            if end:
                yield Piece(rest + block[:end])
                rest = block[end:]
            else:
                rest += block
            if len(rest) > self._longest:
                rest, too_long = rest[:KEPT_OF_LONG], len(rest)
        self.count.close()
        if rest:
            yield Piece(rest, too_long)

    def text(self) -> Iterator[bytes]:
        """The file's text in UTF-8."""
        return utf8(self.blocks(), self._files.encoding, self._address)

    def _without_quoted_ends(self, block: bytes) -> bytes:
        """The block, its line ends inside of quotes blanked: they end no record of a multiline file."""
        if self._quote is None:
            return block
        plain = self._escaped.blanked(block)
        if not (self._quoted or self._quote in plain):
            return block
        cells = np.frombuffer(plain, dtype=np.uint8).copy()
        inside = (np.cumsum(cells == self._quote) + self._quoted) % 2 == 1
        cells[inside & ((cells == 10) | (cells == 13))] = 32
        self._quoted = bool(inside[-1])
        return cells.tobytes()


class WideLines(Lines):
    """The same of a file with a delimiter that is not one character of ASCII, which the parser takes for no delimiter.

    UNIT comes out in its place.
    """

    def text(self) -> Iterator[bytes]:
        """The file's text in UTF-8.

        Raises:
            DataError: as `Lines`; or the text has a UNIT itself.
        """
        sign, held = self._files.delimiter.encode(), b""
        for block in super().text():
            if UNIT.encode() in block:
                raise DataError(
                    f"{self._address}: has a character U+001F, which cannot be read beside the delimiter "
                    f"{self._files.delimiter!r}; ask the provider for a corrected file"
                )
            text = (held + block).replace(sign, UNIT.encode())
            size = next((size for size in range(len(sign) - 1, 0, -1) if text.endswith(sign[:size])), 0)
            text, held = text[: len(text) - size], text[len(text) - size :]
            if text:
                yield text
        if held:
            yield held


class Escapes:
    """Blanks each escape and the character that it escapes, in blocks of a file."""

    def __init__(self, escape: str) -> None:
        self._pair = re.compile(re.escape(escape.encode()) + rb"[\s\S]?") if escape else None
        self._open = False  # the last block ended in the middle of a pair

    def blanked(self, block: bytes) -> bytes:
        if self._pair is None or not block:
            return block
        if self._open:
            block = b" " + block[1:]
        last = b""

        def blanks(found: re.Match[bytes]) -> bytes:
            nonlocal last
            last = found[0] if found.end() == len(block) else b""
            return b" " * len(found[0])

        plain = self._pair.sub(blanks, block)
        self._open = len(last) == 1
        return plain


def _last_end(block: bytes) -> int:
    """Where the last whole record ends; 0 if none does."""
    end = block.rfind(b"\n") + 1
    # A file with CR alone. A CR at the very end may be half of CR LF, and is left for the next block.
    return end or block.rfind(b"\r", 0, len(block) - 1) + 1


def _first_end(block: bytes) -> int:
    found = [end for end in (block.find(b"\n"), block.find(b"\r")) if end >= 0]
    return min(found) if found else -1


def joined(records: Sequence[bytes], without: Collection[int]) -> bytes:
    """The records, each with a line end."""
    kept = [record for n, record in enumerate(records) if n not in without]
    return b"\n".join(kept) + b"\n" if kept else b""


def after_line_end(data: bytes, place: int) -> int:
    """Where the line end at `place` ends."""
    return place + (2 if data[place : place + 2] == b"\r\n" else 1)


def is_text(data: bytes) -> bool:
    """Whether it is UTF-8."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
