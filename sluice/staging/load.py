"""Begin a load and fill the batch's incoming table."""

from __future__ import annotations

import sqlalchemy as sa

from sluice import memory
from sluice.contract.contract import Contract
from sluice.ledger import files, loads
from sluice.source.readers.row_stream import RowStream
from sluice.warehouse.batch import Batch
from sluice.warehouse.engine import Progress
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Warehouse


def load(
    warehouse: Warehouse, contract: Contract, batch: Batch, stream: RowStream, progress: Progress | None = None
) -> Batch:
    """Fill the batch's incoming table with every row of the stream, replacing what a former load left there.

    Returns:
        The batch, with the number of rows read.

    Raises:
        DataError: the file is bad; nothing is left behind.
        ToolError: the database failed, or a later run took over.
    """
    try:
        with transaction(
            warehouse.engine, f"{batch}: loading failed in the database", "The load was discarded.", long=True
        ) as connection:
            loads.fence(connection, batch)
            warehouse.data.drop_set_aside(connection, contract, batch)
            warehouse.data.start(connection, contract, batch)
            warehouse.data.bring_in(connection, contract, batch, stream, progress)
            files.note(connection, batch, stream.files)
            loads.supersede(connection, batch, "held")  # its rows were in that table
            loads.note(
                connection,
                batch,
                rows_read=stream.rows_read,
                rows_counted=stream.rows_counted,
                blank_lines=stream.blank_lines,
                loaded_at=sa.func.clock_timestamp(),
            )
    finally:
        memory.give_back()  # dbt, later in this process, needs it
    return Batch(batch.dataset_id, batch.batch, batch.load_id, stream.rows_read, stream.blank_lines)
