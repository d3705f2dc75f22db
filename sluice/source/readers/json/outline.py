"""Which arrays a JSON object holds, and where, by quotes and brackets alone: no value is read."""

from __future__ import annotations

import json

import numpy as np

from sluice.source.readers.csv_records import Escapes

DEEPEST = 6  # levels at which arrays are looked for to name them
LONGEST_KEY = 10_000  # bytes; a longer one is compared by its beginning
_QUOTE, _OBJECT, _ARRAY = b'"{['


class Outline:
    """Follows the keys of one JSON object, block by block, in a bounded amount of memory.

    Attributes:
        found: without a wanted array, the paths of arrays that begin with an object.
        tables: the paths of arrays that begin with an array.
        ended: the object is closed.
        more: something stands after it.
    """

    def __init__(self, wanted: str = "") -> None:
        self._wanted = wanted
        self._deepest = wanted.count(".") + 2 if wanted else DEEPEST
        self._open = bytearray()  # the bracket of each open value
        self._keys: list[str] = []  # the newest key of each
        self._key: bytes | None = None  # what has been read of a key
        self._due = False  # a text is a key
        self._begun = ""  # the path of an array whose first element is not seen yet
        self._depth, self._quoted, self._escapes = 0, False, Escapes("\\")
        self.found: list[str] = []
        self.tables: list[str] = []
        self.ended = self.more = False

    def feed(self, block: bytes) -> int:
        """Read a block. Gives the place of the wanted array, at which it stops, or -1; the array is not to be fed."""
        if self.ended:
            self.more = self.more or bool(block.strip())
            return -1
        plain = np.frombuffer(self._escapes.blanked(block), dtype=np.uint8)
        quotes = plain == _QUOTE
        quoted = (np.cumsum(quotes) + self._quoted) % 2 == 1
        outside = np.where(quoted, 0, plain)
        opening = np.isin(outside, list(b"{["))
        closing = np.isin(outside, list(b"}]"))
        depth = self._depth + np.cumsum(opening.astype(np.int64) - closing)
        near = (quotes | opening | (outside == ord(","))) & (depth <= self._deepest)
        begun = 0  # where in the block the key begins
        for place in np.flatnonzero(near | (closing & (depth < self._deepest))).tolist():
            sign = int(plain[place])
            if sign == _QUOTE:
                if quoted[place] and self._due:
                    self._key, self._due, begun = b"", False, place + 1
                elif self._key is not None:
                    self._keys[-1], self._key = _text(self._key + block[begun:place]), None
            elif opening[place]:
                if sign == _ARRAY and self._wanted and self._path() == self._wanted:
                    self._depth, self._quoted, self._escapes = len(self._open), False, Escapes("\\")
                    return place
                self._enter(sign)
            elif closing[place]:
                self._leave()
                if self.ended:
                    self.more = bool(block[place + 1 :].strip())
                    return -1
            else:
                self._due, self._begun = self._open.endswith(b"{"), ""
        if self._key is not None:
            self._key = (self._key + block[begun:])[:LONGEST_KEY]
        if len(block):
            self._depth, self._quoted = int(depth[-1]), bool(quoted[-1])
        return -1

    def _path(self) -> str:
        """The keys that lead here; empty within an array."""
        return "" if _ARRAY in self._open else ".".join(self._keys)

    def _enter(self, sign: int) -> None:
        if self._begun:
            (self.found if sign == _OBJECT else self.tables).append(self._begun)
        self._begun = self._path() if sign == _ARRAY else ""
        self._open.append(sign)
        self._keys.append("")
        self._due = sign == _OBJECT

    def _leave(self) -> None:
        if self._open:
            del self._open[-1], self._keys[-1]
        self._due, self._begun, self.ended = False, "", not self._open


def _text(raw: bytes) -> str:
    try:
        return str(json.loads(b'"' + raw + b'"'))
    except ValueError:
        return raw.decode(errors="replace")
