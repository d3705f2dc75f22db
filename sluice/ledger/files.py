"""The files of a load that has several, and which file a row is from."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from sluice.ledger import tables
from sluice.source.parts.several import ANY, values_of
from sluice.source.readers.joined import Counted
from sluice.warehouse.batch import Batch

OF = ("address", "bytes", "sha256", "modified", "first_row", "rows")


def note(connection: sa.Connection, batch: Batch, read: Sequence[Counted]) -> None:
    """Write down the files of a load, in place of what a former try left."""
    files = tables.files
    connection.execute(files.delete().where(files.c.load_id == batch.load_id))
    if not read:
        return
    connection.execute(
        files.insert(),
        [
            {
                "load_id": batch.load_id,
                "number": number,
                "address": str(each.source.address),
                "bytes": each.source.size,
                "sha256": each.source.sha256 or None,
                "modified": each.source.modified,
                "first_row": each.first_row,
                "rows": each.rows,
            }
            for number, each in enumerate(read, start=1)
        ],
    )


def copy(connection: sa.Connection, of: int, batch: Batch) -> None:
    """The same files for a load that takes its rows, with their numbers, from another load."""
    files = tables.files
    same = sa.select(sa.literal(batch.load_id), files.c.number, *(files.c[name] for name in OF))
    names = ["load_id", "number", *OF]
    connection.execute(files.insert().from_select(names, same.where(files.c.load_id == of)))


def gone(connection: sa.Connection, batch: Batch, replaced: sa.Row) -> tuple[tuple[str, int], ...]:
    """The files with rows of the published load that this one would replace by fewer: they are no longer there, and no
    file came in their place. Each with its number of rows; none where either load is not of an address with `*`.

    A file that is there under another name, or with other bytes, is not gone.
    """
    address = connection.scalar(sa.select(tables.batches.c.address).where(tables.batches.c.load_id == batch.load_id))
    if ANY not in replaced.address or ANY not in str(address):
        return ()
    before, now = _of(connection, replaced.load_id), _of(connection, batch.load_id)
    old, new = _marks(before), _marks(now)
    if any(old.isdisjoint(_marks([file])) for file in now):
        return ()
    return tuple((file.address, file.rows) for file in before if file.rows and new.isdisjoint(_marks([file])))


def same(connection: sa.Connection, batch: Batch, replaced: sa.Row | None) -> tuple[str, str] | None:
    """Two files of a load whose bytes are the same and would be rows twice, if there are such.

    Those of which readers have the rows twice already were accepted before: by the contract, or by a person.
    """
    doubled = _doubled(_of(connection, batch.load_id))
    accepted = _doubled(_of(connection, replaced.load_id)) if doubled and replaced is not None else {}
    return next((pair for content, pair in doubled.items() if content not in accepted), None)


def _of(connection: sa.Connection, load_id: int) -> Sequence[sa.Row]:
    files = tables.files
    query = sa.select(files.c.address, files.c.sha256, files.c.rows).where(files.c.load_id == load_id)
    return connection.execute(query.order_by(files.c.number)).all()


def _marks(rows: Sequence[sa.Row]) -> set[str]:
    return {mark for row in rows for mark in (row.address, row.sha256) if mark}


def _doubled(rows: Sequence[sa.Row]) -> dict[object, tuple[str, str]]:
    """The first two files of each content that several have, under folders that say the same of their rows."""
    first: dict[object, str] = {}
    found: dict[object, tuple[str, str]] = {}
    for row in rows:
        if row.sha256 and row.rows:
            content = (row.sha256, values_of(row.address))
            if first.setdefault(content, row.address) != row.address:
                found.setdefault(content, (first[content], row.address))
    return found


class Places:
    """Which file each row of a load is from."""

    def __init__(self, rows: Sequence[sa.Row]) -> None:
        self._files = [row for row in rows if row.rows]
        self._firsts = [row.first_row for row in self._files]

    def of(self, row_number: int) -> dict[str, Any]:
        """`_file`, and the row's number in it as `_file_row`; nothing, of a load of one file."""
        place = bisect_right(self._firsts, row_number) - 1
        if place < 0:
            return {}
        return {"_file": self._files[place].address, "_file_row": row_number - self._firsts[place] + 1}


def places(connection: sa.Connection, load_id: int) -> Places:
    """Of one load."""
    files = tables.files
    query = sa.select(files.c.address, files.c.first_row, files.c.rows).where(files.c.load_id == load_id)
    return Places(connection.execute(query.order_by(files.c.number)).all())
