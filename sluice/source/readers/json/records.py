"""The raw side of a JSON file: one record a line, whether it has lines or is one array."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np

from sluice.contract.errors import DataError
from sluice.source.readers.csv_records import Escapes, Lines

_MARK = b"\xef\xbb\xbf"


class JsonLines(Lines):
    """Iterates a JSON file's pieces, each of whole lines with a record each; counts the lines as it goes."""

    def text(self) -> Iterator[bytes]:
        """The text in UTF-8; that of an array with the commas between its records as line ends."""
        blocks = super().text()
        head = next(blocks, b"").removeprefix(_MARK)
        while head and not head.strip() and (block := next(blocks, b"")):
            head = head.lstrip() + block
        if not head.lstrip().startswith(b"["):
            return chain([head] if head else [], blocks)
        return _Array(self._address).lines(chain([head], blocks))


class _Array:
    """Where the records of an array end, by quotes and brackets alone: no value is read."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._escapes = Escapes("\\")
        self._quoted, self._depth = False, 0
        self._begun = self._ended = False

    def lines(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The array's text without its own brackets, each record in a line.

        Raises:
            DataError: text after the array, or the array is not closed.
        """
        for block in blocks:
            yield self._lines_of(block)
        if not self._ended:
            raise DataError(f"{self._address}: its JSON array is not closed; ask the provider to deliver it again")

    def _lines_of(self, block: bytes) -> bytes:
        plain = np.frombuffer(self._escapes.blanked(block), dtype=np.uint8)
        quoted = (np.cumsum(plain == ord('"')) + self._quoted) % 2 == 1  # the closing quote is not, which is right
        self._quoted = bool(quoted[-1]) if len(quoted) else self._quoted
        outside = np.where(quoted, 0, plain)
        opening = (outside == ord("[")) | (outside == ord("{"))
        closing = (outside == ord("]")) | (outside == ord("}"))
        depth = self._depth + np.cumsum(opening.astype(np.int64) - closing)
        cells = np.frombuffer(block, dtype=np.uint8).copy()
        cells[(outside == 10) | (outside == 13)] = 32
        cells[(outside == ord(",")) & (depth == 1)] = 10
        if not self._begun and len(first := np.flatnonzero(opening)):
            cells[first[0]], self._begun = 32, True
        ends = np.flatnonzero(closing & (depth == 0))
        after = 0 if self._ended else ends[0] + 1 if len(ends) else len(block)
        if block[after:].strip():
            raise DataError(f"{self._address}: has text after its JSON array; ask the provider for a corrected file")
        if len(ends):
            cells[ends[0]], self._ended = 32, True
        self._depth = int(depth[-1]) if len(depth) else self._depth
        lines = cells.tobytes()
        return lines if not self._ended else lines.rstrip()
