"""One batch's rows in the database: held, rejected rows moved to quarantine, attached as a partition, analyzed."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from psycopg2 import sql
from sqlalchemy.dialects.postgresql import JSONB

from sluice.contract.checks.version import version_of
from sluice.contract.contract import Contract
from sluice.warehouse.postgres.session import execute
from sluice.warehouse.postgres.tables import findings_table, incoming_table, quarantine_table, table_name
from sluice.warehouse.warehouse import Batch, Warehouse, schemas_of


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
    findings.drop(connection)
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


def set_aside(connection: sa.Connection, contract: Contract, batch: str) -> str:
    """Keep the held rows in a separate table, and return its name."""
    name = _set_aside_name(contract, batch)
    _rename(connection, incoming_table(contract, batch).name, name)
    return name


def put_back(connection: sa.Connection, contract: Contract, batch: str) -> None:
    """Give the held rows their place again, if a replay that never came to a verdict has taken it."""
    if sa.inspect(connection).has_table(_set_aside_name(contract, batch), schema=schemas_of(connection).staging):
        incoming_table(contract, batch).drop(connection, checkfirst=True)
        findings_table(contract, batch).drop(connection, checkfirst=True)
        _rename(connection, _set_aside_name(contract, batch), incoming_table(contract, batch).name)


def drop_set_aside(connection: sa.Connection, contract: Contract, batch: str) -> None:
    """Drop them: other rows of the batch have come in their place."""
    name = sql.Identifier(schemas_of(connection).staging, _set_aside_name(contract, batch))
    execute(connection, sql.SQL("DROP TABLE IF EXISTS {}").format(name))


def _set_aside_name(contract: Contract, batch: str) -> str:
    return table_name(contract.dataset_id, batch, "replayed")


def _rename(connection: sa.Connection, old: str, new: str) -> None:
    statement = sql.SQL("ALTER TABLE {} RENAME TO {}")
    execute(connection, statement.format(sql.Identifier(schemas_of(connection).staging, old), sql.Identifier(new)))


NEVER_ANALYZED = sa.text(
    "SELECT t.relname FROM pg_stat_all_tables t JOIN pg_inherits i ON i.inhrelid = t.relid "
    "WHERE t.schemaname = :staging AND t.last_analyze IS NULL AND t.last_autoanalyze IS NULL ORDER BY 1"
)


def analyze_new(warehouse: Warehouse) -> None:
    """Analyze every batch in `staging` that never was: some 30,000 sampled rows each, about a second."""
    with warehouse.engine.begin() as connection:
        staging = warehouse.schemas.staging
        for table in connection.scalars(NEVER_ANALYZED, {"staging": staging}).all():
            execute(connection, sql.SQL("ANALYZE {}").format(sql.Identifier(staging, table)))


def make_constant_columns(connection: sa.Connection, contract: Contract, batch: Batch) -> None:
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


# Told by what it holds, not by its name: nothing else is ever dropped or read in its place.
_PARTITION = sa.text(
    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = to_regclass(format('%I.%I', CAST(:schema AS text), CAST(:parent AS text))) "
    "AND pg_get_expr(c.relpartbound, c.oid) = format('FOR VALUES IN (%L)', CAST(:batch AS text))"
)


def partition_of(connection: sa.Connection, contract: Contract, batch: str) -> str | None:
    """The name of the partition that holds a batch, if it is published."""
    found = {"schema": schemas_of(connection).staging, "parent": contract.dataset_id, "batch": batch}
    name: str | None = connection.scalar(_PARTITION, found)
    return name


def swap_partition(connection: sa.Connection, contract: Contract, batch: Batch) -> None:
    """Make the incoming rows the batch's partition, in the place of the one that there is."""
    incoming = incoming_table(contract, batch.batch).name
    partition, former = table_name(contract.dataset_id, batch.batch), partition_of(connection, contract, batch.batch)
    staging = schemas_of(connection).staging
    execute(connection, sql.SQL("SET LOCAL lock_timeout = '30s'"))  # a reader delays a publish, but not for ever
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
