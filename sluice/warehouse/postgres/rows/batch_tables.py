"""One batch's rows in the database: held, rejected rows moved to quarantine, published, analyzed.

A batch has a partition to itself, or shares one with others where there may be thousands (docs/decisions/0030).
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from psycopg2 import sql
from sqlalchemy.dialects.postgresql import JSONB

from sluice.contract.checks.version import version_of
from sluice.contract.contract import Contract
from sluice.contract.derive.schemas import STAGING
from sluice.contract.derive.tables import parent_table
from sluice.warehouse.batch import Batch, schemas_of
from sluice.warehouse.postgres.rows.tables import (
    bucket_names,
    findings_table,
    incoming_table,
    quarantine_table,
    table_name,
)
from sluice.warehouse.postgres.session import execute


def start(connection: sa.Connection, contract: Contract, batch: Batch) -> None:
    """Make an empty incoming table, in the place of what a former load left there."""
    drop(connection, contract, batch)
    incoming_table(contract, batch.batch).create(connection, checkfirst=False)


def drop(connection: sa.Connection, contract: Contract, batch: Batch) -> None:
    """Drop the rows of a load that are not published, and what its audit found in them."""
    _drop_if_there(connection, *(table(contract, batch.batch).name for table in (incoming_table, findings_table)))


def _drop_if_there(connection: sa.Connection, *tables: str) -> None:
    staging = schemas_of(connection).staging
    names = sql.SQL(", ").join(sql.Identifier(staging, table) for table in tables)
    execute(connection, sql.SQL("DROP TABLE IF EXISTS {}").format(names))


def batch_in(connection: sa.Connection, contract: Contract, batch: Batch) -> str | None:
    """The batch that the rows of the incoming table are of: names that differ in - and _ alone share a table."""
    found: str | None = connection.scalar(sa.select(incoming_table(contract, batch.batch).c._batch).limit(1))
    return found


def add_accepted(connection: sa.Connection, contract: Contract, batch: Batch, of: Batch, *, published: bool) -> int:
    """Add to the incoming table the rows that were accepted before: those readers have, or those of a held load.

    Returns:
        How many.
    """
    source = contract.dataset_id if published else _set_aside_name(contract, of)
    names = [*(column.name for column in contract.columns), "_row_number"]
    rows = sa.select(*sa.table(source, *(sa.column(name) for name in names), schema=STAGING).columns)
    rows = rows.where(sa.column("_batch") == of.batch)
    return connection.execute(incoming_table(contract, batch.batch).insert().from_select(names, rows)).rowcount


def drop_quarantined(connection: sa.Connection, contract: Contract, loads: sa.Select) -> None:
    """Drop the rejected rows of these loads: a query of their numbers in the ledger."""
    quarantine = quarantine_table(contract)
    # As an array of the beginning of its key, so that no other batch's rows are read
    its = sa.any_(sa.func.array(loads.scalar_subquery()))
    connection.execute(quarantine.delete().where(quarantine.c._load_id == its))


def move_to_quarantine(connection: sa.Connection, contract: Contract, batch: Batch) -> int:
    """Take the rejected rows out of the incoming table and keep each once, with every check it failed.

    Returns:
        How many there were.
    """
    table, findings = incoming_table(contract, batch.batch), findings_table(contract, batch.batch)
    # By place, as an array: PostgreSQL then goes to these rows at once, where a join would read the whole table.
    places = sa.func.array(sa.select(findings.c._place).where(findings.c._rejected).scalar_subquery())
    removed = sa.delete(table).where(table.c.ctid == sa.any_(places))
    taken = removed.returning(table.c._row_number, _quarantined_row(contract, table).label("_row")).cte("taken")
    moved = sa.select(
        sa.literal(batch.batch).label("_batch"),
        sa.literal(batch.load_id).label("_load_id"),
        sa.literal(version_of(contract)).label("_contract_version"),
        taken.c._row_number,
        findings.c._reasons,
        taken.c._row,
    ).join_from(taken, findings, taken.c._row_number == findings.c._row_number)
    names = [column.name for column in moved.selected_columns]
    kept = connection.execute(quarantine_table(contract).insert().from_select(names, moved)).rowcount
    findings.drop(connection, checkfirst=False)
    return kept


def _quarantined_row(contract: Contract, table: sa.Table) -> Any:
    """The typed values, overlaid with the source's text of the cells that did not parse."""
    pairs = [part for c in contract.columns for part in (sa.literal(c.name), table.c[c.name])]
    # A function takes 100 arguments at most.
    halves = [sa.func.jsonb_build_object(*pairs[i : i + 100]) for i in range(0, len(pairs), 100)]
    typed: Any = halves[0]
    for half in halves[1:]:
        typed = typed.op("||")(half)
    return typed.op("||")(sa.func.coalesce(sa.cast(table.c._unparsed, JSONB), sa.cast(sa.literal("{}"), JSONB)))


def set_aside(connection: sa.Connection, contract: Contract, batch: Batch) -> None:
    """Keep the held rows in a separate table."""
    _rename(connection, incoming_table(contract, batch.batch).name, _set_aside_name(contract, batch))


def put_back(connection: sa.Connection, contract: Contract, batch: Batch) -> None:
    """Give the held rows their place again, if a replay that never came to a verdict has taken it."""
    if sa.inspect(connection).has_table(_set_aside_name(contract, batch), schema=schemas_of(connection).staging):
        drop(connection, contract, batch)
        _rename(connection, _set_aside_name(contract, batch), incoming_table(contract, batch.batch).name)


def drop_set_aside(connection: sa.Connection, contract: Contract, batch: Batch) -> None:
    """Drop them: other rows of the batch have come in their place."""
    _drop_if_there(connection, _set_aside_name(contract, batch))


def _set_aside_name(contract: Contract, batch: Batch) -> str:
    return table_name(contract.dataset_id, batch.batch, "replayed")


def _rename(connection: sa.Connection, old: str, new: str) -> None:
    statement = sql.SQL("ALTER TABLE {} RENAME TO {}")
    execute(connection, statement.format(sql.Identifier(schemas_of(connection).staging, old), sql.Identifier(new)))


TO_ANALYZE = sa.text(
    "SELECT c.relname FROM pg_stat_all_tables t JOIN pg_class c ON c.oid = t.relid "
    "WHERE t.schemaname = :staging AND c.relispartition AND c.relkind = 'r' AND ("
    "t.last_analyze IS NULL AND t.last_autoanalyze IS NULL "
    "OR t.n_mod_since_analyze > 50 + 0.1 * t.n_live_tup) ORDER BY 1"  # as much as autovacuum would wait for
)


def analyze_new(engine: sa.Engine) -> None:
    """Analyze each partition of `staging` that never was, or has changed: some 30,000 sampled rows, about a second.

    Without a transaction: a process that is stopped between two would keep others from publishing into the first.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        staging = schemas_of(connection).staging
        for table in connection.scalars(TO_ANALYZE, {"staging": staging}).all():
            execute(connection, sql.SQL("ANALYZE {}").format(sql.Identifier(staging, table)))


# Found by what it holds, not by its name: nothing else is ever dropped in its place.
_PARTITION = sa.text(
    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = to_regclass(format('%I.%I', CAST(:schema AS text), CAST(:parent AS text))) "
    "AND pg_get_expr(c.relpartbound, c.oid) = format('FOR VALUES IN (%L)', CAST(:batch AS text))"
)
_SHARED = sa.text(
    "SELECT partdefid <> 0 FROM pg_partitioned_table "
    "WHERE partrelid = to_regclass(format('%I.%I', CAST(:schema AS text), CAST(:parent AS text)))"
)
WAIT = sql.SQL("SET LOCAL lock_timeout = '30s'")  # a reader delays a publish, but not for ever


def share_partitions(connection: sa.Connection, contract: Contract) -> None:
    """Give the dataset the partitions that batches share, if it has none: those that came before keep theirs."""
    if _is_shared(connection, contract):
        return
    staging, (shared, buckets) = schemas_of(connection).staging, bucket_names(contract.dataset_id)
    parent, within = sql.Identifier(staging, contract.dataset_id), sql.Identifier(staging, shared)
    make = sql.SQL("CREATE TABLE {} PARTITION OF {} DEFAULT PARTITION BY HASH (_batch)")
    execute(connection, make.format(within, parent))
    execute(connection, sql.SQL("CREATE INDEX ON {} (_batch)").format(within))
    make = sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES WITH (MODULUS {}, REMAINDER {})")
    for number, name in enumerate(buckets):
        numbers = (sql.Literal(len(buckets)), sql.Literal(number))
        execute(connection, make.format(sql.Identifier(staging, name), within, *numbers))


def _is_shared(connection: sa.Connection, contract: Contract) -> bool:
    known = {"schema": schemas_of(connection).staging, "parent": contract.dataset_id}
    return bool(connection.scalar(_SHARED, known))


def replace_published(connection: sa.Connection, contract: Contract, batch: Batch) -> None:
    """Make the incoming rows what readers of `staging` have of the batch, in the place of what they had."""
    execute(connection, WAIT)
    if _is_shared(connection, contract):
        _replace_rows(connection, contract, batch)
    else:
        _make_constant_columns(connection, contract, batch)
        _swap_partition(connection, contract, batch)


def _replace_rows(connection: sa.Connection, contract: Contract, batch: Batch) -> None:
    """By the index on `_batch`; no reader waits, and each sees the old rows or the new ones."""
    parent, incoming = parent_table(contract), incoming_table(contract, batch.batch)
    connection.execute(parent.delete().where(parent.c._batch == batch.batch))
    constants = {"_dataset": batch.dataset_id, "_batch": batch.batch, "_load_id": batch.load_id}
    rows = sa.select(
        *(
            incoming.c[column.name]
            for column in parent.columns
            if column.name in incoming.c and column.name != "_batch"
        ),
        *(sa.literal(value).label(name) for name, value in constants.items()),
        sa.func.now().label("_loaded_at"),
    )
    connection.execute(parent.insert().from_select([column.name for column in rows.selected_columns], rows))
    incoming.drop(connection, checkfirst=False)


def _make_constant_columns(connection: sa.Connection, contract: Contract, batch: Batch) -> None:
    """Add the other system columns. A constant default reads and writes no row (PostgreSQL 11 and later)."""
    name = incoming_table(contract, batch.batch).name
    constants = {"_dataset": batch.dataset_id, "_load_id": batch.load_id}
    types = {"_dataset": "text", "_load_id": "bigint"}
    parts: list[sql.Composable] = [
        sql.SQL("ADD COLUMN {} {} NOT NULL DEFAULT {}").format(
            sql.Identifier(column), sql.SQL(types[column]), sql.Literal(value)
        )
        for column, value in constants.items()
    ]
    parts += [
        sql.SQL("DROP COLUMN _unparsed"),
        sql.SQL("ADD COLUMN _loaded_at timestamptz NOT NULL DEFAULT now()"),
    ]
    table = sql.Identifier(schemas_of(connection).staging, name)
    execute(connection, sql.SQL("ALTER TABLE {} {}").format(table, sql.SQL(", ").join(parts)))


def _swap_partition(connection: sa.Connection, contract: Contract, batch: Batch) -> None:
    """Make the incoming rows the batch's partition, in the place of the one that there is."""
    incoming = incoming_table(contract, batch.batch).name
    staging, partition = schemas_of(connection).staging, table_name(contract.dataset_id, batch.batch)
    found = {"schema": staging, "parent": contract.dataset_id, "batch": batch.batch}
    former: str | None = connection.scalar(_PARTITION, found)
    if former is not None:
        execute(connection, sql.SQL("DROP TABLE {}").format(sql.Identifier(staging, former)))
    for statement in (
        sql.SQL("ALTER TABLE {} RENAME TO {}").format(sql.Identifier(staging, incoming), sql.Identifier(partition)),
        sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES IN ({})").format(
            sql.Identifier(staging, contract.dataset_id),
            sql.Identifier(staging, partition),
            sql.Literal(batch.batch),
        ),
    ):
        execute(connection, statement)
