"""What the site shows of the marts, read from the catalogue and from what the builds left in `ops`. Reads only."""

from __future__ import annotations

from collections import defaultdict

import sqlalchemy as sa

from sluice.ledger import tables

COMPARED = 500  # differences between old and new marts


def rows(connection: sa.Connection, publication: sa.Row | None) -> dict[str, int]:
    """PostgreSQL's own estimate of the rows of each mart that readers have."""
    if publication is None:
        return {}
    classes = sa.table("pg_class", sa.column("relname"), sa.column("reltuples"), sa.column("relnamespace"))
    space = sa.table("pg_namespace", sa.column("oid"), sa.column("nspname"))
    query = (
        sa.select(classes.c.relname, classes.c.reltuples)
        .join(space, space.c.oid == classes.c.relnamespace)
        .where(space.c.nspname == publication.side, classes.c.relname.in_(publication.models), classes.c.reltuples >= 0)
    )
    return {name: int(rows) for name, rows in connection.execute(query).tuples()}


def results(connection: sa.Connection, count: int) -> dict[str, list[sa.Row]]:
    """The last results of each dbt node, newest first."""
    kept = tables.dbt_results
    place = sa.func.row_number().over(partition_by=kept.c.unique_id, order_by=kept.c.recorded_at.desc())
    placed = sa.select(kept, place.label("place")).subquery()
    found: dict[str, list[sa.Row]] = defaultdict(list)
    for row in connection.execute(
        sa.select(placed).where(placed.c.place <= count).order_by(placed.c.unique_id, placed.c.place)
    ):
        found[row.unique_id].append(row)
    return dict(found)


def compared(connection: sa.Connection) -> dict[str, list[sa.Row]]:
    """Measures of old and new marts that differ, if a build was ever compared."""
    table = tables.comparisons
    newest = sa.select(sa.func.max(table.c.build_id)).scalar_subquery()
    first = sa.case({"rows": 0, "keys added": 1, "keys removed": 2}, value=table.c.measure, else_=3)
    query = (
        sa.select(table)
        .where(table.c.build_id == newest, table.c.old.is_distinct_from(table.c.new))
        .order_by(table.c.mart, table.c.batch, first, table.c.measure, table.c.column_name)
        .limit(COMPARED)
    )
    found: dict[str, list[sa.Row]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.mart].append(row)
    return dict(found)
