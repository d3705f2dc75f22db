"""Checks of keys as queries: unique in a batch, unique in a dataset, there in another dataset. Pure: builds SQL, runs
nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from sluice.contract.checks.compile import ROW_NUMBER, UNPARSED, Check, is_unparsed
from sluice.contract.columns import Reference

OF_KEYS = ("unique", "reference", "across_batches")  # kinds of checks that are separate queries


def failing(check: Check, table: sa.FromClause, batch: str, schema: str | None = None) -> sa.Select:
    """Row numbers of the rows that fail a check of keys.

    Args:
        table: has `_row_number`, `_unparsed`, and the columns of the check.
        batch: the one that `table` holds.
        schema: of the published rows of datasets.
    """
    if check.looks_up is None:
        return duplicates(check, table)
    dataset, names = check.looks_up
    columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in names]
    published = sa.table(dataset, *columns, sa.column("_batch", sa.Text()), schema=schema)
    return unknown(check, table, published) if check.kind == "reference" else taken(check, table, published, batch)


def duplicates(check: Check, table: sa.FromClause) -> sa.Select:
    """Row numbers of the rows that fail. Nulls are equal to each other, as pandas has it; cells that did not parse
    are equal to none.

    Args:
        table: has `_row_number`, `_unparsed`, and the columns of the check.
    """
    columns = [table.c[name] for name in check.columns]
    number = table.c[ROW_NUMBER.name]
    if check.keep:
        order = number.desc() if check.keep == "last" else number
        place = sa.func.row_number().over(partition_by=columns, order_by=order)
    else:
        place = sa.func.count().over(partition_by=columns)
    read = sa.and_(*(sa.not_(is_unparsed(name)) for name in check.columns))
    placed = sa.select(number, place.label("place")).select_from(table).where(read).subquery("placed")
    return sa.select(placed.c[ROW_NUMBER.name]).where(placed.c.place > 1)


def unknown(check: Check, table: sa.FromClause, published: sa.FromClause) -> sa.Select:
    """Row numbers of the rows whose key is not published. A null, and a cell that did not parse, which is one, pass;
    of several columns, one null is enough, as in a foreign key of SQL."""
    assert check.looks_up is not None
    return sa.select(table.c[ROW_NUMBER.name]).where(*dangling(table, check.columns, published, check.looks_up[1]))


def dangling(
    table: sa.FromClause, columns: Sequence[str], published: sa.FromClause, names: Sequence[str]
) -> list[sa.ColumnElement[bool]]:
    """The conditions on a row that its key is not published."""
    keys = [table.c[name] for name in columns]
    same = (published.c[name] == key for name, key in zip(names, keys, strict=True))
    there = sa.select(sa.literal(1)).select_from(published).where(*same)
    return [*(key.is_not(None) for key in keys), ~there.exists()]


def dangling_by_batch(dataset: str, reference: Reference, schema: str) -> sa.Select:
    """How many published rows of each batch have a key that is not published, in batch order.

    Args:
        schema: of the published rows of datasets.
    """
    rows = sa.table(dataset, *map(sa.column, reference.columns), sa.column("_batch"), schema=schema)
    keys = sa.table(reference.dataset, *map(sa.column, reference.names), schema=schema)
    query = sa.select(rows.c._batch, sa.func.count()).where(*dangling(rows, reference.columns, keys, reference.names))
    return query.group_by(rows.c._batch).order_by(rows.c._batch)


def taken(check: Check, table: sa.FromClause, published: sa.FromClause, batch: str) -> sa.Select:
    """Row numbers of the rows whose key is in another published batch. Nulls pass."""
    key = table.c[check.columns[0]]
    same = published.c[check.columns[0]] == key
    there = sa.select(sa.literal(1)).select_from(published).where(same, published.c._batch != batch)
    return sa.select(table.c[ROW_NUMBER.name]).where(key.is_not(None), there.exists())


def query_of(check: Check) -> sa.Select:
    """The query for a reader: it finds the rows that fail in the table `batch`."""
    names = (ROW_NUMBER.name, UNPARSED.name, *check.columns)
    return failing(check, sa.table("batch", *(sa.column(name) for name in names)), "this batch")
