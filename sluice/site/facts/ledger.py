"""What the site shows of batches, checks, quarantine and incidents. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from sluice.alerts import incidents
from sluice.contract.contract import Contract
from sluice.contract.errors import ToolError
from sluice.ledger import builds, loads, tables
from sluice.ledger.reading import read_only
from sluice.site.facts import marts
from sluice.staging import quarantine
from sluice.warehouse.postgres.session import DATABASE_ERRORS, first_line
from sluice.warehouse.warehouse import Warehouse

REASONS = 50  # kinds of rejection listed of one batch
LISTED = 20  # open incidents


@dataclass(frozen=True, slots=True)
class Snapshot:
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


def read(warehouse: Warehouse | None, known: Mapping[str, Contract]) -> Snapshot:
    """Everything of the known datasets, in one transaction, so that all pages show the same moment.

    Changes nothing, and is empty where no run ever made the ledger.

    Raises:
        ToolError: the database failed.
    """
    try:
        if read_only(warehouse) is None or warehouse is None:
            return Snapshot({}, {}, {}, {}, {})
        engine = warehouse.engine.execution_options(isolation_level="REPEATABLE READ")
        with engine.begin() as connection:
            return _read(connection, known)
    except DATABASE_ERRORS as error:
        raise ToolError(f"the site cannot read the warehouse: {first_line(error)}") from None


def _read(connection: sa.Connection, known: Mapping[str, Contract]) -> Snapshot:
    batches = _by_dataset(connection, _newest_batches())
    of_interest = [row.load_id for rows in batches.values() for row in rows]
    publication = builds.live(connection)
    return Snapshot(
        batches={name: rows[::-1] for name, rows in batches.items()},
        published={row.dataset: row for row in connection.execute(_newest_published())},
        loads=_by_dataset(connection, _newest_loads()),
        checks=_checks(connection, of_interest),
        samples=_samples(connection, of_interest),
        reasons=_reasons(connection, batches, known),
        publication=publication,
        mart_rows=marts.rows(connection, publication),
        dbt=marts.results(connection, loads.SHOWN),
        compared=marts.compared(connection),
        incidents=incidents.open_now(connection)[::-1][:LISTED],
    )


def _newest_batches() -> sa.Select:
    newest = loads.newest().subquery()
    return _last(newest, newest.c.batch.collate("C"))  # as Python orders them, in any language of the server


def _newest_published() -> sa.Select:
    batches = tables.batches
    query = sa.select(batches).distinct(batches.c.dataset).where(batches.c.status == "published")
    return query.order_by(batches.c.dataset, loads.BATCH.desc())


def _newest_loads() -> sa.Select:
    return _last(tables.batches, tables.batches.c.load_id)


def _last(rows: Any, order: sa.ColumnElement[Any]) -> sa.Select:
    """The last 30 of each dataset, newest first."""
    place = sa.func.row_number().over(partition_by=rows.c.dataset, order_by=order.desc()).label("place")
    placed = sa.select(rows, place).subquery()
    return sa.select(placed).where(placed.c.place <= loads.SHOWN).order_by(placed.c.dataset, placed.c.place)


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
    batches, checks = tables.batches, tables.checks
    query = (
        sa.select(batches.c.dataset, batches.c.batch, checks)
        .join(batches, batches.c.load_id == checks.c.load_id)
        .distinct(batches.c.dataset, checks.c.check_name)
        .where(checks.c.load_id.in_(load_ids), checks.c.failing > 0)
        .order_by(batches.c.dataset, checks.c.check_name, checks.c.outcome == "passed", loads.BATCH.desc())
    )
    return {(row.dataset, row.check_name): row for row in connection.execute(query)}


def _reasons(
    connection: sa.Connection, batches: Mapping[str, list[sa.Row]], known: Mapping[str, Contract]
) -> dict[int, list[tuple[str, int]]]:
    """Counted in quarantine itself."""
    found: dict[int, list[tuple[str, int]]] = {}
    for dataset, rows in batches.items():
        if dataset in known and quarantine.is_there(connection, known[dataset]):
            shown = (row for row in rows if row is rows[0] or row.status == "held")
            found |= {
                row.load_id: quarantine.reasons(connection, known[dataset], load_id=row.load_id)[:REASONS]
                for row in shown
            }
    return found
