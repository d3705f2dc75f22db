"""Batches of a table that another tool fills: found, compared, and copied inside the database.

The table is only read: what it is locked by is ACCESS SHARE, and SELECT is right enough. Each batch is copied in one
REPEATABLE READ snapshot, in which it is counted too.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from sluice.contract.contract import Contract
from sluice.contract.drift import locate
from sluice.contract.errors import ConfigError, DataError, SluiceError, ToolError
from sluice.contract.sources import TABLE, Table
from sluice.ledger import loads
from sluice.source.files import SourceFile, SourceMissing, SourceUnreadable
from sluice.staging.loader_tables.table_columns import TableColumn, arrow_types, columns_of, copied, offered, quoted
from sluice.warehouse.batch import Batch
from sluice.warehouse.engine import Capability
from sluice.warehouse.postgres.rows.tables import incoming_table
from sluice.warehouse.postgres.session import DATABASE_ERRORS, first_line
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.spark.connection import choice
from sluice.warehouse.warehouse import Warehouse

SNAPSHOT = sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
WHOLE = ""  # stands for the table where no batch does
Found = Mapping[str, SourceFile | SluiceError]  # by batch: what is there, or why it cannot be loaded


def address_of(contract: Contract, batch: str) -> str:
    """What a batch of a table is called in the ledger and in messages."""
    assert isinstance(contract.files, Table)
    return f"{TABLE}://{contract.files.table}/{batch}".rstrip("/")


def find(warehouse: Warehouse | None, contract: Contract) -> Found:
    """The batches of the table with their fingerprints, in batch order, by one scan. Where the table as a whole cannot
    be loaded, the reason stands under no batch (empty), and alone."""
    try:
        choice.need(Capability.TABLES)
        if warehouse is None:
            raise SourceMissing("there is no database yet")
        with warehouse.engine.begin() as connection:
            found = _compared(connection, contract)
        if not found:
            raise SourceMissing(f"{_name(contract)}: has no row")
        return dict(sorted(found.items()))
    except DATABASE_ERRORS as error:
        problem: SluiceError = SourceUnreadable(f"{_name(contract)}: cannot be read: {first_line(error)}")
    except SluiceError as error:
        problem = error
    return {WHOLE: problem}


def load(warehouse: Warehouse, contract: Contract, batch: Batch) -> Batch:
    """Copy a batch of the table into its incoming table, in one snapshot.

    Returns:
        The batch, with the number of rows.

    Raises:
        DataError: the table's columns are not the contract's, or some of its rows belong to no batch.
        ToolError: the database failed, a later run took over, or the batch is no longer complete.
    """
    if not warehouse.data.commits_with_ledger:
        raise ConfigError(f"{batch}: {_name(contract)} is a table of PostgreSQL; a lake is loaded from files only")
    table = incoming_table(contract, batch.batch)
    with transaction(
        warehouse.engine, f"{batch}: copying {_name(contract)} failed", "The load was discarded."
    ) as connection:
        connection.execute(SNAPSHOT)
        loads.fence(connection, batch)
        found = _compared(connection, contract, batch.batch).get(batch.batch)
        if not isinstance(found, SourceFile):
            raise found or ToolError(f"{_name(contract)}: {batch.batch} has no row any more; run again")
        warehouse.data.drop_set_aside(connection, contract, batch)
        warehouse.data.start(connection, contract, batch)
        rows = _copy(connection, contract, batch.batch, table)
        counted_rows = int(found.etag or 0)
        if rows != counted_rows:
            raise ToolError(f"{batch}: {rows:,} rows were copied, but {counted_rows:,} were counted; run again")
        loads.supersede(connection, batch, "held")
        facts: dict[str, Any] = {"rows_read": rows, "rows_counted": counted_rows, "blank_lines": 0}
        loads.note(
            connection, batch, **facts, sha256=found.sha256, etag=found.etag, loaded_at=sa.func.clock_timestamp()
        )
    return Batch(batch.dataset_id, batch.batch, batch.load_id, rows)


def _copy(connection: sa.Connection, contract: Contract, batch: str, table: sa.Table) -> int:
    assert isinstance(contract.files, Table)
    there = columns_of(connection, _name(contract))
    given = offered(contract, there)
    places = locate(contract, batch, [each.name for each in given], arrow_types(contract, given), _name(contract))
    key: list[Any] = [
        sa.literal_column(quoted(connection, _known(contract, there, name))) for name in contract.files.key
    ]
    values, unparsed = copied(connection, contract, [None if place is None else given[place] for place in places])
    number = sa.func.row_number().over(order_by=key)
    query = sa.select(*values, number, unparsed).select_from(_table(connection, contract))
    query = query.where(_batch_of(contract) == batch)
    target = [*(column.name for column in contract.columns), "_row_number", "_unparsed"]
    return connection.execute(table.insert().from_select(target, query)).rowcount


def _compared(
    connection: sa.Connection, contract: Contract, only: str | None = None
) -> dict[str, SourceFile | SluiceError]:
    """Fingerprint of each batch: how many rows, and a sum over their hashes, which is the same in any order."""
    there = columns_of(connection, _name(contract))
    batch = _batch_of(contract).label("batch")
    query = sa.select(
        batch, sa.func.count().label("rows"), _checksum(connection, contract, there).label("sum"), _complete(contract)
    )
    query = query.select_from(_table(connection, contract)).group_by(sa.literal_column("1"))
    if only is not None:
        query = query.where((batch.element == only) | batch.element.is_(None))
    found: dict[str, SourceFile | SluiceError] = {}
    for name, rows, digest, complete in connection.execute(query).tuples():
        if not _is_batch(contract, name):
            continue
        address = address_of(contract, name)
        if not complete:
            found[name] = SourceMissing(f"{address}: its loader has not finished")
            continue
        digest = sha256(f"{address} {rows} {digest}".encode()).hexdigest()
        found[name] = SourceFile(address, Path(), 0, str(rows), None, digest, "table", None, ())
    return found


def _is_batch(contract: Contract, name: str | None) -> bool:
    """Whether it is a batch of the dataset; not one before its first.

    Raises:
        DataError: it names no batch, so that its rows would never be loaded.
    """
    assert isinstance(contract.files, Table)
    batches = contract.files.batches
    if name is not None and batches.parts(name) and name < batches.first:
        return False
    try:
        batches.validate(name or "")
    except ConfigError as error:
        why = "" if name is None else f" ({error})"
        raise DataError(
            f"{_name(contract)}: the batch of some rows is {'null' if name is None else repr(name)}, so they would "
            f"never be loaded{why}. Correct them, or batch={contract.files.batch!r} in the contract of {contract}"
        ) from None
    return True


def _batch_of(contract: Contract) -> sa.ColumnElement[str]:
    assert isinstance(contract.files, Table)
    if contract.files.batch is None:
        return sa.literal(contract.files.batches.first, sa.Text())
    return sa.cast(sa.literal_column(f"({contract.files.batch})"), sa.Text())


def _complete(contract: Contract) -> sa.ColumnElement[bool]:
    assert isinstance(contract.files, Table)
    if contract.files.complete is None:
        return sa.true()
    return sa.func.bool_and(sa.func.coalesce(sa.literal_column(f"({contract.files.complete})"), sa.false()))


def _checksum(connection: sa.Connection, contract: Contract, there: list[TableColumn]) -> sa.ColumnElement[Any]:
    assert isinstance(contract.files, Table)
    if contract.files.load_id is not None:
        load = sa.cast(sa.literal_column(quoted(connection, contract.files.load_id)), sa.Text())
        return sa.func.string_agg(sa.distinct(load), aggregate_order_by(sa.literal_column("','"), load))
    wanted = {name for column in contract.columns for name in column.sources}
    names = [quoted(connection, each.name) for each in there if each.name in wanted]
    row = sa.cast(sa.literal_column(f"ROW({', '.join(names)})"), sa.Text())
    return sa.func.sum(sa.cast(sa.func.hashtextextended(row, 0), sa.Numeric()))


def _table(connection: sa.Connection, contract: Contract) -> sa.TextClause:
    """The table under its own name: one of another tool's schemas may have the name of one of Sluice's."""
    return sa.text(".".join(quoted(connection, part) for part in _name(contract).split(".")).replace(":", r"\:"))


def _known(contract: Contract, there: list[TableColumn], name: str) -> str:
    if name not in {each.name for each in there}:
        raise DataError(f"{_name(contract)}: has no column {name!r}, which is the key in the contract of {contract}")
    return name


def _name(contract: Contract) -> str:
    assert isinstance(contract.files, Table)
    return contract.files.table
