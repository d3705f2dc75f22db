"""Load a batch again from the warehouse: the rows it had and its quarantined rows, read by today's contract.

A replay is a load like any other: audited whole, then published or held, so no row comes in twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import sqlalchemy as sa

from sluice.contract.checks.names import parse_check_name
from sluice.contract.contract import Contract
from sluice.contract.errors import DataError, ToolError
from sluice.ledger import loads
from sluice.source.readers.row_stream import schema_of, typed
from sluice.source.readers.rows import RawRows
from sluice.staging.quarantine import dropped_of
from sluice.warehouse.batch import Batch
from sluice.warehouse.engine import RejectedRow
from sluice.warehouse.postgres.session import DATABASE_ERRORS, first_line
from sluice.warehouse.postgres.transactions import settled, transaction
from sluice.warehouse.warehouse import Warehouse

ROWS = 8_192  # quarantined rows in memory at once


def replayed(warehouse: Warehouse, contract: Contract, batch: str) -> sa.Row:
    """The ledger's row of the load that a replay of this batch would load again: its newest that still has rows.

    Raises:
        DataError: there is none.
    """
    contract.files.batches.validate(batch)
    with transaction(warehouse.engine, f"{contract} {batch}: the ledger cannot be read") as connection:
        found = loads.latest(connection, contract.dataset_id, batch, "published", "held")
        dropped = dropped_of(connection, contract, batch)
    if found is None:
        raise DataError(f"{contract} {batch} has no published and no held load; load its file: sluice run {contract}")
    if dropped:
        raise DataError(f"{contract} {batch}: {dropped}. Load its file again: sluice run {contract} --batch {batch}")
    return found


def load_again(warehouse: Warehouse, contract: Contract, batch: Batch, of: sa.Row) -> Batch:
    """Fill the batch's incoming table with every row of another load of it, accepted and rejected.

    Returns:
        The batch, with the number of rows.

    Raises:
        ToolError: rows of that load are missing, a later run took over, or the database failed.
    """
    try:
        with settled(warehouse.engine) as connection, warehouse.engine.connect() as reading:
            loads.fence(connection, batch)
            published, former = of.status == "published", Batch(of.dataset, of.batch, of.load_id)
            if not published:
                warehouse.data.fit_held(connection, contract, former)
                warehouse.data.set_aside(connection, contract, former)
            warehouse.data.start(connection, contract, batch)
            quarantined = Quarantined(warehouse, reading, contract, of.load_id)
            warehouse.data.bring_in(connection, contract, batch, quarantined)
            accepted = warehouse.data.add_accepted(connection, contract, batch, former, published=published)
            rows = quarantined.rows_read + accepted
            if rows != of.rows_read:
                raise ToolError(
                    f"{batch}: load {of.load_id} read {of.rows_read:,} rows, of which {rows:,} are left "
                    "(were its quarantined rows deleted?); load its file again"
                )
            loads.note(connection, batch, rows_read=rows, rows_counted=rows, loaded_at=sa.func.clock_timestamp())
    except DATABASE_ERRORS as error:
        raise ToolError(
            f"{batch}: the replay failed in the database: {first_line(error)}. Nothing was changed."
        ) from None
    return Batch(batch.dataset_id, batch.batch, batch.load_id, rows)


class Quarantined:
    """The quarantined rows of a load, each cell read again from its text; to be iterated once."""

    bytes_read = 0

    def __init__(self, warehouse: Warehouse, connection: sa.Connection, contract: Contract, load_id: int) -> None:
        self._data, self._connection, self._contract, self._load_id = warehouse.data, connection, contract, load_id
        self.schema = schema_of(contract)
        self.rows_read = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Batches of at most 8,192 rows."""
        for rows in self._data.rejected_rows(self._connection, self._contract, self._load_id, ROWS):
            self.rows_read += len(rows)
            yield self._typed(rows)

    def _typed(self, rows: Sequence[RejectedRow]) -> pa.RecordBatch:
        numbers, reasons, lines, cells = zip(*rows, strict=True)
        texts = [list(column) for column in zip(*cells, strict=True)]
        unread: dict[tuple[int, int], str] = {}
        canonical: dict[int, pa.Array] = {}
        for place, column in enumerate(self._contract.columns):
            if column.format:  # a cell that did not parse is kept as the source wrote it, others are typed values
                canonical[place] = pa.array([parse_check_name(column) not in names for names in reasons])
            # A text that could not be read then cannot be now: what is kept of it are its bytes in hexadecimal.
            if column.type.name != "text":
                continue
            for row, names in enumerate(reasons):
                if parse_check_name(column) in names and texts[place][row] is not None:
                    unread[row, place], texts[place][row] = texts[place][row], None
        whole = {row: line for row, line in enumerate(lines) if line is not None}
        given = RawRows([pa.array(column, pa.string()) for column in texts], len(rows), whole, unread, canonical)
        places = [(column, place) for place, column in enumerate(self._contract.columns)]
        return typed(given, places, pa.array(numbers, pa.int64()), self.schema)
