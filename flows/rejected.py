"""The rejected rows of a batch: which they are, why, and their way into quarantine. SQL only; decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, array
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ClauseElement, Executable

from contracts.checks import ROW_NUMBER, UNPARSED, Check, parse_check_name
from contracts.contract import Contract
from contracts.derive.ddl import incoming_table, quarantine_table
from contracts.version import version_of
from flows import ledger

# Rows that failed a check which is no expression over the row itself. Emptied when the load finishes.
failed_rows = sa.Table(
    "failed_rows",
    ledger.metadata,
    sa.Column("load_id", sa.BigInteger(), nullable=False, index=True),
    sa.Column("_row_number", sa.BigInteger(), nullable=False),
    sa.Column("check_name", sa.Text(), nullable=False),
)

SHAPE_CHECK = "row has the header's fields"


def mark_duplicates(connection: sa.Connection, contract: Contract, batch: ledger.Batch, check: Check) -> None:
    """Write down the rows that fail a uniqueness check, found by one grouped query.

    Nulls are equal to each other, as pandera has it.
    """
    table = incoming_table(contract, batch.batch)
    columns = [table.c[name] for name in check.columns]
    number = table.c._row_number
    if check.keep:
        order = number.desc() if check.keep == "last" else number
        place = sa.func.row_number().over(partition_by=columns, order_by=order)
    else:
        place = sa.func.count().over(partition_by=columns)
    placed = sa.select(number, place.label("place")).subquery()
    rows = sa.select(sa.literal(batch.load_id), placed.c._row_number, sa.literal(check.name))
    connection.execute(
        failed_rows.insert().from_select(["load_id", "_row_number", "check_name"], rows.where(placed.c.place > 1))
    )


def forget_marks(connection: sa.Connection, batch: ledger.Batch) -> None:
    """Drop what was marked for a load."""
    connection.execute(failed_rows.delete().where(failed_rows.c.load_id == batch.load_id))


def fails(check: Check, batch: ledger.Batch) -> sa.ColumnElement[bool]:
    """Whether a row of the incoming table fails one check; never unknown."""
    if check.kind == "row":
        return sa.func.coalesce(sa.not_(check.passes), sa.false())
    return ROW_NUMBER.in_(
        sa.select(failed_rows.c._row_number).where(
            failed_rows.c.load_id == batch.load_id, failed_rows.c.check_name == check.name
        )
    )


def is_rejected(checks: Iterable[Check], batch: ledger.Batch) -> sa.ColumnElement[bool]:
    """Whether a row fails anything of severity error. Unknown counts as no."""
    errors = [check for check in checks if check.severity == "error"]
    failing = [sa.not_(check.passes) for check in errors if check.kind == "row"]
    listed = [check.name for check in errors if check.kind in ("unique", "pandas")]
    if listed:
        marked = sa.select(failed_rows.c._row_number).where(
            failed_rows.c.load_id == batch.load_id, failed_rows.c.check_name.in_(listed)
        )
        failing.append(ROW_NUMBER.in_(marked))
    return sa.or_(UNPARSED.is_not(None), *failing)


def move_to_quarantine(
    connection: sa.Connection, contract: Contract, batch: ledger.Batch, checks: Sequence[Check]
) -> int:
    """Take the rejected rows out of the incoming table and keep each once, with every check it failed.

    Returns:
        How many there were.
    """
    table = incoming_table(contract, batch.batch)
    kept = sa.select(
        table.c.ctid.label("_place"),
        sa.literal(batch.batch).label("_batch"),
        sa.literal(batch.load_id).label("_load_id"),
        sa.literal(version_of(contract)).label("_contract_version"),
        table.c._row_number,
        _reasons(contract, checks, batch).label("_reasons"),
        _row(contract, table).label("_row"),
    ).where(is_rejected(checks, batch))
    connection.execute(_MakeTemporary("sluice_rejected", kept))
    found = sa.table("sluice_rejected", *(sa.column(column.name) for column in kept.selected_columns))
    names = [column.name for column in kept.selected_columns if column.name != "_place"]
    moved = sa.select(*(found.c[name] for name in names))
    count = connection.execute(quarantine_table(contract).insert().from_select(names, moved)).rowcount
    # By place, as an array: PostgreSQL then goes to these rows at once, where a join would read the whole table.
    places = sa.func.array(sa.select(found.c._place).scalar_subquery())
    connection.execute(sa.delete(table).where(table.c.ctid == sa.any_(places)))
    return count


class _MakeTemporary(Executable, ClauseElement):
    """CREATE TEMPORARY TABLE ... AS: unlike INSERT and DELETE, its query may run in parallel workers."""

    inherit_cache = False

    def __init__(self, name: str, query: sa.Select) -> None:
        self.name, self.query = name, query


@compiles(_MakeTemporary)
def _compile(element: _MakeTemporary, compiler: Any, **options: Any) -> str:
    name = compiler.preparer.quote(element.name)
    return f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS {compiler.process(element.query, **options)}"


def _reasons(contract: Contract, checks: Sequence[Check], batch: ledger.Batch) -> Any:
    """Names of the checks a row failed, those of its unparsed cells first."""
    parse = [(column.name, parse_check_name(column)) for column in contract.columns]
    reasons = [
        sa.case((UNPARSED.contains(f'"{key}":', autoescape=True), sa.literal(name)))
        for key, name in [("_row", SHAPE_CHECK), *parse]
    ]
    reasons += [sa.case((fails(check, batch), sa.literal(check.name))) for check in checks if check.kind != "aggregate"]
    return sa.func.array_remove(sa.cast(array(reasons), ARRAY(sa.Text())), sa.null())


def _row(contract: Contract, table: sa.Table) -> Any:
    """The typed values, overlaid with the source's text of the cells that did not parse."""
    pairs = [part for c in contract.columns for part in (sa.literal(c.name), table.c[c.name])]
    # A function takes 100 arguments at most.
    halves = [sa.func.jsonb_build_object(*pairs[i : i + 100]) for i in range(0, len(pairs), 100)]
    typed: Any = halves[0]
    for half in halves[1:]:
        typed = typed.op("||")(half)
    return typed.op("||")(sa.func.coalesce(sa.cast(table.c._unparsed, JSONB), sa.cast(sa.literal("{}"), JSONB)))
