"""The raw side of a JSON file: a record a line, whether it has lines, is one array, or one object around an array."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain

import numpy as np
import orjson

from sluice.contract.authoring.annotations import quoted
from sluice.contract.contract import Files
from sluice.contract.errors import DataError
from sluice.source.files import SourceFile
from sluice.source.readers.csv_records import Escapes, Lines
from sluice.source.readers.json.outline import Outline

SEEN_BYTES = 8 << 20  # of a file, in which arrays are looked for to name them
HEAD_BYTES = 1 << 16  # whose first lines show whether each line is a record
SHOWN = 10  # arrays that a message names
_MARK = b"\xef\xbb\xbf"


class JsonText(Lines):
    """A JSON file's text, without its lines of comment."""

    def text(self) -> Iterator[bytes]:
        """The text in UTF-8."""
        blocks = super().text()
        return _without_comments(blocks, self._files.comment.encode()) if self._files.comment else blocks


class JsonLines(JsonText):
    """Iterates a JSON file's pieces, each of whole lines with a record each; counts the lines as it goes."""

    def __init__(self, file: SourceFile, files: Files) -> None:
        super().__init__(file, files)
        self._file = file

    def text(self) -> Iterator[bytes]:
        """The text in UTF-8; that of an array with the commas between its records as line ends."""
        blocks = super().text()
        if self._files.records:
            return self._within(blocks, self._files.records)
        head = next(blocks, b"").removeprefix(_MARK)
        while head and not head.strip() and (block := next(blocks, b"")):
            head = head.lstrip() + block
        if not head.lstrip().startswith(b"["):
            return chain([head] if head else [], blocks)
        return _Array(self._address).lines(chain([head], blocks))

    def _within(self, blocks: Iterator[bytes], wanted: str) -> Iterator[bytes]:
        """The records of the array at a path of keys.

        Raises:
            DataError: there is none, or two; the file is cut, or more than one object.
        """
        outline = Outline(wanted)
        array: _Array | None = None
        for block in blocks:
            rest = block
            while rest:
                if array is None or array.ended:
                    place = outline.feed(rest)
                    if place < 0:
                        break
                    if array is not None:
                        raise DataError(f"{self._address}: has two arrays at {wanted}; ask the provider for one")
                    array, rest = _Array(self._address), rest[place:]
                lines, rest = array.cut(rest)
                yield lines
            if outline.more:
                raise DataError(
                    f"{self._address}: is more than one JSON object; records names an array in a single one. If each "
                    "line is a record, leave it out"
                )
        if not outline.ended:
            raise DataError(f"{self._address}: its JSON is not closed; ask the provider to deliver it again")
        if array is None:
            found = ", ".join(arrays_of(self._file, self._files).found[:SHOWN]) or "none"
            raise DataError(
                f"{self._address}: has no array at Files(records={quoted(wanted)}); its arrays of objects: {found}"
            )


def arrays_of(file: SourceFile, files: Files) -> Outline:
    """The arrays of objects within the file's first object, those of arrays, and whether more is in the file."""
    outline, seen = Outline(), 0
    with closing(JsonText(file, replace(files, multiline=False))) as lines:
        for block in lines.text():
            outline.feed(block)
            seen += len(block)
            if outline.more or seen >= SEEN_BYTES:
                break
    return outline


def refuse_one_object(file: SourceFile, files: Files, draft: bool) -> None:
    """Refuse a file that is one object over several lines; for a draft also one in a single line, with arrays inside.

    Raises:
        DataError: names the arrays that may be the rows.
    """
    head = b""
    with closing(JsonText(file, replace(files, multiline=False))) as lines:
        for block in lines.text():
            head += block
            if len(head) >= HEAD_BYTES:
                break
    head = head.removeprefix(_MARK).lstrip()
    if not head.startswith(b"{"):
        return
    first, second = [*(line.strip() for line in head.splitlines() if line.strip()), b""][:2]
    # The first line alone may be damaged, in a file with an object in each.
    broken = first.endswith((b"{", b"[", b",", b":")) and (first.endswith(b"[") or not _is_object(second))
    if not (broken or draft):
        return
    arrays = arrays_of(file, files)
    if not arrays.more and (broken or arrays.found or arrays.tables):
        raise DataError(f"{file.address}: {one_object(arrays.found, broken, arrays.tables)}")


def _without_comments(blocks: Iterator[bytes], mark: bytes) -> Iterator[bytes]:
    """The blocks without lines that begin with the mark: no text of JSON has a line end in it."""
    begins = re.compile(rb"(?:\xef\xbb\xbf)?[ \t]*" + re.escape(mark))
    comment = re.compile(rb"^" + begins.pattern + rb"[^\r\n]*+(?:\r\n|\r|\n|\Z)", re.MULTILINE)
    held, long, left_out = b"", False, False  # a line too long to be held: whether it is left out shows its beginning
    for block in blocks:
        text, held = held + block, b""
        if long:
            end = text.find(b"\n") + 1
            long, rest = not end, text[end or len(text) :]
            if not left_out:
                yield text[: end or len(text)]
            text = rest
        end = text.rfind(b"\n") + 1
        if kept := comment.sub(b"", text[:end]):
            yield kept
        held = text[end:]
        if len(held) > HEAD_BYTES:
            long, left_out = True, begins.match(held) is not None
            if not left_out:
                yield held
            held = b""
    if kept := comment.sub(b"", held):
        yield kept


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def one_object(found: list[str], broken: bool = True, tables: Sequence[str] = ()) -> str:
    """What is said of a file that is one object, with these arrays of objects inside, and these of arrays."""
    row = "" if broken else ' If the object itself is a row, add --records "".'
    if tables and not found:
        return (
            f"is one JSON object with an array of arrays inside, {tables[0]}, whose values have no names; rows are "
            f"objects.{row} To make CSV of it: jq -r '.{tables[0]}[] | @csv' FILE > ROWS.csv"
        )
    if not found:
        return (
            "is one JSON object without an array of objects inside; expected one object in each line, an array of "
            "objects, or an object that holds one. Ask the provider for one, or convert it before the run"
        )
    if len(found) == 1:
        return (
            f"is one JSON object with an array of objects inside, {found[0]}.{row} To read its rows, set "
            f"Files(records={quoted(found[0])}), or for sluice new: --records {found[0]}"
        )
    names = ", ".join(found[:SHOWN]) + (", ..." if len(found) > SHOWN else "")
    return (
        f"is one JSON object with several arrays of objects inside: {names}.{row} Choose the one that holds the rows, "
        f"as in Files(records={quoted(found[0])}), or for sluice new: --records {found[0]}"
    )


class _Array:
    """Where the records of an array end, by quotes and brackets alone: no value is read."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._escapes = Escapes("\\")
        self._quoted, self._depth = False, 0
        self._begun = self.ended = False

    def lines(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The array's text without its own brackets, each record in a line.

        Raises:
            DataError: text after the array, or the array is not closed.
        """
        for block in blocks:
            lines, rest = self.cut(block)
            if rest.strip():
                raise DataError(
                    f"{self._address}: has text after its JSON array; ask the provider for a corrected file"
                )
            yield lines
        if not self.ended:
            raise DataError(f"{self._address}: its JSON array is not closed; ask the provider to deliver it again")

    def cut(self, block: bytes) -> tuple[bytes, bytes]:
        """The block's records, each in a line, and what stands after the array."""
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
        after = 0 if self.ended else ends[0] + 1 if len(ends) else len(block)
        if len(ends):
            cells[ends[0]], self.ended = 32, True
        self._depth = int(depth[-1]) if len(depth) else self._depth
        lines = cells[:after].tobytes()
        return (lines.rstrip() if self.ended else lines), block[after:]
