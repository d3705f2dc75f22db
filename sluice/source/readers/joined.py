"""The rows of a delivery that has several parts, or one that must be unpacked first: one part after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple, Protocol

import pyarrow as pa

from sluice.contract.contract import Files
from sluice.contract.errors import DataError
from sluice.source.files import SourceFile
from sluice.source.parts.parts import on_disk
from sluice.source.readers.rows import RawRows


class Reader(Protocol):
    """Rows of a file in one format, and a second count of them."""

    names: list[str]

    @property
    def types(self) -> list[pa.DataType] | None: ...
    @property
    def rows_counted(self) -> int: ...
    @property
    def blank_lines(self) -> int: ...
    @property
    def bytes_read(self) -> int: ...
    def __iter__(self) -> Iterator[RawRows]: ...
    def close(self) -> None: ...


class Part(NamedTuple):
    """What the columns of one part are."""

    address: str
    names: list[str]
    types: list[pa.DataType] | None
    renamed: Mapping[str, str] = {}


class Counted(NamedTuple):
    """A part that was read whole: which of all rows are its own."""

    source: SourceFile
    first_row: int  # from 1
    rows: int


class Joined:
    """The rows of all parts. A column that a part does not have is null there.

    Attributes:
        counted: the parts whose rows have come out.
        names: the columns of all parts, each once, as they first come up.
        types: theirs; None if the parts are text.
        parts: each part's own columns, so that each can be compared with the contract.
    """

    def __init__(
        self, parts: Sequence[SourceFile], files: Files, reader_of: Callable[[SourceFile, Files], Reader]
    ) -> None:
        self._sources, self._files, self._reader_of = parts, files, reader_of
        self._stack = ExitStack()  # of the part that is open
        self._open: tuple[SourceFile, Reader] | None = None
        self.parts: list[Part] = []
        self.counted: list[Counted] = []
        self.rows_counted = self.blank_lines = 0
        self._bytes_before = 0
        try:
            for part in parts:
                reader = self._opened(part)
                self.parts.append(_with_values(part, reader))
        except BaseException:
            self._stack.close()
            raise
        self._refuse_mixed()
        self._join_names()

    def rename(self, names: Sequence[Mapping[str, str]]) -> None:
        """Have columns of each part under another name, where parts name one column in several ways."""
        self.parts = [
            part._replace(names=[renamed.get(name, name) for name in part.names], renamed=renamed)
            for part, renamed in zip(self.parts, names, strict=True)
        ]
        self._join_names()

    def _join_names(self) -> None:
        self.names = list(dict.fromkeys(name for part in self.parts for name in part.names))
        self.types = self._types()

    def _refuse_mixed(self) -> None:
        if odd := next((part for part in self._sources if part.format != self._sources[0].format), None):
            self.close()
            raise DataError(
                f"{odd.address}: is in another format than {self._sources[0].address}; the files of one delivery must "
                "have one format. Of an archive, choose files with Files(member=...)"
            )

    def _types(self) -> list[pa.DataType] | None:
        found: dict[str, pa.DataType] = {}
        for part in self.parts:
            for name, kind in zip(part.names, part.types or (), strict=False):
                if name not in found or pa.types.is_null(found[name]):
                    found[name] = kind
        return [found[name] for name in self.names] if found else None

    @property
    def bytes_read(self) -> int:
        return self._bytes_before + (self._open[1].bytes_read if self._open else 0)

    def close(self) -> None:
        self._stack.close()
        self._open = None

    def __iter__(self) -> Iterator[RawRows]:
        before = 0
        for source, part in zip(self._sources, self.parts, strict=True):
            reader, came = self._opened(source), 0
            for rows in reader:
                came += rows.length
                as_all = part.names == self.names and len(part.names) == len(reader.names)
                yield rows if as_all else self._aligned(rows, part, source)
            self.rows_counted += reader.rows_counted
            self.blank_lines += reader.blank_lines
            self.close()
            self._bytes_before += source.size
            self.counted.append(Counted(source, before + 1, came))
            before += came

    def _aligned(self, rows: RawRows, part: Part, source: SourceFile) -> RawRows:
        """The rows of one part, with the columns of all."""
        given = dict(zip(part.names, rows.columns, strict=False))
        for name, value in source.values:
            text = None if value is None else value.encode("utf-8", "surrogateescape")
            given.setdefault(part.renamed.get(name, name), pa.repeat(pa.scalar(text, pa.binary()), rows.length))
        none = pa.nulls(rows.length)
        new = [self.names.index(name) for name in part.names]
        cells = {(row, new[place]): text for (row, place), text in rows.cells.items()}
        return RawRows([given.get(name, none) for name in self.names], rows.length, rows.rejected, cells)

    def _opened(self, part: SourceFile) -> Reader:
        """The reader of a part, which is the only one that is open; again the one that is, if it was not read yet."""
        if self._open is not None and self._open[0] is part:
            return self._open[1]
        self.close()
        reader = self._reader_of(self._stack.enter_context(on_disk(part, self._files)), self._files)
        self._stack.callback(reader.close)
        self._open = (part, reader)
        return reader


def _with_values(source: SourceFile, reader: Reader) -> Part:
    """A part's columns, then those of its path, which are text of any type. A column of the file's own goes before."""
    more = [name for name, _ in source.values if name not in reader.names]
    types = reader.types
    if more and types is None:
        types = [pa.null()] * len(reader.names)
    return Part(source.address, [*reader.names, *more], types if types is None else [*types, *[pa.null()] * len(more)])
