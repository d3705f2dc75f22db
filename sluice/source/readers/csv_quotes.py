"""What quotes mean in CSV text: which records there are, which are malformed, where a quote stays open. Pure.

Everything is looked at in a copy in which escaped characters are blanked, byte for byte.
"""

from __future__ import annotations

import re
from functools import cached_property

import numpy as np

from sluice.contract.contract import Files

_ENDS = (b"", b"\r", b"\n")
_LINES = re.compile(rb"[^\r\n]+")


class Quotes:
    """The rules of one file's quotes."""

    def __init__(self, files: Files) -> None:
        self._multiline, self._trim = files.multiline, files.trim
        self.quote, self._delimiter = files.quote.encode(), files.delimiter.encode()
        self._escape = re.compile(re.escape(files.escape.encode()) + rb"[^\r\n]") if files.escape else None

    def used(self, data: bytes) -> bool:
        """Whether there is a quote at all."""
        return bool(self.quote) and self.quote in data

    def records(self, data: bytes, blank: bool = False) -> list[bytes]:
        """The records of a piece, without their line ends; blank lines are left out if not asked for."""
        if blank:
            return data.splitlines()
        if not (self._multiline and self.quote):
            return [line for line in data.splitlines() if line]
        if self._escape is None:
            return self._records.findall(data)
        return [data[found.start() : found.end()] for found in self._records.finditer(self._plain(data))]

    def strict(self, data: bytes) -> bool:
        """Whether each quote of a piece opens a field, closes it, or is doubled: looked at in one go."""
        cells = np.frombuffer(self._plain(data), dtype=np.uint8)
        places = np.flatnonzero(cells == ord(self.quote))
        if len(places) % 2:
            return False
        neighbours = np.concatenate([cells, np.frombuffer(b"\n", dtype=np.uint8)])
        before, after = places[0::2] - 1, places[1::2] + 1  # -1 is the line end that was added
        return bool(self._borders[neighbours[before]].all() and self._borders[neighbours[after]].all())

    def malformed(self, record: bytes) -> bool:
        """Whether text follows a closing quote, or a quote is not closed."""
        return self._record.fullmatch(self._plain(record)) is None

    def opened(self, record: bytes) -> bool:
        """Whether the record's last field begins with a quote that nothing closes."""
        return bool(self.quote) and self._open.match(self._plain(record)) is not None

    def swallows(self, record: bytes) -> bool:
        """Whether the record holds a line end outside of its quoted fields: a quote within a field began it."""
        rest = self._quoted_field.sub(b"", self._plain(record))
        return b"\n" in rest or b"\r" in rest

    def place_of_open(self, record: bytes) -> int | None:
        """Which field (from 0) begins with the quote that nothing closes."""
        found = self._open.match(self._plain(record)) if self.quote else None
        return None if found is None else len(re.findall(self._closed, found[1]))

    def trimmed(self, data: bytes) -> bytes:
        """The text without blanks around its fields, if the contract says so; a line of blanks alone stays."""
        if not self._trim:
            return data

        def field(found: re.Match[bytes]) -> bytes:
            if found[1] is not None:
                return found[1]
            alone = data[found.start() - 1 : found.start()] in _ENDS and data[found.end() : found.end() + 1] in _ENDS
            return found[0].strip(self._blanks) or (found[0] if alone else b"")

        return self._field.sub(field, data)

    @cached_property
    def _field(self) -> re.Pattern[bytes]:
        """A field; the group is what stands in quotes, with them."""
        blank = b"[%b]*+" % self._blanks
        within = b"[^Q%b]" % (b"" if self._multiline else b"\r\n")
        escaped = b"%b|" % self._escape.pattern if self._escape else b""
        quoted = (
            blank + b"(Q(?:" + escaped + within + b"|QQ)*+Q)" + blank + rb"(?=[D\r\n]|\Z)|"
            if self.quote
            else b"()(?!)|"
        )
        return re.compile(self._filled(quoted + rb"[^D\r\n]++"))

    @property
    def _blanks(self) -> bytes:
        return b" " if self._delimiter == b"\t" else b" \t"

    def _plain(self, data: bytes) -> bytes:
        return data if self._escape is None else self._escape.sub(lambda found: b" " * len(found[0]), data)

    @cached_property
    def _borders(self) -> np.ndarray:
        """By byte, whether it may stand before an opening quote and after a closing one."""
        table = np.zeros(256, dtype=bool)
        table[list(b"\r\n" + self.quote + self._delimiter)] = True
        return table

    @cached_property
    def _records(self) -> re.Pattern[bytes]:
        quote = re.escape(self.quote)
        return re.compile(rb"(?:%b[^%b]*(?:%b|\Z)|[^%b\r\n])+" % ((quote,) * 4))

    @cached_property
    def _record(self) -> re.Pattern[bytes]:
        field = rb"(?:Q(?:[^Q]|QQ)*+Q(?![^D])|(?!Q)[^D]*+)"
        return re.compile(self._filled(field + rb"(?:D" + field + rb")*+"))

    @cached_property
    def _closed(self) -> bytes:
        """A pattern of one field without an open quote, and the delimiter after it."""
        return self._filled(rb"(?:Q(?:[^Q]|QQ)*+Q[^D]*+|[^QD][^D]*+)?+D")

    @cached_property
    def _quoted_field(self) -> re.Pattern[bytes]:
        return re.compile(self._filled(rb"(?:\A|(?<=D))Q(?:[^Q]|QQ)*+Q"))

    @cached_property
    def _open(self) -> re.Pattern[bytes]:
        """Matches a record whose last field begins with a quote that nothing closes; the group is what is before."""
        return re.compile(rb"((?:%b)*+)" % self._closed + self._filled(rb"Q(?:[^Q]|QQ)*+\Z"))

    def _filled(self, pattern: bytes) -> bytes:
        return pattern.replace(b"Q", re.escape(self.quote)).replace(b"D", re.escape(self._delimiter))
