"""What the site shows of batches, checks, quarantine and incidents. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from sluice.contract.contract import Contract
from sluice.contract.derive.tables import QUARANTINE
from sluice.contract.errors import ToolError
from sluice.ledger import builds, schema, tables
from sluice.site.facts import marts
from sluice.warehouse.postgres.session import DATABASE_ERRORS, first_line
from sluice.warehouse.postgres.tables import quarantine_table
from sluice.warehouse.warehouse import OPS, Warehouse

BATCHES = 30  # as many as a small plot shows, and somewhat more than two years of months
REASONS = 50  # kinds of rejection listed of one batch


@dataclass(frozen=True, slots=True)
class Facts:
    """One reading of the warehouse.

    Attributes:
        batches: the newest load of each of the last 30 batches, oldest first, by dataset.
        published: the newest batch that readers have, by dataset; a later load of it may have failed.
        loads: the last 30 loads of any status, newest first, by dataset.
        checks: results without samples, by load and check.
        samples: for each dataset and check, the newest result that went wrong, or else the newest with failing rows,
            sample included.
        reasons: (reason, rows) in quarantine, most first, by load: of each dataset's newest batch, and of held ones.
        publication: of the marts readers have now.
        mart_rows: PostgreSQL's own estimate, by mart; refreshed at each build.
        dbt: the last 30 results of each dbt node, newest first.
        compared: what the newest build that was compared made other than it was, by mart.
        incidents: those that are open, newest first.
    """

    batches: Mapping[str, list[sa.Row]]
    published: Mapping[str, sa.Row]
    loads: Mapping[str, list[sa.Row]]
    checks: Mapping[int, Mapping[str, sa.Row]]
    samples: Mapping[tuple[str, str], sa.Row]
    reasons: Mapping[int, list[tuple[str, int]]] = field(default_factory=dict)
    publication: sa.Row | None = None
    mart_rows: Mapping[str, int] = field(default_factory=dict)
    dbt: Mapping[str, list[sa.Row]] = field(default_factory=dict)
    compared: Mapping[str, list[sa.Row]] = field(default_factory=dict)
    incidents: Sequence[sa.Row] = ()


def read(warehouse: Warehouse, known: Mapping[str, Contract]) -> Facts:
    """Everything of the known datasets, in one transaction, so that all pages show the same moment.

    Raises:
        ToolError: the database failed.
    """
    try:
        with warehouse.engine.begin() as connection:
            schema.create(connection)
        engine = warehouse.engine.execution_options(isolation_level="REPEATABLE READ")
        with engine.begin() as connection:
            return _read(connection, known)
    except DATABASE_ERRORS as error:
        raise ToolError(f"the site cannot read the warehouse: {first_line(error)}") from None


def _read(connection: sa.Connection, known: Mapping[str, Contract]) -> Facts:
    batches = _by_dataset(connection, _newest_batches())
    of_interest = [row.load_id for rows in batches.values() for row in rows]
    publication = builds.live(connection)
    return Facts(
        batches={name: rows[::-1] for name, rows in batches.items()},
        published={row.dataset: row for row in connection.execute(_newest_published())},
        loads=_by_dataset(connection, _newest_loads()),
        checks=_checks(connection, of_interest),
        samples=_samples(connection, of_interest),
        reasons=_reasons(connection, batches, known),
        publication=publication,
        mart_rows=marts.rows(connection, publication),
        dbt=marts.results(connection, BATCHES),
        compared=marts.compared(connection),
        incidents=open_ones(connection),
    )


def _newest_batches() -> sa.Select:
    loads = tables.batches
    newest = (
        sa.select(loads)
        .distinct(loads.c.dataset, loads.c.batch)
        .where(loads.c.status != "superseded")
        .order_by(loads.c.dataset, loads.c.batch, loads.c.load_id.desc())
    ).subquery()
    return _last(newest, newest.c.batch)


def _newest_published() -> sa.Select:
    loads = tables.batches
    query = sa.select(loads).distinct(loads.c.dataset).where(loads.c.status == "published")
    return query.order_by(loads.c.dataset, loads.c.batch.desc())


def _newest_loads() -> sa.Select:
    return _last(tables.batches, tables.batches.c.load_id)


def _last(rows: Any, order: sa.ColumnElement[Any]) -> sa.Select:
    """The last 30 of each dataset, newest first."""
    place = sa.func.row_number().over(partition_by=rows.c.dataset, order_by=order.desc()).label("place")
    placed = sa.select(rows, place).subquery()
    return sa.select(placed).where(placed.c.place <= BATCHES).order_by(placed.c.dataset, placed.c.place)


def _by_dataset(connection: sa.Connection, query: sa.Select) -> dict[str, list[sa.Row]]:
    found: dict[str, list[sa.Row]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.dataset].append(row)
    return dict(found)


def _checks(connection: sa.Connection, load_ids: Iterable[int]) -> dict[int, dict[str, sa.Row]]:
    checks = tables.checks
    columns = [column for column in checks.columns if column.name != "sample"]
    found: dict[int, dict[str, sa.Row]] = defaultdict(dict)
    for row in connection.execute(sa.select(*columns).where(checks.c.load_id.in_(load_ids))):
        found[row.load_id][row.check_name] = row
    return dict(found)


def _samples(connection: sa.Connection, load_ids: Iterable[int]) -> dict[tuple[str, str], sa.Row]:
    loads, checks = tables.batches, tables.checks
    query = (
        sa.select(loads.c.dataset, loads.c.batch, checks)
        .join(loads, loads.c.load_id == checks.c.load_id)
        .distinct(loads.c.dataset, checks.c.check_name)
        .where(checks.c.load_id.in_(load_ids), checks.c.failing > 0)
        .order_by(loads.c.dataset, checks.c.check_name, checks.c.outcome == "passed", loads.c.batch.desc())
    )
    return {(row.dataset, row.check_name): row for row in connection.execute(query)}


def _reasons(
    connection: sa.Connection, batches: Mapping[str, list[sa.Row]], known: Mapping[str, Contract]
) -> dict[int, list[tuple[str, int]]]:
    """Counted in quarantine itself, where a load's rows are found by its key."""
    there = set(sa.inspect(connection).get_table_names(schema=QUARANTINE))
    found = {}
    for dataset, rows in batches.items():
        if dataset not in there or dataset not in known:
            continue
        table = quarantine_table(known[dataset])
        reasons = sa.func.unnest(table.c._reasons).table_valued("reason", joins_implicitly=True).render_derived()
        for row in rows:
            if row is not rows[0] and row.status != "held":
                continue
            query = (
                sa.select(reasons.c.reason, sa.func.count())
                .select_from(table)
                .where(table.c._load_id == row.load_id)
                .group_by(reasons.c.reason)
                .order_by(sa.func.count().desc(), reasons.c.reason)
                .limit(REASONS)
            )
            found[row.load_id] = [(reason, count) for reason, count in connection.execute(query).tuples()]
    return found


LISTED = 20


def open_ones(connection: sa.Connection) -> Sequence[sa.Row]:
    """What is still wrong, since when, and how often runs have met it; newest first. None where none was ever kept."""
    if not sa.inspect(connection).has_table("incidents", schema=OPS):
        return ()
    names = ("subject", "kind", "dataset", "batch", "times_seen", "opened_at", "last_seen_at", "resolved_at")
    table = sa.table("incidents", *(sa.column(name) for name in names), schema=OPS)
    query = sa.select(table).where(table.c.resolved_at.is_(None)).order_by(table.c.opened_at.desc()).limit(LISTED)
    return connection.execute(query).all()
