"""Where a drafted dataset's rows come from, as lines of its contract file: files, a table, a function. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from sluice.contract.authoring.annotations import quoted
from sluice.contract.batches import Calendar, EachFile, Single
from sluice.contract.contract import Files
from sluice.contract.scaffold.new_dataset import NewDataset
from sluice.contract.sources import Rows, Table


def files(new: NewDataset) -> list[str]:
    """The argument `files` of the contract."""
    given = new.files
    if isinstance(given, Table):
        return ["    files=Table(", *_table(given), *_reading(given), "    ),"]
    named = f"        {_batches(given)},"
    if isinstance(given, Rows):
        assert new.function is not None
        return ["    files=Rows(", f"        {new.function.name},", named, *_reading(given), "    ),"]
    url = f"        url={quoted(given.url)},  # where the deliveries will be"
    return ["    files=Files(", url, f"        batches={_batches(given)},", *_reading(given), "    ),"]


def imported(new: NewDataset, sluice: str) -> list[str]:
    """The lines that import Sluice's names and the function, in the order of their modules."""
    if new.function is None or not new.function.module:
        return [sluice]
    line = f"from {new.function.module} import {new.function.name}"
    return [sluice, "", line] if new.function.module.startswith(".") else sorted([sluice, line])


def function(new: NewDataset) -> list[str]:
    """The function, where the contract's own file has it."""
    return ["", "", *new.function.text.splitlines()] if new.function is not None and new.function.text else []


def is_whole(new: NewDataset) -> bool:
    """Whether a table is one batch, which needs no name."""
    return isinstance(new.files, Table) and isinstance(new.files.batches, Single)


def origin(new: NewDataset) -> str:
    """What a record is one of."""
    return {Table: "the table", Rows: "the function"}.get(type(new.files), "the file")


def to_confirm(new: NewDataset) -> str:
    """What a person has to look at, of where the rows come from."""
    return {Table: "table, batches and key", Rows: "batches"}.get(type(new.files), "url and batches")


def _batches(given: Files) -> str:
    batches = given.batches
    if isinstance(batches, Calendar):
        by = f", by={quoted(batches.by)}" if batches.by else ""
        return f"{type(batches).__name__}(start={quoted(batches.start)}{by})"
    return f"EachFile({quoted(batches.pattern)})" if isinstance(batches, EachFile) else "Single()"


def _table(given: Table) -> list[str]:
    key = quoted(given.key[0]) if len(given.key) == 1 else written_tuple(given.key)
    lines = [f"        {quoted(given.table)},"]
    if given.batch is not None:
        lines.append(f"        {_batches(given)},")
        lines.append(f"        batch={quoted(given.batch)},  # confirm: each row's batch; null closes the gate")
    lines.append(f"        key={key},  # numbers the rows of a batch")
    if given.complete is not None:
        lines.append(f"        complete={quoted(given.complete)},")
    if given.load_id is not None:
        lines.append(f"        load_id={quoted(given.load_id)},  # a batch is new when other loads are in it")
    return lines


_WHY = {
    "encoding": "what the bytes of the sample are in",
    "header": "that the first line is a row already",
    "names": "the columns, in the file's order",
    "skip": "lines before the header",
    "quote": "what encloses a field",
    "escape": "what stands before a quote inside of a field",
    "trim": "that blanks around fields are left out",
    "comment": "lines to leave out",
    "multiline": "that fields may hold line breaks",
    "ignore": "columns that are not loaded",
    "null_values": "what means null",
    "sheet": "the sheet",
    "records": "the array that holds the rows",
    "member": "the files of the archive",
}


def _reading(files: Files) -> list[str]:
    """The options of a file that are not the default."""
    lines = []
    for part in fields(Files):
        value = getattr(files, part.name)
        if part.name in ("url", "batches") or value == part.default:
            continue
        written = quoted(value) if isinstance(value, str) else repr(value)
        written = written_tuple(value) if isinstance(value, tuple) else written
        why = f"  # confirm: {_WHY[part.name]}" if part.name in _WHY else ""
        lines.append(f"        {part.name}={written},{why}")
    return lines


def written_tuple(words: Sequence[str]) -> str:
    """A tuple of texts as Python writes it."""
    return f"({', '.join(map(quoted, words))}{',' if len(words) == 1 else ''})"
