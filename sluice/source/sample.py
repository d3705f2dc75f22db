"""The first rows of a file, and how the file is to be read: what `sluice new` learns a dataset from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.contract import Files
from sluice.contract.errors import DataError
from sluice.contract.scaffold.new_dataset import Sample
from sluice.source.dialects.comments import comment_of_json, is_rule
from sluice.source.dialects.dialect import header_of_other_width, lines_of, proposed
from sluice.source.dialects.encoding import encoding_of
from sluice.source.dialects.titles import are_numbered
from sluice.source.dialects.undivided import doubt_of, refuse_aligned
from sluice.source.files import SourceFile
from sluice.source.parts.parts import on_disk, parts_of, proposed_member
from sluice.source.readers.csv_header import named
from sluice.source.readers.csv_records import Lines
from sluice.source.readers.excel.excel_reader import proposed as proposed_of_excel
from sluice.source.readers.json.records import refuse_one_object
from sluice.source.readers.row_stream import DRAFT_PARTS, open_reader
from sluice.source.sniff import EmptyFile

ROWS = 100_000  # about 20 MB of a wide CSV file; a rarer value is found by the first audit
BYTES = 64 << 20  # of a file's own bytes, where its rows are long
HEAD_BYTES = 1 << 20


def sample_of(file: SourceFile, files: Files, given: frozenset[str]) -> tuple[Sample, Files]:
    """The first rows of the file, and the options that read it.

    Args:
        given: the options that the user set, which stay.

    Raises:
        DataError: the file is damaged, or has no whole row; or no options read it.
    """
    files = files if "member" in given else replace(files, member=proposed_member(file))
    part = parts_of(file, files)[0]
    text = part.format == "csv"
    head = _head(part, files) if text else b""
    if text:
        files = proposed(head, files, given)
    misfit = ""
    if text and not {"header", "names", "skip"} & given and (found := header_of_other_width(head, files)):
        names, width, skip = found
        if len(names) > width and not any(names[width:]):  # a delimiter that only the header ends with
            files = replace(files, skip=skip, names=tuple(names[:width]))
        elif len(names) == width - 1 and are_numbered(lines_of(head, files)[skip + 1 :], files.delimiter, files.quote):
            files = replace(files, skip=skip, names=tuple(named(["", *names])))
        else:
            misfit = _misfit(names, width, skip)
        if misfit and len(names) > width:
            raise DataError(f"{file.address}: {misfit}")
    if part.format == "json":
        files = files if "comment" in given else replace(files, comment=comment_of_json(_head(part, files)))
        if "records" not in given:
            refuse_one_object(part, files, draft=True)
    if part.format == "excel":
        with on_disk(part, files) as workbook:
            files = proposed_of_excel(workbook, files, given)
    try:
        sample = _first_rows(file, files, part.format == "excel")
    except DataError as stray_quote:
        if not text or "multiline" in given:
            raise
        files = replace(files, multiline=True)
        try:
            sample = _first_rows(file, files, part.format == "excel")
        except DataError:
            raise (DataError(f"{file.address}: {misfit}") if misfit else stray_quote) from None
    alone = text and len(sample.names) == 1 and "delimiter" not in given
    if alone:
        refuse_aligned(lines_of(head, files), file.address, files.comment)
    doubt = doubt_of(lines_of(head, files)) if alone else ""
    if text and is_rule(files.comment) and not {"ignore", "names"} & given:
        files = replace(files, ignore=_edges(sample))
        sample = _first_rows(file, files, False)
    sample = replace(sample, misfit=misfit, doubt=doubt)
    if not text or "encoding" in given:
        return sample, files
    wide = b"\n".join(_wide(sample))
    encoded = encoding_of(head if files.encoding != "utf-8" else wide)  # the head may lack bytes that cells have
    if encoded.name != files.encoding:
        files = replace(files, encoding=encoded.name)
        sample = replace(_first_rows(file, files, part.format == "excel"), misfit=misfit, doubt=doubt)
    return replace(sample, encodings=encoded.others), files


def _edges(sample: Sample) -> tuple[str, ...]:
    """The first and the last column of a ruled table, if they are what is outside of its lines."""
    edges = {0, len(sample.names) - 1}
    return tuple(
        sample.names[place]
        for place in sorted(edges)
        if sample.names[place] == f"column_{place + 1}" and sample.columns[place].null_count == sample.rows
    )


def _misfit(names: Sequence[str], width: int, skip: int) -> str:
    """What is said of a header with more or fewer names than the rows have fields."""
    kept = [name.strip().replace(",", "") for name in names[:width]]
    example = ",".join([*kept, *(f"column_{place}" for place in range(len(kept) + 1, width + 1))])
    return (
        f"its header has {len(names)} names, and its rows have {width} fields; nothing was written. Give each field a "
        f'name, in the order of the fields: --skip {skip} --names "{example}" (in a contract: Files(names=(...))). If '
        f"the first line is not the header: --skip {skip + 1}; if it is a row: --no-header with these --names"
    )


def _head(file: SourceFile, files: Files) -> bytes:
    """The first bytes of a file, to the end of a line if there are more."""
    with closing(Lines(file, files)) as lines:
        head = b"".join(islice(lines.blocks(), 1))
    if len(head) < HEAD_BYTES:
        return head
    end = max(head.rfind(b"\n"), head.rfind(b"\r"))
    return head[: end + 1] if end > 0 else head


def _first_rows(file: SourceFile, files: Files, excel: bool) -> Sample:
    with closing(open_reader(file, files)) as reader:
        pieces: list[list[pa.Array]] = []
        count, whole = 0, len(parts_of(file, files)) <= DRAFT_PARTS
        malformed: list[str] = []
        for rows in reader:
            malformed += rows.rejected.values()
            kept = pa.array([n not in rows.rejected for n in range(rows.length)])
            pieces.append([column.filter(kept) for column in rows.columns])
            count += len(pieces[-1][0])
            if count >= ROWS or reader.bytes_read >= BYTES:
                whole = False
                break
        if not count and not malformed:
            raise EmptyFile(
                f"{file.address}: has column names but no row to learn from; give a sample with rows. If its first "
                "line is a row: --no-header; if another sign separates its fields: --delimiter"
            )
        if not count:
            raise DataError(
                f"{file.address}: has column names but no whole row to learn from; give another sample, or say how it "
                "is written: --delimiter, --skip, --quote, --header/--no-header"
            )
        columns = [_whole(name, column)[:ROWS] for name, *column in zip(reader.names, *pieces, strict=True)]
        typed = reader.types is not None
        texts = [name for name, kind in zip(reader.names, reader.types or (), strict=False) if pa.types.is_null(kind)]
        if excel:
            columns = [_with_midnights(column) for column in columns]
        kept = [place for place, name in enumerate(reader.names) if name not in files.ignore]
        names, columns = [reader.names[place] for place in kept], [columns[place] for place in kept]
        return Sample(names, columns, whole, typed, files.delimiter, frozenset(texts), malformed=tuple(malformed))


def _whole(name: str, pieces: Sequence[pa.Array]) -> pa.Array:
    """One column of all pieces. Those of several files may differ in type: integers here, doubles there."""
    kinds = {piece.type for piece in pieces}
    if len(kinds) == 1:
        return pa.concat_arrays(pieces)
    if kinds == {pa.binary(), pa.large_binary()}:  # nested values came up in a later piece of a JSON file
        return pa.concat_arrays([_as_json(piece) if pa.types.is_binary(piece.type) else piece for piece in pieces])
    try:
        tables = [pa.table({name: piece}) for piece in pieces]
        return pa.concat_tables(tables, promote_options="permissive").column(0).combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        found = " and ".join(sorted(map(str, kinds)))
        raise DataError(f"column {name!r} is {found} in files of one delivery; ask the provider for one type") from None


def _as_json(cells: pa.Array) -> pa.Array:
    texts = [None if cell is None else json.dumps(cell.decode(errors="replace")) for cell in cells.to_pylist()]
    return pa.array(texts, pa.string()).cast(pa.large_binary())


def _with_midnights(cells: pa.Array) -> pa.Array:
    """A column of a sheet: its dates as moments, where other cells hold times, as a sheet makes no difference."""
    days = pc.match_substring_regex(cells, "^[0-9]{4}-[0-9]{2}-[0-9]{2}$").fill_null(False)
    moments = pc.match_substring_regex(cells, "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.]+$")
    if not (pc.any(days).as_py() and pc.any(moments).as_py()):
        return cells
    return pc.if_else(days, pc.binary_join_element_wise(cells, b" 00:00:00", b""), cells)


def _wide(sample: Sample) -> Iterator[bytes]:
    """Cells that are not ASCII."""
    for column in sample.columns:
        if pa.types.is_binary(column.type):
            found = column.filter(pc.match_substring_regex(column, r"[^\x00-\x7f]").fill_null(False))
            yield from found[:1000].to_pylist()
